package core

// What becomes of hints with time. Hints mend short outages; a replica that was
// away for long would be swamped by them, and whoever keeps them would run out
// of disk. Three bounds, each of which loses writes for the replica that is
// away, until something else repairs it:
//
//   - hint-window. No further hints are kept for a replica that has been silent
//     for longer (Cassandra, max_hint_window, 3 hours). It takes a read repair
//     or anti-entropy to bring it up to date then.
//   - hint-expiry. A hint of a write that is older is dropped. With gc-grace a
//     hint also expires at that age, whatever hint-expiry says: the tombstone
//     of the deletion that followed its write may be purged by then, and the
//     hint would bring the value back (Cassandra: Hint.isLive).
//   - hint-flush. With 0s a hint is logged as it is kept, and is kept once the
//     log has it. Otherwise hints are written every so often, and nobody waits
//     for the disk (Cassandra, hints_flush_period, 10 s): a node that dies
//     takes those with it that it kept since the last time.
//
// A hint's age is counted from the time in its version. Where that is no time
// (writers that fetch) it is counted from when it was kept, or from the start
// of the node that recovered it.

// hintBounds are what was lost to them since the node's start.
type hintBounds struct {
	// refused for the window, expired by age.
	refused, expired uint64
	// unflushed are the hints that were not handed to the log yet.
	unflushed []*hint
	flushing  bool // the timer is set
}

// refusesHint says that the replica has been away for too long to keep a hint for it, and counts it.
func (n *Node) refusesHint(l *leg) bool {
	if n.settings.HintWindow == 0 || n.silence(l.node) <= n.settings.HintWindow {
		return false
	}
	if !l.is(legRefused) {
		l.flags |= legRefused
		n.hints.refused++
	}
	return true
}

// silence is for how long nothing was heard of a node.
func (n *Node) silence(node NodeID) int64 {
	return max(n.now.Mono-n.detector.heardAt[node], 0)
}

// hintLife is the age at which hints expire; 0: never.
func (s *Settings) hintLife() int64 {
	if s.GCGrace > 0 && (s.HintExpiry == 0 || s.GCGrace < s.HintExpiry) {
		return s.GCGrace
	}
	return s.HintExpiry
}

// expiredHint says that a hint is too old to be delivered.
func (n *Node) expiredHint(h *hint) bool {
	life := n.settings.hintLife()
	if life == 0 {
		return false
	}
	born := h.memory.Version.Time
	if n.settings.Fetches() {
		if h.keptAt == 0 { // recovered
			h.keptAt = n.now.Wall
		}
		born = h.keptAt
	}
	return n.now.Wall-born > life
}

// dropExpired drops the expired hints at the head of a queue. Hints are queued
// in the order in which they were kept, which is nearly that of their age.
func (n *Node) dropExpired(home NodeID) {
	for h := n.hints.queues[home].first; h != nil && n.expiredHint(h); h = n.hints.queues[home].first {
		n.hints.expired++
		n.forgetHint(home, h.key, &h.memory)
	}
}

// bufferHint takes a hint as kept and leaves it to the next flush to write it.
func (n *Node) bufferHint(h *hint, c *Cell) {
	if !n.merge(&h.memory, c) {
		return
	}
	h.durable = h.memory
	if !h.unflushed {
		h.unflushed = true
		n.hints.unflushed = append(n.hints.unflushed, h)
	}
	if !n.hints.flushing {
		n.hints.flushing = true
		n.setTimer(timerHintFlush, n.settings.HintFlush)
	}
}

// flushHints hands the hints that were kept since the last time to the log,
// which may take its time with them.
func (n *Node) flushHints() {
	if !n.hints.flushing {
		return
	}
	n.hints.flushing = false
	for _, h := range n.hints.unflushed {
		h.unflushed = false
		if n.hints.find(h.home, h.key) != h {
			continue // delivered or dropped by now
		}
		n.out.Persist = append(n.out.Persist, Persist{
			ID:     n.replica.persists.skip(),
			Record: n.records.encode(&record{kind: recordHint, key: h.key, home: h.home, cell: h.memory}),
			Eager:  true,
		})
	}
	n.hints.unflushed = nil
}
