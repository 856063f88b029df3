package core

import "slices"

// What a node's membership shows to the outside: for operators, the log and
// comparisons of runs. And how a request is routed while the ring changes.

// Member is what a node knows of one node.
type Member struct {
	Node   NodeID
	Status MemberStatus
	// Replaces is the node whose place it takes or took, if Replacing.
	Replacing bool
	Replaces  NodeID
	// Generation and Version are the stamp of the latest that it said of itself.
	Generation, Version uint32
}

// Members returns what this node knows of all nodes, by NodeID. With
// ring=static every node is normal.
func (n *Node) Members() []Member {
	members := make([]Member, len(n.settings.Nodes))
	for i := range members {
		members[i] = Member{Node: NodeID(i), Status: MemberNormal}
		if n.membership != nil {
			m := &n.membership.view[i]
			members[i] = Member{NodeID(i), m.status, m.replacing, m.replaces, m.generation, m.version}
			if n.membership.view.ousted(NodeID(i)) {
				members[i].Status = MemberLeft
			}
		}
	}
	return members
}

// Rejoining says that the node answers no reads yet, because it asks others
// for what its disk may lack (rejoin=repair-first).
func (n *Node) Rejoining() bool { return n.rejoining }

// ringChanges says whether writes go to more nodes than the homes that are read.
func (n *Node) ringChanges() bool {
	return n.membership != nil && len(n.membership.rings.written) > 0
}

// widen returns the order of nodes for a request while the ring changes, with
// those that a write goes to beside the n homes after them, and how many these are.
func (n *Node) widen(key string, homes int, order []NodeID) (wider []NodeID, pending int) {
	more := n.membership.rings.pending(key, homes)
	if len(more) == 0 {
		return order, 0
	}
	wider = append(append(make([]NodeID, 0, len(order)+len(more)), order[:homes]...), more...)
	for _, node := range order[homes:] {
		if !slices.Contains(more, node) {
			wider = append(wider, node)
		}
	}
	return wider, len(more)
}

// streamsPending counts what the node still has to do about its membership.
func (n *Node) streamsPending() int {
	count := len(n.streams.open)
	if n.membership != nil && (n.status().changing() || n.membership.logged[n.id].status.changing()) {
		count++
	}
	return count
}

// memberRecords yields what the log must say of the members, and whether more may follow.
func (n *Node) memberRecords(yield func(record []byte) bool) bool {
	if n.membership == nil {
		return true
	}
	for i := range n.membership.logged {
		m := &n.membership.logged[i]
		if m.stamp == (stamp{}) {
			continue // as at the start
		}
		if !yield(encodeRecord(&record{kind: recordMembers, home: NodeID(i), body: m.appendTo(nil)})) {
			return false
		}
	}
	return true
}

// digestMembership adds the state of membership and streams to a digest.
func (n *Node) digestMembership(d *digest) {
	if m := n.membership; m != nil {
		m.view.digest(d)
		m.logged.digest(d)
		for _, stamps := range m.seen {
			for _, s := range stamps {
				d.add(uint64(s.generation), uint64(s.version))
			}
		}
		d.add(uint64(m.change.since), m.change.served[0])
	}
	d.add(n.streams.number, uint64(len(n.streams.open)))
	for _, s := range n.streams.open {
		d.add(uint64(s.from), s.number, hashString(s.after), uint64(s.unlogged))
	}
	n.detector.digest(d)
}
