package shrink

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/plan"
)

// happening is what a plan does at a mark. At one moment faults begin before
// operations are asked for and end after them.
type happening int

const (
	begins happening = iota
	asks
	ends
)

// mark is a moment at which a plan does something: a fault begins or ends, an
// operation is asked for.
type mark struct {
	at   plan.Duration
	what happening
	// index is the place of the fault or the operation in the plan's list.
	index int
}

// marksOf returns all that a plan does in the main phase, in the order of time.
func marksOf(p *plan.Plan) []mark {
	marks := make([]mark, 0, len(p.Operations)+2*len(p.Schedule))
	for i := range p.Operations {
		marks = append(marks, mark{p.Operations[i].At, asks, i})
	}
	for i := range p.Schedule {
		f := &p.Schedule[i]
		marks = append(marks, mark{f.At, begins, i}, mark{f.At + f.Duration, ends, i})
	}
	sortMarks(marks)
	return marks
}

func sortMarks(marks []mark) {
	slices.SortStableFunc(marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what))
	})
}

// placed returns the plan with its marks at other times. It is nil if a fault
// would last no time. The length of the main phase stays what it is.
func placed(p *plan.Plan, marks []mark) *plan.Plan {
	q := *p
	q.Operations = slices.Clone(p.Operations)
	faults := slices.Clone(p.Schedule)
	for _, m := range marks {
		switch m.what {
		case asks:
			q.Operations[m.index].At = m.at
		case begins:
			faults[m.index].At = m.at
		}
	}
	for _, m := range marks {
		if m.what == ends {
			faults[m.index].Duration = m.at - faults[m.index].At
			if faults[m.index].Duration <= 0 {
				return nil
			}
		}
	}
	slices.SortStableFunc(q.Operations, func(a, b plan.Operation) int { return cmp.Compare(a.At, b.At) })
	setSchedule(&q, faults)
	return &q
}

// gap returns the time between a mark and the one before, or the start.
func gap(marks []mark, i int) plan.Duration {
	if i == 0 {
		return marks[0].at
	}
	return marks[i].at - marks[i-1].at
}

// withGap returns the marks with another gap before the i-th; all later ones move along.
func withGap(marks []mark, i int, length plan.Duration) []mark {
	moved := slices.Clone(marks)
	shift := length - gap(marks, i)
	for j := i; j < len(moved); j++ {
		moved[j].at += shift
	}
	return moved
}

// withGaps returns the marks with every gap changed by a function of its place and length.
func withGaps(marks []mark, change func(i int, length plan.Duration) plan.Duration) []mark {
	moved := slices.Clone(marks)
	var at plan.Duration
	for i := range moved {
		at += change(i, gap(marks, i))
		moved[i].at = at
	}
	return moved
}

// lastMark is the time of the last mark, 0 if there is none.
func lastMark(marks []mark) plan.Duration {
	if len(marks) == 0 {
		return 0
	}
	return marks[len(marks)-1].at
}

// compact closes the gaps in time: all at once first, then each alone, then
// the rest of the main phase after the last mark. The lengths that it leaves are round.
func (s *search) compact() {
	widest := plan.Duration(0)
	marks := marksOf(s.best)
	for i := range marks {
		widest = max(widest, gap(marks, i))
	}
	descend(ladder(leastTime, int64(widest)), func(most int64) bool {
		return s.tryMarks(withGaps(marksOf(s.best), func(_ int, length plan.Duration) plan.Duration {
			return min(length, plan.Duration(most))
		}))
	})
	// No gap is added or taken away by closing one, so their places stay.
	for i := range marks {
		if s.stopped {
			return
		}
		length := gap(marksOf(s.best), i)
		if length == 0 || s.tryMarks(withGap(marksOf(s.best), i, 0)) {
			continue
		}
		descend(ladder(leastTime, int64(length)), func(length int64) bool {
			return s.tryMarks(withGap(marksOf(s.best), i, plan.Duration(length)))
		})
	}
	s.rest()
}

// tryMarks tries the best plan with its marks moved to earlier times. The main
// phase stays as long as it is: an answer may need the time after the last mark.
func (s *search) tryMarks(marks []mark) bool {
	p := placed(s.best, marks)
	return p != nil && s.try("times", p)
}

// rest shortens the main phase to its last mark, or to as little more as possible.
func (s *search) rest() {
	last := lastMark(marksOf(s.best))
	least := max(last, plan.Duration(leastTime))
	if least >= s.best.Limits.Time {
		return
	}
	tryLimit := func(limit plan.Duration) bool {
		p := *s.best
		p.Limits.Time = limit
		return s.try("times", &p)
	}
	if tryLimit(least) {
		return
	}
	descend(ladder(leastTime, int64(s.best.Limits.Time-least)), func(more int64) bool {
		return tryLimit(least + plan.Duration(more))
	})
}
