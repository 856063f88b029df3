package nemesis

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// ScheduleOptions shape a random schedule. The zero value of a field stands for its default.
type ScheduleOptions struct {
	// Interval is the mean time between the starts of two faults; 2.3 s.
	Interval time.Duration
	// Shortest and Longest bound a fault's duration; 1 s and 5 s. Outages of a
	// majority last at most three fifths of Longest; clock faults may last a third of the run.
	Shortest, Longest time.Duration
	// Caps are what the backend can do: shapes that it cannot are not drawn. The
	// zero value leaves none out.
	Caps Caps
	// Datacenters has the nodes of each data centre of the target. Without at
	// least two there are no partitions of that shape.
	Datacenters [][]string

	// outages is of how many kinds the schedule owes an outage of a majority.
	outages int
}

func (o ScheduleOptions) filled() ScheduleOptions {
	if o.Interval <= 0 {
		o.Interval = 2300 * time.Millisecond
	}
	if o.Shortest <= 0 {
		o.Shortest = time.Second
	}
	if o.Longest <= 0 {
		o.Longest = 5 * time.Second
	}
	o.Longest = max(o.Longest, o.Shortest)
	return o
}

const (
	// calm is the time before the first fault and after the last, in runs that are long enough.
	calm = time.Second
	// leastWindow is the time below which a run has no room for any fault.
	leastWindow = 100 * time.Millisecond
	// apart is the least time between faults that must not meet on a node: it
	// leaves the node time to come back and the nemesis time to verify.
	apart = 750 * time.Millisecond
	// mostOutage is which part of a run, as 1/mostOutage, a majority may be
	// paused or dead: a cluster that never answers refutes nothing.
	mostOutage = 4
	// placeTries is how many places are tried for a fault; all but the first
	// nearTries are anywhere in the run.
	placeTries, nearTries = 80, 12
)

// Schedule draws the faults of a run of the given length on the given nodes.
// The same arguments give the same schedule, in this and in later versions;
// each fault's draws depend on nothing but the seed and its own place.
//
// Every one of the kinds occurs, as long as the run and the cluster have room
// for it (15 s and three nodes are enough for all). Kinds and shapes are dealt
// like cards, so that each gets its turn before any comes again. The first
// fault starts after about a second, the last is healed a second before the
// end. Faults overlap, except where they could not be told apart: no two
// pauses, kills or power cuts, no two clock faults and no two disk faults hold
// the same node at once, and no clock is set or set right while its node is
// paused or down. Partitions drop what is sent; none holds it.
//
// Unknown kinds and those for which there are too few nodes are left out; see
// ParseKinds and Available, which refuse them.
func Schedule(seed uint64, names []string, nodes []string, length time.Duration, o ScheduleOptions) []plan.Fault {
	o = o.filled()
	margin := min(calm, length/6).Round(time.Millisecond)
	window := length - 2*margin
	o.Shortest = min(o.Shortest, window)
	b := &board{seed: seed, nodes: nodes, length: length, options: o, first: margin, end: length - margin,
		buckets: map[int][]*placedFault{}}
	var wanted []*kind
	for _, k := range kinds() {
		if slices.Contains(names, k.name) && len(nodes) >= k.fewest() {
			wanted = append(wanted, k)
		}
	}
	if len(wanted) == 0 || window < leastWindow {
		return []plan.Fault{}
	}
	for _, k := range wanted {
		if k.resource == process && slices.ContainsFunc(k.shapes, func(s shape) bool { return s.must }) {
			b.options.outages++
		}
	}
	slots := b.deal(wanted)
	// The hardest to place come first; the one that opens the run before all.
	order := slices.Clone(slots)
	slices.SortStableFunc(order, func(x, y *slot) int { return x.rank() - y.rank() })
	for _, s := range order {
		b.place(s)
	}
	return b.numbered()
}

// slot is a fault to be placed: its kind and shape are decided, its time and particulars are not.
type slot struct {
	number int
	kind   *kind
	shape  *shape
	// must: the schedule owes a fault of this strength.
	must bool
}

func (s *slot) rank() int {
	switch {
	case s.number == 0:
		return 0
	case s.must:
		return 1
	case s.kind.resource == process:
		return 2
	case s.kind.resource != "":
		return 3
	}
	return 4
}

// board is a schedule in the making.
type board struct {
	seed       uint64
	nodes      []string
	length     time.Duration
	options    ScheduleOptions
	first, end time.Duration // faults lie in between
	slots      int
	placed     []*placedFault
	buckets    map[int][]*placedFault // by time; see bucketOf
	// outage is for how long a majority is paused or down, in all.
	outage time.Duration
}

type placedFault struct {
	kind  *kind
	fault plan.Fault
}

