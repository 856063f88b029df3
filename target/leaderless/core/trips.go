package core

// Round trips. How long a replica takes to answer decides how stale reads are
// (Bailis et al., Probabilistically Bounded Staleness, VLDB 2012), and only the
// coordinator sees it. What it knows of a request when it replies would be
// biased: the replicas that have answered by then are the quick ones. So it
// notes each answer whenever it comes, after the reply and after the operation
// was forgotten too, and the evidence of a request tells the latest round trip
// of each replica that was measured in another request of the same kind.
// Nothing is decided by them, and they are no part of the node's state: see
// Digest.

// tripsOpen is for how many of the latest requests answers are still noted.
const tripsOpen = 256

type trips struct {
	// asked is a ring by operation number; nil until the first request with evidence.
	asked         []askedRequest
	read, written []replicaTrips // by node
}

// askedRequest is a request whose answers are awaited.
type askedRequest struct {
	number uint64
	at     int64 // Now.Mono
	kind   MessageKind
	left   homeSet // the nodes that have not answered yet
}

// replicaTrips are the last two round trips with one node, and the operation of the last.
type replicaTrips struct {
	last, before int64
	number       uint64
}

// ask notes that all legs of the operation are asked now.
func (t *trips) ask(n *Node, op *operation, kind MessageKind) {
	if t.asked == nil {
		t.asked = make([]askedRequest, tripsOpen)
		t.read, t.written = make([]replicaTrips, len(n.settings.Nodes)), make([]replicaTrips, len(n.settings.Nodes))
	}
	a := &t.asked[op.number%tripsOpen]
	*a = askedRequest{number: op.number, at: n.now.Mono, kind: kind}
	for i := range op.legs {
		if !op.spared(&op.legs[i]) {
			a.left.add(uint8(op.legs[i].node))
		}
	}
}

// answer notes the answer to a message of that kind.
func (t *trips) answer(n *Node, m *Message, kind MessageKind) {
	if t.asked == nil || m.Request>>requestBits != uint64(n.incarnation)&(1<<(64-requestBits)-1) {
		return
	}
	number := m.Request & (1<<requestBits - 1)
	a := &t.asked[number%tripsOpen]
	if a.number != number || a.kind != kind || !a.left.has(uint8(m.From)) {
		return
	}
	a.left.remove(uint8(m.From))
	of := &t.read[m.From]
	if kind == MessageWrite {
		of = &t.written[m.From]
	}
	of.before, of.last, of.number = of.last, max(n.now.Mono-a.at, 1), number
}

// trip is the latest round trip with the node that was not measured in the
// operation itself; 0 if there is none.
func (t *trips) trip(op *operation, node NodeID) int64 {
	if t.asked == nil {
		return 0
	}
	of := &t.written[node]
	if op.get {
		of = &t.read[node]
	}
	if of.number == op.number {
		return of.before
	}
	return of.last
}
