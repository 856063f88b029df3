package core

// Anti-entropy: replicas compare what they hold and exchange what differs
// (Demers et al., "Epidemic algorithms for replicated database maintenance",
// PODC 1987; Dynamo §4.7). Read repair mends only what is read and hints only
// what somebody knows to be missing. A hint that was lost, refused or dropped,
// and a disk that was lost or restored, leave keys divergent for as long as
// nobody reads them. Anti-entropy finds those, too.
//
// scheduled. Each node begins a round every anti-entropy-every, with a little
// jitter, in which it compares each of its ranges with each other replica of
// it, one after the other (Riak's active anti-entropy). demand. The same when
// an operator asks for it (Cassandra's nodetool repair): the node goes through
// its ranges a second time where the first time brought it something, because
// the peers it had met before do not know of that yet. A peer that is down or
// stops answering is left for later; the repair waits for it and goes on where
// it was, since what has been exchanged is found equal. So it does if the node
// that was asked is killed: the log says that the repair is not done.
//
// The price is reading and sending in the background; anti-entropy-rate bounds
// how many differing keys a node asks others to exchange in a second, each of
// which costs both sides one write at most.
//
// How long it takes. Once faults are over and nothing is written any more, all
// replicas of a range that is compared on schedule are equal after at most
//
//	2 × (9/8 × anti-entropy-every + K / anti-entropy-rate + R × T)
//
// with K differing keys of one node, R comparisons a round (ranges × peers)
// and T the time of one: a round trip, a few more for each key that differs,
// and 3 × request-timeout once if the last peer to fail was being waited for. Whoever holds something that
// others lack meets all of them in its first whole round; the second round
// lets everyone know that all are equal, which Pending waits for. A round that
// lasts longer than the interval delays the next (Settings.ConvergenceBound).
//
// Pending is quiet only when each range was found equal to each of its
// replicas after the last change: not to know counts as to differ.
type antiEntropy struct {
	// queue is what is still to be compared in this round, the next last.
	queue []comparison
	// underWay: a round has begun and is not over.
	underWay bool
	// demanded: an operator asked for this round. second: it is in its second pass.
	demanded, second bool
	// unfinished: the log says that an operator's repair has begun, and not that it is done.
	unfinished bool
	// again are the ranges for the second pass.
	again   []comparison
	active  *exchange
	numbers uint64
	// asked and askedNumber are the question that is unanswered.
	asked       Body
	askedNumber uint64
	// keysNumber is the number of the messages that exchange keys.
	keysNumber uint64
	// deadline is when what is unanswered is sent again; attempts counts how often it was.
	deadline int64
	attempts int
	// credit is how far the node may go before anti-entropy-rate stops it, in nanoseconds of rate, as of creditAt.
	credit, creditAt int64
	nextRound        int64
	// pausedUntil: a peer has another ring, which takes a while to change.
	pausedUntil int64
	// due is when the driver's timer fires; 0: none is set.
	due   int64
	gauge AntiEntropyGauge
}

// comparison is one range to be compared with one peer.
type comparison struct {
	of   *keyRange
	peer NodeID
}

const (
	// exchangeAttempts is how often a message of an exchange is sent before the peer counts as lost.
	exchangeAttempts = 3
	// exchangeWindow is how many keys are on their way at once.
	exchangeWindow = 32
)

func (n *Node) antiEntropyStart() {
	n.rangesStart()
	n.followsDurable = n.ranges.on || n.settings.purges()
	if n.settings.AntiEntropy == AntiEntropyScheduled {
		n.entropy.nextRound = n.now.Mono + 1 + n.draw(n.settings.AntiEntropyEvery)
		n.armAntiEntropy()
	}
	if n.ranges.on && n.entropy.unfinished {
		n.startRound(true)
		n.antiEntropyGoOn()
	}
}

