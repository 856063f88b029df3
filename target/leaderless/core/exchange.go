package core

import "slices"

// An exchange finds out in what one range differs between two replicas, and
// makes both hold the join of what they held. This file is the one who
// begins it and the answers of the other, without network and time; those are
// in antientropy.go.
//
//  1. The hash trees are compared from the root down: the initiator sends
//     hashes of nodes, the other answers which of them differ, and the
//     initiator goes on treeStep levels below those. Equal trees cost one message each way.
//  2. The keys of each leaf that differs are listed, with hashes of their
//     cells, page by page; the other answers with the keys that differ, those
//     that only it has among them, and what it has.
//  3. Each differing key is exchanged in one round trip: the initiator sends
//     its cell (nothing if it can tell that the other's is newer), the other
//     answers with what it had beyond that, once it holds the join durably.
//  4. If anything differed the roots are compared once more, which tells both
//     that they are equal now.
//
// Nothing of it is a transaction. Writes go on meanwhile; each cell that is
// taken over is merged, and merging what is newer or older than expected does
// no harm. An exchange that breaks off leaves what was exchanged so far in
// place, and the next one does not find it again: its progress is kept by the
// trees themselves.
type exchange struct {
	of   *keyRange
	peer NodeID
	// began is the range's count of changes when it began, rootAt that when the root's hash was taken last.
	began, rootAt uint64
	// nodes are those whose hashes are still to be compared, leaves the
	// differing leaves whose keys are still to be listed, each time the last of them.
	nodes, leaves []uint32
	// after is the key up to which the last of leaves has been listed.
	after string
	// keys differ and are still to be sent; sent are on their way.
	keys, sent []string
	// newer says for each of keys that only the peer's cell is of interest.
	newer       map[string]bool
	differences uint64
	// again: the roots are compared once more. pulled: this node got something that it did not have.
	again, pulled bool
}

// treeStep is how many levels are skipped below a node that differs: its
// descendants there, up to 16, are compared at once.
const treeStep = 4

// maxTreeNodes is how many hashes one message has at most.
const maxTreeNodes = 512

// begin prepares the comparison of a range with a peer.
func (e *exchange) begin(k *keyRange, peer NodeID) {
	*e = exchange{of: k, peer: peer, began: k.changed, nodes: []uint32{treeRoot}}
}

// question is what is to be asked next; nil if there is nothing to ask before
// the keys at hand are exchanged, or no more at all.
func (e *exchange) question(fingerprint uint64) Body {
	name := rangeName{members: e.of.members, ring: fingerprint}
	switch {
	case len(e.nodes) > 0:
		q := &treeQuestion{rangeName: name}
		for len(e.nodes) > 0 && len(q.nodes) < maxTreeNodes {
			node := e.nodes[len(e.nodes)-1]
			e.nodes = e.nodes[:len(e.nodes)-1]
			if node == treeRoot {
				e.rootAt = e.of.changed
			}
			q.nodes = append(q.nodes, treeNode{node, e.of.tree.hash(node)})
		}
		return q
	case len(e.keys)+len(e.sent) > 0:
		return nil
	case len(e.leaves) > 0:
		q := &pageQuestion{rangeName: name, leaf: e.leaves[len(e.leaves)-1], after: e.after}
		entries, more := e.of.page(q.leaf, q.after, "")
		for _, entry := range entries {
			q.keys = append(q.keys, keyHash{entry.slot.key, entry.hash})
		}
		if more {
			q.until = entries[len(entries)-1].slot.key
		}
		return q
	case e.differences > 0 && !e.again:
		e.again = true
		e.nodes = append(e.nodes, treeRoot)
		return e.question(fingerprint)
	}
	return nil
}

// treeAnswered takes note of which nodes differ, and says whether the roots were found equal.
func (e *exchange) treeAnswered(q *treeQuestion, a *treeAnswer) (equal bool) {
	if q.nodes[0].node == treeRoot && len(a.nodes) == 0 {
		return true
	}
	if e.again {
		return false // somebody wrote meanwhile: the next round will see
	}
	for _, node := range a.nodes {
		switch {
		case !slices.ContainsFunc(q.nodes, func(t treeNode) bool { return t.node == node }):
			// Not asked for.
		case node >= e.of.tree.firstLeaf():
			e.leaves = append(e.leaves, node)
		default:
			e.nodes = e.of.tree.below(e.nodes, node, treeStep)
		}
	}
	return false
}

// pageAnswered takes note of the keys that differ.
func (e *exchange) pageAnswered(n *Node, a *pageAnswer) {
	for i := range a.keys {
		theirs := &a.keys[i]
		var mine *Cell
		if s := n.replica.slots[theirs.key]; s != nil {
			mine = &s.durable
		}
		e.differences++
		e.keys = append(e.keys, theirs.key)
		// With last write wins the versions tell which of the two is of interest.
		if theirs.hash != 0 && !theirs.object && (mine == nil || mine.Object == nil && theirs.version.Compare(mine.Version) > 0) {
			if e.newer == nil {
				e.newer = make(map[string]bool)
			}
			e.newer[theirs.key] = true
		}
	}
	if a.until > e.after {
		e.after = a.until
		return
	}
	e.after = ""
	e.leaves = e.leaves[:len(e.leaves)-1]
}

// done says that nothing is left to do.
func (e *exchange) done() bool {
	return len(e.nodes)+len(e.leaves)+len(e.keys)+len(e.sent) == 0 && (e.differences == 0 || e.again)
}

// compareNodes answers which of the initiator's nodes differ from this replica's.
func (k *keyRange) compareNodes(q *treeQuestion) *treeAnswer {
	a := &treeAnswer{known: true}
	for _, t := range q.nodes {
		if k.tree.has(t.node) && k.tree.hash(t.node) != t.hash {
			a.nodes = append(a.nodes, t.node)
		}
	}
	return a
}

// comparePage answers which keys of a page of a leaf differ, and what this
// replica has of them. If it has more than fit, its answer ends the page earlier.
func (k *keyRange) comparePage(q *pageQuestion) *pageAnswer {
	mine, more := k.page(q.leaf, q.after, q.until)
	a := &pageAnswer{known: true, until: q.until}
	if more {
		a.until = mine[len(mine)-1].slot.key
	}
	theirs := q.keys
	for len(mine)+len(theirs) > 0 {
		switch {
		case len(mine) == 0 || len(theirs) > 0 && theirs[0].key < mine[0].slot.key:
			if a.until == "" || theirs[0].key <= a.until {
				a.keys = append(a.keys, keyState{key: theirs[0].key})
			}
			theirs = theirs[1:]
			continue
		case len(theirs) == 0 || mine[0].slot.key < theirs[0].key:
		case mine[0].hash == theirs[0].hash:
			mine, theirs = mine[1:], theirs[1:]
			continue
		default:
			theirs = theirs[1:]
		}
		c := &mine[0].slot.durable
		a.keys = append(a.keys, keyState{key: mine[0].slot.key, hash: mine[0].hash, version: c.Version, object: c.Object != nil})
		mine = mine[1:]
	}
	return a
}