// deal decides how many faults there are, and the kind and shape of each.
func (b *board) deal(wanted []*kind) []*slot {
	window := b.end - b.first
	b.slots = max(len(wanted), int((window+b.options.Interval/2)/b.options.Interval))
	var slots []*slot
	occurrences := map[string][]*slot{}
	for round := uint64(0); len(slots) < b.slots; round++ {
		for _, k := range dealt(b.seed, "nemesis.kind", round, wanted, func(k *kind) string { return k.name }) {
			if len(slots) < b.slots {
				s := &slot{number: len(slots), kind: k}
				slots = append(slots, s)
				occurrences[k.name] = append(occurrences[k.name], s)
			}
		}
	}
	for _, k := range wanted {
		b.dealShapes(k, occurrences[k.name])
	}
	return slots
}

// dealShapes gives each of a kind's slots its shape, and one of them a shape that must occur.
func (b *board) dealShapes(k *kind, slots []*slot) {
	var possible []*shape
	for i := range k.shapes {
		if s := &k.shapes[i]; len(b.nodes) >= s.nodes && (s.name != Datacenters || len(b.options.Datacenters) > 1) {
			possible = append(possible, &k.shapes[i])
		}
	}
	name := func(s *shape) string { return s.name }
	domain := "nemesis.shape." + k.name
	var hand []*shape
	for round := uint64(0); len(hand) < len(slots); round++ {
		hand = append(hand, dealt(b.seed, domain, round, possible, name)...)
	}
	isMust := func(s *shape) bool { return s.must }
	owed := slices.IndexFunc(hand[:len(slots)], isMust)
	if later := slices.IndexFunc(hand, isMust); owed < 0 && later >= 0 {
		owed = int(plan.Draw(b.seed, domain+".must") % uint64(len(slots)))
		hand[owed], hand[later] = hand[later], hand[owed]
	}
	for i, s := range slots {
		s.shape, s.must = hand[i], i == owed
	}
}

// dealt returns the items in a random order that does not depend on which
// other items there are: each is ranked by a number of its own.
func dealt[T any](seed uint64, domain string, round uint64, items []T, name func(T) string) []T {
	order := slices.Clone(items)
	rank := func(item T) uint64 { return plan.Draw(seed, domain+"/"+name(item), round) }
	slices.SortStableFunc(order, func(x, y T) int { return cmp.Compare(rank(x), rank(y)) })
	return order
}

// place finds a time and targets for the slot's fault that go with what is
// placed already. If there is none it tries the kind's mildest shape; if
// there is no room for that either, the run is full and the fault left out.
func (b *board) place(s *slot) {
	shapes := []*shape{s.shape}
	if mildest := &s.kind.shapes[0]; mildest != s.shape {
		shapes = append(shapes, mildest)
	}
	for level, shape := range shapes {
		for try := range placeTries {
			r := plan.NewRand(b.seed, "nemesis.fault."+s.kind.name, uint64(s.number), uint64(level), uint64(try))
			if f := b.candidate(r, s, shape, try); b.fits(s.kind, &f) {
				b.add(s.kind, f)
				return
			}
		}
	}
}

// candidate draws one possible fault. Later tries leave the slot's own time and get shorter.
func (b *board) candidate(r *rand.Rand, s *slot, shape *shape, try int) plan.Fault {
	shortest, longest := s.kind.span(shape.name, b.length, b.options)
	if try >= nearTries {
		shortest = b.options.Shortest
		longest -= (longest - shortest) * time.Duration(try-nearTries) / (placeTries - nearTries)
	}
	latest := b.end - b.options.Shortest
	gap := (b.end - b.first) / time.Duration(b.slots)
	var at time.Duration
	switch {
	case s.number == 0:
		at = b.first + uniform(r, 0, gap/5)
	case try < nearTries:
		at = b.first + time.Duration(s.number)*gap + uniform(r, -gap/4, gap/4)
	default:
		at = uniform(r, b.first, latest)
	}
	at = min(max(at, b.first), latest).Truncate(time.Millisecond)
	longest = min(longest, b.end-at)
	duration := uniform(r, min(shortest, longest), longest).Truncate(time.Millisecond)
	f := plan.Fault{Kind: s.kind.name, Shape: shape.name, At: plan.Duration(at), Duration: plan.Duration(duration)}
	if f.Shape == Datacenters {
		drawDatacenters(r, b.nodes, b.options.Datacenters, &f)
	} else {
		s.kind.draw(r, b.nodes, s.must, &f)
	}
	return f
}

