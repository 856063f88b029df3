package trace

import (
	"cmp"
	"slices"
)

// Window is what one witness needs of a trace.
type Window struct {
	// Key is the key that the witness is about; empty for all keys.
	Key string
	// Operations are the indexes of the witness' invocations: their messages
	// are kept whenever they were sent, and whatever they are about.
	Operations []int64
	// From and To bound what else is kept, in nanoseconds since the run's
	// start, both included.
	From, To int64
}

// Collector takes every event of a run and keeps those that concern the
// windows: the messages of their operations; within their time, the other
// messages and the changes of state on their keys, and the nodes' ends and
// starts; and, from before, each node's last state and whether it was down,
// because a diagram begins with them.
//
// Events may come in any order in which each node's states and its ends and
// starts are in theirs: a simulator may tell of a message when its fate is known.
type Collector struct {
	windows    []Window
	operations map[int64]bool
	offered    int
	kept       []numbered
	before     map[place]numbered // the last State of a node and a key before a window
}

// numbered is an event with its place among all that were offered.
type numbered struct {
	Event
	number int
}

// place is a key on a node, as far as one window is concerned.
type place struct {
	window    int
	node, key string
}

// NewCollector returns a collector of what the windows need.
func NewCollector(windows ...Window) *Collector {
	c := &Collector{windows: windows, operations: map[int64]bool{}, before: map[place]numbered{}}
	for _, w := range windows {
		for _, index := range w.Operations {
			c.operations[index] = true
		}
	}
	return c
}

// Add takes an event; it keeps no reference to it.
func (c *Collector) Add(e *Event) {
	c.offered++
	switch e.Kind {
	case Message:
		if c.operations[e.Operation] || slices.ContainsFunc(c.windows, func(w Window) bool {
			// What was sent before a window may still arrive in it.
			return w.about(e.Key) && e.Time <= w.To && max(e.Time, e.Arrived) >= w.From
		}) {
			c.kept = append(c.kept, numbered{*e, c.offered})
		}
	case State:
		within := false
		for i, w := range c.windows {
			if !w.about(e.Key) {
				continue
			}
			if e.Time < w.From {
				c.before[place{i, e.Node, e.Key}] = numbered{*e, c.offered}
			}
			within = within || w.From <= e.Time && e.Time <= w.To
		}
		if within {
			c.kept = append(c.kept, numbered{*e, c.offered})
		}
	case Down, Up:
		// There are few of them: all are kept.
		c.kept = append(c.kept, numbered{*e, c.offered})
	}
}

func (w Window) about(key string) bool { return w.Key == "" || w.Key == key }

// Events returns what was kept, in the order of a trace.
func (c *Collector) Events() []Event {
	all := slices.Clone(c.kept)
	for _, e := range c.before {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.number, b.number))
	})
	events := make([]Event, 0, len(all))
	for i, e := range all {
		// A state can be the last one before one window and within another.
		if i == 0 || e.number != all[i-1].number {
			events = append(events, e.Event)
		}
	}
	return events
}
