package staleness

import (
	"context"
	"math/rand/v2"
	"testing"
)

// BenchmarkMeasure reports nanoseconds an operation for all measures of a key
// together. What is stale takes longer: only then Δ, Γ and k are searched for.
func BenchmarkMeasure(b *testing.B) {
	for _, c := range []struct {
		name string
		keys int
		store
	}{
		{"fresh/1-key-100000", 1, store{operations: 100_000, clients: 10}},
		{"fresh/1000-keys-100", 1000, store{operations: 100, clients: 10}},
		{"fresh-unknown/1-key-100000", 1, store{operations: 100_000, clients: 10, unknown: .1}},
		{"stale-2%/1-key-100000", 1, store{operations: 100_000, clients: 10, stale: .02, lag: 5e6}},
		{"stale-50%/1-key-100000", 1, store{operations: 100_000, clients: 10, stale: .5, lag: 5e6}},
		{"stale-2%/1000-keys-100", 1000, store{operations: 100, clients: 10, stale: .02, lag: 5e6}},
		{"stale-unknown/1-key-100000", 1, store{operations: 100_000, clients: 50, unknown: .1, stale: .02, lag: 5e6}},
		{"stale-2%/1-key-1000000", 1, store{operations: 1_000_000, clients: 10, stale: .02, lag: 5e6}},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		values, lists := make([]int, c.keys), make([][]Operation, c.keys)
		for i := range lists {
			values[i], lists[i] = c.run(r)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var m Meter
			for b.Loop() {
				m.report, m.ages = Report{}, m.ages[:0]
				for i := range lists {
					if err := m.Measure(context.Background(), "k", values[i], lists[i]); err != nil {
						b.Fatal(err)
					}
				}
				m.Report(nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.keys*c.operations), "ns/operation")
		})
	}
}

// BenchmarkPredict reports nanoseconds a trial.
func BenchmarkPredict(b *testing.B) {
	var writes, reads []Measurement
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		for _, list := range []*[]Measurement{&writes, &reads} {
			m := Measurement{Coordinator: int32(r.IntN(5)), Travel: 1e6}
			for i := range int32(3) {
				m.Replicas = append(m.Replicas, RoundTrip{i, 1 + r.Int64N(3e6)})
			}
			*list = append(*list, m)
		}
	}
	q := Quorum{3, 1, 1}
	draw, err := Measured(q, writes, reads)
	if err != nil {
		b.Fatal(err)
	}
	const trials = 20_000
	for b.Loop() {
		if _, err := Predict(r, q, trials, draw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/trials, "ns/trial")
}
