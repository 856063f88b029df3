package nemesis

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// SwarmOptions bound a swarm's schedule. The zero value of a field stands for its default.
type SwarmOptions struct {
	// Faults is the greatest number of faults that a seed may draw; by default
	// 25 for 60 s, in proportion, and at least 4. Correlated crashes may
	// exceed it by fewer than there are nodes.
	Faults int
	// Shortest and Longest bound a fault's duration; 5 ms and 10 s. A fault
	// lasts half of the run at most.
	Shortest, Longest time.Duration
	// Skew bounds by how much all clock faults together ever put a node's
	// clock off, either way; 10 s. It is 1 h at most.
	Skew time.Duration
	// NoHold: every partition drops what is sent, as on containers.
	NoHold bool
	// Datacenters has the nodes of each data centre of the target. With at
	// least two, one of three partitions is between data centres.
	Datacenters [][]string
}

const (
	swarmFaults, swarmMinute = 25, 60 * time.Second
	leastSwarmFaults         = 4
	largestSwarmSkew         = time.Hour
	smallestSwarmSkew        = time.Millisecond
	// correlation is within which time crashes begin that have one cause, and
	// how near faults come that follow one another.
	correlation, closest = 50 * time.Millisecond, 50 * time.Microsecond
	// swarmUnit is what all times of a swarm are multiples of.
	swarmUnit = time.Microsecond
)

func (o SwarmOptions) filled(length time.Duration) SwarmOptions {
	if o.Faults <= 0 {
		o.Faults = max(leastSwarmFaults, int(swarmFaults*(length/time.Millisecond)/(swarmMinute/time.Millisecond)))
	}
	if o.Shortest <= 0 {
		o.Shortest = 5 * time.Millisecond
	}
	if o.Longest <= 0 {
		o.Longest = 10 * time.Second
	}
	if o.Skew <= 0 {
		o.Skew = longestBump
	}
	o.Shortest = max(swarmUnit, o.Shortest.Truncate(swarmUnit))
	o.Longest = max(o.Shortest, min(o.Longest, length/2))
	o.Skew = min(max(swarmUnit, o.Skew), largestSwarmSkew)
	return o
}

// swarmKinds are the kinds that Swarm draws from. A kind's place is part of the
// identity of its draws: new ones come last.
var swarmKinds = [...]string{Partition, Pause, Kill, Clock, Power, Network, Disk, Operator, DiskLoss}

