package core

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// couple are two nodes that are each other's only replica, on a perfect disk,
// with a network that the test decides about.
type couple struct {
	t     testing.TB
	nodes [2]*Node
	now   Now
	out   Effects
	queue []Message
	due   [2][]int64
	// sent counts the messages by kind, values the bytes of values in them.
	sent   map[MessageKind]int
	values int
	// lose decides about each message.
	lose func(*Message) bool
}

func newCouple(t testing.TB, a, b map[string]Cell, pairs ...string) *couple {
	s := settingsOf(t, 2, append([]string{"n", "2", "w", "1", "r", "1", "anti-entropy", "demand", "suspect-after", "1h"}, pairs...)...)
	c := &couple{t: t, now: Now{Mono: 1e9, Wall: 5e9}, sent: make(map[MessageKind]int)}
	for i, cells := range []map[string]Cell{a, b} {
		var log [][]byte
		for _, key := range sortedKeys(cells) {
			log = append(log, encodeRecord(&record{kind: recordCell, key: key, cell: cells[key]}))
		}
		node, err := Boot(NodeID(i), s, 1, sequence(log), uint64(i+1), c.now, &c.out)
		require.NoError(t, err)
		c.nodes[i] = node
		c.collect(i)
	}
	return c
}

func sortedKeys(cells map[string]Cell) []string {
	keys := make([]string, 0, len(cells))
	for key := range cells {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// collect takes what a node wants; records are durable at once.
func (c *couple) collect(i int) {
	for k := 0; ; k++ {
		for _, m := range c.out.Messages {
			if m.Kind != MessageHeartbeat {
				c.sent[m.Kind]++
				c.values += len(m.Cell.Value)
			}
			decoded, err := DecodeMessage(AppendMessage(nil, &m))
			require.NoError(c.t, err)
			if c.lose == nil || !c.lose(&decoded) {
				c.queue = append(c.queue, decoded)
			}
		}
		for _, timer := range c.out.Timers {
			if timer.ID == timerAntiEntropy {
				c.due[i] = append(c.due[i], c.now.Mono+timer.After)
			}
		}
		persists := slices.Clone(c.out.Persist)
		c.out.Reset()
		if len(persists) == 0 {
			return
		}
		var all Effects
		for _, p := range persists {
			c.nodes[i].Step(c.now, &Event{Kind: EventDurable, ID: p.ID}, &all)
		}
		c.out = all
	}
}

func (c *couple) step(i int, e Event) {
	c.nodes[i].Step(c.now, &e, &c.out)
	c.collect(i)
}

// run delivers messages and fires timers until the nodes are through.
func (c *couple) run() {
	for steps := 0; c.nodes[0].comparisons()+c.nodes[1].comparisons() > 0 || len(c.queue) > 0; steps++ {
		require.Less(c.t, steps, 100000, "it never ends")
		if len(c.queue) > 0 {
			m := c.queue[0]
			c.queue = c.queue[1:]
			c.step(int(m.To), Event{Kind: EventMessage, Message: &m})
			continue
		}
		c.now.Mono += 1e6
		for i := range c.due {
			due := c.due[i]
			c.due[i] = nil
			for _, at := range due {
				if at > c.now.Mono {
					c.due[i] = append(c.due[i], at)
				} else {
					c.step(i, Event{Kind: EventTimer, ID: timerAntiEntropy})
				}
			}
		}
	}
}

func (c *couple) repair() {
	c.step(0, Event{Kind: EventAdmin, Admin: &Admin{ID: 1, Kind: AdminRepair}})
	c.run()
}

func (c *couple) held(i int) map[string]Cell {
	cells := make(map[string]Cell)
	for _, e := range c.nodes[i].Dump() {
		cells[e.Key] = e.Cell
	}
	return cells
}

// Whatever two replicas hold and whatever the network loses: after a repair
// both hold, of each key, the newer of the two cells, and exactly the
// differing keys were exchanged.
func TestRepairJoinsTwoReplicas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string, common map[string]Cell) map[string]Cell {
			cells := make(map[string]Cell)
			for key, c := range common {
				cells[key] = c
			}
			for range rapid.IntRange(0, 12).Draw(rt, name) {
				c := drawTreeCell(rt)
				c.Version.Time++
				cells[strconv.Itoa(rapid.IntRange(0, 40).Draw(rt, "key"))] = c
			}
			return cells
		}
		common := draw("common", nil)
		a, b := draw("a", common), draw("b", common)
		joined, differing := make(map[string]Cell), 0
		for _, key := range slices.Compact(slices.Sorted(slices.Values(append(sortedKeys(a), sortedKeys(b)...)))) {
			x, y := a[key], b[key]
			if x.Compare(&y) != 0 {
				differing++
			}
			if x.Compare(&y) < 0 {
				x = y
			}
			if len(x.Value) == 0 {
				x.Value = nil
			}
			joined[key] = x
		}
		c := newCouple(t, a, b, "anti-entropy-depth", strconv.Itoa(rapid.IntRange(1, 9).Draw(rt, "depth")))
		loss := rapid.IntRange(0, 3).Draw(rt, "loss")
		c.lose = func(m *Message) bool {
			return m.Kind != MessageHeartbeat && loss > 0 && rapid.IntRange(0, 9).Draw(rt, "lost") < loss
		}
		c.repair()
		assert.Equal(rt, joined, c.held(0))
		assert.Equal(rt, joined, c.held(1))
		if loss == 0 {
			assert.Equal(rt, uint64(differing), c.nodes[0].AntiEntropy().Exchanged)
			assert.Equal(rt, differing, c.sent[MessageRepair])
		}
		for i, k := range c.nodes[0].ranges.ranges {
			assert.Equal(rt, k.tree.hash(treeRoot), c.nodes[1].ranges.ranges[i].tree.hash(treeRoot))
		}
	})
}

