package core

import (
	"cmp"
	"slices"
)

// DumpEntry is one key on one replica.
type DumpEntry struct {
	Key string
	// Cell is what the replica answers to reads: its durable cell.
	Cell Cell
	// Home is the key's preference list under the settings' n.
	Home []NodeID
}

// Dump returns what this replica answers to reads, sorted by key. Hints that it
// keeps for others are not part of it.
func (n *Node) Dump() []DumpEntry {
	entries := make([]DumpEntry, 0, len(n.replica.slots))
	for _, s := range n.sortedSlots() {
		if s.durable.Version.IsZero() {
			continue
		}
		entries = append(entries, DumpEntry{Key: s.key, Cell: s.durable, Home: n.ring.PreferenceList(s.key, n.settings.N)})
	}
	return entries
}

// Values are the values that the replica holds under the key, the last modified
// one first: one with last write wins, else all siblings, tombstones among them.
func (e *DumpEntry) Values() []Sibling {
	switch o := e.Cell.Object.(type) {
	case nil:
		return []Sibling{{Version: e.Cell.Version, Value: e.Cell.Value, Tombstone: e.Cell.Tombstone}}
	case *versions:
		all := make([]Sibling, len(o.values))
		for i := range o.values {
			v := &o.values[i]
			all[len(all)-1-i] = Sibling{Version: v.version, Dot: v.dot, Value: v.value, Tombstone: v.tombstone}
		}
		return all
	default:
		all := o.Siblings()
		for i := range all {
			if all[i].Version.IsZero() {
				all[i].Version = e.Cell.Version
			}
		}
		return all
	}
}

// DumpHint is a hint that a node keeps.
type DumpHint struct {
	Key     string
	Version Version
	// Home is the home replica that it is for.
	Home NodeID
}

// Hints returns the hints that this node keeps for others, sorted by home replica and key.
func (n *Node) Hints() []DumpHint {
	hints := make([]DumpHint, 0, n.hints.count)
	for home := range n.hints.queues {
		for _, h := range n.hints.sorted(NodeID(home)) {
			hints = append(hints, DumpHint{Key: h.key, Version: h.memory.Version, Home: NodeID(home)})
		}
	}
	return hints
}

// Held returns what this replica answers to reads of the key: the zero Cell if
// it has nothing.
func (n *Node) Held(key string) Cell {
	if s := n.replica.slots[key]; s != nil {
		return s.durable
	}
	return Cell{}
}

// sortedSlots hides the order of the map.
func (n *Node) sortedSlots() []*slot {
	slots := make([]*slot, 0, len(n.replica.slots))
	for _, s := range n.replica.slots {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b *slot) int { return cmp.Compare(a.key, b.key) })
	return slots
}

// Pending counts what a node still has to do before it is quiet.
type Pending struct {
	// Hints are those still to be delivered; none with hints=off.
	Hints int
	// Repairs are gets that were answered and whose stale replicas are being repaired.
	Repairs int
	// Requests are those not answered yet, and puts that still await their last replicas.
	Requests int
	// Writes are records that are not durable yet.
	Writes int
	// Streams are those that are being received, and 1 for a change of this node's membership that is not done.
	Streams int
	// Comparisons are those of anti-entropy that are to be done yet: see AntiEntropyGauge.
	Comparisons int
	// HintsDropped counts hints that were not kept because of hint-limit, since the node's start.
	HintsDropped uint64
}

// Quiet says that nothing is pending.
func (p Pending) Quiet() bool {
	return p.Hints+p.Repairs+p.Requests+p.Writes+p.Comparisons+p.Streams == 0
}

// Pending says what the node still has to do.
func (n *Node) Pending() Pending {
	p := Pending{Writes: n.replica.persists.taken, HintsDropped: n.hints.dropped}
	if n.settings.Hints {
		p.Hints = n.hints.count
	}
	p.Repairs = n.coordinator.repairs
	p.Comparisons = n.comparisons()
	p.Requests = n.coordinator.open.taken - p.Repairs
	p.Streams = n.streamsPending()
	return p
}

