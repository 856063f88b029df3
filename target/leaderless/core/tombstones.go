package core

// Deletions. A replica that simply forgets a deleted key cannot tell, when
// another one still has the value, whether it missed the write or the other
// missed the deletion, and repair would decide for the value. So a deletion is
// a write, of a tombstone (Cassandra, Riak), which wins over what it deleted
// like any newer cell and is kept. Kept for ever, tombstones fill the disk, so
// stores purge them some time, and each way of doing so is a bet:
//
//   - purge=grace. Each replica purges a tombstone that is older than gc-grace
//     (Cassandra, gc_grace_seconds), in the belief that by then every replica
//     has got it. One that was away for longer, and whose hint has expired,
//     still has the value; the others have forgotten why it should not, and
//     the next repair brings it back on all of them: a zombie.
//   - purge=repaired. Only tombstones that are older than gc-grace and that
//     anti-entropy has since found on every home replica are purged
//     (Cassandra, only_purge_repaired_tombstones), on all of them at once. No
//     replica can have anything older then, whatever was away for how long.
//     While one is away nothing is purged.
//   - purge=reported. When all home replicas are seen to hold the same
//     tombstone, by the coordinator of the delete or of a read, they are told
//     so, and each purges it reap-after later if it still holds exactly that
//     (Riak, delete_mode, riak_kv_vnode's final_delete). Stand-ins are not
//     asked: one that still keeps an older tombstone, or an older value, as a
//     hint hands it over later to replicas that have forgotten the key. If
//     the key was written again meanwhile, under a clock that began anew, the
//     old tombstone may be the newer of the two: a doomstone.
//   - deletes=physical. No tombstone is kept at all: a delete removes what is
//     older than it and is forgotten (Voldemort). It takes a single replica
//     that missed it, or a write that arrives late, to undo it.
//
// The age of a tombstone is the difference between the replica's wall clock
// and the time in its version, as in Cassandra: a clock that is ahead purges
// early. (Cassandra keeps the coordinator's time of deletion apart from the
// timestamp that orders writes. Here they are one, so a client that chooses
// timestamps chooses the age, too.)
//
// A purge is logged, and later records of the key count again: in this one
// matter the order of records is of importance.
type tombstones struct {
	// found are the slots with a tombstone that may be purged some time, in the order in which it became durable.
	found []*slot
	// reaps are the purges that were ordered, with reap-after still to pass.
	reaps []reap
	// due is when the timer fires; 0: none is set.
	due    int64
	purged uint64
}

// reap is a purge that is to be carried out at a certain time.
type reap struct {
	key  string
	cell Cell // what the coordinator has seen everywhere, as in acknowledged
	at   int64
}

// deleted says that nothing but deletions are in the cell.
func (c *Cell) deleted() bool {
	if c.Object == nil {
		return c.Tombstone
	}
	siblings := c.Object.Siblings()
	for i := range siblings {
		if !siblings[i].Tombstone {
			return false
		}
	}
	return len(siblings) > 0
}

// purges says that tombstones are not kept for ever.
func (r *RepairSettings) purges() bool {
	return r.Deletes == DeletesPhysical || r.GCGrace > 0 || r.Purge == PurgeReported
}

// store merges a cell into what this replica has of its own; answer, which may
// be nil, is sent when what it has durably covers the cell.
func (n *Node) store(key string, c *Cell, answer *Message) {
	if n.settings.Purge == PurgeGrace && n.settings.GCGrace > 0 && n.outlived(c) && n.replica.slots[key] == nil {
		// A tombstone that would be purged at once, from a replica that has not got to it yet.
		if answer != nil {
			n.send(answer)
		}
		return
	}
	n.apply(n.replica.slot(key), c, &record{kind: recordCell, key: key, cell: *c}, answer)
}

// outlived says that the cell is a tombstone older than gc-grace.
func (n *Node) outlived(c *Cell) bool {
	return c.deleted() && n.now.Wall-c.Version.Time > n.settings.GCGrace
}

// tombstoneFound takes note of a durable cell of this replica.
func (n *Node) tombstoneFound(s *slot) {
	if s.entombed || !s.durable.deleted() || n.settings.Purge == PurgeReported && n.settings.Deletes != DeletesPhysical {
		return
	}
	if n.settings.Deletes == DeletesPhysical {
		if n.settled(s) {
			n.purge(s)
		}
		return
	}
	s.entombed = true
	n.tombstones.found = append(n.tombstones.found, s)
	n.armTombstones()
}

// tombstonesStart takes note of what was recovered.
func (n *Node) tombstonesStart() {
	if !n.settings.purges() {
		return
	}
	for _, s := range n.sortedSlots() {
		n.tombstoneFound(s)
	}
}

