package sim

// disk is a host's disk with the log on it, and what is on the way there. A
// record goes from the process' memory (buffer: only where it is written
// eagerly) to the operating system's (cached) to the disk (durable). A killed
// process loses its memory; a machine without power loses the operating
// system's as well. With fsync=always the node waits for the last of these.
//
// Records are synced in groups, as logs do: those that come while the disk is
// at work wait for the next round.
type disk struct {
	durable, cached, buffer [][]byte
	waiting, writing        []write
	// busy: writing is under way. held: its time came while the disk stalled.
	busy, held bool
	flushing   bool
	// ticking: the end of an interval between two syncs of groups is in the
	// queue. tick: it is now.
	ticking, tick bool
	// aging: the operating system is going to sync what is cached.
	aging bool
	// power counts how often the power was cut: what was scheduled before is void.
	power uint32
	// stalled, full: faults in force; slow is what each record takes longer.
	stalled, full int
	slow          int64
}

// write is a record on its way.
type write struct {
	record []byte
	id     uint64
	origin uint64
}

func (d *disk) emptied() disk {
	clear(d.durable)
	clear(d.cached)
	clear(d.buffer)
	clear(d.waiting)
	clear(d.writing)
	return disk{durable: d.durable[:0], cached: d.cached[:0], buffer: d.buffer[:0], waiting: d.waiting[:0], writing: d.writing[:0]}
}

// records are what a process that starts finds in its log.
func (d *disk) records(yield func([]byte, error) bool) {
	for _, r := range d.durable {
		if !yield(r, nil) {
			return
		}
	}
}

// bootable makes everything durable that a process that starts will read: a
// store syncs its log before it trusts it.
func (d *disk) bootable() {
	d.durable = append(d.durable, d.cached...)
	d.cached = d.cached[:0]
}

// flushAfter is how long a process keeps records in its own memory that it
// does not wait for: 50 to 350 ms.
const (
	flushAfter  = 50_000_000
	flushSpread = 300_000_000
	// dirtyAge is when an operating system writes back what nobody asked it to sync.
	dirtyAge = 5_000_000_000
	// toCache is how much faster a write into the operating system's memory is than a sync.
	toCache = 16
)

// persist takes the records that a step wants durable.
func (w *World) persist(i int, origin uint64) {
	h := &w.hosts[i]
	d := &h.disk
	if d.full > 0 {
		// The write fails, and a store whose log failed ends: it no longer knows what it promised.
		w.dead = append(w.dead, i)
		return
	}
	for k := range w.out.Persist {
		p := &w.out.Persist[k]
		if !p.Eager {
			d.waiting = append(d.waiting, write{p.Record, p.ID, origin})
			continue
		}
		d.buffer = append(d.buffer, p.Record)
		if !d.flushing {
			d.flushing = true
			after := flushAfter + int64(w.draw(drawFlush, origin, uint64(i))%flushSpread)
			o := w.queue.add(w.now + after)
			*o = occurrence{kind: happensFlush, node: uint8(i), life: h.incarnation}
		}
	}
	w.work(i)
}

// work lets the disk begin with what waits, if it is free.
func (w *World) work(i int) {
	h := &w.hosts[i]
	d := &h.disk
	if d.busy || d.stalled > 0 || len(d.waiting) == 0 {
		return
	}
	if w.settings.FsyncGroup && !w.ticked(i) {
		return
	}
	d.busy = true
	d.writing, d.waiting = d.waiting, d.writing[:0]
	cost := stretched(w.sync, w.draw(drawSync, d.writing[0].origin, uint64(i)))
	if !w.settings.SyncsFirst() {
		cost /= toCache
	}
	o := w.queue.add(w.now + cost + d.slow*int64(len(d.writing)))
	*o = occurrence{kind: happensSync, node: uint8(i), life: h.incarnation}
}

// ticked says that it is time for the next sync of a group, and sees to it that
// the disk begins again when it is if not. Each disk's clock ticks from a moment
// of its own.
func (w *World) ticked(i int) bool {
	d := &w.hosts[i].disk
	if d.tick {
		d.tick = false
		return true
	}
	if !d.ticking {
		d.ticking = true
		interval := w.settings.Fsync
		phase := int64(w.draw(drawTick, 0, uint64(i)) % uint64(interval))
		o := w.queue.add(w.now + interval - (w.now+phase)%interval)
		*o = occurrence{kind: happensTick, node: uint8(i), life: d.power}
	}
	return false
}