// armAntiEntropy sets the timer for what comes next.
func (n *Node) armAntiEntropy() {
	a := &n.entropy
	at := int64(0)
	switch {
	case a.active != nil && !a.active.waiting(a):
		at = n.now.Mono + n.creditWait()
	case a.active != nil:
		at = a.deadline
		if len(a.active.keys) > 0 && len(a.active.sent) < exchangeWindow {
			at = min(at, n.now.Mono+n.creditWait())
		}
	case len(a.queue) > 0: // the peers that are left do not answer
		at = n.now.Mono + n.settings.SuspectAfter
	case n.settings.AntiEntropy == AntiEntropyScheduled:
		at = a.nextRound
	default:
		return
	}
	at = max(at, n.now.Mono+1)
	if a.due == 0 || at < a.due {
		a.due = at
		n.setTimer(timerAntiEntropy, at-n.now.Mono)
	}
}

// antiEntropyTick handles the timer.
func (n *Node) antiEntropyTick() {
	a := &n.entropy
	if !n.ranges.on || a.due == 0 || n.now.Mono < a.due {
		return // an earlier one was set after this one
	}
	a.due = 0
	if a.active != nil && a.active.waiting(a) && n.now.Mono >= a.deadline {
		n.exchangeSilent()
	}
	// A repair that waits for peers which are down does not keep the others waiting.
	if a.active == nil && n.settings.AntiEntropy == AntiEntropyScheduled && n.now.Mono >= a.nextRound {
		a.nextRound = n.now.Mono + n.settings.AntiEntropyEvery + n.draw(n.settings.AntiEntropyEvery/8+1)
		n.startRound(a.demanded)
	}
	n.antiEntropyGoOn()
}

// startRound queues all comparisons of this node. Where it begins is drawn, so
// that nodes which were started together do not all ask the same one.
func (n *Node) startRound(demanded bool) {
	a := &n.entropy
	r := n.currentRanges()
	a.queue, a.again, a.underWay, a.demanded, a.second = a.queue[:0], nil, true, demanded, false
	if len(r.ranges) == 0 {
		return
	}
	first := int(n.draw(int64(len(r.ranges))))
	for i := range r.ranges {
		k := r.ranges[(first+i)%len(r.ranges)]
		for p := range k.peers {
			a.queue = append(a.queue, comparison{k, k.peers[p].node})
		}
	}
}

// demandRepair handles AdminRepair.
func (n *Node) demandRepair(a *Admin) {
	if !n.ranges.on {
		n.answerAdmin(a, "a repair with anti-entropy=off: there are no hash trees to compare; set anti-entropy=demand or scheduled")
		return
	}
	n.startRound(true)
	n.noteRepair(true)
	n.answerAdmin(a, "")
	n.antiEntropyGoOn()
}

// antiEntropyGoOn does all that can be done now and sets the timer for the rest.
func (n *Node) antiEntropyGoOn() {
	for a := &n.entropy; ; {
		if a.active == nil && !n.nextComparison() {
			break
		}
		if a.active.of != n.currentRanges().bySet[a.active.of.set] {
			n.endExchange(false) // the ring has changed
			continue
		}
		n.sendKeys()
		if a.asked != nil || len(a.active.keys)+len(a.active.sent) > 0 {
			break
		}
		if a.active.done() {
			n.endExchange(true)
			continue
		}
		a.asked, a.askedNumber = a.active.question(n.ranges.fingerprint), n.antiEntropyNumber()
		n.askExchange()
		break
	}
	n.armAntiEntropy()
}

// nextComparison begins the next exchange with a peer that seems to be up.
func (n *Node) nextComparison() bool {
	a := &n.entropy
	if n.now.Mono < a.pausedUntil {
		return false
	}
	r := n.currentRanges()
	for tries := len(a.queue); tries > 0; tries-- {
		c := a.queue[len(a.queue)-1]
		a.queue = a.queue[:len(a.queue)-1]
		switch {
		case r.bySet[c.of.set] != c.of: // of another ring
			if k := r.bySet[c.of.set]; k != nil && k.peer(c.peer) != nil {
				a.queue = append(a.queue, comparison{k, c.peer})
				tries++
			}
		case !n.detector.suspects(n, c.peer, n.now.Mono):
			a.active = &exchange{}
			a.active.begin(c.of, c.peer)
			a.keysNumber, a.attempts = n.antiEntropyNumber(), 0
			a.deadline = n.now.Mono + n.settings.RequestTimeout
			return true
		case a.demanded: // its turn comes again when it is back
			a.queue = append([]comparison{c}, a.queue...)
		}
	}
	if len(a.queue) > 0 {
		return false
	}
	if a.demanded && !a.second && len(a.again) > 0 {
		a.queue, a.again, a.second = a.again, nil, true
		return n.nextComparison()
	}
	switch {
	case a.demanded:
		a.demanded = false
		a.gauge.Repairs++
		n.noteRepair(false)
	case a.underWay:
		a.gauge.Rounds++
	}
	a.underWay = false
	return false
}

