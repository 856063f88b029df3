package explore

import (
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/workloads"
)

// The ranges that a seed's surroundings and traffic are drawn from. Where both
// ends are far apart every doubling is about equally likely.
const (
	leastLatency, mostLatency = 200 * time.Microsecond, 20 * time.Millisecond
	leastSync, mostSync       = 100 * time.Microsecond, 20 * time.Millisecond
	// Between data centres: from two halls of one town to two continents.
	leastWAN, mostWAN = time.Millisecond, 100 * time.Millisecond
	// One seed of one in rareDisturbance has a network that loses messages by
	// itself, and one of as many one that duplicates them.
	rareDisturbance           = 4
	leastPPM, mostPPM         = 100, 50_000
	leastClients, mostClients = 2, 10
	// The rate of one client, in operations a second.
	leastRate, mostRate = 1, 100
	// leastLength is the shortest main phase, unless the base plan's is shorter.
	leastLength = 2 * time.Second
	// shorter is the greatest factor by which a main phase is shortened.
	shorter = 16
	// mostOperations bounds the operations of a seed's main phase: dense
	// traffic gets a short phase. Many short runs see more of the
	// distribution than a few long ones.
	mostOperations = 5000
	// mostChanges is the greatest share of a workload's operations that change
	// anything, in percent.
	mostChanges = 98
)

// seedBits is the length of the seeds drawn for networks: numbers that readers
// of JSON with 53-bit numbers keep.
const seedBits = 53

// DrawOptions bound what Draw may choose.
type DrawOptions struct {
	// Skew is the greatest offset of a clock, in either direction; 0 leaves it to nemesis.Swarm.
	Skew time.Duration
	// NoHold draws what containers can do, too: no partition that keeps what is
	// sent, and no slow links between data centres.
	NoHold bool
	// Datacenters has the nodes of each data centre of the target; nil if it has but one.
	Datacenters [][]string
}

// workloadRange is what a workload's setting is drawn from.
type workloadRange struct {
	name      string
	low, high int64
	// doubling draws every doubling with equal chance instead of every number.
	doubling bool
}

// workloadRanges are the settings of workloads that a seed draws anew; the
// others stay as the base plan has them.
var workloadRanges = []workloadRange{
	{name: "keys", low: 1, high: 8},
	{name: "writes", low: 10, high: 90},
	{name: "elements", low: 10, high: 100, doubling: true},
	{name: "reads", low: 1, high: 10},
}

// Draw returns the plan of one seed: a swarm of its own. Each seed draws which
// kinds of faults there are and all about them (see nemesis.Swarm), how slow
// the network and the disks are and what they lose, how many clients ask how
// often, of how many keys, with which share of writes, and for how long.
//
// The target and its settings, the claims and the other limits are those of
// the base plan and never drawn: they are what is tested. The base plan's
// schedule, operations, surroundings, concurrency and rate are not used; its
// main phase is the longest that is drawn.
//
// It is a pure function and cheap next to the run. The result shares no memory
// with base and is complete: run as a plan of its own it gives the same run.
func Draw(base *plan.Plan, seed uint64, kinds []string, o DrawOptions) *plan.Plan {
	d := dice(seed)
	common := *base
	common.Schedule, common.Operations, common.Surroundings = nil, nil, nil
	p := common.Clone()
	p.Seed = seed
	p.Backend = "sim"
	p.Nemesis = slices.Clone(kinds)
	p.Surroundings = d.surroundings()
	d.wan(p.Surroundings, base.Surroundings, o)
	for _, r := range workloadRanges {
		if _, has := p.Workload.Settings[r.name]; !has {
			continue
		}
		if _, swaps := p.Workload.Settings["swaps"]; swaps && r.name == "writes" {
			continue // plain writes beside compare-and-sets are a misuse to ask for, and share 100 % with them
		}
		high := r.high
		if deletes, err := strconv.ParseInt(p.Workload.Settings["deletes"], 10, 64); err == nil && r.name == "writes" {
			high = max(r.low, min(high, mostChanges-deletes)) // both are shares of the same operations, and some must read
		}
		n := d.uniform("explore/"+r.name, r.low, high)
		if r.doubling {
			n = d.doubling("explore/"+r.name, r.low, r.high, 1)
		}
		p.Workload.Settings[r.name] = strconv.FormatInt(n, 10)
	}
	least := int64(leastClients)
	if w, err := workloads.Lookup(p.Workload.Name); err == nil {
		if crowded, ok := w.(workloads.Crowded); ok {
			least = max(least, int64(crowded.LeastClients(p.Workload.Settings)))
		}
	}
	clients := d.uniform("explore/clients", least, max(least, mostClients))
	rate := clients * d.doubling("explore/rate", leastRate, mostRate, 1)
	p.Workload.Concurrency = int(clients)
	p.Workload.Rate = float64(rate)
	length := d.length(time.Duration(base.Limits.Time))
	length = min(length, time.Duration(mostOperations*int64(time.Second)/rate).Truncate(time.Millisecond))
	p.Limits.Time = plan.Duration(length)
	p.Schedule = nemesis.Swarm(seed, kinds, plan.NodeNames(p.Target.Nodes), length, nemesis.SwarmOptions{Skew: o.Skew, NoHold: o.NoHold, Datacenters: o.Datacenters})
	return p
}

