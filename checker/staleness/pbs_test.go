package staleness

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKStalenessOfThePaper(t *testing.T) {
	for k, want := range map[int]float64{0: 0, 1: .333, 2: .556, 3: .704, 10: .983} {
		got, err := KStaleness(Quorum{N: 3, R: 1, W: 1}, k)
		require.NoError(t, err)
		assert.InDelta(t, want, got, .0005, "k=%d", k)
	}
	// C(n-w,r)/C(n,r) counted out: no two quorums miss each other where r+w > n.
	for n := 1; n <= 5; n++ {
		for r := 1; r <= n; r++ {
			for w := 1; w <= n; w++ {
				got, err := KStaleness(Quorum{n, r, w}, 1)
				require.NoError(t, err)
				assert.InDelta(t, 1-choose(n-w, r)/choose(n, r), got, 1e-12)
				if r+w > n {
					assert.Equal(t, 1.0, got)
				}
			}
		}
	}
	for _, q := range []Quorum{{3, 0, 1}, {3, 1, 4}, {0, 0, 0}, {3, 4, 1}, {3, 1, -1}} {
		_, err := KStaleness(q, 1)
		assert.ErrorIs(t, err, ErrQuorum)
		_, err = Predict(rand.New(rand.NewPCG(1, 1)), q, 10, nil)
		assert.ErrorIs(t, err, ErrQuorum)
	}
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c *= float64(n-i) / float64(i+1)
	}
	return max(c, 0)
}

// mixture is a latency of table 3 of the paper, in milliseconds: with the
// probability share Pareto(scale, shape), else exponential.
type mixture struct{ share, scale, shape, rate float64 }

func (m mixture) draw(random *rand.Rand) int64 {
	ms := random.ExpFloat64() / m.rate
	if random.Float64() < m.share {
		ms = m.scale * math.Pow(1-random.Float64(), -1/m.shape)
	}
	return int64(ms * 1e6)
}

// TestPredictionsOfThePaper draws from the fits of table 3 and compares with
// the figures of section 5 (t-visibility of LinkedIn's and Yammer's stores for
// n=3, r=w=1). The fits are rounded, and the tails depend on them.
func TestPredictionsOfThePaper(t *testing.T) {
	ssd := mixture{.9122, .235, 10, 1.66}
	for _, c := range []struct {
		name       string
		write, ars mixture
		atOnce     float64
		within     float64 // milliseconds for 99.9 %
	}{
		{"LinkedIn, solid state", ssd, ssd, .974, 1.85},
		{"LinkedIn, disks", mixture{.38, 1.05, 1.51, .183}, ssd, .439, 45.5},
		{"Yammer", mixture{.939, 3, 3.35, .0028}, mixture{.982, 1.5, 3.8, .0217}, .893, 1364},
	} {
		t.Run(c.name, func(t *testing.T) {
			curve, err := Predict(rand.New(rand.NewPCG(2, 3)), Quorum{N: 3, R: 1, W: 1}, 200_000, func(random *rand.Rand, legs []Legs) int64 {
				for i := range legs {
					legs[i] = Legs{c.write.draw(random), c.ars.draw(random), c.ars.draw(random), c.ars.draw(random)}
				}
				return 0
			})
			require.NoError(t, err)
			assert.InDelta(t, c.atOnce, curve.At(0), .01)
			assert.InEpsilon(t, c.within, float64(curve.Time(.999))/1e6, .2)
			if c.name == "LinkedIn, disks" {
				assert.InDelta(t, .925, curve.At(10e6), .005)
			}
			t.Logf("at once %.3f (%.3f), 99.9 %% after %.2f ms (%.2f)", curve.At(0), c.atOnce, float64(curve.Time(.999))/1e6, c.within)
		})
	}
}

// TestPredictionByHand: with constant latencies there is nothing random.
func TestPredictionByHand(t *testing.T) {
	draw := func(legs ...Legs) Draw {
		return func(_ *rand.Rand, out []Legs) int64 {
			copy(out, legs)
			return 0
		}
	}
	curve := func(q Quorum, d Draw) *Curve {
		c, err := Predict(rand.New(rand.NewPCG(1, 1)), q, 3, d)
		require.NoError(t, err)
		return c
	}
	// The write ends at 2, with the first replica; the read asks the second, which
	// it reaches 1 after its beginning and the write reaches at 10: t = 10-1-2.
	legs := draw(Legs{W: 1, A: 1, R: 5, S: 5}, Legs{W: 10, A: 1, R: 1, S: 1})
	c := curve(Quorum{2, 1, 1}, legs)
	assert.Equal(t, int64(7), c.Time(1))
	assert.Equal(t, 0.0, c.At(6))
	assert.Equal(t, 1.0, c.At(7), "what reaches the replica together with the read is read")
	assert.Equal(t, int64(0), curve(Quorum{2, 2, 1}, legs).Time(1), "overlapping quorums")
	assert.Equal(t, int64(0), curve(Quorum{2, 1, 2}, legs).Time(1))

	// The time between the two coordinators is no time to wait any more.
	c = curve(Quorum{2, 1, 1}, func(random *rand.Rand, out []Legs) int64 {
		legs(random, out)
		return 3
	})
	assert.Equal(t, int64(4), c.Time(1))
}

func TestStrictQuorumsAreNeverStale(t *testing.T) {
	draw, err := Independent([]int64{1, 50, 900}, []int64{3, 70}, []int64{2, 8, 300}, []int64{5, 40})
	require.NoError(t, err)
	for _, q := range []Quorum{{3, 2, 2}, {3, 1, 3}, {3, 3, 1}, {5, 3, 3}} {
		c, err := Predict(rand.New(rand.NewPCG(1, 1)), q, 5_000, draw)
		require.NoError(t, err)
		assert.Equal(t, 1.0, c.At(0), "%v", q)
	}
	weak, err := Predict(rand.New(rand.NewPCG(1, 1)), Quorum{3, 1, 1}, 5_000, draw)
	require.NoError(t, err)
	assert.Less(t, weak.At(0), 0.9)
	again, err := Predict(rand.New(rand.NewPCG(1, 1)), Quorum{3, 1, 1}, 5_000, draw)
	require.NoError(t, err)
	assert.Equal(t, weak, again)

	_, err = Independent([]int64{1}, nil, []int64{1}, []int64{1})
	assert.Error(t, err)
	_, err = Predict(rand.New(rand.NewPCG(1, 1)), Quorum{3, 1, 1}, 0, draw)
	assert.Error(t, err)
}

func TestPredictionOfAReport(t *testing.T) {
	draw, err := Independent([]int64{40e6}, []int64{1e6}, []int64{1e6}, []int64{1e6})
	require.NoError(t, err)
	c, err := Predict(rand.New(rand.NewPCG(1, 1)), Quorum{3, 1, 1}, 100, draw)
	require.NoError(t, err)
	p := c.Prediction(Quorum{3, 1, 1})
	assert.Equal(t, []float64{.333333, .555556}, p.Versions[:2])
	assert.Equal(t, int64(0), p.Within, "40-1-41 ms is in the past")
	assert.Equal(t, int64(10_000), p.Curve[0].Nanoseconds)
	assert.Equal(t, int64(82_000_000_000), p.Curve[len(p.Curve)-1].Nanoseconds)
	for i := range p.Curve[1:] {
		assert.Less(t, p.Curve[i].Nanoseconds, p.Curve[i+1].Nanoseconds)
		assert.LessOrEqual(t, p.Curve[i].Fresh, p.Curve[i+1].Fresh)
	}
}
