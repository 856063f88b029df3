package core

import (
	"cmp"
	"slices"
)

// Hinted handoff: a write that a home replica missed is kept, durably, by
// another node and delivered when the replica answers again (Dynamo §4.6).
// Who keeps it depends on the quorum:
//
//   - Strict (sloppy=off): the coordinator keeps a hint for each home replica
//     that has not acknowledged in time, or that is suspected when the write
//     starts. It never counts toward w (as in Cassandra, but for its level
//     ANY). A write that timed out leaves hints, too: it may take effect
//     minutes later, which is what "indeterminate" means.
//   - Sloppy: the stand-in keeps it, and that counts. The coordinator keeps
//     hints only for home replicas without a stand-in that acknowledged.
//
// Hints survive restarts. Several for the same home replica and key are merged
// into one: with last write wins the newest makes the others pointless. Delivery is
// first in, first out, a batch at a time, to replicas that are not suspected;
// an unanswered batch is sent again, each time after twice the time, up to 16
// times hint-retry. A hint is removed when its home replica says that it has
// the version durably; the removal is logged, and if a kill loses the removal
// the hint is delivered once more, which does no harm.
//
// With hint-log=off, which is unsafe on purpose, hints are kept in memory only
// and count as kept at once: whoever kept them forgets them when it is killed.
// Cassandra writes its hints to files every ten seconds (hints_flush_period)
// and does not sync them. With strict quorums a replica then stays stale until
// a read repairs it; with sloppy ones the hint was the acknowledged write.
//
// With hints=off a coordinator keeps none, and a stand-in keeps what it has
// accepted for ever: a sloppy quorum without handoff.
type hintStore struct {
	queues  []hintQueue // by home replica
	count   int
	dropped uint64
	// armed: the delivery timer is set.
	armed bool
	hintBounds
	// passedOn counts the hints that another node has taken; see hint_keepers.go.
	passedOn uint64
}

type hintQueue struct {
	byKey       map[string]*hint
	first, last *hint
	length      int
	// unanswered counts the hints of the last batch that were not acknowledged yet.
	unanswered int
	// interval is the time to the next attempt, due when it is.
	interval, due int64
	// since is when the queue was empty last.
	since int64
}

type hint struct {
	slot
	previous, next *hint
	home           NodeID
	// keptAt is Now.Wall when it was kept; 0 if it was recovered.
	keptAt int64
	// unflushed: the log has not been handed it yet; see hint_age.go.
	unflushed bool
	// passed: it was handed to keeper at passedAt (Now.Mono), which has not
	// acknowledged it yet; see hint_keepers.go.
	passed   bool
	keeper   NodeID
	passedAt int64
}

// handoffBatch is how many hints are on their way to one node at most.
const handoffBatch = 64

func (s *hintStore) init(nodes int) { s.queues = make([]hintQueue, nodes) }

func (s *hintStore) find(home NodeID, key string) *hint {
	if int(home) >= len(s.queues) {
		return nil
	}
	return s.queues[home].byKey[key]
}

// add returns the hint for the key, a new one if there is none.
func (s *hintStore) add(home NodeID, key string) *hint {
	q := &s.queues[home]
	if h := q.byKey[key]; h != nil {
		return h
	}
	if q.byKey == nil {
		q.byKey = make(map[string]*hint)
	}
	h := &hint{slot: slot{key: key}, home: home, previous: q.last}
	if q.last != nil {
		q.last.next = h
	} else {
		q.first = h
	}
	q.last = h
	q.byKey[key] = h
	q.length++
	s.count++
	return h
}

// removeHint removes the hint if its home replica's cell covers it, and says whether it did.
func (n *Node) removeHint(home NodeID, key string, held *Cell) bool {
	s := &n.hints
	h := s.find(home, key)
	if h == nil || !n.heldCovers(held, &h.memory) {
		return false
	}
	q := &s.queues[home]
	if h.previous != nil {
		h.previous.next = h.next
	} else {
		q.first = h.next
	}
	if h.next != nil {
		h.next.previous = h.previous
	} else {
		q.last = h.previous
	}
	delete(q.byKey, key)
	q.length--
	s.count--
	return true
}

