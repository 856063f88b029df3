package sim

import (
	"context"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
)

// Caps says which faults the simulation can do: all of them.
func Caps() nemesis.Caps { return nemesis.SimulationCaps() }

// Materialise returns a copy of the plan with every operation written out that
// its clients ask for in the main phase, so that it depends on no generator
// any more and single operations can be taken out. It runs the plan to find
// out which these are: how far a worker gets depends on the answers. The copy
// gives the same history. A plan that is materialised already is only copied.
func Materialise(ctx context.Context, p *plan.Plan, system target.System) (*plan.Plan, error) {
	q := p.Clone()
	surroundings := Surroundings(p)
	q.Surroundings = &surroundings
	q.Backend = "sim"
	if p.Operations != nil {
		return q, nil
	}
	w := NewWorld()
	if err := w.Load(p, system); err != nil {
		return nil, err
	}
	if _, err := w.Run(ctx, Options{}); err != nil {
		return nil, err
	}
	q.Operations = w.asked()
	q.Workload.Rate = 0
	return q, nil
}

// asked lists the operations of the main phase of the last run, in order of their times.
func (w *World) asked() []plan.Operation {
	operations := []plan.Operation{}
	for i := range w.records {
		r := &w.records[i]
		if r.start >= int64(w.limits.Time) {
			break // final reads
		}
		worker := int(r.process) % w.config.Concurrency
		op := plan.Operation{Worker: worker, Index: int(r.index), At: plan.Duration(r.start),
			F: w.names[r.f], Key: w.keys[r.key], Node: w.nodes[r.node]}
		if r.shape&inputOnly != 0 {
			value := r.value
			op.Value = &value
		}
		operations = append(operations, op)
	}
	return operations
}
