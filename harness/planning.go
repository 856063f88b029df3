package harness

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

// UsageError is an error of the user's input: a flag, a setting, a plan file.
// The command ends with exit code 254 on it.
type UsageError struct{ Err error }

// Error returns the message of the cause.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Request is what the user asks for, before it is made into a plan. The zero
// value of a field, or a nil list, stands for the default.
type Request struct {
	Name string
	Seed uint64
	// Backend is OnDocker, the default, or OnSim.
	Backend     string
	Target      target.Target
	Nodes       int
	Workload    string
	Concurrency int
	// Rate is in operations a second, all clients together; 0 is unlimited,
	// negative the workload's default.
	Rate float64
	// Nemesis are kinds of faults; nil is the default, empty is none.
	Nemesis []string
	// Profile is a profile of the target (target.Profiled); empty for none.
	Profile string
	// Settings are the target's and the workload's, told apart by their names.
	// They override those of the profile.
	Settings map[string]string
	// Claims must hold; nil is what the target's configuration claims.
	Claims    []string
	Expect    []string
	TimeLimit time.Duration
	// OperationTimeout is the deadline of one client call.
	OperationTimeout time.Duration
	// WANLatency and WANJitter are what messages between data centres take in
	// addition, and the most on top of that; 0 is the default, negative none.
	// Only the simulation can do it.
	WANLatency, WANJitter time.Duration
}

// DefaultNemesis are the kinds of faults of a run that names none.
var DefaultNemesis = []string{nemesis.Partition, nemesis.Pause, nemesis.Kill, nemesis.Clock}

// The defaults and bounds of a run.
const (
	DefaultTimeLimit        = 30 * time.Second
	DefaultOperationTimeout = time.Second
	DefaultConcurrency      = 10
	DefaultNodes            = 5
	shortestTime            = 5 * time.Second
	shortestSimulated       = 100 * time.Millisecond
	longestTime             = 24 * time.Hour
	mostNodes               = 25
	defaultWANLatency       = 20 * time.Millisecond // between two cities of one continent
	defaultWANJitter        = 5 * time.Millisecond
	quietTimeout            = 10 * time.Second
	finalsTimeout           = 15 * time.Second
	checkTimeout            = 60 * time.Second
	checkMemory             = 4 << 30
)

// NewPlan makes the plan of a run. Everything that is random
// about the run is decided here or follows from the seed. Errors are
// *UsageError; they name what is wrong and what would be right.
func NewPlan(r Request) (*plan.Plan, target.System, error) {
	p, system, err := newPlan(r)
	if err != nil {
		return nil, nil, &UsageError{err}
	}
	return p, system, nil
}

