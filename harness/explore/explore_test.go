package explore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
)

// base is the plan that tests explore around.
func base() *plan.Plan {
	return &plan.Plan{
		Format: plan.Format, Name: "test", Seed: 1, Backend: "sim",
		Target:   plan.Target{Name: "leaderless", Nodes: 5, Settings: map[string]string{"n": "3", "w": "1", "r": "1"}},
		Workload: plan.Workload{Name: "register", Concurrency: 10, Rate: 1000, Settings: map[string]string{"keys": "5", "operations-per-key": "200", "writes": "20"}},
		Claims:   []string{checker.Linearizable, checker.NoLostWrites},
		Limits: plan.Limits{Time: plan.Duration(30 * time.Second), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute)},
	}
}

// world is a fake simulator: what a seed shows is a function of its plan.
type world struct {
	// shows returns the classes, as "claim/class", that a run of the plan shows.
	shows func(p *plan.Plan) []string
	// judged returns the classes that the full judgement gives; nil is those of shows.
	judged func(p *plan.Plan) []string
	// undecided returns the claims that nobody can decide.
	undecided func(p *plan.Plan) []string
	// vacuous returns the claims for which there is nothing to check.
	vacuous func(p *plan.Plan) []string
	// before is called when a run begins, if not nil.
	before func(ctx context.Context, p *plan.Plan) error
	// hash returns the hash of the n-th run of a seed; nil is the seed.
	hash func(seed uint64, n int) uint64

	mu     sync.Mutex
	ran    map[uint64]int
	checks atomic.Int64
}

func (w *world) config() Config {
	return Config{Base: base(), Kinds: []string{nemesis.Partition}, FirstSeed: 1, Workers: 1, ShrinkBudget: -1,
		runner: func(claims []string) (runner, error) { return &fake{world: w, claims: claims}, nil }}
}

func (w *world) runs(seed uint64) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ran[seed]
}

// fake is a runner of a world.
type fake struct {
	world  *world
	claims []string
	last   []history.Operation
}

func (f *fake) anomalies(list []string) (found []anomaly) {
	for _, claim := range f.claims {
		for _, text := range list {
			if class, ok := cut(text, claim); ok {
				found = append(found, anomaly{claim: claim, class: class, key: "r0", at: time.Second})
			}
		}
	}
	return found
}

func cut(text, claim string) (class string, ok bool) {
	if len(text) > len(claim) && text[:len(claim)+1] == claim+"/" {
		return text[len(claim)+1:], true
	}
	return "", false
}

func (f *fake) run(ctx context.Context, p *plan.Plan) (outcome, error) {
	w := f.world
	w.mu.Lock()
	if w.ran == nil {
		w.ran = map[uint64]int{}
	}
	w.ran[p.Seed]++
	n := w.ran[p.Seed]
	w.mu.Unlock()
	if w.before != nil {
		if err := w.before(ctx, p); err != nil {
			return outcome{}, err
		}
	}
	o := outcome{operations: 100, events: 1000, virtual: time.Minute, hash: p.Seed}
	if w.hash != nil {
		o.hash = w.hash(p.Seed, n)
	}
	if w.shows != nil {
		o.anomalies = f.anomalies(w.shows(p))
	}
	if w.undecided != nil {
		o.undecided = w.undecided(p)
	}
	if w.vacuous != nil {
		o.vacuous = w.vacuous(p)
	}
	f.last = play(p)
	return o, nil
}

// play is the history of a plan's operations in a world where each takes a
// millisecond and reads find nothing.
func play(p *plan.Plan) []history.Operation {
	second := int64(time.Second)
	list := []history.Operation{{Index: 0, Completion: 1, Start: second, End: 60 * second, Process: history.Nemesis, F: history.FPhase, Key: history.PhaseMain, Type: history.Ok}}
	for _, o := range p.Operations {
		op := history.Operation{Index: int64(2 * len(list)), Start: second + int64(o.At), End: second + int64(o.At) + 1e6,
			Process: history.Process(o.Worker), F: o.F, Key: o.Key, Node: o.Node, Type: history.Ok, Output: history.NilValue()}
		if o.Value != nil {
			op.Input = history.IntValue(*o.Value)
		}
		list = append(list, op)
	}
	return list
}

