package shrink

import (
	"fmt"
	"math"
)

// Probability is how often something failed in how many trials.
type Probability struct {
	Failing, Trials int
}

// z is the 97.5 % point of the normal distribution, for two-sided intervals of 95 %.
const z = 1.959963984540054

// Wilson returns the interval that holds the true probability with a
// confidence of 95 % (Wilson, "Probable inference, the law of succession, and
// statistical inference", JASA 1927). It needs no large numbers and is right
// near 0 and 1, too. Without trials it is the whole of 0…1.
func (p Probability) Wilson() (low, high float64) {
	if p.Trials <= 0 {
		return 0, 1
	}
	n, share := float64(p.Trials), float64(p.Failing)/float64(p.Trials)
	centre := (share + z*z/(2*n)) / (1 + z*z/n)
	margin := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	low, high = max(0, centre-margin), min(1, centre+margin)
	// At the ends of the scale the formula is exact, its floating point is not.
	if p.Failing == 0 {
		low = 0
	}
	if p.Failing == p.Trials {
		high = 1
	}
	return low, high
}

// String returns for instance "46 of 50 (81…97 %)".
func (p Probability) String() string {
	if p.Trials <= 0 {
		return "not measured"
	}
	low, high := p.Wilson()
	return fmt.Sprintf("%d of %d (%.0f…%.0f %%)", p.Failing, p.Trials, 100*low, 100*high)
}

// permille is the share in thousandths, in whole numbers, since decisions hang on it.
func (p Probability) permille() int {
	if p.Trials <= 0 {
		return 0
	}
	return p.Failing * 1000 / p.Trials
}
