package core

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// putMany writes keys through node 0, one after the other.
func (w *world) putMany(t *testing.T, prefix string, count int) {
	for i := range count {
		r := w.ask(0, Request{ID: uint64(1000 + i), Kind: RequestPut, Key: prefix + strconv.Itoa(i), Value: []byte("v")}, 2e9)
		require.Equal(t, StatusOK, r.Status, r.Message)
	}
}

// Hints are kept for a replica that is away for a short time, and no more once
// it has been away for longer than the window.
func TestHintWindow(t *testing.T) {
	w := newWorld(t, 1, everywhere(t, "hint-window", "2s"))
	w.crash(2)
	w.run(1e9, nil)
	w.putMany(t, "early", 5)
	w.run(200e6, nil)
	kept := w.hints()
	require.Equal(t, 5, kept)
	w.run(2e9, nil)
	w.putMany(t, "late", 5)
	w.run(1e9, nil)
	assert.Equal(t, kept, w.hints())
	assert.Equal(t, uint64(5), w.nodes[0].node.HintLosses().Refused)
	w.boot(2)
	w.run(2e9, nil)
	assert.Zero(t, w.hints())
	assert.Equal(t, "vvv", w.state("early0"))
	assert.Equal(t, "vv-", w.state("late0"), "it stays stale until something else repairs it")
	w.crash(2)
	w.run(1e9, nil)
	w.putMany(t, "again", 1)
	assert.Equal(t, 1, w.hints(), "the window begins anew when it is away again")
}

// Hints that are older than their time are dropped, also across a restart of who keeps them.
func TestHintExpiry(t *testing.T) {
	for name, setting := range map[string]string{"hint-expiry": "hint-expiry", "gc-grace bounds it, too": "gc-grace"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, everywhere(t, setting, "3s"))
			w.crash(2)
			w.run(1e9, nil)
			w.putMany(t, "k", 3)
			w.run(1500e6, nil)
			w.crash(0)
			w.boot(0)
			w.putMany(t, "m", 2)
			w.run(1e9, nil)
			assert.Equal(t, 5, w.hints())
			w.run(1e9, nil)
			assert.Equal(t, 2, w.hints(), "the first ones are too old")
			w.boot(2)
			w.run(1e9, nil)
			assert.Equal(t, "vv-", w.state("k0"))
			assert.Equal(t, "vvv", w.state("m0"))
			assert.Equal(t, uint64(3), w.nodes[0].node.HintLosses().Expired+w.nodes[1].node.HintLosses().Expired)
			w.crash(0)
			w.boot(0)
			assert.Zero(t, w.hints(), "the drop is durable")
		})
	}
	b := newSolo(t, 0, everywhere(t, "hint-expiry", "3s", "fetch", "on"), encodeRecord(&record{kind: recordHint, home: 2, key: "k", cell: cell(1, "v")}))
	tick := func(after int64) int {
		b.now.Mono, b.now.Wall = b.now.Mono+after, b.now.Wall+after
		b.step(Event{Kind: EventTimer, ID: timerHandoff})
		return b.node.Pending().Hints
	}
	assert.Equal(t, 1, tick(50e6), "the version is no time")
	assert.Equal(t, 1, tick(2900e6))
	assert.Equal(t, 0, tick(200e6))
}

// With hint-flush nobody waits for the log, and a node that dies before the
// next flush has forgotten what it kept.
func TestHintFlush(t *testing.T) {
	for name, c := range map[string]struct {
		wait int64
		left int
	}{"killed before": {500e6, 0}, "killed after": {2500e6, 3}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, everywhere(t, "hint-flush", "1s"))
			w.crash(2)
			w.run(1e9, nil)
			w.putMany(t, "k", 3)
			require.Equal(t, 3, w.hints())
			w.run(c.wait, nil)
			w.crash(0)
			w.boot(0)
			assert.Equal(t, c.left, w.hints())
		})
	}
	b := newSolo(t, 0, everywhere(t, "hint-flush", "1s"))
	out := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "v"), StandsIn: true, HintFor: 2})
	assert.Empty(t, out.Persist)
	assert.Equal(t, []string{"written→1"}, kinds(out), "kept at once")
	out = b.step(Event{Kind: EventTimer, ID: timerHintFlush})
	require.Len(t, out.Persist, 1)
	assert.True(t, out.Persist[0].Eager)
	b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(2, "w"), StandsIn: true, HintFor: 2})
	b.message(Message{Kind: MessageHandedOff, From: 2, To: 0, Key: "k", Cell: Cell{Version: version(2)}})
	assert.Empty(t, b.step(Event{Kind: EventTimer, ID: timerHintFlush}).Persist, "delivered before it was written")
}

// Each strategy finds the node that it names; that one keeps the hint and
// delivers it, though the coordinator has died.
func TestHintStrategies(t *testing.T) {
	for _, strategy := range []string{"coordinator", "any", "proximity", "consistent"} {
		t.Run(strategy, func(t *testing.T) {
			w := newWorld(t, 3, settingsOf(t, 6, "hint-strategy", strategy))
			ring := w.nodes[0].node.Ring()
			keepers := make(map[NodeID]int)
			for i := range 40 {
				key := "k" + strconv.Itoa(i)
				order := ring.Order(key)
				w.crash(int(order[2]))
				w.run(500e6, nil)
				require.Equal(t, StatusOK, w.ask(order[0], Request{ID: uint64(i + 1), Kind: RequestPut, Key: key, Value: []byte("v")}, 1e9).Status)
				w.run(300e6, nil)
				found := 0
				for node, h := range w.nodes {
					for _, hint := range h.node.Hints() {
						if hint.Key == key && h.up {
							found++
							keepers[NodeID(node)]++
							assert.Equal(t, order[2], hint.Home)
							switch strategy {
							case "coordinator":
								assert.Equal(t, order[0], NodeID(node))
							case "consistent", "proximity":
								assert.Equal(t, order[3], NodeID(node))
							case "any":
								assert.NotContains(t, order[:3], NodeID(node))
							}
						}
					}
				}
				assert.Equal(t, 1, found, "exactly one node keeps it")
				if strategy != "coordinator" {
					w.crash(int(order[0]))
				}
				w.boot(int(order[2]))
				w.run(1e9, nil)
				assert.False(t, w.nodes[order[2]].node.Held(key).Version.IsZero(), "delivered")
				assert.Zero(t, w.hints())
				if strategy != "coordinator" {
					w.boot(int(order[0]))
					w.run(500e6, nil)
				}
			}
			if strategy == "any" {
				assert.Len(t, keepers, 6, "all nodes get their share")
			}
		})
	}
}

