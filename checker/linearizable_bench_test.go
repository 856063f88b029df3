package checker

import (
	"cmp"
	queue "container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// load describes a history of one register as clients leave it that work without
// pause: latencies are exponential around a millisecond, every written value is new.
type load struct {
	operations, clients  int
	unknown              float64 // of all writes
	reads, cas, deletes  float64
	conditional, failing float64 // of all compare-and-sets: those to or from not-found, and those that expect an old value
}

// nextClient says when a client is free.
type nextClient struct {
	at     int64
	client int
}

type nextClients []nextClient

func (h nextClients) Len() int           { return len(h) }
func (h nextClients) Less(i, j int) bool { return h[i].at < h[j].at }
func (h nextClients) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *nextClients) Push(x any)        { *h = append(*h, x.(nextClient)) }
func (h *nextClients) Pop() any          { panic("clients stay") }

// run makes a history that is linearizable by construction.
func (l load) run(r *rand.Rand) []history.Operation {
	const mean = 1_000_000
	operations := make([]history.Operation, 0, l.operations)
	points := make([]place, 0, l.operations)
	free := make(nextClients, l.clients)
	process := make([]history.Process, l.clients)
	for c := range free {
		free[c], process[c] = nextClient{r.Int64N(1000), c}, history.Process(c)
	}
	queue.Init(&free)
	for i := range l.operations {
		c := &free[0]
		latency := 50_000 + int64(r.ExpFloat64()*mean)
		o := history.Operation{Index: int64(i), Completion: int64(i), Start: c.at, End: c.at + latency, Process: process[c.client], Key: "r", Type: history.Ok}
		switch x := r.Float64(); {
		case x < l.reads:
			o.F = history.FRead
		case x < l.reads+l.cas:
			o.F = history.FCAS
		case x < l.reads+l.cas+l.deletes:
			o.F = history.FDelete
		default:
			o.F = history.FWrite
		}
		at := o.Start + r.Int64N(latency+1)
		c.at = o.End
		if o.F != history.FRead && r.Float64() < l.unknown {
			o.Type, o.End, o.Completion = history.Info, history.Infinity, -1
			process[c.client] += history.Process(l.clients)
			c.at = o.Start + 5*mean
			late := int64(r.ExpFloat64() * mean)
			if r.IntN(5) == 0 {
				late *= 20
			}
			if at = o.Start + late; r.IntN(2) == 0 {
				at = -1
			}
		}
		c.at += 1 + int64(r.ExpFloat64()*mean/20)
		queue.Fix(&free, 0)
		operations = append(operations, o)
		points = append(points, place{at, int32(i)})
	}
	l.takeEffect(operations, points, r)
	return operations
}

func (l load) takeEffect(operations []history.Operation, points []place, r *rand.Rand) {
	slices.SortFunc(points, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.value, b.value)) })
	current, before := history.NilValue(), history.NilValue()
	for _, p := range points {
		o := &operations[p.value]
		written := history.IntValue(int64(p.value) + 1)
		if o.F == history.FWrite {
			o.Input = written
		}
		expected := current
		if o.F == history.FCAS {
			if r.Float64() < l.failing {
				expected = before
			}
			if r.Float64() < l.conditional && expected.Kind() != history.Nil {
				written = history.NilValue()
			}
			o.Input = history.RawValue([]byte("[" + valueJSON(expected) + "," + valueJSON(written) + "]"))
			if a, aOk := expected.Int(); aOk {
				if b, bOk := written.Int(); bOk {
					o.Input = history.ListValue([]int64{a, b})
				}
			}
		}
		if p.at < 0 {
			continue
		}
		switch {
		case o.F == history.FRead:
			o.Output = current
		case o.F == history.FDelete:
			before, current = current, history.NilValue()
		case o.F == history.FWrite, expected == current:
			before, current = current, written
		case o.Type == history.Ok:
			o.Type, o.Error, o.Output = history.Fail, MismatchError, current
		}
	}
}

func valueJSON(v history.Value) string {
	if n, ok := v.Int(); ok {
		return fmt.Sprint(n)
	}
	return "null"
}

// porcupineTime is how long Porcupine is given for one history.
const porcupineTime = 60 * time.Second

// hopeless says whether Porcupine is known not to end in that time on such a
// history, or to need more memory than a small machine has (it takes some 5 GB
// for a hundred thousand operations of five clients).
func (l load) hopeless() bool {
	switch {
	case l.clients >= 30 || l.operations >= 10_000 && l.unknown > 0:
		return true
	case l.operations >= 100_000:
		return l.operations > 100_000 || l.clients > 5
	}
	return false
}

// BenchmarkLinearizable decides a register of one key: without a search ("fast"),
// the same with an order that is replayed ("replayed"), by the search, and by
// Porcupine on the operations as they are. It reports nanoseconds an operation and
// by how much the heap grew at most. For the ratios compare the lines of one run.
func BenchmarkLinearizable(b *testing.B) {
	for _, kind := range []struct {
		name string
		load load
	}{
		{"reads-writes", load{reads: 0.5}},
		{"cas-deletes", load{reads: 0.5, cas: 0.2, deletes: 0.05, conditional: 0.1, failing: 0.3}},
	} {
		for _, operations := range []int{1_000, 10_000, 100_000, 1_000_000} {
			for _, clients := range []int{5, 10, 30, 100} {
				for _, unknown := range []float64{0, 0.1, 0.3} {
					l := kind.load
					l.operations, l.clients, l.unknown = operations, clients, unknown
					name := fmt.Sprintf("history=%s/operations=%d/clients=%d/unknown=%.0f%%", kind.name, operations, clients, 100*unknown)
					b.Run(name, func(b *testing.B) { benchmarkMethods(b, l) })
				}
			}
		}
	}
}

func benchmarkMethods(b *testing.B, l load) {
	operations := l.run(rand.New(rand.NewPCG(1, 2)))
	positions := make([]int32, len(operations))
	for i := range positions {
		positions[i] = int32(i)
	}
	method := func(name string, decide func(r *register) bool) {
		b.Run("method="+name, func(b *testing.B) {
			var r register
			peak := watchHeap()
			for b.Loop() {
				if err := r.load(operations, "r", positions); err != nil {
					b.Fatal(err)
				}
				if !decide(&r) {
					b.Skip("not decided")
				}
			}
			b.ReportMetric(float64(peak())/(1<<20), "peak-MB")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(operations)), "ns/operation")
		})
	}
	var fast, replayed, prepared decider
	method("fast", func(r *register) bool {
		found, complete := fast.conflicts(r)
		return complete && len(found) == 0
	})
	method("replayed", func(r *register) bool { return replayed.decide(r).proved })
	var s searcher
	method("search", func(r *register) bool {
		deadline := time.Now().Add(porcupineTime)
		return s.decide(prepared.prepare(r), func(int64) bool { return time.Now().After(deadline) }, nil) == searchLegal
	})
	if l.hopeless() {
		return
	}
	method("porcupine", func(r *register) bool {
		return porcupine.CheckOperationsTimeout(plainModel(), plainOperations(r.operations), porcupineTime) == porcupine.Ok
	})
}
