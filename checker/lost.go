package checker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// lostCounts says what the check for lost writes saw, so that Holds can say
// what was checked and Unknown what was missing.
type lostCounts struct {
	acknowledged int // writes of registers whose final reads were examined
	finals       int // ok final reads of those keys
	keys         int
	unread       int // keys with acknowledged writes and no final read
	discarded    int // acknowledged writes that gave way to a concurrent one
	elements     int // acknowledged elements of sets that a later read covers
	uncovered    int // acknowledged elements that no later read covers
	// late are the times, in nanoseconds, from when an element was known to the
	// last read that lacked it although a later one shows it.
	late []int64
}

// add adds the counts of a register.
func (c *lostCounts) add(one *lostCounts) {
	c.acknowledged += one.acknowledged
	c.finals += one.finals
	c.keys += one.keys
	c.unread += one.unread
	c.discarded += one.discarded
}

// checkLostWrites decides no-lost-writes: registers by their final reads, sets
// by the timeline of each element.
func checkLostWrites(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: NoLostWrites, Checker: "lost-writes"}
	all := newTally()
	var counts lostCounts
	var r register
	var finals finalReads
	var s setHistory
	var skipped error
	registers, sets := false, false
	for k := range t.keys {
		if ctx.Err() != nil {
			skipped = errors.New("the time for checking was over; a longer time would help")
			break
		}
		key := &t.keys[k]
		switch key.object {
		case registerObject:
			if s := key.surveyed; s != nil {
				registers = true
				counts.add(&s.lost)
				continue
			}
			if err := r.load(t.operations, key.name, key.positions); err != nil {
				skipped = fmt.Errorf("key %s: %w", key.name, err)
				continue
			}
			registers = true
			finals.lost(t, &r, key.keepsSiblings(), &counts, func(write int32, class string) {
				f := finals.finding(&r, write, class)
				if all.count(class, r.key, len(f.positions)) {
					all.best[r.key] = f
				}
			})
		case setObject:
			sets = true
			s.load(t.operations, key)
			s.count(all.classes, &counts)
			s.lostElements(&counts, func(e *element) { s.countMissing(classLostElement, key.name, e, e.absent, all) })
		case counterObject, queueObject, bagObject, textObject, transactionObject, siblingObject: // left to other claims
		default:
			skipped = fmt.Errorf("key %s has %s", key.name, key.why)
		}
	}
	if counts.discarded > 0 {
		all.classes[classDiscarded] = counts.discarded
	}
	result.Found = all.found
	if len(all.classes) > 0 {
		result.Classes = all.classes
	}
	switch {
	case all.found > 0:
		result.Verdict = Refuted
		all.confirm(t)
		result.fill(t, o, all)
		result.Explanation = fmt.Sprintf("%s, of %s, %s gone at the end.",
			plural(all.found, "acknowledged write"), plural(len(all.best), "key"), verb(all.found))
	case skipped != nil:
		result.Verdict = Unknown
		result.Explanation = "Not everything could be checked: " + skipped.Error() + "."
	case counts.acknowledged+counts.elements == 0:
		result.Verdict = Unknown
		result.Vacuous = true
		result.Explanation = counts.nothing(t, registers, sets)
	default:
		result.Verdict = Holds
		result.Explanation = counts.holds(all.classes)
	}
	return result
}

func verb(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func (c *lostCounts) nothing(t *timeline, registers, sets bool) string {
	switch {
	case registers && !t.phases[history.PhaseFinals].ok:
		return "There was nothing to check: the history has no phase of final reads, and an earlier read cannot tell a lost write from a late one. Let the run end by itself."
	case c.unread > 0:
		return "There was nothing to check: no key with an acknowledged write has a successful final read."
	case sets && c.uncovered > 0:
		return "There was nothing to check: no successful read of a set began after an element was acknowledged."
	}
	return "There was nothing to check: no write was acknowledged."
}

func (c *lostCounts) holds(classes map[string]int) string {
	var parts []string
	if c.acknowledged > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s are returned by the final reads (%d) or may have been overwritten",
			plural(c.acknowledged, "acknowledged write"), plural(c.keys, "key"), c.finals))
	}
	if c.elements > 0 {
		parts = append(parts, fmt.Sprintf("%s are in their sets", plural(c.elements, "acknowledged element")))
	}
	text := capital(strings.Join(parts, "; "))
	if n := classes[classDiscarded]; n > 0 {
		text += fmt.Sprintf("; %d of them gave way to a concurrent write, which a register allows", n)
	}
	if n := classes[classStaleElement]; n > 0 {
		slices.Sort(c.late)
		text += fmt.Sprintf("; %s appeared late, the latest after %s, half within %s", plural(n, "element"), milliseconds(quantile(c.late, 1)), milliseconds(quantile(c.late, .5)))
	}
	if c.unread+c.uncovered > 0 {
		text += fmt.Sprintf("; %s and %s had no read to tell", plural(c.unread, "key"), plural(c.uncovered, "element"))
	}
	return text + "."
}

