package explore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
)

// DefaultShrinkBudget is the longest time for shrinking one finding where Config names none.
const DefaultShrinkBudget = 30 * time.Second

// Config says what is explored, and for how long.
type Config struct {
	// Base is what every seed's plan has in common; see Draw. Its claims are those that are to be refuted.
	Base *plan.Plan
	// System is the base plan's target in the plan's configuration. It must be one that can be simulated.
	System target.System
	// Kinds are the kinds of faults that seeds draw from, by their names in package nemesis; none is no fault at all.
	Kinds []string
	// FirstSeed is the first seed; the others follow it without a gap.
	FirstSeed uint64
	// Seeds is the greatest number of seeds; 0 is no bound.
	Seeds uint64
	// Budget is the time after which no further seed is begun; 0 is no bound.
	// Shrinking comes on top.
	Budget time.Duration
	// Workers is how many seeds are run at the same time; 0 is GOMAXPROCS.
	Workers int
	// KeepGoing goes on after a refutation, to find other ones and to learn how frequent they are.
	KeepGoing bool
	// ShrinkBudget is the longest time for shrinking one finding, and again
	// for making it robust; 0 is DefaultShrinkBudget, negative shrinks nothing.
	ShrinkBudget time.Duration
	// Robustify also looks for a variant of each finding that fails on nearly every network.
	Robustify bool
	// Draw bounds what seeds draw.
	Draw DrawOptions
	// Progress, if not nil, is told several times a second how the exploration
	// goes, and at the end. It is called by one goroutine at a time.
	Progress func(Progress)
	// Interrupt, when closed, ends the exploration; what was found is still
	// shrunk. Cancelling the context ends that too.
	Interrupt <-chan struct{}

	// only, if not nil, is the one plan that is run instead of drawing any.
	only *plan.Plan
	// What tests replace.
	runner      func(claims []string) (runner, error)
	materialise func(ctx context.Context, p *plan.Plan) (*plan.Plan, error)
	now         func() time.Time
}

// ahead is how many seeds a worker may be ahead of those that are collected.
// It has to bridge the time in which a finding is confirmed, and bounds what
// is thrown away behind the last seed that counts.
const ahead = 256

// progressInterval is the time between two calls of Config.Progress.
const progressInterval = 200 * time.Millisecond

// fill puts the defaults in and refuses what makes no sense.
func (c *Config) fill() error {
	switch {
	case c.Base == nil:
		return errors.New("explore: there is no base plan")
	case c.Seeds > 0 && c.FirstSeed > math.MaxUint64-(c.Seeds-1):
		return fmt.Errorf("explore: %d seeds from %d on are more than there are: begin with a smaller seed", c.Seeds, c.FirstSeed)
	case c.Budget < 0:
		return fmt.Errorf("explore: a budget of %s: want a time, or 0 for no bound", c.Budget)
	case c.Workers < 0:
		return fmt.Errorf("explore: %d workers: want at least 1, or 0 for one on each processor", c.Workers)
	case c.Draw.Skew < 0:
		return fmt.Errorf("explore: a greatest skew of %s: want a time, or 0 for the default", c.Draw.Skew)
	}
	kinds, err := nemesis.ParseKinds(c.Kinds)
	if err != nil {
		return err
	}
	c.Kinds = kinds
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.ShrinkBudget == 0 {
		c.ShrinkBudget = DefaultShrinkBudget
	}
	if c.runner == nil {
		system := c.System
		c.runner = func(claims []string) (runner, error) { return newSimulation(system, claims) }
	}
	if c.materialise == nil {
		system := c.System
		c.materialise = func(ctx context.Context, p *plan.Plan) (*plan.Plan, error) {
			return sim.Materialise(ctx, p, system)
		}
	}
	if c.now == nil {
		c.now = time.Now
	}
	return nil
}

// Run explores seeds until a claim is refuted, the seeds or the budget end, or
// it is interrupted; then it shrinks what was found.
//
// Seeds are begun in order, and their outcomes are taken in the same order, so
// that what is reported does not depend on the number of workers: for each
// claim and class the finding is that of the lowest seed, and without
// KeepGoing nothing after the lowest failing seed counts.
//
// Before a finding counts its seed is run again, which must give the same
// run, and its history is judged in full by checker.Check. Where the two ways
// of judging disagree, or the two runs, the error is a *DefectError. Whatever
// the error, the summary tells what was seen until then; it is nil only where
// nothing was begun.
func Run(ctx context.Context, c Config) (*Summary, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	claims, err := checker.ParseClaims(c.Base.Claims)
	if err != nil {
		return nil, err
	}
	e := &exploration{config: c, claims: claims, began: c.now(), finished: map[uint64]finished{},
		stage: StageExploring, undecided: make([]uint64, len(claims)), refuting: make([]uint64, len(claims)), vacuous: make([]uint64, len(claims))}
	e.more.L, e.room.L = &e.mu, &e.mu
	stop := e.watch()
	defer stop()
	err = e.explore(ctx)
	e.mu.Lock()
	e.explored = c.now().Sub(e.began)
	e.mu.Unlock()
	if err == nil && len(e.findings) > 0 && c.ShrinkBudget > 0 {
		err = e.reduceAll(ctx)
	}
	return e.summary(ctx, err), err
}

