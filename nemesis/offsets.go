package nemesis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// span is an interval of durations, both ends included.
type span struct{ low, high time.Duration }

func (s span) plus(t span) span { return span{s.low + t.low, s.high + t.high} }

func (s span) middle() time.Duration { return s.low + (s.high-s.low)/2 }

func (s span) width() time.Duration { return s.high - s.low }

// meets says whether the spans have a point in common when both may be off by clockTolerance together.
func (s span) meets(t span) bool {
	return s.low-clockTolerance <= t.high && t.low <= s.high+clockTolerance
}

// clockTolerance is by how much a clock may be off what the arithmetic says:
// targets that tell their time in whole milliseconds are off by one.
const clockTolerance = 2 * time.Millisecond

// clockPart is one fault's part in a node's skew. It began between from and to.
type clockPart struct {
	fault    string
	clock    plan.Clock
	from, to time.Time
}

// constant returns what the part adds at a moment between the two times, its strobe left out.
func (p clockPart) constant(since, until time.Time) span {
	elapsed := span{max(0, since.Sub(p.to)), until.Sub(p.from)}
	a, b := drifted(elapsed.low, p.clock.RatePPM), drifted(elapsed.high, p.clock.RatePPM)
	offset := time.Duration(p.clock.Offset)
	return span{offset + min(a, b), offset + max(a, b)}
}

// drifted is elapsed·ppm/10⁶ in an order that does not overflow for any run's length.
func drifted(elapsed time.Duration, ppm int64) time.Duration {
	return elapsed/million*time.Duration(ppm) + elapsed%million*time.Duration(ppm)/million
}

// phases says in which phases of the strobe a moment between the two times
// can lie; a part without a strobe is always in the low one, which adds nothing.
func (p clockPart) phases(since, until time.Time) (low, high bool) {
	period := time.Duration(p.clock.Period)
	if period <= 0 {
		return true, false
	}
	first, last := max(0, since.Sub(p.to))/period, until.Sub(p.from)/period
	if first != last {
		return true, true
	}
	return first%2 == 1, first%2 == 0
}

// skews returns what the parts may add up to at a moment between the two times.
func skews(parts []clockPart, since, until time.Time) []span {
	sums := []span{{}}
	for _, p := range parts {
		constant := p.constant(since, until)
		low, high := p.phases(since, until)
		delta := span{time.Duration(p.clock.Delta), time.Duration(p.clock.Delta)}
		var next []span
		for _, s := range sums {
			if low {
				next = append(next, s.plus(constant))
			}
			if high {
				next = append(next, s.plus(constant).plus(delta))
			}
		}
		sums = next
	}
	return sums
}

func anyMeets(sums []span, s span) bool { return slices.ContainsFunc(sums, s.meets) }

// clocks is what the nemesis has done to the nodes' clocks.
type clocks struct {
	mu       sync.Mutex
	parts    map[string][]clockPart
	inMotion map[string]int
	changes  map[string]int
	// baseline is each clock's distance from the controller's before any
	// fault: nothing where both share a machine, anything on a remote engine.
	baseline map[string]span
}

func newClocks() *clocks {
	return &clocks{parts: map[string][]clockPart{}, inMotion: map[string]int{}, changes: map[string]int{}, baseline: map[string]span{}}
}

// moving notes that a clock is about to be changed; settle or end must follow.
func (c *clocks) moving(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inMotion[node]++
	c.changes[node]++
}

func (c *clocks) settle(node string, part clockPart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inMotion[node]--
	c.changes[node]++
	c.parts[node] = append(c.parts[node], part)
}

func (c *clocks) end(node, fault string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inMotion[node]--
	c.changes[node]++
	c.parts[node] = slices.DeleteFunc(c.parts[node], func(p clockPart) bool { return p.fault == fault })
}

// others returns the parts of other faults than the given one, and a number that changes whenever they may have.
func (c *clocks) others(node, fault string) (parts []clockPart, moving bool, changes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.parts[node] {
		if p.fault != fault {
			parts = append(parts, p)
		}
	}
	return parts, c.inMotion[node] > 0, c.changes[node]
}

// clockReading is one reading of a node's clock. The clock was read between since and until.
type clockReading struct {
	since, until time.Time
	// offset is the node's clock minus the controller's, its distance before any fault taken off.
	offset span
}

// clockReadTimeout bounds one reading of a clock.
const clockReadTimeout = time.Second

func (n *Nemesis) readClock(ctx context.Context, node string, timeout time.Duration) (clockReading, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	since := n.timer.Now()
	told, err := n.clock.Clock(ctx, node)
	until := n.timer.Now()
	if err != nil {
		return clockReading{}, err
	}
	n.clocks.mu.Lock()
	baseline := n.clocks.baseline[node]
	n.clocks.mu.Unlock()
	// Round(0) takes the monotonic reading off, so that walls are compared.
	told = told.Round(0)
	return clockReading{since: since, until: until, offset: span{
		told.Sub(until.Round(0)) - baseline.high, told.Sub(since.Round(0)) - baseline.low}}, nil
}

// measureBaselines learns how far the nodes' clocks are from the controller's
// while no fault is in force. A clock that cannot be told from the
// controller's counts as the same. One that cannot be read does, too: its
// faults will then not be verified, and say so.
func (n *Nemesis) measureBaselines(ctx context.Context, nodes []string) {
	const readings = 5
	_ = fan(nodes, func(node string) error {
		var best *clockReading
		for range readings {
			r, err := n.readClock(ctx, node, clockReadTimeout/2)
			if err != nil {
				return err
			}
			if best == nil || r.offset.width() < best.offset.width() {
				best = &r
			}
		}
		if !best.offset.meets(span{}) {
			n.clocks.mu.Lock()
			n.clocks.baseline[node] = best.offset
			n.clocks.mu.Unlock()
		}
		return nil
	})
}

