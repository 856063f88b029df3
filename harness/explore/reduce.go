package explore

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/shrink"
)

const (
	// measureTrials is under how many other networks a plan is tried, to say
	// how often it fails.
	measureTrials = 100
	// measureFirst is the number of the first of these trials, far from those
	// that Robustify chooses by: what was chosen for how it did in a trial would do
	// better there than elsewhere.
	measureFirst = 1 << 32
	// reseedTrials is how many seeds are tried for a robust plan's network.
	reseedTrials = 200
)

// Size is how much happens in a plan.
type Size struct {
	// Operations and Faults are their numbers.
	Operations int `json:"operations"`
	Faults     int `json:"faults"`
}

// String writes "3 operations and 1 fault".
func (s Size) String() string {
	return count(s.Operations, "operation") + " and " + count(s.Faults, "fault")
}

func sizeOf(p *plan.Plan) Size { return Size{len(p.Operations), len(p.Schedule)} }

// Reduced is what was made of the plan of a finding.
type Reduced struct {
	// Plan is materialised, and refutes the same claim by the same class of violation.
	Plan *plan.Plan `json:"plan"`
	Size
	// Runs and Elapsed are what it took.
	Runs    int           `json:"runs"`
	Elapsed plan.Duration `json:"elapsed"`
	// Complete says that the search came to its end, rather than its time.
	Complete bool `json:"complete"`
	// Hash is that of every run of the plan, in hexadecimal.
	Hash string `json:"hash"`
	// Rate is in how many of a number of trials under other networks it fails too; see Perturb.
	Rate Rate `json:"rate"`
	// Steps tell what happens in it, in order of time.
	Steps []Step `json:"steps"`
	// Explanation says what its run shows.
	Explanation string `json:"explanation"`
}

// reduceAll shrinks every finding, several at a time.
func (e *exploration) reduceAll(ctx context.Context) error {
	e.mu.Lock()
	e.stage = StageShrinking
	for range e.findings {
		e.shrinking = append(e.shrinking, &shrinkingState{})
	}
	e.mu.Unlock()
	failures := make([]error, len(e.findings))
	var group errgroup.Group
	group.SetLimit(e.config.Workers)
	for i, f := range e.findings {
		group.Go(func() error {
			failures[i] = e.reduce(ctx, f, e.shrinking[i])
			return nil
		})
	}
	_ = group.Wait() // the failures are reported in the order of the findings
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// reduce shrinks a finding and, if asked to, makes it robust. When the context
// ends, what there is by then is kept.
func (e *exploration) reduce(ctx context.Context, f *Finding, state *shrinkingState) error {
	if ctx.Err() != nil {
		return nil
	}
	defect := func(p *plan.Plan, format string, arguments ...any) error {
		return &DefectError{p, f.Claim + "/" + f.Class + ": " + fmt.Sprintf(format, arguments...)}
	}
	r, err := e.config.runner([]string{f.Claim})
	if err != nil {
		return err
	}
	probe := &probe{runner: r, want: anomaly{claim: f.Claim, class: f.Class}}
	whole, err := e.config.materialise(ctx, f.Plan)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("seed %d: writing its operations out: %w", f.Seed, err)
	}
	e.mu.Lock()
	f.Original = sizeOf(whole)
	state.begun, state.operations, state.faults = true, f.Original.Operations, f.Original.Faults
	e.mu.Unlock()
	if _, _, seen := probe.look(ctx, whole); !seen {
		if ctx.Err() != nil {
			return nil
		}
		if probe.err != nil {
			return probe.err
		}
		return defect(f.Plan, "with its operations written out the plan does not show it any more")
	}
	tell := func(p shrink.Progress) {
		e.mu.Lock()
		state.operations, state.faults, state.runs = p.Size.Operations, p.Size.Faults, p.Runs
		e.mu.Unlock()
	}
	minimal, err := e.minimize(ctx, probe, whole, tell)
	if err != nil || minimal == nil {
		return err
	}
	f.Minimal = minimal
	if err := e.finish(ctx, probe, f, minimal); err != nil {
		return err
	}
	if !e.config.Robustify || ctx.Err() != nil {
		return nil
	}
	robust, err := e.robustify(ctx, probe, minimal.Plan, tell)
	if err != nil || robust == nil {
		return err
	}
	f.Robust = robust
	return e.finish(ctx, probe, f, robust)
}

