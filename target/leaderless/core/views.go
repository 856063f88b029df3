package core

import "bytes"

// What an operator looks at beside numbers: the ring, the preference list of a
// key, the hash trees. Nothing here changes anything.

// Token is a point on the ring and the node that it belongs to.
type Token struct {
	At   uint64
	Node NodeID
}

// Tokens returns all tokens in the order of the ring.
func (r *Ring) Tokens() []Token {
	all := make([]Token, len(r.tokens))
	for i, at := range r.tokens {
		all[i] = Token{At: at, Node: r.orders[i*r.nodes]}
	}
	return all
}

// Placement returns the key's home replicas, n in each data centre, and the
// other nodes of the ring in the order in which they stand in. Neither may be changed.
func (r *Ring) Placement(key string, n int) (home, then []NodeID) {
	order, homes := r.placed(key, n)
	return order[:homes:homes], order[homes:]
}

// HintView is a hint that a node keeps, and since when.
type HintView struct {
	DumpHint
	// KeptAt is when it was kept, by the node's wall clock, in nanoseconds; of
	// one that was recovered from the log the time in its version, or 0 where that is no time.
	KeptAt int64
}

// HintViews returns the hints that this node keeps for others, by home replica, the oldest first.
func (n *Node) HintViews() []HintView {
	var all []HintView
	for i := range n.hints.queues {
		for h := n.hints.queues[i].first; h != nil; h = h.next {
			all = append(all, HintView{DumpHint{Key: h.key, Version: h.memory.Version, Home: NodeID(i)}, n.hintKeptAt(h)})
		}
	}
	return all
}

func (n *Node) hintKeptAt(h *hint) int64 {
	if h.keptAt == 0 && !n.settings.Fetches() {
		return h.memory.Version.Time
	}
	return h.keptAt
}

// Position returns where on a ring a key is.
func Position(key string) uint64 { return hashString(key) }

// SameCell says that two replicas that hold these cells of a key hold the same.
func SameCell(a, b *Cell) bool {
	switch {
	case a.Object == nil && b.Object == nil:
		return a.Version == b.Version && a.Tombstone == b.Tombstone && bytes.Equal(a.Value, b.Value)
	case a.Object == nil || b.Object == nil || a.Object.Kind() != b.Object.Kind():
		return false
	}
	return a.Object.Covers(b.Object) && b.Object.Covers(a.Object)
}

// Tree describes the hash tree of one range of keys, those with the same home replicas.
type Tree struct {
	// Members are the home replicas, in ascending order.
	Members []NodeID
	// Keys are in the range; Depth is that of the tree, Root the hash of all.
	Keys  int
	Depth int
	Root  uint64
	// Peers are what is known of the other members.
	Peers []TreePeer
	// Leaves are those with keys, in order.
	Leaves []Leaf
}

// TreePeer is what a node knows of another replica of a range.
type TreePeer struct {
	Node NodeID
	// Equal says that both were found equal and that this node has not changed since.
	Equal bool
	// Different counts the keys that differed when they were compared last.
	Different uint64
}

// Leaf is one leaf of a hash tree; two replicas whose leaves of a number have
// the same hash have the same keys and versions in it.
type Leaf struct {
	Number int
	Keys   int
	Hash   uint64
}

// Trees returns the hash trees of all ranges of this node, with their leaves if
// asked for them; none with anti-entropy=off.
func (n *Node) Trees(leaves bool) []Tree {
	var all []Tree
	for _, k := range n.currentRanges().ranges {
		t := Tree{Members: k.members, Keys: k.count, Depth: int(k.tree.depth), Root: k.tree.hash(treeRoot)}
		for i := range k.peers {
			p := &k.peers[i]
			t.Peers = append(t.Peers, TreePeer{Node: p.node, Equal: k.equal(p), Different: p.different})
		}
		for i := range k.leaves {
			if leaves && len(k.leaves[i]) > 0 {
				t.Leaves = append(t.Leaves, Leaf{Number: i, Keys: len(k.leaves[i]), Hash: k.tree.hash(k.tree.firstLeaf() + uint32(i))})
			}
		}
		all = append(all, t)
	}
	return all
}
