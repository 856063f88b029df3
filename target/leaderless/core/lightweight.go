package core

import "fmt"

// Lightweight transactions, the coordinator's part: compare-and-set, and reads
// that see what compare-and-sets have decided (Cassandra's level SERIAL).
// paxos.go has the theory and the replica's part. One request goes so:
//
//	prepare → [finish what another left] → [bring stragglers up to date] →
//	read → check the condition → propose → commit at the write's quorum → reply
//
// All home replicas of the key take part, while the ring changes also those
// that become it, and a majority of them must say yes, whatever w and r are. Three things can stand in the way of a ballot:
//
//   - a replica has promised a greater one: the coordinator waits a random
//     while (see contention.go) and begins again with a greater ballot;
//   - a proposal that a replica accepted and that is not committed, as far as a
//     majority knows: it may have been decided, so it is proposed again under
//     the new ballot, and committed, before anything else;
//   - replicas that have not got the last commit: they are sent it, since the
//     next change must not be decided by a majority that has not got this one.
//
// If the condition does not hold, nothing is written and the reply tells what
// was there. cas chooses between two generations of this protocol:
//
// paxos-v1, Cassandra before 4.1 (and without the correction of
// CASSANDRA-12126 in 3.0.24, 3.11.10 and 4.0; StorageProxy.cas and
// beginAndRepairPaxos). The read is a round of its own. A read, and a
// compare-and-set whose condition does not hold, end there: they propose
// nothing. So a proposal of a lower ballot that one replica accepted, and of
// which this majority knows nothing, is left as it is, and a later request that
// meets that replica finishes it: a value that was not there is there all of
// a sudden, although nobody has written since. It is the change of a
// compare-and-set whose client was told "timeout", which may take effect at
// any later time; by that letter no order is broken. But it can take effect
// long after others have looked and not found it.
//
// paxos-v2, since Cassandra 4.1 (CEP-14; Paxos.java). The promise comes with
// the data, which saves the round of the read. A read, or a condition that does
// not hold, proposes an empty change if a writer may be at work below its
// ballot: nothing older can be decided after that. It is spared where no such
// ballot is (see stable): one round trip for a read of a key at rest.
//
// The price of either is four round trips, or three, where a write has one;
// that a majority must be up; and that two at a time hinder each other: they
// are ordered one by one, and each that is overtaken begins again.
//
// What an error means. Nothing is anybody's to find before the request's own
// change is proposed: until then every failure is definite. Afterwards any
// replica may have accepted it, and whoever comes next finishes it: a timeout is
// indeterminate. So is it if some accepted and the others refused, or if one
// refused what it may have accepted when it came for the first time (messages are
// duplicated). If all that were asked refused what they never accepted, nothing
// has happened, and it is tried again.
type transaction struct {
	// write says that it is a compare-and-set, else it is a read.
	write     bool
	condition Condition
	value     []byte
	remove    bool
	// local: only the replicas of the coordinator's data centre take part.
	local bool
	// participants is how many replicas take part, majority how many must say yes.
	participants, majority int

	// attempt counts the ballots, greatest is the greatest time of a ballot that was seen.
	attempt  int
	greatest int64
	ballot   Version

	// of the attempt: what the replicas that promised have told.
	accepted, committed proposal
	// settled is the ballot of the empty proposal that all of them accepted last; unsettled: they did not.
	settled   Version
	unsettled bool
	write0    Version // the greatest ballot that they had promised to a writer
	current   Cell
	has       []Version // by leg: its last commit

	// proposal is what is proposed, mine says that it is this request's own change.
	proposal proposal
	mine     bool
	refused  int
	// doubt: a replica that refused may have accepted the same before.
	doubt bool
	// phases are the steps so far, for the evidence.
	phases []string
}

// consensus says that the request is one that takes Paxos.
func (q *Request) consensus(u *quorum) bool {
	return q.Kind == RequestCompareAndSet || q.Kind == RequestGet && u.level.Serial()
}

// startTransaction begins a compare-and-set or a serial read.
func (n *Node) startTransaction(q *Request, u quorum, order []NodeID) {
	op := n.open(q, &u, order)
	t := &transaction{write: q.Kind == RequestCompareAndSet, local: n.localSerial(q), value: q.Value, has: make([]Version, len(op.legs))}
	if q.Condition != nil {
		t.condition = *q.Condition
	}
	t.remove = q.Operand != nil && q.Operand.Kind == OperandDrop
	for i := range op.legs {
		if n.participates(t, &op.legs[i]) {
			t.participants++
		}
	}
	t.majority = t.participants/2 + 1
	op.transaction = t
	n.prepare(op)
}

// beginPhase enters a phase: legs have not answered in it yet. Those flagged legSent are asked.
func (n *Node) beginPhase(op *operation, p phase, name string) {
	op.phase, op.transaction.refused = p, 0
	if p == phaseWrite {
		op.demands(op.w, op.writes)
	} else {
		op.demands(op.transaction.majority, scopeAll)
	}
	for i := range op.legs {
		op.legs[i].flags &^= legAnswered | legCounted | legHolds
	}
	op.transaction.note(name, n)
}

// note adds a step to the evidence.
func (t *transaction) note(step string, n *Node) {
	if !n.omitEvidence {
		t.phases = append(t.phases, step)
	}
}

