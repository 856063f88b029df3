package generator_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/generator"
)

var endless = generator.Function(func(worker, index int) (generator.Operation, bool) {
	return generator.Operation{Key: fmt.Sprint(worker, "/", index)}, true
})

func TestPaceSpreadsAllWorkersOverTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		concurrency := rapid.IntRange(1, 20).Draw(t, "concurrency")
		rate := rapid.Float64Range(0.5, 50_000).Draw(t, "rate")
		g := generator.Pace(endless, seed, concurrency, rate)
		interval := time.Duration(generator.Together * float64(concurrency) / rate * float64(time.Second))
		for worker := range concurrency {
			for index := range 50 {
				op, ok := g.Operation(worker, index)
				require.True(t, ok)
				assert.Equal(t, fmt.Sprint(worker, "/", index), op.Key, "the operation itself is left alone")
				burst := time.Duration(index / generator.Together)
				assert.GreaterOrEqual(t, op.At, burst*interval-burst-1, "the rate is never exceeded for long")
				assert.LessOrEqual(t, op.At, burst*interval+interval/10+burst+1, "a burst begins together")
			}
		}
	})
}

func TestPaceDependsOnTheSeed(t *testing.T) {
	a, b := generator.Pace(endless, 1, 3, 10), generator.Pace(endless, 2, 3, 10)
	again := generator.Pace(endless, 1, 3, 10)
	different := 0
	for index := range 100 {
		x, _ := a.Operation(1, index)
		y, _ := b.Operation(1, index)
		z, _ := again.Operation(1, index)
		assert.Equal(t, x, z)
		if x.At != y.At {
			different++
		}
	}
	assert.Greater(t, different, 90)
}

func TestPaceAtRateZeroWaitsForNothing(t *testing.T) {
	op, ok := generator.Pace(endless, 1, 3, 0).Operation(2, 1000)
	require.True(t, ok)
	assert.Zero(t, op.At)
}

// The times of a seed are the same on every machine and in every version.
func TestPaceNeverChanges(t *testing.T) {
	at := func(g generator.Generator, worker, index int) time.Duration {
		op, _ := g.Operation(worker, index)
		return op.At
	}
	g := generator.Pace(endless, 42, 10, 333.3)
	assert.Equal(t, 6179451*time.Nanosecond, at(g, 3, 0))
	assert.Equal(t, 3601245827*time.Nanosecond, at(g, 7, 123))
	assert.Equal(t, 277777*time.Hour+47*time.Minute+26573933875*time.Nanosecond, at(generator.Pace(endless, 42, 1, 1e-3), 0, 1_000_000))
}

// What no duration can hold is later than everything, never negative.
func TestPaceOfExtremes(t *testing.T) {
	for _, rate := range []float64{math.SmallestNonzeroFloat64, 1e-12, math.MaxFloat64, math.Inf(1), math.NaN(), -1} {
		g := generator.Pace(endless, 1, 1000, rate)
		before := time.Duration(0)
		for index := 0; index < 1<<29; index = index*3 + 1 {
			op, ok := g.Operation(1, index)
			require.True(t, ok)
			assert.GreaterOrEqual(t, op.At, before, "rate %v, operation %d", rate, index)
			before = op.At
		}
		if rate < 1 && rate > 0 {
			assert.Equal(t, time.Duration(math.MaxInt64), before)
		} else {
			assert.Zero(t, before)
		}
	}
}

func TestPaceEndsWhereItsGeneratorEnds(t *testing.T) {
	g := generator.Pace(generator.Sequences{{{F: "read"}}}, 1, 1, 10)
	_, ok := g.Operation(0, 0)
	assert.True(t, ok)
	_, ok = g.Operation(0, 1)
	assert.False(t, ok)
	_, ok = g.Operation(1, 0)
	assert.False(t, ok, "a worker beyond the list has no operations")
}

func TestHalfOfTheWorkersStayAndHalfRoam(t *testing.T) {
	nodes := []string{"n1", "n2", "n3", "n4", "n5"}
	node := generator.Nodes(nodes, 7)
	home := map[string]bool{}
	for worker := range 10 {
		seen := map[string]bool{}
		for index := range 200 {
			seen[node(worker, index)] = true
		}
		if worker%2 == 0 {
			assert.Len(t, seen, 1, "worker %d stays", worker)
			home[node(worker, 0)] = true
		} else {
			assert.Len(t, seen, len(nodes), "worker %d roams", worker)
		}
	}
	assert.Len(t, home, len(nodes), "those who stay are spread over all nodes")
}

func ExamplePace() {
	// Two workers, forty operations a second together: each has five of them every quarter of a second.
	g := generator.Pace(generator.Function(func(worker, index int) (generator.Operation, bool) {
		return generator.Operation{F: "read", Key: "k"}, true
	}), 42, 2, 40)
	for index := 3; index < 6; index++ {
		op, _ := g.Operation(0, index)
		fmt.Println(op.F, op.Key, "in burst", int(op.At/(250*time.Millisecond)))
	}
	// Output:
	// read k in burst 0
	// read k in burst 0
	// read k in burst 1
}