// Equal replicas cost one message each way, and no cell is sent; a newer cell
// is sent once, in the direction in which it is missed.
func TestRepairSendsOnlyWhatDiffers(t *testing.T) {
	cells := func() map[string]Cell {
		all := make(map[string]Cell)
		for i := range 5000 {
			all[strconv.Itoa(i)] = cell(1, "0123456789")
		}
		return all
	}
	c := newCouple(t, cells(), cells())
	c.repair()
	assert.Equal(t, map[MessageKind]int{MessageTree: 1, MessageTreeAnswer: 1}, c.sent)
	assert.Zero(t, c.nodes[0].AntiEntropy().Unequal+c.nodes[1].AntiEntropy().Unequal, "both know")
	assert.Zero(t, c.values)

	newer := cells()
	newer["77"] = cell(2, "new")
	for name, couple := range map[string]*couple{"pulled": newCouple(t, cells(), newer), "pushed": newCouple(t, newer, cells())} {
		couple.repair()
		assert.Equal(t, 3, couple.values, name)
		assert.Equal(t, "new", string(couple.nodes[0].replica.slots["77"].durable.Value), name)
		assert.Equal(t, "new", string(couple.nodes[1].replica.slots["77"].durable.Value), name)
		assert.LessOrEqual(t, couple.sent[MessageTree], 5, name)
		assert.Equal(t, 1, couple.sent[MessageRange], name)
		assert.Zero(t, couple.nodes[0].AntiEntropy().Unequal+couple.nodes[1].AntiEntropy().Unequal, "both know that they are equal now")
	}
}

// A leaf with more keys than fit into a message is listed page by page, on whichever side they are.
func TestRepairPagesThroughLargeLeaves(t *testing.T) {
	for name, side := range map[string]int{"mine": 0, "theirs": 1, "both": 2} {
		t.Run(name, func(t *testing.T) {
			var cells [2]map[string]Cell
			for i := range cells {
				cells[i] = make(map[string]Cell)
			}
			for i := range 3000 {
				key := strconv.Itoa(i)
				if side == 2 {
					cells[i%2][key] = cell(1, "v")
				} else {
					cells[side][key] = cell(1, "v")
				}
			}
			c := newCouple(t, cells[0], cells[1], "anti-entropy-depth", "1", "anti-entropy-rate", "1000000")
			c.repair()
			assert.Len(t, c.held(0), 3000)
			assert.Len(t, c.held(1), 3000)
			assert.Equal(t, uint64(3000), c.nodes[0].AntiEntropy().Exchanged)
		})
	}
}

// anti-entropy-rate holds.
func TestRepairRate(t *testing.T) {
	a := make(map[string]Cell)
	for i := range 500 {
		a[strconv.Itoa(i)] = cell(1, "v")
	}
	c := newCouple(t, a, nil, "anti-entropy-rate", "100")
	began := c.now.Mono
	c.repair()
	took := c.now.Mono - began
	assert.GreaterOrEqual(t, took, int64(4890e6), "500 keys at 100 a second, a tenth of a second may be saved")
	assert.Less(t, took, int64(5200e6))
}

