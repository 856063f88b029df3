package core

import (
	"cmp"
	"slices"
)

// Ranges are what replicas compare with one another: all keys that have the
// same home replicas, whichever of them comes first, are one range. With
// virtual nodes a node has hundreds of arcs on the ring but only as many
// ranges as there are sets of replicas, so that two nodes are through with
// each other after a few comparisons (Cassandra, too, repairs the arcs with
// the same neighbours together: RepairSession's common ranges; Riak has one
// tree per preference list and n).
//
// For each range of which it is a home replica a node keeps
//
//   - a hash tree over its durable cells (see merkle.go), and the keys of each leaf;
//   - a count of the changes, and for each other replica the count at which
//     both were known to be equal (equalAt) and the count up to which the
//     other is known to hold, durably, all that this one held (coveredAt).
//
// Nothing is differing while equalAt is the present count on both sides: if one
// of two equal replicas has changed, it is the one whose count has moved on.
//
// Cells that this node holds without being a home replica of their key, and
// hints, are in no range. The ranges belong to one ring; when the node has got
// another one they are made anew, and nothing is known of the others any more.
type rangeSet struct {
	// on says that ranges are kept at all: with anti-entropy.
	on   bool
	ring *Ring
	// fingerprint tells rings apart: two nodes compare ranges of the same ring only.
	fingerprint uint64
	ranges      []*keyRange // by members
	bySet       map[homeSet]*keyRange
}

// keyRange is all keys with the same home replicas.
type keyRange struct {
	set     homeSet
	members []NodeID // ascending
	tree    hashTree
	// leaves has the cells of each leaf in no particular order; nil while there are none.
	leaves [][]*rangeEntry
	count  int
	// changed counts the changes of durable cells, from 1.
	changed uint64
	peers   []rangePeer // of the other members
}

// rangePeer is what is known of another replica of a range.
type rangePeer struct {
	node               NodeID
	equalAt, coveredAt uint64 // 0: nothing is known
	// different counts the keys that differed when they were compared last.
	different uint64
}

// rangeEntry is one cell in a range.
type rangeEntry struct {
	slot    *slot
	of      *keyRange
	leaf    uint32
	keyHash uint64
	hash    uint64 // what the cell contributes to its leaf
	changed uint64 // the range's count when this cell changed
}

// rangesStart makes the ranges of what was recovered.
func (n *Node) rangesStart() {
	n.ranges.on = n.settings.AntiEntropy != AntiEntropyOff
	if n.ranges.on {
		n.rebuildRanges()
	}
}

// rebuildRanges makes all ranges anew, for the node's present ring.
func (n *Node) rebuildRanges() {
	r := &n.ranges
	r.ring = n.ring
	r.fingerprint = n.ring.fingerprint()
	r.ranges, r.bySet = nil, make(map[homeSet]*keyRange)
	n.ring.eachHomes(n.settings.N, func(homes []NodeID) {
		set := setOf(homes)
		if r.bySet[set] != nil || !set.has(uint8(n.id)) {
			return
		}
		k := &keyRange{set: set, members: slices.Sorted(slices.Values(homes)), changed: 1, tree: hashTree{depth: uint(n.settings.AntiEntropyDepth)}}
		for _, node := range k.members {
			if node != n.id {
				k.peers = append(k.peers, rangePeer{node: node})
			}
		}
		r.bySet[set] = k
		r.ranges = append(r.ranges, k)
	})
	slices.SortFunc(r.ranges, func(a, b *keyRange) int { return slices.Compare(a.members, b.members) })
	for _, s := range n.sortedSlots() {
		s.entry = nil
		n.rangeChanged(s)
	}
}

// currentRanges are the ranges of the present ring.
func (n *Node) currentRanges() *rangeSet {
	if n.ranges.on && n.ranges.ring != n.ring {
		n.rebuildRanges()
	}
	return &n.ranges
}