// noteRepair logs that a repair is under way, or is done.
func (n *Node) noteRepair(unfinished bool) {
	n.entropy.unfinished = unfinished
	n.log(&record{kind: recordRepair, cell: Cell{Tombstone: !unfinished}})
}

func (n *Node) antiEntropyNumber() uint64 {
	n.entropy.numbers++
	return uint64(n.incarnation)<<requestBits | n.entropy.numbers&(1<<requestBits-1)
}

// endExchange forgets the exchange at hand, which was completed or not.
func (n *Node) endExchange(completed bool) {
	a := &n.entropy
	e := a.active
	a.active, a.asked = nil, nil
	p := e.of.peer(e.peer)
	p.different = e.differences
	if !completed {
		a.gauge.Abandoned++
		if a.demanded {
			a.queue = append([]comparison{{e.of, e.peer}}, a.queue...)
		}
		return
	}
	a.gauge.Compared++
	p.coveredAt = max(p.coveredAt, e.began)
	if e.pulled && a.demanded && !a.second {
		for i := range e.of.peers {
			if node := e.of.peers[i].node; node != e.peer {
				a.addAgain(comparison{e.of, node})
			}
		}
	}
}

func (a *antiEntropy) addAgain(c comparison) {
	for _, other := range a.again {
		if other == c {
			return
		}
	}
	a.again = append(a.again, c)
}

// exchangeSilent sends again what was not answered, or gives the peer up.
func (n *Node) exchangeSilent() {
	a := &n.entropy
	if a.attempts++; a.attempts < exchangeAttempts {
		a.deadline = n.now.Mono + n.settings.RequestTimeout
		if a.asked != nil {
			n.askExchange()
		}
		for _, key := range a.active.sent {
			n.sendKey(key)
		}
		return
	}
	peer := a.active.peer
	n.endExchange(false)
	if !a.demanded { // the rest of the round goes on without it
		left := a.queue[:0]
		for _, c := range a.queue {
			if c.peer != peer {
				left = append(left, c)
			}
		}
		a.queue = left
	}
}

// waiting says that an answer of the peer is awaited.
func (e *exchange) waiting(a *antiEntropy) bool { return a.asked != nil || len(e.sent) > 0 }

// ConvergenceBound is how long scheduled anti-entropy takes at most, in
// nanoseconds, until all replicas are equal and known to be: from the time at
// which all nodes are up, reach one another within roundTrip and nobody writes
// any more, with the given number of differing keys at any one node. 0 means
// that nothing is compared on schedule.
func (s *Settings) ConvergenceBound(differing int, roundTrip int64) int64 {
	if s.AntiEntropy != AntiEntropyScheduled {
		return 0
	}
	// All ranges of the ring, though a node has only some of them, with each of their other replicas.
	sets := make(map[homeSet]bool)
	comparisons := int64(0)
	s.ring.eachHomes(s.N, func(homes []NodeID) {
		if set := setOf(homes); !sets[set] {
			sets[set] = true
			comparisons += int64(len(homes) - 1)
		}
	})
	// To a differing key: down the tree, the page, the key itself, the roots again.
	trips := (int64(s.AntiEntropyDepth)+treeStep-1)/treeStep + 3
	round := s.AntiEntropyEvery + s.AntiEntropyEvery/8 + comparisons*roundTrip +
		int64(differing)*(1e9/int64(s.AntiEntropyRate)+trips*roundTrip) + exchangeAttempts*s.RequestTimeout
	return 2 * round
}
