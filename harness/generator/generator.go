package generator

import (
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// Operation is what a worker is to ask for.
type Operation struct {
	// F, Key and Value are those of the invocation (see package history).
	F     string
	Key   string
	Value history.Value
	// Node is the node to ask.
	Node string
	// At is the earliest time of the invocation, since the start of the phase.
	At time.Duration
}

// Generator is the sequence of operations of every worker of a run.
type Generator interface {
	// Operation returns the index-th operation of the worker, both from 0. It
	// returns false when the worker's sequence has ended before that index.
	// It is a pure function and may be called from any goroutine.
	Operation(worker, index int) (Operation, bool)
}

// Function is a Generator made of a function.
type Function func(worker, index int) (Operation, bool)

// Operation calls the function.
func (f Function) Operation(worker, index int) (Operation, bool) { return f(worker, index) }

// Sequences is a Generator of fixed lists, one for each worker.
type Sequences [][]Operation

// Operation returns the element of the worker's list.
func (s Sequences) Operation(worker, index int) (Operation, bool) {
	if worker >= len(s) || index >= len(s[worker]) {
		return Operation{}, false
	}
	return s[worker][index], true
}

// Together is how many operations each worker asks one right after the other
// before it rests; see Pace.
const Together = 5

// spread is the part of the time between two bursts in which all workers begin theirs.
const spread = 0.1

// Pace gives operations their times, at a total of rate operations a second.
// All workers ask in bursts of Together operations each, which they begin at
// about the same time, and then rest. Spread evenly, most operations would be
// alone with the store; anomalies need several at a time, and they need
// clients that ask again while a write is still on its way. The mean rate, and
// so the length of the history, stays what it is. A rate of 0 sets no times.
func Pace(g Generator, seed uint64, concurrency int, rate float64) Generator {
	if rate <= 0 {
		return g
	}
	interval := float64(Together) * float64(concurrency) / rate * float64(time.Second)
	return Function(func(worker, index int) (Operation, bool) {
		op, ok := g.Operation(worker, index)
		if !ok {
			return op, false
		}
		number := index / Together
		jitter := plan.Draw(seed, "pace", uint64(worker), uint64(number))
		op.At = time.Duration((float64(number) + spread*float64(jitter>>11)/(1<<53)) * interval)
		return op, true
	})
}

// Nodes says which node a worker asks. Workers with an even number stay on
// one node, as a client with a connection pool to its nearest node does; the
// others roam: each operation goes to a node drawn anew, as behind a load
// balancer. Stale nodes show to those who stay as well as to those who move.
func Nodes(nodes []string, seed uint64) func(worker, index int) string {
	return func(worker, index int) string {
		if worker%2 == 0 {
			return nodes[worker/2%len(nodes)]
		}
		return nodes[plan.Draw(seed, "node", uint64(worker), uint64(index))%uint64(len(nodes))]
	}
}
