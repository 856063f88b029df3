package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
)

// fault is one fault of the schedule.
type fault struct {
	active  bool
	dropped int // by its links before it began
	// copies are the disks of its targets, in their order, as they were once.
	copies [][][]byte
	// said is the evidence; unseen: a command reached no node.
	said   []string
	unseen bool
}

// inject begins a fault.
func (w *World) inject(number int) {
	f := &w.schedule[number]
	state := &w.faults[number]
	value := w.faultValue(f)
	note, err := w.begin(history.FInject, f.ID, "", value)
	w.fail(err)
	state.active = true
	if f.Kind == nemesis.Partition {
		state.dropped = w.dropped(f)
	}
	w.apply(number, f, true)
	value.Verified, value.Evidence = !state.unseen, w.evidence(number, "in force in the simulated world")
	if f.Kind == nemesis.Clock && len(f.Targets) > 0 && !w.options.Brief {
		h := &w.hosts[w.hostOf(f.Targets[0])]
		value.Offset = h.wall(w.now) - epoch - w.now
		value.Evidence = fmt.Sprintf("the clock of %s shows %s", f.Targets[0], signed(value.Offset))
	}
	w.fail(w.end(note, value, ""))
}

// heal ends a fault.
func (w *World) heal(number int) {
	f := &w.schedule[number]
	state := &w.faults[number]
	if !state.active {
		return
	}
	state.active = false
	value := w.faultValue(f)
	note, err := w.begin(history.FHeal, f.ID, "", value)
	w.fail(err)
	w.apply(number, f, false)
	value.Verified, value.Evidence = !state.unseen, w.evidence(number, "over in the simulated world")
	if f.Kind == nemesis.Partition && !w.options.Brief {
		did := "dropped"
		if f.Hold {
			did = "kept back"
		}
		value.Evidence = fmt.Sprintf("its links had %s %d messages", did, w.dropped(f)-state.dropped)
	}
	w.fail(w.end(note, value, ""))
}

func (w *World) faultValue(f *plan.Fault) history.Fault {
	if w.options.Brief {
		return history.Fault{}
	}
	return history.Fault{ID: f.ID, Kind: f.Kind, Shape: f.Shape, Description: nemesis.Describe(w.nodes, *f), Targets: f.Targets, Cuts: f.Cuts}
}

func signed(nanoseconds int64) string {
	if nanoseconds < 0 {
		return "−" + time.Duration(-nanoseconds).String()
	}
	return "+" + time.Duration(nanoseconds).String()
}

// dropped counts what the links of a partition have dropped or kept so far.
func (w *World) dropped(f *plan.Fault) (n int) {
	for _, c := range f.Cuts {
		n += w.link(w.hostOf(c.From), w.hostOf(c.To)).dropped
	}
	return n
}

// hostOf is the position of a node of the schedule, whose names were checked.
func (w *World) hostOf(name string) int { return slices.Index(w.nodes, name) }

// apply makes the world worse, or better again.
func (w *World) apply(number int, f *plan.Fault, on bool) {
	count := 1
	if !on {
		count = -1
	}
	if f.Kind == nemesis.Partition {
		w.applyPartition(f, count)
		return
	}
	for _, name := range f.Targets {
		w.applyTo(w.hostOf(name), number, f, count)
	}
}

func (w *World) applyPartition(f *plan.Fault, count int) {
	for _, c := range f.Cuts {
		l := w.link(w.hostOf(c.From), w.hostOf(c.To))
		if f.Hold {
			l.hold += count
		} else {
			l.cut += count
		}
		if l.hold == 0 && len(l.kept) > 0 {
			w.release(l)
		}
	}
}

func (w *World) applyTo(i, number int, f *plan.Fault, count int) {
	h := &w.hosts[i]
	switch f.Kind {
	case nemesis.Pause:
		if h.paused += count; h.paused == 0 {
			w.resume(i)
		}
	case nemesis.Kill:
		h.killed += count
		w.live(i, number, count > 0, false)
	case nemesis.Power:
		h.killed += count
		h.powerless += count
		w.live(i, number, count > 0, true)
	case nemesis.Clock:
		if count > 0 {
			h.clocks = append(h.clocks, skew{fault: number, since: w.now, clock: *f.Clock})
		} else {
			h.clocks = slices.DeleteFunc(h.clocks, func(s skew) bool { return s.fault == number })
		}
	case nemesis.Network:
		n, times := f.Network, int64(count)
		h.loss += times * n.LossPPM
		h.twice += times * n.DuplicatePPM
		h.delay += times * int64(n.Delay)
		h.jitter += times * int64(n.Jitter)
	case nemesis.Disk:
		w.applyDisk(i, f, count)
	case nemesis.Operator:
		w.operate(i, number, f, count > 0)
	case nemesis.DiskLoss:
		w.applyDiskLoss(i, number, f, count)
	default:
		w.fail(&UnsupportedError{fmt.Sprintf("the fault %s is a %s, which the simulation cannot do: take it out of the plan", f.ID, f.Kind)})
	}
}

// live ends the process, or starts it again once no fault keeps it down.
func (w *World) live(i, number int, down, powerless bool) {
	switch h := &w.hosts[i]; {
	case down:
		w.crash(i, uint64(number)|1<<63, powerless)
	case h.killed == 0 && h.node == nil:
		w.boot(i)
	}
}

func (w *World) applyDisk(i int, f *plan.Fault, count int) {
	h := &w.hosts[i]
	switch f.Shape {
	case nemesis.Stall:
		if h.disk.stalled += count; h.disk.stalled == 0 {
			w.unstall(i)
		}
	case nemesis.Full:
		if h.disk.full += count; h.disk.full == 0 && h.killed == 0 && h.node == nil {
			w.boot(i)
		}
	default:
		h.disk.slow += int64(count) * int64(f.Delay)
	}
}
