package core

import (
	"bytes"
	"fmt"
	"slices"
)

// The second half of a lightweight transaction: from the condition to the
// commit, and how it ends if that is never reached. See lightweight.go.

// check proposes the change if the condition holds, and ends the request if not.
func (n *Node) check(op *operation) {
	t := op.transaction
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legCounted) {
			l.flags |= legRead
		}
	}
	if t.write && t.condition.holds(&t.current) {
		n.propose(op, proposal{cell: Cell{Version: t.ballot, Value: t.value, Tombstone: t.remove}}, true)
		return
	}
	if n.settings.CAS == CASPaxosV1 || t.stable() {
		n.tellCurrent(op)
		return
	}
	n.propose(op, proposal{cell: Cell{Version: t.ballot}, empty: true}, false)
}

// holds says whether the condition holds of the cell.
func (c *Condition) holds(have *Cell) bool {
	there := !have.Version.IsZero() && !have.Tombstone
	switch c.Kind {
	case ConditionEqual:
		return there && bytes.Equal(have.Value, c.Value)
	case ConditionAbsent:
		return !there
	}
	return true
}

// stable says that no change of a lower ballot can be decided any more: no
// writer was promised a ballot after the last that is known to be decided, by
// any replica of the majority. A commit is decided, and so is an empty proposal
// if all of the majority accepted it. A proposal of a writer has a majority of
// promises behind it; one of them is in this majority.
func (t *transaction) stable() bool {
	decided := t.committed.ballot()
	if !t.unsettled && t.settled.Compare(decided) > 0 {
		decided = t.settled
	}
	return t.write0.Compare(decided) <= 0
}

// tellCurrent ends a read, or a compare-and-set whose condition did not hold.
func (n *Node) tellCurrent(op *operation) {
	op.cell = op.transaction.current
	r := n.reply(op, StatusOK)
	r.Cell = op.cell
	r.Found = !op.cell.Version.IsZero() && !op.cell.Tombstone
	n.close(op)
}

// propose asks the replicas to accept a change.
func (n *Node) propose(op *operation, p proposal, mine bool) {
	t := op.transaction
	t.proposal, t.mine, t.doubt = p, mine, false
	n.beginPhase(op, phasePropose, "propose")
	body := &ballotBody{ballot: t.ballot}
	if p.empty {
		body.flags = ballotEmpty
	}
	n.askAll(op, MessagePropose, p.cell, body)
}

// accepted handles MessageAccepted.
func (n *Node) accepted(m *Message) {
	b, ok := m.Body.(*ballotBody)
	op, l := n.answered(m, phasePropose)
	if op == nil || !ok || b.ballot != op.transaction.ballot {
		return
	}
	t := op.transaction
	l.flags |= legAnswered
	t.greatest = max(t.greatest, b.latest.Time)
	if b.is(ballotYes) {
		l.flags |= legCounted
		if op.counted++; op.counted >= t.majority {
			n.decided(op)
			return
		}
	} else {
		t.refused++
		t.doubt = t.doubt || b.is(ballotMaybe)
	}
	asked := 0
	for i := range op.legs {
		if op.legs[i].is(legSent) {
			asked++
		}
	}
	switch {
	case !t.mine && asked-t.refused < t.majority, t.mine && t.refused == asked && !t.doubt:
		n.backOff(op)
	case t.mine && t.refused+op.counted == asked:
		op.cell = t.proposal.cell
		n.fail(op, StatusIndeterminate, CodeContended, fmt.Sprintf("%d of %d needed replicas are known to have accepted the change, the others had promised a greater ballot to another: it may be finished by whoever comes next, or superseded", op.counted, t.majority))
		n.close(op)
	}
}

// decided goes on once a majority has accepted the proposal.
func (n *Node) decided(op *operation) {
	t := op.transaction
	switch {
	case t.proposal.empty:
		n.tellCurrent(op)
	case t.mine:
		n.commitOwn(op)
	default:
		n.beginPhase(op, phaseFinish, "commit")
		n.askAll(op, MessageCommit, t.proposal.cell, nil)
		if n.settings.CAS == CASPaxosV2 {
			// It does not wait. Whoever has not got the commit with the next promise is sent it again.
			n.prepare(op)
		}
	}
}

// commitOwn applies the request's own change. From here on it is a write like
// any other, at the write's quorum and with hints, of a cell whose version is the ballot.
func (n *Node) commitOwn(op *operation) {
	t := op.transaction
	op.cell = t.proposal.cell
	n.beginPhase(op, phaseWrite, "commit")
	for i := range op.legs {
		l := &op.legs[i]
		l.flags |= legSent
		n.tell(op, l, MessageCommit, op.cell, nil)
	}
	n.hintSuspected(op)
}

// committed handles MessageCommitted.
func (n *Node) committed(m *Message) {
	op, l := n.find(m)
	if op == nil || op.transaction == nil || l.is(legHolds) {
		return
	}
	t := op.transaction
	switch op.phase {
	case phaseWrite, phaseLateAcknowledgements:
		if m.Cell.Version != op.cell.Version {
			return
		}
		l.flags |= legHolds | legAnswered
		if l.is(legHinted) {
			n.hintDone(op.order[l.home], op.key, &op.cell)
		}
		n.acknowledgedBy(op, l)
	case phaseFinish:
		if m.Cell.Version != t.proposal.ballot() {
			return
		}
		l.flags |= legHolds | legAnswered
		if op.tally(legHolds) >= t.majority {
			n.prepare(op)
		}
	case phaseRefresh:
		if m.Cell.Version != t.committed.ballot() || !l.is(legSent) {
			return
		}
		l.flags |= legHolds | legRepaired
		if op.tally(legHolds) >= t.majority {
			n.check(op)
		}
	}
}

// transactionTimeout ends a request whose time is over.
func (n *Node) transactionTimeout(op *operation) {
	t := op.transaction
	status, means := StatusDefinite, t.nothing()
	if t.mine {
		op.cell = t.proposal.cell
		status, means = StatusIndeterminate, "it may have been done, or whoever comes next may finish it"
	}
	did := map[phase]string{phasePrepare: "promised the ballot", phaseRefresh: "had the last change", phaseSerialRead: "answered the read",
		phasePropose: "accepted the change", phaseFinish: "had what another had left"}[op.phase]
	have := op.counted
	if op.phase == phaseRefresh || op.phase == phaseFinish {
		have = op.tally(legHolds)
	}
	why := n.tooFew(have, t.majority, did, means)
	if op.phase == phaseBackOff {
		why = fmt.Sprintf("others were always ahead, in %d attempts within %s: %s", t.attempt, formatDuration(n.settings.RequestTimeout), means)
	}
	n.fail(op, status, CodeTimeout, why)
	n.close(op)
}

// transactionEvidence completes the evidence. What a replica answered to the
// read counts for a request that ends there; for a change that was proposed it
// is what the change was chosen by, as the fetch is that of a plain write.
func (op *operation) transactionEvidence(e *Evidence) {
	t := op.transaction
	e.Required = t.majority
	e.Phases = slices.Clone(t.phases)
	for i := range e.Replicas {
		r := &e.Replicas[i]
		read := slices.ContainsFunc(op.legs, func(l leg) bool { return l.node == r.Node && l.is(legRead) })
		if t.mine {
			r.Fetched = read
		} else {
			r.Answered, r.Counted = read, read
		}
	}
}
