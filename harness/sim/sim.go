package sim

import (
	"context"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/trace"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// Simulated is a system that can be run in a World: its nodes are pure state
// machines of package core.
type Simulated interface {
	target.System
	// Core returns the settings that all nodes are booted with.
	Core() core.Settings
}

// Options are what a run may be asked to tell beside its result.
type Options struct {
	// Record, if not nil, is given every event of the history in order, with
	// evidence. The event is only valid during the call. An error ends the run.
	Record func(*history.Event) error
	// Trace, if not nil, is given every message and every change of a
	// replica's state. The event is only valid during the call.
	Trace func(*trace.Event)
	// TraceKeys, if not nil, are the only keys of which states are told, which
	// makes a long run with many keys much cheaper to trace.
	TraceKeys []string
	// Brief leaves out of Result.Operations what only explanations need: what
	// the faults were.
	Brief bool
}

// Result is what a run has left.
type Result struct {
	// Operations is the history, as checkers take it: the nemesis' operations,
	// phases and replica dumps included. It is overwritten by the World's next run.
	Operations []history.Operation
	// Hash covers every event that was dispatched, with its time and contents:
	// two runs of one plan that differ anywhere have different hashes.
	Hash uint64
	// Events is how many events were dispatched, Clients how many operations
	// of clients there were, final reads included.
	Events, Clients int
	// Virtual is how long the run took in its own time.
	Virtual time.Duration
}

// Run loads the plan into a new World and runs it.
func Run(ctx context.Context, p *plan.Plan, system target.System, o Options) (Result, error) {
	w := NewWorld()
	if err := w.Load(p, system); err != nil {
		return Result{}, err
	}
	return w.Run(ctx, o)
}
