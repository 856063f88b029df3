package core

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// φ by its definition, in floating point.
func phiModel(silence, mean float64) float64 { return -math.Log10(math.Exp(-silence / mean)) }

func TestPhiIsThatOfTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mean := rapid.Int64Range(1, 3600e9).Draw(t, "mean")
		// exp must not underflow in the model: 300 means are φ = 130.
		silence := rapid.Int64Range(0, min(300*mean, math.MaxInt64/2)).Draw(t, "silence")
		want := phiModel(float64(silence), float64(mean))
		got := float64(phi(silence, mean)) / phiUnit
		require.InDelta(t, want, got, 2e-6+want*1e-8)
	})
}

// The published example: with φ = 8, Cassandra gives a node 18.4 mean intervals.
func TestPhiOfCassandra(t *testing.T) {
	const second = int64(1e9)
	assert.Less(t, phi(18_420_680_700, second), int64(8*phiUnit))
	assert.GreaterOrEqual(t, phi(18_420_681_000, second), int64(8*phiUnit))
	assert.Zero(t, phi(-5, second))
	assert.Equal(t, phiMost, phi(math.MaxInt64, 1), "what does not fit is beyond every threshold")
}

// The window is that of the last intervals, whatever came before.
func TestArrivalsKeepTheMeanOfTheLastIntervals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const longest = 2000
		var a arrivals
		intervals := rapid.SliceOfN(rapid.Int64Range(1, 3000), 1, 40).Draw(t, "intervals")
		for len(intervals) < 2500 && rapid.Bool().Draw(t, "longer") {
			intervals = append(intervals, intervals...)
		}
		at, model := int64(1e9), []int64{longest}
		a.heartbeat(at, longest)
		for _, interval := range intervals {
			at += interval
			a.heartbeat(at, longest)
			if interval <= longest {
				model = append(model, interval)
			}
		}
		model = model[max(0, len(model)-arrivalWindow):]
		sum := int64(0)
		for _, interval := range model {
			sum += interval
		}
		require.Equal(t, sum/int64(len(model)), a.mean(7))
		require.Equal(t, sum, a.sum)
	})
	assert.Equal(t, int64(7), new(arrivals).mean(7))
}

// A node is suspected from exactly that nanosecond on at which φ exceeds the threshold.
func TestPatienceIsPhiSolvedForTheSilence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mean, threshold := rapid.Int64Range(1, 3600e9).Draw(t, "mean"), rapid.IntRange(1, 100).Draw(t, "threshold")
		longest := patience(mean, threshold)
		require.LessOrEqual(t, phi(longest, mean), int64(threshold)*phiUnit)
		require.Greater(t, phi(longest+1, mean), int64(threshold)*phiUnit)
	})
	assert.Equal(t, phiMost, patience(math.MaxInt64, 100))
}
