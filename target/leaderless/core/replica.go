package core

import "bytes"

// A replica stores cells and answers coordinators. What becomes of two cells of
// a key is the resolver's affair (see merge.go). With last write wins the one
// with the greater version stays (Cell.Compare), in whatever order they
// arrive, so that all replicas that saw the same writes hold the same cell
// (DDIA ch. 5, "Last write wins"; Cassandra does it per column).
//
// What a replica says must survive it. It therefore keeps two cells a key:
// the newest one in memory and the newest one that the log is known to hold.
//
//   - It acknowledges a write once its durable cell is as new as the write.
//     That covers the write that arrives late and is superseded: it must wait
//     until the cell that superseded it is durable, because after a kill
//     neither of the two would be there.
//   - It answers reads from the durable cell. From memory, a client could be
//     told a value which a kill then takes back for ever; the next read, of
//     the same replica, would return the one before it. It would also make the
//     ABD write-back wrong, which takes "it returned v" for "it has v durably".
//     The cost is that a value is visible one fsync later.
//
// Two settings break the first rule on purpose. With acknowledge=before-log
// both are dropped: the newest cell counts as durable at once. With
// acknowledge=superseded-early only the case of the superseded write is
// forgotten, as is easily done: "I have something newer already" looks like a
// reason to acknowledge. It takes two writes of a key, in the wrong order, and a
// kill before the log is written to see the difference.
type replica struct {
	slots    map[string]*slot
	last     *slot // the one that was found last; nil if none
	persists table[persist]
	free     []*persist
}

// slot is one key of a replica, or one hint.
type slot struct {
	key     string
	memory  Cell
	durable Cell
	// pending is the persist of the memory cell, nil once it is durable.
	pending *persist
	// settled is the number of the persist that the durable cell came with; 0 if it came from the log.
	settled uint64
	// entry is the slot in its range; nil without anti-entropy, and for hints.
	entry *rangeEntry
	// entombed: it is one of tombstones.found.
	entombed bool
}

// persist is a record that was handed to the driver and is not durable yet.
type persist struct {
	slot *slot
	cell Cell
	// then are the answers to send when it is durable.
	then []Message
	// afterwards is what else happens then.
	afterwards []func(*Node)
}

func (r *replica) init() {
	r.slots = make(map[string]*slot)
}

// find returns the key's slot, or nil. Reads and writes of a key come in bursts.
func (r *replica) find(key string) *slot {
	if s := r.last; s != nil && s.key == key {
		return s
	}
	s := r.slots[key]
	if s != nil {
		r.last = s
	}
	return s
}

// forget removes the key's slot.
func (r *replica) forget(key string) {
	delete(r.slots, key)
	r.last = nil
}

func (r *replica) slot(key string) *slot {
	s := r.find(key)
	if s == nil {
		s = &slot{key: key}
		r.slots[key] = s
	}
	return s
}

// recover takes over a cell of the log, whose value must be copied: a log has
// many records of a key and all but one are in vain.
func (n *Node) recoverCell(key []byte, c Cell) {
	s := n.replica.slots[string(key)]
	if s == nil {
		s = n.replica.slot(string(key))
	}
	n.observe(c.Version.Time)
	switch {
	case n.settings.lastRecordWins():
		c.Value = bytes.Clone(c.Value)
		s.memory, s.durable = c, c
	case !n.covers(&s.memory, &c):
		c.Value = bytes.Clone(c.Value)
		n.recoverSlot(s, &c)
	}
}

func (n *Node) recoverSlot(s *slot, c *Cell) {
	if n.merge(&s.memory, c) {
		s.durable = s.memory
	}
}

// storeWrite handles MessageWrite: as a home replica, or as a stand-in that keeps a hint.
func (n *Node) storeWrite(m *Message) {
	answer := Message{Kind: MessageWritten, From: n.id, To: m.From, Origin: m.Origin, Request: m.Request, Key: m.Key, Cell: Cell{Version: m.Cell.Version}, Durable: m.Durable}
	if n.settings.ObsoletePuts == ObsoletePutsRefuse && n.refusesWrite(m, &answer) {
		return
	}
	if !m.StandsIn {
		n.store(m.Key, &m.Cell, &answer)
		return
	}
	answer.StandsIn, answer.HintFor = true, m.HintFor
	n.keepHint(m.HintFor, m.Key, &m.Cell, &answer)
}