// minimize returns the smallest plan it finds; nil if the context ended before there was one.
func (e *exploration) minimize(ctx context.Context, probe *probe, whole *plan.Plan, tell func(shrink.Progress)) (*Reduced, error) {
	began := e.config.now()
	result, err := shrink.Shrink(ctx, whole, func(p *plan.Plan) (time.Duration, bool) {
		_, at, seen := probe.look(ctx, p)
		return at, seen
	}, shrink.Options{Budget: e.config.ShrinkBudget, Progress: tell})
	switch {
	case probe.err != nil:
		return nil, fmt.Errorf("shrinking seed %d: %w", whole.Seed, probe.err)
	case ctx.Err() != nil && err != nil:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("shrinking seed %d: %w", whole.Seed, err)
	}
	return &Reduced{Plan: result.Plan, Size: sizeOf(result.Plan), Runs: result.Runs, Complete: result.Minimal,
		Elapsed: plan.Duration(e.config.now().Sub(began))}, nil
}

// finish runs the plan twice in new worlds, which must be the same run, has it judged in full,
// and tells what happens in it and how often it fails elsewhere.
func (e *exploration) finish(ctx context.Context, p *probe, f *Finding, reduced *Reduced) error {
	defect := func(format string, arguments ...any) error {
		return &DefectError{reduced.Plan, f.Claim + "/" + f.Class + ", shrunk: " + fmt.Sprintf(format, arguments...)}
	}
	var hashes [2]uint64
	var last runner
	for i := range hashes {
		var err error
		if last, err = e.config.runner([]string{f.Claim}); err != nil {
			return err
		}
		again := &probe{runner: last, want: p.want}
		o, _, seen := again.look(ctx, reduced.Plan)
		switch {
		case ctx.Err() != nil:
			return nil
		case again.err != nil:
			return again.err
		case !seen:
			return defect("a new run of the plan does not show it")
		}
		hashes[i] = o.hash
	}
	if hashes[0] != hashes[1] {
		return defect("two runs of the plan are not the same run (hashes %016x and %016x)", hashes[0], hashes[1])
	}
	reduced.Hash = fmt.Sprintf("%016x", hashes[0])
	report, err := last.check(ctx, reduced.Plan, []string{f.Claim})
	if err != nil {
		return fmt.Errorf("seed %d, shrunk: checking its history: %w", f.Seed, err)
	}
	c := &report.Claims[0]
	switch {
	case ctx.Err() != nil:
		return nil
	case c.Verdict != checker.Refuted || c.Claim != checker.Linearizable && c.Classes[f.Class] == 0:
		return defect("the screener sees it and the checker says %s with violations %q", c.Verdict, violations(c))
	}
	witness := witnessOf(c, f.Class)
	reduced.Explanation = c.Explanation
	if witness != nil {
		reduced.Explanation = witness.Summary
	}
	reduced.Steps = steps(reduced.Plan, last.operations(), witness)
	failing, trials := p.count(ctx, reduced.Plan, measureFirst, measureTrials)
	reduced.Rate = wilson(failing, trials)
	return p.err
}

// robustify looks for a variant of the plan that fails under most networks;
// nil if there is none that is better.
func (e *exploration) robustify(ctx context.Context, probe *probe, minimal *plan.Plan, tell func(shrink.Progress)) (*Reduced, error) {
	began, runs := e.config.now(), probe.runs
	result, err := shrink.Robustify(ctx, minimal, func(p *plan.Plan, trials int) int {
		failing, _ := probe.count(ctx, p, 0, trials)
		return int(failing)
	}, shrink.Options{Budget: e.config.ShrinkBudget, Progress: tell})
	switch {
	case probe.err != nil:
		return nil, fmt.Errorf("making seed %d robust: %w", minimal.Seed, probe.err)
	case ctx.Err() != nil:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("making seed %d robust: %w", minimal.Seed, err)
	case result.Plan.SHA256() == minimal.SHA256():
		return nil, nil
	}
	elapsed := e.config.now().Sub(began)
	// The variant fails under most networks, which may leave out its own. The
	// plan must show by itself what it is for.
	own, seen := result.Plan, false
	for try := range uint64(reseedTrials) {
		if try > 0 {
			own = result.Plan.Clone()
			own.Surroundings.Seed = plan.Draw(result.Plan.Surroundings.Seed, "explore/reseed", try) >> (64 - seedBits)
		}
		if _, _, seen = probe.look(ctx, own); seen {
			break
		}
	}
	if !seen {
		return nil, probe.err
	}
	return &Reduced{Plan: own, Size: sizeOf(own), Runs: probe.runs - runs, Elapsed: plan.Duration(elapsed),
		Complete: elapsed < e.config.ShrinkBudget}, nil
}
