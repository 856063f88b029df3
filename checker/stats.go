package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// stats counts the client operations of the history.
func stats(t *timeline) Stats {
	if t.traffic != nil {
		return t.traffic.stats(t)
	}
	s := Stats{ByF: map[string]int{}, OkByF: map[string]int{}, Keys: len(t.keys)}
	main := t.mainPhase()
	s.Seconds = seconds(main.end - main.start)
	var latencies []int64
	for i := range t.operations {
		o := &t.operations[i]
		if !isClient(o) {
			continue
		}
		s.Operations++
		s.ByF[o.F]++
		inMain := main.contains(o.Start)
		if inMain {
			s.Main++
		}
		switch o.Type {
		case history.Ok:
			s.Ok++
			s.OkByF[o.F]++
			if inMain {
				latencies = append(latencies, o.End-o.Start)
			}
		case history.Fail:
			s.Fail++
		default:
			s.Info++
		}
	}
	s.LatencyMillis = latencyQuantiles(latencies)
	return s
}

func isClient(o *history.Operation) bool {
	return o.Process != history.Nemesis && o.F != history.FDump
}

// mainPhase is the main phase, or the whole history where it has none. Of a
// history that was cut off it lasts to the end.
func (t *timeline) mainPhase() span {
	main := t.phases[history.PhaseMain]
	if !main.ok {
		return span{start: 0, end: t.last, ok: true}
	}
	main.end = min(main.end, t.last)
	return main
}

// shownQuantiles are those that reports tell of times.
var shownQuantiles = map[string]float64{"p50": .5, "p95": .95, "p99": .99, "max": 1}

// latencyQuantiles are quantiles in milliseconds of times in nanoseconds, which
// it sorts; nil of none.
func latencyQuantiles(times []int64) map[string]float64 {
	if len(times) == 0 {
		return nil
	}
	slices.Sort(times)
	out := map[string]float64{}
	for name, q := range shownQuantiles {
		out[name] = float64(quantile(times, q)) / 1e6
	}
	return out
}

// quantile is the least element that at least the fraction q of the sorted elements do not exceed.
func quantile(sorted []int64, q float64) int64 { return sorted[quantileRank(len(sorted), q)] }

// quantileRank is the place of the least of n sorted elements that at least the
// fraction q of them do not exceed.
func quantileRank(n int, q float64) int {
	i := int(q * float64(n))
	if float64(i) == q*float64(n) {
		i--
	}
	return min(max(i, 0), n-1)
}

func seconds(nanoseconds int64) float64 { return float64(nanoseconds) / 1e9 }

// validity lists why the run cannot be judged, and warnings. A history
// without the phases of a run (one recorded elsewhere) is not judged as a run.
func validity(t *timeline, s Stats, o Options) (reasons, warnings []string) {
	if !t.isRun() {
		return nil, []string{"The history has no phases of a run: its traffic and faults were not judged."}
	}
	cut := t.cut()
	if cut {
		warnings = append(warnings, "The history was cut off before every fault was healed.")
	}
	reasons = append(reasons, traffic(t, o)...)
	reasons = append(reasons, crashes(t)...)
	for i := range t.faults {
		f := &t.faults[i]
		switch {
		case f.Verified:
		case !f.Fault.Verified:
			note := fmt.Sprintf("fault %s (%s) was not verified: nobody saw that it took effect", f.ID, f.describe())
			if cut && !injected(t, f.ID) {
				warnings = append(warnings, capital(note)+".")
			} else {
				reasons = append(reasons, note)
			}
		case cut:
			warnings = append(warnings, fmt.Sprintf("Fault %s (%s) was in force when the history was cut off.", f.ID, f.describe()))
		default:
			reasons = append(reasons, fmt.Sprintf("fault %s (%s) was never seen to be healed as planned", f.ID, f.describe()))
		}
	}
	return append(reasons, underFaults(t, o)...), warnings
}

// crashes finds nodes whose process ended although no fault had asked for it.
// Such a run judges a cluster that nobody has described.
func crashes(t *timeline) (reasons []string) {
	for i := range t.operations {
		if o := &t.operations[i]; o.Process == history.Nemesis && o.F == history.FCrash {
			reasons = append(reasons, fmt.Sprintf("the process of %s ended by itself at %s (%s): see its output", o.Node, clock(o.Start), cmp.Or(o.Error, "no status")))
		}
	}
	return reasons
}

func (f *FaultInterval) describe() string {
	text := f.Kind
	if f.Shape != "" {
		text += " " + f.Shape
	}
	if f.Description != "" {
		text += ": " + f.Description
	}
	return text
}

