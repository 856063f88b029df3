package results

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/trace"
)

// The bounds of what is kept of a trace for one scene.
const (
	tracedMessages = 4000
	tracedStates   = 4000
)

// Traced is what a simulated run's trace tells of a scene.
type Traced struct {
	// Messages are those of the witness' operations, and others on its key that
	// were under way during the scene, in the order of their sending.
	Messages []trace.Event
	// States are the changes of the nodes' states of the witness' key during
	// the scene and the last one of each node before it. There are none where
	// the witness is about several keys.
	States []trace.Event
	// Processes are the ends and starts of nodes up to the scene's end.
	Processes []trace.Event
	// Omitted counts events that were more than is kept.
	Omitted int
}

// interval is the time from the scene's first invocation to its last completion.
func (s *Scene) interval() (first, last int64) {
	first = s.Witness[0].Start
	for _, m := range s.Witness {
		first, last = min(first, m.Start), max(last, m.Start, m.Finish)
	}
	return first, last
}

// key is the one that all of the witness' operations are about; "" if there are several.
func (s *Scene) key() string {
	key := s.Witness[0].Key
	for _, m := range s.Witness {
		if m.Key != key {
			return ""
		}
	}
	return key
}

// ofSet says whether the witness is about a set, of which each element has a key of its own.
func (s *Scene) ofSet() bool {
	return slices.ContainsFunc(s.Witness, func(m *Moment) bool {
		return m.F == history.FAdd || m.F == history.FRead && m.operation.Output.Kind() == history.List
	})
}

// readTrace adds what the trace file tells to the scenes, within bounds. A
// file that is no trace ends the reading: TraceWarning says where, and the
// scenes have what came before. The error is the file's own.
func (s *Scan) readTrace(path string) error {
	var collectors []*traceCollector
	for _, scene := range s.witnesses {
		if len(scene.Witness) > 0 {
			collectors = append(collectors, newTraceCollector(scene))
		}
	}
	warning, err := trace.ReadFile(path, func(e trace.Event) {
		for _, c := range collectors {
			c.event(e)
		}
	})
	var format *trace.FormatError
	if errors.As(err, &format) {
		warning, err = "The diagrams of messages end early: "+err.Error()+".", nil
	}
	if err != nil {
		return err
	}
	s.TraceWarning = warning
	for _, c := range collectors {
		c.finish()
	}
	return nil
}

// traceCollector gathers one scene's part of a trace.
type traceCollector struct {
	scene       *Scene
	traced      Traced
	key         string
	first, last int64
	wanted      map[int64]bool
	before      map[string]trace.Event // by node, its last state before the scene
}

func newTraceCollector(scene *Scene) *traceCollector {
	c := &traceCollector{scene: scene, key: scene.key(), wanted: map[int64]bool{}, before: map[string]trace.Event{}}
	c.first, c.last = scene.interval()
	for _, m := range scene.Witness {
		c.wanted[m.Index] = true
	}
	return c
}

func (c *traceCollector) event(e trace.Event) {
	t := &c.traced
	switch e.Kind {
	case trace.Message:
		own := c.wanted[e.Operation]
		near := c.key != "" && e.Key == c.key && e.Time <= c.last && max(e.Time, e.Arrived) >= c.first
		switch {
		case e.Node == e.To || !own && !near:
		case len(t.Messages) >= tracedMessages:
			t.Omitted++
		default:
			t.Messages = append(t.Messages, e)
		}
	case trace.State:
		switch {
		case c.key == "" || e.Key != c.key || e.Time > c.last:
		case e.Time < c.first:
			c.before[e.Node] = e
		case len(t.States) >= tracedStates:
			t.Omitted++
		default:
			t.States = append(t.States, e)
		}
	case trace.Down, trace.Up:
		if e.Time <= c.last && len(t.Processes) < tracedStates {
			t.Processes = append(t.Processes, e)
		}
	}
}

func (c *traceCollector) finish() {
	t := &c.traced
	for _, e := range c.before {
		t.States = append(t.States, e)
	}
	// One of each node is earlier than the rest: their order among themselves is the nodes'.
	slices.SortStableFunc(t.States, func(a, b trace.Event) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), compareNodes(a.Node, b.Node))
	})
	c.scene.Traced = t
}

// compareNodes puts n2 before n10.
func compareNodes(a, b string) int {
	stem := func(s string) string { return strings.TrimRight(s, "0123456789") }
	return cmp.Or(cmp.Compare(stem(a), stem(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
