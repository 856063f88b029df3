package checker

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkOrderClaims reports nanoseconds an operation and the growth of the
// heap for the claims about sessions and causality, over linearizable
// histories. With unknown outcomes, processes are retired, so that there are
// many more sessions than clients.
func BenchmarkOrderClaims(b *testing.B) {
	for _, size := range []struct {
		operations, processes, keys int
		unknown                     float64
	}{{1_000_000, 10, 1000, 0}, {1_000_000, 100, 1000, 0}, {1_000_000, 100, 1, 0}, {1_000_000, 100, 1000, 0.02}, {200_000, 100, 1, 0.02}, {200_000, 100, 1, 0.3}, {200_000, 10, 10, 0.3}} {
		s := simulation{operations: size.operations, keys: size.keys, processes: size.processes, unknown: size.unknown}
		operations := s.run(rand.New(rand.NewPCG(1, 2)))
		for _, claim := range append([]string{ReadYourWrites, MonotonicReads}, orderClaims...) {
			b.Run(fmt.Sprintf("%s/%d-operations-%d-clients-%d-keys-%g-unknown", claim, size.operations, size.processes, size.keys, size.unknown), func(b *testing.B) {
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
