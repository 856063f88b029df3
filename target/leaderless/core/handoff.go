package core

// armHandoff sets the delivery timer unless it is set or there is nothing to deliver.
func (n *Node) armHandoff() {
	if n.hints.armed || n.hints.count == 0 || !n.settings.Hints {
		return
	}
	n.hints.armed = true
	n.setTimer(timerHandoff, n.settings.HintRetry)
}

// handoffTick delivers to every node whose time has come.
func (n *Node) handoffTick() {
	n.hints.armed = false
	for i := range n.hints.queues {
		home := NodeID(i)
		n.dropExpired(home)
		n.keepUnpassed(home)
		if n.now.Mono >= n.hints.queues[i].due && !n.detector.suspects(n, home, n.now.Mono) {
			n.handOff(home)
		}
	}
	n.armHandoff()
}

// handOffNow delivers to a node that has come back.
func (n *Node) handOffNow(home NodeID) {
	n.hints.queues[home].interval = n.settings.HintRetry
	n.handOff(home)
}

// handOff sends the first batch of hints.
func (n *Node) handOff(home NodeID) {
	n.dropExpired(home)
	q := &n.hints.queues[home]
	if !n.settings.Hints || q.first == nil {
		return
	}
	q.unanswered = 0
	for h := q.first; h != nil && q.unanswered < handoffBatch; h = h.next {
		m := n.message(MessageHandoff, home)
		m.Key, m.Cell = h.key, h.memory
		q.unanswered++
	}
	q.interval = max(q.interval, n.settings.HintRetry)
	q.due = n.now.Mono + q.interval
	q.interval = min(2*q.interval, 16*n.settings.HintRetry)
}

// storeHandoff handles MessageHandoff: to the home replica a hint is a write like any other.
func (n *Node) storeHandoff(m *Message) {
	n.counters.HandoffsReceived++
	answer := Message{Kind: MessageHandedOff, From: n.id, To: m.From, Key: m.Key, Cell: acknowledged(&m.Cell)}
	n.store(m.Key, &m.Cell, &answer)
}

// handedOff handles MessageHandedOff; after the last one of a batch the next follows at once.
func (n *Node) handedOff(m *Message) {
	if !n.hintDone(m.From, m.Key, &m.Cell) {
		return
	}
	q := &n.hints.queues[m.From]
	q.interval = n.settings.HintRetry
	if q.unanswered--; q.unanswered <= 0 {
		n.handOff(m.From)
	}
}
