package core

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// world drives several nodes and clients in virtual time: a heap of events,
// seeded delays, losses and duplications, disks that forget what was not
// durable, clocks that are wrong. Nothing in it depends on the real time.
type world struct {
	t        testing.TB
	settings *Settings
	random   *rand.Rand
	now      int64
	order    uint64
	queue    []occurrence
	nodes    []*host
	clients  []*client
	history  []*observed
	out      Effects
	hash     uint64
	network  network
	// onReply, if set, sees every reply.
	onReply func(coordinator NodeID, r *Reply)
	// onMessage, if set, sees every message that is sent.
	onMessage func(*Message)
	steps     int
}

type network struct {
	mean             int64 // of the delay, ns
	loss, duplicates int   // per thousand
	blocked          [8][8]int
}

type host struct {
	node        *Node
	up          bool
	crashes     int
	paused      int
	incarnation uint32
	skew        int64
	stall       int
	diskFree    int64
	log         [][]byte // durable
	buffer      [][]byte // eager records, still in the memory of the process
	inFlight    [][]byte // written, not durable yet
	deferred    []occurrence
}

type occurrence struct {
	at    int64
	order uint64
	what  occurrenceKind
	host  int
	life  uint32 // incarnation that timers, disk and replies belong to
	id    uint64
	m     Message
	r     *Reply
	do    func()
	// request is a copy: the client may be at its next one when a paused node gets to it
	request *Request
}

type occurrenceKind uint8

const (
	happensMessage occurrenceKind = iota + 1
	happensTimer
	happensDurable
	happensFlush
	happensRequest
	happensReply
	happensAction
)

func newWorld(t testing.TB, seed uint64, settings *Settings) *world {
	w := &world{t: t, settings: settings, random: rand.New(rand.NewPCG(seed, 0x5eed)), now: 1e9}
	w.network.mean = 1e6
	for range settings.Nodes {
		w.nodes = append(w.nodes, &host{})
	}
	for i := range w.nodes {
		w.boot(i)
	}
	return w
}

func (w *world) before(a, b int) bool {
	x, y := &w.queue[a], &w.queue[b]
	return x.at < y.at || x.at == y.at && x.order < y.order
}

func (w *world) push(after int64, o occurrence) {
	w.order++
	o.at, o.order = w.now+after, w.order
	w.queue = append(w.queue, o)
	for i := len(w.queue) - 1; i > 0 && w.before(i, (i-1)/2); i = (i - 1) / 2 {
		w.queue[i], w.queue[(i-1)/2] = w.queue[(i-1)/2], w.queue[i]
	}
}

func (w *world) pop() occurrence {
	top, last := w.queue[0], len(w.queue)-1
	w.queue[0] = w.queue[last]
	w.queue[last] = occurrence{}
	w.queue = w.queue[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && w.before(child+1, child) {
			child++
		}
		if !w.before(child, i) {
			return top
		}
		w.queue[i], w.queue[child] = w.queue[child], w.queue[i]
		i = child
	}
}

func (w *world) mix(values ...uint64) {
	for _, v := range values {
		w.hash = mix64(w.hash*0x9fb21c651e98df25 + v + 1)
	}
}

// run dispatches events up to the given time after now, or until stop says so.
func (w *world) run(duration int64, stop func() bool) {
	end := w.now + duration
	for len(w.queue) > 0 && w.queue[0].at <= end && (stop == nil || !stop()) {
		o := w.pop()
		w.now = o.at
		w.mix(uint64(o.at), uint64(o.what), uint64(o.host), o.id)
		w.dispatch(o)
	}
	if stop == nil {
		w.now = end
	}
}