// classDiscarded counts acknowledged writes that gave way to a concurrent
// one. A single register may order concurrent writes as it likes, so they do
// not refute the claim; a store that promises to keep both would break its
// promise.
const classDiscarded = "discarded-concurrent"

// finalReads are what the final reads of one register returned.
type finalReads struct {
	// order are the values, each once; by are the first final reads of each
	// value, in the same order; returned is the place in both, or none, by value.
	order, by []int32
	returned  []int32
	// count is how many final reads there are, begin when the first began.
	count int
	begin int64
}

// load keeps its storage from one use to the next.
// siblings says that a list is several values at once; an empty one is "not found".
func (f *finalReads) load(t *timeline, r *register, siblings bool) {
	f.order, f.by, f.count, f.begin = f.order[:0], f.by[:0], 0, history.Infinity
	if siblings {
		r.observeSiblings(t)
	}
	f.returned = resize(f.returned, len(r.values))
	for v := range f.returned {
		f.returned[v] = none
	}
	for i := range r.operations {
		o := &r.operations[i]
		if o.kind != read || !t.finals.contains(o.start) {
			continue
		}
		f.count++
		f.begin = min(f.begin, o.start)
		list := t.operations[o.position].Output
		if !siblings || list.Kind() != history.List {
			f.see(o.value, int32(i))
			continue
		}
		if len(list.List()) == 0 {
			f.see(initial, int32(i))
		}
		for _, n := range list.List() {
			value := r.numbers.get(n)
			if value == none { // nobody wrote it
				value = o.value
			}
			f.see(value, int32(i))
		}
	}
}

// observeSiblings counts the reads of several values as observers of each.
func (r *register) observeSiblings(t *timeline) {
	for i := range r.operations {
		o := &r.operations[i]
		if o.kind != read {
			continue
		}
		for _, n := range t.operations[o.position].Output.List() {
			if value := r.numbers.get(n); value != none {
				v := &r.values[value]
				v.observe(int32(i), o)
				v.by = unasked
			}
		}
	}
}

// see notes that the final read returned the value.
func (f *finalReads) see(value, by int32) {
	if f.returned[value] == none {
		f.returned[value] = int32(len(f.order))
		f.order, f.by = append(f.order, value), append(f.by, by)
	}
}

// lost examines one register: an acknowledged write is lost if there are ok
// final reads, none returns its value, and each returned value is provably
// older. Only the last acknowledged writes count, those that no other
// acknowledged write provably followed: the others may have been overwritten.
// It calls yield for each.
func (f *finalReads) lost(t *timeline, r *register, siblings bool, counts *lostCounts, yield func(write int32, class string)) {
	f.load(t, r, siblings)
	acknowledged, latest := 0, never
	for i := range r.operations {
		o := &r.operations[i]
		if o.mutates() && o.outcome == certain && o.end < f.begin {
			acknowledged++
			latest = max(latest, o.start)
		}
		// Of siblings a deletion may have removed just one, acknowledged or not.
		if siblings && o.mutates() && o.value == initial {
			latest = max(latest, o.start)
		}
	}
	if acknowledged == 0 {
		return
	}
	if f.count == 0 {
		counts.unread++
		return
	}
	counts.acknowledged += acknowledged
	counts.finals += f.count
	counts.keys++
	for i := range r.operations {
		w := &r.operations[i]
		if !w.mutates() || w.outcome != certain || w.end >= f.begin || f.returned[w.value] != none {
			continue
		}
		if siblings && w.value == initial {
			continue // a deletion removes only what its client knew of
		}
		if r.knownOf(int32(i)) < latest {
			continue // overwritten by a later acknowledged write
		}
		if class := f.lostAs(r, int32(i), counts); class != "" {
			yield(int32(i), class)
		}
	}
}

// lostAs decides about one acknowledged write that no final read returned: it
// is the class of the loss, or empty.
func (f *finalReads) lostAs(r *register, i int32, counts *lostCounts) string {
	vanished := true
	for _, u := range f.order {
		at, _ := r.knownBy(u)
		if at >= r.operations[i].start {
			if r.concurrent(i, u) {
				counts.discarded++
			}
			return ""
		}
		vanished = vanished && u == initial
	}
	if vanished {
		return classVanished
	}
	return classSequential
}

// finding puts a lost write together.
func (f *finalReads) finding(r *register, write int32, class string) finding {
	out := newFinding(class, r.key)
	out.newer = r.operations[write].position
	out.older, out.shown = r.provenance(f.order[0])
	out.second = r.operations[f.by[0]].position
	out.gather()
	return out
}

// concurrent says whether the value's write is neither provably before nor provably after the write i.
func (r *register) concurrent(i, value int32) bool {
	v := &r.values[value]
	if value == initial || v.writers != 1 {
		return false
	}
	return r.knownOf(i) >= r.operations[v.writer].start
}

// knownOf is a time by which the mutation i, which was acknowledged, had
// certainly taken effect: that by which its value was known, or its end.
func (r *register) knownOf(i int32) int64 {
	o := &r.operations[i]
	at, _ := r.knownBy(o.value)
	return min(at, o.end)
}
