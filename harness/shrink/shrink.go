package shrink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// Oracle runs a plan and says whether it still shows the anomaly: the same
// claim and the same class. at is when the anomaly was complete, from the start
// of the main phase; an oracle that does not know returns 0. It must answer
// the same whenever it is asked about the same plan, and neither change the
// plan nor keep it: plans share memory.
type Oracle func(p *plan.Plan) (at time.Duration, fails bool)

// Defaults of Options.
const (
	// DefaultRuns is how often Shrink asks its oracle at most.
	DefaultRuns = 5_000
	// DefaultTrials is how many trials Robustify spends at most.
	DefaultTrials = 60_000
	// DefaultBudget is how long either takes at most.
	DefaultBudget = 20 * time.Second
)

// Options bound a search. The zero value of a field stands for its default.
type Options struct {
	// Runs is how often Shrink asks its oracle at most; DefaultRuns.
	Runs int
	// Trials is how many trials the search of Robustify spends at most;
	// DefaultTrials. The measurements before and after are not counted.
	Trials int
	// Budget is how long the search takes at most; DefaultBudget. The context may end it earlier.
	Budget time.Duration
	// Progress, if not nil, is called after every run of Shrink's oracle and
	// every evaluation of Robustify, on the same goroutine.
	Progress func(Progress)
}

