package core

import "slices"

// The messages of anti-entropy: what is sent, and what is done with what arrives.

// handleAntiEntropy handles MessageTree … MessageRepaired.
func (n *Node) handleAntiEntropy(m *Message) {
	if !n.ranges.on && m.Kind != MessageTree && m.Kind != MessageRange {
		return
	}
	switch m.Kind {
	case MessageTree:
		if q, ok := m.Body.(*treeQuestion); ok {
			n.answerTree(m, q)
		}
	case MessageRange:
		if q, ok := m.Body.(*pageQuestion); ok {
			n.answerPage(m, q)
		}
	case MessageTreeAnswer:
		if a, ok := m.Body.(*treeAnswer); ok {
			n.treeAnswered(m, a)
		}
	case MessageRangeAnswer:
		if a, ok := m.Body.(*pageAnswer); ok {
			n.pageAnswered(m, a)
		}
	case MessageRepair:
		n.storeRepair(m)
	case MessageRepaired:
		n.keyRepaired(m)
	}
}

// askExchange sends the question that is unanswered.
func (n *Node) askExchange() {
	a := &n.entropy
	kind := MessageTree
	if _, page := a.asked.(*pageQuestion); page {
		kind = MessageRange
	}
	m := n.message(kind, a.active.peer)
	m.Request, m.Body = a.askedNumber, a.asked
	a.deadline = n.now.Mono + n.settings.RequestTimeout
}

// common returns the range that another node speaks of, if both mean the same by it.
func (n *Node) common(name *rangeName, with NodeID) (*keyRange, *rangePeer) {
	if !n.ranges.on {
		return nil, nil
	}
	r := n.currentRanges()
	if name.ring != r.fingerprint {
		return nil, nil
	}
	k := r.bySet[setOf(name.members)]
	if k == nil {
		return nil, nil
	}
	return k, k.peer(with)
}

// answerTree handles MessageTree.
func (n *Node) answerTree(m *Message, q *treeQuestion) {
	a := &treeAnswer{}
	if k, p := n.common(&q.rangeName, m.From); p != nil {
		a = k.compareNodes(q)
		if q.nodes[0].node == treeRoot && len(a.nodes) == 0 {
			p.foundEqual(k.changed)
		}
	}
	answer := n.message(MessageTreeAnswer, m.From)
	answer.Request, answer.Body = m.Request, a
}

// foundEqual notes that the peer holds what this replica held at that count of changes.
func (p *rangePeer) foundEqual(changed uint64) {
	p.equalAt, p.coveredAt = max(p.equalAt, changed), max(p.coveredAt, changed)
	p.different = 0
}

// answerPage handles MessageRange.
func (n *Node) answerPage(m *Message, q *pageQuestion) {
	a := &pageAnswer{}
	if k, p := n.common(&q.rangeName, m.From); p != nil && k.tree.has(q.leaf) && q.leaf >= k.tree.firstLeaf() {
		a = k.comparePage(q)
	}
	answer := n.message(MessageRangeAnswer, m.From)
	answer.Request, answer.Body = m.Request, a
}

// treeAnswered handles MessageTreeAnswer.
func (n *Node) treeAnswered(m *Message, a *treeAnswer) {
	q, ok := n.entropy.asked.(*treeQuestion)
	if !ok || !n.exchangeAnswered(m, a.known) {
		return
	}
	e := n.entropy.active
	if e.treeAnswered(q, a) {
		e.of.peer(e.peer).foundEqual(e.rootAt)
	}
	n.antiEntropyGoOn()
}

// pageAnswered handles MessageRangeAnswer.
func (n *Node) pageAnswered(m *Message, a *pageAnswer) {
	if _, ok := n.entropy.asked.(*pageQuestion); ok && n.exchangeAnswered(m, a.known) {
		n.entropy.active.pageAnswered(n, a)
		n.antiEntropyGoOn()
	}
}

// exchangeAnswered says whether the message answers the question that is
// unanswered, and that it now is.
func (n *Node) exchangeAnswered(m *Message, known bool) bool {
	a := &n.entropy
	if a.active == nil || m.From != a.active.peer || m.Request != a.askedNumber {
		return false
	}
	a.asked, a.attempts = nil, 0
	if !known {
		n.endExchange(false)
		a.pausedUntil = n.now.Mono + n.settings.SuspectAfter
		n.armAntiEntropy()
	}
	return known
}

// sendKeys sends as many of the differing keys as window and rate allow.
func (n *Node) sendKeys() {
	a := &n.entropy
	e := a.active
	for len(e.keys) > 0 && len(e.sent) < exchangeWindow && n.creditWait() == 0 {
		a.credit -= n.keyCost()
		key := e.keys[len(e.keys)-1]
		e.keys = e.keys[:len(e.keys)-1]
		e.sent = append(e.sent, key)
		n.sendKey(key)
	}
}

// keyCost is the time that one key takes at anti-entropy-rate.
func (n *Node) keyCost() int64 { return 1e9 / int64(n.settings.AntiEntropyRate) }

// creditWait is how long it takes until another key may be sent. What was not
// used is saved for a tenth of a second: the rate is not to depend on how fine
// the timers are.
func (n *Node) creditWait() int64 {
	a := &n.entropy
	a.credit = min(a.credit+n.now.Mono-a.creditAt, max(n.keyCost(), 100e6))
	a.creditAt = n.now.Mono
	return max(n.keyCost()-a.credit, 0)
}

func (n *Node) sendKey(key string) {
	a := &n.entropy
	m := n.message(MessageRepair, a.active.peer)
	m.Request, m.Key = a.keysNumber, key
	if s := n.replica.slots[key]; s != nil && !a.active.newer[key] {
		m.Cell = s.durable
	}
	a.deadline = n.now.Mono + n.settings.RequestTimeout
}

// storeRepair handles MessageRepair: it answers with what it had beyond the
// cell that was sent, as soon as it holds that one, too, durably.
func (n *Node) storeRepair(m *Message) {
	if !slices.Contains(n.homesOf(m.Key), n.id) {
		return // the ring has changed: the sender will notice
	}
	answer := Message{Kind: MessageRepaired, From: n.id, To: m.From, Request: m.Request, Key: m.Key}
	have := &noCell
	if s := n.replica.slots[m.Key]; s != nil {
		have = &s.durable
	}
	if !n.covers(&m.Cell, have) {
		answer.Cell = *have
	}
	if m.Cell.Version.IsZero() {
		n.send(&answer)
		return
	}
	n.store(m.Key, &m.Cell, &answer)
}

// keyRepaired handles MessageRepaired: of the peer, with what this replica
// lacks, and then of this node itself, when that is durable here.
func (n *Node) keyRepaired(m *Message) {
	a := &n.entropy
	current := a.active != nil && m.Request == a.keysNumber && (m.From == a.active.peer || m.From == n.id)
	if m.From != n.id && !m.Cell.Version.IsZero() && slices.Contains(n.homesOf(m.Key), n.id) {
		if current {
			a.active.pulled = true
		}
		own := Message{Kind: MessageRepaired, From: n.id, To: n.id, Request: m.Request, Key: m.Key}
		n.store(m.Key, &m.Cell, &own)
		return
	}
	if !current {
		return
	}
	i := slices.Index(a.active.sent, m.Key)
	if i < 0 {
		return
	}
	a.active.sent = slices.Delete(a.active.sent, i, i+1)
	a.gauge.Exchanged++
	a.attempts, a.deadline = 0, n.now.Mono+n.settings.RequestTimeout
	n.antiEntropyGoOn()
}
