package explore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
)

// How far a trial is from the plan it tries. Latencies, and those of the disk,
// are multiplied by 0.3…3, in thousandths here. Each operation comes a little
// earlier or later, and each edge of a fault by more, as real faults do.
const (
	leastScale, mostScale = 300, 3000
	operationJitter       = 5 * time.Millisecond
	edgeJitter            = 20 * time.Millisecond
	// longestWAN keeps scaled times within what a plan may have.
	longestWAN = plan.Duration(time.Minute)
	// leastTail is the least time between the last action and the end of the main phase.
	leastTail = plan.Duration(time.Millisecond)
)

// Perturb returns the plan as another network would carry it out: with other
// delays and losses, a network and disks that are slower or faster in general,
// and every operation and every edge of a fault a little earlier or later.
// Each worker's operations keep their order. The plan should be a
// materialised one, since there is nothing to move in others but faults.
//
// It is a pure function of its arguments and shares no memory with the plan.
// Everything is drawn by identity: a plan without one of its operations is
// perturbed in the same way by the same trial.
func Perturb(p *plan.Plan, trial uint64) *plan.Plan {
	q := p.Clone()
	surroundings := sim.Surroundings(p)
	q.Surroundings = &surroundings
	s := q.Surroundings
	draw := dice(plan.Draw(s.Seed, "explore/trial", trial))
	s.Seed = plan.Draw(uint64(draw), "explore/network") >> (64 - seedBits)
	s.Latency = scaled(s.Latency, draw.doubling("explore/latency", leastScale, mostScale, 1))
	s.Sync = scaled(s.Sync, draw.doubling("explore/sync", leastScale, mostScale, 1))
	if s.WANLatency+s.WANJitter > 0 {
		scale := draw.doubling("explore/wan", leastScale, mostScale, 1)
		s.WANLatency, s.WANJitter = min(scaled(s.WANLatency, scale), longestWAN), min(scaled(s.WANJitter, scale), longestWAN)
	}
	moved := func(at plan.Duration, reach time.Duration, domain string, ids ...uint64) plan.Duration {
		shift := int64(plan.Draw(uint64(draw), domain, ids...)%uint64(2*reach+1)) - int64(reach)
		return max(0, at+plan.Duration(shift))
	}
	last := map[int]plan.Duration{} // by worker
	for i := range q.Operations {
		o := &q.Operations[i]
		o.At = max(last[o.Worker], moved(o.At, operationJitter, "explore/operation", uint64(o.Worker), uint64(o.Index)))
		last[o.Worker] = o.At
		q.Limits.Time = max(q.Limits.Time, o.At+leastTail)
	}
	slices.SortStableFunc(q.Operations, func(a, b plan.Operation) int { return cmp.Compare(a.At, b.At) })
	for i := range q.Schedule {
		f := &q.Schedule[i]
		end := f.At + f.Duration
		// A fault whose edges meet is as good as none, but a schedule has no empty ones.
		f.At = moved(f.At, edgeJitter, "explore/start/"+f.ID)
		f.Duration = max(plan.Duration(time.Microsecond), moved(end, edgeJitter, "explore/end/"+f.ID)-f.At)
		q.Limits.Time = max(q.Limits.Time, f.At+leastTail)
	}
	plan.SortFaults(q.Schedule)
	return q
}

func scaled(d plan.Duration, thousandths int64) plan.Duration {
	return plan.Duration(int64(d) / 1000 * thousandths)
}

// probe looks for one anomaly in runs of plans.
type probe struct {
	runner runner
	want   anomaly
	// err is the first error of a run: candidates that cannot be run do not fail, but must not go unnoticed.
	err error
	// runs counts.
	runs int
}

// look runs the plan and says whether its clients saw the anomaly, and when it was complete.
func (p *probe) look(ctx context.Context, candidate *plan.Plan) (o outcome, at time.Duration, seen bool) {
	p.runs++
	o, err := safely(ctx, p.runner, candidate)
	if err != nil {
		if p.err == nil && ctx.Err() == nil {
			p.err = err
		}
		return o, 0, false
	}
	for _, a := range o.anomalies {
		if a.is(p.want) {
			return o, a.at, true
		}
	}
	return o, 0, false
}

// count runs so many trials of the plan, from the given one on, and says how
// many were run and in how many the anomaly was seen. It ends early with the context.
func (p *probe) count(ctx context.Context, candidate *plan.Plan, first uint64, trials int) (failing, run uint64) {
	for i := range uint64(max(trials, 0)) {
		if ctx.Err() != nil {
			break
		}
		_, _, seen := p.look(ctx, Perturb(candidate, first+i))
		if ctx.Err() != nil {
			break // it may have been cut short
		}
		run++
		if seen {
			failing++
		}
	}
	return failing, run
}
