package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
)

// BenchmarkCheck reports nanoseconds an operation and the growth of the heap for each claim, over
// linearizable histories of ten clients, with one write in twenty unknown.
func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct{ operations, keys int }{{100_000, 100}, {100_000, 1}, {1_000_000, 2_000}, {1_000_000, 20}} {
		s := simulation{operations: size.operations, keys: size.keys, processes: 10, unknown: 0.02}
		operations := s.run(rand.New(rand.NewPCG(1, 2)))
		for _, claim := range []string{Linearizable, NoStaleReads, ReadYourWrites, MonotonicReads} {
			b.Run(fmt.Sprintf("%s/%d-operations-%d-keys", claim, size.operations, size.keys), func(b *testing.B) {
				peak := watchHeap()
				for b.Loop() {
					benchmarkOnce(b, operations, claim)
				}
				b.ReportMetric(float64(peak())/(1<<20), "peak-MB")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(operations)), "ns/operation")
			})
		}
	}
}

// watchHeap samples the heap; the function that it returns says by how much it grew at most.
func watchHeap() (peak func() uint64) {
	runtime.GC()
	base := heap()
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		most := base
		for {
			select {
			case <-tick.C:
				most = max(most, heap())
			case <-done:
				result <- most - base
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-result
	}
}

func benchmarkOnce(b *testing.B, operations []history.Operation, claim string) {
	report, err := Check(context.Background(), operations, Options{Claims: []string{claim}})
	if err != nil || report.Claims[0].Verdict != Holds {
		b.Fatal(err, report.Claims)
	}
}
