package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// The shapes of a clock fault.
const (
	// Bump adds a constant.
	Bump = "bump"
	// Strobe adds a constant every other period.
	Strobe = "strobe"
	// Drift makes the clock go too fast or too slow.
	Drift = "drift"
)

// clockResource is what clock faults hold of a node.
const clockResource = "clock"

// The magnitudes of random clock faults.
const (
	shortestBump = 50 * time.Millisecond
	longestBump  = 10 * time.Second
	// strongBump is the least of the bump that every schedule with clock faults
	// has: enough to turn the order of writes around that clients make one after the other.
	strongBump     = 500 * time.Millisecond
	slowestDrift   = 1_000   // ppm
	fastestDrift   = 200_000 // ppm
	shortestPeriod = time.Millisecond
	longestPeriod  = 200 * time.Millisecond
	smallestDelta  = 50 * time.Millisecond
	largestDelta   = time.Second
	// leastDrift is what a drift must amount to when it ends, or nobody could
	// tell it from the noise of reading a clock over the network.
	leastDrift = 25 * time.Millisecond
	// longestClock bounds the duration of clock faults in long runs.
	longestClock = 20 * time.Second
)

func clockKind() *kind {
	return &kind{
		name:  Clock,
		help:  "changes the wall clock that the processes of nodes read; monotonic clocks stay right",
		needs: "the clock wrapper around the node's program",
		shapes: []shape{
			{Drift, "the clock goes too fast or too slow, by up to 20 %", 1, false},
			{Strobe, "the clock jumps forth and back every 1…200 ms", 1, false},
			{Bump, "the clock is off by 50 ms…10 s, either way", 1, true},
		},
		resource:   clockResource,
		steady:     process,
		needsClock: true,
		span: func(_ string, length time.Duration, o ScheduleOptions) (time.Duration, time.Duration) {
			longest := max(o.Shortest, min(length/3, longestClock))
			return min(3*o.Shortest, longest), longest
		},
		draw:     drawClock,
		describe: describeClock,
		check:    checkClock,
		begin: func(n *Nemesis, f *plan.Fault) effect {
			return &clockFault{n: n, fault: f.ID, targets: inOrder(n.nodes, f.Targets), clock: *f.Clock, parts: map[string]clockPart{}}
		},
	}
}

func drawClock(r *rand.Rand, nodes []string, must bool, f *plan.Fault) {
	drawFew(r, nodes, f)
	c := &plan.Clock{}
	switch f.Shape {
	case Bump:
		least := shortestBump
		if must {
			least = strongBump
		}
		c.Offset = plan.Duration(eitherWay(r, logUniform(r, int64(least), int64(longestBump), int64(time.Millisecond))))
	case Strobe:
		c.Period = plan.Duration(logUniform(r, int64(shortestPeriod), int64(longestPeriod), int64(time.Millisecond)))
		c.Delta = plan.Duration(logUniform(r, int64(smallestDelta), int64(largestDelta), int64(time.Millisecond)))
	case Drift:
		// ppm · 1 s = 1 µs, so that this is the rate at which leastDrift is reached.
		least := int64(leastDrift)*1_000_000/max(1, int64(f.Duration)) + 1
		least = min(max(least, slowestDrift), fastestDrift)
		c.RatePPM = eitherWay(r, logUniform(r, least, fastestDrift, 1))
	}
	f.Clock = c
}

func describeClock(_ []string, f *plan.Fault) string {
	text, _ := owned(f.Targets, "clock")
	text += " "
	if f.Clock == nil {
		return text + "unchanged"
	}
	var parts []string
	if f.Clock.Offset != 0 {
		parts = append(parts, signed(time.Duration(f.Clock.Offset)))
	}
	if f.Clock.RatePPM != 0 {
		parts = append(parts, fmt.Sprintf("drift %+d ppm", f.Clock.RatePPM))
	}
	if f.Clock.Period != 0 {
		parts = append(parts, fmt.Sprintf("strobe %s every other %s", signed(time.Duration(f.Clock.Delta)), time.Duration(f.Clock.Period)))
	}
	return text + strings.Join(parts, ", ")
}

