package core

import (
	"errors"
	"fmt"
	"slices"
)

// How a node joins, leaves or takes the place of another: what it says of
// itself next, and when. The statuses and their meaning are in membership.go.
//
//	join     → joining → [all agree] → [fetch] → arriving → [all know] → normal
//	leave    → leaving → [all agree] → [the heirs fetch] → departing → [all know] → left
//	replace  as join, with the tokens of the node that is gone
//
// Arriving and departing, and both waits for all, are ring=epochs' alone; with
// ring=gossip the node waits for ringDelay rounds of gossip before the fetch,
// and hopes. With bootstrap=serve-at-once a node that joins is normal at once
// and fetches then.
//
// One change at a time: what one moves, another would move elsewhere. A second
// one is refused while one is known to be under way, as in Cassandra
// (cassandra.consistent.rangemovement). Two that begin before they hear of each
// other are both only joining or leaving, from which one can go back unharmed:
// the node that comes later in the settings does. With ring=epochs a node goes
// on only after every member was heard to know exactly what it knows, which is
// one change, its own. No two nodes can get that far: each member would have
// had to know of the one change and not of the other and then, forgetting
// nothing, the reverse.
//
// A node that is killed meanwhile goes on after its restart. From there on a
// change cannot be taken back, and ends when all whom it needs are up: those
// who hand over, and with ring=epochs all members. The one that is replaced is
// not needed.

// change is what this node's own change is at.
type change struct {
	// since is when the present status was taken on, or the process started.
	since int64
	// agreed: this is the only change, and it goes on.
	agreed bool
	// served are the nodes that have fetched everything from this one, which leaves.
	served homeSet
}

// ringDelay is how many intervals of gossip a change waits until all have
// probably heard of it (Cassandra's RING_DELAY is 30).
const ringDelay = 3

var (
	errRingOfLog   = errors.New("it tells of changes of the ring, and ring=static has none: set ring=gossip or epochs")
	errLogOfLarger = errors.New("it names a node that the settings have not: the log belongs to a larger cluster")
)

func recordError(err error) error { return fmt.Errorf("%w: %w", ErrRecord, err) }

// startMembership begins with what the log said.
func (n *Node) startMembership() {
	m := n.membership
	if m == nil {
		return
	}
	m.change.since = n.now.Mono
	n.useView()
	n.armGossip()
	n.armChange()
}

// initMembership is called before the log is read.
func (n *Node) initMembership() {
	s := n.settings
	if s.RingChange == RingStatic {
		return
	}
	nodes := len(s.Nodes)
	n.membership = &membership{
		view: firstView(nodes, s.members()), logged: firstView(nodes, s.members()),
		seen: make([][]stamp, nodes), toldAt: make([]int64, nodes), rings: rings{read: s.ring},
	}
	for i := range n.membership.toldAt {
		n.membership.toldAt[i] = -gossipPause
	}
}

// useView makes the rings of the view.
func (n *Node) useView() {
	m := n.membership
	m.rings = m.view.rings(n.settings.Nodes, n.settings.VirtualNodes)
	n.ring = m.rings.read
	if n.settings.RingChange == RingEpochs {
		n.ringTag = m.view.tag()
	}
}

// membersChanged is called when the view has changed.
func (n *Node) membersChanged() {
	m := n.membership
	n.useView()
	if m.view.ousted(n.id) {
		// Another has taken this node's place while it was away.
		n.say(MemberLeft)
	}
	n.rehomeHints()
	n.armChange()
	if n.settings.RingChange == RingEpochs {
		// Requests fail between nodes that know different rings: the less long that is, the better.
		for i := range m.view {
			n.gossipNow(NodeID(i))
		}
	}
}

// status is how far this node is.
func (n *Node) status() MemberStatus { return n.membership.view[n.id].status }

// say takes on a status. It holds when it is durable.
func (n *Node) say(status MemberStatus) {
	news := memberNews{n.id, n.membership.logged[n.id]}
	news.status = status
	n.sayNews(&news)
}

func (n *Node) sayNews(news *memberNews) {
	news.generation = max(news.generation, n.incarnation)
	news.version++
	n.membership.change = change{since: n.now.Mono}
	n.learn(news)
}

// adminJoin begins to join, in the place of the node if replace.
func (n *Node) adminJoin(a *Admin, replace bool) string {
	if why := n.cannotChange(MemberSpare, MemberLeft); why != "" {
		return why
	}
	view := n.membership.view
	news := memberNews{n.id, n.membership.logged[n.id]}
	news.replacing, news.replaces, news.ousted = false, 0, stamp{}
	news.tokens = view.freeTokens(n.id)
	if replace {
		switch {
		case int(a.Node) >= len(view) || view.places(a.Node)&inOld == 0:
			return "the node that is to be replaced is no member of the ring"
		case !n.detector.suspects(n, a.Node, n.now.Mono):
			return fmt.Sprintf("node %s is up: only a node that is gone can be replaced; let it leave", n.settings.Nodes[a.Node])
		}
		news.replacing, news.replaces, news.ousted, news.tokens = true, a.Node, view[a.Node].stamp, view[a.Node].tokens
	}
	news.status = MemberJoining
	if n.settings.Bootstrap == BootstrapServeAtOnce {
		news.status = MemberNormal
	}
	n.sayNews(&news)
	if n.settings.Bootstrap == BootstrapServeAtOnce {
		n.fetchRanges(replace)
	}
	return ""
}

