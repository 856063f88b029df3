package core

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Designing Data-Intensive Applications, figure 5-12: two clients, three nodes;
// the first node misses B, the second sees A and then B, the third B and then A.
func TestOverwritingOnArrivalDivergesForGood(t *testing.T) {
	settings := everywhere(t, "resolver", "arrival", "hints", "off", "n", "3", "r", "3")
	a := Cell{Version: Version{Time: 1, Node: 0, Incarnation: 1, Sequence: 1}, Value: []byte("A")}
	b := Cell{Version: Version{Time: 2, Node: 1, Incarnation: 1, Sequence: 1}, Value: []byte("B")}
	arrivals := [][]Cell{{a}, {a, b}, {b, a}}
	var nodes []*solo
	var logs [][][]byte
	for i, cells := range arrivals {
		n := newSolo(t, NodeID(i), settings)
		var log [][]byte
		for _, c := range cells {
			out := n.message(Message{Kind: MessageWrite, From: NodeID((i + 1) % 3), To: NodeID(i), Key: "x", Cell: c})
			require.Len(t, out.Persist, 1)
			log = append(log, out.Persist[0].Record)
			out = n.durable(out.Persist[0].ID)
			require.Len(t, out.Messages, 1, "every write is acknowledged")
		}
		nodes, logs = append(nodes, n), append(logs, log)
	}
	for i, want := range []string{"A", "B", "A"} {
		assert.Equal(t, want, string(nodes[i].node.Held("x").Value))
		assert.Equal(t, want, string(newSolo(t, NodeID(i), settings, logs[i]...).node.Held("x").Value), "and after a restart")
	}
}

func TestReadsOfArrivals(t *testing.T) {
	settings := everywhere(t, "resolver", "arrival")
	a, b := Cell{Version: version(1), Value: []byte("A")}, Cell{Version: version(2), Value: []byte("B")}
	read := func(answers ...Cell) (string, []string) {
		reader := newSolo(t, 0, settings)
		out := reader.request(Request{ID: 1, Kind: RequestGet, Key: "x", R: 3})
		number := out.Messages[0].Request
		var reply *Reply
		var repairs []string
		for i, c := range answers {
			out = reader.message(Message{Kind: MessageReadAnswer, From: NodeID(i + 1), To: 0, Request: number, Key: "x", Cell: c})
			if len(out.Replies) > 0 {
				r := out.Replies[0]
				reply = &r
			}
			for _, m := range out.Messages {
				if m.Kind == MessageWrite {
					repairs = append(repairs, string('0'+rune(m.To)))
				}
			}
			if len(out.Persist) > 0 { // the reader's own replica has nothing and is helped
				repairs = append(repairs, "0")
			}
		}
		require.NotNil(t, reply)
		return string(reply.Cell.Value), repairs
	}
	value, repairs := read(a, b)
	assert.Equal(t, "A", value, "the first to answer, not the newest")
	assert.Equal(t, []string{"0"}, repairs, "only who has nothing")
	value, _ = read(b, a)
	assert.Equal(t, "B", value)
	value, repairs = read(Cell{}, b)
	assert.Equal(t, "B", value, "nothing is no value")
	assert.ElementsMatch(t, []string{"1", "0"}, repairs)
}

func TestLateHintOverwritesOnArrival(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "resolver", "arrival"))
	b.durable(b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "x", Cell: cell(2, "new")}).Persist[0].ID)
	out := b.message(Message{Kind: MessageHandoff, From: 1, To: 0, Key: "x", Cell: cell(1, "old")})
	b.durable(out.Persist[0].ID)
	assert.Equal(t, "old", string(b.node.Held("x").Value))

	lww := newSolo(t, 0, everywhere(t))
	lww.durable(lww.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "x", Cell: cell(2, "new")}).Persist[0].ID)
	assert.Empty(t, lww.message(Message{Kind: MessageHandoff, From: 1, To: 0, Key: "x", Cell: cell(1, "old")}).Persist)
}

func TestDurableInAnyOrderOnArrival(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "resolver", "arrival"))
	var ids []uint64
	for i := range 3 {
		ids = append(ids, b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "x", Cell: cell(int64(9-i), string('a'+rune(i)))}).Persist[0].ID)
	}
	b.durable(ids[1])
	assert.Equal(t, "b", string(b.node.Held("x").Value))
	b.durable(ids[0])
	assert.Equal(t, "b", string(b.node.Held("x").Value), "what arrived before it")
	b.durable(ids[2])
	assert.Equal(t, "c", string(b.node.Held("x").Value))
}