func checkClock(nodes []string, f *plan.Fault) error {
	if err := checkTargets(nodes, f); err != nil {
		return err
	}
	const most = 10 * 365 * 24 * time.Hour // far from where sums of times overflow
	c := f.Clock
	switch {
	case c == nil || *c == (plan.Clock{}):
		return errors.New("a clock fault that changes nothing: give an offset, a rate_ppm, or a period with a delta")
	case (c.Period == 0) != (c.Delta == 0) || c.Period < 0:
		return fmt.Errorf("a strobe wants a period above 0 and a delta, not %s and %s", c.Period, c.Delta)
	case time.Duration(c.Offset).Abs() > most || time.Duration(c.Delta).Abs() > most:
		return fmt.Errorf("a clock that is off by %s, %s: want at most %s", c.Offset, c.Delta, most)
	case c.RatePPM < -1_000_000 || c.RatePPM > 100_000_000:
		return fmt.Errorf("a drift of %d ppm: want −1000000 (the clock stands still) … 100000000", c.RatePPM)
	}
	return nil
}

// clockFault is the effect of one clock fault.
type clockFault struct {
	n       *Nemesis
	fault   string
	targets []string
	clock   plan.Clock

	mu        sync.Mutex
	parts     map[string]clockPart // what was set on each target, and when
	unwrapped []string             // targets whose process was not started under the wrapper
}

func (c *clockFault) leased() []string { return c.targets }

func (c *clockFault) inject(ctx context.Context) error {
	return fan(c.targets, func(node string) error {
		c.n.clocks.moving(node)
		from := c.n.timer.Now()
		state, err := call[protocol.ClockState](ctx, c.n, node, protocol.Request{
			Op: protocol.OpClockSet, Fault: c.fault, LeaseMillis: c.n.leaseMillis(c.fault),
			Clock: &protocol.Clock{OffsetNanos: int64(c.clock.Offset), RatePPM: c.clock.RatePPM,
				PeriodNanos: int64(c.clock.Period), DeltaNanos: int64(c.clock.Delta)}})
		part := clockPart{fault: c.fault, clock: c.clock, from: from, to: c.n.timer.Now()}
		c.n.clocks.settle(node, part)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.parts[node] = part
		if err == nil && !state.Patched {
			c.unwrapped = append(c.unwrapped, node)
		}
		return err
	})
}

func (c *clockFault) verify(ctx context.Context, until time.Time) observation {
	return c.observe(ctx, until, true)
}

func (c *clockFault) heal(ctx context.Context) error {
	return fan(c.targets, func(node string) error {
		c.n.clocks.moving(node)
		_, err := call[protocol.ClockState](ctx, c.n, node, protocol.Request{Op: protocol.OpClockClear, Fault: c.fault})
		c.n.clocks.end(node, c.fault)
		return err
	})
}

func (c *clockFault) healed(ctx context.Context, until time.Time) observation {
	return c.observe(ctx, until, false)
}

// observe reads each target's clock until it is known whether the fault is in force.
func (c *clockFault) observe(ctx context.Context, until time.Time, inForce bool) observation {
	results := make([]observation, len(c.targets))
	var group sync.WaitGroup
	for i, node := range c.targets {
		group.Go(func() {
			w := clockWatch{n: c.n, node: node, own: c.parts[node], inForce: inForce}
			results[i] = w.observe(ctx, until)
		})
	}
	group.Wait()
	o := observation{ok: true}
	var texts []string
	for i, r := range results {
		o.ok = o.ok && r.ok
		texts = append(texts, r.text)
		if i == 0 {
			o.offset = r.offset
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if inForce && !o.ok {
		for _, node := range inOrder(c.n.nodes, c.unwrapped) {
			texts = append(texts, node+"'s program was not started under the clock wrapper")
		}
	}
	o.text = strings.Join(texts, "; ")
	return o
}
