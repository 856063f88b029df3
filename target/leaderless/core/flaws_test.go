package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The flaws that are planted on purpose: each is there when it is asked for,
// and only then.

func TestSupersededWriteIsAcknowledgedEarlyOnlyOnPurpose(t *testing.T) {
	for _, c := range []struct {
		acknowledge string
		early       bool
	}{{"after-log", false}, {"superseded-early", true}} {
		t.Run(c.acknowledge, func(t *testing.T) {
			b := newSolo(t, 0, everywhere(t, "acknowledge", c.acknowledge))
			write := func(time int64) *Effects {
				return b.message(Message{Kind: MessageWrite, From: 1, To: 0, Request: uint64(time), Key: "k", Cell: cell(time, "v")})
			}
			out := write(20)
			require.Len(t, out.Persist, 1)
			assert.False(t, out.Persist[0].Eager, "the log is written as carefully as ever")
			assert.Empty(t, out.Messages, "superseded by nothing")
			newer := out.Persist[0].ID
			early := len(write(10).Messages)
			if assert.Equal(t, c.early, early == 1); c.early {
				assert.Empty(t, b.message(Message{Kind: MessageRead, From: 2, To: 0, Key: "k"}).Messages[0].Cell, "and nothing of it is there")
			}
			assert.Empty(t, write(20).Messages, "a duplicate is not superseded")
			assert.Len(t, b.durable(newer).Messages, 3-early)
		})
	}
}

// lostWithThePower lets two writes meet on every replica, cuts the power of all
// nodes at the first acknowledgement, and says whether the write is gone.
func lostWithThePower(t *testing.T, seed uint64, settings *Settings) bool {
	w := newWorld(t, seed, settings)
	for _, h := range w.nodes {
		h.stall = 1
	}
	var acknowledged Version
	w.onReply = func(_ NodeID, r *Reply) {
		if r.Status == StatusOK {
			acknowledged = r.Cell.Version
		}
	}
	for i := range w.nodes {
		w.push(w.random.Int64N(2e6), occurrence{what: happensRequest, host: i, request: &Request{ID: uint64(i + 1), Kind: RequestPut, Key: "k", Value: []byte("12345678")}})
	}
	w.run(5e9, func() bool { return !acknowledged.IsZero() })
	require.False(t, acknowledged.IsZero(), "seed %d", seed)
	for i := range w.nodes {
		w.crash(i)
		w.boot(i)
		w.nodes[i].stall = 0
	}
	read := w.readThrough(0, "k", load{patience: 1e9})
	require.Equal(t, StatusOK, read.status, "seed %d", seed)
	return read.reply.Cell.Version.Compare(acknowledged) < 0
}

func TestSupersededEarlyLosesAcknowledgedWrites(t *testing.T) {
	lost := 0
	safe, flawed := everywhere(t, "w", "1", "r", "3", "request-timeout", "1s"), everywhere(t, "w", "1", "r", "3", "request-timeout", "1s", "acknowledge", "superseded-early")
	for seed := range uint64(100) {
		require.False(t, lostWithThePower(t, seed, safe), "seed %d", seed)
		if lostWithThePower(t, seed, flawed) {
			lost++
		}
	}
	t.Logf("lost in %d of 100 runs", lost)
	assert.Greater(t, lost, 5)
}

// A keeper that was killed has its hints if they were logged, and else not;
// then the home replica never hears of what it missed.
func TestHintsWithoutALogAreForgotten(t *testing.T) {
	for _, c := range []struct {
		log     string
		forgets bool
	}{{"on", false}, {"off", true}} {
		t.Run("hint-log="+c.log, func(t *testing.T) {
			w := newWorld(t, 1, settingsOf(t, 3, "n", "3", "hint-log", c.log))
			w.crash(2)
			w.run(20e9, w.start(load{clients: 1, operations: 8, keys: 4, writes: 100, think: 5e6, patience: 1e9}))
			w.run(300e6, nil)
			kept := w.hints()
			require.Positive(t, kept, "kept while their keepers live")
			for i := range 2 {
				w.crash(i)
				w.boot(i)
			}
			assert.Equal(t, c.forgets, w.hints() == 0, "%d of %d", w.hints(), kept)
			w.boot(2)
			w.run(5e9, nil)
			assert.Zero(t, w.hints())
			assert.Equal(t, c.forgets, w.diverging() > 0, "%d keys diverge", w.diverging())
		})
	}
}

// Nodes that live deliver their hints whether or not these are logged.
func TestHintsWithoutALogAreDelivered(t *testing.T) {
	w := newWorld(t, 1, settingsOf(t, 3, "n", "3", "hint-log", "off"))
	w.crash(2)
	w.run(20e9, w.start(load{clients: 1, operations: 8, keys: 4, writes: 100, think: 5e6, patience: 1e9}))
	w.boot(2)
	w.run(5e9, nil)
	assert.Zero(t, w.hints())
	assert.Zero(t, w.diverging())
}

// With a sloppy quorum, a write that only stand-ins hold was acknowledged, and dies with them.
func TestSloppyWriteDiesWithItsStandIns(t *testing.T) {
	run := func(log string) Reply {
		w := newWorld(t, 1, settingsOf(t, 5, "sloppy", "on", "hint-log", log))
		home := w.nodes[0].node.Ring().PreferenceList("ka", 3)
		for _, node := range home {
			w.crash(int(node))
		}
		w.run(1e9, nil)
		var reply Reply
		w.onReply = func(_ NodeID, r *Reply) { reply = *r }
		var alive []int
		for i, h := range w.nodes {
			if h.up {
				alive = append(alive, i)
			}
		}
		w.push(0, occurrence{what: happensRequest, host: alive[0], request: &Request{ID: 5, Kind: RequestPut, Key: "ka", Value: []byte("v")}})
		w.run(1e9, nil)
		require.Equal(t, StatusOK, reply.Status, reply.Message)
		for _, i := range alive {
			w.crash(i)
		}
		for i := range w.nodes {
			w.boot(i)
		}
		w.run(3e9, nil)
		w.push(0, occurrence{what: happensRequest, host: alive[0], request: &Request{ID: 6, Kind: RequestGet, Key: "ka", R: 3}})
		w.run(1e9, nil)
		require.Equal(t, uint64(6), reply.ID)
		require.Equal(t, StatusOK, reply.Status, reply.Message)
		return reply
	}
	assert.True(t, run("on").Found)
	assert.False(t, run("off").Found)
}

// What is not logged is not in the compacted log either.
func TestCompactionLeavesOutUnloggedHints(t *testing.T) {
	for _, log := range []string{"on", "off"} {
		b := newSolo(t, 0, everywhere(t, "hint-log", log))
		out := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "v"), StandsIn: true, HintFor: 2})
		assert.Len(t, out.Persist, map[string]int{"on": 1, "off": 0}[log])
		assert.Len(t, out.Messages, map[string]int{"on": 0, "off": 1}[log], "acknowledged once it is kept")
		assert.Equal(t, []DumpHint{{Key: "k", Version: version(1), Home: 2}}, b.node.Hints())
		records := 0
		for range b.node.Records {
			records++
		}
		logged := len(out.Persist)
		assert.Equal(t, logged, records)
		done := b.message(Message{Kind: MessageHandedOff, From: 2, To: 0, Key: "k", Cell: Cell{Version: version(1)}})
		assert.Len(t, done.Persist, logged, "nor is its removal")
		assert.Zero(t, b.node.Pending().Hints)
		assert.Empty(t, b.node.Hints())
	}
}
