package checker

import (
	"context"
	"errors"
	"fmt"
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
	elements     int // acknowledged elements of sets that a later read covers
	uncovered    int // acknowledged elements that no later read covers
	// latest is the longest time, in nanoseconds, from when an element was
	// known to the last read that lacked it although a later one shows it.
	latest int64
}

// checkLostWrites decides no-lost-writes: registers by their final reads, sets
// by the timeline of each element.
func checkLostWrites(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: NoLostWrites, Checker: "lost-writes"}
	all := newTally()
	var counts lostCounts
	var r register
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
			if err := r.load(t.operations, key.name, key.positions); err != nil {
				skipped = fmt.Errorf("key %s: %w", key.name, err)
				continue
			}
			registers = true
			lostWrites(t, &r, all, &counts)
		case setObject:
			sets = true
			lostElements(t, key, all, &counts)
		default:
			skipped = fmt.Errorf("key %s has %s", key.name, key.why)
		}
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
		text += fmt.Sprintf("; %s appeared late, the latest after %s", plural(n, "element"), milliseconds(c.latest))
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

// lostWrites examines one register: an acknowledged write is lost if there
// are ok final reads, none returns its value, and each returned value is
// provably older. Only the last acknowledged writes count, those that no other
// acknowledged write provably followed: the others may have been overwritten.
func lostWrites(t *timeline, r *register, all *tally, counts *lostCounts) {
	begin := history.Infinity
	finals := 0
	returned := map[int32]int32{} // value: a final read of it
	var order []int32
	for i := range r.operations {
		o := &r.operations[i]
		if o.kind != read || !t.final(&t.operations[o.position]) {
			continue
		}
		finals++
		begin = min(begin, o.start)
		if _, found := returned[o.value]; !found {
			returned[o.value] = int32(i)
			order = append(order, o.value)
		}
	}
	acknowledged, latest := 0, never
	for i := range r.operations {
		if o := &r.operations[i]; o.mutates() && o.outcome == certain && o.end < begin {
			acknowledged++
			latest = max(latest, o.start)
		}
	}
	if acknowledged == 0 {
		return
	}
	if finals == 0 {
		counts.unread++
		return
	}
	counts.acknowledged += acknowledged
	counts.finals += finals
	counts.keys++
	for i := range r.operations {
		w := &r.operations[i]
		if !w.mutates() || w.outcome != certain || w.end >= begin {
			continue
		}
		if _, found := returned[w.value]; found {
			continue
		}
		if at, _ := r.knownBy(w.value); at < latest {
			continue // overwritten by a later acknowledged write
		}
		r.lostWrite(int32(i), order, returned, all)
	}
}

// lostWrite decides about one acknowledged write that no final read returned.
func (r *register) lostWrite(i int32, order []int32, returned map[int32]int32, all *tally) {
	w := &r.operations[i]
	vanished := true
	for _, u := range order {
		at, _ := r.knownBy(u)
		if at >= w.start {
			if r.concurrent(i, u) {
				all.classes[classDiscarded]++
			}
			return
		}
		vanished = vanished && u == initial
	}
	class := classSequential
	if vanished {
		class = classVanished
	}
	f := newFinding(class, r.key)
	f.newer = w.position
	f.older, f.shown = r.provenance(order[0])
	f.second = r.operations[returned[order[0]]].position
	f.gather()
	if all.count(class, r.key, len(f.positions)) {
		all.best[r.key] = f
	}
}

// concurrent says whether the value's write is neither provably before nor provably after the write i.
func (r *register) concurrent(i, value int32) bool {
	v := &r.values[value]
	if value == initial || v.writers != 1 {
		return false
	}
	known, _ := r.knownBy(r.operations[i].value)
	return known >= r.operations[v.writer].start
}