func (f *fake) check(_ context.Context, p *plan.Plan, claims []string) (checker.Report, error) {
	w := f.world
	w.checks.Add(1)
	shows := w.shows
	if w.judged != nil {
		shows = w.judged
	}
	var report checker.Report
	for _, claim := range claims {
		c := checker.Result{Claim: claim, Verdict: checker.Holds, Classes: map[string]int{}}
		for _, text := range shows(p) {
			class, ok := cut(text, claim)
			switch {
			case ok && class == "?":
				c.Verdict = checker.Unknown
			case ok:
				c.Verdict = checker.Refuted
				c.Classes[class]++
				c.Witnesses = append(c.Witnesses, checker.Witness{Class: class, Key: "r0", Summary: "Seen in " + class + "."})
			}
		}
		if w.undecided != nil && slices.Contains(w.undecided(p), claim) {
			c.Verdict = checker.Unknown
		}
		report.Claims = append(report.Claims, c)
	}
	return report, nil
}

func (f *fake) operations() []history.Operation { return f.last }

// every shows the class in each seed that the number divides.
func every(n uint64, class string) func(p *plan.Plan) []string {
	return func(p *plan.Plan) []string {
		if p.Seed%n == 0 {
			return []string{class}
		}
		return nil
	}
}

func found(s *Summary) (list []string) {
	for _, f := range s.Findings {
		list = append(list, fmt.Sprintf("%s/%s first %d, %d seeds", f.Claim, f.Class, f.Seed, f.Seeds))
	}
	return list
}

func TestTheLowestFailingSeedEndsTheExploration(t *testing.T) {
	for _, workers := range []int{1, 2, 7} {
		w := &world{shows: every(13, "linearizable/stale-read")}
		c := w.config()
		c.Workers, c.Seeds = workers, 0
		s, err := Run(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, []string{"linearizable/stale-read first 13, 1 seeds"}, found(s))
		assert.Equal(t, EndedByRefutation, s.Ending)
		assert.EqualValues(t, 13, s.Seeds, "seeds beyond it don't count")
		assert.EqualValues(t, 1300, s.Operations)
		assert.Equal(t, plan.Duration(13*time.Minute), s.Virtual)
		assert.Equal(t, checker.Refuted, s.Verdict)
		assert.EqualValues(t, 13, s.Findings[0].Plan.Seed)
		assert.Equal(t, "000000000000000d", s.Findings[0].Hash)
		assert.LessOrEqual(t, len(w.ran), 13+ahead*workers, "no worker goes on for long")
		assert.Equal(t, "The 13th seed is the first that refutes a claim: at 95 %, 0.195–26.5 % of the seeds under this distribution do (the exact interval for the first failure).", s.Statement)
	}
}

// A higher seed fails and is finished long before a lower one that fails too.
func TestAFasterWorkerDoesNotWin(t *testing.T) {
	overtaken := make(chan struct{})
	var once sync.Once
	w := &world{shows: func(p *plan.Plan) []string {
		switch p.Seed {
		case 2:
			return []string{"linearizable/stale-read"}
		case 3, 4:
			return []string{"no-lost-writes/lost"}
		}
		return nil
	}, before: func(_ context.Context, p *plan.Plan) error {
		switch p.Seed {
		case 2:
			<-overtaken
		case 4:
			once.Do(func() { close(overtaken) })
		}
		return nil
	}}
	c := w.config()
	c.Workers, c.Seeds = 2, 100
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, []string{"linearizable/stale-read first 2, 1 seeds"}, found(s))
	assert.EqualValues(t, 2, s.Seeds)
}