func (w *world) dispatch(o occurrence) {
	if o.what == happensAction {
		o.do()
		return
	}
	h := w.nodes[o.host]
	if o.what == happensReply {
		if h.incarnation == o.life { // else the connection died with the process
			w.onReply(NodeID(o.host), o.r)
		}
		return
	}
	if !h.up || (o.what != happensMessage && o.what != happensRequest && h.incarnation != o.life) {
		return
	}
	if o.what == happensDurable { // the kernel goes on even if the process is stopped
		h.log = append(h.log, h.inFlight[0])
		h.inFlight = h.inFlight[1:]
	}
	if o.what == happensFlush {
		h.log = append(h.log, h.buffer...)
		h.buffer = nil
		return
	}
	if h.paused > 0 {
		h.deferred = append(h.deferred, o)
		return
	}
	w.step(o)
}

// step hands the node what has happened; for a durable record the log has been seen to.
func (w *world) step(o occurrence) {
	h := w.nodes[o.host]
	e := Event{ID: o.id}
	switch o.what {
	case happensMessage:
		e.Kind, e.Message = EventMessage, &o.m
	case happensTimer:
		e.Kind = EventTimer
	case happensDurable:
		e.Kind = EventDurable
	case happensRequest:
		e.Kind, e.Request = EventRequest, o.request
	}
	w.steps++
	w.out.Reset()
	h.node.Step(w.clock(h), &e, &w.out)
	w.carryOut(o.host)
}

func (w *world) clock(h *host) Now { return Now{Mono: w.now, Wall: w.now + 1e15 + h.skew} }

func (w *world) boot(i int) {
	h := w.nodes[i]
	h.up = true
	h.incarnation++
	h.diskFree = 0
	h.buffer, h.inFlight, h.deferred = nil, nil, nil
	w.out.Reset()
	node, err := Boot(NodeID(i), w.settings, h.incarnation, sequence(h.log), w.random.Uint64(), w.clock(h), &w.out)
	require.NoError(w.t, err)
	h.node = node
	w.carryOut(i)
}

