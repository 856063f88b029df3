package generator

import (
	"math"
	"math/big"
	"math/bits"
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

// spread is the part of the time between two bursts, as 1/spread, in which all workers begin theirs.
const spread = 10

// Pace gives operations their times, at a total of rate operations a second.
// All workers ask in bursts of Together operations each, which they begin at
// about the same time, and then rest. Spread evenly, most operations would be
// alone with the store; anomalies need several at a time, and they need
// clients that ask again while a write is still on its way. The mean rate, and
// so the length of the history, stays what it is. A rate of 0 sets no times.
//
// Times are the same on every machine: the rate is divided by exactly, and the
// rest are integers, for the last bits of floating-point sums differ.
func Pace(g Generator, seed uint64, concurrency int, rate float64) Generator {
	if !(rate > 0) || math.IsInf(rate, 1) {
		return g
	}
	interval := burstInterval(concurrency, rate)
	return Function(func(worker, index int) (Operation, bool) {
		op, ok := g.Operation(worker, index)
		if !ok {
			return op, false
		}
		number := uint64(index / Together)
		// The high word of the product is uniform below interval/spread.
		jitter, _ := bits.Mul64(plan.Draw(seed, "pace", uint64(worker), number), interval/spread)
		beyond, at := bits.Mul64(number, interval)
		at, carry := bits.Add64(at, jitter, 0)
		if beyond+carry > 0 || at > math.MaxInt64 {
			at = math.MaxInt64 // later than any run ends
		}
		op.At = time.Duration(at)
		return op, true
	})
}

// burstInterval returns the nanoseconds between two bursts of a worker, rounded down.
func burstInterval(concurrency int, rate float64) uint64 {
	interval := new(big.Rat).SetInt64(int64(time.Second) * Together)
	interval.Mul(interval, new(big.Rat).SetInt64(int64(concurrency)))
	interval.Quo(interval, new(big.Rat).SetFloat64(rate))
	whole := new(big.Int).Quo(interval.Num(), interval.Denom())
	if !whole.IsInt64() {
		return math.MaxInt64
	}
	return whole.Uint64()
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
