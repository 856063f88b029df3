package shrink_test

import (
	"context"
	"fmt"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/shrink"
)

// A plan of a thousand operations refutes a claim because a clock is off by
// more than a second while two of the operations are carried out. The oracle
// would run the plan in a simulation; here it only looks for what matters.
func ExampleShrink() {
	p := &plan.Plan{
		Format: plan.Format, Name: "example", Backend: "sim",
		Target: plan.Target{Name: "leaderless", Nodes: 3}, Workload: plan.Workload{Name: "register", Concurrency: 2},
		Nemesis: []string{"pause", "clock"},
		Schedule: []plan.Fault{
			{ID: "f1", Kind: "pause", Targets: []string{"n1", "n2"}, Duration: plan.Duration(4 * time.Second)},
			{ID: "f2", Kind: "clock", Shape: "bump", Targets: []string{"n2", "n3"}, At: plan.Duration(2 * time.Second),
				Duration: plan.Duration(7 * time.Second), Clock: &plan.Clock{Offset: plan.Duration(8 * time.Second)}},
		},
		Limits: plan.Limits{Time: plan.Duration(10 * time.Second), Operation: plan.Duration(time.Second)},
	}
	for i := range 1000 {
		p.Operations = append(p.Operations, plan.Operation{Worker: i % 2, Index: i / 2, F: "read", Key: "x", Node: "n3",
			At: plan.Duration(i) * plan.Duration(10*time.Millisecond)})
	}
	oracle := func(p *plan.Plan) (time.Duration, bool) {
		skewed, at := 0, time.Duration(0)
		for _, f := range p.Schedule {
			for _, o := range p.Operations {
				if f.Clock != nil && f.Clock.Offset > plan.Duration(time.Second) && o.Index >= 300 && f.At <= o.At && o.At <= f.At+f.Duration {
					if skewed++; skewed == 2 {
						at = time.Duration(o.At)
					}
				}
			}
		}
		return at, skewed >= 2
	}

	result, err := shrink.Shrink(context.Background(), p, oracle, shrink.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Before, "→", result.After)
	f := result.Plan.Schedule[0]
	fmt.Println("at", f.At, f.Targets, f.Clock.Offset, "for", f.Duration)
	for _, o := range result.Plan.Operations {
		fmt.Println("at", o.At, "worker", o.Worker, o.F, o.Key)
	}
	// Output:
	// 1000 operations, 2 faults → 2 operations, 1 fault
	// at 0s [n2] 2s for 1ms
	// at 0s worker 0 read x
	// at 1ms worker 1 read x
}

func ExampleProbability_Wilson() {
	p := shrink.Probability{Failing: 18, Trials: 20}
	low, high := p.Wilson()
	fmt.Printf("%.2f to %.2f\n", low, high)
	fmt.Println(p)
	// Output:
	// 0.70 to 0.97
	// 18 of 20 (70…97 %)
}