// fits says whether the fault goes with those that are placed.
func (b *board) fits(k *kind, f *plan.Fault) bool {
	near := b.near(f)
	for _, other := range near {
		if share(f.Targets, other.fault.Targets) && disturb(k, f, other.kind, &other.fault) {
			return false
		}
	}
	return k.resource != process || b.outage+b.adds(near, f) <= b.length/mostOutage
}

// add places the fault.
func (b *board) add(k *kind, f plan.Fault) {
	if k.resource == process {
		b.outage += b.adds(b.near(&f), &f)
	}
	p := &placedFault{kind: k, fault: f}
	b.placed = append(b.placed, p)
	for bucket := bucketOf(f.At); bucket <= bucketOf(f.At+f.Duration); bucket++ {
		b.buckets[bucket] = append(b.buckets[bucket], p)
	}
}

// bucketOf numbers stretches of time by which placed faults are found.
func bucketOf(at plan.Duration) int { return int(time.Duration(at) / (30 * time.Second)) }

// near returns the placed faults that come closer than apart to the fault, or overlap it.
func (b *board) near(f *plan.Fault) []*placedFault {
	from, to := f.At-plan.Duration(apart), f.At+f.Duration+plan.Duration(apart)
	var found []*placedFault
	for bucket := bucketOf(max(0, from)); bucket <= bucketOf(to); bucket++ {
		for _, p := range b.buckets[bucket] {
			if p.fault.At <= to && from <= p.fault.At+p.fault.Duration && !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
	}
	return found
}

// disturb says whether two faults that come near each other on a node must not.
func disturb(k *kind, f *plan.Fault, otherKind *kind, other *plan.Fault) bool {
	if k.resource != "" && k.resource == otherKind.resource {
		return true
	}
	return k.steady != "" && k.steady == otherKind.resource && edgeWithin(f, other) ||
		otherKind.steady != "" && otherKind.steady == k.resource && edgeWithin(other, f)
}

// edgeWithin says whether the start or the end of f is within the other fault, or near it.
func edgeWithin(f, other *plan.Fault) bool {
	from, to := other.At-plan.Duration(apart), other.At+other.Duration+plan.Duration(apart)
	within := func(t plan.Duration) bool { return from <= t && t <= to }
	return within(f.At) || within(f.At+f.Duration)
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(node string) bool { return slices.Contains(b, node) })
}

// adds returns by how much the time grows for which a majority is paused or
// down when f is added to the faults near it. No two of them hold the same node.
func (b *board) adds(near []*placedFault, f *plan.Fault) time.Duration {
	type edge struct {
		at    plan.Duration
		nodes int
	}
	var edges []edge
	for _, p := range near {
		if p.kind.resource == process {
			edges = append(edges, edge{p.fault.At, len(p.fault.Targets)}, edge{p.fault.At + p.fault.Duration, -len(p.fault.Targets)})
		}
	}
	slices.SortFunc(edges, func(x, y edge) int { return cmp.Or(cmp.Compare(x.at, y.at), x.nodes-y.nodes) })
	enough := majority(len(b.nodes))
	var total plan.Duration
	down, since := 0, f.At
	// Between two edges inside f, the majority is newly out if it is so only together with f's targets.
	for _, e := range append(edges, edge{at: f.At + f.Duration}) {
		at := min(max(e.at, f.At), f.At+f.Duration)
		if down < enough && down+len(f.Targets) >= enough {
			total += at - since
		}
		since = at
		down += e.nodes
	}
	return time.Duration(total)
}

// numbered returns the placed faults in the order of their starts, named f1, f2, ….
func (b *board) numbered() []plan.Fault {
	faults := make([]plan.Fault, 0, len(b.placed))
	for _, p := range b.placed {
		faults = append(faults, p.fault)
	}
	slices.SortStableFunc(faults, func(x, y plan.Fault) int { return cmp.Compare(x.At, y.At) })
	for i := range faults {
		faults[i].ID = "f" + strconv.Itoa(i+1)
	}
	return faults
}

// uniform draws from low…high, both included; low if high is less.
func uniform(r *rand.Rand, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(r.Int64N(int64(high-low)+1))
}

// logUniform draws a multiple of unit from low…high (both multiples, 0 < low ≤ high) so
// that every doubling is about equally likely: an octave first, a number in it
// then. It has no floating point, whose last bits differ between machines.
func logUniform(r *rand.Rand, low, high, unit int64) int64 {
	octaves := bits.Len64(uint64(high / low)) // the last one may be incomplete
	for {
		base := low << r.IntN(octaves)
		if n := (base + r.Int64N(base)) / unit * unit; n >= low && n <= high {
			return n
		}
	}
}

// eitherWay returns n or −n.
func eitherWay(r *rand.Rand, n int64) int64 {
	if r.IntN(2) == 0 {
		return -n
	}
	return n
}
