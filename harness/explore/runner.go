package explore

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/target"
)

// anomaly is what a history was found to show.
type anomaly struct {
	claim, class, key string
	// at is the start of the operation that shows it last, from the start of the main phase.
	at time.Duration
}

// is says whether both are the same finding: one class of violations of one claim.
func (a anomaly) is(other anomaly) bool { return a.claim == other.claim && a.class == other.class }

// outcome is what became of one run.
type outcome struct {
	operations, events int
	virtual            time.Duration
	hash               uint64
	// anomalies are in the order of the claims, then of the classes.
	anomalies []anomaly
	// undecided are the claims of which neither the screener nor checker.Check knew.
	undecided []string
	// vacuous are the claims for which there was nothing to check.
	vacuous []string
}

// runner runs plans, one after the other, and decides the same claims of each.
// It is not safe for concurrent use: each worker has its own.
type runner interface {
	// run carries the plan out and says what its clients saw.
	run(ctx context.Context, p *plan.Plan) (outcome, error)
	// check has the history of the last run judged in full.
	check(ctx context.Context, p *plan.Plan, claims []string) (checker.Report, error)
	// operations is the history of the last run.
	operations() []history.Operation
}

// simulation is the runner of package sim.
type simulation struct {
	system   target.System
	world    *sim.World
	screener *checker.Screener
	last     []history.Operation
}

func newSimulation(system target.System, claims []string) (*simulation, error) {
	screener, err := checker.NewScreener(claims)
	if err != nil {
		return nil, err
	}
	return &simulation{system: system, world: sim.NewWorld(), screener: screener}, nil
}

func (s *simulation) run(ctx context.Context, p *plan.Plan) (outcome, error) {
	s.last = nil
	if err := s.world.Load(p, s.system); err != nil {
		return outcome{}, err
	}
	result, err := s.world.Run(ctx, sim.Options{Brief: true})
	if err != nil {
		return outcome{}, err
	}
	s.last = result.Operations
	o := outcome{operations: result.Clients, events: result.Events, virtual: result.Virtual, hash: result.Hash}
	s.screener.MaximumSiblings = p.Limits.Siblings
	suspicions, doubt, err := s.screener.Screen(result.Operations)
	if err != nil {
		return outcome{}, fmt.Errorf("screening the history: %w", err)
	}
	begin := mainStart(result.Operations)
	for _, found := range suspicions {
		o.anomalies = append(o.anomalies, anomaly{found.Claim, found.Class, found.Key, time.Duration(found.Time - begin)})
	}
	o.vacuous = s.screener.Vacuous()
	if len(doubt) == 0 {
		return o, nil
	}
	// What the screener cannot decide the checkers may, and find more classes than it.
	doubt = slices.Clone(doubt)
	report, err := s.check(ctx, p, doubt)
	if err != nil {
		return outcome{}, err
	}
	for i := range report.Claims {
		c := &report.Claims[i]
		switch c.Verdict {
		case checker.Refuted:
			o.anomalies = slices.DeleteFunc(o.anomalies, func(a anomaly) bool { return a.claim == c.Claim })
			o.anomalies = append(o.anomalies, seenBy(c, result.Operations)...)
		case checker.Unknown:
			o.undecided = append(o.undecided, c.Claim)
		}
	}
	return o, nil
}

// seenBy are the anomalies of a refuted claim, in the order of their classes.
func seenBy(c *checker.Result, operations []history.Operation) []anomaly {
	begin := mainStart(operations)
	var found []anomaly
	for _, class := range violations(c) {
		w := witnessOf(c, class)
		found = append(found, anomaly{c.Claim, class, w.Key, latest(operations, w.Operations, begin)})
	}
	return found
}

// violations lists the classes of a claim's witnesses in alphabetical order.
// Result.Classes also counts what is worth knowing but violates nothing.
func violations(c *checker.Result) []string {
	var classes []string
	for i := range c.Witnesses {
		classes = append(classes, c.Witnesses[i].Class)
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}

// witnessOf returns the claim's first witness of the class, or nil.
func witnessOf(c *checker.Result, class string) *checker.Witness {
	for i := range c.Witnesses {
		if w := &c.Witnesses[i]; w.Class == class {
			return w
		}
	}
	return nil
}

// latest is when the last of the named operations began, from the start of the main phase.
func latest(operations []history.Operation, indexes []int64, begin int64) time.Duration {
	var last int64
	for i := range operations {
		if o := &operations[i]; slices.Contains(indexes, o.Index) {
			last = max(last, o.Start)
		}
	}
	return time.Duration(last - begin)
}

func (s *simulation) operations() []history.Operation { return s.last }

func (s *simulation) check(ctx context.Context, p *plan.Plan, claims []string) (checker.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.Limits.Check))
	defer cancel()
	// Once more, and not in brief: explanations name the faults.
	// And with evidence, from which the causes are derived.
	evidence := map[int64]*history.Evidence{}
	result, err := s.world.Run(ctx, sim.Options{Record: func(e *history.Event) error {
		if e.Evidence != nil {
			evidence[e.Index] = e.Evidence
		}
		return nil
	}})
	if err != nil {
		return checker.Report{}, err
	}
	s.last = result.Operations
	return checker.Check(ctx, s.last, checker.Options{Claims: claims, Memory: p.Limits.CheckMemory, NoStaleness: true, MaximumSiblings: p.Limits.Siblings,
		Evidence: func(completion int64) *history.Evidence { return evidence[completion] }})
}

// mainStart is when the main phase began; 0 for a history without one.
func mainStart(operations []history.Operation) int64 {
	return phaseStart(operations, history.PhaseMain, 0)
}

// phaseStart is when the phase began, or otherwise in a history without it.
func phaseStart(operations []history.Operation, phase string, otherwise int64) int64 {
	for i := range operations {
		if o := &operations[i]; o.F == history.FPhase && o.Key == phase && o.Process == history.Nemesis {
			return o.Start
		}
	}
	return otherwise
}

// safely runs the plan. A panic of the simulated store or of the simulator is
// a finding of its own kind: it must name the seed that shows it and not take
// the exploration with it without a word.
func safely(ctx context.Context, r runner, p *plan.Plan) (o outcome, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &DefectError{Plan: p, Cause: fmt.Sprintf("the simulated run panics: %v\n%s", cause, debug.Stack())}
		}
	}()
	return r.run(ctx, p)
}

// DefectError says that refute contradicts itself: what was explored cannot
// be relied on before the cause is found.
type DefectError struct {
	// Plan shows the defect; its Seed is the one explored.
	Plan *plan.Plan
	// Cause says what was seen.
	Cause string
}

// Error says what was seen, of which seed, and what to do about it.
func (e *DefectError) Error() string {
	return fmt.Sprintf("seed %d: %s. This is a defect of refute, not of the target: please report it with the plan of the seed", e.Plan.Seed, e.Cause)
}
