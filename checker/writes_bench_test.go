package checker

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/refute-lab/refute/harness/history"
)

// BenchmarkWrites reports nanoseconds an operation for the claims about writes,
// and for no-stale-reads on the same history to compare with.
func BenchmarkWrites(b *testing.B) {
	register := registerTrial(200_000, 10, 1).run(rand.New(rand.NewPCG(1, 2)))
	plain := simulation{operations: 200_000, keys: 100, processes: 10, unknown: 0.02}.run(rand.New(rand.NewPCG(1, 1)))
	counter := counterTrial()
	counter.operations, counter.processes = 200_000, 10
	for _, c := range []struct {
		operations []history.Operation
		claims     []string
	}{
		{plain, []string{NoStaleReads, NoPhantomValues}},
		{register, []string{NoLostUpdates, NoDirtyReads, NoResurrectedDeletes}},
		{counter.run(rand.New(rand.NewPCG(1, 3))), []string{CounterBounds}},
	} {
		for _, claim := range c.claims {
			b.Run(claim, func(b *testing.B) {
				t, err := newTimeline(c.operations)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if r := check(context.Background(), t, claim, Options{}); r.Verdict != Holds {
						b.Fatal(r.Explanation)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.operations)), "ns/operation")
			})
		}
	}
}