// Suspected returns the nodes that count as down at the given time, in order.
func (n *Node) Suspected(now Now) []NodeID {
	var down []NodeID
	for i := range n.settings.Nodes {
		if id := NodeID(i); n.detector.suspects(n, id, now.Mono) {
			down = append(down, id)
		}
	}
	return down
}

// Ring returns the node's ring.
func (n *Node) Ring() *Ring { return n.ring }

// Incarnation returns what Boot was given.
func (n *Node) Incarnation() uint32 { return n.incarnation }

// Records yields the smallest set of records that rebuild the node's state, in
// a fixed order. To compact the log a driver writes them to a new one, makes
// it durable and drops every record that it was handed before this call; the
// EventDurable of those that were still on their way remain due. The set
// includes cells that are not durable yet, so nothing on its way gets lost. It
// leaves out the hints with hint-log=off.
func (n *Node) Records(yield func(record []byte) bool) {
	if n.events.since != 0 && !yield(encodeRecord(n.eventRecord())) {
		return
	}
	if n.entropy.unfinished && !yield(encodeRecord(&record{kind: recordRepair})) {
		return
	}
	for _, s := range n.sortedSlots() {
		if !yield(encodeRecord(&record{kind: recordCell, key: s.key, cell: s.memory})) {
			return
		}
	}
	for _, key := range n.paxos.sortedKeys() {
		if !n.paxos.keys[key].records(key, yield) {
			return
		}
	}
	if !n.memberRecords(yield) || !n.settings.HintLog {
		return
	}
	for home := range n.hints.queues {
		for _, h := range n.hints.sorted(NodeID(home)) {
			if !yield(encodeRecord(&record{kind: recordHint, key: h.key, home: NodeID(home), cell: h.memory})) {
				return
			}
		}
	}
}

// Digest is a hash of the node's state: cells, hints, counters and generator.
// Two nodes that were driven by the same calls have the same digest, on every
// architecture. What only the evidence tells (see trips) is not in it: it is
// missing where the evidence is omitted.
func (n *Node) Digest() uint64 {
	d := digest(hashString("node"))
	d.add(uint64(n.id), uint64(n.incarnation), n.random)
	for _, s := range n.sortedSlots() {
		d.slot(s)
	}
	for home := range n.hints.queues {
		d.add(uint64(home))
		for _, h := range n.hints.sorted(NodeID(home)) {
			d.slot(&h.slot)
		}
	}
	for _, key := range n.paxos.sortedKeys() {
		d.paxos(key, n.paxos.keys[key])
	}
	c := &n.coordinator
	d.add(uint64(c.open.taken), uint64(c.repairs), c.open.last, uint64(c.sequence), uint64(c.lastTime))
	n.digestMembership(&d)
	d.add(n.replica.persists.last, uint64(n.replica.persists.taken), n.hints.dropped)
	d.add(uint64(n.events.epochs), uint64(n.events.since))
	return uint64(d)
}

type digest uint64

func (d *digest) add(values ...uint64) {
	for _, v := range values {
		*d = digest(mix64(uint64(*d)*0x9fb21c651e98df25 + v + 1))
	}
}

func (d *digest) slot(s *slot) {
	d.add(hashString(s.key))
	d.cell(&s.memory)
	d.cell(&s.durable)
}

func (d *digest) cell(c *Cell) {
	d.add(uint64(c.Version.Time), uint64(c.Version.Node), uint64(c.Version.Incarnation), uint64(c.Version.Sequence), uint64(cellFlags(c)), uint64(len(c.Value)))
	for _, b := range c.Value {
		d.add(uint64(b))
	}
	if c.Object != nil {
		for _, b := range appendObject(nil, c.Object) {
			d.add(uint64(b))
		}
	}
}
