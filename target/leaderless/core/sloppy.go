package core

// Sloppy quorums (Dynamo §4.6): "all read and write operations are performed
// on the first N healthy nodes from the preference list, which may not always
// be the first N nodes encountered while walking the consistent hashing ring".
//
// A home replica that is suspected, or that is silent for stand-in-after, is
// stood in for by the next node on the ring that is neither suspected nor
// taken. The stand-in of a write keeps the cell as a hint, apart from its own
// cells, and hands it over later (see hints.go); its acknowledgement counts
// toward w in the home replica's place. The stand-in of a read answers from
// its hints for that home replica.
//
// It buys availability: with enough nodes up, anywhere, reads and writes go
// through. It costs the overlap of quorums: w + r > n says nothing any more,
// since a write may sit on stand-ins that no reader asks (DDIA p. 183).

// standIn adds a leg for each home replica that needs a stand-in: one that is
// suspected and has none or, when silent is true, one for which nobody has answered yet.
func (n *Node) standIn(op *operation, silent bool) (added int) {
	if !n.settings.Sloppy {
		return 0
	}
	before := len(op.legs)
	for home := range op.n {
		if !n.needsStandIn(op, uint8(home), silent) {
			continue
		}
		for _, node := range op.order[op.n:] {
			if op.asks(node) || n.detector.suspects(n, node, n.now.Mono) || n.apart(node, op.order[home]) {
				continue
			}
			op.legs = append(op.legs, leg{node: node, home: uint8(home), datacenter: op.legs[home].datacenter, flags: legStandIn})
			break
		}
	}
	return len(op.legs) - before
}

func (n *Node) needsStandIn(op *operation, home uint8, silent bool) bool {
	for i := range op.legs {
		l := &op.legs[i]
		if l.home != home {
			continue
		}
		if silent && op.phase == phaseRead && op.choosy && !op.homeAsked(home) {
			return false
		}
		if l.is(legPending) && op.phase != phaseWrite {
			return false // it is not asked yet
		}
		if l.is(legAnswered) || !silent && !n.detector.suspects(n, l.node, n.now.Mono) {
			return false
		}
	}
	return true
}

func (op *operation) asks(node NodeID) bool {
	for i := range op.legs {
		if op.legs[i].node == node {
			return true
		}
	}
	return false
}

// armStandIn sets the timer after which silent replicas get a stand-in, if there is a node left for it.
func (n *Node) armStandIn(op *operation) {
	if n.settings.Sloppy && len(op.legs) < len(op.order) {
		n.setDeadline(&n.coordinator.standIns, op, n.settings.StandInAfter)
	}
}

// standInTimeout asks stand-ins in the phases that may have them.
func (n *Node) standInTimeout(op *operation) {
	var kind MessageKind
	switch op.phase {
	case phaseRead:
		kind = MessageRead
	case phaseFetch:
		kind = MessageFetch
	case phaseWrite:
		kind = MessageWrite
	default:
		return
	}
	added := n.standIn(op, true)
	for i := len(op.legs) - added; i < len(op.legs); i++ {
		op.legs[i].flags |= legAsked
		n.ask(op, &op.legs[i], kind)
	}
	if added > 0 {
		n.armStandIn(op)
	}
}

// reachable counts the replicas that could answer a request, as far as the failure detector knows.
func (n *Node) reachable(order []NodeID, want int) int {
	candidates := order[:want]
	if n.settings.Sloppy {
		candidates = order
	}
	up := 0
	for _, node := range candidates {
		if !n.detector.suspects(n, node, n.now.Mono) {
			up++
		}
	}
	return min(up, want)
}
