package shrink

import (
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// The kinds of faults as they stand in plans; package nemesis defines them.
const (
	partition = "partition"
	pause     = "pause"
	kill      = "kill"
	power     = "power"
	clock     = "clock"
	network   = "network"
	disk      = "disk"
	diskLoss  = "disk-loss"
)

// The shapes of those kinds whose shape decides what happens, or names what a fault has become.
const (
	bump   = "bump"
	drift  = "drift"
	strobe = "strobe"
	stall  = "stall"
	full   = "full"
	wipe   = "wipe"
)

const (
	million = 1_000_000
	// leastTime is the shortest duration, delay and offset that a search goes down to.
	leastTime = int64(time.Millisecond)
	// leastShare is the least share of messages, in ppm, and the slowest drift, in ppm.
	leastShare = 1_000
)

// weaken makes each fault milder in turn.
func (s *search) weaken() {
	for i := range s.best.Schedule {
		s.simplify(i)
		s.targets(i)
		s.magnitudes(i)
	}
	// The order of the faults hangs on their times, so these are changed by name.
	for _, id := range faultIDs(s.best) {
		s.shorten(id)
	}
}

// tryFault tries the best plan with another i-th fault.
func (s *search) tryFault(pass string, i int, f plan.Fault) bool {
	faults := slices.Clone(s.best.Schedule)
	faults[i] = f
	return s.trySchedule(pass, faults)
}

// simplify replaces a fault by one of a simpler kind.
func (s *search) simplify(i int) {
	for changed := true; changed; {
		changed = false
		for _, simpler := range simplerFaults(s.best.Schedule[i], plan.NodeNames(s.best.Target.Nodes)) {
			if s.tryFault("kinds", i, simpler) {
				changed = true
				break
			}
		}
	}
}

// simplerFaults returns what might do instead of a fault, the simplest first.
// Simpler is what is easier to understand and what more backends can make: a
// killed process rather than a power cut, a cut link rather than a lossy one.
// No chain of replacements leads back.
func simplerFaults(f plan.Fault, nodes []string) []plan.Fault {
	var simpler []plan.Fault
	add := func(change func(*plan.Fault)) {
		c := f.Clone()
		change(&c)
		simpler = append(simpler, c)
	}
	switch f.Kind {
	case clock:
		return simplerClocks(f)
	case partition:
		if f.Hold {
			add(func(c *plan.Fault) { c.Hold = false })
		}
	case power:
		add(func(c *plan.Fault) { c.Kind = kill })
	case diskLoss:
		add(func(c *plan.Fault) { c.Kind, c.Shape, c.Peer, c.SnapshotAge = kill, "", "", 0 })
		if f.Shape != wipe {
			add(func(c *plan.Fault) { c.Shape, c.Peer, c.SnapshotAge = wipe, "", 0 })
		}
	case disk:
		// A node whose disk is full is down, one whose disk stalls answers nothing that it must write.
		switch f.Shape {
		case full:
			add(func(c *plan.Fault) { c.Kind, c.Shape, c.Delay = kill, "", 0 })
		case stall:
			add(func(c *plan.Fault) { c.Kind, c.Shape, c.Delay = pause, "", 0 })
		}
	case network:
		if cuts := isolation(f.Targets, nodes); len(cuts) > 0 {
			add(func(c *plan.Fault) { c.Kind, c.Shape, c.Network, c.Cuts = partition, "", nil, cuts })
		}
		if f.Network == nil {
			break
		}
		for _, part := range []plan.Network{
			{Delay: f.Network.Delay, Jitter: f.Network.Jitter}, {LossPPM: f.Network.LossPPM}, {DuplicatePPM: f.Network.DuplicatePPM},
		} {
			if part != (plan.Network{}) && part != *f.Network {
				add(func(c *plan.Fault) { *c.Network = part })
			}
		}
	}
	return simpler
}

// simplerClocks replaces a drift or a strobe by a constant offset that the
// clock reaches by it, and a mixture by its parts.
func simplerClocks(f plan.Fault) []plan.Fault {
	if f.Clock == nil {
		return nil
	}
	c := *f.Clock
	// In an order that does not overflow, however long the fault lasts.
	drifted := f.Duration/million*plan.Duration(c.RatePPM) + f.Duration%million*plan.Duration(c.RatePPM)/million
	parts := []struct {
		shape string
		clock plan.Clock
	}{
		{bump, plan.Clock{Offset: c.Offset}}, {bump, plan.Clock{Offset: c.Delta}},
		{bump, plan.Clock{Offset: drifted}}, {bump, plan.Clock{Offset: drifted / 2}},
		{strobe, plan.Clock{Period: c.Period, Delta: c.Delta}}, {drift, plan.Clock{RatePPM: c.RatePPM}},
	}
	var simpler []plan.Fault
	for _, part := range parts {
		if part.clock == (plan.Clock{}) || part.clock == c {
			continue
		}
		replaced := f.Clone()
		replaced.Shape, *replaced.Clock = part.shape, part.clock
		simpler = append(simpler, replaced)
	}
	return simpler
}

// isolation cuts all links between the targets and the other nodes.
func isolation(targets, nodes []string) []history.Cut {
	var cuts []history.Cut
	for _, from := range nodes {
		for _, to := range nodes {
			if slices.Contains(targets, from) != slices.Contains(targets, to) {
				cuts = append(cuts, history.Cut{From: from, To: to})
			}
		}
	}
	return cuts
}

// targets takes nodes and links out of a fault.
func (s *search) targets(i int) {
	f := s.best.Schedule[i]
	if f.Kind != partition {
		minimize(s, f.Targets, 1, func(rest []string) bool {
			changed := s.best.Schedule[i].Clone()
			changed.Targets = rest
			nameless(&changed)
			return s.tryFault("targets", i, changed)
		})
		return
	}
	tryCuts := func(cuts []history.Cut) bool {
		return len(cuts) > 0 && s.tryFault("cuts", i, cutTo(s.best.Schedule[i], cuts))
	}
	for _, node := range touched(f.Cuts) {
		tryCuts(only(s.best.Schedule[i].Cuts, func(c *history.Cut) bool { return c.From != node && c.To != node }))
	}
	minimize(s, s.best.Schedule[i].Cuts, 1, tryCuts)
}

// cutTo returns a partition with other cuts; its targets stay those that they describe.
func cutTo(f plan.Fault, cuts []history.Cut) plan.Fault {
	f = f.Clone()
	f.Cuts = cuts
	ends := touched(cuts)
	f.Targets = only(f.Targets, func(node *string) bool { return slices.Contains(ends, *node) })
	nameless(&f)
	return f
}

// nameless takes the shape off a fault of a kind whose shape only tells how
// the targets or cuts came about: with others it would tell an untruth.
func nameless(f *plan.Fault) {
	switch f.Kind {
	case partition, pause, kill, power:
		f.Shape = ""
	}
}

// touched returns the nodes at the ends of cuts, in the order of their first occurrence.
func touched(cuts []history.Cut) []string {
	var nodes []string
	for _, c := range cuts {
		for _, node := range []string{c.From, c.To} {
			if !slices.Contains(nodes, node) {
				nodes = append(nodes, node)
			}
		}
	}
	return nodes
}

// magnitude is a number of a fault that says how strong it is.
type magnitude struct {
	// of returns where the number stands in a fault; nil if the fault has none.
	of func(*plan.Fault) *int64
	// least is the smallest that is tried, most what Robustify goes up to.
	least, most int64
}

// magnitudesOf are all there are. A strobe's period is none: neither a long nor a short one is milder.
var magnitudesOf = []magnitude{
	{clockField(func(c *plan.Clock) *int64 { return (*int64)(&c.Offset) }), leastTime, int64(10 * time.Second)},
	{clockField(func(c *plan.Clock) *int64 { return (*int64)(&c.Delta) }), leastTime, int64(10 * time.Second)},
	{clockField(func(c *plan.Clock) *int64 { return &c.RatePPM }), leastShare, 500_000},
	{networkField(func(n *plan.Network) *int64 { return &n.LossPPM }), leastShare, million},
	{networkField(func(n *plan.Network) *int64 { return &n.DuplicatePPM }), leastShare, million},
	{networkField(func(n *plan.Network) *int64 { return (*int64)(&n.Delay) }), leastTime, int64(5 * time.Second)},
	{networkField(func(n *plan.Network) *int64 { return (*int64)(&n.Jitter) }), leastTime, int64(5 * time.Second)},
	{func(f *plan.Fault) *int64 {
		if f.Delay == 0 {
			return nil
		}
		return (*int64)(&f.Delay)
	}, leastTime, int64(5 * time.Second)},
	{func(f *plan.Fault) *int64 {
		if f.SnapshotAge == 0 {
			return nil
		}
		return (*int64)(&f.SnapshotAge)
	}, leastTime, int64(time.Minute)},
}

func clockField(of func(*plan.Clock) *int64) func(*plan.Fault) *int64 {
	return func(f *plan.Fault) *int64 {
		if f.Clock == nil || *of(f.Clock) == 0 {
			return nil
		}
		return of(f.Clock)
	}
}

func networkField(of func(*plan.Network) *int64) func(*plan.Fault) *int64 {
	return func(f *plan.Fault) *int64 {
		if f.Network == nil || *of(f.Network) == 0 {
			return nil
		}
		return of(f.Network)
	}
}

// scaled returns the fault with one of its numbers changed to that size, its sign kept.
func (m magnitude) scaled(f plan.Fault, size int64) plan.Fault {
	f = f.Clone()
	number := m.of(&f)
	if *number < 0 {
		size = -size
	}
	*number = size
	return f
}

// size is the absolute number, 0 if the fault has none.
func (m magnitude) size(f *plan.Fault) int64 {
	number := m.of(f)
	switch {
	case number == nil:
		return 0
	case *number < 0:
		return -*number
	}
	return *number
}

// magnitudes makes the numbers of a fault smaller: round ones, so that people can read them.
func (s *search) magnitudes(i int) {
	for _, m := range magnitudesOf {
		f := s.best.Schedule[i]
		descend(ladder(m.least, m.size(&f)), func(size int64) bool {
			return s.tryFault("magnitudes", i, m.scaled(s.best.Schedule[i], size))
		})
	}
}

// shorten lets a fault end sooner and begin later.
func (s *search) shorten(id string) {
	position := func() int { return slices.IndexFunc(s.best.Schedule, func(f plan.Fault) bool { return f.ID == id }) }
	for _, fromStart := range []bool{false, true} {
		f := s.best.Schedule[position()]
		end := f.At + f.Duration
		descend(ladder(leastTime, int64(f.Duration)), func(duration int64) bool {
			i := position()
			f := s.best.Schedule[i]
			f.Duration = plan.Duration(duration)
			if fromStart {
				f.At = end - f.Duration
			}
			return f.At <= s.best.Limits.Time && s.tryFault("durations", i, f)
		})
	}
}

func faultIDs(p *plan.Plan) []string {
	ids := make([]string, len(p.Schedule))
	for i := range p.Schedule {
		ids[i] = p.Schedule[i].ID
	}
	return ids
}
