package staleness

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
)

// Quorum is how many replicas a key has, and how many of them a read and a write wait for.
type Quorum struct {
	N int `json:"n"`
	R int `json:"r"`
	W int `json:"w"`
}

// ErrQuorum says that the numbers of a quorum make no sense.
var ErrQuorum = errors.New("want 1 ≤ r ≤ n and 1 ≤ w ≤ n")

func (q Quorum) check() error {
	if q.R < 1 || q.W < 1 || q.R > q.N || q.W > q.N {
		return fmt.Errorf("n=%d, r=%d, w=%d: %w", q.N, q.R, q.W, ErrQuorum)
	}
	return nil
}

// KStaleness is the probability that a read returns one of the last k versions
// if the replicas that a write and a read reach are drawn at random and a write
// gets no further than the w replicas it waited for: 1 - (C(n-w,r)/C(n,r))^k
// (Bailis et al., Probabilistically Bounded Staleness for Practical Partial
// Quorums, VLDB 2012, section 3.1). Real stores send a write to all n, and do
// better. k below 1 gives 0.
func KStaleness(q Quorum, k int) (float64, error) {
	if err := q.check(); err != nil {
		return 0, err
	}
	if k < 1 {
		return 0, nil
	}
	miss := 1.0 // C(n-w,r)/C(n,r): each of the r is one of the n-w that are left
	for i := range q.R {
		miss *= float64(max(q.N-q.W-i, 0)) / float64(q.N-i)
	}
	all := 1.0
	for range min(k, 10_000) {
		all *= miss
	}
	return 1 - all, nil
}

// Legs are the one-way latencies of one replica in one write and one read that
// follows it, in nanoseconds: W until the replica can answer reads with what
// was written, A until its acknowledgement is with the coordinator, R until the
// read reaches it, S until its answer is with the coordinator.
type Legs struct{ W, A, R, S int64 }

// Draw sets the legs of all replicas for one trial. apart is the time between
// the end of the write at its coordinator and the beginning of the read at the
// other's, beyond the t that is asked for: the travel to and from the clients.
type Draw func(random *rand.Rand, legs []Legs) (apart int64)

// Curve is the predicted probability that a read which begins t after the end
// of a write returns its value, or a newer one.
type Curve struct {
	// needed is, for each trial, the least t for which its read is fresh, in order.
	needed []int64
}

// TrialsMost bounds the memory of a Curve.
const TrialsMost = 10_000_000

// Predict makes a curve of so many trials, by the WARS model of Bailis et al.
// (VLDB 2012, section 5.1): a write is sent to all n replicas and ends with the
// w-th acknowledgement; a read is sent to all n, t later, and takes the first r
// answers; it is fresh iff the write reached one of those r replicas before
// the read did. Read repair, anti-entropy, failures and concurrent writes are
// not in the model. The same source of randomness gives the same curve.
func Predict(random *rand.Rand, q Quorum, trials int, draw Draw) (*Curve, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if trials < 1 || trials > TrialsMost {
		return nil, fmt.Errorf("%d trials: want 1 to %d", trials, TrialsMost)
	}
	c := &Curve{needed: make([]int64, trials)}
	legs, acknowledged, order := make([]Legs, q.N), make([]int64, q.N), make([]int, q.N)
	for trial := range c.needed {
		apart := draw(random, legs)
		for i := range legs {
			acknowledged[i], order[i] = legs[i].W+legs[i].A, i
		}
		slices.Sort(acknowledged)
		slices.SortFunc(order, func(a, b int) int {
			return cmp.Or(cmp.Compare(legs[a].R+legs[a].S, legs[b].R+legs[b].S), cmp.Compare(a, b))
		})
		needed := Infinity
		for _, i := range order[:q.R] {
			needed = min(needed, legs[i].W-legs[i].R-acknowledged[q.W-1]-apart)
		}
		c.needed[trial] = max(needed, 0)
	}
	slices.Sort(c.needed)
	return c, nil
}

// At is the probability that a read is fresh that begins t nanoseconds after the end of the write.
func (c *Curve) At(t int64) float64 {
	n := sort.Search(len(c.needed), func(i int) bool { return c.needed[i] > t })
	return float64(n) / float64(len(c.needed))
}

// Time is the least t, in nanoseconds, at which a read is fresh with that probability, from 0 to 1.
func (c *Curve) Time(probability float64) int64 {
	n := len(c.needed)
	i := sort.Search(n, func(i int) bool { return float64(i+1) >= probability*float64(n) })
	return c.needed[min(i, n-1)]
}

// Independent draws every leg by itself from samples of its kind, as Bailis et
// al. do. The samples are kept, and none may be empty.
func Independent(w, a, r, s []int64) (Draw, error) {
	for _, samples := range [][]int64{w, a, r, s} {
		if len(samples) == 0 {
			return nil, errors.New("no samples of a latency")
		}
	}
	one := func(random *rand.Rand, samples []int64) int64 { return samples[random.IntN(len(samples))] }
	return func(random *rand.Rand, legs []Legs) int64 {
		for i := range legs {
			legs[i] = Legs{one(random, w), one(random, a), one(random, r), one(random, s)}
		}
		return 0
	}, nil
}

// Prediction is what the measured latencies of the replicas let one expect.
type Prediction struct {
	Quorum
	// Trials is how many reads were drawn, Writes and ReadsMeasured from how
	// many measured operations.
	Trials int `json:"trials"`
	Writes int `json:"writes_measured"`
	Reads  int `json:"reads_measured"`
	// Curve has the probability of a fresh read at some times, in order.
	Curve []Point `json:"curve"`
	// Within is the time after which 99.9 % of the reads are fresh.
	Within int64 `json:"within_999"`
	// Versions has, for k from 1, the probability that a read misses fewer
	// than k versions; see KStaleness for what this leaves out.
	Versions []float64 `json:"versions"`
}

// Point is the probability of a fresh read at one time.
type Point struct {
	Nanoseconds int64   `json:"t"`
	Fresh       float64 `json:"fresh"`
}

// versionsMost is for how many k a Prediction has a probability.
const versionsMost = 10

// pointsOf a power of ten in a Prediction's curve: the series E12.
var pointsOf = []int64{10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82}

// Prediction puts the curve in the form of the report, from 10 µs to 100 s.
func (c *Curve) Prediction(q Quorum) *Prediction {
	p := &Prediction{Quorum: q, Trials: len(c.needed), Within: c.Time(0.999), Curve: []Point{}}
	for power := leastEdge / 10; power < mostEdge/10; power *= 10 {
		for _, step := range pointsOf {
			p.Curve = append(p.Curve, Point{step * power, rounded(c.At(step * power))})
		}
	}
	for k := 1; k <= versionsMost; k++ {
		share, err := KStaleness(q, k)
		if err != nil {
			return p
		}
		p.Versions = append(p.Versions, rounded(share))
	}
	return p
}