// Swarm draws the schedule of one seed of an exploration. Unlike Schedule's,
// it is not meant to have something of everything: what seeds have in common
// they find in common. Each seed has its own subset of the kinds (each is kept
// with probability ½, at least one is), its own number of faults and its own
// habits: whether crashes come together, whether faults follow one another
// closely, whether partitions hold messages back. This is swarm testing
// (Groce, Zhang, Eide, Chen and Regehr, ISSTA 2012). Numbers of faults,
// durations and magnitudes are even on a logarithmic scale.
//
// Crashes that have one cause are common where stores break, so some are
// faults of several nodes at once, and some are bursts: faults of different
// nodes, kills and power cuts mixed, within 0…50 ms. Faults may overlap in
// every way, also on one node.
//
// The faults are in the order of At, named f1, f2, …, and all end before
// length. The same arguments give the same faults on every machine. Unknown
// kinds, and partitions of a single node, are left out. There are no faults if
// no kind is left or length is below 2·Shortest.
//
// A swarm takes some two microseconds for each fault.
func Swarm(seed uint64, names []string, nodes []string, length time.Duration, o SwarmOptions) []plan.Fault {
	o = o.filled(length)
	length = length.Truncate(swarmUnit)
	if len(nodes) == 0 || length < 2*o.Shortest {
		return []plan.Fault{}
	}
	s := &swarm{nodes: nodes, length: length, options: o,
		order: make([]int, len(nodes)), role: make([]int, len(nodes)), picked: make([]bool, len(nodes))}
	s.random = rand.New(&s.source)
	s.keep(seed, names)
	if len(s.kinds) == 0 {
		return []plan.Fault{}
	}
	s.draw(seed)
	slices.SortStableFunc(s.faults, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
	for i := range s.faults {
		s.faults[i].ID = "f" + strconv.Itoa(i+1)
	}
	return s.faults
}

// swarm is the schedule of a seed in the making.
type swarm struct {
	nodes   []string
	length  time.Duration
	options SwarmOptions
	kinds   []string
	// together, chained and hold are in how many of four cases a crash is a
	// burst, a fault begins near the edge of another, a partition holds.
	together, chained, hold int

	faults []plan.Fault
	// random draws from source, which is set anew for each fault.
	random *rand.Rand
	source rand.PCG
	// Scratch, one element for each node.
	order, role []int
	picked      []bool
	// targets and cuts are where all faults' lists lie, one after the other.
	targets []string
	cuts    []history.Cut
}

// identity makes the following numbers those of the number-th fault.
func (s *swarm) identity(seed, number uint64) {
	s.source.Seed(plan.Draw(seed, "nemesis.swarm", number, 0), plan.Draw(seed, "nemesis.swarm", number, 1))
}

// keep chooses the seed's kinds. Whether one is kept does not depend on which others there are.
func (s *swarm) keep(seed uint64, names []string) {
	s.kinds = make([]string, 0, len(swarmKinds))
	spare, least := "", uint64(0)
	for i, name := range swarmKinds {
		if !slices.Contains(names, name) || name == Partition && len(s.nodes) < 2 {
			continue
		}
		n := plan.Draw(seed, "nemesis.swarm.kind", uint64(i))
		if n>>63 == 0 {
			s.kinds = append(s.kinds, name)
		}
		if spare == "" || n < least {
			spare, least = name, n
		}
	}
	if len(s.kinds) == 0 && spare != "" {
		s.kinds = append(s.kinds, spare)
	}
}

func (s *swarm) draw(seed uint64) {
	s.identity(seed, 0)
	r := s.random
	number := int(s.logUniform(1, int64(s.options.Faults), 1))
	s.together = [...]int{0, 1, 2, 4}[r.IntN(4)]
	s.chained = [...]int{0, 0, 1, 2}[r.IntN(4)]
	s.hold = [...]int{0, 0, 2, 4}[r.IntN(4)]
	s.faults = make([]plan.Fault, 0, number+len(s.nodes))
	s.targets = make([]string, 0, 2*number+len(s.nodes))
	// Where clocks are off as far as they may be, further clock faults are left
	// out. Such a seed has fewer faults than it drew.
	for event := 1; event <= 2*number && len(s.faults) < number; event++ {
		s.identity(seed, uint64(event))
		kind := s.kinds[r.IntN(len(s.kinds))]
		if (kind == Kill || kind == Power) && len(s.nodes) > 1 && r.IntN(4) < s.together {
			s.burst(kind)
			continue
		}
		f := plan.Fault{Kind: kind}
		at, duration := s.interval()
		f.At, f.Duration = plan.Duration(at), plan.Duration(duration)
		if s.particulars(&f) {
			s.faults = append(s.faults, f)
		}
	}
}

// logUniform is the function of this name, but quick as well where high is near low.
func (s *swarm) logUniform(low, high, unit int64) int64 {
	if high < 2*low {
		return low + s.random.Int64N(high-low+1)/unit*unit
	}
	return logUniform(s.random, low, high, unit)
}

func (s *swarm) duration(shortest, longest time.Duration) time.Duration {
	return time.Duration(s.logUniform(int64(shortest), int64(longest), int64(swarmUnit)))
}

// moment draws a time from zero to latest, both included.
func (s *swarm) moment(latest time.Duration) time.Duration {
	return time.Duration(s.random.Int64N(int64(latest/swarmUnit)+1)) * swarmUnit
}

// interval draws when a fault is in force.
func (s *swarm) interval() (at, duration time.Duration) {
	r := s.random
	duration = s.duration(s.options.Shortest, s.options.Longest)
	latest := s.length - duration - swarmUnit
	if len(s.faults) > 0 && r.IntN(4) < s.chained {
		other := &s.faults[r.IntN(len(s.faults))]
		edge := time.Duration(other.At)
		if r.IntN(2) == 0 {
			edge += time.Duration(other.Duration)
		}
		near := s.duration(closest, correlation)
		return min(max(edge+time.Duration(eitherWay(r, int64(near))), 0), latest), duration
	}
	return s.moment(latest), duration
}

// burst draws crashes of different nodes that have one cause.
func (s *swarm) burst(kind string) {
	r := s.random
	mixed := slices.Contains(s.kinds, Kill) && slices.Contains(s.kinds, Power) && r.IntN(2) == 0
	spread := time.Duration(0)
	if r.IntN(4) > 0 {
		spread = min(s.duration(closest, correlation), s.length/4).Truncate(swarmUnit)
	}
	at, duration := s.interval()
	at = max(0, min(at, s.length-spread-s.options.Shortest-swarmUnit))
	alike := r.IntN(2) == 0
	picked := s.pick(between(r, 2, len(s.nodes)))
	for i, node := range s.nodes {
		if !picked[i] {
			continue
		}
		if mixed {
			kind = [...]string{Kill, Power}[r.IntN(2)]
		}
		if !alike {
			duration = s.duration(s.options.Shortest, s.options.Longest)
		}
		start := at + s.moment(spread)
		s.faults = append(s.faults, plan.Fault{Kind: kind, Shape: One, Targets: s.list(node), At: plan.Duration(start),
			Duration: plan.Duration(min(duration, s.length-start-swarmUnit))})
	}
}

// shuffle puts the nodes' positions into random order, as far as the first k go.
func (s *swarm) shuffle(k int) []int {
	for i := range s.order {
		s.order[i] = i
	}
	for i := range k {
		j := i + s.random.IntN(len(s.order)-i)
		s.order[i], s.order[j] = s.order[j], s.order[i]
	}
	return s.order
}

// pick picks k nodes.
func (s *swarm) pick(k int) []bool {
	clear(s.picked)
	for _, i := range s.shuffle(k)[:k] {
		s.picked[i] = true
	}
	return s.picked
}

// list returns a list of its own that holds one node.
func (s *swarm) list(node string) []string {
	first := len(s.targets)
	s.targets = append(s.targets, node)
	return s.targets[first:len(s.targets):len(s.targets)]
}

// pickTargets picks k nodes and lists them.
func (s *swarm) pickTargets(k int) []string {
	s.pick(k)
	return s.listPicked()
}

// listPicked returns the picked nodes, in order.
func (s *swarm) listPicked() []string {
	first := len(s.targets)
	for i, picked := range s.picked {
		if picked {
			s.targets = append(s.targets, s.nodes[i])
		}
	}
	return s.targets[first:len(s.targets):len(s.targets)]
}

// particulars fills in what the fault does, and to whom. It returns false if it would do nothing.
func (s *swarm) particulars(f *plan.Fault) bool {
	r, n := s.random, len(s.nodes)
	switch f.Kind {
	case Partition:
		s.partition(f)
		return true
	case Pause:
		s.outage(f, max(1, n-1)) // a pause of all nodes is as good as none
		return true
	case Kill, Power:
		s.outage(f, n)
		return true
	case Operator, DiskLoss:
		return s.deliberate(f)
	}
	k := 1
	if r.IntN(2) == 0 {
		k = between(r, 1, n)
	}
	f.Targets = s.pickTargets(k)
	switch f.Kind {
	case Clock:
		return s.clock(f)
	case Network:
		s.network(f)
	case Disk:
		f.Shape = [...]string{Slow, Stall, Full}[r.IntN(3)]
		if f.Shape == Slow {
			f.Delay = drawSlowness(r)
		}
	}
	return true
}

// deliberate draws what is done to one node, maybe with the help of another.
func (s *swarm) deliberate(f *plan.Fault) bool {
	k := lookup(f.Kind)
	shape := &k.shapes[s.random.IntN(len(k.shapes))]
	if len(s.nodes) < shape.nodes {
		return false
	}
	f.Shape = shape.name
	k.draw(s.random, s.nodes, false, f)
	return true
}

// outage picks one node, some, or as many as there may be.
func (s *swarm) outage(f *plan.Fault, most int) {
	r, n := s.random, len(s.nodes)
	k := 1
	switch r.IntN(4) {
	case 0:
		k = between(r, 1, most)
	case 1:
		k = most
	}
	f.Targets = s.pickTargets(k)
	switch {
	case k == 1:
		f.Shape = One
	case k == n:
		f.Shape = All
	case k >= majority(n):
		f.Shape = Majority
	case 2*k < n:
		f.Shape = Minority
	}
}

// clock draws a change of the targets' clocks that leaves each within what all faults may do to it.
func (s *swarm) clock(f *plan.Fault) bool {
	r := s.random
	room := s.options.Skew
	for i := range s.faults {
		if other := &s.faults[i]; other.Clock != nil && other.At <= f.At+f.Duration && f.At <= other.At+other.Duration && share(f.Targets, other.Targets) {
			room -= mostSkew(other)
		}
	}
	if room = room.Truncate(swarmUnit); room < swarmUnit {
		return false
	}
	least := min(smallestSwarmSkew, room)
	offset := func() plan.Duration { return plan.Duration(eitherWay(r, int64(s.duration(least, room)))) }
	f.Clock = &plan.Clock{}
	shape := r.IntN(4)
	// ppm · 1 s = 1 µs: the rate at which the fault uses the room up.
	fastest := min(int64(room)*million/int64(f.Duration), fastestDrift)
	switch {
	case shape == 0 && fastest > 0:
		f.Shape = Drift
		f.Clock.RatePPM = eitherWay(r, s.logUniform(min(slowestDrift, fastest), fastest, 1))
	case shape == 1:
		f.Shape = Strobe
		f.Clock.Period = plan.Duration(s.duration(shortestPeriod, time.Second))
		f.Clock.Delta = offset()
	default:
		f.Shape = Bump
		f.Clock.Offset = offset()
	}
	return true
}

// mostSkew returns by how much a clock fault puts a clock off at most.
func mostSkew(f *plan.Fault) time.Duration {
	drift := drifted(time.Duration(f.Duration), f.Clock.RatePPM)
	return (time.Duration(f.Clock.Offset) + drift).Abs() + time.Duration(f.Clock.Delta).Abs()
}

// network draws what is wrong with the targets' links: one thing, or in one of four cases two.
func (s *swarm) network(f *plan.Fault) {
	r := s.random
	shapes := [...]string{Slow, Reordering, Duplicating, Lossy}
	f.Shape = shapes[r.IntN(len(shapes))]
	f.Network = drawTraffic(r, f.Shape, false)
	if r.IntN(4) > 0 {
		return
	}
	n, more := f.Network, drawTraffic(r, shapes[r.IntN(len(shapes))], false)
	n.LossPPM, n.DuplicatePPM = max(n.LossPPM, more.LossPPM), max(n.DuplicatePPM, more.DuplicatePPM)
	n.Delay, n.Jitter = max(n.Delay, more.Delay), max(n.Jitter, more.Jitter)
}

// partition draws which links are cut. Beside the shapes that have names, a
// few single links may be.
func (s *swarm) partition(f *plan.Fault) {
	r, n := s.random, len(s.nodes)
	f.Hold = r.IntN(4) < s.hold && !s.options.NoHold
	if d := s.options.Datacenters; len(d) > 1 && r.IntN(3) == 0 {
		f.Shape = Datacenters
		drawDatacenters(r, s.nodes, d, f)
		return
	}
	minority := max(1, (n-1)/2)
	switch r.IntN(8) {
	case 0:
		f.Shape = IsolateOne
		s.split(f, 1)
	case 1:
		f.Shape = RandomHalves
		s.split(f, n/2)
	case 2:
		f.Shape = OneWay
		s.oneWay(f, 1)
	case 3:
		f.Shape = OneWay
		s.oneWay(f, between(r, 1, minority))
	case 4:
		s.links(f)
	case 5:
		if f.Shape = MajorityMinority; n < 3 {
			f.Shape = IsolateOne
		}
		s.split(f, between(r, 1, minority))
	case 6:
		if n < 3 {
			s.links(f)
			return
		}
		s.bridge(f)
	case 7:
		if n < 4 {
			s.links(f)
			return
		}
		s.ring(f)
	}
}

// cut adds every link of which cut says so, by the positions of its ends, to the fault.
func (s *swarm) cut(f *plan.Fault, cut func(from, to int) bool) {
	first := len(s.cuts)
	for from, sender := range s.nodes {
		for to, receiver := range s.nodes {
			if from != to && cut(from, to) {
				s.cuts = append(s.cuts, history.Cut{From: sender, To: receiver})
			}
		}
	}
	f.Cuts = s.cuts[first:len(s.cuts):len(s.cuts)]
}

func (s *swarm) split(f *plan.Fault, k int) {
	f.Targets = s.pickTargets(k)
	s.cut(f, func(from, to int) bool { return s.picked[from] != s.picked[to] })
}

func (s *swarm) oneWay(f *plan.Fault, k int) {
	f.Targets = s.pickTargets(k)
	mute := s.random.IntN(2) == 0 // or deaf
	s.cut(f, func(from, to int) bool { return s.picked[from] == mute && s.picked[to] != mute })
}

func (s *swarm) bridge(f *plan.Fault) {
	const left, right, both = 0, 1, 2
	f.Shape = Bridge
	n := len(s.nodes)
	for i, node := range s.shuffle(n) {
		switch {
		case i == 0:
			s.role[node] = both
			f.Targets = s.list(s.nodes[node])
		case i <= (n-1)/2:
			s.role[node] = left
		default:
			s.role[node] = right
		}
	}
	s.cut(f, func(from, to int) bool {
		return s.role[from] != s.role[to] && s.role[from] != both && s.role[to] != both
	})
}

// ring cuts as RingCuts does.
func (s *swarm) ring(f *plan.Fault) {
	n := len(s.nodes)
	f.Shape, f.Targets = MajoritiesRing, s.pickTargets(n)
	for i, node := range s.shuffle(n) {
		s.role[node] = i
	}
	reach := majority(n) / 2
	s.cut(f, func(from, to int) bool {
		return min((s.role[from]-s.role[to]+n)%n, (s.role[to]-s.role[from]+n)%n) > reach
	})
}

// links cuts one to three links, each one way or both ways.
func (s *swarm) links(f *plan.Fault) {
	r := s.random
	type link struct{ from, to int }
	var buffer [6]link
	chosen := buffer[:0]
	for range 1 + r.IntN(3) {
		ends := s.shuffle(2)
		a, b := ends[0], ends[1]
		chosen = append(chosen, link{a, b})
		if r.IntN(2) == 0 {
			chosen = append(chosen, link{b, a})
		}
	}
	clear(s.picked)
	for _, l := range chosen {
		s.picked[l.to] = true
	}
	f.Targets = s.listPicked()
	s.cut(f, func(from, to int) bool { return slices.Contains(chosen, link{from, to}) })
}