func newPlan(r Request) (*plan.Plan, target.System, error) {
	if err := r.fill(); err != nil {
		return nil, nil, err
	}
	workload, err := workloads.Lookup(r.Workload)
	if err != nil {
		return nil, nil, err
	}
	forTarget, forWorkload := shareSettings(r.Settings, r.Target, workload)
	workloadSettings, err := workloads.Resolve(workload, forWorkload)
	if err != nil {
		return nil, nil, err
	}
	if r.Profile != "" {
		forTarget = withDataType(r.Target, workload, workloadSettings, forTarget)
	}
	if forTarget, err = withProfile(r.Target, r.Profile, forTarget); err != nil {
		return nil, nil, err
	}
	system, err := r.Target.Configure(r.Nodes, withNeeds(r.Target, workload, workloadSettings, forTarget))
	if err != nil {
		return nil, nil, err
	}
	claims, err := chooseClaims(r.Claims, system, workload)
	if err != nil {
		return nil, nil, err
	}
	kinds, err := nemesis.ParseKinds(r.Nemesis)
	if err != nil {
		return nil, nil, err
	}
	caps := nemesis.ContainerCaps()
	var surroundings *plan.Surroundings
	if r.Backend == OnSim {
		caps = sim.Caps()
		surroundings = &plan.Surroundings{Latency: plan.Duration(sim.DefaultLatency), Sync: plan.Duration(sim.DefaultSync)}
	}
	if err := caps.AllowKinds(kinds); err != nil {
		return nil, nil, err
	}
	if err := r.wan(surroundings, system); err != nil {
		return nil, nil, err
	}
	quiet := quietTimeout
	if s, ok := system.(target.Settling); ok {
		quiet = max(quiet, s.SettleTime())
	}
	nodes := plan.NodeNames(r.Nodes)
	p := &plan.Plan{
		Format:  plan.Format,
		Name:    r.Name,
		Seed:    r.Seed,
		Backend: r.Backend,
		Target:  plan.Target{Name: r.Target.Name(), Nodes: r.Nodes, Settings: system.Settings()},
		Workload: plan.Workload{Name: workload.Name(), Concurrency: r.Concurrency, Rate: r.Rate,
			Settings: workloadSettings},
		Nemesis:      kinds,
		Schedule:     nemesis.Schedule(r.Seed, kinds, nodes, r.TimeLimit, nemesis.ScheduleOptions{Caps: caps, Datacenters: target.DatacentersOf(system)}),
		Surroundings: surroundings,
		Claims:       claims,
		Expect:       r.Expect,
		Limits: plan.Limits{
			Time: plan.Duration(r.TimeLimit), Operation: plan.Duration(r.OperationTimeout),
			Quiet: plan.Duration(quiet), Finals: plan.Duration(finalsTimeout),
			Check: plan.Duration(checkTimeout), CheckMemory: checkMemory,
		},
	}
	if p.Workload.Rate < 0 {
		p.Workload.Rate = workload.DefaultRate()
	}
	if p.Name == "" {
		p.Name = r.Target.Name() + "-" + workload.Name()
	}
	if err := checkExpectations(r.Expect, claims); err != nil {
		return nil, nil, err
	}
	// The generator refuses workload settings that make no sense: find out before anything is started.
	if _, err := workload.Main(workloadConfig(p)); err != nil {
		return nil, nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	return p, system, nil
}

func (r *Request) fill() error {
	if r.Backend == "" {
		r.Backend = OnDocker
	}
	if r.Nodes == 0 {
		r.Nodes = DefaultNodes
	}
	if r.Concurrency == 0 {
		r.Concurrency = DefaultConcurrency
	}
	if r.TimeLimit == 0 {
		r.TimeLimit = DefaultTimeLimit
	}
	if r.OperationTimeout == 0 {
		r.OperationTimeout = DefaultOperationTimeout
	}
	if r.Workload == "" {
		r.Workload = "register"
	}
	if r.Nemesis == nil {
		r.Nemesis = DefaultNemesis
	}
	switch {
	case r.Nodes < 1 || r.Nodes > mostNodes:
		return fmt.Errorf("%d nodes: want 1…%d", r.Nodes, mostNodes)
	case r.Concurrency < 1 || r.Concurrency > 1000:
		return fmt.Errorf("a concurrency of %d: want 1…1000 clients", r.Concurrency)
	case r.Backend == OnSim && (r.TimeLimit < shortestSimulated || r.TimeLimit > longestTime):
		return fmt.Errorf("a time limit of %s: want %s…%s", r.TimeLimit, shortestSimulated, longestTime)
	case r.Backend != OnSim && (r.TimeLimit < shortestTime || r.TimeLimit > longestTime):
		return fmt.Errorf("a time limit of %s: want %s…%s, or no fault has time to be injected, verified and healed", r.TimeLimit, shortestTime, longestTime)
	case r.OperationTimeout < 10*time.Millisecond || r.OperationTimeout > time.Minute:
		return fmt.Errorf("an operation timeout of %s: want 10ms…1m", r.OperationTimeout)
	}
	return nil
}

// wan fills in how slow the links between data centres are.
func (r *Request) wan(s *plan.Surroundings, system target.System) error {
	several := target.DatacentersOf(system) != nil
	switch {
	case max(r.WANLatency, r.WANJitter) > 0 && s == nil:
		return errSlowLinks(r.WANLatency, r.WANJitter, "leave both out")
	case max(r.WANLatency, r.WANJitter) > 0 && !several:
		return fmt.Errorf("a wan latency of %s, a jitter of %s: the target has one data centre only, so no message is ever between two: configure several (--set datacenters=2), or leave both out",
			max(r.WANLatency, 0), max(r.WANJitter, 0))
	case s == nil || !several:
		return nil
	}
	choose := func(given, otherwise time.Duration) plan.Duration {
		if given == 0 {
			given = otherwise
		}
		return plan.Duration(max(given, 0))
	}
	s.WANLatency, s.WANJitter = choose(r.WANLatency, defaultWANLatency), choose(r.WANJitter, defaultWANJitter)
	return nil
}

// errSlowLinks refuses slow links between data centres where there are real ones.
func errSlowLinks(latency, jitter time.Duration, remedy string) error {
	return fmt.Errorf("a wan latency of %s, a jitter of %s: only the simulation can slow down the links between data centres (on containers the agents cut links, but do not slow them down): use --on sim, or %s",
		max(latency, 0), max(jitter, 0), remedy)
}

// AllClaims stands for every claim that any run of the workload can decide,
// whether the target makes it or not. Those that need something which need not
// happen are to be named (see workloads.Workload).
const AllClaims = "all"

// chooseClaims returns the claims to be checked: those asked for, or those of
// the target's configuration, as far as the workload can decide them.
func chooseClaims(asked []string, s target.System, w workloads.Workload) ([]string, error) {
	always := w.Claims()
	decidable := slices.Concat(always, w.Occasional())
	if asked == nil {
		var claims []string
		for _, c := range s.Claims() {
			if slices.Contains(always, c) {
				claims = append(claims, c)
			}
		}
		if len(claims) == 0 {
			return nil, fmt.Errorf("this configuration of the target claims nothing that the workload %s can decide: name the claims with --claims (%s)", w.Name(), strings.Join(decidable, ", "))
		}
		return claims, nil
	}
	if len(asked) == 1 && asked[0] == AllClaims {
		return always, nil
	}
	claims, err := checker.ParseClaims(asked)
	if err != nil {
		return nil, err
	}
	for _, c := range claims {
		if !slices.Contains(decidable, c) {
			return nil, fmt.Errorf("the workload %s cannot decide the claim %s: it decides %s", w.Name(), c, strings.Join(decidable, ", "))
		}
	}
	return claims, nil
}

// checkExpectations wants each to be "refuted:CLAIM" with a claim that is checked.
func checkExpectations(expect, claims []string) error {
	for _, e := range expect {
		claim, ok := strings.CutPrefix(e, "refuted:")
		if !ok {
			return fmt.Errorf("--expect %q: want refuted:CLAIM", e)
		}
		if !slices.Contains(claims, claim) {
			return fmt.Errorf("--expect %q: %s is not among the claims that this run checks (%s)", e, claim, strings.Join(claims, ", "))
		}
	}
	return nil
}

func workloadConfig(p *plan.Plan) workloads.Config {
	return workloads.NewConfig(p.Seed, plan.NodeNames(p.Target.Nodes), p.Workload.Concurrency, p.Workload.Settings)
}

// LoadPlan reads a plan file and configures its target. backend is where it is
// to run: OnDocker, OnSim, or OnAuto for the backend that the file names. The
// plan that is returned says where it runs in the end. Faults that the backend
// cannot make are refused by name. Errors are *UsageError.
func LoadPlan(path, backend string) (*plan.Plan, target.System, error) {
	p, system, err := loadPlan(path, backend)
	if err != nil {
		return nil, nil, &UsageError{fmt.Errorf("%s: %w", path, err)}
	}
	return p, system, nil
}

func loadPlan(path, backend string) (*plan.Plan, target.System, error) {
	p, err := plan.Load(path)
	if err != nil {
		return nil, nil, err
	}
	system, err := prepare(p, backend)
	return p, system, err
}

// prepare configures the target of a plan that somebody wrote, fills in what
// the plan leaves to the workload's defaults, and checks all that can be
// checked before the run.
func prepare(p *plan.Plan, backend string) (target.System, error) {
	if backend != OnAuto {
		p.Backend = backend
	}
	under, err := target.Lookup(p.Target.Name)
	if err != nil {
		return nil, err
	}
	workload, err := workloads.Lookup(p.Workload.Name)
	if err != nil {
		return nil, err
	}
	if p.Workload.Settings, err = workloads.Resolve(workload, p.Workload.Settings); err != nil {
		return nil, err
	}
	// A plan that leaves out what its workload needs of the target means just that.
	system, err := under.Configure(p.Target.Nodes, withNeeds(under, workload, p.Workload.Settings, p.Target.Settings))
	if err != nil {
		return nil, err
	}
	if _, err := mainGenerator(p, workload); err != nil {
		return nil, err
	}
	if p.Claims, err = chooseClaims(p.Claims, system, workload); err != nil {
		return nil, err
	}
	if err := checkExpectations(p.Expect, p.Claims); err != nil {
		return nil, err
	}
	if err := nemesis.Validate(p.Schedule, plan.NodeNames(p.Target.Nodes)); err != nil {
		return nil, err
	}
	return system, allowSchedule(p)
}

// allowSchedule refuses, by name and with the remedy, faults that no machine
// can make on the plan's backend.
func allowSchedule(p *plan.Plan) error {
	switch p.Backend {
	case OnDocker:
		if s := p.Surroundings; s != nil && s.WANLatency+s.WANJitter > 0 {
			return errSlowLinks(time.Duration(s.WANLatency), time.Duration(s.WANJitter), "take wan_latency and wan_jitter out of the plan's surroundings")
		}
		return nemesis.ContainerCaps().AllowSchedule(p.Schedule)
	case OnSim:
		return sim.Caps().AllowSchedule(p.Schedule)
	}
	return fmt.Errorf("the backend %q is unknown: want docker or sim", p.Backend)
}
