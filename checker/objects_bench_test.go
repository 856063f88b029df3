package checker

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// BenchmarkObjects compares what is decided without a search with Porcupine and
// the same model on the same histories, of 8 clients. Where Porcupine does not
// finish within 10 s it says so.
func BenchmarkObjects(b *testing.B) {
	for _, c := range []struct {
		name string
		mix  objectMix
	}{
		{"set", objectMix{kind: setObject, operations: 100, processes: 8, unknown: 0.02}},
		{"counter", objectMix{kind: counterObject, operations: 400, processes: 8, unknown: 0.02}},
		{"queue", objectMix{kind: queueObject, operations: 400, processes: 8}},
		{"unordered-queue", objectMix{kind: bagObject, operations: 400, processes: 8}},
		{"text", objectMix{kind: textObject, operations: 400, processes: 8, unknown: 0.02, writes: true}},
	} {
		operations := c.mix.run(rand.New(rand.NewPCG(3, 3)))
		positions := all(operations)
		b.Run(c.name+"/exact", func(b *testing.B) {
			for b.Loop() {
				h := newObjectHistory(c.mix.kind)
				if err := h.load(operations, "x", positions); err != nil {
					b.Fatal(err)
				}
				if _, proved := h.decide(); !proved {
					b.Fatal("not proved")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(operations)), "ns/operation")
		})
		b.Run(c.name+"/porcupine", func(b *testing.B) {
			l := newLimiter(context.Background(), 2<<30)
			defer l.close()
			for b.Loop() {
				h := newObjectHistory(c.mix.kind)
				if err := h.load(operations, "x", positions); err != nil {
					b.Fatal(err)
				}
				model, calls := h.search()
				if a := l.run(model, calls, 10*time.Second); a.result != porcupine.Ok {
					b.Skip(a.why)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(operations)), "ns/operation")
		})
	}
}
