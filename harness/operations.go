package harness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/workloads"
)

// mainGenerator returns what the clients of the plan do in the main phase: the
// plan's own operations where it has them, each at its time, else what the
// workload generates, at the plan's rate. It refuses settings of the workload
// that make no sense, and operations that no worker could ask for.
func mainGenerator(p *plan.Plan, w workloads.Workload) (generator.Generator, error) {
	// Also of a materialised plan: to carry the operations out, the workload needs settings that make sense.
	generated, err := w.Main(workloadConfig(p))
	if err != nil {
		return nil, err
	}
	if len(p.Operations) == 0 {
		return generator.Pace(generated, p.Seed, p.Workload.Concurrency, p.Workload.Rate), nil
	}
	return sequences(p)
}

// sequences gives each worker its operations of a materialised plan, in the
// order of their times, and where these are equal in that of their indexes.
func sequences(p *plan.Plan) (generator.Generator, error) {
	ordered := make([][]plan.Operation, p.Workload.Concurrency)
	for i, o := range p.Operations {
		switch {
		case o.Worker < 0 || o.Worker >= len(ordered):
			return nil, fmt.Errorf("operations[%d].worker: %d: want 0 to %d, below the workload's concurrency", i, o.Worker, len(ordered)-1)
		case valueless(o.F) && o.Value != nil:
			return nil, fmt.Errorf("operations[%d].value: a %s has none: leave it out", i, o.F)
		case !valueless(o.F) && o.Value == nil:
			return nil, fmt.Errorf("operations[%d].value: it is missing: want what the %s writes", i, o.F)
		}
		ordered[o.Worker] = append(ordered[o.Worker], o)
	}
	all := make(generator.Sequences, len(ordered))
	for worker, operations := range ordered {
		slices.SortStableFunc(operations, func(a, b plan.Operation) int {
			return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Index, b.Index))
		})
		for _, o := range operations {
			all[worker] = append(all[worker], operation(o))
		}
	}
	return all, nil
}

// valueless says that operations of the name have no argument.
func valueless(f string) bool { return f == history.FRead || f == history.FDelete }

func operation(o plan.Operation) generator.Operation {
	asked := generator.Operation{F: o.F, Key: o.Key, Node: o.Node, At: time.Duration(o.At)}
	if o.Value != nil {
		asked.Value = history.IntValue(*o.Value)
	}
	return asked
}

// trafficOptions say how much traffic makes a run of the plan valid. A
// generated run in which little happened has shown nothing; a materialised
// plan says itself how much is to happen.
func trafficOptions(p *plan.Plan) checker.Options {
	if p == nil {
		return checker.Options{}
	}
	return checker.Options{Planned: len(p.Operations) > 0, MaximumSiblings: p.Limits.Siblings}
}