func TestTheOutcomeDoesNotDependOnTheNumberOfWorkers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := []string{"linearizable/stale-read", "linearizable/inversion", "no-lost-writes/lost"}
		salt := rapid.Uint64().Draw(t, "salt")
		odds := rapid.Uint64Range(1, 60).Draw(t, "odds")
		w := func() *world {
			return &world{shows: func(p *plan.Plan) (list []string) {
				for i, class := range classes {
					if plan.Draw(salt, "test", p.Seed, uint64(i))%odds == 0 {
						list = append(list, class)
					}
				}
				return list
			}, undecided: func(p *plan.Plan) []string {
				shown := plan.Draw(salt, "test", p.Seed, 2)%odds == 0
				if !shown && plan.Draw(salt, "undecided", p.Seed)%50 == 0 {
					return []string{checker.NoLostWrites}
				}
				return nil
			}}
		}
		keepGoing := rapid.Bool().Draw(t, "keep going")
		seeds := rapid.Uint64Range(1, 80).Draw(t, "seeds")
		var first *Summary
		for _, workers := range []int{1, 3} {
			c := w().config()
			c.Workers, c.Seeds, c.KeepGoing = workers, seeds, keepGoing
			s, err := Run(context.Background(), c)
			require.NoError(t, err)
			s.Explored, s.Elapsed, s.SeedsPerSecond, s.OperationsPerSecond = 0, 0, 0, 0
			if first == nil {
				first = s
			}
			assert.Equal(t, first, s)
		}
		if keepGoing {
			assert.Equal(t, seeds, first.Seeds)
		}
	})
}

func TestKeepGoingCountsAndJudgesOnce(t *testing.T) {
	w := &world{shows: func(p *plan.Plan) (list []string) {
		if p.Seed%3 == 0 {
			list = append(list, "linearizable/stale-read")
		}
		if p.Seed%5 == 0 {
			list = append(list, "no-lost-writes/lost")
		}
		return list
	}}
	c := w.config()
	c.Workers, c.Seeds, c.KeepGoing = 2, 30, true
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, []string{"linearizable/stale-read first 3, 10 seeds", "no-lost-writes/lost first 5, 6 seeds"}, found(s))
	assert.EqualValues(t, 2, w.checks.Load(), "once for each class, not for each seed")
	assert.EqualValues(t, 30, s.Seeds)
	assert.EqualValues(t, 14, s.Failing)
	assert.Equal(t, EndedBySeeds, s.Ending)
	assert.EqualValues(t, 6, s.Claims[1].Failing)
	assert.Equal(t, "wilson", s.Rate.Method)
}

func TestNothingFoundIsABound(t *testing.T) {
	w := &world{}
	c := w.config()
	c.Seeds = 3000
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, checker.Holds, s.Verdict)
	assert.Empty(t, s.Findings)
	assert.Equal(t, "0 of 3,000 seeds refute a claim: at 95 %, at most 0.0998 % of the seeds under this distribution do (1 − 0.05^(1/N), exact).", s.Statement)
}

func TestSeedsThatNobodyCanDecideMakeTheVerdictUnknown(t *testing.T) {
	w := &world{undecided: func(p *plan.Plan) []string {
		if p.Seed == 4 {
			return []string{checker.NoLostWrites}
		}
		return nil
	}}
	c := w.config()
	c.Seeds = 10
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, checker.Unknown, s.Verdict)
	assert.EqualValues(t, 1, s.Doubtful)
	assert.Equal(t, checker.Holds, s.Claims[0].Verdict)
	assert.Equal(t, checker.Unknown, s.Claims[1].Verdict)
	assert.Contains(t, s.Statement, "0 of 9 seeds")
	assert.Contains(t, s.Statement, "1 further seed could not be decided")

	w.shows = every(7, "linearizable/stale-read")
	s, err = Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, checker.Refuted, s.Verdict, "a refutation dominates")
}