func sequence(records [][]byte) func(func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// crash kills the process. What was on its way to the disk may or may not be
// there later; what was only in its memory is not.
func (w *world) crash(i int) {
	h := w.nodes[i]
	if !h.up {
		return
	}
	h.up = false
	h.log = append(h.log, h.inFlight[:w.random.IntN(len(h.inFlight)+1)]...)
}

func (w *world) resume(i int) {
	h := w.nodes[i]
	deferred := h.deferred
	h.deferred = nil
	for _, o := range deferred {
		if h.up && (o.life == 0 || o.life == h.incarnation) {
			w.step(o)
		}
	}
}

func (w *world) carryOut(i int) {
	h := w.nodes[i]
	for k := range w.out.Messages {
		m := &w.out.Messages[k]
		w.mix(uint64(m.Kind), uint64(m.To), m.Request, uint64(m.Cell.Version.Time), hashString(m.Key))
		if w.onMessage != nil {
			w.onMessage(m)
		}
		w.transmit(m)
	}
	for _, t := range w.out.Timers {
		w.mix(t.ID, uint64(t.After))
		w.push(t.After, occurrence{what: happensTimer, host: i, life: h.incarnation, id: t.ID})
	}
	for k := range w.out.Persist {
		p := &w.out.Persist[k]
		w.mix(p.ID, hashString(string(p.Record)))
		if p.Eager {
			if len(h.buffer) == 0 {
				w.push(50e6+w.random.Int64N(300e6), occurrence{what: happensFlush, host: i, life: h.incarnation})
			}
			h.buffer = append(h.buffer, p.Record)
			continue
		}
		h.inFlight = append(h.inFlight, p.Record)
		h.diskFree = max(h.diskFree, w.now) + 20e3 + w.random.Int64N(2e6)
		if h.stall > 0 {
			h.diskFree += w.random.Int64N(100e6)
		}
		w.push(h.diskFree-w.now, occurrence{what: happensDurable, host: i, life: h.incarnation, id: p.ID})
	}
	for k := range w.out.Replies {
		r := w.out.Replies[k]
		w.mix(r.ID, uint64(r.Status), uint64(r.Cell.Version.Time))
		w.push(w.delay(), occurrence{what: happensReply, host: i, life: h.incarnation, id: r.ID, r: &r})
	}
}

func (w *world) delay() int64 {
	d := w.network.mean/4 + w.random.Int64N(w.network.mean+1)
	for w.random.IntN(8) == 0 { // a heavy tail, so that messages overtake each other
		d += w.random.Int64N(8*w.network.mean + 1)
	}
	return d
}

// transmit sends a message through its encoding, as a real network would.
func (w *world) transmit(m *Message) {
	if w.network.blocked[m.From][m.To] > 0 || w.random.IntN(1000) < w.network.loss {
		return
	}
	copies := 1
	if w.random.IntN(1000) < w.network.duplicates {
		copies = 2 + w.random.IntN(2)
	}
	decoded, err := DecodeMessage(AppendMessage(nil, m))
	require.NoError(w.t, err)
	decoded.Origin = m.Origin
	for range copies {
		w.push(w.delay(), occurrence{what: happensMessage, host: int(m.To), m: decoded})
	}
}

// client is a closed loop: one request at a time, each to any node.
type client struct {
	left    int
	request Request
	current *observed
	number  uint64
	next    func()
}

// observed is one operation as a client saw it.
type observed struct {
	client     int
	key        string
	get        bool
	value      uint64 // 0: not found
	start, end int64
	status     ReplyStatus // StatusIndeterminate also when there was no reply
	reply      Reply
}

const noEnd = int64(1) << 62

type load struct {
	clients, operations, keys int
	writes                    int // per cent
	think, patience           int64
}

// start lets clients loose.
func (w *world) start(l load) (done func() bool) {
	left := l.clients
	value := uint64(0)
	w.onReply = func(_ NodeID, r *Reply) {
		c := w.clients[r.ID>>32]
		if c.current != nil && r.ID == c.request.ID {
			w.complete(c, r, l, &left)
		}
	}
	for i := range l.clients {
		w.clients = append(w.clients, &client{left: l.operations})
		w.push(w.random.Int64N(l.think+1), occurrence{what: happensAction, do: func() { w.invoke(i, l, &value, &left) }})
	}
	return func() bool { return left == 0 }
}

func (w *world) invoke(i int, l load, value *uint64, left *int) {
	c := w.clients[i]
	c.left--
	c.number++
	op := &observed{client: i, key: "k" + string(rune('a'+w.random.IntN(l.keys))), get: w.random.IntN(100) >= l.writes, start: w.now, end: noEnd, status: StatusIndeterminate}
	c.request = Request{ID: uint64(i)<<32 | c.number, Kind: RequestGet, Key: op.key}
	if !op.get {
		*value++
		op.value = *value
		c.request.Kind, c.request.Value = RequestPut, binary.BigEndian.AppendUint64(nil, op.value)
	}
	c.current = op
	w.history = append(w.history, op)
	number := c.number
	request := c.request
	w.push(w.delay(), occurrence{what: happensRequest, host: w.random.IntN(len(w.nodes)), id: request.ID, request: &request})
	w.push(l.patience, occurrence{what: happensAction, do: func() {
		if c.current != nil && c.number == number {
			w.complete(c, nil, l, left)
		}
	}})
	c.next = func() { w.invoke(i, l, value, left) }
}

func (w *world) complete(c *client, r *Reply, l load, left *int) {
	op := c.current
	c.current = nil
	if r != nil {
		op.status, op.reply = r.Status, *r
		if r.Status != StatusIndeterminate {
			op.end = w.now
		}
		if op.get && r.Status == StatusOK && r.Found {
			op.value = binary.BigEndian.Uint64(r.Cell.Value)
		}
	}
	if c.left == 0 {
		*left--
		return
	}
	w.push(1+w.random.Int64N(l.think+1), occurrence{what: happensAction, do: c.next})
}
