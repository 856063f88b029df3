package explore

import (
	"fmt"
	"math"

	"github.com/refute-lab/refute/harness/shrink"
)

// Rate is how many of a number of independent trials failed, with the interval
// that the probability of a failure lies in at 95 %.
type Rate struct {
	// Failing of Trials failed.
	Failing uint64 `json:"failing"`
	Trials  uint64 `json:"trials"`
	// Low and High bound the probability, from 0 to 1.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Method names the interval: "wilson", "clopper-pearson" or "geometric".
	Method string `json:"method"`
}

// wilson returns the rate with Wilson's score interval. The number of trials
// must have been decided without regard to how they went.
func wilson(failing, trials uint64) Rate {
	low, high := shrink.Probability{Failing: int(failing), Trials: int(trials)}.Wilson()
	return Rate{Failing: failing, Trials: trials, Low: low, High: high, Method: "wilson"}
}

// noneOf returns the rate of no failure in so many trials. The bound is the exact one-sided
// limit 1 − 0.05^(1/N) (Clopper and Pearson, Biometrika 26, 1934), of which
// the rule of three, 3/N, is an approximation (Hanley and Lippman-Hand,
// Journal of the American Medical Association 249, 1983).
func noneOf(trials uint64) Rate {
	r := Rate{Trials: trials, High: 1, Method: "clopper-pearson"}
	if trials > 0 {
		r.High = -math.Expm1(math.Log(0.05) / float64(trials))
	}
	return r
}

// firstOf returns the rate of trials that were ended by their first failure, the last
// trial. Their number is then what was left to chance, and it has the
// geometric distribution; the interval is the exact one with 2.5 % on either side.
func firstOf(trials uint64) Rate {
	r := Rate{Failing: 1, Trials: trials, High: 1, Method: "geometric"}
	r.Low = -math.Expm1(math.Log(0.975) / float64(trials))
	if trials > 1 {
		r.High = -math.Expm1(math.Log(0.025) / float64(trials-1))
	}
	return r
}

// String writes "96 of 100 (90.2–98.4 %)".
func (r Rate) String() string {
	return fmt.Sprintf("%s of %s (%s)", thousands(r.Failing), thousands(r.Trials), r.interval())
}

// interval writes "90.2–98.4 %".
func (r Rate) interval() string {
	return percent(r.Low) + "–" + percent(r.High) + " %"
}

// percent writes a probability as per cent with three significant digits, and 0 and 100 as they are.
func percent(p float64) string {
	if p >= 0.9995 && p < 1 {
		return fmt.Sprintf("%.2f", math.Floor(p*1e4)/100) // 100 would claim more
	}
	return fmt.Sprintf("%.3g", p*100)
}