// apply merges the cell into the slot and sends the answer, which may be nil,
// as soon as the slot's durable cell covers the cell. What is logged, in r, is
// the slot's whole cell, so that the last record alone covers all before it.
func (n *Node) apply(s *slot, c *Cell, r *record, answer *Message) {
	if n.merge(&s.memory, c) {
		n.persist(s, r, answer != nil && answer.Durable)
	}
	switch {
	case answer == nil:
	case answer.Durable && n.settings.Acknowledge != AcknowledgeAfterLog:
		n.acknowledgeTwice(s, c, r, answer)
	case n.covers(&s.durable, c),
		n.settings.Acknowledge == AcknowledgeSupersededEarly && !n.covers(c, &s.memory):
		n.send(answer)
	default:
		// The memory cell covers it and its record is on its way.
		s.pending.then = append(s.pending.then, *answer)
	}
}

// persist logs the slot's whole memory cell. tell says that somebody waits for
// that to be done, whatever it was acknowledged by.
func (n *Node) persist(s *slot, r *record, tell bool) {
	r.cell = s.memory
	effect := Persist{Record: n.records.encode(r)}
	early := n.settings.Acknowledge == AcknowledgeBeforeLog
	if early {
		s.durable = s.memory
	}
	if early && !tell {
		effect.ID, effect.Eager = n.replica.persists.skip(), true
	} else {
		p := n.replica.newPersist()
		p.slot, p.cell = s, s.memory
		effect.ID = n.replica.persists.add(p)
		s.pending = p
	}
	n.out.Persist = append(n.out.Persist, effect)
	if early {
		n.durableChanged(s)
	}
}

// durable handles EventDurable.
func (n *Node) durable(id uint64) {
	p := n.replica.persists.find(id)
	if p == nil {
		return // written eagerly, or a record that nobody waits for
	}
	n.replica.persists.remove(id)
	if s := p.slot; s != nil { // else it was no cell
		changed := n.becomesDurable(p, id)
		if s.pending == p {
			s.pending = nil
		}
		if changed {
			n.durableChanged(s)
		}
	}
	for i := range p.then {
		n.send(&p.then[i])
	}
	for _, do := range p.afterwards {
		do(n)
	}
	n.replica.release(p)
}

// becomesDurable says that the slot's durable cell changed by that persist.
func (n *Node) becomesDurable(p *persist, id uint64) bool {
	s := p.slot
	if !n.settings.lastRecordWins() {
		return n.merge(&s.durable, &p.cell)
	}
	if id < s.settled {
		return false
	}
	s.durable, s.settled = p.cell, id
	return true
}

// durableChanged tells the mechanisms that follow what a replica holds of a new durable cell.
func (n *Node) durableChanged(s *slot) {
	if !n.followsDurable || n.replica.slots[s.key] != s {
		return // nobody is interested, or it is a hint, or was purged
	}
	if n.ranges.on {
		n.rangeChanged(s)
	}
	if n.settings.purges() {
		n.tombstoneFound(s)
	}
}

// log hands the driver a record that nothing waits for.
func (n *Node) log(r *record) {
	n.out.Persist = append(n.out.Persist, Persist{
		ID: n.replica.persists.skip(), Record: n.records.encode(r), Eager: n.settings.Acknowledge == AcknowledgeBeforeLog,
	})
}

// answerRead handles MessageRead and MessageFetch. It creates no slot: reads
// of keys that do not exist must not cost memory.
func (n *Node) answerRead(m *Message) {
	if n.unready() {
		return
	}
	c := &noCell
	if s := n.replica.find(m.Key); s != nil {
		c = &s.durable
	}
	if m.StandsIn {
		if h := n.hints.find(m.HintFor, m.Key); h != nil && !n.covers(c, &h.durable) {
			c = &h.durable
		}
	}
	kind := MessageReadAnswer
	switch m.Kind {
	case MessageFetch:
		kind = MessageFetched
	case MessageDigest:
		kind = MessageDigestAnswer
	}
	answer := n.message(kind, m.From)
	answer.Origin, answer.Request, answer.Key, answer.Body = m.Origin, m.Request, m.Key, m.Body
	switch kind {
	case MessageReadAnswer:
		answer.Cell = *c
	case MessageDigestAnswer:
		answerDigest(answer, c)
	default:
		answer.Cell.Version = c.Version
	}
}

// noCell is what a replica has of a key that it never saw; never changed.
var noCell Cell

func (r *replica) newPersist() *persist {
	if k := len(r.free); k > 0 {
		p := r.free[k-1]
		r.free = r.free[:k-1]
		return p
	}
	return &persist{}
}

func (r *replica) release(p *persist) {
	clear(p.then)
	*p = persist{then: p.then[:0]}
	if len(r.free) < 1024 {
		r.free = append(r.free, p)
	}
}
