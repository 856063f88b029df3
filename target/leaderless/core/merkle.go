package core

// hashTree is a hash tree (Merkle, CRYPTO 1987) over the keys that two
// replicas have in common: it finds what differs between them without sending
// what does not (Dynamo §4.7, "Handling permanent failures: replica synchronization").
//
// The keys are spread over 2^depth leaves by their hash. A leaf's hash stands
// for the set of its keys and cells, an inner node's for the two below it. Two
// replicas compare their roots first; where hashes are equal all below is
// equal and never looked at, where they differ the two compare the children.
// With few differences among many keys that costs about depth hashes a
// difference, and of the cells only those of differing leaves are looked at.
//
// A leaf's hash is the exclusive or of the hashes of its cells. It does not
// depend on the order of writes, and a cell that changes is taken out and put
// in by the same operation: a write costs one hash of its cell and one walk to
// the root, and nothing is ever rebuilt. Cassandra builds its trees anew for
// each repair, from all its data (org.apache.cassandra.utils.MerkleTree); Riak
// keeps them and updates them with each write, as here (riak_core's
// hashtree.erl, whose "segments" are these leaves, also chosen by a hash of the key).
//
// The price: 2^depth hashes of memory and a little work with each write; with
// too few leaves for the keys, one difference makes two replicas list the many
// keys of its leaf. Hashes have 64 bits and are not meant to withstand someone
// who constructs collisions.
//
// Nodes are numbered as in a heap: the root is 1, the children of i are 2i and
// 2i+1, the leaves are the last 2^depth numbers. Empty trees have no memory.
type hashTree struct {
	depth  uint
	hashes []uint64 // by node; nil while no leaf has a key
}

// maxTreeDepth bounds the memory of one tree to a megabyte.
const maxTreeDepth = 16

const treeRoot = uint32(1)

// firstLeaf is the number of the first leaf, and how many leaves there are.
func (t *hashTree) firstLeaf() uint32 { return 1 << t.depth }

// leafOf returns the leaf of a key with that hash. It takes the lower bits: the
// upper ones say where on the ring the key is, and the keys of one replica are
// not spread over all of it.
func (t *hashTree) leafOf(keyHash uint64) uint32 {
	return t.firstLeaf() + uint32(keyHash&uint64(t.firstLeaf()-1))
}

// hash returns the hash of a node; 0 if there is no such node, or nothing below it.
func (t *hashTree) hash(node uint32) uint64 {
	if uint64(node) >= uint64(len(t.hashes)) {
		return 0
	}
	return t.hashes[node]
}

// replace takes one cell's hash out of a leaf and puts another one in. 0 stands
// for no cell: replace(leaf, 0, h) adds, replace(leaf, h, 0) removes.
func (t *hashTree) replace(leaf uint32, before, after uint64) {
	if before == after {
		return
	}
	if t.hashes == nil {
		t.hashes = make([]uint64, 2*t.firstLeaf())
	}
	t.hashes[leaf] ^= before ^ after
	for node := leaf / 2; node >= treeRoot; node /= 2 {
		t.hashes[node] = nodeHash(t.hashes[2*node], t.hashes[2*node+1])
	}
}

// nodeHash is the hash of an inner node. Left and right are not the same to it,
// and that of an empty tree is 0 like that of an empty leaf.
func nodeHash(left, right uint64) uint64 {
	if left|right == 0 {
		return 0
	}
	return mix64(left*0x9fb21c651e98df25 + mix64(right+0x9e3779b97f4a7c15))
}

// below appends the nodes that are the given number of levels below the node,
// or the leaves below it where the tree ends before that. A leaf yields itself.
func (t *hashTree) below(nodes []uint32, node uint32, levels uint) []uint32 {
	first, count := node, uint32(1)
	for ; levels > 0 && first < t.firstLeaf(); levels-- {
		first, count = 2*first, 2*count
	}
	for i := range count {
		nodes = append(nodes, first+i)
	}
	return nodes
}

// has says that the node exists in trees of this depth.
func (t *hashTree) has(node uint32) bool { return node >= treeRoot && node < 2*t.firstLeaf() }

// cellHash is what a key and its cell contribute to their leaf: never 0, which
// stands for no cell. Replicas that hold the same have the same hash.
func cellHash(keyHash uint64, c *Cell) uint64 {
	d := digest(keyHash)
	d.cell(c)
	return max(uint64(d), 1)
}
