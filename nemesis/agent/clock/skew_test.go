package clock

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const now = int64(1_800_000_000_000_000_000)

// exact computes Skew's definition with numbers that have no bounds.
func exact(s Skew, real int64) *big.Int {
	elapsed := new(big.Int).Sub(big.NewInt(real), big.NewInt(s.Base))
	v := new(big.Int).Mul(elapsed, big.NewInt(s.Rate))
	v.Rsh(v, 32) // rounds down
	v.Add(v, big.NewInt(real))
	v.Add(v, big.NewInt(s.Offset))
	if s.Period > 0 && new(big.Int).Quo(elapsed, big.NewInt(s.Period)).Bit(0) == 0 {
		v.Add(v, big.NewInt(s.Delta))
	}
	if v.Sign() < 0 {
		v.SetInt64(0)
	}
	return v
}

// plausible draws skews that a person would ask for, near the time now.
func plausible(t *rapid.T, strobe bool) Skew {
	hour := int64(time.Hour)
	s := Skew{
		Base:   now + rapid.Int64Range(-hour, hour).Draw(t, "base"),
		Offset: rapid.Int64Range(-1000*hour, 1000*hour).Draw(t, "offset"),
		Rate:   RatePPM(rapid.Int64Range(-500_000, 500_000).Draw(t, "ppm")),
	}
	if strobe {
		s.Period = rapid.Int64Range(1, hour).Draw(t, "period")
		s.Delta = rapid.Int64Range(-hour, hour).Draw(t, "delta")
	}
	return s
}

func drawReal(t *rapid.T) int64 {
	return now + rapid.Int64Range(-int64(24*time.Hour), int64(24*time.Hour)).Draw(t, "real")
}

func TestAtFollowsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, real := plausible(t, rapid.Bool().Draw(t, "strobe")), drawReal(t)
		require.Equal(t, exact(s, real).Int64(), s.At(real))
	})
}

func TestAtInPlainCases(t *testing.T) {
	second := int64(time.Second)
	for name, c := range map[string]struct {
		skew Skew
		real int64
		want int64
	}{
		"none":                     {Skew{}, now, now},
		"an hour fast":             {Skew{Offset: 3600 * second}, now, now + 3600*second},
		"30 s slow":                {Skew{Offset: -30 * second}, now, now - 30*second},
		"100 ppm after 10 s":       {Skew{Base: now, Rate: RatePPM(100)}, now + 10*second, now + 10*second + 1_000_000},
		"half speed after 10 s":    {Skew{Base: now, Rate: RatePPM(-500_000)}, now + 10*second, now + 5*second},
		"standing still":           {Skew{Base: now, Rate: RatePPM(-1_000_000)}, now + 10*second, now},
		"strobe, even period":      {Skew{Base: now, Period: second, Delta: 7}, now + 2*second, now + 2*second + 7},
		"strobe, odd period":       {Skew{Base: now, Period: second, Delta: 7}, now + second, now + second},
		"negative period, no beat": {Skew{Base: now, Period: -1, Delta: 7}, now, now},
		"before the epoch":         {Skew{Offset: -2 * now}, now, 0},
	} {
		assert.InDelta(t, c.want, c.skew.At(c.real), 2, name) // RatePPM rounds
	}
}

func TestRatePPM(t *testing.T) {
	assert.Equal(t, int64(1<<32), RatePPM(1_000_000))
	assert.Equal(t, int64(-1<<32), RatePPM(-1_000_000))
	assert.Equal(t, int64(4295), RatePPM(1)) // 4294.967…
	assert.Equal(t, int64(-4295), RatePPM(-1))
	assert.Equal(t, int64(0), RatePPM(0))
	assert.Equal(t, int64(math.MaxInt64), RatePPM(math.MaxInt64))
	assert.Equal(t, int64(math.MinInt64), RatePPM(math.MinInt64))
	rapid.Check(t, func(t *rapid.T) {
		ppm := rapid.Int64Range(-2_000_000_000_000_000, 2_000_000_000_000_000).Draw(t, "ppm")
		// |rate·10⁶ − ppm·2³²| ≤ half of 10⁶
		d := new(big.Int).Mul(big.NewInt(RatePPM(ppm)), big.NewInt(1_000_000))
		d.Sub(d, new(big.Int).Lsh(big.NewInt(ppm), 32)).Abs(d)
		require.LessOrEqual(t, d.Int64(), int64(500_000))
	})
}

func TestRebaseDoesNotJump(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, at, real := plausible(t, rapid.Bool().Draw(t, "strobe")), drawReal(t), drawReal(t)
		// Quotients round toward zero, so that the beat is irregular before Base.
		real, at = max(real, s.Base), max(at, s.Base)
		r := s.Rebase(at)
		require.LessOrEqual(t, r.Base, at)
		if r.Period <= 0 {
			require.Equal(t, at, r.Base)
		}
		if real >= r.Base {
			requireWithin(t, s.At(real), r.At(real), 1)
		}
		// A change of drift at the base makes no jump there.
		r.Rate = RatePPM(rapid.Int64Range(-900_000, 900_000).Draw(t, "other"))
		requireWithin(t, s.At(r.Base), r.At(r.Base), 1)
	})
}

func TestCombineAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 4).Draw(t, "parts")
		strobe := rapid.IntRange(-1, n-1).Draw(t, "strobe")
		var parts []Skew
		for i := range n {
			parts = append(parts, plausible(t, i == strobe))
		}
		sum, err := Combine(parts...)
		require.NoError(t, err)
		real := drawReal(t)
		want := real
		for _, p := range parts {
			want += p.At(real) - real
		}
		requireWithin(t, want, sum.At(real), int64(n))
	})
}

// requireWithin compares in integers: nanoseconds since 1970 are too large for
// floats, which InDelta uses, to tell neighbours apart.
func requireWithin(t require.TestingT, want, got, tolerance int64) {
	difference := got - want
	require.LessOrEqual(t, max(difference, -difference), tolerance, "want %d, got %d", want, got)
}

func TestCombineRefusesTwoStrobes(t *testing.T) {
	beat := Skew{Period: 5, Delta: 1}
	_, err := Combine(beat, Skew{Offset: 3}, beat)
	assert.ErrorIs(t, err, ErrTwoStrobes)
	_, err = Combine(beat, Skew{Period: 5})
	assert.NoError(t, err, "a strobe of nothing is none")
}
