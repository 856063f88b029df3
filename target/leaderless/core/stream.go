package core

import (
	"slices"
	"strings"
)

// Streams move ranges between nodes (Dynamo §4.9; Cassandra's bootstrap and
// decommission; Riak's handoff). Who needs them asks: a node that joins asks
// the members, and a node that leaves tells the members to ask it. It asks for
// the keys after a certain one, a chunk at a time, and for the next chunk when
// it has made the one before durable. Whoever answers must remember nothing,
// so that lost, repeated and late messages do no harm, and neither do kills:
// a stream whose receiver was killed begins anew, one whose sender was killed goes on.
//
// Which keys? A change moves a key from each node that loses it to a node that
// gains it. The receiver gets it from the one that loses it, and from no other:
// what was acknowledged by w of the old homes, that one among them, is then
// held by w of the new ones as well. From another home it could be an older
// value, and the quorums would not overlap (Cassandra learnt this: "consistent
// range movement", CASSANDRA-2434). Nobody is left to ask for the keys of a
// node that is gone, so a replacement asks all the other homes: what w
// replicas acknowledged, w − 1 of them still have.
//
// The sender answers with what it has in memory, durable or not, because it may
// have promised what is durable by the time the chunk arrives. Keys that it
// got since the stream passed their place are missing: they are written to the
// receiver directly, by coordinators that know of the change.
//
// The sender keeps what it handed over, as in Cassandra before `nodetool
// cleanup`: it is asked for it no more.
type streams struct {
	open []*stream
	// number is that of the latest request for a chunk.
	number uint64
	// sorted are, by receiver, the keys of this node in order, while it is
	// served: to sort them for each chunk would take longer than to send it.
	sorted [][]*slot
}

// stream is what this node fetches from another.
type stream struct {
	from NodeID
	// everything: all keys that this node is a home of, not only those that the other loses.
	everything bool
	// after is the last key that was received; number that of the request which is open.
	after  string
	number uint64
	// unlogged counts what was received and is not durable yet.
	unlogged int
	// received: there are no more keys.
	received bool
	askedAt  int64
}

const (
	// chunkKeys and chunkBytes bound a chunk; one cell may be longer than that.
	chunkKeys  = 128
	chunkBytes = 256 << 10
)

// streamRequest is the body of MessageStream.
type streamRequest struct{ everything bool }

// streamChunk is the body of MessageStreamChunk.
type streamChunk struct {
	cells []keyedCell
	last  bool
}

type keyedCell struct {
	key  string
	cell Cell
}

// streamOffer is the body of MessageStreamed: the sender, which leaves, asks to
// be asked; or, with done, the sender has everything from the receiver.
type streamOffer struct{ done bool }

// fetchRanges begins streams from all who may hold what this node gains.
func (n *Node) fetchRanges(everything bool) {
	view := n.membership.view
	for i := range view {
		node := NodeID(i)
		if self := &n.membership.logged[n.id]; self.replacing && self.replaces == node {
			continue
		}
		if view.places(node)&inOld != 0 {
			n.fetchFrom(node, everything)
		}
	}
}

// fetchFrom begins a stream unless it is under way.
func (n *Node) fetchFrom(node NodeID, everything bool) {
	if node == n.id || slices.ContainsFunc(n.streams.open, func(s *stream) bool { return s.from == node }) {
		return
	}
	s := &stream{from: node, everything: everything}
	n.streams.open = append(n.streams.open, s)
	n.askChunk(s)
	n.armChange()
}

func (n *Node) askChunk(s *stream) {
	n.streams.number++
	s.number, s.askedAt = n.streams.number, n.now.Mono
	m := n.message(MessageStream, s.from)
	m.Request, m.Key = n.streamNumber(s), s.after
	m.Body = &streamRequest{everything: s.everything}
}