// Examine does with one plan what Run does with the plans of seeds: it runs
// it, has what it shows confirmed and shrinks that. What the plan shows is in
// the summary's findings. Of the configuration it heeds Workers, ShrinkBudget,
// Robustify, Progress and System.
func Examine(ctx context.Context, p *plan.Plan, c Config) (*Summary, error) {
	c.Base, c.only, c.FirstSeed, c.Seeds, c.Budget, c.KeepGoing, c.Kinds = p, p, p.Seed, 1, 0, true, nil
	return Run(ctx, c)
}

// finished is a seed that has been run.
type finished struct {
	outcome outcome
	err     error
}

// exploration is one call of Run.
type exploration struct {
	config Config
	claims []string
	began  time.Time

	mu   sync.Mutex
	more sync.Cond // a seed was finished, or a worker ended
	room sync.Cond // a seed was collected, or no further one is to be begun
	// Seeds are counted from 0 here, the first being Config.FirstSeed.
	taken    uint64
	working  int
	stopped  bool
	finished map[uint64]finished // those that were not collected yet
	ending   Ending

	// The rest is the collector's; written under mu, for Progress.
	stage     Stage
	collected uint64
	failing   uint64 // seeds that refute a claim
	doubtful  uint64 // seeds that refute none, with a claim undecided
	// Of each claim, the seeds that refute it, leave it undecided, or have nothing to check.
	refuting   []uint64
	undecided  []uint64
	vacuous    []uint64
	operations int64
	events     int64
	virtual    time.Duration
	explored   time.Duration
	findings   []*Finding
	shrinking  []*shrinkingState
}

// explore runs seeds and collects their outcomes until there is an end to it.
func (e *exploration) explore(ctx context.Context) error {
	collector, err := e.config.runner(e.claims)
	if err != nil {
		return err
	}
	runners := make([]runner, e.config.Workers)
	for i := range runners {
		if runners[i], err = e.config.runner(e.claims); err != nil {
			return err
		}
	}
	e.working = len(runners)
	var workers sync.WaitGroup
	for _, r := range runners {
		workers.Go(func() { e.work(ctx, r) })
	}
	defer workers.Wait()
	defer e.stop()
	for {
		offset, f, ok := e.next()
		if !ok {
			return nil
		}
		if f.err != nil {
			return f.err
		}
		end, err := e.collect(ctx, collector, offset, f.outcome)
		if err != nil || end {
			return err
		}
	}
}

