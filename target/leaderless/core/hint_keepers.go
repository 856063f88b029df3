package core

// Who keeps a hint. The coordinator of the write is at hand (Cassandra), but
// it may be the node that dies next, and with a client that always uses the
// same coordinator one node keeps all hints of an outage. Voldemort lets the
// store choose (voldemort.store.slop.strategy), under these names:
//
//   - consistent: the first node that seems up and follows the home replicas on
//     the key's walk around the ring (ConsistentHandoffStrategy): the hints for
//     one replica are spread as its keys are, and anyone can tell where they are.
//   - any: a node that seems up, drawn at random (HandoffToAnyStrategy).
//   - proximity: the same as consistent, but nodes of the home replica's own
//     data centre come first (ProximityHandoffStrategy).
//
// Home replicas of the key are never chosen: they have the write already. The
// hint counts toward no quorum. Until the keeper says that it has the hint
// durably the coordinator remembers it, in memory only; if the keeper does not
// say so within request-timeout, or there is nobody to choose, the coordinator
// keeps the hint itself. The price is one more message for each hint, and a
// hint that is lost if both coordinator and message are.

// passHint hands the hint of an operation to another node, if the strategy
// finds one, and says whether it did.
func (n *Node) passHint(op *operation, l *leg) bool {
	if n.settings.HintStrategy == HintStrategyCoordinator || n.hints.find(l.node, op.key) != nil {
		return false // or it keeps an older one itself already
	}
	keeper := n.chooseKeeper(op, l.node)
	if keeper == n.id || n.hints.count >= n.settings.HintLimit {
		return false
	}
	h := n.hints.add(l.node, op.key)
	h.memory, h.durable = op.cell, op.cell
	h.keeper, h.passed, h.passedAt = keeper, true, n.now.Mono
	m := n.message(MessageWrite, keeper)
	m.Origin, m.Key, m.Cell, m.StandsIn, m.HintFor = op.request, op.key, op.cell, true, l.node
	n.armHandoff()
	return true
}

// chooseKeeper returns the node that is to keep a hint for the home replica; this one if there is no other.
func (n *Node) chooseKeeper(op *operation, home NodeID) NodeID {
	var up []NodeID
	for _, node := range op.order[op.n:] {
		if !n.detector.suspects(n, node, n.now.Mono) {
			up = append(up, node)
		}
	}
	if len(up) == 0 {
		return n.id
	}
	switch n.settings.HintStrategy {
	case HintStrategyAny:
		return up[n.draw(int64(len(up)))]
	case HintStrategyProximity:
		for _, node := range up {
			if n.ring.near(node, home) {
				return node
			}
		}
	}
	return up[0]
}

// hintPassed handles the keeper's acknowledgement.
func (n *Node) hintPassed(m *Message) {
	if h := n.hints.find(m.HintFor, m.Key); h != nil && h.passed && h.keeper == m.From && n.removeHint(m.HintFor, m.Key, &m.Cell) {
		n.hints.passedOn++
	}
}

// keepUnpassed takes over the hints that their keepers did not acknowledge in time.
func (n *Node) keepUnpassed(home NodeID) {
	for h := n.hints.queues[home].first; h != nil; h = h.next {
		if h.passed && n.now.Mono-h.passedAt >= n.settings.RequestTimeout {
			n.keepPassed(h)
		}
	}
}

// keepPassed turns a hint that was handed to another node into one of this node's own.
func (n *Node) keepPassed(h *hint) {
	c := h.memory
	h.passed = false
	h.slot = slot{key: h.key}
	n.storeHint(h, &c, nil)
}

// near says that two nodes are in the same data centre.
func (r *Ring) near(a, b NodeID) bool { return r.spread == nil || r.spread.of[a] == r.spread.of[b] }
