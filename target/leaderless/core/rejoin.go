package core

// What a node does before it serves reads after a start. It has promised that
// what it acknowledged it holds, and its disk is all that it has of that. But
// the disk may be new, or restored from a copy of yesterday, or from that of
// another replica: then it holds less than it said, w + r > n or not, and
// nothing in it says so. A write that it acknowledged with one other replica is
// now on that other one alone, and a read of this node and a third returns
// what was there before (the "restore from a stale replica" of the catalogue).
//
// rejoin=serve trusts the disk, as all stores do unless an operator runs a repair.
//
// rejoin=repair-first asks the other homes of its keys for what they have, and
// answers no read until it has that. Of the w replicas that acknowledged a
// write, w − 1 are others; so that one of them is among those that were asked,
// at most w − 2 may be left out. Writes are accepted meanwhile. It costs the
// transfer of all of the node's keys at each start, also when the disk is
// complete, because nobody can tell; and with w = 2 the node does not read
// while any other member is down. With w = 1 nothing helps: nobody else has it.
//
// What is not restored is what the node had promised to compare-and-sets.

// startRejoin begins to repair this node, if the settings say so and it is on the ring.
func (n *Node) startRejoin() {
	if n.settings.Rejoin != RejoinRepairFirst {
		return
	}
	for i := range n.settings.Nodes {
		node := NodeID(i)
		if node != n.id && n.onRing(node) && n.onRing(n.id) {
			n.rejoining = true
			n.fetchFrom(node, true)
		}
	}
}

// unready says that this node answers no reads: it asks others for what its
// disk may lack, or does not know yet that it is a member because it lost its disk.
func (n *Node) unready() bool { return n.settings.Rejoin != RejoinServe && n.lacks() }

func (n *Node) lacks() bool { return n.rejoining || !n.onRing(n.id) }

func (n *Node) onRing(node NodeID) bool {
	return n.membership == nil || n.membership.view.places(node)&inRead != 0
}

// rejoined ends the repair when enough have answered.
func (n *Node) rejoined() {
	if !n.rejoining || len(n.streams.open) > max(0, n.settings.quorum.w-2) {
		return
	}
	n.rejoining = false
}