// A repair that loses its peer half way waits for it and then goes on with what is left.
func TestRepairResumes(t *testing.T) {
	a := make(map[string]Cell)
	for i := range 400 {
		a[strconv.Itoa(i)] = cell(1, "v")
	}
	c := newCouple(t, a, nil)
	exchanged := 0
	c.lose = func(m *Message) bool {
		if m.Kind == MessageRepair {
			exchanged++
		}
		return exchanged > 150 && c.now.Mono < 60e9
	}
	c.repair()
	assert.Len(t, c.held(1), 400)
	assert.GreaterOrEqual(t, c.now.Mono, int64(60e9))
	g := c.nodes[0].AntiEntropy()
	assert.Positive(t, g.Abandoned)
	assert.Equal(t, uint64(1), g.Repairs)
	assert.Equal(t, uint64(400), g.Exchanged, "what was exchanged before is not exchanged again")
}

// A node that is killed during a repair goes on with it after its restart, and
// only then; a compaction in between makes no difference.
func TestRepairSurvivesItsNode(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		w := newWorld(t, 1, everywhere(t, "anti-entropy", "demand", "anti-entropy-rate", "100"))
		w.crash(0)
		for i := range 200 {
			w.nodes[0].log = append(w.nodes[0].log, encodeRecord(&record{kind: recordCell, key: strconv.Itoa(i), cell: cell(1, "v")}))
		}
		w.boot(0)
		require.Equal(t, StatusOK, w.admin(0, Admin{ID: 1, Kind: AdminRepair}).Status)
		w.run(1e9, nil)
		left := w.diverging()
		require.Positive(t, left)
		if compacted {
			w.nodes[0].log = slices.Collect(w.nodes[0].node.Records)
		}
		w.crash(0)
		w.run(1e9, nil)
		require.True(t, w.nodes[1].node.Pending().Quiet())
		w.boot(0)
		require.False(t, w.nodes[0].node.Pending().Quiet())
		w.run(60e9, w.quiet)
		require.Zero(t, w.diverging())
		require.Equal(t, uint64(1), w.nodes[0].node.AntiEntropy().Repairs)
		w.run(1e9, nil)
		w.crash(0)
		w.boot(0)
		require.True(t, w.nodes[0].node.Pending().Quiet(), "it is done")
	}
}

func TestRepairIsRefusedWithoutAntiEntropy(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	out := b.step(Event{Kind: EventAdmin, Admin: &Admin{ID: 7, Kind: AdminRepair}})
	require.Len(t, out.Replies, 1)
	assert.Equal(t, StatusDefinite, out.Replies[0].Status)
	assert.Contains(t, out.Replies[0].Message, "set anti-entropy=demand or scheduled")
}

