package core

// Read repair: a read is an opportunity to bring stale replicas up to date
// (Dynamo §4.5; Cassandra and Riak have it, too). Three modes, which promise
// very different things:
//
// async. The client gets its answer first. When all replicas have answered, or
// the time is over, those that answered with an older version are sent the
// newest. It makes replicas converge. It promises a reader nothing: two reads
// in a row, of a write that is still on its way, may return the new and then
// the old value (DDIA Fig. 9-6).
//
// blocking. Those among the first r answers that are stale are repaired before
// the reply. Reads by quorum are then monotonic (CASSANDRA-10726), if w + r > n
// and nothing else goes wrong. Writers still choose their timestamps by a clock.
//
// abd. Attiya, Bar-Noy and Dolev, "Sharing memory robustly in message-passing
// systems" (JACM 1995), for many writers as in Lynch and Shvartsman (FTCS
// 1997): a read writes what it returns back to w replicas before it returns
// it, and a writer fetches the greatest timestamp from r replicas first (see
// fetch.go). With w + r > n this makes each key a linearizable register,
// whatever clocks, networks and up to min(n−w, n−r) dead replicas do:
//
//	Every version that a completed operation returned or wrote is held
//	durably by w replicas, and what a replica holds only grows. A later
//	operation asks r replicas, one of them among those w, so what it returns
//	(a read) is not older and what it writes (after its fetch) is newer.
//	Hence the order of the versions agrees with real time. A version has one
//	value, for it is used once. An operation that failed is in no order with
//	anything after it, or never chose a version.
//
// A replica that answered with the value has it durably (see replica) and is
// not written to again; when w of the first answers agree, which is the common
// case, the read takes no second round.
//
// None of these repairs is retried: the next read, or a hint, is the retry.
//
// With repair-chance below 100 only so many of a hundred reads repair anything,
// as in Cassandra before 4.0 (read_repair_chance): what is read often is mended
// soon all the same, and the others are left to hints and anti-entropy.

// repairMode is what this read does about stale replicas. The draw comes from
// the node's generator, and only where there is something to draw.
func (n *Node) repairMode() Repair {
	mode, chance := n.settings.Repair, n.settings.RepairChance
	if chance < 100 && (mode == RepairAsync || mode == RepairBlocking) && n.draw(100) >= int64(chance) {
		return RepairOff
	}
	return mode
}

// awaitLateAnswers keeps an answered get open until every replica has answered or the time is over.
func (n *Node) awaitLateAnswers(op *operation) {
	op.phase = phaseLateAnswers
	n.coordinator.repairs++
	if op.allAnswered() {
		n.startAsyncRepair(op)
	}
}

// startAsyncRepair sends the newest version to the replicas that answered with an older one.
func (n *Node) startAsyncRepair(op *operation) {
	op.phase = phaseAsyncRepair
	stale := 0
	for i := range op.legs {
		l := &op.legs[i]
		l.flags &^= legHolds | legSent
		if l.is(legAnswered) && !n.legCovers(l, &op.cell) {
			if !l.is(legCounted) {
				n.noteLag(l, &op.cell)
			}
			n.counters.ReadRepairs++
			n.ask(op, l, MessageWrite)
			stale++
		}
	}
	if stale == 0 {
		n.reportDeleted(op)
		n.close(op)
		return
	}
	// The first timer may be over. Acknowledgements only serve to know when the repair is done.
	n.setDeadline(&n.coordinator.requests, op, n.settings.RequestTimeout)
}

// startRepair begins a blocking repair of those whose answers counted.
func (n *Node) startRepair(op *operation) {
	op.phase = phaseRepair
	n.markHolders(op)
	if n.repaired(op) {
		return
	}
	op.course = courseRepair
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legCounted) && !l.is(legHolds) {
			n.counters.ReadRepairs++
			n.ask(op, l, MessageWrite)
		}
	}
}

// startWriteBack begins the second round of an ABD read: every replica that is
// not known to hold the value gets it, whether or not it has answered.
func (n *Node) startWriteBack(op *operation) {
	op.phase = phaseWriteBack
	op.demands(op.w, op.writes)
	n.markHolders(op)
	if n.repaired(op) {
		return
	}
	op.course = courseWriteBack
	for i := range op.legs {
		if l := &op.legs[i]; !l.is(legHolds) {
			n.counters.ReadRepairs++
			n.ask(op, l, MessageWrite)
		}
	}
}

func (n *Node) markHolders(op *operation) {
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legAnswered) && n.legCovers(l, &op.cell) {
			l.flags |= legHolds
		}
	}
}

// repaired replies to the client if enough replicas hold what was read, and says whether it did.
func (n *Node) repaired(op *operation) bool {
	// A key that was never written is held by everyone.
	if !op.cell.Version.IsZero() && op.tally(legHolds) < op.need {
		return false
	}
	n.succeed(op)
	n.close(op)
	return true
}

// repairAcknowledged handles the acknowledgement of a write-back or a repair.
func (n *Node) repairAcknowledged(op *operation, l *leg) {
	switch op.phase {
	case phaseWriteBack, phaseRepair:
		l.flags |= legHolds | legRepaired
		n.repaired(op)
	case phaseAsyncRepair:
		l.flags |= legHolds
		for i := range op.legs {
			if op.legs[i].flags&(legSent|legHolds) == legSent {
				return
			}
		}
		n.close(op)
	}
}
