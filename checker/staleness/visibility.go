package staleness

import "sort"

// Bucket is how many of the reads that began so long after the last
// acknowledged write of their key were fresh.
type Bucket struct {
	// From and To bound the time: From ≤ t < To, in nanoseconds. To is None
	// where there is no bound.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Fresh is the share of fresh reads.
	Fresh Share `json:"fresh"`
	// Predicted is the share that the prediction has for the times of these reads; nil without one.
	Predicted *float64 `json:"predicted,omitempty"`
}

// The buckets are bounded by 1, 2 and 5 times the powers of ten between these.
const (
	leastEdge int64 = 10_000          // 10 µs
	mostEdge  int64 = 100_000_000_000 // 100 s
	// parts is in how many parts of the same width a bucket is divided for the prediction.
	parts = 16
)

// edges bound the buckets.
var edges = func() []int64 {
	list := []int64{0}
	for power := leastEdge; power < mostEdge; power *= 10 {
		list = append(list, power, 2*power, 5*power)
	}
	return append(list, mostEdge)
}()

// trend counts reads by time.
type trend struct {
	// counts are the parts of the buckets, one bucket after the other.
	counts []struct{ reads, fresh int }
}

// bucketOf is the bucket that has the time, which is not negative.
func bucketOf(t int64) int {
	return sort.Search(len(edges), func(i int) bool { return edges[i] > t }) - 1
}

// width of a part of the bucket. The last bucket has no end; nobody waits there for long.
func width(bucket int) int64 {
	if bucket == len(edges)-1 {
		return mostEdge / parts
	}
	return max((edges[bucket+1]-edges[bucket])/parts, 1)
}

// partOf is the part, of all buckets together, that has the time.
func partOf(time int64) int {
	b := bucketOf(time)
	return b*parts + int(min((time-edges[b])/width(b), parts-1))
}

func (t *trend) add(time int64, fresh bool) {
	t.allocate()
	c := &t.counts[partOf(time)]
	c.reads++
	if fresh {
		c.fresh++
	}
}

// addMany counts fresh reads of one part.
func (t *trend) addMany(part, reads int) {
	t.allocate()
	t.counts[part].reads += reads
	t.counts[part].fresh += reads
}

func (t *trend) allocate() {
	if t.counts == nil {
		t.counts = make([]struct{ reads, fresh int }, len(edges)*parts)
	}
}

// list returns the buckets that have reads.
func (t *trend) list(curve *Curve) []Bucket {
	list := []Bucket{}
	for b := range edges {
		reads, fresh, predicted := 0, 0, 0.0
		for p := 0; p < parts && t.counts != nil; p++ {
			c := t.counts[b*parts+p]
			reads, fresh = reads+c.reads, fresh+c.fresh
			if curve != nil && c.reads > 0 {
				predicted += float64(c.reads) * curve.At(edges[b]+int64(p)*width(b)+width(b)/2)
			}
		}
		if reads == 0 {
			continue
		}
		bucket := Bucket{From: edges[b], To: None, Fresh: ShareOf(fresh, reads)}
		if b+1 < len(edges) {
			bucket.To = edges[b+1]
		}
		if curve != nil {
			share := rounded(predicted / float64(reads))
			bucket.Predicted = &share
		}
		list = append(list, bucket)
	}
	return list
}
