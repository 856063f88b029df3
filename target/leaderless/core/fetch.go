package core

import "math"

// Writers that fetch. Before it writes, the coordinator asks the replicas for
// the greatest version they hold and takes one more than the greatest time
// among the first r answers: no clock is looked at. With w + r > n the new
// version is greater than that of every write that was completed before this
// one began (the first phase of a write by many writers, Lynch and Shvartsman,
// FTCS 1997). Two writers that fetch the same maximum choose the same time and
// are ordered by node, two writes of one coordinator by sequence; they are
// concurrent, so either order is right.
//
// The price is a round trip more for each write, and that a write needs r
// replicas as well as w. A fetch that fails has written nothing: definite.

func (n *Node) startFetch(op *operation) {
	op.phase, op.course = phaseFetch, courseFetch
	op.demands(op.r, op.reads)
	n.startPhase(op, MessageFetch)
}

// fetched handles MessageFetched.
func (n *Node) fetched(m *Message) {
	op, l := n.find(m)
	if op == nil || op.phase != phaseFetch || l.is(legAnswered) {
		return
	}
	l.flags |= legAnswered | legFetched
	l.version = m.Cell.Version
	op.count(l)
	if op.counted < op.need {
		return
	}
	greatest := int64(0)
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legAnswered) {
			greatest = max(greatest, l.version.Time)
		}
	}
	if greatest == math.MaxInt64 {
		n.fail(op, StatusDefinite, CodeExhausted, "the key has the greatest timestamp there is, no write can follow it: nothing was written")
		n.close(op)
		return
	}
	n.startWrite(op, greatest+1)
}

func (n *Node) fetchTimeout(op *operation) {
	n.fail(op, StatusDefinite, CodeTimeout, n.tooFew(op.tally(legAnswered), op.r, "answered the fetch of timestamps", "nothing was written"))
	n.close(op)
}
