package core

import "math"

// startTimestampedWrite starts a write whose time comes from the client, if it
// gave one, or from this node's own clock; see timestamp.go.
func (n *Node) startTimestampedWrite(op *operation, timestamp int64) {
	if timestamp == 0 {
		var ok bool
		if timestamp, ok = n.timestamp(); !ok {
			n.fail(op, StatusDefinite, CodeExhausted, "the clock has reached its end: nothing was written")
			n.close(op)
			return
		}
	} else if unit := n.settings.TimestampUnit; unit > 1 {
		timestamp = inUnits(timestamp, unit)
	}
	n.startWrite(op, timestamp)
}

// startWrite gives the write its version and sends it to all home replicas.
// From here on it may take effect at any time, whatever the client is told.
func (n *Node) startWrite(op *operation, time int64) {
	c := &n.coordinator
	if c.sequence == math.MaxUint32 {
		n.fail(op, StatusDefinite, CodeExhausted, "this node has used all its sequence numbers: restart it; nothing was written")
		n.close(op)
		return
	}
	c.sequence++
	op.cell.Version = Version{Time: time, Node: n.id, Incarnation: n.incarnation, Sequence: c.sequence}
	op.version = op.cell.Version
	op.demands(op.w, op.writes)
	if n.settings.updates() {
		n.startUpdate(op)
		return
	}
	if op.phase == phaseFetch {
		op.course = courseFetchWrite
	} else {
		op.course = courseWrite
	}
	if n.settings.DataType == DataTypeRow {
		op.cell = n.rowWrite(op.cell.Version, op.update)
	}
	op.phase = phaseWrite
	if op.level == LevelAny {
		n.standInMyself(op)
	}
	n.startPhase(op, MessageWrite)
	n.hintSuspected(op)
}

// written handles MessageWritten: the sender holds the version, or a newer one, durably.
func (n *Node) written(m *Message) {
	if m.StandsIn && m.Request == 0 {
		n.hintPassed(m)
		return
	}
	n.coordinator.trips.answer(n, m, MessageWrite)
	op, l := n.find(m)
	if op != nil && m.StandsIn && op.level == LevelAny {
		// The coordinator may be a home replica as well, and a stand-in more than once.
		if l = op.standInFor(m.HintFor, m.From); l == nil {
			return
		}
	}
	if op == nil || !l.is(legSent) || m.Cell.Version != op.cell.Version {
		return
	}
	if l.is(legHolds) {
		n.writtenAgain(op, l, m)
		return
	}
	if op.get {
		n.repairAcknowledged(op, l)
		return
	}
	if refused, ok := m.Body.(*refusal); ok {
		n.writeRefused(op, l, refused)
		return
	}
	l.flags |= legHolds | legAnswered
	if op.dw > 0 && n.loggedBy(l, m) {
		l.flags |= legDurable
	}
	if l.is(legHinted) {
		n.hintDone(op.order[l.home], op.key, &op.cell)
	}
	n.acknowledgedBy(op, l)
}

// acknowledgedBy goes on after a leg of a put holds what is written.
func (n *Node) acknowledgedBy(op *operation, l *leg) {
	if op.phase == phaseWrite {
		op.count(l)
		if op.counted < op.need || op.special && !op.writeComplete() {
			return
		}
		n.succeed(op)
		op.phase = phaseLateAcknowledgements
	}
	n.awaitHomes(op)
}

// awaitHomes keeps an answered put open for as long as it has something to wait for.
func (n *Node) awaitHomes(op *operation) {
	// Stay until the last home replica has acknowledged: whoever does not gets a hint.
	n.reportDeleted(op)
	if !n.settings.Hints && n.settings.Purge != PurgeReported || op.homesHold() {
		n.close(op)
	}
}

func (op *operation) homesHold() bool {
	for i := range op.legs[:op.n] {
		if !op.legs[i].is(legHolds) {
			return false
		}
	}
	return true
}

func (n *Node) writeTimeout(op *operation) {
	if op.phase == phaseUpdate {
		n.fail(op, StatusIndeterminate, CodeTimeout, "the replica that was to carry the write out did not answer within "+
			formatDuration(n.settings.RequestTimeout)+": it may have been done, or may be done later")
		n.close(op)
		return
	}
	n.hintMissing(op)
	if code, why := n.unsatisfied(op); code != "" {
		n.fail(op, StatusIndeterminate, code, why)
	} else {
		n.fail(op, StatusIndeterminate, CodeTimeout, n.tooFew(op.tally(legHolds), op.w, "acknowledged the write", "it may have been done, or may be done later"))
	}
	n.close(op)
}
