package results

import (
	"math/bits"
	"math/rand/v2"

	"github.com/refute-lab/refute/harness/history"
)

// bucketsMost bounds the number of time buckets: past it, neighbours are
// merged and a bucket gets twice as wide.
const bucketsMost = 600

// Series are aggregates of the client operations over time.
type Series struct {
	// Width of a bucket in nanoseconds: a second, or a power of two of them for long runs.
	Width   int64
	buckets []bucket
	// Open counts the operations without completion.
	Open int
}

type bucket struct {
	outcomes  [3]int // by outcome of Moment.Type, of operations that completed in the bucket
	latencies latencies
}

func newSeries() *Series { return &Series{Width: 1e9} }

// outcome numbers the three types of completion for arrays.
func outcome(t history.Type) int { return int(t) - int(history.Ok) }

// outcomeNames are the outcomes by number.
var outcomeNames = [3]string{"ok", "fail", "info"}

// invoked makes room up to the time, so that an idle second shows as one.
func (s *Series) invoked(time int64) { s.at(time) }

// add counts a completed operation: its outcome when it completed, and, for
// ok, its latency when it was invoked, so that a slow operation shows at the
// moment that made it slow.
func (s *Series) add(m *Moment) {
	s.at(max(m.Start, m.Finish))
	s.at(m.Finish).outcomes[outcome(m.Type)]++
	if m.Type == history.Ok {
		s.at(m.Start).latencies.add(m.Finish - m.Start)
	}
}

func (s *Series) at(time int64) *bucket {
	time = max(time, 0)
	for time/s.Width >= bucketsMost {
		s.halve()
	}
	i := int(time / s.Width)
	for len(s.buckets) <= i {
		s.buckets = append(s.buckets, bucket{})
	}
	return &s.buckets[i]
}

func (s *Series) halve() {
	s.Width *= 2
	half := s.buckets[:0]
	for i := 0; i < len(s.buckets); i += 2 {
		b := s.buckets[i]
		if i+1 < len(s.buckets) {
			for o, n := range s.buckets[i+1].outcomes {
				b.outcomes[o] += n
			}
			b.latencies.merge(&s.buckets[i+1].latencies)
		}
		half = append(half, b)
	}
	clear(s.buckets[len(half):])
	s.buckets = half
}

// latencies is a histogram whose bins are 1/16 of a power of two wide, so
// that a quantile is off by at most 1/16 of itself (3 % on average).
type latencies struct {
	count int
	most  int64
	bins  []uint32
}

func (l *latencies) add(nanos int64) {
	nanos = max(nanos, 0)
	l.count++
	l.most = max(l.most, nanos)
	i := bin(nanos)
	for len(l.bins) <= i {
		l.bins = append(l.bins, 0)
	}
	l.bins[i]++
}

func (l *latencies) merge(other *latencies) {
	l.count += other.count
	l.most = max(l.most, other.most)
	for len(l.bins) < len(other.bins) {
		l.bins = append(l.bins, 0)
	}
	for i, n := range other.bins {
		l.bins[i] += n
	}
}

// quantile returns the middle of the bin that holds it, in nanoseconds; the exact maximum for 1.
func (l *latencies) quantile(q float64) int64 {
	if l.count == 0 {
		return 0
	}
	rank := int(q * float64(l.count-1))
	if rank >= l.count-1 {
		return l.most
	}
	seen := 0
	for i, n := range l.bins {
		seen += int(n)
		if seen > rank {
			return min(binMiddle(i), l.most)
		}
	}
	return l.most
}

// bin numbers the bins: exact below 16, then 16 for each power of two.
func bin(nanos int64) int {
	if nanos < 16 {
		return int(nanos)
	}
	shift := bits.Len64(uint64(nanos)) - 5
	return shift<<4 + int(nanos>>shift)
}

func binMiddle(i int) int64 {
	if i < 32 {
		return int64(i)
	}
	shift := i>>4 - 1
	low := int64(i-shift<<4) << shift
	return low + int64(1)<<shift/2
}

// sampleMost bounds the sample by outcome; ok operations are the bulk, the
// others are what one looks for.
var sampleMost = [3]int{3000, 1000, 1500}

// Sample is a uniform sample, by outcome, of completed operations (algorithm
// R of Vitter, Random Sampling with a Reservoir, 1985).
type Sample struct {
	// Total counts what was sampled from, by outcome.
	Total  [3]int
	points [3][]dot
}

type dot struct{ start, latency int64 } // nanoseconds

func (s *Sample) add(random *rand.Rand, m *Moment) {
	o := outcome(m.Type)
	p := dot{start: m.Start, latency: max(m.Finish-m.Start, 0)}
	s.Total[o]++
	if len(s.points[o]) < sampleMost[o] {
		s.points[o] = append(s.points[o], p)
		return
	}
	if i := random.IntN(s.Total[o]); i < sampleMost[o] {
		s.points[o][i] = p
	}
}
