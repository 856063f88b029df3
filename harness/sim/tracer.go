package sim

import (
	"maps"
	"slices"

	"github.com/refute-lab/refute/harness/trace"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// tracer tells of messages and of the states of replicas. A run that is not
// traced pays for it with one comparison here and there.
type tracer struct {
	on     bool
	tell   func(*trace.Event)
	keys   []string               // nil: all
	states []map[string]core.Cell // what each replica was last seen to hold
}

func (t *tracer) reset(tell func(*trace.Event), keys []string, nodes int) {
	*t = tracer{on: tell != nil, tell: tell, keys: keys}
	if t.on {
		t.states = make([]map[string]core.Cell, nodes)
		for i := range t.states {
			t.states[i] = map[string]core.Cell{}
		}
	}
}

// operationOf is the index of the invocation that a request belongs to, or -1.
func (w *World) operationOf(origin uint64) int64 {
	worker := int(origin>>(callBits+indexBits)&0x3fff) - 1
	if origin == 0 || worker < 0 || worker >= len(w.workers) {
		return -1
	}
	index := int32(origin >> callBits & (1<<indexBits - 1))
	// It is seldom long ago.
	for i := len(w.records) - 1; i >= 0; i-- {
		if r := &w.records[i]; r.index == index && int(r.process)%len(w.workers) == worker {
			return int64(r.invoked)
		}
	}
	return -1
}

func (w *World) messageEvent(m *core.Message) trace.Event {
	e := trace.Event{Kind: trace.Message, Time: w.now, Operation: w.operationOf(m.Origin), Node: w.nodes[m.From], To: w.nodes[m.To],
		Name: m.Kind.String(), Key: m.Key}
	e.Found, e.Value, e.Version = shown(&m.Cell)
	return e
}

func shown(c *core.Cell) (found bool, value, version string) {
	if c.Version.IsZero() {
		return false, "", ""
	}
	return !c.Tombstone && len(c.Value) > 0, string(c.Value), c.Version.String()
}

func (w *World) traceDropped(m *core.Message, fate trace.Fate) {
	if !w.tracer.on || m.Kind == core.MessageHeartbeat {
		return
	}
	e := w.messageEvent(m)
	e.Fate = fate
	w.tracer.tell(&e)
}

// traceArrival tells of a message at its arrival.
func (w *World) traceArrival(p *parcel, alive bool) {
	if p.message.Kind == core.MessageHeartbeat {
		return
	}
	e := w.messageEvent(&p.message)
	e.Time, e.Arrived, e.Fate = p.sent, w.now, trace.Delivered
	if !alive {
		e.Fate = trace.Dead
	}
	w.tracer.tell(&e)
}

// traceRequest tells of a client's request at its arrival.
func (w *World) traceRequest(o *occurrence, p *parcel, alive bool) {
	e := trace.Event{Kind: trace.Message, Time: p.sent, Operation: w.operationOf(o.id), Node: trace.Client(int(o.worker)), To: w.nodes[o.node],
		Arrived: w.now, Fate: trace.Delivered, Name: "request", Key: p.message.Key}
	if core.RequestKind(o.life) != core.RequestGet {
		e.Found, e.Value = true, string(p.message.Cell.Value)
	}
	if !alive {
		e.Fate = trace.Dead
	}
	w.tracer.tell(&e)
}

func (w *World) traceReply(i int, c *worker, id uint64, r *core.Reply, sent int64) {
	e := trace.Event{Kind: trace.Message, Time: sent, Operation: w.operationOf(id), Node: w.nodes[c.to], To: trace.Client(i),
		Arrived: w.now, Fate: trace.Delivered, Name: "reply", Key: c.key}
	if r.Status == core.StatusOK {
		e.Found, e.Value, e.Version = shown(&r.Cell)
	} else {
		e.Name = "reply: " + r.Code
	}
	w.tracer.tell(&e)
}

// traceState tells what the replica answers to reads from now on, where that has changed.
func (w *World) traceState(i int, origin uint64) {
	node := w.hosts[i].node
	if w.tracer.keys == nil {
		for _, entry := range node.Dump() {
			w.traceHeld(i, origin, entry.Key, &entry.Cell)
		}
		return
	}
	for _, key := range w.tracer.keys {
		if cell := node.Held(key); !cell.Version.IsZero() {
			w.traceHeld(i, origin, key, &cell)
		}
	}
}

func (w *World) traceHeld(i int, origin uint64, key string, cell *core.Cell) {
	states := w.tracer.states[i]
	if before, known := states[key]; known && before.Version == cell.Version {
		return
	}
	states[key] = *cell
	e := trace.Event{Kind: trace.State, Time: w.now, Operation: w.operationOf(origin), Node: w.nodes[i], Key: key}
	e.Found, e.Value, e.Version = shown(cell)
	w.tracer.tell(&e)
}

// traceLife tells of a process' end or start. What it held before, it may have lost.
func (w *World) traceLife(i int, up bool) {
	e := trace.Event{Kind: trace.Down, Time: w.now, Operation: -1, Node: w.nodes[i]}
	if up {
		e.Kind = trace.Up
	}
	w.tracer.tell(&e)
	if !up {
		return
	}
	held := w.tracer.states[i]
	w.tracer.states[i] = map[string]core.Cell{}
	w.traceState(i, 0)
	for _, key := range slices.Sorted(maps.Keys(held)) {
		if _, still := w.tracer.states[i][key]; !still {
			w.tracer.tell(&trace.Event{Kind: trace.State, Time: w.now, Operation: -1, Node: w.nodes[i], Key: key})
		}
	}
}
