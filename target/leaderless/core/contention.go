package core

import "math"

// Contention. Two coordinators that ask the same replicas for promises in turn
// can hinder each other for ever: each new ballot makes the other's proposal
// fail (Fischer, Lynch and Paterson, JACM 1985: no protocol for consensus ends
// always; here is where this one does not). So who was overtaken waits a
// random while, of which the others know nothing, and is likely to find the
// replicas at leisure. paxos-v1 draws from a tenth of the request's time, as
// Cassandra draws from 100 ms of a second; paxos-v2 from a range that doubles
// with each attempt. Time that is spent waiting counts: the request ends when
// its time is over.
type contention struct {
	// waiting is sorted by time; due is when the driver's timer fires, 0: none is set.
	waiting []deadline
	due     int64
}

// backOff lets the transaction begin again after a while.
func (n *Node) backOff(op *operation) {
	t := op.transaction
	op.phase, t.mine = phaseBackOff, false
	limit := n.settings.RequestTimeout / 10
	if n.settings.CAS == CASPaxosV2 {
		limit = n.settings.RequestTimeout / 128 << min(t.attempt, 5)
	}
	after := 1 + n.draw(max(limit, 1))
	d := deadline{op.number, n.now.Mono + after}
	c := &n.paxos.waits
	i := len(c.waiting)
	c.waiting = append(c.waiting, d)
	for ; i > 0 && c.waiting[i-1].at > d.at; i-- {
		c.waiting[i] = c.waiting[i-1]
	}
	c.waiting[i] = d
	n.armContention()
}

// armContention sets the timer for the first that waits.
func (n *Node) armContention() {
	c := &n.paxos.waits
	if len(c.waiting) == 0 {
		c.due = 0
		return
	}
	if at := c.waiting[0].at; c.due == 0 || at < c.due {
		c.due = at
		n.setTimer(timerPaxos, max(at-n.now.Mono, 1))
	}
}

// contentionTick begins the next attempt of those that have waited long enough.
func (n *Node) contentionTick() {
	c := &n.paxos.waits
	if c.due == 0 || n.now.Mono < c.due {
		return // a timer that an earlier one has replaced
	}
	c.due = 0
	for len(c.waiting) > 0 && c.waiting[0].at <= n.now.Mono {
		number := c.waiting[0].number
		c.waiting = c.waiting[:copy(c.waiting, c.waiting[1:])]
		if op := n.coordinator.open.find(number); op != nil && op.transaction != nil && op.phase == phaseBackOff {
			n.prepare(op)
		}
	}
	n.armContention()
}

// ballot returns a ballot that no other has, greater than any of this node and
// of those whose time was seen; why says why there is none.
func (n *Node) ballot(seen int64) (b Version, why string) {
	c := &n.coordinator
	if seen == math.MaxInt64 || c.lastTime == math.MaxInt64 {
		return Version{}, "the key has the greatest ballot there is, no other can follow it"
	}
	if c.sequence == math.MaxUint32 {
		return Version{}, "this node has used all its sequence numbers: restart it"
	}
	c.lastTime = max(n.now.Wall, c.lastTime+1, seen+1)
	c.sequence++
	return Version{Time: c.lastTime, Node: n.id, Incarnation: n.incarnation, Sequence: c.sequence}, ""
}
