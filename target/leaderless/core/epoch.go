package core

// Epochs: quorums of two rings do not mix.
//
// Quorums overlap if all count the same replicas. While a ring changes they do
// not, and no order in which the news may arrive makes them: a coordinator that
// was stopped, or cut off, knows nothing of the change, and its w
// acknowledgements come from replicas that somebody else has replaced. With
// ring=epochs every request to a replica carries a tag of what its sender knows
// of the members, and a replica that knows something else does not serve it.
// Instead both compare what they know, and the next request gets through.
// Cassandra does so since it has transactional cluster metadata (CEP-21).
//
// A change from one set of homes to another then takes three steps, each of
// which is compatible with the one before, as in CEP-21 (start, mid, finish):
//
//	1  reads from the old homes, writes to both     (joining, leaving)
//	2  reads from the new homes, writes to both     (arriving, departing)
//	3  reads and writes: the new homes
//
// Step 2 begins when the new home has what the old one held; the old one
// answers it only at step 1, when it takes no writes any more from a
// coordinator at step 0, who would not write to the new home. Step 3 begins
// when every member is known to be at step 2, and to say so durably: then no
// replica serves a reader of step 1, who would not see what is written in step
// 3. So with w + r > n every read asks one of those who acknowledged a write
// before it, and what repair.go says of abd holds during changes too.
//
// The price is that a change needs every member, the one that is replaced left
// out, and waits while one is down; and that requests fail for a moment
// whenever news spread: a coordinator whose ring is not that of the replicas
// gets no answer from them, and its writes end as indeterminate. The tag is a
// hash of 32 bits, so that two different views are taken for equal once in four
// billion times.

// checkRing says whether the sender of a request knows the same ring as this
// node. If not, the two compare what they know and the request is dropped, as
// if it had been lost.
func (n *Node) checkRing(m *Message) bool {
	if m.Ring == n.ringTag || !m.Kind.routed() {
		return true
	}
	if n.membership != nil {
		n.gossipNow(m.From)
	}
	return false
}

// routed says that messages of the kind are requests to replicas as such.
func (k MessageKind) routed() bool {
	switch k {
	case MessageRead, MessageFetch, MessageDigest, MessageWrite, MessageUpdate, MessagePrepare, MessagePropose, MessageCommit:
		return true
	}
	return false
}
