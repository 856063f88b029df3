package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// SetTimeline says what became of the elements of all sets, after Jepsen's
// set-full. An element is known from the end of its acknowledged add or of the
// first read that shows it, whichever is earlier.
type SetTimeline struct {
	Sets int `json:"sets"`
	// Attempted and Acknowledged count elements by their adds.
	Attempted    int `json:"attempted"`
	Acknowledged int `json:"acknowledged"`
	// Stable elements are in the last read that tells: none that lacks them
	// began after (or with) the last that shows them. Stale are those of them
	// that a read lacked which began after they were known.
	Stable int `json:"stable"`
	Stale  int `json:"stale"`
	// Lost elements were known, and then lacking from a read that began after every read that shows them.
	Lost int `json:"lost"`
	// NeverRead are the acknowledged elements that no read shows and that are not lost: no read began late enough.
	NeverRead int `json:"never_read"`
	// Recovered elements were read although their add was never acknowledged,
	// Unexpected ones although nobody can have added them; Duplicated ones were twice in one read.
	Recovered  int `json:"recovered"`
	Unexpected int `json:"unexpected"`
	Duplicated int `json:"duplicated"`
	// StableLatency is the time, in milliseconds, from when a stable element
	// was known to the invocation of the last read that lacked it; 0 where none
	// did. LostLatency is that from when a lost element was known to the
	// invocation of the last read that showed it. Both map "p50", "p95", "p99" and "max".
	StableLatency map[string]float64 `json:"stable_latency_ms,omitempty"`
	LostLatency   map[string]float64 `json:"lost_latency_ms,omitempty"`
	// WorstStale are the stale elements with the greatest latency, that one first; at most 8.
	WorstStale []StaleElement `json:"worst_stale,omitempty"`
}

// StaleElement is an element that appeared late.
type StaleElement struct {
	Key     string `json:"key"`
	Element int64  `json:"element"`
	// Milliseconds is its latency, see SetTimeline.StableLatency.
	Milliseconds float64 `json:"ms"`
	// Known is the operation by which it was known, Lacking the last read without it: indexes of invocations.
	Known   int64 `json:"known"`
	Lacking int64 `json:"lacking"`
}

// worstShown is how many of the worst elements, keys and so on a report shows.
const worstShown = 8

// setTimeline looks at all sets of the history. It is nil if there is none, or not enough time.
func setTimeline(ctx context.Context, t *timeline) *SetTimeline {
	if t.count(setObject) == 0 {
		return nil
	}
	out := &SetTimeline{}
	var stable, lost []int64
	var s setHistory
	for k := range t.keys {
		if t.keys[k].object != setObject {
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		s.load(t.operations, &t.keys[k])
		out.Sets++
		for i := range s.elements {
			e := &s.elements[i]
			out.count(&s, e)
			switch {
			case !e.trusted():
			case s.lost(e):
				lost = append(lost, s.lostLatency(e))
			case s.stable(e):
				stable = append(stable, s.stableLatency(e))
				if s.absentAfter(e) {
					out.late(t, t.keys[k].name, &s, e)
				}
			}
		}
	}
	out.StableLatency, out.LostLatency = latencyQuantiles(stable), latencyQuantiles(lost)
	return out
}

// count counts the element.
func (x *SetTimeline) count(s *setHistory, e *element) {
	for _, c := range []struct {
		is      bool
		counter *int
	}{
		{e.attempted, &x.Attempted},
		{e.acknowledged, &x.Acknowledged},
		{e.trusted() && s.stable(e) && !s.lost(e), &x.Stable},
		{s.stable(e) && s.absentAfter(e) && !s.lost(e), &x.Stale},
		{s.lost(e), &x.Lost},
		{e.acknowledged && e.present == none && !s.lost(e), &x.NeverRead},
		{e.present != none && e.trusted() && !e.acknowledged, &x.Recovered},
		{e.present != none && !e.trusted(), &x.Unexpected},
		{e.duplicated, &x.Duplicated},
	} {
		if c.is {
			*c.counter++
		}
	}
}

// late notes a stale element if it is one of the worst.
func (x *SetTimeline) late(t *timeline, key string, s *setHistory, e *element) {
	latency := float64(s.stableLatency(e)) / 1e6
	if len(x.WorstStale) == worstShown && latency <= x.WorstStale[worstShown-1].Milliseconds {
		return
	}
	x.WorstStale = append(x.WorstStale, StaleElement{
		Key: key, Element: e.value, Milliseconds: latency, Known: t.operations[e.by].Index, Lacking: t.operations[e.absent].Index,
	})
	slices.SortStableFunc(x.WorstStale, func(a, b StaleElement) int { return cmp.Compare(b.Milliseconds, a.Milliseconds) })
	x.WorstStale = x.WorstStale[:min(len(x.WorstStale), worstShown)]
}

// stable is set-full's definition: shown by a read that began after every read that lacks it.
func (s *setHistory) stable(e *element) bool {
	return e.present != none && (e.absent == none || s.operations[e.absent].Start < s.operations[e.present].Start)
}

// stableLatency is how long, in nanoseconds, a known element was not yet shown by every read.
func (s *setHistory) stableLatency(e *element) int64 {
	if e.absent == none {
		return 0
	}
	return max(0, s.operations[e.absent].Start-e.known)
}

// lostLatency is how long, in nanoseconds, a known element was still shown.
func (s *setHistory) lostLatency(e *element) int64 {
	if e.present == none {
		return 0
	}
	return max(0, s.operations[e.present].Start-e.known)
}

// classDuplicate: an element stands twice in one read.
const classDuplicate = "duplicate-element"

// checkDuplicates decides no-duplicates: a set holds an element once, however
// often it was added, so that no read lists it twice.
func checkDuplicates(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: NoDuplicates, Checker: "duplicates"}
	all := newTally()
	examined, keys, elements := 0, 0, 0
	skipped := t.visit(ctx, NoDuplicates, o, visitor{set: func(s *setHistory, key *keyOperations) {
		n := 0
		last := s.nothingSeen()
		for _, p := range s.reads {
			list := t.operations[p].Output.List()
			if len(list) > 0 {
				n++
			}
			twice := none
			for _, value := range list {
				i := s.numbers.get(value)
				if last[i] == p && twice == none {
					twice = i
				}
				last[i] = p
			}
			if twice != none {
				countDuplicate(t, key.name, p, s.elements[twice].value, all)
			}
		}
		for i := range s.elements {
			if s.elements[i].duplicated {
				elements++
			}
		}
		if n > 0 {
			examined += n
			keys++
		}
	}})
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined, missing: "no read of a set returned an element",
		refuted: fmt.Sprintf("%s, of %s, returned an element more than once (%s in all)", plural(all.found, "read"), plural(len(all.best), "set"), plural(elements, "element")),
		holds:   fmt.Sprintf("None of %s, of %s, returned an element more than once", plural(examined, "read"), plural(keys, "set")),
	})
	return result
}

func countDuplicate(t *timeline, key string, p int32, element int64, all *tally) {
	if !all.count(classDuplicate, key, 1) {
		return
	}
	f := newFinding(classDuplicate, key)
	f.second, f.element = p, element
	f.gather()
	times := 0
	o := &t.operations[p]
	for _, value := range o.Output.List() {
		if value == element {
			times++
		}
	}
	f.told = fmt.Sprintf("Process %d read %s%s at %s and got element %d %d times.", o.Process, keyName(o.Key), t.narrate(f).through(p), clock(o.Start), element, times)
	all.best[key] = f
}