func TestSeedsWithNothingToCheckCountForNothing(t *testing.T) {
	w := &world{vacuous: func(p *plan.Plan) []string {
		if p.Seed <= 4 {
			return []string{checker.NoLostWrites}
		}
		return nil
	}}
	c := w.config()
	c.Seeds = 10
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, checker.Holds, s.Verdict)
	assert.EqualValues(t, 10, s.Claims[0].Rate.Trials)
	assert.EqualValues(t, 6, s.Claims[1].Rate.Trials)
	assert.EqualValues(t, 4, s.Claims[1].Vacuous)

	c.Seeds = 4
	s, err = Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, checker.Unknown, s.Verdict, "no seed could have refuted the second claim")
	assert.Equal(t, checker.Holds, s.Claims[0].Verdict)
}

// A suspicion that the full judgement can't decide is no finding, and not the end.
func TestAnUnconfirmedSuspicionIsDoubt(t *testing.T) {
	w := &world{shows: every(4, "linearizable/stale-read")}
	w.judged = func(p *plan.Plan) []string {
		if p.Seed == 4 {
			return []string{"linearizable/?"}
		}
		return w.shows(p)
	}
	c := w.config()
	c.Seeds = 100
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, []string{"linearizable/stale-read first 8, 1 seeds"}, found(s))
	assert.EqualValues(t, 1, s.Doubtful)
}

func TestContradictionsAreDefects(t *testing.T) {
	none := func(*plan.Plan) []string { return nil }
	for name, w := range map[string]*world{
		"the checker sees nothing":       {shows: every(5, "linearizable/stale-read"), judged: none},
		"the checker sees another class": {shows: every(5, "no-lost-writes/lost"), judged: every(5, "no-lost-writes/gone")},
		"the checker sees more": {shows: every(5, "linearizable/stale-read"),
			judged: func(*plan.Plan) []string { return []string{"linearizable/stale-read", "no-lost-writes/lost"} }},
		"the runs differ": {shows: every(5, "linearizable/stale-read"),
			hash: func(_ uint64, n int) uint64 { return uint64(n) }},
		"a panic": {before: func(_ context.Context, p *plan.Plan) error {
			if p.Seed == 5 {
				panic("index out of range")
			}
			return nil
		}},
	} {
		c := w.config()
		c.Seeds, c.Workers = 100, 2
		s, err := Run(t.Context(), c)
		var defect *DefectError
		require.ErrorAs(t, err, &defect, name)
		assert.EqualValues(t, 5, defect.Plan.Seed, name)
		assert.ErrorContains(t, err, "seed 5: ", name)
		assert.ErrorContains(t, err, "defect of refute", name)
		assert.EqualValues(t, 4, s.Seeds, name)
		assert.Equal(t, EndedByError, s.Ending, name)
	}
}

// The class of a violation of linearizability depends on the time there is for its witness.
func TestClassesOfLinearizabilityMayDiffer(t *testing.T) {
	w := &world{shows: every(5, "linearizable/stale-read"), judged: every(5, "linearizable/inversion")}
	c := w.config()
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, []string{"linearizable/stale-read first 5, 1 seeds"}, found(s))
}

func TestAnErrorNamesTheLowestSeed(t *testing.T) {
	cause := errors.New("cannot be simulated")
	w := &world{before: func(_ context.Context, p *plan.Plan) error {
		if p.Seed >= 6 {
			return cause
		}
		return nil
	}}
	c := w.config()
	c.Workers = 3
	s, err := Run(t.Context(), c)
	require.ErrorIs(t, err, cause)
	assert.ErrorContains(t, err, "seed 6: ")
	assert.EqualValues(t, 5, s.Seeds)
}

func TestTheBudgetEndsBetweenSeeds(t *testing.T) {
	var clock atomic.Int64
	w := &world{before: func(context.Context, *plan.Plan) error {
		clock.Add(int64(time.Second))
		return nil
	}}
	c := w.config()
	c.Budget = 10 * time.Second
	c.now = func() time.Time { return time.Unix(0, clock.Load()) }
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.EqualValues(t, 10, s.Seeds)
	assert.Equal(t, EndedByBudget, s.Ending)
	assert.InDelta(t, 1, s.SeedsPerSecond, 1e-9)
	assert.InDelta(t, 100, s.OperationsPerSecond, 1e-9)
}

