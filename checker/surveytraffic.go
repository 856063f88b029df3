package checker

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// surveyedTraffic is what Stats and Validity need to know of the client operations,
// gathered in one walk through the history.
type surveyedTraffic struct {
	kinds []kindTraffic // by operation name, in the order of their first operation
	total kindTraffic
	fail  int
	info  int
	// latest is the latest start of an operation seen; seen says that there was one.
	latest int64
	seen   bool
	// main is the main phase, once it was seen to begin. Until then operations
	// are counted as the main phase's, since a history without one is all main phase.
	main      span
	latencies latencies
	// of the main phase, for a prediction of staleness
	reads, writes sampler
	faults        map[string]*faultTraffic
	inForce       []*faultTraffic
	// recent are the greatest completion indexes seen, Infinity where there is none.
	recent [enoughUnderFault]int64
	lives  processLives
}

// kindTraffic counts operations of one kind.
type kindTraffic struct {
	f                     string
	all, ok, main, mainOk int
}

// faultTraffic counts the operations that meet a fault, up to enoughUnderFault.
type faultTraffic struct {
	from   int64 // index of the event after which the fault is fully in force
	met    int
	healed bool
}

// note takes a client's operation into account.
func (t *surveyedTraffic) note(o *history.Operation) {
	if !t.seen {
		for i := range t.recent {
			t.recent[i] = -1
		}
	}
	t.latest, t.seen = o.Start, true
	inMain := !t.main.ok || t.main.contains(o.Start)
	kind := t.kind(o.F)
	for _, k := range []*kindTraffic{kind, &t.total} {
		k.all++
		if inMain {
			k.main++
		}
	}
	switch o.Type {
	case history.Ok:
		for _, k := range []*kindTraffic{kind, &t.total} {
			k.ok++
			if inMain {
				k.mainOk++
			}
		}
		if inMain {
			t.latencies.add(o.End - o.Start)
			if s := t.sampler(o.F); s != nil {
				s.add(o)
			}
		}
	case history.Fail:
		t.fail++
	default:
		t.info++
	}
	t.meet(o)
	t.lives.note(o)
}

func (t *surveyedTraffic) kind(f string) *kindTraffic {
	for i := range t.kinds {
		if t.kinds[i].f == f {
			return &t.kinds[i]
		}
	}
	t.kinds = append(t.kinds, kindTraffic{f: f})
	return &t.kinds[len(t.kinds)-1]
}

// enter begins the main phase: what was counted for it until now was before it.
func (t *surveyedTraffic) enter(main span) {
	t.main = main
	for i := range t.kinds {
		t.kinds[i].main, t.kinds[i].mainOk = 0, 0
	}
	t.total.main, t.total.mainOk = 0, 0
	t.latencies = latencies{}
	t.reads, t.writes = sampler{}, sampler{}
}

// sampler takes operations of the kind; nil where none is taken.
func (t *surveyedTraffic) sampler(f string) *sampler {
	switch f {
	case history.FRead:
		return &t.reads
	case history.FWrite:
		return &t.writes
	}
	return nil
}

// fault takes the injection of a fault or its heal into account, and returns
// false if it is not the first of the fault.
func (t *surveyedTraffic) fault(o *history.Operation) bool {
	f, found := t.faults[o.Key]
	if o.F == history.FHeal {
		if !found || f.healed {
			return false
		}
		f.healed = true
		t.inForce = slices.DeleteFunc(t.inForce, func(x *faultTraffic) bool { return x == f })
		return true
	}
	if found {
		return false
	}
	f = &faultTraffic{from: o.Completion}
	if t.seen {
		for _, completion := range t.recent {
			if completion > f.from {
				f.met++
			}
		}
	}
	if t.faults == nil {
		t.faults = map[string]*faultTraffic{}
	}
	t.faults[o.Key] = f
	t.inForce = append(t.inForce, f)
	return true
}

// meet counts the operation for the faults that it meets. Those invoked before
// the fault are counted by fault; since no more than enough are asked for, it
// is enough to know the latest of them.
func (t *surveyedTraffic) meet(o *history.Operation) {
	completion := o.Completion
	if completion < 0 {
		completion = history.Infinity
	}
	for _, f := range t.inForce {
		if f.met < enoughUnderFault && completion > f.from {
			f.met++
		}
	}
	least := 0
	for i := range t.recent {
		if t.recent[i] < t.recent[least] {
			least = i
		}
	}
	t.recent[least] = max(t.recent[least], completion)
}

// met is how many operations met the fault, at least up to enoughUnderFault.
func (t *surveyedTraffic) met(id string) int {
	if f := t.faults[id]; f != nil {
		return f.met
	}
	return 0
}

// stats is the function stats.
func (t *surveyedTraffic) stats(tl *timeline) Stats {
	main := tl.mainPhase()
	s := Stats{ByF: map[string]int{}, OkByF: map[string]int{}, Keys: len(tl.keys), Seconds: seconds(main.end - main.start),
		Operations: t.total.all, Ok: t.total.ok, Fail: t.fail, Info: t.info, Main: t.total.main}
	for _, k := range t.kinds {
		s.ByF[k.f] = k.all
		if k.ok > 0 {
			s.OkByF[k.f] = k.ok
		}
	}
	s.LatencyMillis = t.latencies.quantiles()
	return s
}

// enoughWorkers is how many processes active at one time make no difference any more.
const enoughWorkers = 2*enoughUnderFault - 1

// processLives finds how many processes were active at one time at the most,
// up to enoughWorkers; then it keeps nothing any more.
type processLives struct {
	lives   map[history.Process]life
	looked  int // how many lives there were when they were last looked at
	reached bool
}