// streamNumber is the request's number on the wire; see wireNumber.
func (n *Node) streamNumber(s *stream) uint64 {
	return uint64(n.incarnation)<<requestBits | s.number&(1<<requestBits-1)
}

// askAgain repeats requests that were not answered in time.
func (n *Node) askAgain() {
	for _, s := range n.streams.open {
		if !s.received && s.unlogged == 0 && n.now.Mono-s.askedAt >= n.settings.RequestTimeout {
			n.askChunk(s)
		}
	}
}

// handleStream handles the messages of streams.
func (n *Node) handleStream(m *Message) {
	switch body := m.Body.(type) {
	case *streamRequest:
		if m.Kind == MessageStream {
			n.sendChunk(m, body)
		}
	case *streamChunk:
		if m.Kind == MessageStreamChunk {
			n.receiveChunk(m, body)
		}
	case *streamOffer:
		if m.Kind == MessageStreamed && n.membership != nil {
			n.offered(m.From, body)
		}
	}
}

// sendChunk answers with the next keys that the receiver gains. It says nothing
// while it does not know that the receiver is, or will be, a member.
func (n *Node) sendChunk(m *Message, r *streamRequest) {
	ring := n.ringFor(m.From)
	if ring == nil {
		n.gossipNow(m.From)
		return
	}
	chunk := &streamChunk{last: true}
	space := 0
	for _, s := range n.slotsAfter(m.From, m.Key) {
		if s.memory.Version.IsZero() || n.replica.slots[s.key] != s { // never written, or removed since
			continue
		}
		homes := ring.PreferenceList(s.key, n.settings.N)
		if !slices.Contains(homes, m.From) || !r.everything && slices.Contains(homes, n.id) {
			continue
		}
		space += len(s.key) + cellSpace(&s.memory)
		if len(chunk.cells) > 0 && (len(chunk.cells) == chunkKeys || space > chunkBytes) {
			chunk.last = false
			break
		}
		chunk.cells = append(chunk.cells, keyedCell{s.key, s.memory})
	}
	if chunk.last {
		n.streams.sorted[m.From] = nil
	}
	answer := n.message(MessageStreamChunk, m.From)
	answer.Request, answer.Body = m.Request, chunk
}

// slotsAfter returns what this node holds beyond the key, in order, as it was
// when the receiver began; from the start of a stream on it is in memory.
func (n *Node) slotsAfter(receiver NodeID, key string) []*slot {
	if n.streams.sorted == nil {
		n.streams.sorted = make([][]*slot, len(n.settings.Nodes))
	}
	all := n.streams.sorted[receiver]
	if key == "" || all == nil {
		all = n.sortedSlots()
		n.streams.sorted[receiver] = all
		if key == "" {
			return all
		}
	}
	next, found := slices.BinarySearchFunc(all, key, func(s *slot, key string) int { return strings.Compare(s.key, key) })
	if found {
		next++
	}
	return all[next:]
}

// ringFor returns the ring by which a receiver's keys are chosen: that of after
// its own change, or this node's. It is nil while this node does not know that
// the receiver is, or will be, on it.
func (n *Node) ringFor(receiver NodeID) *Ring {
	m := n.membership
	if m == nil {
		return n.ring
	}
	subject := receiver
	if n.status().changing() && !m.view[receiver].status.changing() {
		subject = n.id
	}
	v := m.view.only(subject)
	if v.places(receiver)&inNext == 0 {
		return nil
	}
	owners := v.owners(inNext)
	if m.changed == nil || !slices.Equal(m.changedOwners, owners) {
		m.changed, m.changedOwners = newRing(n.settings.Nodes, owners, n.settings.VirtualNodes), owners
	}
	return m.changed
}

// cellSpace is about what the cell's encoding takes.
func cellSpace(c *Cell) int {
	space := 32 + len(c.Value)
	if c.Object != nil {
		space += len(appendObject(nil, c.Object))
	}
	return space
}

