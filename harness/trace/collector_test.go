package trace_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/trace"
)

func state(node, key string, at int64, value string) trace.Event {
	return trace.Event{Kind: trace.State, Time: at, Operation: -1, Node: node, Key: key, Found: true, Value: value}
}

func send(operation int64, key string, at, arrived int64) trace.Event {
	return trace.Event{Kind: trace.Message, Time: at, Arrived: arrived, Operation: operation, Node: "n1", To: "n2", Name: "write", Key: key, Fate: trace.Delivered}
}

// kept names what a collector keeps of the events by their places among them.
func kept(c *trace.Collector, events []trace.Event) []int {
	for i := range events {
		e := events[i]
		e.Version = fmt.Sprint(i)
		c.Add(&e)
	}
	var places []int
	for _, e := range c.Events() {
		var place int
		if _, err := fmt.Sscan(e.Version, &place); err != nil {
			panic(err)
		}
		places = append(places, place)
	}
	return places
}

func TestCollectorKeepsWhatTheWitnessNeeds(t *testing.T) {
	events := []trace.Event{
		0:  state("n1", "k", 10, "1"), // overwritten before the window
		1:  state("n1", "k", 20, "2"),
		2:  state("n2", "k", 30, "1"),
		3:  state("n1", "other", 30, "9"),
		4:  send(7, "k", 40, 120), // arrives within
		5:  send(7, "k", 41, 60),  // arrives before
		6:  send(3, "", 50, 55),   // of the witness, whenever and whatever
		7:  {Kind: trace.Down, Time: 60, Node: "n3"},
		8:  state("n1", "k", 100, "3"),
		9:  send(8, "other", 110, 130),
		10: send(8, "k", 200, 300),
		11: state("n2", "k", 200, "3"),
		12: state("n2", "k", 201, "4"),
		13: send(9, "k", 201, 202),
		14: send(3, "k", 900, 901),
	}
	c := trace.NewCollector(trace.Window{Key: "k", Operations: []int64{3}, From: 100, To: 200})
	assert.Equal(t, []int{1, 2, 4, 6, 7, 8, 10, 11, 14}, kept(c, events))
}

func TestCollectorOfNoWindowKeepsEndsAndStartsAlone(t *testing.T) {
	events := []trace.Event{state("n1", "k", 1, "1"), send(1, "k", 2, 3), {Kind: trace.Up, Time: 4, Node: "n1"}}
	assert.Equal(t, []int{2}, kept(trace.NewCollector(), events))
}

// Whatever the windows are: nothing is kept twice, the order is a trace's,
// and each window finds what it would have found alone.
func TestCollectorServesEachWindowAsIfItWereAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []trace.Event
		at := int64(0)
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			at += rapid.Int64Range(0, 3).Draw(t, "pause")
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
			if rapid.Bool().Draw(t, "state") {
				events = append(events, state(rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "node"), key, at, "v"))
			} else {
				events = append(events, send(rapid.Int64Range(0, 9).Draw(t, "operation"), key, at, at+rapid.Int64Range(0, 9).Draw(t, "flight")))
			}
		}
		var windows []trace.Window
		for range rapid.IntRange(1, 3).Draw(t, "windows") {
			from := rapid.Int64Range(0, 60).Draw(t, "from")
			windows = append(windows, trace.Window{
				Key: rapid.SampledFrom([]string{"a", "b", ""}).Draw(t, "of"), From: from, To: from + rapid.Int64Range(0, 30).Draw(t, "length"),
				Operations: []int64{rapid.Int64Range(0, 9).Draw(t, "witness")},
			})
		}
		together := kept(trace.NewCollector(windows...), events)
		var union []int
		for _, w := range windows {
			union = append(union, kept(trace.NewCollector(w), events)...)
		}
		slices.Sort(union)
		require.Equal(t, slices.Compact(union), together, "of %v", windows)
	})
}