func TestAnInterruptKeepsWhatIsFinished(t *testing.T) {
	interrupt := make(chan struct{})
	w := &world{shows: every(3, "linearizable/stale-read"), before: func(_ context.Context, p *plan.Plan) error {
		if p.Seed == 20 {
			close(interrupt)
		}
		return nil
	}}
	c := w.config()
	c.KeepGoing, c.Interrupt = true, interrupt
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, EndedByInterrupt, s.Ending)
	assert.EqualValues(t, 20, s.Seeds)
	assert.EqualValues(t, 6, s.Findings[0].Seeds)
}

func TestACancelledSeedDoesNotCount(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{before: func(ctx context.Context, p *plan.Plan) error {
		if p.Seed == 6 {
			cancel()
		}
		return ctx.Err()
	}}
	c := w.config()
	s, err := Run(ctx, c)
	require.NoError(t, err)
	assert.Equal(t, EndedByInterrupt, s.Ending)
	assert.EqualValues(t, 5, s.Seeds)
}

// A worker that is as far ahead as it may be waits for one that will never finish.
func TestACancelledExplorationLeavesNobodyWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{before: func(ctx context.Context, p *plan.Plan) error {
		switch p.Seed {
		case 1:
			<-ctx.Done()
			return ctx.Err()
		case 2 * ahead:
			cancel()
		}
		return nil
	}}
	c := w.config()
	c.Workers = 2
	s, err := Run(ctx, c)
	require.NoError(t, err)
	assert.EqualValues(t, 0, s.Seeds, "without the first none of the others counts")
	assert.Equal(t, checker.Unknown, s.Verdict)
	assert.Equal(t, "No seed was explored: nothing can be said.", s.Statement)
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no base plan":                func(c *Config) { c.Base = nil },
		"begin with a smaller seed":   func(c *Config) { c.FirstSeed, c.Seeds = 1<<64-2, 3 },
		"a budget of -1s":             func(c *Config) { c.Budget = -time.Second },
		"-1 workers":                  func(c *Config) { c.Workers = -1 },
		"a greatest skew of -1s":      func(c *Config) { c.Draw.Skew = -time.Second },
		`unknown nemesis "fire"`:      func(c *Config) { c.Kinds = []string{"fire"} },
		`unknown claim "consistency"`: func(c *Config) { c.Base.Claims = []string{"consistency"} },
	} {
		c := (&world{}).config()
		change(&c)
		s, err := Run(t.Context(), c)
		assert.ErrorContains(t, err, want)
		assert.Nil(t, s)
	}
}

func TestTheLastSeedsThereAre(t *testing.T) {
	for _, seeds := range []uint64{0, 3} {
		c := (&world{}).config()
		c.FirstSeed, c.Seeds = 1<<64-3, seeds
		s, err := Run(t.Context(), c)
		require.NoError(t, err)
		assert.EqualValues(t, 3, s.Seeds)
		assert.Equal(t, EndedBySeeds, s.Ending)
	}
}

func TestProgressTellsHowItWentInTheEnd(t *testing.T) {
	var last Progress
	w := &world{shows: every(4, "linearizable/stale-read")}
	c := w.config()
	c.Seeds, c.KeepGoing = 10, true
	c.Progress = func(p Progress) { last = p }
	_, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.EqualValues(t, 10, last.Seeds)
	assert.EqualValues(t, 1000, last.Operations)
	assert.Equal(t, []Found{{Claim: "linearizable", Class: "stale-read", Seeds: 2, First: 4}}, last.Found)
}

