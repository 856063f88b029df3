package core

// Whom a read asks. Three answers are in use, and textbooks tell of the first only:
//
// all. Every home replica is asked and the first r answers decide (Dynamo
// §4.5, Riak). A slow replica costs nothing, and read repair sees them all. The
// price is n answers' work for each read, of which n − r are thrown away.
//
// level. As many as the level needs, and no more (Cassandra:
// locator/ReplicaPlans.forRead, "contacts"): the nearest ones that are up, the
// coordinator itself first, then those of its data centre. The price is that
// one slow replica among them makes the read slow, against which there are
// speculative retries (speculate.go), and that the others are neither heard
// nor repaired: a replica that lags may do so unnoticed for long.
//
// preferred. preferred-reads of them at once (Voldemort: preferred-reads, by
// default required-reads), and all of these are waited for, so that the newest
// of so many answers is returned although r would do (store/routed/action/
// PerformParallelRequests.java). Those that do not answer within fallback-after
// are given up; if fewer than r have answered by then, others are asked, one
// after the other (PerformSerialRequests.java). The price is the slowest of them.
//
// In each case a replica that is suspected is asked only where the others do
// not suffice.

// ReadSet says which home replicas a read asks.
type ReadSet uint8

// The sets.
const (
	ReadAll ReadSet = iota
	ReadLevel
	ReadPreferred
)

var readSetNames = []string{ReadAll: "all", ReadLevel: "level", ReadPreferred: "preferred"}

// String returns the set as it is written in settings.
func (r ReadSet) String() string { return enumName(readSetNames, int(r)) }

// choosy says that not every home replica is asked for its whole cell, and the first need answers decide.
func (s *Settings) choosy() bool { return s.ReadSet != ReadAll || s.DigestReads }

// startChoosyRead asks as many replicas as the read set has.
func (n *Node) startChoosyRead(op *operation) {
	s := n.settings
	op.choosy = true
	n.standIn(op, false)
	for i := range op.legs {
		op.legs[i].flags &^= legAnswered | legCounted | legAsked
	}
	ask := op.need
	switch s.ReadSet {
	case ReadAll:
		ask = op.n
	case ReadLevel:
		if s.SpeculativeRetry == SpeculateAlways {
			ask++
		}
	case ReadPreferred:
		ask = max(ask, min(s.PreferredReads, op.n))
	}
	for asked := 0; asked < ask; asked++ {
		// With each-quorum, first as many of every data centre as are needed of it.
		l := n.nextLeg(op, asked < op.need && s.ReadSet != ReadAll)
		if l == nil {
			break
		}
		n.askRead(op, l)
	}
	if !n.omitEvidence {
		n.coordinator.trips.ask(n, op, MessageRead)
	}
	n.armStandIn(op)
	n.armSpeculation(op)
}

// askRead asks a leg: the first for its cell and, with digest reads, the others for a digest of it.
func (n *Node) askRead(op *operation, l *leg) {
	whole := uint8(1)
	if n.settings.SpeculativeRetry == SpeculateAlways && n.settings.ReadSet == ReadLevel {
		whole = 2
	}
	l.flags |= legAsked
	if n.settings.DigestReads && op.whole >= whole {
		n.ask(op, l, MessageDigest)
		return
	}
	op.whole++
	n.ask(op, l, MessageRead)
}

// nextLeg returns the nearest leg that is to be asked next, or nil. needed
// leaves out data centres of which enough have been asked.
func (n *Node) nextLeg(op *operation, needed bool) *leg {
	var best *leg
	least := 0
	for i := range op.legs {
		l := &op.legs[i]
		if l.is(legAsked|legPending) || op.scope == scopeLocal && n.settings.ReadSet != ReadAll && l.datacenter != op.datacenter || op.homeAsked(l.home) {
			continue
		}
		if needed && op.scope == scopeEach && op.askedIn(l.datacenter) >= op.need/int(op.datacenters) {
			continue
		}
		if d := n.distance(op, l); best == nil || d < least {
			best, least = l, d
		}
	}
	return best
}

// distance orders legs by how soon an answer may be expected.
func (n *Node) distance(op *operation, l *leg) int {
	d := 0
	switch {
	case l.node == n.id:
	case l.datacenter == op.datacenter:
		d = 1
	default:
		d = 2
	}
	if n.detector.suspects(n, l.node, n.now.Mono) {
		d += 3
	}
	return d
}

func (op *operation) homeAsked(home uint8) bool {
	for i := range op.legs {
		if op.legs[i].home == home && op.legs[i].is(legAsked) {
			return true
		}
	}
	return false
}

func (op *operation) askedIn(datacenter uint8) (count int) {
	for i := range op.legs {
		if op.legs[i].datacenter == datacenter && op.legs[i].is(legAsked) {
			count++
		}
	}
	return count
}

// spared says that the leg was not asked, and is no part of the evidence.
func (op *operation) spared(l *leg) bool { return op.choosy && !l.is(legAsked|legSent) }

// outstanding says that a home replica was asked and neither it nor a stand-in has answered.
func (op *operation) outstanding() bool {
	for i := range op.legs {
		l := &op.legs[i]
		if op.spared(l) || l.is(legAnswered|legPending) {
			continue
		}
		answered := false
		for j := range op.legs {
			answered = answered || op.legs[j].home == l.home && op.legs[j].is(legAnswered)
		}
		if !answered {
			return true
		}
	}
	return false
}

// readComplete says whether a read that waits for more than a number of
// answers has all that it waits for. It asks further replicas where that is what is missing.
func (n *Node) readComplete(op *operation) bool {
	if n.settings.ReadSet == ReadPreferred && !op.hurried && op.outstanding() {
		return false
	}
	if op.counted < op.need && !n.countNothing(op) {
		return false
	}
	return n.digestsAgree(op) && op.primaries(legAnswered) >= op.pr
}

// countNothing lets “not found” count after all (see notfound-ok in
// settings_quorum.go) when every replica that could have known better has
// answered, and says whether the read has its quorum then.
func (n *Node) countNothing(op *operation) bool {
	if n.settings.NotFoundOK || op.outstanding() {
		return false
	}
	if op.choosy {
		if l := n.nextLeg(op, false); l != nil {
			n.askRead(op, l)
			return false
		}
	}
	return op.countAnswered()
}

// countAnswered counts every answer that may count, and says whether they are enough.
func (op *operation) countAnswered() bool {
	for i := range op.legs {
		if l := &op.legs[i]; l.is(legAnswered) && !l.is(legCounted) {
			op.count(l)
		}
	}
	return op.counted >= op.need
}

// lateRead ends a read whose time is over with what has been answered, if that
// is enough when nothing more is waited for.
func (n *Node) lateRead(op *operation) bool {
	op.hurried = true
	if !n.settings.NotFoundOK {
		op.countAnswered()
	}
	if op.counted < op.need || !op.dataMatches() || op.primaries(legAnswered) < op.pr {
		return false
	}
	number := op.number
	n.readQuorum(op)
	if n.coordinator.open.find(number) == nil {
		return true
	}
	// There is no time left for what follows, but to repair after the reply.
	n.requestTimeout(op)
	return true
}
