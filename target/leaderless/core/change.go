package core

import (
	"errors"
	"fmt"
)

// How a node joins, leaves or takes the place of another: what it says of
// itself next, and when. The statuses and their meaning are in membership.go.
//
//	join     → joining → [fetch] → arriving → [all know] → normal
//	leave    → leaving → [the heirs fetch] → departing → [all know] → left
//	replace  as join, with the tokens of the node that is gone
//
// Arriving and departing, and the wait for all, are ring=epochs' alone; with
// ring=gossip the node waits for ringDelay rounds of gossip before the fetch,
// and hopes. With bootstrap=serve-at-once a node that joins is normal at once
// and fetches then.
//
// A node that is killed meanwhile goes on after its restart. A change cannot be
// taken back, and ends when all whom it needs are up: those who hand over, and
// with ring=epochs all members. The one that is replaced is not needed. A
// second change is refused while one is known to be under way, as in Cassandra
// (cassandra.consistent.rangemovement).

// change is what this node's own change is at.
type change struct {
	// since is when the present status was taken on, or the process started.
	since int64
	// fetching: the streams of a node that joins were begun.
	fetching bool
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
		confirmed: make([]stamp, nodes), toldAt: make([]int64, nodes),
		rings: rings{s.ring, s.ring, s.ring},
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
		n.tellAll()
		if !c.fetching && n.heardOfIt() {
			c.fetching = true
			n.fetchRanges(n.membership.view[n.id].replacing)
		}
		if c.fetching && len(n.streams.open) == 0 {
			n.say(n.orSafely(MemberNormal, MemberArriving))
		}
	case MemberArriving:
		if n.allConfirmed() {
			n.say(MemberNormal)
		}
	case MemberLeaving:
		n.tellAll()
		if n.heardOfIt() && n.offerRanges() {
			n.say(n.orSafely(MemberLeft, MemberDeparting))
		}
	case MemberDeparting:
		if n.allConfirmed() {
			n.say(MemberLeft)
		}
	}
}

// orSafely is the status that ring=epochs puts before the one that takes effect.
func (n *Node) orSafely(plain, safe MemberStatus) MemberStatus {
	if n.settings.RingChange == RingEpochs {
		return safe
	}
	return plain
}

// heardOfIt says that the others probably know the present status. With
// ring=epochs it does not matter: who does not know it does not hand over.
func (n *Node) heardOfIt() bool {
	return n.settings.RingChange == RingEpochs || n.now.Mono-n.membership.change.since >= ringDelay*n.settings.GossipEvery
}

// tellAll makes the wait short with ring=epochs: plain gossip takes its time.
func (n *Node) tellAll() {
	if n.settings.RingChange == RingEpochs {
		n.allConfirmed()
	}
}

// confirm notes that a node acts on what this one said with the stamp.
func (n *Node) confirm(from NodeID, s stamp) {
	if c := &n.membership.confirmed[from]; s.compare(*c) > 0 {
		*c = s
	}
}

// allConfirmed says whether all who may hold something act on what this node
// says of itself, and asks those who do not.
func (n *Node) allConfirmed() bool {
	view := n.membership.view
	self := &view[n.id]
	all := true
	for i := range view {
		node := NodeID(i)
		if node == n.id || view.places(node) == 0 || self.replacing && self.replaces == node {
			continue
		}
		if n.membership.confirmed[i].compare(self.stamp) < 0 {
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