// receiveChunk stores a chunk, and asks for the next one when it is durable.
func (n *Node) receiveChunk(m *Message, chunk *streamChunk) {
	i := slices.IndexFunc(n.streams.open, func(s *stream) bool { return s.from == m.From && n.streamNumber(s) == m.Request })
	if i < 0 || n.streams.open[i].received || n.streams.open[i].unlogged > 0 {
		return
	}
	s := n.streams.open[i]
	s.received = chunk.last
	if len(chunk.cells) > 0 {
		s.after = chunk.cells[len(chunk.cells)-1].key
	}
	s.unlogged = 1 // so that it does not reach 0 before all are counted
	for k := range chunk.cells {
		c := &chunk.cells[k]
		if c.cell.Version.IsZero() {
			continue
		}
		slot := n.replica.slot(c.key)
		n.apply(slot, &c.cell, &record{kind: recordCell, key: c.key}, nil)
		if !n.covers(&slot.durable, &c.cell) {
			s.unlogged++
			slot.pending.afterwards = append(slot.pending.afterwards, func(n *Node) { n.streamLogged(s) })
		}
	}
	n.streamLogged(s)
}

// streamLogged is called when something that was received is durable.
func (n *Node) streamLogged(s *stream) {
	if s.unlogged--; s.unlogged > 0 {
		return
	}
	if !s.received {
		n.askChunk(s)
		return
	}
	n.streams.open = slices.DeleteFunc(n.streams.open, func(o *stream) bool { return o == s })
	if m := n.membership; m != nil && m.view[s.from].status == MemberLeaving {
		n.message(MessageStreamed, s.from).Body = &streamOffer{done: true}
	}
	n.rejoined()
}

// offerRanges asks those who take over from this node, which leaves, to fetch
// from it, and says whether all of them have.
func (n *Node) offerRanges() bool {
	m := n.membership
	all := true
	for i := range m.view {
		node := NodeID(i)
		if node == n.id || m.view.places(node)&inNext == 0 || m.change.served.has(uint8(node)) {
			continue
		}
		all = false
		n.message(MessageStreamed, node).Body = &streamOffer{}
	}
	return all
}

// offered handles MessageStreamed.
func (n *Node) offered(from NodeID, o *streamOffer) {
	switch {
	case o.done && n.status() == MemberLeaving:
		n.membership.change.served.add(uint8(from))
	case o.done:
	case n.membership.view[from].status != MemberLeaving:
		n.gossipNow(from) // not heard yet
	default:
		n.fetchFrom(from, false)
	}
}

func (r *streamRequest) appendTo(buf []byte) []byte { return appendBool(buf, r.everything) }

func (c *streamChunk) appendTo(buf []byte) []byte {
	buf = appendUvarint(appendBool(buf, c.last), uint64(len(c.cells)))
	for i := range c.cells {
		buf = appendString(buf, c.cells[i].key)
		buf = appendCell(buf, &c.cells[i].cell)
	}
	return buf
}

func (o *streamOffer) appendTo(buf []byte) []byte { return appendBool(buf, o.done) }

func appendBool(buf []byte, b bool) []byte {
	if b {
		return append(buf, 1)
	}
	return append(buf, 0)
}

func (d *decoder) bool() bool {
	b := d.byte()
	if b > 1 {
		d.fail("neither true nor false")
	}
	return b == 1
}

func (d *decoder) streamChunk() Body {
	c := &streamChunk{last: d.bool()}
	for range d.uvarint() {
		c.cells = append(c.cells, keyedCell{d.string(MaxKeyBytes), d.cell()})
		if !d.ok() {
			return nil
		}
	}
	return c
}

func init() {
	bodyDecoders[MessageStream] = func(d *decoder) Body { return &streamRequest{everything: d.bool()} }
	bodyDecoders[MessageStreamChunk] = (*decoder).streamChunk
	bodyDecoders[MessageStreamed] = func(d *decoder) Body { return &streamOffer{done: d.bool()} }
}