// adminLeave begins to leave.
func (n *Node) adminLeave() string {
	if why := n.cannotChange(MemberNormal); why != "" {
		return why
	}
	if left := len(n.membership.view.owners(inNext)) - 1; left < n.settings.N {
		return fmt.Sprintf("%d members would be left for n=%d replicas: let another node join first", left, n.settings.N)
	}
	n.say(MemberLeaving)
	return ""
}

// cannotChange says why the node can't begin a change; empty if it can.
func (n *Node) cannotChange(from ...MemberStatus) string {
	if n.membership == nil {
		return "the ring cannot change with ring=static: set ring=gossip or epochs"
	}
	view := n.membership.view
	for i := range view {
		if view[i].status.changing() || n.membership.logged[i].status.changing() {
			return fmt.Sprintf("node %s is %s: one change at a time", n.settings.Nodes[i], n.membership.logged[i].status)
		}
	}
	for _, status := range from {
		if n.membership.logged[n.id].status == status {
			return ""
		}
	}
	return fmt.Sprintf("node %s is %s", n.settings.Nodes[n.id], n.membership.logged[n.id].status)
}

// busy says that there is something to be done at each tick.
func (n *Node) busy() bool {
	return n.membership != nil && n.membership.view[n.id].status.changing() || len(n.streams.open) > 0
}

func (n *Node) armChange() {
	if !n.changeTicking && n.busy() {
		n.changeTicking = true
		n.setTimer(timerStream, n.settings.Heartbeat)
	}
}

// changeTick takes the node's change a step further, if it can, and asks again for what was not answered.
func (n *Node) changeTick() {
	n.changeTicking = false
	n.askAgain()
	if n.membership != nil {
		n.advance()
	}
	n.armChange()
}

// advance does what the present status asks for.
func (n *Node) advance() {
	c := &n.membership.change
	if n.membership.logged[n.id].compare(&n.membership.view[n.id]) > 0 {
		return // the next status is on its way to the log
	}
	switch n.status() {
	case MemberJoining:
		switch {
		case !c.agreed:
			if c.agreed = n.agree(MemberSpare); c.agreed {
				n.fetchRanges(n.membership.view[n.id].replacing)
			}
		case len(n.streams.open) == 0:
			n.say(n.orSafely(MemberNormal, MemberArriving))
		}
	case MemberArriving:
		if n.allKnow(false) {
			n.say(MemberNormal)
		}
	case MemberLeaving:
		if !c.agreed {
			c.agreed = n.agree(MemberNormal)
		} else if n.offerRanges() {
			n.say(n.orSafely(MemberLeft, MemberDeparting))
		}
	case MemberDeparting:
		if n.allKnow(false) {
			n.say(MemberLeft)
		}
	}
}

// agree says whether the change may go on: it is the only one, and all know of
// it, or probably do. It goes back to the status if another change goes first.
func (n *Node) agree(back MemberStatus) bool {
	m := n.membership
	if other, found := m.view.another(n.id); found {
		if other < n.id || m.view[other].status == MemberArriving || m.view[other].status == MemberDeparting {
			news := memberNews{n.id, m.logged[n.id]}
			news.status, news.replacing, news.replaces, news.ousted = back, false, 0, stamp{}
			n.sayNews(&news)
		}
		return false
	}
	if n.settings.RingChange == RingEpochs {
		return n.allKnow(true)
	}
	return n.now.Mono-m.change.since >= ringDelay*n.settings.GossipEvery
}

// orSafely is the status that ring=epochs puts before the one that takes effect.
func (n *Node) orSafely(plain, safe MemberStatus) MemberStatus {
	if n.settings.RingChange == RingEpochs {
		return safe
	}
	return plain
}

// saw notes what a node acts on. What it says may come in the wrong order.
func (n *Node) saw(node NodeID, stamps []stamp) {
	m := n.membership
	for i, s := range m.seen[node] {
		if s.compare(stamps[i]) > 0 {
			return
		}
	}
	m.seen[node] = stamps
}

// allKnow says whether all who may hold something act on what this node says of
// itself or, if exactly, on all that this node knows and no more. It asks those
// who were not heard to.
func (n *Node) allKnow(exactly bool) bool {
	m := n.membership
	self := &m.view[n.id]
	own := m.view.stamps()
	all := true
	for i := range m.view {
		node := NodeID(i)
		if node == n.id || m.view.places(node) == 0 || self.replacing && self.replaces == node {
			continue
		}
		if seen := m.seen[i]; seen == nil || seen[n.id].compare(self.stamp) < 0 || exactly && !slices.Equal(seen, own) {
			all = false
			n.gossipNow(node)
		}
	}
	return all
}

// rehomeHints addresses the hints for nodes that are on no ring any more to
// those who hold their keys now: with a sloppy quorum a hint may be the only copy.
func (n *Node) rehomeHints() {
	for i := range n.hints.queues {
		home := NodeID(i)
		if n.hints.queues[i].first == nil || n.membership.view.places(home) != 0 {
			continue
		}
		for _, h := range n.hints.sorted(home) {
			c := h.memory
			homes := n.membership.rings.read.PreferenceList(h.key, n.settings.N)
			for _, to := range append(n.membership.rings.pending(h.key, n.settings.N), homes...) {
				if to == n.id {
					n.apply(n.replica.slot(h.key), &c, &record{kind: recordCell, key: h.key}, nil)
				} else {
					n.keepHint(to, h.key, &c, nil)
				}
			}
			n.hintDone(home, h.key, &c)
		}
	}
}