// rangeChanged takes note of a slot's durable cell, or of its absence.
func (n *Node) rangeChanged(s *slot) {
	r := n.currentRanges()
	e := s.entry
	if e == nil {
		if s.durable.Version.IsZero() {
			return
		}
		k := r.bySet[setOf(n.homesOf(s.key))]
		if k == nil {
			return // this node is no home replica of the key
		}
		at := hashString(s.key)
		e = &rangeEntry{slot: s, of: k, keyHash: at, leaf: k.tree.leafOf(at)}
		s.entry = e
		if k.leaves == nil {
			k.leaves = make([][]*rangeEntry, k.tree.firstLeaf())
		}
		cells := &k.leaves[e.leaf-k.tree.firstLeaf()]
		*cells = append(*cells, e)
		k.count++
	}
	hash := cellHash(e.keyHash, &s.durable)
	if hash == e.hash {
		return
	}
	e.of.changed++
	e.changed = e.of.changed
	e.of.tree.replace(e.leaf, e.hash, hash)
	e.hash = hash
}

// rangeRemoved forgets a slot that has been purged.
func (n *Node) rangeRemoved(s *slot) {
	e := s.entry
	if e == nil {
		return
	}
	s.entry = nil
	cells := &e.of.leaves[e.leaf-e.of.tree.firstLeaf()]
	i := slices.Index(*cells, e)
	(*cells)[i] = (*cells)[len(*cells)-1]
	(*cells)[len(*cells)-1] = nil
	*cells = (*cells)[:len(*cells)-1]
	e.of.count--
	e.of.changed++
	e.of.tree.replace(e.leaf, e.hash, 0)
}

// peer returns what is known of another replica; nil if it is none.
func (k *keyRange) peer(node NodeID) *rangePeer {
	for i := range k.peers {
		if k.peers[i].node == node {
			return &k.peers[i]
		}
	}
	return nil
}

// equal says that nothing is known to differ from the peer.
func (k *keyRange) equal(p *rangePeer) bool { return p.equalAt == k.changed }

// page returns the entries of a leaf whose keys follow after, in order, up to
// until if it is not empty, and at most as many as fit in a message; more says that some are left.
func (k *keyRange) page(leaf uint32, after, until string) (entries []*rangeEntry, more bool) {
	if k.leaves == nil {
		return nil, false
	}
	for _, e := range k.leaves[leaf-k.tree.firstLeaf()] {
		if e.slot.key > after && (until == "" || e.slot.key <= until) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *rangeEntry) int { return cmp.Compare(a.slot.key, b.slot.key) })
	bytes := 0
	for i, e := range entries {
		if bytes += len(e.slot.key); i == maxPageKeys || i > 0 && bytes > maxPageBytes {
			return entries[:i], true
		}
	}
	return entries, false
}

// A page of the keys of a leaf has at most so many keys, and as many bytes of keys but for the first.
const (
	maxPageKeys  = 256
	maxPageBytes = 64 << 10
)

func setOf(nodes []NodeID) (set homeSet) {
	for _, node := range nodes {
		set.add(uint8(node))
	}
	return set
}

// homesOf are the key's home replicas under the settings.
func (n *Node) homesOf(key string) []NodeID { return n.ring.PreferenceList(key, n.settings.N) }

// eachHomes calls do with the home replicas of every arc of the ring, n in each
// data centre; do must not keep them.
func (r *Ring) eachHomes(n int, do func([]NodeID)) {
	var placed []NodeID
	for i := range r.tokens {
		walk := r.orders[i*r.nodes:][:r.nodes]
		if r.spread == nil {
			do(walk[:min(n, len(walk))])
			continue
		}
		placed = r.spread.place(placed[:0], walk, n)
		do(placed[:r.spread.homes(n)])
	}
}

// fingerprint is a hash of the ring's tokens and whose they are.
func (r *Ring) fingerprint() uint64 {
	d := digest(hashString("ring"))
	for i, at := range r.tokens {
		d.add(at, uint64(r.orders[i*r.nodes]))
	}
	return uint64(d)
}
