package sim

import (
	"fmt"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// epoch is the wall clock's time at the run's start: 2026-01-01 in
// nanoseconds since 1970, the same in every run.
const epoch = 1_767_225_600 * 1_000_000_000

// host is a machine with a node on it: the process, the disk and the wall
// clock. Faults are counted, not switched, so that they may overlap in any way.
type host struct {
	node        *core.Node // nil while the process is down
	datacenter  int
	incarnation uint32
	// paused and killed count the faults that stop the process and keep it down.
	paused, killed int
	// powerless counts the faults that keep the whole machine down.
	powerless int
	// deferred is what the stopped process will find when it goes on.
	deferred []occurrence
	clocks   []skew
	// Of the network: what the faults in force add to the host's links.
	loss, twice, delay, jitter int64
	disk                       disk
}

// skew is the part of one fault in a wall clock.
type skew struct {
	fault int
	since int64
	clock plan.Clock
}

func (h *host) reset() {
	*h = host{deferred: h.deferred[:0], clocks: h.clocks[:0], disk: h.disk.emptied()}
}

// wall is the time of day as the host tells it.
func (h *host) wall(now int64) int64 {
	wall := epoch + now
	for i := range h.clocks {
		s := &h.clocks[i]
		elapsed := now - s.since
		wall += int64(s.clock.Offset)
		if ppm := s.clock.RatePPM; ppm != 0 {
			// In an order that cannot overflow, whatever the run's length.
			wall += elapsed/1_000_000*ppm + elapsed%1_000_000*ppm/1_000_000
		}
		if period := int64(s.clock.Period); period > 0 && elapsed/period%2 == 0 {
			wall += int64(s.clock.Delta)
		}
	}
	return wall
}

func (w *World) clock(h *host) core.Now { return core.Now{Mono: w.now, Wall: h.wall(w.now)} }

// toHost lets something happen to a node, or to what is left of it.
func (w *World) toHost(o *occurrence) {
	i := int(o.node)
	h := &w.hosts[i]
	switch o.kind {
	case happensWriteback:
		w.writeback(i, o.life)
		return
	case happensTick:
		w.tick(i, o.life)
		return
	case happensRequest:
		if w.tracer.on {
			w.traceRequest(o, &w.parcels.items[o.slot], h.node != nil)
		}
		if h.node == nil {
			w.unanswered(i, o)
			w.parcels.release(o.slot)
			return
		}
	case happensMessage:
		m := &w.parcels.items[o.slot].message
		w.mix(uint64(m.Kind)<<8|uint64(m.From), m.Request, uint64(m.Cell.Version.Time)^uint64(m.Cell.Version.Node)<<56)
		if w.tracer.on {
			w.traceArrival(&w.parcels.items[o.slot], h.node != nil)
		}
		if h.node == nil {
			w.parcels.release(o.slot)
			return
		}
	default:
		if h.node == nil || h.incarnation != o.life {
			return // it belonged to a process that is gone
		}
		if o.kind == happensSync { // the disk goes on even if the process is stopped
			w.synced(i)
			return
		}
	}
	if h.paused > 0 {
		h.deferred = append(h.deferred, *o)
		return
	}
	w.step(i, o)
}

// step hands the node what has happened and carries out what it wants.
func (w *World) step(i int, o *occurrence) {
	h := &w.hosts[i]
	origin := o.origin
	e := &w.event
	*e = core.Event{ID: o.id}
	switch o.kind {
	case happensMessage:
		m := &w.parcels.items[o.slot].message
		e.Kind, e.Message, origin = core.EventMessage, m, m.Origin
	case happensRequest:
		p := &w.parcels.items[o.slot]
		m := &p.message
		w.request = core.Request{ID: o.id, Kind: core.RequestKind(o.life), Key: m.Key, Value: m.Cell.Value, Timestamp: m.Cell.Version.Time}
		if p.request != nil {
			w.request = *p.request
			w.request.ID, w.request.Timestamp = o.id, m.Cell.Version.Time
		}
		e.Kind, e.Request, origin = core.EventRequest, &w.request, o.id
		w.parcels.release(o.slot)
	case happensTimer:
		e.Kind = core.EventTimer
	case happensSync:
		e.Kind = core.EventDurable
	case happensFlush:
		w.flush(i)
		return
	}
	w.out.Reset()
	h.node.Step(w.clock(h), e, &w.out)
	if o.kind == happensMessage {
		w.parcels.release(o.slot)
	}
	w.carryOut(i, origin)
	if w.tracer.on {
		w.traceState(i, origin)
	}
}

// carryOut does what the node wants after a step on behalf of a request, or of nobody (0).
func (w *World) carryOut(i int, origin uint64) {
	h := &w.hosts[i]
	for k := range w.out.Messages {
		w.transmit(&w.out.Messages[k])
	}
	for _, t := range w.out.Timers {
		o := w.queue.add(w.now + t.After)
		*o = occurrence{kind: happensTimer, node: uint8(i), life: h.incarnation, id: t.ID}
	}
	for k := range w.out.Replies {
		w.reply(i, &w.out.Replies[k])
	}
	if len(w.out.Persist) > 0 {
		w.persist(i, origin)
	}
}

// boot starts the node's process, the first time or after its end.
func (w *World) boot(i int) {
	h := &w.hosts[i]
	h.incarnation++
	h.disk.bootable()
	w.out.Reset()
	node, err := core.Boot(core.NodeID(i), &w.settings, h.incarnation, h.disk.records, w.draw(drawNode, uint64(i), uint64(h.incarnation)), w.clock(h), &w.out)
	if err != nil {
		w.fail(fmt.Errorf("starting %s at %d ns of virtual time: %w", w.nodes[i], w.now, err))
		return
	}
	node.OmitEvidence(w.options.Record == nil)
	h.node = node
	w.carryOut(i, 0)
	if w.tracer.on && h.incarnation > 1 {
		w.traceLife(i, true)
	}
}

// crash ends the node's process. Without power the disk forgets what it had
// not made durable, and nobody tells the clients that their connections are gone.
func (w *World) crash(i int, occasion uint64, powerless bool) {
	h := &w.hosts[i]
	if powerless {
		// Also of a process that was down already: what it had written may not have been durable.
		w.powerOff(i, occasion)
	}
	if h.node == nil {
		return
	}
	w.interrupt(i, occasion, powerless)
	h.node, h.deferred = nil, h.deferred[:0]
	if w.tracer.on {
		w.traceLife(i, false)
	}
	if !powerless {
		w.hangUp(i)
	}
}

// resume lets a process that was stopped find what came in the meantime, in
// the order in which it came.
func (w *World) resume(i int) {
	h := &w.hosts[i]
	deferred := h.deferred
	h.deferred = nil
	for k := range deferred {
		o := &deferred[k]
		ours := o.kind == happensMessage || o.kind == happensRequest || o.life == h.incarnation
		if h.node != nil && ours {
			w.step(i, o)
		}
	}
	if h.deferred == nil { // the memory is used again, unless it was stopped once more
		h.deferred = deferred[:0]
	}
}

// buryDead ends processes that failed in the last step (a log that could not
// be written): they stay down until the fault that caused it ends.
func (w *World) buryDead() {
	for len(w.dead) > 0 {
		i := w.dead[0]
		w.dead = w.dead[1:]
		w.crash(i, uint64(w.now), false)
	}
	w.dead = w.dead[:0]
}
