package core

// startRead asks all home replicas for the key's cell, or some of them (see
// readset.go). The first r answers decide (Dynamo §4.5); the newest cell among
// them is the result.
func (n *Node) startRead(op *operation) {
	op.phase, op.course = phaseRead, courseRead
	op.demands(op.r, op.reads)
	if n.settings.choosy() {
		n.startChoosyRead(op)
		return
	}
	n.startPhase(op, MessageRead)
}

// startPhase sends to all legs and sees to stand-ins.
func (n *Node) startPhase(op *operation, kind MessageKind) {
	n.standIn(op, false)
	if !n.omitEvidence && kind != MessageFetch {
		n.coordinator.trips.ask(n, op, kind)
	}
	for i := range op.legs {
		op.legs[i].flags &^= legAnswered | legCounted
		if kind == MessageWrite || !op.legs[i].is(legPending) {
			n.ask(op, &op.legs[i], kind)
		}
	}
	n.armStandIn(op)
}

// count marks the leg's answer as counted unless its home replica has been counted.
func (op *operation) count(l *leg) {
	if len(op.legs) > op.n { // there are stand-ins
		for i := range op.legs {
			if other := &op.legs[i]; other.home == l.home && other.is(legCounted) {
				return
			}
		}
	}
	if op.scope != scopeAll && !op.inScope(l, legCounted) {
		return
	}
	l.flags |= legCounted
	op.counted++
}

// readAnswered handles MessageReadAnswer.
func (n *Node) readAnswered(m *Message) {
	if m.Body != nil {
		n.serialAnswered(m)
		return
	}
	n.coordinator.trips.answer(n, m, MessageRead)
	op, l := n.find(m)
	if op == nil {
		n.surveyed(m)
		return
	}
	if !op.get || l.is(legAnswered) {
		return
	}
	l.flags |= legAnswered
	l.version, l.object = m.Cell.Version, m.Cell.Object
	switch op.phase {
	case phaseRead:
		n.takeAnswer(&op.cell, &m.Cell)
		if !op.special {
			if op.count(l); op.counted >= op.need {
				n.readQuorum(op)
			}
			return
		}
		if n.settings.NotFoundOK || !m.Cell.Version.IsZero() {
			op.count(l)
		}
		if n.readComplete(op) {
			n.readQuorum(op)
		}
	case phaseWriteBack, phaseRepair:
		// The result is fixed. A replica that has it needs no repair.
		if n.covers(&m.Cell, &op.cell) {
			l.flags |= legHolds
			n.repaired(op)
		}
	case phaseLateAnswers:
		n.takeAnswer(&op.cell, &m.Cell)
		if op.allAnswered() {
			n.startAsyncRepair(op)
		}
	}
}

// readQuorum goes on once r replicas have answered.
func (n *Node) readQuorum(op *operation) {
	n.noteRead(op)
	if n.settings.SpeculativeRetry == SpeculateP99 {
		n.coordinator.latency.add(n.now.Mono - op.began)
	}
	mode := n.repairMode()
	if mode != RepairAsync {
		n.reportDeleted(op)
	}
	switch mode {
	case RepairOff:
		n.succeed(op)
		n.close(op)
	case RepairAsync:
		n.succeed(op)
		n.awaitLateAnswers(op)
	case RepairBlocking:
		n.startRepair(op)
	case RepairABD:
		n.startWriteBack(op)
	}
}

func (op *operation) allAnswered() bool {
	for i := range op.legs {
		if l := &op.legs[i]; !l.is(legAnswered) && !op.spared(l) {
			return false
		}
	}
	return true
}

// readTimeout ends a get that did not get through. It may have spread a value,
// but only one that somebody wrote: the get itself had no effect.
func (n *Node) readTimeout(op *operation, f legFlags, need int, did string) {
	if code, why := n.unsatisfied(op); code != "" && op.phase == phaseRead {
		n.fail(op, StatusDefinite, code, why)
	} else {
		n.fail(op, StatusDefinite, CodeTimeout, n.tooFew(op.tally(f), need, did, "nothing was read"))
	}
	if n.repairMode() == RepairAsync {
		n.coordinator.repairs++
		n.startAsyncRepair(op)
		return
	}
	n.close(op)
}