// clockWatch reads one node's clock until it is known whether a fault is in force there.
//
// Each reading is held against two hypotheses: that the fault is in force and
// that it is not, given the other faults on the same clock. One that a reading
// contradicts is dead. A fault is verified when its absence is dead and it is
// not; a strobe, when both its phases were seen as well.
type clockWatch struct {
	n       *Nemesis
	node    string
	own     clockPart
	inForce bool

	readings  int
	best      *clockReading
	expected  time.Duration // by how much the best reading should have been off
	low, high bool          // phases seen
	least     time.Duration
	most      time.Duration
	err       error
}

// enoughReadings is how many readings that agree with a fault's end make up
// for not contradicting the fault: a slow drift just begun, the low phase of a
// strobe, which so many readings of a strobe that goes on would not all meet.
const enoughReadings = 20

func (w *clockWatch) observe(ctx context.Context, until time.Time) observation {
	for i := 0; ; i++ {
		left := until.Sub(w.n.timer.Now())
		others, moving, changes := w.n.clocks.others(w.node, w.own.fault)
		if !moving {
			r, err := w.n.readClock(ctx, w.node, max(50*time.Millisecond, min(left, clockReadTimeout)))
			_, _, now := w.n.clocks.others(w.node, w.own.fault)
			if w.err = err; err == nil && now == changes {
				if done, ok := w.judge(others, r); done {
					if !ok {
						w.take(others, r) // the reading that says so is the one to show
					}
					return w.result(ok)
				}
			}
		}
		if !w.n.timer.Now().Before(until) || w.n.timer.Sleep(ctx, w.pause(i)) != nil {
			return w.result(false)
		}
	}
}

// pause is the time before the next reading. For a strobe the readings must
// not keep step with it: multiples of the golden ratio fall evenly into both phases.
func (w *clockWatch) pause(i int) time.Duration {
	if w.own.clock.Period > 0 {
		const golden = 618 // of 1000
		return pollPause/2 + time.Duration(w.own.clock.Period)*2*time.Duration((i+1)*golden%1000)/1000
	}
	return min(pollPause<<min(i, 6), 100*time.Millisecond)
}

// judge takes a reading into account. done says that the question is settled.
func (w *clockWatch) judge(others []clockPart, r clockReading) (done, ok bool) {
	absent := skews(others, r.since, r.until)
	present := skews(append(others, w.own), r.since, r.until)
	w.note(others, r)
	if w.inForce {
		if !anyMeets(present, r.offset) {
			return true, false
		}
		if w.own.clock.Period > 0 {
			return w.low && w.high, true
		}
		return !anyMeets(absent, r.offset), true
	}
	if !anyMeets(absent, r.offset) {
		return true, false
	}
	return !anyMeets(present, r.offset) || w.readings >= enoughReadings, true
}

func (w *clockWatch) note(others []clockPart, r clockReading) {
	w.readings++
	middle := r.offset.middle()
	if w.readings == 1 {
		w.least, w.most = middle, middle
	}
	w.least, w.most = min(w.least, middle), max(w.most, middle)
	// A drift is shown by its latest reading, which is the largest; anything else by the sharpest.
	if w.best == nil || w.own.clock.RatePPM != 0 || r.offset.width() <= w.best.offset.width() {
		w.take(others, r)
	}
	if w.own.clock.Period > 0 {
		steady := w.own
		steady.clock.Period, steady.clock.Delta = 0, 0
		lows := skews(append(slices.Clone(others), steady), r.since, r.until)
		steady.clock.Offset += w.own.clock.Delta
		highs := skews(append(slices.Clone(others), steady), r.since, r.until)
		isLow, isHigh := anyMeets(lows, r.offset), anyMeets(highs, r.offset)
		w.low = w.low || isLow && !isHigh
		w.high = w.high || isHigh && !isLow
	}
}

// take makes a reading the one that is shown.
func (w *clockWatch) take(others []clockPart, r clockReading) {
	w.best, w.expected = &r, 0
	if w.inForce {
		w.expected = w.own.constant(r.since, r.until).middle()
	}
	for _, p := range others {
		w.expected += p.constant(r.since, r.until).middle()
	}
}

func (w *clockWatch) result(ok bool) observation {
	if w.best == nil {
		reason := "it kept being changed"
		if w.err != nil {
			reason = w.err.Error()
		}
		return observation{text: fmt.Sprintf("%s's own clock could not be read: %s", w.node, reason)}
	}
	middle := w.best.offset.middle()
	o := observation{ok: ok, offset: middle}
	o.text = fmt.Sprintf("%s's own clock %s ±%s", w.node, signed(middle), shortDuration(w.best.offset.width()/2))
	if w.own.clock.Period > 0 && w.inForce {
		o.offset = w.most
		if w.own.clock.Delta < 0 {
			o.offset = w.least
		}
		o.text = fmt.Sprintf("%s's own clock between %s and %s in %d readings", w.node, signed(w.least), signed(w.most), w.readings)
	}
	if !ok {
		switch {
		case w.inForce && w.own.clock.Period > 0:
			o.text += fmt.Sprintf(", expected a strobe of %s", signed(time.Duration(w.own.clock.Delta)))
		default:
			o.text += ", expected " + signed(w.expected)
		}
		if w.err != nil {
			o.text += ", then: " + w.err.Error()
		}
	}
	return o
}