// tick: an interval between two syncs of groups is over.
func (w *World) tick(i int, power uint32) {
	d := &w.hosts[i].disk
	if d.power != power {
		return
	}
	d.ticking, d.tick = false, true
	w.work(i)
	d.tick = false
}

// synced: the disk has finished what it was at. The node is told of each record.
func (w *World) synced(i int) {
	h := &w.hosts[i]
	d := &h.disk
	if d.stalled > 0 {
		d.held = true
		return
	}
	for k := range d.writing {
		w.land(i, d.writing[k].record)
	}
	told := d.writing
	for k := range told {
		o := occurrence{kind: happensSync, node: uint8(i), life: h.incarnation, id: told[k].id, origin: told[k].origin}
		if h.paused > 0 {
			h.deferred = append(h.deferred, o)
		} else {
			w.step(i, &o)
		}
	}
	clear(told)
	d.writing = told[:0]
	d.busy = false
	w.work(i)
}

// land puts a written record where the fsync mode leaves it.
func (w *World) land(i int, record []byte) {
	h := &w.hosts[i]
	d := &h.disk
	if w.settings.SyncsFirst() {
		d.durable = append(d.durable, record)
		return
	}
	d.cached = append(d.cached, record)
	if !d.aging {
		d.aging = true
		after := int64(dirtyAge)
		if w.settings.Fsync > 0 {
			after = w.settings.Fsync
		}
		o := w.queue.add(w.now + after)
		*o = occurrence{kind: happensWriteback, node: uint8(i), life: d.power}
	}
}

// flush writes what the process had only in its memory.
func (w *World) flush(i int) {
	d := &w.hosts[i].disk
	d.flushing = false
	for _, record := range d.buffer {
		w.land(i, record)
	}
	clear(d.buffer)
	d.buffer = d.buffer[:0]
}

// writeback makes durable what is cached, on the interval of the fsync mode or
// because the operating system does it by itself in time.
func (w *World) writeback(i int, power uint32) {
	d := &w.hosts[i].disk
	switch {
	case d.power != power:
	case d.stalled > 0:
		o := w.queue.add(w.now + 100_000_000)
		*o = occurrence{kind: happensWriteback, node: uint8(i), life: power}
	default:
		d.aging = false
		d.durable = append(d.durable, d.cached...)
		clear(d.cached)
		d.cached = d.cached[:0]
	}
}

// interrupt ends what the process and the disk were at. Of the records that
// were being written a part is there afterwards, the first ones: in the
// operating system's memory, or on the disk if the power went.
func (w *World) interrupt(i int, occasion uint64, powerless bool) {
	d := &w.hosts[i].disk
	kept := int(w.draw(drawTorn, occasion, uint64(i)) % uint64(len(d.writing)+1))
	for k := range kept {
		if powerless {
			d.durable = append(d.durable, d.writing[k].record)
		} else {
			d.cached = append(d.cached, d.writing[k].record)
		}
	}
	clear(d.writing)
	clear(d.waiting)
	clear(d.buffer)
	d.writing, d.waiting, d.buffer = d.writing[:0], d.waiting[:0], d.buffer[:0]
	d.busy, d.held, d.flushing = false, false, false
}

// powerOff loses what was not durable: of what was cached, a part had been
// written by chance, the oldest first.
func (w *World) powerOff(i int, occasion uint64) {
	d := &w.hosts[i].disk
	kept := int(w.draw(drawTorn, occasion, uint64(i)|1<<32) % uint64(len(d.cached)+1))
	d.durable = append(d.durable, d.cached[:kept]...)
	clear(d.cached)
	d.cached = d.cached[:0]
	d.aging, d.ticking = false, false
	d.power++
}

// unstall lets the disk go on.
func (w *World) unstall(i int) {
	d := &w.hosts[i].disk
	if d.held {
		d.held = false
		w.synced(i)
		return
	}
	w.work(i)
}