// injected says whether the fault's injection completed.
func injected(t *timeline, id string) bool {
	return slices.ContainsFunc(t.operations, func(o history.Operation) bool {
		return o.Process == history.Nemesis && o.F == history.FInject && o.Key == id && o.Completion >= 0
	})
}

// traffic finds too few successes in the main phase, and kinds of operations without any.
func traffic(t *timeline, o Options) (reasons []string) {
	attempts, oks, total := t.attempts(o.Planned)
	if o.Planned {
		if total == 0 {
			reasons = append(reasons, "no operation succeeded, not even a final read")
		}
		return reasons
	}
	if least := cmp.Or(o.MinimumOk, DefaultMinimumOk); total < least {
		reasons = append(reasons, fmt.Sprintf("only %s of the main phase succeeded, fewer than %d", plural(total, "operation"), least))
	}
	kinds := make([]string, 0, len(attempts))
	for f := range attempts {
		if oks[f] == 0 {
			kinds = append(kinds, fmt.Sprintf("%s (%s)", f, plural(attempts[f], "attempt")))
		}
	}
	slices.Sort(kinds)
	if len(kinds) > 0 {
		reasons = append(reasons, "no operation of these kinds succeeded in the main phase: "+strings.Join(kinds, ", "))
	}
	return reasons
}

// attempts counts the operations and the successes by the operation's name, of
// the main phase or of all, and all successes.
func (t *timeline) attempts(all bool) (attempts, oks map[string]int, total int) {
	if t.traffic != nil {
		return t.traffic.attempts(all)
	}
	main := t.mainPhase()
	attempts, oks = map[string]int{}, map[string]int{}
	for i := range t.operations {
		op := &t.operations[i]
		if !isClient(op) || !main.contains(op.Start) && !all {
			continue
		}
		attempts[op.F]++
		if op.Type == history.Ok {
			oks[op.F]++
			total++
		}
	}
	return attempts, oks, total
}

// enoughUnderFault is how many operations that meet a fault are always enough.
const enoughUnderFault = 5

// underFaults finds faults that no traffic met. What counts is attempts, not
// successes: where every node is down there are none. An operation meets a
// fault if it was under way at any time between the end of the injection and
// the beginning of the heal, by the order of events. Half as many as there
// are workers are asked for, five at the most: a worker that waits for a
// paused node the whole time is one operation.
func underFaults(t *timeline, o Options) (reasons []string) {
	if o.Planned {
		return nil
	}
	main := t.mainPhase()
	least := cmp.Or(o.MinimumFault, DefaultMinimumFault)
	need := min(enoughUnderFault, (t.workers()+1)/2)
	for k := range t.faults {
		f := &t.faults[k]
		start, end := max(f.Start, main.start), min(f.End, main.end)
		if !f.Verified || end-start < least {
			continue
		}
		if met := t.met(f.ID); met < need {
			reasons = append(reasons, fmt.Sprintf("fault %s (%s) lasted %.1f s and only %s met it", f.ID, f.describe(), seconds(end-start), plural(met, "operation")))
		}
	}
	return reasons
}

// met is how many operations met the fault; of more than enoughUnderFault it may
// be fewer than there are, but enough.
func (t *timeline) met(id string) int {
	if t.traffic != nil {
		return t.traffic.met(id)
	}
	from, to := t.faultEvents(id)
	met := 0
	for i := range t.operations {
		op := &t.operations[i]
		if isClient(op) && op.Index < to && (op.Completion < 0 || op.Completion > from) {
			met++
		}
	}
	return met
}

// faultEvents are the indexes of the events between which the fault was fully in force.
func (t *timeline) faultEvents(id string) (from, to int64) {
	to = history.Infinity
	for i := range t.operations {
		o := &t.operations[i]
		if o.Process != history.Nemesis || o.Key != id {
			continue
		}
		switch o.F {
		case history.FInject:
			from = o.Completion
		case history.FHeal:
			to = o.Index
		}
	}
	return from, to
}

// workers is how many processes were active at one time at the most: a process
// that is retired makes way for its successor. It may be fewer than there were
// where more make no difference.
func (t *timeline) workers() int {
	if t.traffic != nil {
		return t.traffic.lives.most()
	}
	lives := map[history.Process]life{}
	for i := range t.operations {
		if o := &t.operations[i]; isClient(o) {
			noteLife(lives, o)
		}
	}
	return mostAlive(lives)
}