// A plan with three operations and one fault that matter, among many.
func TestFindingsAreShrunkAndExplained(t *testing.T) {
	needs := func(p *plan.Plan) bool {
		if p.Operations == nil {
			return p.Seed%7 == 0
		}
		have := map[string]bool{}
		for _, o := range p.Operations {
			have[fmt.Sprint(o.Worker, "-", o.Index)] = true
		}
		return have["0-3"] && have["1-8"] && have["2-11"] && slices.ContainsFunc(p.Schedule, func(f plan.Fault) bool { return f.ID == "f1" })
	}
	w := &world{shows: func(p *plan.Plan) []string {
		if needs(p) {
			return []string{"no-lost-writes/lost"}
		}
		return nil
	}}
	c := w.config()
	c.ShrinkBudget = time.Minute
	c.materialise = func(_ context.Context, p *plan.Plan) (*plan.Plan, error) {
		q := p.Clone()
		q.Operations = []plan.Operation{}
		q.Workload.Concurrency = 3
		q.Limits.Time = plan.Duration(time.Minute)
		for i := range 60 {
			o := plan.Operation{Worker: i % 3, Index: i / 3, At: plan.Duration(i) * plan.Duration(10*time.Millisecond), F: history.FRead, Key: "r0", Node: "n1"}
			if i%3 == 0 {
				value := int64(i)
				o.F, o.Value = history.FWrite, &value
			}
			q.Operations = append(q.Operations, o)
		}
		return q, nil
	}
	s, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, s.Findings, 1)
	f := s.Findings[0]
	assert.EqualValues(t, 7, f.Seed)
	assert.Equal(t, 60, f.Original.Operations)
	require.NotNil(t, f.Minimal)
	assert.Equal(t, Size{3, 1}, f.Minimal.Size)
	assert.True(t, f.Minimal.Complete)
	assert.True(t, needs(f.Minimal.Plan))
	assert.NoError(t, f.Minimal.Plan.Validate())
	assert.Equal(t, "Seen in lost.", f.Minimal.Explanation)
	assert.EqualValues(t, 100, f.Minimal.Rate.Failing, "it depends on no delay")
	assert.Len(t, f.Minimal.Steps, 4)
	assert.Same(t, f.Minimal.Plan, f.Best())

	// Under most networks, but not its own, it takes a fault that lasts.
	depends := func(p *plan.Plan) bool {
		own := p.Surroundings.Seed%10 == f.Plan.Surroundings.Seed%10
		lasts := slices.ContainsFunc(p.Schedule, func(f plan.Fault) bool { return time.Duration(f.Duration) >= 200*time.Millisecond })
		return p.Operations == nil || own != lasts || len(p.Schedule) > 1 && own
	}
	w.shows = func(p *plan.Plan) []string {
		if needs(p) && depends(p) {
			return []string{"no-lost-writes/lost"}
		}
		return nil
	}
	c.Robustify = true
	s, err = Run(t.Context(), c)
	require.NoError(t, err)
	f = s.Findings[0]
	assert.Less(t, f.Minimal.Rate.Failing, uint64(30))
	require.NotNil(t, f.Robust)
	assert.Greater(t, f.Robust.Rate.Failing, uint64(80))
	assert.True(t, needs(f.Robust.Plan) && depends(f.Robust.Plan), "the plan shows it by itself, under a seed of its own")
	assert.Same(t, f.Robust.Plan, f.Best())
	c.Robustify = false

	// The plan as it is written out has to show what the seed's does.
	c.materialise = func(_ context.Context, p *plan.Plan) (*plan.Plan, error) {
		q := p.Clone()
		q.Operations = []plan.Operation{}
		return q, nil
	}
	_, err = Run(t.Context(), c)
	var defect *DefectError
	require.ErrorAs(t, err, &defect)
	assert.ErrorContains(t, err, "written out")
}

func TestExamineRunsOnePlan(t *testing.T) {
	w := &world{shows: func(*plan.Plan) []string { return []string{"linearizable/stale-read", "no-lost-writes/lost"} }}
	p := Draw(base(), 99, []string{nemesis.Kill}, DrawOptions{})
	c := w.config()
	c.Base = nil
	s, err := Examine(t.Context(), p, c)
	require.NoError(t, err)
	assert.Equal(t, []string{"linearizable/stale-read first 99, 1 seeds", "no-lost-writes/lost first 99, 1 seeds"}, found(s))
	assert.Equal(t, p, s.Findings[0].Plan)
	assert.Equal(t, 2, w.runs(99), "once to see it and once to confirm it")
	assert.Equal(t, "The plan shows 2 kinds of violations.", s.Statement)
}