// With the same runs, replicas that overwrite on arrival differ in the end, and those that don't agree.
func TestArrivalDivergesInRuns(t *testing.T) {
	differs := func(seed uint64, resolver string) bool {
		w := newWorld(t, seed, everywhere(t, "resolver", resolver))
		w.run(60e9, w.start(load{clients: 4, operations: 20, keys: 1, writes: 100, think: 2e6, patience: 1e9}))
		w.run(3e9, nil)
		w.finalReads(load{keys: 1})
		w.run(3e9, nil)
		for _, h := range w.nodes[1:] {
			if h.node.Held("ka").Version != w.nodes[0].node.Held("ka").Version {
				return true
			}
		}
		return false
	}
	count := 0
	for seed := range uint64(30) {
		if differs(seed, "arrival") {
			count++
		}
		require.False(t, differs(seed, "lww"), "seed %d", seed)
	}
	assert.Greater(t, count, 5, "of 30 runs")
}

func TestTiesByValueAreATotalOrder(t *testing.T) {
	draw := func(t *rapid.T, label string) *Cell {
		c := &Cell{Version: Version{Time: rapid.Int64Range(1, 2).Draw(t, label), Node: NodeID(rapid.IntRange(0, 2).Draw(t, label)), Incarnation: 1, Sequence: 1}}
		if c.Tombstone = rapid.Bool().Draw(t, label); !c.Tombstone {
			c.Value = []byte(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, label))
		}
		return c
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := draw(t, "a"), draw(t, "b"), draw(t, "c")
		require.Equal(t, a.compareByValue(b), -b.compareByValue(a))
		if a.compareByValue(b) >= 0 && b.compareByValue(c) >= 0 {
			require.GreaterOrEqual(t, a.compareByValue(c), 0)
		}
		require.Equal(t, 1, a.compareByValue(&Cell{}))
		if orderByValue.versionCovers(a.Version, b.Version) && a.Version != b.Version {
			require.True(t, orderByValue.covers(a, b), "what the versions tell is true")
		}
	})
}

// The same two writes of one microsecond in both orders.
func TestTieBreak(t *testing.T) {
	at := func(node NodeID, value string) Cell {
		return Cell{Version: Version{Time: 5000, Node: node, Incarnation: 1, Sequence: 1}, Value: []byte(value)}
	}
	one, two := at(1, "z"), at(2, "a")
	deleted := at(0, "")
	deleted.Tombstone = true
	for _, c := range []struct {
		tie, want string
	}{{"writer", "a"}, {"value", "z"}} {
		for _, order := range [][]Cell{{one, two}, {two, one}} {
			b := newSolo(t, 0, everywhere(t, "tie-break", c.tie))
			for _, cell := range order {
				for _, p := range b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell}).Persist {
					b.durable(p.ID)
				}
			}
			assert.Equal(t, c.want, string(b.node.Held("k").Value), c.tie)
			for _, p := range b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: deleted}).Persist {
				b.durable(p.ID)
			}
			assert.Equal(t, c.tie == "value", b.node.Held("k").Tombstone)
		}
	}
}

// A hint with an equal timestamp and a greater value is not dropped for the other's acknowledgement.
func TestHintsOfOneTimestamp(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "tie-break", "value", "timestamp-unit", "1us"))
	small := Cell{Version: Version{Time: 5000, Node: 2, Incarnation: 1, Sequence: 1}, Value: []byte("a")}
	large := Cell{Version: Version{Time: 5000, Node: 1, Incarnation: 1, Sequence: 1}, Value: []byte("b")}
	b.node.begin(b.now, &b.out)
	b.node.keepHint(1, "k", &small, nil)
	b.node.keepHint(1, "k", &large, nil)
	b.node.end()
	b.message(Message{Kind: MessageHandedOff, From: 1, To: 0, Key: "k", Cell: Cell{Version: small.Version}})
	require.Len(t, b.node.Hints(), 1, "the home replica has the smaller value only")
	b.message(Message{Kind: MessageHandedOff, From: 1, To: 0, Key: "k", Cell: Cell{Version: large.Version}})
	assert.Empty(t, b.node.Hints())
}

func TestTimestampUnit(t *testing.T) {
	b := newSolo(t, 0, alone(t, "timestamp-unit", "1us"))
	b.now.Wall = 7_654_321
	times := func() (all []int64) {
		for id := range uint64(3) {
			all = append(all, b.put(id+1, "v", nil).Cell.Version.Time)
		}
		return all
	}
	assert.Equal(t, []int64{7_654_000, 7_655_000, 7_656_000}, times(), "whole units, and never twice the same")
	b.now.Wall = 1
	assert.Equal(t, []int64{7_657_000, 7_658_000, 7_659_000}, times(), "nor back")
	b.node.coordinator.lastTime = math.MaxInt64 - 10
	assert.Equal(t, CodeExhausted, b.put(9, "v", nil).Code)

	c := newSolo(t, 0, alone(t, "timestamp-unit", "1ms", "timestamps", "client"))
	r := c.ask(Request{ID: 1, Kind: RequestPut, Key: "k", Timestamp: 7_654_321})
	assert.Equal(t, int64(7_000_000), r.Cell.Version.Time)
	r = c.ask(Request{ID: 2, Kind: RequestPut, Key: "k", Timestamp: 5})
	assert.Equal(t, int64(1_000_000), r.Cell.Version.Time, "0 would mean never written")
}