// dice draws the choices of a seed, each by its own identity.
type dice uint64

func (d dice) surroundings() *plan.Surroundings {
	s := &plan.Surroundings{
		Seed:    plan.Draw(uint64(d), "explore/network") >> (64 - seedBits),
		Latency: plan.Duration(d.doubling("explore/latency", int64(leastLatency), int64(mostLatency), int64(10*time.Microsecond))),
		Sync:    plan.Duration(d.doubling("explore/sync", int64(leastSync), int64(mostSync), int64(10*time.Microsecond))),
	}
	if d.uniform("explore/lossy", 1, rareDisturbance) == 1 {
		s.LossPPM = d.doubling("explore/loss", leastPPM, mostPPM, 1)
	}
	if d.uniform("explore/duplicating", 1, rareDisturbance) == 1 {
		s.DuplicatePPM = d.doubling("explore/duplicates", leastPPM, mostPPM, 1)
	}
	return s
}

// wan decides how slow the links between data centres are: as the base plan
// says or, where it does not, drawn anew.
func (d dice) wan(s, base *plan.Surroundings, o DrawOptions) {
	switch {
	case len(o.Datacenters) < 2 || o.NoHold:
	case base != nil && base.WANLatency+base.WANJitter > 0:
		s.WANLatency, s.WANJitter = base.WANLatency, base.WANJitter
	default:
		s.WANLatency = plan.Duration(d.doubling("explore/wan", int64(leastWAN), int64(mostWAN), int64(10*time.Microsecond)))
		s.WANJitter = plan.Duration(d.uniform("explore/wan-jitter", 0, int64(s.WANLatency)/2) / 10_000 * 10_000)
	}
}

// length is that of the main phase: every second seed has the longest.
func (d dice) length(longest time.Duration) time.Duration {
	shortest := max(longest/shorter, leastLength).Truncate(time.Millisecond)
	if shortest >= longest || d.uniform("explore/shorter", 0, 1) == 0 {
		return longest
	}
	return time.Duration(d.doubling("explore/length", int64(shortest), int64(longest), int64(time.Millisecond)))
}

// uniform draws from low…high, both included.
func (d dice) uniform(domain string, low, high int64) int64 {
	return low + int64(plan.Draw(uint64(d), domain)%uint64(high-low+1))
}

// doubling draws a multiple of unit from low…high (0 < low ≤ high, low a
// multiple of unit) so that every doubling is about equally likely: an octave
// first, then a number in it. It has no floating point, whose last bits differ
// between machines.
func (d dice) doubling(domain string, low, high, unit int64) int64 {
	octaves := uint64(bits.Len64(uint64(high / low)))
	base := low << (plan.Draw(uint64(d), domain, 0) % octaves)
	width := min(base, high-base+1) // the last octave may be incomplete
	n := base + int64(plan.Draw(uint64(d), domain, 1)%uint64(width))
	return max(low, n/unit*unit)
}