// settled says that what the replica holds is all durable.
func (n *Node) settled(s *slot) bool { return s.pending == nil && n.covers(&s.durable, &s.memory) }

// armTombstones sets the timer for the next look at the tombstones.
func (n *Node) armTombstones() {
	t := &n.tombstones
	after := int64(0)
	switch {
	case len(t.reaps) > 0:
		after = t.reaps[0].at - n.now.Mono
	case len(t.found) > 0:
		after = min(max(n.settings.GCGrace/4, 50e6), 10e9)
	default:
		return
	}
	after = max(after, 1)
	if at := n.now.Mono + after; t.due == 0 || at < t.due {
		t.due = at
		n.setTimer(timerTombstones, after)
	}
}

// tombstonesTick purges what may be purged.
func (n *Node) tombstonesTick() {
	t := &n.tombstones
	if t.due == 0 || n.now.Mono < t.due {
		return
	}
	t.due = 0
	found := t.found
	t.found = nil
	for _, s := range found {
		s.entombed = false
		if n.replica.slots[s.key] != s || !s.durable.deleted() {
			continue
		}
		if n.outlived(&s.durable) && n.settled(s) {
			if n.settings.Purge == PurgeGrace {
				n.purge(s)
				continue
			}
			if n.onAllReplicas(s) {
				n.orderPurge(s.key, &s.durable, n.homesOf(s.key)) // itself included
			}
		}
		s.entombed = true
		t.found = append(t.found, s)
	}
	for len(t.reaps) > 0 && t.reaps[0].at <= n.now.Mono {
		r := t.reaps[0]
		t.reaps = t.reaps[1:]
		n.purgeExactly(r.key, &r.cell)
	}
	n.armTombstones()
}

// onAllReplicas says that anti-entropy has found every other home replica to
// hold what this one holds, since it holds it.
func (n *Node) onAllReplicas(s *slot) bool {
	n.currentRanges()
	if s.entry == nil {
		return false
	}
	for i := range s.entry.of.peers {
		if s.entry.of.peers[i].coveredAt < s.entry.changed {
			return false
		}
	}
	return true
}

// purge removes a tombstone for good.
func (n *Node) purge(s *slot) {
	n.log(&record{kind: recordPurged, key: s.key, cell: acknowledged(&s.durable)})
	if n.ranges.on {
		n.rangeRemoved(s)
	}
	n.replica.forget(s.key)
	n.tombstones.purged++
	if n.settings.Purge == PurgeRepaired {
		// A hint of what was deleted must not bring it back.
		for home := range n.hints.queues {
			n.forgetHint(NodeID(home), s.key, &s.durable)
		}
	}
}

// purgeExactly purges the key if the replica holds exactly that tombstone.
func (n *Node) purgeExactly(key string, c *Cell) {
	s := n.replica.slots[key]
	if s != nil && n.settled(s) && s.durable.deleted() && n.heldCovers(c, &s.durable) && n.heldCovers(&s.durable, c) {
		n.purge(s)
	}
}

// recoverPurge takes over a purge of the log: what came before it is gone, what follows counts again.
func (n *Node) recoverPurge(key string, c *Cell) {
	if s := n.replica.slots[key]; s != nil && n.heldCovers(c, &s.memory) {
		n.replica.forget(key)
	}
}

// orderPurge tells the home replicas of a key that all of them hold that tombstone.
func (n *Node) orderPurge(key string, c *Cell, homes []NodeID) {
	for _, node := range homes {
		m := n.message(MessagePurge, node)
		m.Key, m.Cell = key, acknowledged(c)
	}
}

// purgeOrdered handles MessagePurge.
func (n *Node) purgeOrdered(m *Message) {
	switch {
	case n.settings.Deletes == DeletesPhysical:
	case n.settings.Purge == PurgeRepaired:
		n.purgeExactly(m.Key, &m.Cell)
	case n.settings.Purge == PurgeReported:
		t := &n.tombstones
		t.reaps = append(t.reaps, reap{m.Key, m.Cell, n.now.Mono + n.settings.ReapAfter})
		n.armTombstones()
	}
}

// reportDeleted orders the purge of a key if the operation, a get or a delete,
// has seen the same tombstone on all home replicas.
func (n *Node) reportDeleted(op *operation) {
	if n.settings.Purge == PurgeReported && op.cell.deleted() {
		n.reportTombstone(op)
	}
}

func (n *Node) reportTombstone(op *operation) {
	for i := range op.legs[:op.n] {
		l := &op.legs[i]
		held := l.is(legHolds)
		if op.get {
			answer := l.answerCell()
			held = l.is(legAnswered) && n.heldCovers(&answer, &op.cell)
		}
		if !held {
			return
		}
	}
	n.orderPurge(op.key, &op.cell, op.order[:op.n])
}