// work runs one seed after the other.
func (e *exploration) work(ctx context.Context, r runner) {
	defer func() {
		e.mu.Lock()
		e.working--
		e.more.Signal()
		e.mu.Unlock()
	}()
	for {
		offset, ok := e.take(ctx)
		if !ok {
			return
		}
		seed := e.config.FirstSeed + offset
		o, err := safely(ctx, r, e.draw(seed))
		if err != nil {
			if ctx.Err() != nil {
				e.interrupted() // it was cut short, which says nothing about the seed
				return
			}
			var defect *DefectError
			if !errors.As(err, &defect) {
				err = fmt.Errorf("seed %d: %w", seed, err)
			}
		}
		e.mu.Lock()
		e.finished[offset] = finished{o, err}
		e.more.Signal()
		e.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (e *exploration) draw(seed uint64) *plan.Plan {
	if e.config.only != nil {
		return e.config.only.Clone()
	}
	return Draw(e.config.Base, seed, e.config.Kinds, e.config.Draw)
}

// take hands out the next seed, unless there is a reason to end.
func (e *exploration) take(ctx context.Context) (offset uint64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.stopped && e.taken-e.collected >= ahead*uint64(e.config.Workers) {
		e.room.Wait()
	}
	if e.stopped {
		return 0, false
	}
	interrupted := ctx.Err() != nil
	select {
	case <-e.config.Interrupt:
		interrupted = true
	default:
	}
	switch {
	case interrupted:
		e.ending = EndedByInterrupt
	case e.config.Seeds > 0 && e.taken == e.config.Seeds,
		e.config.Seeds == 0 && e.config.FirstSeed+e.taken < e.config.FirstSeed:
		e.ending = EndedBySeeds
	case e.config.Budget > 0 && e.config.now().Sub(e.began) >= e.config.Budget:
		e.ending = EndedByBudget
	default:
		e.taken++
		return e.taken - 1, true
	}
	e.stopped = true
	return 0, false
}

// stop lets no worker begin another seed.
func (e *exploration) stop() {
	e.mu.Lock()
	e.stopped = true
	e.room.Broadcast()
	e.mu.Unlock()
}

// next waits for the seed that is next in order. It returns false when that
// will not come any more.
func (e *exploration) next() (offset uint64, f finished, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	offset = e.collected
	for {
		if f, ok = e.finished[offset]; ok {
			delete(e.finished, offset)
			return offset, f, true
		}
		if e.working == 0 {
			return 0, finished{}, false
		}
		e.more.Wait()
	}
}

// collect takes the outcome of a seed into account. It says whether this is the end.
func (e *exploration) collect(ctx context.Context, r runner, offset uint64, o outcome) (end bool, err error) {
	seed := e.config.FirstSeed + offset
	var confirmed []anomaly
	undecided := o.undecided
	if slices.ContainsFunc(o.anomalies, func(a anomaly) bool { return e.finding(a) == nil }) {
		if confirmed, undecided, err = e.confirm(ctx, r, seed, o); err != nil {
			return true, err
		}
		if ctx.Err() != nil {
			e.interrupted() // the judgement was cut short
			return true, nil
		}
	} else {
		confirmed = o.anomalies
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collected++
	e.room.Broadcast()
	e.operations += int64(o.operations)
	e.events += int64(o.events)
	e.virtual += o.virtual
	for i, claim := range e.claims {
		switch {
		case slices.ContainsFunc(confirmed, func(a anomaly) bool { return a.claim == claim }):
			e.refuting[i]++
		case slices.Contains(undecided, claim):
			e.undecided[i]++
		case slices.Contains(o.vacuous, claim):
			e.vacuous[i]++
		}
	}
	switch {
	case len(confirmed) > 0:
		e.failing++
	case len(undecided) > 0:
		e.doubtful++
	}
	for _, a := range confirmed {
		f := e.finding(a)
		if f == nil {
			p := e.draw(seed)
			f = &Finding{Claim: a.claim, Class: a.class, Key: a.key, Seed: seed, Plan: p, Hash: fmt.Sprintf("%016x", o.hash)}
			e.findings = append(e.findings, f)
		}
		f.Seeds++
	}
	if len(confirmed) > 0 && !e.config.KeepGoing {
		// Both at once: a worker that asked for a seed in between would find
		// none left and say that this was the end.
		e.ending, e.stopped = EndedByRefutation, true
		return true, nil
	}
	return false, nil
}

func (e *exploration) interrupted() {
	e.mu.Lock()
	e.ending, e.stopped = EndedByInterrupt, true
	e.room.Broadcast()
	e.mu.Unlock()
}

// finding returns the finding that the anomaly repeats, or nil.
func (e *exploration) finding(a anomaly) *Finding {
	for _, f := range e.findings {
		if f.Claim == a.claim && f.Class == a.class {
			return f
		}
	}
	return nil
}

// confirm runs the seed again and has its history judged in full. It returns
// the anomalies that are confirmed and the claims that remain undecided.
func (e *exploration) confirm(ctx context.Context, r runner, seed uint64, o outcome) (confirmed []anomaly, undecided []string, err error) {
	p := e.draw(seed)
	again, err := safely(ctx, r, p)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	if again.hash != o.hash {
		return nil, nil, &DefectError{p, fmt.Sprintf("two runs of it are not the same run (hashes %016x and %016x)", o.hash, again.hash)}
	}
	report, err := r.check(ctx, p, e.claims)
	if err != nil {
		return nil, nil, fmt.Errorf("seed %d: checking its history: %w", seed, err)
	}
	if ctx.Err() != nil {
		return nil, nil, nil
	}
	for i := range report.Claims {
		c := &report.Claims[i]
		var screened []anomaly
		for _, a := range o.anomalies {
			if a.claim == c.Claim {
				screened = append(screened, a)
			}
		}
		switch {
		case c.Verdict == checker.Unknown:
			if len(screened) > 0 || slices.Contains(o.undecided, c.Claim) {
				undecided = append(undecided, c.Claim)
			}
		case len(screened) > 0 || c.Verdict == checker.Refuted && !slices.Contains(o.undecided, c.Claim):
			if err := agree(p, c, screened); err != nil {
				return nil, nil, err
			}
			confirmed = append(confirmed, screened...)
		}
	}
	return confirmed, undecided, nil
}

// agree compares what was found of one claim at first sight with the full
// judgement. The class of a violation of linearizability is that of its
// smallest witness, for which checker.Check has only so much time; there, the
// verdict alone is compared.
func agree(p *plan.Plan, c *checker.Result, screened []anomaly) error {
	var seen []string
	for _, a := range screened {
		seen = append(seen, a.class)
	}
	slices.Sort(seen)
	judged := violations(c)
	agreed := c.Verdict == checker.Refuted && len(seen) > 0
	if c.Claim != checker.Linearizable {
		for _, class := range seen {
			agreed = agreed && c.Classes[class] > 0
		}
		for _, class := range judged {
			agreed = agreed && slices.Contains(seen, class)
		}
	}
	if !agreed {
		return &DefectError{p, fmt.Sprintf("the screener and the checker disagree about %s: violations %q at first sight, verdict %s with violations %q in full", c.Claim, seen, c.Verdict, judged)}
	}
	return nil
}
