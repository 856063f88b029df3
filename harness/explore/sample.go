package explore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// SampleConfig asks how a plan that somebody wrote turns out. In contrast to
// Run nothing about the plan is drawn: its faults and operations stay as they
// are, and each seed draws the delays of the network and the disks alone.
type SampleConfig struct {
	// Plan is what is run, and System its target in the plan's configuration.
	// Its claims are those that are decided.
	Plan   *plan.Plan
	System target.System
	// FirstSeed is the first seed; the others follow it without a gap.
	FirstSeed uint64
	// Seeds is how many there are: at least 1.
	Seeds int
	// Workers is how many seeds are run at the same time; 0 is GOMAXPROCS.
	Workers int
	// Each, if not nil, is given the history of every seed, in no particular
	// order, by one goroutine at a time. It must not keep the operations.
	Each func(seed uint64, operations []history.Operation)
	// Progress, if not nil, is told how many seeds are done, by one goroutine at a time.
	Progress func(done int)
	// Interrupt, when closed, begins no further seed.
	Interrupt <-chan struct{}
}

// Sample is what the seeds of a plan have shown.
type Sample struct {
	// Seeds is how many seeds were run, the first of them FirstSeed.
	FirstSeed uint64 `json:"first_seed"`
	Seeds     int    `json:"seeds"`
	// Claims are in the order of the plan's.
	Claims []SampledClaim `json:"claims"`
}

// SampledClaim says in how many seeds a claim was refuted, and why.
type SampledClaim struct {
	Claim string `json:"claim"`
	// Refuted, Holds and Undecided add up to the seeds. Undecided seeds left
	// the claim open or had nothing to check.
	Refuted   int `json:"refuted"`
	Holds     int `json:"holds"`
	Undecided int `json:"undecided"`
	// Causes counts the refuting seeds by the cause of their first witness.
	Causes map[string]int `json:"causes,omitempty"`
	// Seed is the lowest seed that refutes the claim, and Result what was
	// found of it there; nil if there is none.
	Seed   uint64          `json:"seed,omitempty"`
	Result *checker.Result `json:"result,omitempty"`
}

// Claim returns what was found of the claim of that name, or nil.
func (s *Sample) Claim(name string) *SampledClaim {
	i := slices.IndexFunc(s.Claims, func(c SampledClaim) bool { return c.Claim == name })
	if i < 0 {
		return nil
	}
	return &s.Claims[i]
}

// sampled is one seed's outcome, claim by claim.
type sampled struct {
	verdicts []checker.Verdict
	causes   []string
	// results are kept of the lowest refuting seed alone.
	results []*checker.Result
}

// TakeSample runs the plan once with each seed. Every refutation is judged by
// checker.Check in full, with the evidence from which causes are derived.
// What it returns does not depend on the number of workers. An interrupt or a
// cancelled context ends it early; the seeds that were run without a gap count.
func TakeSample(ctx context.Context, c SampleConfig) (*Sample, error) {
	claims, err := checker.ParseClaims(c.Plan.Claims)
	if err != nil {
		return nil, err
	}
	if c.Seeds < 1 {
		return nil, fmt.Errorf("a sample of %d seeds: want at least 1", c.Seeds)
	}
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &sampling{config: c, claims: claims, outcomes: make([]*sampled, c.Seeds)}
	var group sync.WaitGroup
	for range min(workers, c.Seeds) {
		r, err := newSimulation(c.System, claims)
		if err != nil {
			return nil, err
		}
		group.Go(func() { s.work(ctx, r) })
	}
	group.Wait()
	if s.err != nil {
		return nil, s.err
	}
	return s.sum(), nil
}

type sampling struct {
	config SampleConfig
	claims []string

	mu       sync.Mutex
	taken    int
	done     int
	err      error
	outcomes []*sampled
}

// take hands out the next seed.
func (s *sampling) take(ctx context.Context) (offset int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.config.Interrupt:
		return 0, false
	default:
	}
	if s.err != nil || ctx.Err() != nil || s.taken == s.config.Seeds {
		return 0, false
	}
	s.taken++
	return s.taken - 1, true
}

func (s *sampling) work(ctx context.Context, r *simulation) {
	for {
		offset, ok := s.take(ctx)
		if !ok {
			return
		}
		seed := s.config.FirstSeed + uint64(offset)
		one, err := s.one(ctx, r, withSeed(s.config.Plan, seed))
		s.mu.Lock()
		switch {
		case err == nil:
			s.outcomes[offset] = one
			s.done++
			if s.config.Each != nil {
				s.config.Each(seed, r.operations())
			}
			if s.config.Progress != nil {
				s.config.Progress(s.done)
			}
		case ctx.Err() == nil && s.err == nil: // cut short says nothing about the seed
			if !errors.As(err, new(*DefectError)) {
				err = fmt.Errorf("seed %d: %w", seed, err)
			}
			s.err = err
		}
		s.mu.Unlock()
	}
}

// withSeed is the plan with all that is left to chance drawn from the seed.
func withSeed(p *plan.Plan, seed uint64) *plan.Plan {
	q := p.Clone()
	q.Seed, q.Backend = seed, "sim"
	if q.Surroundings != nil {
		q.Surroundings.Seed = 0 // it stands for the plan's
	}
	return q
}

// one runs and judges the plan of one seed.
func (s *sampling) one(ctx context.Context, r *simulation, p *plan.Plan) (*sampled, error) {
	o, err := safely(ctx, r, p)
	if err != nil {
		return nil, err
	}
	one := &sampled{verdicts: make([]checker.Verdict, len(s.claims)), causes: make([]string, len(s.claims)), results: make([]*checker.Result, len(s.claims))}
	var refuted []string
	for i, claim := range s.claims {
		one.verdicts[i] = checker.Holds
		switch {
		case slices.ContainsFunc(o.anomalies, func(a anomaly) bool { return a.claim == claim }):
			refuted = append(refuted, claim)
		case slices.Contains(o.undecided, claim), slices.Contains(o.vacuous, claim):
			one.verdicts[i] = checker.Unknown
		}
	}
	if len(refuted) == 0 {
		return one, nil
	}
	report, err := r.check(ctx, p, refuted)
	if err != nil {
		return nil, err
	}
	for i := range report.Claims {
		c := &report.Claims[i]
		if c.Verdict != checker.Refuted || len(c.Witnesses) == 0 {
			return nil, &DefectError{Plan: p, Cause: fmt.Sprintf("the screener says that %s is refuted, and the checker says %q", c.Claim, c.Verdict)}
		}
		k := slices.Index(s.claims, c.Claim)
		one.verdicts[k], one.causes[k], one.results[k] = c.Verdict, c.Witnesses[0].Cause, c
	}
	return one, nil
}

// sum counts the seeds, up to the first that was not run.
func (s *sampling) sum() *Sample {
	sample := &Sample{FirstSeed: s.config.FirstSeed, Claims: make([]SampledClaim, len(s.claims))}
	for i, claim := range s.claims {
		sample.Claims[i].Claim = claim
	}
	for offset, one := range s.outcomes {
		if one == nil {
			break
		}
		sample.Seeds++
		for i := range sample.Claims {
			c := &sample.Claims[i]
			switch one.verdicts[i] {
			case checker.Refuted:
				c.Refuted++
				if c.Causes == nil {
					c.Causes = map[string]int{}
				}
				c.Causes[one.causes[i]]++
				if c.Result == nil {
					c.Seed, c.Result = s.config.FirstSeed+uint64(offset), one.results[i]
				}
			case checker.Holds:
				c.Holds++
			default:
				c.Undecided++
			}
		}
	}
	return sample
}