func (p *processLives) note(o *history.Operation) {
	if p.reached {
		return
	}
	if p.lives == nil {
		p.lives = map[history.Process]life{}
	}
	noteLife(p.lives, o)
	// Longer lives overlap more: what is reached stays so.
	if n := len(p.lives); n >= enoughWorkers && o.Index >= int64(64+2*p.looked) {
		p.looked = int(o.Index)
		if mostAlive(p.lives) >= enoughWorkers {
			p.reached, p.lives = true, nil
		}
	}
}

func (p *processLives) most() int {
	if p.reached {
		return enoughWorkers
	}
	return mostAlive(p.lives)
}

// exactLatencies is how many latencies are kept as they are, four bytes each.
const exactLatencies = 1 << 24

// latencies collects the latencies of operations. Their quantiles are exact up
// to exactLatencies of them; of more, they are rounded up by less than 0.2 %.
type latencies struct {
	short  []uint32 // below 2³² ns
	long   []int64
	coarse []int64 // by coarseBucket, once there are too many
	count  int
	most   int64
}

func (l *latencies) add(nanoseconds int64) {
	l.count++
	l.most = max(l.most, nanoseconds)
	switch {
	case l.coarse != nil:
		l.coarse[coarseBucket(nanoseconds)]++
	case nanoseconds == int64(uint32(nanoseconds)):
		l.short = append(l.short, uint32(nanoseconds))
	default:
		l.long = append(l.long, nanoseconds)
	}
	if l.coarse == nil && l.count > exactLatencies {
		l.coarsen()
	}
}

func (l *latencies) coarsen() {
	l.coarse = make([]int64, 64<<coarseBits)
	for _, x := range l.short {
		l.coarse[coarseBucket(int64(x))]++
	}
	for _, x := range l.long {
		l.coarse[coarseBucket(x)]++
	}
	l.short, l.long = nil, nil
}

// coarseBits is how many bits after its first a latency is known by.
const coarseBits = 9

// coarseBucket is the number of the bucket of a latency.
func coarseBucket(x int64) int {
	if x < 1<<coarseBits {
		return int(max(x, 0))
	}
	shift := bits.Len64(uint64(x)) - 1 - coarseBits
	return (shift+1)<<coarseBits | int(x>>shift)&(1<<coarseBits-1)
}

// coarseEnd is the greatest latency of the bucket.
func coarseEnd(bucket int) int64 {
	if bucket < 1<<coarseBits {
		return int64(bucket)
	}
	shift := bucket>>coarseBits - 1
	return (int64(1<<coarseBits|bucket&(1<<coarseBits-1))+1)<<shift - 1
}

// quantiles are those of Stats.LatencyMillis, nil if there is no latency.
func (l *latencies) quantiles() map[string]float64 {
	if l.count == 0 {
		return nil
	}
	slices.Sort(l.long)
	quantiles := map[string]float64{}
	for name, q := range shownQuantiles {
		quantiles[name] = float64(l.at(quantileRank(l.count, q))) / 1e6
	}
	return quantiles
}

// at is the latency of that rank, from 0, once the long ones are sorted.
func (l *latencies) at(rank int) int64 {
	if l.coarse == nil {
		if rank < len(l.short) {
			return int64(ranked(l.short, rank))
		}
		return l.long[rank-len(l.short)]
	}
	for bucket, n := range l.coarse {
		if rank -= int(n); rank < 0 {
			return min(coarseEnd(bucket), l.most)
		}
	}
	return l.most
}

// ranked is the number of that rank, from 0, found by counting the numbers by
// their upper and then, of those with the right upper ones, by their lower 16 bits.
func ranked(numbers []uint32, rank int) uint32 {
	counts := make([]int, 1<<16)
	for _, n := range numbers {
		counts[n>>16]++
	}
	upper, rank := bucketOf(counts, rank)
	clear(counts)
	for _, n := range numbers {
		if n>>16 == upper {
			counts[n&0xffff]++
		}
	}
	lower, _ := bucketOf(counts, rank)
	return upper<<16 | lower
}

// bucketOf is the bucket in which the rank lies, and the rank within it.
func bucketOf(counts []int, rank int) (bucket uint32, within int) {
	for i, n := range counts {
		if rank < n {
			return uint32(i), rank
		}
		rank -= n
	}
	return 0, 0
}

// attempts lists attempts and successes by operation name, of the main phase or of all.
func (t *surveyedTraffic) attempts(all bool) (attempts, oks map[string]int, total int) {
	attempts, oks = map[string]int{}, map[string]int{}
	for _, k := range t.kinds {
		n, ok := k.main, k.mainOk
		if all {
			n, ok = k.all, k.ok
		}
		if n > 0 {
			attempts[k.f] = n
		}
		if ok > 0 {
			oks[k.f] = ok
		}
		total += ok
	}
	return attempts, oks, total
}

// life is the time of a process, in indexes of events.
type life struct{ first, last int64 }

// noteLife adds the operation to the life of its process.
func noteLife(lives map[history.Process]life, o *history.Operation) {
	x, found := lives[o.Process]
	if !found {
		x.first = o.Index
	}
	x.last = max(x.last, o.Index, o.Completion)
	lives[o.Process] = x
}

// mostAlive is how many of the lives overlap at the most.
func mostAlive(lives map[history.Process]life) int {
	type edge struct {
		at    int64
		delta int
	}
	edges := make([]edge, 0, 2*len(lives))
	for _, x := range lives {
		edges = append(edges, edge{x.first, 1}, edge{x.last + 1, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.delta, b.delta)) })
	most, now := 0, 0
	for _, e := range edges {
		now += e.delta
		most = max(most, now)
	}
	return most
}