// heldCovers says that a replica that told it holds one cell needs the other
// no more. With last write wins it told the version alone.
func (n *Node) heldCovers(held, c *Cell) bool {
	if c.Object == nil && held.Object == nil {
		return n.order.versionCovers(held.Version, c.Version)
	}
	return n.covers(held, c)
}

func (s *hintStore) sorted(home NodeID) []*hint {
	var all []*hint
	for h := s.queues[home].first; h != nil; h = h.next {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *hint) int { return cmp.Compare(a.key, b.key) })
	return all
}

// keepHint stores a cell for its home replica; answer, which may be nil, is
// sent when it is durable. It says whether there was room.
func (n *Node) keepHint(home NodeID, key string, c *Cell, answer *Message) bool {
	if int(home) >= len(n.settings.Nodes) || home == n.id {
		return false
	}
	if n.hints.count >= n.settings.HintLimit && n.hints.find(home, key) == nil {
		n.hints.dropped++
		return false
	}
	if q := &n.hints.queues[home]; q.length == 0 {
		q.since = n.now.Mono
	}
	n.counters.HintsKept++
	h := n.hints.add(home, key)
	if h.passed {
		n.keepPassed(h)
	}
	n.storeHint(h, c, answer)
	n.armHandoff()
	return true
}

// storeHint merges a cell into a hint of this node's own.
func (n *Node) storeHint(h *hint, c *Cell, answer *Message) {
	if h.keptAt == 0 {
		h.keptAt = n.now.Wall
	}
	switch {
	case !n.settings.HintLog:
		n.recoverSlot(&h.slot, c)
	case n.settings.HintFlush > 0:
		n.bufferHint(h, c)
	}
	n.apply(&h.slot, c, &record{kind: recordHint, key: h.key, home: h.home, cell: *c}, answer)
}

// hintSuspected keeps hints for the home replicas that are suspected as the
// write starts, unless a stand-in was asked: a coordinator that is killed
// later has then not forgotten them.
func (n *Node) hintSuspected(op *operation) {
	var standIns homeSet
	for i := op.n; i < len(op.legs); i++ {
		standIns.add(op.legs[i].home)
	}
	for i := range op.legs[:op.n] {
		if l := &op.legs[i]; !standIns.has(l.home) && n.detector.suspects(n, l.node, n.now.Mono) {
			n.hintLeg(op, l)
		}
	}
}

// hintMissing keeps hints for the home replicas that have not acknowledged.
func (n *Node) hintMissing(op *operation) {
	for i := range op.legs[:op.n] {
		n.hintLeg(op, &op.legs[i])
	}
}

func (n *Node) hintLeg(op *operation, l *leg) {
	if !n.settings.Hints || l.node == n.id || l.flags&(legHolds|legHinted) != 0 || op.stoodIn(l.home) {
		return
	}
	if n.refusesHint(l) {
		return
	}
	if n.passHint(op, l) || n.keepHint(l.node, op.key, &op.cell, nil) {
		l.flags |= legHinted
		op.hints = append(op.hints, l.node)
	}
}

// stoodIn says that a stand-in of the home replica has acknowledged.
func (op *operation) stoodIn(home uint8) bool {
	for i := op.n; i < len(op.legs); i++ {
		if l := &op.legs[i]; l.home == home && l.is(legHolds) {
			return true
		}
	}
	return false
}

// hintDone removes a hint whose home replica has the cell or what covers it.
func (n *Node) hintDone(home NodeID, key string, held *Cell) bool {
	if !n.forgetHint(home, key, held) {
		return false
	}
	n.counters.HintsDelivered++
	if q := &n.hints.queues[home]; q.length == 0 {
		n.counters.Convergence.observe(n.now.Mono - q.since)
	}
	return true
}

// forgetHint removes a hint that the cell covers, from the log, too, and says whether there was one.
func (n *Node) forgetHint(home NodeID, key string, held *Cell) bool {
	if !n.removeHint(home, key, held) {
		return false
	}
	if n.settings.HintLog {
		n.log(&record{kind: recordHandedOff, key: key, home: home, cell: acknowledged(held)})
	}
	return true
}

// acknowledged is what of a cell is repeated to acknowledge it: the version,
// which is enough with last write wins, or the whole object.
func acknowledged(c *Cell) Cell { return Cell{Version: c.Version, Object: c.Object} }