// prepare begins an attempt with a new ballot. Only replicas that seem to be up are asked.
func (n *Node) prepare(op *operation) {
	t := op.transaction
	asked := 0
	for i := range op.legs {
		l := &op.legs[i]
		l.flags &^= legSent | legRead
		if n.participates(t, l) && !n.detector.suspects(n, l.node, n.now.Mono) {
			l.flags |= legSent
			asked++
		}
	}
	if asked < t.majority {
		n.fail(op, StatusDefinite, CodeUnavailable, fmt.Sprintf("of %d replicas only %d are up as far as node %s can tell, %d are needed for a ballot: %s",
			t.participants, asked, n.settings.Nodes[n.id], t.majority, t.nothing()))
		n.close(op)
		return
	}
	ballot, why := n.ballot(t.greatest)
	if why != "" {
		n.fail(op, StatusDefinite, CodeExhausted, why+": "+t.nothing())
		n.close(op)
		return
	}
	t.ballot, t.attempt = ballot, t.attempt+1
	t.accepted, t.committed, t.proposal = proposal{}, proposal{}, proposal{}
	t.settled, t.unsettled, t.write0, t.current, t.mine = Version{}, false, Version{}, Cell{}, false
	n.beginPhase(op, phasePrepare, "prepare")
	body := &ballotBody{ballot: ballot}
	if t.write || n.settings.CAS == CASPaxosV1 {
		body.flags |= ballotWrite
	}
	if n.settings.CAS == CASPaxosV2 {
		body.flags |= ballotRead
	}
	n.askAll(op, MessagePrepare, Cell{}, body)
}

// nothing is what a failure before the proposal means.
func (t *transaction) nothing() string {
	if t.write {
		return "nothing was written"
	}
	return "nothing was read"
}

// askAll sends a message to all legs that are asked in this attempt.
func (n *Node) askAll(op *operation, kind MessageKind, c Cell, body Body) {
	for i := range op.legs {
		if op.legs[i].is(legSent) {
			n.tell(op, &op.legs[i], kind, c, body)
		}
	}
}

func (n *Node) tell(op *operation, l *leg, kind MessageKind, c Cell, body Body) {
	m := n.message(kind, l.node)
	m.Origin, m.Request, m.Key, m.Cell, m.Body = op.request, n.wireNumber(op), op.key, c, body
}

// answered finds what an answer belongs to: nil if not to that phase, or counted already.
func (n *Node) answered(m *Message, p phase) (*operation, *leg) {
	op, l := n.find(m)
	if op == nil || op.transaction == nil || op.phase != p || !l.is(legSent) || l.is(legAnswered) {
		return nil, nil
	}
	return op, l
}

// promised handles MessagePromise.
func (n *Node) promised(m *Message) {
	b, ok := m.Body.(*promiseBody)
	op, l := n.answered(m, phasePrepare)
	if op == nil || !ok || b.ballot != op.transaction.ballot {
		return
	}
	t := op.transaction
	l.flags |= legAnswered
	t.greatest = max(t.greatest, b.latest.Time)
	if !b.yes {
		n.backOff(op)
		return
	}
	l.flags |= legCounted
	l.version = m.Cell.Version
	t.learn(b, op.counted == 0)
	n.merge(&t.current, &m.Cell)
	for i := range op.legs {
		if &op.legs[i] == l {
			t.has[i] = b.committed.ballot()
		}
	}
	if op.counted++; op.counted >= t.majority {
		n.promisedByMajority(op)
	}
}

// learn takes over what a replica told with its promise.
func (t *transaction) learn(b *promiseBody, first bool) {
	var settled Version
	if b.accepted.empty {
		settled = b.accepted.ballot()
	}
	if first {
		t.settled = settled
	}
	t.unsettled = t.unsettled || settled != t.settled
	if b.accepted.ballot().Compare(t.accepted.ballot()) > 0 {
		t.accepted = b.accepted
	}
	if b.committed.ballot().Compare(t.committed.ballot()) > 0 {
		t.committed = b.committed
	}
	if b.write.Compare(t.write0) > 0 {
		t.write0 = b.write
	}
}

// promisedByMajority sees to what others have left, then reads.
func (n *Node) promisedByMajority(op *operation) {
	t := op.transaction
	if t.accepted.ballot().Compare(t.committed.ballot()) > 0 && !t.accepted.empty {
		p := t.accepted
		p.cell.Version = t.ballot
		n.propose(op, p, false)
		return
	}
	straggling := false
	for i := range op.legs {
		l := &op.legs[i]
		if l.is(legCounted) {
			if t.has[i].Compare(t.committed.ballot()) >= 0 {
				l.flags |= legHolds
				continue
			}
			straggling = true
		}
	}
	switch {
	case straggling:
		n.refresh(op)
	case n.settings.CAS == CASPaxosV1:
		t.current = Cell{}
		n.beginPhase(op, phaseSerialRead, "read")
		n.askAll(op, MessageRead, Cell{}, &ballotBody{ballot: t.ballot})
	default:
		n.check(op)
	}
}

// refresh sends the last commit to replicas without it: those that promised,
// and with paxos-v2, which waits until a majority has it, those that may yet.
// paxos-v1 does not wait and begins again, several times if need be.
func (n *Node) refresh(op *operation) {
	t := op.transaction
	wait := n.settings.CAS == CASPaxosV2
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legSent) && !l.is(legHolds) && (wait || l.is(legCounted)) {
			n.tell(op, l, MessageCommit, t.committed.cell, nil)
		}
	}
	t.note("repair", n)
	if !wait {
		n.prepare(op)
		return
	}
	op.phase = phaseRefresh
}

// serialAnswered handles MessageReadAnswer of the round of reads of paxos-v1.
func (n *Node) serialAnswered(m *Message) {
	b, ok := m.Body.(*ballotBody)
	op, l := n.answered(m, phaseSerialRead)
	if op == nil || !ok || b.ballot != op.transaction.ballot {
		return
	}
	l.flags |= legAnswered | legCounted
	l.version = m.Cell.Version
	n.merge(&op.transaction.current, &m.Cell)
	if op.counted++; op.counted >= op.transaction.majority {
		n.check(op)
	}
}
