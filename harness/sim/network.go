package sim

import (
	"github.com/refute-lab/refute/harness/trace"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// link is the way from one node to another.
type link struct {
	// cut and hold count the partitions that drop what is sent, and those that keep it.
	cut, hold int
	kept      []core.Message
	// dropped counts what partitions dropped or kept.
	dropped int
}

func (l *link) reset() {
	clear(l.kept)
	*l = link{kept: l.kept[:0]}
}

func (w *World) link(from, to int) *link { return &w.links[from*len(w.nodes)+to] }

// million is what rates of loss and duplication are parts of.
const million = 1_000_000

// transmit sends a message from one node to another.
func (w *World) transmit(m *core.Message) {
	l := w.link(int(m.From), int(m.To))
	if l.cut > 0 {
		l.dropped++
		w.traceDropped(m, trace.Cut)
		return
	}
	if l.hold > 0 {
		l.dropped++
		l.kept = append(l.kept, *m)
		return
	}
	w.forward(m)
}

// forward puts a message on a link that is open.
func (w *World) forward(m *core.Message) {
	from, to := &w.hosts[m.From], &w.hosts[m.To]
	occasion, which := m.Origin, uint64(m.Kind)<<16|uint64(m.From)<<8|uint64(m.To)
	if occasion == 0 {
		// On nobody's behalf: a heartbeat, a hint. The moment tells them apart.
		occasion = uint64(w.now) | 1<<63
	}
	if rate := w.loss + from.loss + to.loss; rate > 0 && int64(w.draw(drawLoss, occasion, which)%million) < rate {
		w.traceDropped(m, trace.Lost)
		return
	}
	w.put(m, w.delay(from, to, drawLatency, occasion, which))
	if rate := w.twice + from.twice + to.twice; rate > 0 && int64(w.draw(drawDuplicate, occasion, which)%million) < rate {
		w.put(m, w.delay(from, to, drawSecond, occasion, which))
	}
}

func (w *World) delay(from, to *host, domain, occasion, which uint64) int64 {
	d := stretched(w.latency, w.draw(domain, occasion, which)) + from.delay + to.delay
	if jitter := from.jitter + to.jitter; jitter > 0 {
		d += int64(w.draw(drawJitter+domain<<8, occasion, which) % uint64(jitter+1))
	}
	if from.datacenter != to.datacenter {
		d += w.wan
		if w.jitter > 0 {
			d += int64(w.draw(drawWAN+domain<<8, occasion, which) % uint64(w.jitter+1))
		}
	}
	return d
}

func (w *World) put(m *core.Message, delay int64) {
	slot := w.parcels.take()
	p := &w.parcels.items[slot]
	p.message, p.sent, p.request = *m, w.now, nil
	*w.queue.add(w.now + delay) = occurrence{kind: happensMessage, node: uint8(m.To), slot: slot, id: m.Origin}
}

// release delivers what a link has kept.
func (w *World) release(l *link) {
	kept := l.kept
	l.kept = nil
	for k := range kept {
		w.transmit(&kept[k]) // another partition may cut the link by now
	}
	clear(kept)
	l.kept = kept[:0]
}

// clientDelay is how long a client's request, or its answer, is on its way.
// Clients reach every node, whatever partitions there are between nodes.
func (w *World) clientDelay(id uint64, leg uint64) int64 {
	return stretched(w.latency, w.draw(drawClient, id, leg))
}
