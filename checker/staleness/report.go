package staleness

import (
	"math"
	"math/bits"
	"slices"
)

// None stands for k, Δ or Γ where no number will do.
const None = -1

// Report is how stale the reads of a history were. Times are in nanoseconds.
type Report struct {
	// Keys is how many registers were measured, with how many reads and writes.
	Keys   int `json:"keys"`
	Reads  int `json:"reads"`
	Writes int `json:"writes"`
	// LeftOut are the keys that were not measured, by the reason.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	// Unexplained counts the reads of values that no write could have put
	// there: nobody wrote them, the write failed, or it was invoked after the
	// read. How stale they are cannot be said; they are not in the shares below.
	Unexplained int `json:"unexplained_reads,omitempty"`
	// Stale is the share of the reads that were certainly stale: of a value
	// for which a newer one had certainly been in the register before the read began.
	Stale Share `json:"stale"`
	// Versions counts the reads by how many newer versions they certainly
	// missed, without empty bins.
	Versions []VersionBin `json:"versions"`
	// Age says for how long, at least, the value of a stale read had been
	// overwritten when the read began; nil if no read was stale.
	Age *Quantiles `json:"age,omitempty"`
	// MostVersions is the read that missed the most versions, Oldest the one
	// whose value had been overwritten for the longest time. Both are lower bounds.
	MostVersions MostVersions `json:"most_versions"`
	Oldest       Duration     `json:"oldest"`
	// K is the least k for which every key is k-atomic: each read returns one
	// of the last k values.
	K KAtomicity `json:"k"`
	// Delta is the least time by which all reads would have to begin earlier
	// for the history to be atomic (Golab, Li and Shah, Analyzing Consistency
	// Properties for Fun and Profit, PODC 2011). None if a read precedes its write.
	Delta Duration `json:"delta"`
	// Gamma is the least time by which all operations would have to be
	// stretched, half of it at either end, for the history to be atomic (Golab
	// et al., Client-Centric Benchmarking of Eventual Consistency for Cloud
	// Storage Systems, ICDCS 2014). What clocks that disagree by as much could
	// have caused. None if a value was read that nobody wrote.
	Gamma Duration `json:"gamma"`
	// Visibility is the share of fresh reads by the time since the last
	// acknowledged write of the key had ended, in order, without empty buckets.
	// A read is fresh here unless a write that is definitely newer had been
	// acknowledged before the read began.
	Visibility []Bucket `json:"visibility"`
	// Prediction is what the latencies of the replicas let one expect; nil if they are not known.
	Prediction *Prediction `json:"prediction,omitempty"`
	// NoPrediction says why there is none.
	NoPrediction string `json:"no_prediction,omitempty"`
	// Partial says that the time was over before every key was measured to the end.
	Partial bool `json:"partial,omitempty"`
}

// LeftOut counts keys that were not measured.
type LeftOut struct {
	Why  string `json:"why"`
	Keys int    `json:"keys"`
}

// Share is a part of a whole, with a 95 % interval (Wilson, Probable
// Inference, the Law of Succession, and Statistical Inference, 1927), which
// takes the reads for independent of one another. Where there is nothing to
// take a share of it is 0 in an interval from 0 to 1.
type Share struct {
	Count int     `json:"count"`
	Of    int     `json:"of"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// VersionBin counts reads that missed from Least to Most versions.
type VersionBin struct {
	Least int `json:"least"`
	Most  int `json:"most"`
	Reads int `json:"reads"`
}

// Quantiles of a time.
type Quantiles struct {
	P50 int64 `json:"p50"`
	P95 int64 `json:"p95"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// MostVersions is how many versions a read missed, on which key, and the operations that show it.
type MostVersions struct {
	Versions   int     `json:"versions"`
	Key        string  `json:"key,omitempty"`
	Operations []int64 `json:"operations,omitempty"`
}

// Duration is a measure that is a time, the key that has it, and the operations that show it.
type Duration struct {
	// Nanoseconds is the measure, or None.
	Nanoseconds int64   `json:"nanoseconds"`
	Key         string  `json:"key,omitempty"`
	Operations  []int64 `json:"operations,omitempty"`
}

// KAtomicity is the least k, which lies from Least to Most; both are None if
// no k will do, since a read returned what no write could have put there.
type KAtomicity struct {
	Least int `json:"least"`
	Most  int `json:"most"`
	// Key has the greatest lower bound; Operations show it.
	Key        string  `json:"key,omitempty"`
	Operations []int64 `json:"operations,omitempty"`
}

// Exact says whether k is known.
func (k KAtomicity) Exact() bool { return k.Least == k.Most }

func (k *KAtomicity) merge(least, most int, key string, operations []int64) {
	switch {
	case k.Least == None:
	case least == None:
		*k = KAtomicity{None, None, key, operations}
	default:
		k.Most = max(k.Most, most)
		if least > k.Least {
			k.Least, k.Key, k.Operations = least, key, operations
		}
		if k.Least == 1 { // no key stands out
			k.Key, k.Operations = "", nil
		}
	}
}

func (d *Duration) merge(nanoseconds int64, key string, operations []int64) {
	if d.Nanoseconds == None {
		return
	}
	if nanoseconds == None || nanoseconds > d.Nanoseconds {
		*d = Duration{nanoseconds, key, operations}
	}
}

// Report returns what was measured so far. curve, if it is not nil, is the
// prediction to put beside it.
func (m *Meter) Report(curve *Curve) *Report {
	r := m.report
	measured := r.Reads - r.Unexplained
	r.Stale = ShareOf(len(m.ages), measured)
	r.Versions = m.bins.list()
	if len(m.ages) > 0 {
		ages := slices.Clone(m.ages)
		slices.Sort(ages)
		r.Age = &Quantiles{quantile(ages, 50), quantile(ages, 95), quantile(ages, 99), ages[len(ages)-1]}
	}
	r.Visibility = m.trend.list(curve)
	return &r
}

// quantile is the least of the sorted numbers that at least so many percent of them do not exceed.
func quantile(sorted []int64, percent int) int64 {
	return sorted[max((percent*len(sorted)+99)/100, 1)-1]
}

// exactBins is how many bins of versions are one version wide.
const exactBins = 16

// versionBins counts reads by versions: one by one first, then by powers of two.
type versionBins struct{ counts [exactBins + 32]int }

func (b *versionBins) add(versions int) {
	i := versions
	if i >= exactBins {
		i = exactBins + bits.Len(uint(versions)) - bits.Len(exactBins)
	}
	b.counts[min(i, len(b.counts)-1)]++
}

func (b *versionBins) list() []VersionBin {
	list := []VersionBin{}
	for i, reads := range b.counts {
		if reads == 0 {
			continue
		}
		least, most := i, i
		if i >= exactBins {
			least = exactBins << (i - exactBins)
			most = 2*least - 1
		}
		list = append(list, VersionBin{least, most, reads})
	}
	return list
}

// ShareOf is count of so many, with its interval.
func ShareOf(count, of int) Share {
	if of <= 0 {
		return Share{High: 1}
	}
	const z = 1.959963984540054 // of 95 %
	n, p := float64(of), float64(count)/float64(of)
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return Share{count, of, rounded(p), rounded(max(middle-half, 0)), rounded(min(middle+half, 1))}
}

// rounded makes a share the same on every machine.
func rounded(share float64) float64 { return math.Round(share*1e6) / 1e6 }