// A keeper that does not answer, or a cluster without one, leaves the hint with the coordinator.
func TestHintStrategyFallsBack(t *testing.T) {
	w := newWorld(t, 1, everywhere(t, "hint-strategy", "consistent"))
	w.crash(2)
	w.run(500e6, nil)
	w.putMany(t, "k", 2)
	assert.Len(t, w.nodes[0].node.Hints(), 2, "there is no other node")

	b := newSolo(t, 0, settingsOf(t, 4, "hint-strategy", "consistent", "suspect-after", "1h"))
	key := "k"
	for i := 0; b.node.Ring().Order(key)[0] != 0; i++ {
		key = "k" + strconv.Itoa(i)
	}
	order := b.node.Ring().Order(key)
	out := b.request(Request{ID: 1, Kind: RequestPut, Key: key, Value: []byte("v")})
	v, number := out.Messages[0].Cell.Version, out.Messages[0].Request
	timers := append([]Timer(nil), out.Timers...)
	b.durable(out.Persist[0].ID)
	b.message(Message{Kind: MessageWritten, From: order[1], To: 0, Key: key, Request: number, Cell: Cell{Version: v}})
	out = b.timeout(&Effects{Timers: timers})
	require.Equal(t, []string{"write→" + string('0'+rune(order[3]))}, kinds(out), "the keeper is asked")
	assert.True(t, out.Messages[0].StandsIn)
	assert.Empty(t, out.Persist)
	assert.Equal(t, 1, b.node.Pending().Hints, "it is not forgotten meanwhile")
	b.now.Mono += 100e6
	out = b.step(Event{Kind: EventTimer, ID: timerHandoff})
	require.Len(t, out.Persist, 1, "its own now")
	r, _, err := parseRecord(out.Persist[0].Record)
	require.NoError(t, err)
	assert.Equal(t, recordHint, r.kind)
}

// repair-chance is kept, by the node's own generator.
func TestRepairChance(t *testing.T) {
	for _, chance := range []int{0, 30, 100} {
		b := newSolo(t, 0, fiveNodes(t, "repair", "blocking", "repair-chance", strconv.Itoa(chance)))
		repaired := 0
		for range 1000 {
			request := b.read()
			b.answer(request, 1, cell(7, "new"))
			if out := b.answer(request, 2, cell(6, "old")); len(out.Replies) == 0 {
				repaired++
				for _, p := range append([]Persist(nil), out.Persist...) {
					b.durable(p.ID)
				}
				b.acknowledge(request, 2, version(7))
			}
		}
		assert.InDelta(t, chance*10, repaired, 50, "repair-chance=%d", chance)
		if chance%100 == 0 {
			assert.Equal(t, chance*10, repaired)
		}
	}
}

// What makes no sense together is refused, with the remedy.
func TestRepairSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		given map[string]string
		want  string
	}{
		{map[string]string{"gc-grace": "10d", "repair": "abd"}, "gc-grace=10d with writers that fetch (fetch=auto, repair=abd): their versions are counts, not times, so a tombstone has no age; set gc-grace=0s or fetch=off"},
		{map[string]string{"purge": "repaired"}, "set gc-grace to the age"},
		{map[string]string{"purge": "repaired", "gc-grace": "1s"}, "set anti-entropy=scheduled or demand"},
		{map[string]string{"purge": "reported", "gc-grace": "1s"}, "leave gc-grace out"},
		{map[string]string{"deletes": "physical", "purge": "reported"}, "or set deletes=tombstone"},
		{map[string]string{"repair": "abd", "repair-chance": "50"}, "set repair-chance=100 or another repair"},
		{map[string]string{"repair": "off", "repair-chance": "50"}, "leave repair-chance out or set repair=async"},
		{map[string]string{"hint-flush": "1s", "hint-log": "off"}, "leave hint-flush out or set hint-log=on"},
		{map[string]string{"hints": "off", "hint-window": "3h"}, "set hints=on"},
		{map[string]string{"anti-entropy": "scheduled", "n": "1", "w": "1", "r": "1"}, "set n ≥ 2 or anti-entropy=off"},
		{map[string]string{"anti-entropy": "scheduled", "anti-entropy-every": "400ms"}, "set anti-entropy-every > 500ms"},
		{map[string]string{"anti-entropy-depth": "17"}, "anti-entropy-depth=17: out of range; it may be 1 … 16"},
		{map[string]string{"repair-chance": "101"}, "it may be 0 … 100"},
		{map[string]string{"purge": "gradually"}, "it may be grace | repaired | reported"},
	} {
		_, err := ParseSettings(fiveNames, c.given)
		if assert.Error(t, err, "%v", c.given) {
			assert.Contains(t, err.Error(), c.want)
		}
	}
}
