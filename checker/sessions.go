package checker

import (
	"context"
	"errors"
	"fmt"
)

// readChecker decides one of the claims about reads.
type readChecker struct {
	claim   string
	checker string
	// register examines one register: it counts violations and returns how
	// many reads could have violated the claim.
	register func(t *timeline, r *register, all *tally) int
	// surveyed is that number for a register that a survey decided, which violates nothing.
	surveyed func(k *keySurvey) int
	// set does the same for a set.
	set func(t *timeline, s *setHistory, key *keyOperations, all *tally) int
	// siblings does the same for a register with siblings.
	siblings func(s *siblingHistory, all *tally) int
	// violations says in one sentence what the violations found are; eligible what was examined.
	violations, eligible string
	// missing says what the history would need for the check to have something to examine.
	missing string
}

func staleReadsChecker() readChecker {
	var x writeIndex
	return readChecker{
		claim: NoStaleReads, checker: "stale-reads",
		register: func(_ *timeline, r *register, all *tally) int {
			r.staleReads(&x, func(newer, late int32) {
				if f := r.staleFinding(classStale, newer, late); all.count(classStale, r.key, len(f.positions)) {
					all.best[r.key] = f
				}
			})
			return x.eligible(r)
		},
		surveyed: func(k *keySurvey) int { return k.followed },
		set: func(_ *timeline, s *setHistory, key *keyOperations, all *tally) int {
			return s.stale(func(e *element, absent int32) { s.countMissing(classMissing, key.name, e, absent, all) })
		},
		siblings:   func(*siblingHistory, *tally) int { return 0 }, // left to the claims about sessions
		violations: "returned a state certainly older than an acknowledged write that had ended before the read began",
		eligible:   "that followed an acknowledged write",
		missing:    "no read began after an acknowledged write of its key",
	}
}

// eligible counts the reads that began after some acknowledged write of the key had ended.
func (x *writeIndex) eligible(r *register) int {
	first := x.after(never)
	if first == none {
		return 0
	}
	n := 0
	for i := range r.operations {
		if o := &r.operations[i]; o.kind == read && o.start > r.operations[first].end {
			n++
		}
	}
	return n
}

func readYourWritesChecker() readChecker {
	var s sessionReads
	return readChecker{
		claim: ReadYourWrites, checker: "read-your-writes",
		register: func(t *timeline, r *register, all *tally) int {
			s.ownWrites(t, r, func(own, late int32) {
				if f := r.staleFinding(classOwnWrite, own, late); all.count(classOwnWrite, r.key, len(f.positions)) {
					all.best[r.key] = f
				}
			})
			return s.eligibleOwn(t, r)
		},
		surveyed: func(k *keySurvey) int { return k.own },
		set: func(t *timeline, s *setHistory, key *keyOperations, all *tally) int {
			return s.own(t, key, func(x expectation, absent int32) { s.countExpected(classOwnWrite, key.name, x, absent, all) })
		},
		siblings:   (*siblingHistory).ownWrites,
		violations: "missed the reading process's own acknowledged write",
		eligible:   "of a key that the same process had written",
		missing:    "no process read a key after an acknowledged write of its own to it",
	}
}

func (s *sessionReads) eligibleOwn(t *timeline, r *register) int {
	s.begin(t)
	n := 0
	for i := range r.operations {
		o := &r.operations[i]
		st := s.state(t, o)
		if st == nil {
			continue
		}
		if o.mutates() && o.outcome == certain {
			st.written = int32(i)
		} else if o.kind == read && st.written != none {
			n++
		}
	}
	return n
}

func monotonicReadsChecker() readChecker {
	var s sessionReads
	return readChecker{
		claim: MonotonicReads, checker: "monotonic-reads",
		register: func(t *timeline, r *register, all *tally) int {
			s.backward(t, r, func(first, between, second int32) {
				f := r.backwardFinding(first, between, second)
				if all.count(f.class, r.key, len(f.positions)) {
					all.best[r.key] = f
				}
			})
			return s.eligibleRepeated(t, r)
		},
		surveyed: func(k *keySurvey) int { return k.repeated },
		set: func(t *timeline, s *setHistory, key *keyOperations, all *tally) int {
			return s.shrinking(t, key, func(x expectation, absent int32) { s.countExpected(classInversion, key.name, x, absent, all) })
		},
		siblings:   (*siblingHistory).backward,
		violations: "went back to an older state than the same process had read before",
		eligible:   "of a key that the same process had read before",
		missing:    "no process read a key twice",
	}
}

func (s *sessionReads) eligibleRepeated(t *timeline, r *register) int {
	s.begin(t)
	n := 0
	for i := range r.operations {
		o := &r.operations[i]
		st := s.state(t, o)
		if o.kind != read || st == nil {
			continue
		}
		if st.last != none {
			n++
		}
		st.last = int32(i)
	}
	return n
}

// run decides the claim for all keys, in one pass over each.
func (c readChecker) run(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: c.claim, Checker: c.checker}
	all := newTally()
	var r register
	var s setHistory
	eligible, keys := 0, 0
	var skipped error
	for k := range t.keys {
		if ctx.Err() != nil {
			skipped = errors.New("the time for checking was over; a longer time would help")
			break
		}
		key := &t.keys[k]
		n := 0
		switch key.object {
		case registerObject:
			if key.surveyed != nil {
				n = c.surveyed(key.surveyed)
				break
			}
			if err := r.load(t.operations, key.name, key.positions); err != nil {
				skipped = fmt.Errorf("key %s: %w", key.name, err)
				continue
			}
			n = c.register(t, &r, all)
		case setObject:
			s.load(t.operations, key)
			n = c.set(t, &s, key, all)
		case siblingObject:
			siblings, err := loadSiblings(t, key)
			if err != nil {
				skipped = fmt.Errorf("key %s: %w", key.name, err)
				continue
			}
			n = c.siblings(siblings, all)
		case counterObject, queueObject, bagObject, textObject, transactionObject: // left to other claims
		default:
			skipped = fmt.Errorf("key %s has %s", key.name, key.why)
			continue
		}
		if n > 0 {
			eligible += n
			keys++
		}
		if o.Progress != nil && k%4096 == 4095 {
			o.Progress(fmt.Sprintf("%s: %d of %d keys", c.claim, k+1, len(t.keys)))
		}
	}
	switch {
	case all.found > 0:
		result.Verdict = Refuted
		all.confirm(t)
		result.fill(t, o, all)
		result.Explanation = fmt.Sprintf("%s, on %s, %s.", plural(all.found, "read"), plural(len(all.best), "key"), c.violations)
	case skipped != nil:
		result.Verdict = Unknown
		result.Explanation = "Not everything could be checked: " + skipped.Error() + "."
	case eligible == 0:
		result.Verdict = Unknown
		result.Vacuous = true
		result.Explanation = "There was nothing to check: " + c.missing + "."
	default:
		result.Verdict = Holds
		result.Explanation = fmt.Sprintf("None of %s %s, on %s, violates it.", plural(eligible, "read"), c.eligible, plural(keys, "key"))
	}
	return result
}

// confirm asks Porcupine about the findings that will be shown.
func (a *tally) confirm(t *timeline) {
	l := newLimiter(context.Background(), 0)
	defer l.close()
	for _, f := range a.show() {
		if !f.confirmed && !f.versions {
			f.confirm(l, t.operations)
		}
		a.best[f.key] = f
	}
}