// The catalogue's item 12: a client writes through a node whose clock is ahead,
// then, knowing of that write, through one whose clock is not.
func TestHybridClockKeepsCausality(t *testing.T) {
	write := func(clock string, carry bool) (second Reply, first Version) {
		settings := everywhere(t, "clock", clock, "w", "1")
		ahead, behind := newSolo(t, 0, settings), newSolo(t, 1, settings)
		ahead.now.Wall += 10e9
		one := ahead.put(1, "x", nil)
		var context []byte
		if carry {
			context = one.Context
		}
		return behind.put(2, "y", context), one.Cell.Version
	}
	second, first := write("wall", false)
	assert.Negative(t, second.Cell.Version.Compare(first), "the later write is the older one")
	second, first = write("hybrid", true)
	assert.Positive(t, second.Cell.Version.Compare(first))
	assert.Less(t, second.Cell.Version.Time-first.Time, int64(hybridUnit))
	second, first = write("hybrid", false)
	assert.Negative(t, second.Cell.Version.Compare(first), "causality that nobody carries is lost")

	// A node learns of a time from any message, and from its log.
	settings := everywhere(t, "clock", "hybrid", "w", "1")
	b := newSolo(t, 1, settings)
	out := b.message(Message{Kind: MessageWrite, From: 0, To: 1, Key: "other", Cell: Cell{Version: first, Value: []byte("x")}})
	record := out.Persist[0].Record
	assert.Positive(t, b.put(1, "y", nil).Cell.Version.Compare(first))
	assert.Positive(t, newSolo(t, 1, settings, record).put(1, "y", nil).Cell.Version.Compare(first))
}

func TestWrongVersionSettings(t *testing.T) {
	for _, c := range []struct {
		given map[string]string
		want  string
	}{
		{map[string]string{"siblings": "last-modified"}, "siblings=last-modified with resolver=lww: it is about concurrent values, which this resolver does not tell apart; set resolver=dotted"},
		{map[string]string{"prune-entries": "5"}, "prune-entries=5 with resolver=lww"},
		{map[string]string{"sibling-limit": "5"}, "sibling-limit=5 with resolver=lww"},
		{map[string]string{"resolver": "dotted", "sibling-limit": "5", "siblings": "last-modified"}, "there are no siblings to limit"},
		{map[string]string{"resolver": "vector-clock", "obsolete-puts": "ignore"}, "only a vector for each value can make a put obsolete; set resolver=version-vector"},
		{map[string]string{"resolver": "dotted", "repair": "abd"}, "causality and not a timestamp orders these writes"},
		{map[string]string{"resolver": "dotted", "repair": "abd", "fetch": "off"}, "siblings are none; set repair=blocking"},
		{map[string]string{"resolver": "arrival", "fetch": "on"}, "whoever overwrites on arrival looks at no timestamp"},
		{map[string]string{"resolver": "arrival", "anti-entropy": "scheduled"}, "nothing tells which of two values replicas should agree on"},
		{map[string]string{"clock": "hybrid", "fetch": "on"}, "they look at no clock"},
		{map[string]string{"clock": "hybrid", "timestamps": "client"}, "the time comes from the client"},
		{map[string]string{"clock": "hybrid", "timestamp-unit": "1us"}, "it counts in the smallest digits"},
		{map[string]string{"resolver": "dotted", "data-type": "counter"}, "joined by the rules of its type"},
		{map[string]string{"resolver": "dotted", "prune-entries": "0-5"}, "prune-entries=0-5: a vector of no entry tells nothing: the first number is at least 1; it may be 0 | ENTRIES"},
		{map[string]string{"resolver": "dotted", "prune-entries": "5-4"}, "the first number is the greater one"},
		{map[string]string{"resolver": "dotted", "prune-entries": "9999"}, "out of range: vectors have at most 4096 entries"},
		{map[string]string{"resolver": "dotted", "prune-entries": "few"}, "neither a whole number nor two with a dash between them"},
		{map[string]string{"timestamp-unit": "2s"}, "timestamp-unit=2s: too long; it may be 1ns … 1s"},
	} {
		_, err := ParseSettings(fiveNames, c.given)
		if assert.Error(t, err, "%v", c.given) {
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
	s, err := ParseSettings(fiveNames, map[string]string{"resolver": "vector-clock", "prune-entries": "10-20", "timestamp-unit": "1us", "tie-break": "value"})
	require.NoError(t, err)
	again, err := ParseSettings(s.Nodes, s.Map())
	require.NoError(t, err)
	assert.Equal(t, s, again)
	assert.Equal(t, "10-20", s.Map()["prune-entries"])
}
