package core

import "encoding/binary"

// Digest reads. Replicas mostly agree, and then all answers but one are
// needless copies of it. So one replica is asked for its cell and the others
// for a digest of theirs (Cassandra: service/reads/DigestResolver.java). If
// all digests are that of the cell, it is the result. If not, the replicas whose
// digests differ are asked again, for their cells, and only when enough of
// these have come does the read go on: it was a round trip slower, and
// repairs what it found.
//
// It saves traffic where values are large, and costs a round trip where
// replicas differ, and latency where the one that has the cell is the slow one.
//
// A digest covers everything in the cell (Cassandra hashes it with MD5). Two
// cells that differ and have the same digest would be taken for equal: with 64
// bits that is one case in 10¹⁹, and nobody here picks values so that it occurs.

// cellDigest is a hash of the whole cell.
func cellDigest(c *Cell) uint64 {
	d := digest(hashString("cell"))
	d.cell(c)
	return uint64(d)
}

// answerDigest completes the answer to MessageDigest.
func answerDigest(answer *Message, c *Cell) {
	answer.Cell.Version = c.Version
	answer.Cell.Value = binary.BigEndian.AppendUint64(nil, cellDigest(c))
}

// digestAnswered handles MessageDigestAnswer.
func (n *Node) digestAnswered(m *Message) {
	n.coordinator.trips.answer(n, m, MessageRead)
	op, l := n.find(m)
	if op == nil || !op.get || l.is(legAnswered) || len(m.Cell.Value) != 8 {
		return
	}
	l.flags |= legAnswered | legDigest
	l.version, l.digest = m.Cell.Version, binary.BigEndian.Uint64(m.Cell.Value)
	switch op.phase {
	case phaseRead:
		if n.settings.NotFoundOK || !l.version.IsZero() {
			op.count(l)
		}
		if n.readComplete(op) {
			n.readQuorum(op)
		}
	case phaseWriteBack, phaseRepair:
		if op.matches(l) {
			l.flags |= legHolds
			n.repaired(op)
		}
	case phaseLateAnswers:
		op.matches(l)
		if op.allAnswered() {
			n.startAsyncRepair(op)
		}
	}
}

// matches says that the leg has the cell that was read, and notes it.
func (op *operation) matches(l *leg) bool {
	if !l.is(legDigest) {
		return true
	}
	if l.digest != cellDigest(&op.cell) {
		return false
	}
	l.flags &^= legDigest
	l.version, l.object = op.cell.Version, op.cell.Object
	return true
}

// hasWhole says that a whole cell was answered.
func (op *operation) hasWhole() bool {
	for i := range op.legs {
		if op.legs[i].is(legAnswered) && !op.legs[i].is(legDigest) {
			return true
		}
	}
	return false
}

// dataMatches says that a whole cell was answered and that all digests that count are of it.
func (op *operation) dataMatches() bool {
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legCounted) && l.is(legDigest) && l.digest != cellDigest(&op.cell) {
			return false
		}
	}
	return op.hasWhole()
}

// digestsAgree is dataMatches for a read that has its quorum: it asks those
// whose digests differ for their cells, which count anew.
func (n *Node) digestsAgree(op *operation) bool {
	if !n.settings.DigestReads {
		return true
	}
	if !op.hasWhole() {
		return false // nothing to compare with yet
	}
	for i := range op.legs {
		l := &op.legs[i]
		if !l.is(legCounted) || op.matches(l) {
			continue
		}
		op.counted--
		op.course = courseDigestRead
		l.flags &^= legAnswered | legCounted | legDigest
		n.ask(op, l, MessageRead)
	}
	return op.counted >= op.need
}
