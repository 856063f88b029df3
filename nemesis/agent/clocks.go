package main

import (
	"sync"
	"time"

	"github.com/refute-lab/refute/nemesis/agent/clock"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// clocks is the node's clock as the faults in force have made it: the page
// always holds the sum of their skews.
type clocks struct {
	mu    sync.Mutex
	page  *clock.Page
	parts map[string]clock.Skew
	// order holds the faults in the order of their starts, for a deterministic sum.
	order []string
}

func newClocks(page *clock.Page) *clocks {
	page.Set(clock.Skew{})
	return &clocks{page: page, parts: map[string]clock.Skew{}}
}

// set adds the fault's skew, which begins now, in place of an earlier one of the
// same fault. On error nothing changes.
func (c *clocks) set(fault string, k protocol.Clock) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, had := c.parts[fault]
	c.parts[fault] = clock.Skew{
		Base: time.Now().UnixNano(), Offset: k.OffsetNanos, Rate: clock.RatePPM(k.RatePPM),
		Period: k.PeriodNanos, Delta: k.DeltaNanos,
	}
	if !had {
		c.order = append(c.order, fault)
	}
	err := c.apply()
	if err == nil {
		return nil
	}
	if had {
		c.parts[fault] = before
	} else {
		c.forget(fault)
	}
	return err
}

// clear ends the fault's part; an unknown fault has none.
func (c *clocks) clear(fault string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(fault)
	// What remains was combined before, with more; it can't fail now.
	_ = c.apply()
}

func (c *clocks) clearAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.parts)
	c.order = nil
	c.page.Set(clock.Skew{})
}

// offset is how far the clock deviates now.
func (c *clocks) offset() time.Duration {
	now := time.Now().UnixNano()
	return time.Duration(c.page.Get().At(now) - now)
}

func (c *clocks) forget(fault string) {
	if _, ok := c.parts[fault]; !ok {
		return
	}
	delete(c.parts, fault)
	for i, f := range c.order {
		if f == fault {
			c.order = append(c.order[:i], c.order[i+1:]...)
			return
		}
	}
}

func (c *clocks) apply() error {
	parts := make([]clock.Skew, 0, len(c.order))
	for _, f := range c.order {
		parts = append(parts, c.parts[f])
	}
	sum, err := clock.Combine(parts...)
	if err != nil {
		return err
	}
	c.page.Set(sum)
	return nil
}
