package sim

import (
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target/leaderless"
)

// phase is where a run is. The phases are those of a run on containers
// (package harness), and those after the main one are the same whatever the
// plan: shrinking may take operations and faults away, but never the time in
// which a store may still deliver what it owes.
type phase uint8

const (
	phaseMain   phase = iota
	phaseDrain        // everything is healed, the last answers are awaited
	phaseQuiet        // the nodes finish their own work
	phaseFinals       // every key is read on every node
	phaseOver
)

// pollEvery is the time between two questions whether a node is quiet.
const pollEvery = 20 * time.Millisecond

// start boots the nodes and begins the main phase.
func (w *World) start() {
	for i := range w.hosts {
		w.boot(i)
	}
	w.enter(history.PhaseMain)
	w.deadline = int64(w.limits.Time)
	*w.queue.add(w.deadline) = occurrence{kind: happensMainEnd}
	w.awaitSnapshots()
	for number := range w.schedule {
		w.faults = append(w.faults, fault{})
		f := &w.schedule[number]
		if int64(f.At) >= w.deadline {
			continue // the main phase is over by then
		}
		*w.queue.add(int64(f.At)) = occurrence{kind: happensFault, id: uint64(number)}
		if end := int64(f.At + f.Duration); end < w.deadline {
			*w.queue.add(end) = occurrence{kind: happensHeal, id: uint64(number)}
		}
	}
	w.turns = len(w.workers)
	for i := range w.workers {
		w.wake(0, happensTurn, i)
	}
}

func (w *World) enter(name string) {
	span, err := w.begin(history.FPhase, name, "", nil)
	w.fail(err)
	w.span = span
}

func (w *World) leave(problem string) { w.fail(w.end(w.span, nil, problem)) }

// endMain ends the main phase and every fault with it.
func (w *World) endMain() {
	w.leave("")
	w.enter(history.PhaseHeal)
	for number := range w.faults {
		w.heal(number)
	}
	w.leave("")
	w.phase = phaseDrain
	w.rested()
}

// rested is called whenever a worker has nothing more to do in a phase.
func (w *World) rested() {
	switch {
	case w.busy > 0:
	case w.phase == phaseDrain && w.turns == 0:
		w.phase = phaseQuiet
		w.enter(history.PhaseQuiet)
		w.deadline = w.now + int64(w.limits.Quiet)
		w.poll()
	case w.phase == phaseFinals && w.turns == 0:
		w.leave("")
		w.phase = phaseOver
	}
}

// poll asks every node whether it has work of its own left.
func (w *World) poll() {
	pending := ""
	for i := range w.hosts {
		switch h := &w.hosts[i]; {
		case h.node == nil:
			pending = w.nodes[i] + " is down"
		case !h.node.Pending().Quiet():
			pending = w.nodes[i] + " is not quiet"
		}
	}
	if pending != "" && w.now < w.deadline {
		*w.queue.add(w.now + int64(pollEvery)) = occurrence{kind: happensPoll}
		return
	}
	w.leave(pending)
	w.dump()
	w.readFinally()
}

// dump records the replicas' states, before any read can repair them.
func (w *World) dump() {
	w.enter(history.PhaseDumps)
	phase := w.span
	for i := range w.hosts {
		node := w.nodes[i]
		number, err := w.begin(history.FDump, node, node, nil)
		w.fail(err)
		if w.hosts[i].node == nil {
			w.fail(w.end(number, nil, "the node is down"))
			continue
		}
		w.fail(w.end(number, leaderless.Dump(&w.settings, w.hosts[i].node.Dump(), w.hosts[i].node.Hints()), ""))
	}
	w.span = phase
	w.leave("")
}

// readFinally begins the final reads.
func (w *World) readFinally() {
	w.now++ // so that they begin after the dumps
	w.enter(history.PhaseFinals)
	w.phase = phaseFinals
	w.deadline = w.now + int64(w.limits.Finals)
	reads := w.workload.Finals(w.config, slices.Clone(w.keys))
	w.turns = len(w.workers)
	for i := range w.workers {
		c := &w.workers[i]
		c.index, c.attempt, c.ready = 0, 0, false
		c.finals = c.finals[:0]
		for k := 0; ; k++ {
			op, ok := reads.Operation(i, k)
			if !ok {
				break
			}
			c.finals = append(c.finals, op)
		}
		w.wake(w.now, happensTurn, i)
	}
}
