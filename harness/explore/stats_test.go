package explore

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIntervals(t *testing.T) {
	assert.Equal(t, "96 of 100 (90.2–98.4 %)", wilson(96, 100).String())
	assert.Equal(t, "0 of 3,000 (0–0.0998 %)", noneOf(3000).String())
	assert.Equal(t, "1 of 1 (2.5–100 %)", firstOf(1).String())
	assert.Equal(t, "0 of 0 (0–100 %)", noneOf(0).String())
	assert.InDelta(t, 3.0/1e6, noneOf(1_000_000).High, 1e-8, "the rule of three")
	for n := uint64(2); n < 5000; n = n*2 + 1 {
		r := firstOf(n)
		// With the lower limit as the truth so early a failure has 2.5 %, with the upper one so late a failure.
		assert.InDelta(t, 0.025, 1-math.Pow(1-r.Low, float64(n)), 1e-9)
		assert.InDelta(t, 0.025, math.Pow(1-r.High, float64(n-1)), 1e-9)
		assert.InDelta(t, 0.05, math.Pow(1-noneOf(n).High, float64(n)), 1e-9)
	}
	assert.Equal(t, "99.96", percent(0.99969), "never rounded up to certainty")
}
