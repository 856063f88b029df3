package core

import "fmt"

// Primaries and durable acknowledgements: what Riak lets a request demand
// beside w and r (riak_kv_put_core.erl, riak_kv_get_core.erl).
//
// pr and pw count home replicas ("primaries") alone. With sloppy quorums w
// acknowledgements may all be those of stand-ins, whom no reader asks; pw of
// them from home replicas make pr and pw overlap again if pr + pw > n, at the
// price of the availability that stand-ins were there for. With strict quorums
// every answer is a home replica's, and pr and pw are nothing but another r and w.
//
// dw counts acknowledgements of replicas that have the write in their log.
// With acknowledge=after-log every acknowledgement is one. With
// acknowledge=before-log, as in Riak, replicas answer twice: when they have
// the write (which counts toward w), and, where dw asks for it, again when the
// log has it.
//
// An error says whether it came before or after the write was sent, which
// Riak's pw_val_unsatisfied does not: with too few primaries up, as far as the
// coordinator can tell, nothing is sent and the failure is definite; too few
// that acknowledged in time leave it open whether the write takes effect.

// The codes of requests that did not get what they demanded beside w and r.
const (
	// CodePrimaryReads: fewer than pr home replicas are up, or answered in time. Definite.
	CodePrimaryReads = "pr-unsatisfied"
	// CodePrimaryWrites: fewer than pw home replicas are up (definite), or acknowledged in time (indeterminate).
	CodePrimaryWrites = "pw-unsatisfied"
	// CodeDurableWrites: fewer than dw replicas had the write in their logs in time. Indeterminate.
	CodeDurableWrites = "dw-unsatisfied"
)

// primaries counts the home replicas with the flag, without their stand-ins.
func (op *operation) primaries(f legFlags) (count int) {
	for i := range op.legs[:op.n] {
		if op.legs[i].is(f) && !op.legs[i].is(legPending) {
			count++
		}
	}
	return count
}

// primaryShortage says why too few home replicas are up for pr or pw; empty: enough are.
func (n *Node) primaryShortage(get bool, u *quorum, order []NodeID) (code, why string) {
	code, name, need := CodePrimaryWrites, "pw", u.pw
	if get {
		code, name, need = CodePrimaryReads, "pr", u.pr
	}
	if need == 0 {
		return "", ""
	}
	up := 0
	for _, node := range order[:u.homes] {
		if !n.detector.suspects(n, node, n.now.Mono) {
			up++
		}
	}
	if up >= need {
		return "", ""
	}
	return code, fmt.Sprintf("%s=%d, but of %d home replicas only %d are up as far as node %s can tell: nothing was sent", name, need, u.homes, up, n.settings.Nodes[n.id])
}

// writeComplete says whether a write with enough acknowledgements has those of
// enough home replicas and enough logs, too.
func (op *operation) writeComplete() bool {
	return op.primaries(legHolds) >= op.pw && op.durable() >= op.dw
}

// durable counts the replicas, or their stand-ins, whose logs have the write.
func (op *operation) durable() int {
	if op.dw == 0 {
		return 0
	}
	count := 0
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legDurable) && op.first(l, legDurable) {
			count++
		}
	}
	return count
}

// loggedBy says that with this acknowledgement the leg's log has what is written.
func (n *Node) loggedBy(l *leg, m *Message) bool {
	s := n.settings
	if s.Acknowledge != AcknowledgeAfterLog {
		return m.Durable
	}
	// A stand-in's hint may be acknowledged before it is in the log.
	return !l.is(legStandIn) || s.HintLog && s.HintFlush == 0
}

// writtenAgain handles a second acknowledgement: a repetition, or the one that
// tells that the log has the write.
func (n *Node) writtenAgain(op *operation, l *leg, m *Message) {
	if op.dw == 0 || l.is(legDurable) || !n.loggedBy(l, m) {
		return
	}
	l.flags |= legDurable
	if op.phase == phaseWrite && op.counted >= op.need && op.writeComplete() {
		n.succeed(op)
		op.phase = phaseLateAcknowledgements
		n.awaitHomes(op)
	}
}

// acknowledgeTwice answers a write that wants to know when the log has it,
// where acknowledgements do not wait for that: as soon as it would be
// acknowledged anyhow, and when the log has it.
func (n *Node) acknowledgeTwice(s *slot, c *Cell, r *record, answer *Message) {
	early := *answer
	early.Durable = false
	if n.settings.Acknowledge == AcknowledgeBeforeLog || !n.covers(c, &s.memory) {
		n.send(&early)
	}
	if n.settings.Acknowledge != AcknowledgeBeforeLog && n.covers(&s.durable, c) {
		n.send(answer)
		return
	}
	if s.pending == nil { // whether the log has it already is not known: it is handed it again
		p := n.replica.newPersist()
		p.slot, p.cell, r.cell = s, s.memory, s.memory
		s.pending = p
		n.out.Persist = append(n.out.Persist, Persist{ID: n.replica.persists.add(p), Record: n.records.encode(r)})
	}
	s.pending.then = append(s.pending.then, *answer)
}

// unsatisfied says what of a request that had enough answers was missing; an
// empty code: nothing.
func (n *Node) unsatisfied(op *operation) (code, why string) {
	within := formatDuration(n.settings.RequestTimeout)
	switch {
	case op.counted < op.need:
		return "", ""
	case op.get && op.primaries(legAnswered) < op.pr:
		return CodePrimaryReads, fmt.Sprintf("%d of pr=%d home replicas answered the read within %s: nothing was read", op.primaries(legAnswered), op.pr, within)
	case !op.get && op.primaries(legHolds) < op.pw:
		return CodePrimaryWrites, fmt.Sprintf("%d of pw=%d home replicas acknowledged the write within %s: it may have been done, or may be done later", op.primaries(legHolds), op.pw, within)
	case !op.get && op.durable() < op.dw:
		return CodeDurableWrites, fmt.Sprintf("%d of dw=%d replicas had the write in their logs within %s: it may have been done, or may be done later", op.durable(), op.dw, within)
	}
	return "", ""
}