func (o Options) filled() Options {
	if o.Runs <= 0 {
		o.Runs = DefaultRuns
	}
	if o.Trials <= 0 {
		o.Trials = DefaultTrials
	}
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Progress is how far a search has come.
type Progress struct {
	// Pass names what is being tried, for instance "operations".
	Pass string
	// Runs is how often the oracle was asked, or how many trials were spent.
	Runs int
	// Size is that of the best plan so far.
	Size Size
	// Probability is that of the best plan so far; Robustify alone knows it.
	Probability Probability
}

// Size is how much a plan holds.
type Size struct {
	// Operations and Faults are their numbers.
	Operations, Faults int
}

// String returns for instance "4 operations, 1 fault".
func (s Size) String() string {
	return count(s.Operations, "operation") + ", " + count(s.Faults, "fault")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func sizeOf(p *plan.Plan) Size {
	return Size{Operations: len(p.Operations), Faults: len(p.Schedule)}
}

// Result is what Shrink found.
type Result struct {
	// Plan is the smallest plan that was found; it shares no memory with the one that was given.
	Plan *plan.Plan
	// At is when the anomaly is complete in a run of Plan, as the oracle said.
	At time.Duration
	// Before and After are the sizes of the plan that was given and of Plan.
	Before, After Size
	// Runs is how often the oracle was asked.
	Runs int
	// Minimal says that the search came to its end: no single operation and no
	// single fault of Plan can be left out. It is false when the context, the
	// time or the runs ended first; Plan is then the best so far.
	Minimal bool
}

// ErrNotMaterialised says that a plan has no operations of its own. Its
// workload generates them, and what is generated can't be left out.
var ErrNotMaterialised = errors.New("the plan has no operations of its own: materialise it, then shrink the result")

// ErrNotFailing says that the oracle does not see the anomaly in the plan that was given.
var ErrNotFailing = errors.New("the plan does not show the anomaly, so there is nothing to keep while making it smaller: give the plan, the claim and the class of one run")

// Shrink returns the smallest plan it finds that still shows the anomaly of p,
// under the same seeds. p is not changed. What remains of p keeps its
// identity: operations their worker and index, faults their ID.
//
// The error is ErrNotMaterialised, ErrNotFailing, one of plan.Validate, or the
// context's if it ended before the first run. When the context or a bound of
// the options ends the search later, the best plan so far is the result.
func Shrink(ctx context.Context, p *plan.Plan, oracle Oracle, o Options) (Result, error) {
	o = o.filled()
	if err := shrinkable(p); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("shrink plan %s: %w", p.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Budget)
	defer cancel()
	s := &search{ctx: ctx, oracle: oracle, options: o, best: p, seen: map[[sha256.Size]byte]bool{}}
	if !s.try("whole plan", p) {
		return Result{Runs: s.runs}, fmt.Errorf("shrink plan %s: %w", p.Name, ErrNotFailing)
	}
	for round := 0; ; round++ {
		accepted := s.accepted
		s.round(round)
		if s.accepted == accepted {
			break
		}
	}
	return Result{Plan: s.best.Clone(), At: s.at, Before: sizeOf(p), After: sizeOf(s.best), Runs: s.runs, Minimal: !s.stopped}, nil
}

func shrinkable(p *plan.Plan) error {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("plan %s: %w", p.Name, err)
	}
	if len(p.Operations) == 0 {
		return fmt.Errorf("plan %s: %w", p.Name, ErrNotMaterialised)
	}
	return nil
}

// search is one call of Shrink. Plans that it tries share memory with each
// other: every pass makes new lists instead of changing those that are there.
type search struct {
	ctx     context.Context
	oracle  Oracle
	options Options
	// best is the smallest plan that failed, at the time of its anomaly.
	best *plan.Plan
	at   time.Duration
	// seen holds the digests of the plans that were tried.
	seen           map[[sha256.Size]byte]bool
	buffer         []byte
	runs, accepted int
	// stopped says that a plan was not tried because a bound was reached.
	stopped bool
}

// try asks whether a plan fails, which makes it the best. A plan that was
// tried before is not run again: either it did not fail, or a smaller one did.
func (s *search) try(pass string, p *plan.Plan) bool {
	if s.stopped {
		return false
	}
	s.buffer = appendPlan(s.buffer[:0], p)
	digest := sha256.Sum256(s.buffer)
	if s.seen[digest] {
		return false
	}
	if s.runs >= s.options.Runs || s.ctx.Err() != nil {
		s.stopped = true
		return false
	}
	s.seen[digest] = true
	s.runs++
	at, fails := s.oracle(p)
	if fails {
		s.best, s.at = p, at
		s.accepted++
	}
	s.options.Progress(Progress{Pass: pass, Runs: s.runs, Size: sizeOf(s.best)})
	return fails
}

// round makes every pass once. What makes runs cheap comes first.
func (s *search) round(number int) {
	s.truncate()
	if number == 0 {
		s.recent()
	}
	s.keys()
	s.faults()
	s.clients()
	s.operations()
	s.faults()
	s.concurrency()
	s.surroundings()
	s.weaken()
	s.compact()
}

// tryOperations tries the best plan with other operations. There must be at
// least one: a plan without any would generate its own.
func (s *search) tryOperations(pass string, operations []plan.Operation) bool {
	p := *s.best
	p.Operations = operations
	return s.try(pass, &p)
}

// trySchedule tries the best plan with other faults.
func (s *search) trySchedule(pass string, faults []plan.Fault) bool {
	p := *s.best
	setSchedule(&p, faults)
	return s.try(pass, &p)
}

// setSchedule gives a plan other faults. Its list of kinds names those that
// are left, so that it asks no machine for a fault that it does not need.
func setSchedule(p *plan.Plan, faults []plan.Fault) {
	plan.SortFaults(faults)
	p.Schedule = faults
	var kinds []string
	for _, kind := range p.Nemesis {
		if slices.ContainsFunc(faults, func(f plan.Fault) bool { return f.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	for i := range faults {
		if !slices.Contains(kinds, faults[i].Kind) {
			kinds = append(kinds, faults[i].Kind)
		}
	}
	p.Nemesis = kinds
}

// truncate leaves out what came after the anomaly and ends the main phase there.
func (s *search) truncate() {
	at := plan.Duration(s.at)
	if at <= 0 || at >= s.best.Limits.Time {
		at = s.best.Limits.Time
	}
	p := *s.best
	p.Operations = only(p.Operations, func(o *plan.Operation) bool { return o.At <= at })
	if len(p.Operations) == 0 {
		return
	}
	faults := only(p.Schedule, func(f *plan.Fault) bool { return f.At < at })
	ended := p
	setSchedule(&p, slices.Clone(faults))
	for i := range faults {
		faults[i].Duration = min(faults[i].Duration, at-faults[i].At)
	}
	setSchedule(&ended, faults)
	ended.Limits.Time = at
	_ = s.try("truncate", &ended) || s.try("truncate", &p)
}

// firstWindow is the shortest time before the anomaly to which recent tries to
// confine the plan; each further one is windowGrowth times as long.
const (
	firstWindow  = 250 * time.Millisecond
	windowGrowth = 4
)

// recent leaves out what came long before the anomaly: most anomalies need
// nothing that is older than some seconds, and this takes few runs.
func (s *search) recent() {
	last := s.best.Operations[len(s.best.Operations)-1].At
	end := plan.Duration(s.at)
	if end <= 0 || end > last {
		end = last
	}
	for window := plan.Duration(firstWindow); window < end; window *= windowGrowth {
		p := *s.best
		p.Operations = only(p.Operations, func(o *plan.Operation) bool { return o.At >= end-window })
		if len(p.Operations) == len(s.best.Operations) {
			return
		}
		setSchedule(&p, only(p.Schedule, func(f *plan.Fault) bool { return f.At+f.Duration >= end-window }))
		if s.try("window", &p) {
			return
		}
	}
}

// keys leaves out all operations on some keys.
func (s *search) keys() {
	minimizeGroups(s, "keys", func(o *plan.Operation) string { return o.Key })
}

// clients leaves out all operations of some workers.
func (s *search) clients() {
	minimizeGroups(s, "clients", func(o *plan.Operation) int { return o.Worker })
}

func (s *search) operations() {
	minimize(s, s.best.Operations, 1, func(rest []plan.Operation) bool { return s.tryOperations("operations", rest) })
}

func (s *search) faults() {
	minimize(s, s.best.Schedule, 0, func(rest []plan.Fault) bool { return s.trySchedule("faults", rest) })
}

// minimizeGroups leaves out groups of operations.
func minimizeGroups[G comparable](s *search, pass string, group func(*plan.Operation) G) {
	var groups []G
	known := map[G]bool{}
	for i := range s.best.Operations {
		if g := group(&s.best.Operations[i]); !known[g] {
			known[g] = true
			groups = append(groups, g)
		}
	}
	minimize(s, groups, 1, func(rest []G) bool {
		return s.tryOperations(pass, only(s.best.Operations, func(o *plan.Operation) bool {
			return slices.Contains(rest, group(o))
		}))
	})
}

// concurrency leaves out the last workers, if they ask for nothing: they still
// take part in the final reads.
func (s *search) concurrency() {
	p := *s.best
	workers := 1
	for i := range p.Operations {
		workers = max(workers, p.Operations[i].Worker+1)
	}
	p.Workload.Concurrency = workers
	s.try("clients", &p)
}

// surroundings takes the losses out that happen without any fault.
func (s *search) surroundings() {
	if s.best.Surroundings == nil {
		return
	}
	calm := *s.best.Surroundings
	calm.LossPPM, calm.DuplicatePPM = 0, 0
	p := *s.best
	p.Surroundings = &calm
	s.try("surroundings", &p)
}

// only returns the elements of a list that are to be kept, in a list of their own.
func only[T any](list []T, keep func(*T) bool) []T {
	kept := make([]T, 0, len(list))
	for i := range list {
		if keep(&list[i]) {
			kept = append(kept, list[i])
		}
	}
	return kept
}
