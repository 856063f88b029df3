package staleness

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func trips(coordinator int32, nanoseconds ...int64) Measurement {
	m := Measurement{Coordinator: coordinator}
	for i, n := range nanoseconds {
		m.Replicas = append(m.Replicas, RoundTrip{int32(i), n})
	}
	return m
}

// TestMeasuredKeepsRoundTripsWhole: the legs of a trial add up to a write and a
// read that were measured, replica by replica.
func TestMeasuredKeepsRoundTripsWhole(t *testing.T) {
	q := Quorum{N: 2, R: 1, W: 1}
	writes := []Measurement{trips(0, 10, 300), trips(1, 500, 20)}
	reads := []Measurement{trips(0, 1, 100), trips(1, 200, 1)}
	for i := range writes {
		writes[i].Travel, reads[i].Travel = 40, 60
	}
	// The order of the replicas in a measurement does not matter.
	writes[0].Replicas[0], writes[0].Replicas[1] = writes[0].Replicas[1], writes[0].Replicas[0]
	draw, err := Measured(q, writes, reads)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 1))
	seen := map[[4]int64]int{}
	legs := make([]Legs, 2)
	for range 1000 {
		assert.Equal(t, int64(50), draw(r, legs), "half of each travel, which never vary")
		for _, l := range legs {
			assert.True(t, l.W >= 0 && l.A >= 0 && l.R >= 0 && l.S >= 0, "%v", l)
		}
		seen[[4]int64{legs[0].W + legs[0].A, legs[1].W + legs[1].A, legs[0].R + legs[0].S, legs[1].R + legs[1].S}]++
	}
	assert.Len(t, seen, 4, "two writes with two reads each")
	assert.Greater(t, seen[[4]int64{10, 300, 1, 100}], 200)
	assert.Greater(t, seen[[4]int64{500, 20, 200, 1}], 200)
}

// TestMeasuredAgreesWithTheLegsThatNobodySaw draws legs that are exponential
// above a floor, with a disk at the end of a write's way, lets Measured see the
// round trips alone, and compares the predictions.
func TestMeasuredAgreesWithTheLegsThatNobodySaw(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	leg := func(r *rand.Rand, mean float64) int64 { return int64(mean/4 + r.ExpFloat64()*mean*.75) }
	legsOf := func(r *rand.Rand, coordinator int, legs []Legs) {
		for i := range legs {
			legs[i] = Legs{}
			if i != coordinator {
				legs[i] = Legs{leg(r, 1e6), leg(r, 1e6), leg(r, 1e6), leg(r, 1e6)}
			}
			legs[i].W += leg(r, 1e6)
		}
	}
	truth := func(random *rand.Rand, legs []Legs) int64 {
		reading := make([]Legs, len(legs))
		legsOf(random, random.IntN(5), legs)
		legsOf(random, random.IntN(5), reading)
		for i := range legs {
			legs[i].R, legs[i].S = reading[i].R, reading[i].S
		}
		return leg(random, 1e6) + leg(random, 1e6)
	}
	var writes, reads []Measurement
	for range 5_000 {
		legs := make([]Legs, 3)
		for _, list := range []*[]Measurement{&writes, &reads} {
			c := r.IntN(5)
			legsOf(r, c, legs)
			m := Measurement{Coordinator: int32(c), Travel: leg(r, 1e6) + leg(r, 1e6)}
			for i, l := range legs {
				trip := l.W + l.A
				if list == &reads {
					trip = max(l.R+l.S, 1)
				}
				m.Replicas = append(m.Replicas, RoundTrip{int32(i), trip})
			}
			*list = append(*list, m)
		}
	}
	for _, q := range []Quorum{{3, 1, 1}, {3, 2, 1}, {3, 1, 2}} {
		draw, err := Measured(q, writes, reads)
		require.NoError(t, err)
		want, err := Predict(r, q, 60_000, truth)
		require.NoError(t, err)
		got, err := Predict(r, q, 60_000, draw)
		require.NoError(t, err)
		for _, ms := range []float64{0, .5, 1, 2, 4, 8} {
			assert.InDelta(t, want.At(int64(ms*1e6)), got.At(int64(ms*1e6)), .012, "%v after %v ms", q, ms)
		}
		t.Logf("%v: at once %.4f, by the round trips %.4f", q, want.At(0), got.At(0))
	}
}

func TestMeasuredRefusesWhatDoesNotFit(t *testing.T) {
	q := Quorum{N: 2, R: 1, W: 1}
	_, err := Measured(q, nil, []Measurement{trips(0, 1, 2)})
	assert.ErrorIs(t, err, ErrNoPair)
	other := Measurement{Replicas: []RoundTrip{{7, 1}, {8, 1}}}
	_, err = Measured(q, []Measurement{other}, []Measurement{trips(0, 1, 2)})
	assert.ErrorIs(t, err, ErrNoPair, "other replicas")
	_, err = Measured(q, []Measurement{trips(0, 1, 2, 3)}, []Measurement{trips(0, 1, 2)})
	assert.Error(t, err)
	_, err = Measured(Quorum{2, 3, 1}, nil, nil)
	assert.ErrorIs(t, err, ErrQuorum)

	// A single measurement of each is enough, however poor.
	draw, err := Measured(q, []Measurement{trips(0, 5, 5)}, []Measurement{trips(1, 3, 3)})
	require.NoError(t, err)
	_, err = Predict(rand.New(rand.NewPCG(1, 1)), q, 10, draw)
	assert.NoError(t, err)
}