// With anti-entropy on schedule, and neither hints nor read repair, all replicas
// are equal within the bound after the last fault, whatever the faults were
// and although nodes lose their memory; nobody is quiet before that.
func TestAntiEntropyConverges(t *testing.T) {
	faults := faultSet{loss: true, partitions: true, crashes: true, pauses: true, skew: true, stalls: true}
	for name, c := range map[string]struct {
		settings *Settings
		converge bool
	}{
		"scheduled":         {settingsOf(t, 5, "hints", "off", "repair", "off", "w", "1", "anti-entropy", "scheduled", "anti-entropy-every", "2s"), true},
		"scheduled, n=5":    {settingsOf(t, 5, "n", "5", "w", "3", "r", "3", "hints", "off", "repair", "off", "anti-entropy", "scheduled", "anti-entropy-every", "2s", "anti-entropy-depth", "2"), true},
		"slow":              {settingsOf(t, 4, "hints", "off", "repair", "off", "w", "1", "anti-entropy", "scheduled", "anti-entropy-every", "1s", "anti-entropy-rate", "5"), true},
		"acknowledge early": {settingsOf(t, 5, "hints", "off", "repair", "off", "w", "1", "acknowledge", "before-log", "anti-entropy", "scheduled", "anti-entropy-every", "2s"), true},
		"siblings":          {settingsOf(t, 5, "hints", "off", "repair", "off", "w", "1", "resolver", "dotted", "anti-entropy", "scheduled", "anti-entropy-every", "2s"), true},
		"off, siblings":     {settingsOf(t, 5, "hints", "off", "repair", "off", "w", "1", "resolver", "dotted"), false},
		"data centres":      {settingsOf(t, 6, "n", "2", "datacenters", "2", "hints", "off", "repair", "off", "w", "1", "anti-entropy", "scheduled", "anti-entropy-every", "2s"), true},
		"off":               {settingsOf(t, 5, "hints", "off", "repair", "off", "w", "1"), false},
	} {
		t.Run(name, func(t *testing.T) {
			diverged, longest := 0, int64(0)
			for seed := range seeds(t, 60) {
				w := newWorld(t, uint64(seed), c.settings)
				w.inject(faults, 1000e6)
				done := w.start(writesOnly)
				w.run(60e9, done)
				require.True(t, done())
				w.run(1e9, nil) // what is on its way to disks and timeouts
				if w.diverging() > 0 {
					diverged++
				}
				if !c.converge {
					continue
				}
				before, bound := w.now, c.settings.ConvergenceBound(8, 30e6)
				w.run(bound, func() bool { return w.quiet() })
				require.True(t, w.quiet(), "seed %d: not quiet after %d ms", seed, bound/1e6)
				require.Zero(t, w.diverging(), "seed %d: quiet, but replicas differ", seed)
				longest = max(longest, w.now-before)
			}
			t.Logf("%d runs diverged at first, the longest took %d ms, the bound is %d ms", diverged, longest/1e6, c.settings.ConvergenceBound(8, 30e6)/1e6)
			assert.Positive(t, diverged, "nothing was tested")
		})
	}
}

// A replica that has changed since it was compared is not quiet, and does not stay divergent.
func TestAntiEntropyNoticesLaterChanges(t *testing.T) {
	w := newWorld(t, 1, everywhere(t, "anti-entropy", "scheduled", "anti-entropy-every", "1s"))
	w.run(5e9, w.quiet)
	require.True(t, w.quiet())
	for i := range w.nodes {
		key := "k" + strconv.Itoa(i)
		w.push(0, occurrence{what: happensMessage, host: i, m: Message{Kind: MessageWrite, From: NodeID((i + 1) % 3), To: NodeID(i), Key: key, Cell: cell(1, "v")}})
		w.run(50e6, nil)
		require.False(t, w.nodes[i].node.Pending().Quiet(), "the one that changed knows that it does not know")
		w.run(w.settings.ConvergenceBound(1, 30e6), w.quiet)
		require.True(t, w.quiet())
		assert.Equal(t, "vvv", w.state(key))
	}
	before := w.nodes[0].node.AntiEntropy()
	w.crash(2)
	w.run(10e9, nil)
	after := w.nodes[0].node.AntiEntropy()
	assert.InDelta(t, 9, after.Rounds-before.Rounds, 1, "rounds go on without a peer that is down")
	assert.InDelta(t, 10, after.Compared-before.Compared, 3, "with the one that is left")
}

// On demand one node's repair makes all replicas of its ranges equal, those that it met first included.
func TestRepairOnDemandReachesAllReplicas(t *testing.T) {
	s := settingsOf(t, 3, "n", "3", "anti-entropy", "demand")
	w := newWorld(t, 1, s)
	for i := range w.nodes {
		w.crash(i)
		for k := range 30 {
			w.nodes[i].log = append(w.nodes[i].log, encodeRecord(&record{kind: recordCell, key: strconv.Itoa(i*100 + k), cell: cell(1, "v")}))
		}
	}
	for i := range w.nodes {
		w.boot(i)
	}
	require.Equal(t, 90, w.diverging())
	w.run(1e9, nil)
	require.Equal(t, 90, w.diverging(), "nobody has asked")
	require.True(t, w.quiet())
	w.onReply = func(NodeID, *Reply) {}
	w.out.Reset()
	w.nodes[1].node.Step(w.clock(w.nodes[1]), &Event{Kind: EventAdmin, Admin: &Admin{ID: 1, Kind: AdminRepair}}, &w.out)
	w.carryOut(1)
	require.False(t, w.quiet())
	w.run(20e9, w.quiet)
	assert.Zero(t, w.diverging())
	assert.Equal(t, uint64(1), w.nodes[1].node.AntiEntropy().Repairs)
}
