package shrink

import (
	"cmp"
	"context"
	"crypto/sha256"
	"math"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// Rate runs a plan several times, each time under other surroundings (another
// seed of the delays, another latency, operations and edges of faults shifted
// by some milliseconds), and returns in how many of these trials the anomaly
// showed: the same claim and class.
//
// The surroundings of the i-th trial must depend on i alone, and not on how
// many there are, so that plans are compared under the same ones and a
// difference between two numbers of trials is that of the trials in between.
// It must neither change the plan nor keep it: plans share memory.
type Rate func(p *plan.Plan, trials int) (failing int)

// Robust is what Robustify found.
type Robust struct {
	// Plan is the sturdiest plan found; it shares no memory with the one that was given.
	Plan *plan.Plan
	// Before and After are the probabilities of the plan that was given and
	// of Plan, measured in trials that took no part in choosing it.
	Before, After Probability
	// Trials is how many trials there were, measurements included.
	Trials int
}

const (
	// firstTrials show which candidates are worth more, fewTrials sort these,
	// manyTrials decide between the best of them, and the result is measured
	// in measureTrials others.
	firstTrials, fewTrials, manyTrials, measureTrials = 3, 10, 50, 100
	// finalists is how many candidates are given many trials.
	finalists = 4
	// enough is the probability, in thousandths, that is not improved on any more.
	enough = 900
	// tolerance is by how many of measureTrials the result may seem worse than
	// what was given, if it was chosen for its room: that much is chance.
	tolerance = 5
	// extraOperations is how many operations may be added.
	extraOperations = 2
)

// The times of a plan that real clusters can follow.
const (
	// calm is the time before the first fault: until then the clients have found the nodes.
	calm = plan.Duration(time.Second)
	// clearance is the time between the edge of a fault and an operation: a
	// real fault takes some time until it is in force.
	clearance = plan.Duration(300 * time.Millisecond)
	// tail is the length of the main phase after the last mark, so that the last answers fall into it.
	tail = plan.Duration(time.Second)
)

// Robustify returns a plan like p that shows the anomaly under as many
// different surroundings as possible, where p, as Shrink left it, may show it
// under hardly any but its own. p is not changed. If no plan is found that is
// about as probable as p or more so, the result is p itself.
//
// The error is ErrNotMaterialised or one of plan.Validate. When the context or
// a bound of the options ends the search, the best plan so far is measured and
// is the result, so the call lasts a little longer than its budget.
func Robustify(ctx context.Context, p *plan.Plan, rate Rate, o Options) (Robust, error) {
	o = o.filled()
	if err := shrinkable(p); err != nil {
		return Robust{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Budget)
	defer cancel()
	c := &climb{ctx: ctx, rate: rate, options: o, seen: map[[sha256.Size]byte]bool{},
		nodes: plan.NodeNames(p.Target.Nodes), most: len(p.Operations) + extraOperations}
	before := c.measure(p)
	c.best = contender{plan: p, probability: Probability{c.ask(p, manyTrials), manyTrials}}
	c.leap(endedInPhase(p))
	for c.climbable() && c.step("neighbours", c.neighbours(c.best.plan)) {
	}
	for c.strip() {
	}
	after := c.measure(c.best.plan)
	if after.Failing+tolerance < before.Failing {
		c.best.plan, after = p, before
	}
	return Robust{Plan: c.best.plan.Clone(), Before: before, After: after, Trials: c.trials}, nil
}

// endedInPhase returns the plan with all faults ending in the main phase, as
// they do anyway: what is still in force then is healed.
func endedInPhase(p *plan.Plan) *plan.Plan {
	q := *p
	faults := only(p.Schedule, func(f *plan.Fault) bool { return f.At < p.Limits.Time })
	for i := range faults {
		faults[i].Duration = min(faults[i].Duration, p.Limits.Time-faults[i].At)
	}
	setSchedule(&q, faults)
	return &q
}

// contender is a plan and what is known of it.
type contender struct {
	plan        *plan.Plan
	probability Probability
}

// score is what the search maximizes: the probability in thousandths, less
// what the plan is too large, more if real clusters can follow it. Two
// operations are worth a trial in fifty.
func (c contender) score() int {
	if c.probability.Failing == 0 {
		return hopeless // however small and roomy
	}
	score := c.probability.permille() - weight(c.plan)
	if roomy(c.plan) {
		score += 40
	}
	return score
}

// hopeless is below every other score.
const hopeless = math.MinInt

// weight is how large a plan is, for comparison.
func weight(p *plan.Plan) int {
	w := 10 * len(p.Operations)
	for i := range p.Schedule {
		w += 20 + len(p.Schedule[i].Cuts)/2 + len(p.Schedule[i].Targets)
	}
	return w
}

// roomy says whether there is calm before the first fault, whether faults last
// so long that they can be verified, and whether there is clearance between
// their edges and operations.
func roomy(p *plan.Plan) bool {
	for i := range p.Schedule {
		f := &p.Schedule[i]
		if f.At < calm || f.Duration < clearance {
			return false
		}
		for j := range p.Operations {
			at := p.Operations[j].At
			if apart(at, f.At) < clearance || apart(at, f.At+f.Duration) < clearance {
				return false
			}
		}
	}
	return true
}

// apart is the time between two moments.
func apart(a, b plan.Duration) plan.Duration { return max(a-b, b-a) }

// climb is one call of Robustify.
type climb struct {
	ctx     context.Context
	rate    Rate
	options Options
	nodes   []string
	// most is the largest number of operations.
	most int
	best contender
	// seen holds the digests of the plans that were tried.
	seen   map[[sha256.Size]byte]bool
	buffer []byte
	// trials is how many there were, spent how many of them the search itself had.
	trials, spent int
}

func (c *climb) ask(p *plan.Plan, trials int) int {
	c.trials += trials
	c.spent += trials
	return c.rate(p, trials)
}

// measure uses the trials after those by which plans are chosen.
func (c *climb) measure(p *plan.Plan) Probability {
	c.trials += 2*manyTrials + measureTrials
	chosen := c.rate(p, manyTrials)
	failing := c.rate(p, manyTrials+measureTrials) - chosen
	return Probability{Failing: min(max(failing, 0), measureTrials), Trials: measureTrials}
}

func (c *climb) stopped() bool { return c.ctx.Err() != nil || c.spent >= c.options.Trials }

// climbable says that more could and should be gained.
func (c *climb) climbable() bool {
	return !c.stopped() && !(c.best.probability.permille() >= enough && roomy(c.best.plan))
}

// step evaluates candidates, with few trials each and the best of them with
// many, and takes the best if it is better than what there is. One that is
// good enough is taken at once: candidates come the simplest first.
//
// Most candidates show nothing at all, so those that show something in the
// very first trials are looked at first, and the others only if there are none.
func (c *climb) step(pass string, candidates []*plan.Plan) bool {
	better := false
	decide := func(p *plan.Plan) {
		decided := contender{p, Probability{c.ask(p, manyTrials), manyTrials}}
		if decided.score() > c.best.score() {
			c.best, better = decided, true
		}
		c.report(pass)
	}
	var lit []contender
	light := func(p *plan.Plan) {
		t := contender{p, Probability{c.ask(p, fewTrials), fewTrials}}
		c.report(pass)
		if t.probability.permille() >= enough && roomy(p) {
			decide(p)
		} else if t.probability.Failing > 0 {
			lit = append(lit, t)
		}
	}
	var dark []*plan.Plan
	for _, p := range candidates {
		switch {
		case !c.climbable():
			return better
		case p == nil || !c.fresh(p):
		case c.ask(p, firstTrials) > 0:
			light(p)
		default:
			dark = append(dark, p)
		}
	}
	if len(lit) == 0 && !better {
		for _, p := range dark {
			if !c.climbable() {
				return better
			}
			light(p)
		}
	}
	// Stable: of equals the earlier one, which is the simpler change.
	slices.SortStableFunc(lit, func(a, b contender) int { return cmp.Compare(b.score(), a.score()) })
	for _, t := range lit[:min(finalists, len(lit))] {
		if c.stopped() {
			break
		}
		decide(t.plan)
	}
	return better
}

// fresh says whether a plan was never tried.
func (c *climb) fresh(p *plan.Plan) bool {
	c.buffer = appendPlan(c.buffer[:0], p)
	digest := sha256.Sum256(c.buffer)
	if c.seen[digest] {
		return false
	}
	c.seen[digest] = true
	return true
}

func (c *climb) report(pass string) {
	c.options.Progress(Progress{Pass: pass, Runs: c.spent, Size: sizeOf(c.best.plan), Probability: c.best.probability})
}

// leap tries variants that change several things at once. Single changes often
// gain nothing by themselves: with more time between its operations the plan
// shows nothing any more, unless a fault is added that bridges the time.
func (c *climb) leap(p *plan.Plan) {
	var candidates []*plan.Plan
	for _, stronger := range append([]*plan.Plan{p}, c.strongerAll(p)...) {
		candidates = append(candidates, timings(stronger)...)
	}
	c.step("stronger faults", candidates)
	if !c.climbable() {
		return
	}
	// Other faults in the place of those that are there, then beside them.
	bare := *p
	setSchedule(&bare, []plan.Fault{})
	candidates = nil
	for _, other := range append(c.bridged(&bare), c.halfway(&bare)...) {
		candidates = append(candidates, timings(other)...)
	}
	c.step("other faults", candidates)
	if !c.climbable() || len(p.Schedule) == 0 {
		return
	}
	candidates = nil
	for _, other := range append(c.bridged(p), c.halfway(p)...) {
		candidates = append(candidates, timings(other)...)
	}
	c.step("more faults", candidates)
}

// strip takes something out of the plan that is hardly missed: an operation, a fault, a link.
func (c *climb) strip() bool {
	if c.stopped() {
		return false
	}
	// One trial in fifty may be lost, and none of those by which the plan is probable enough.
	least := max(1, c.best.probability.Failing-1)
	if c.best.probability.permille() >= enough {
		least = max(least, enough*manyTrials/1000)
	}
	for _, p := range smaller(c.best.plan) {
		if c.stopped() {
			return false
		}
		if c.ask(p, fewTrials) < fewTrials*least/manyTrials-1 {
			continue
		}
		if failing := c.ask(p, manyTrials); failing >= least {
			c.best = contender{p, Probability{failing, manyTrials}}
			c.report("leaving out")
			return true
		}
	}
	return false
}
