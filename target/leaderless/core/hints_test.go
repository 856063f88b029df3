package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// diverging counts the keys on which home replicas disagree.
func (w *world) diverging() int {
	type copyOf struct {
		cell  Cell
		count int
	}
	first := make(map[string]*copyOf)
	different := make(map[string]bool)
	home := make(map[string]int)
	for i, h := range w.nodes {
		for _, e := range h.node.Dump() {
			for _, node := range e.Home {
				if int(node) != i {
					continue
				}
				home[e.Key] = len(e.Home)
				c := first[e.Key]
				if c == nil {
					first[e.Key] = &copyOf{e.Cell, 1}
					continue
				}
				c.count++
				if c.cell.Compare(&e.Cell) != 0 {
					different[e.Key] = true
				}
			}
		}
	}
	for key, c := range first {
		if c.count != home[key] {
			different[key] = true
		}
	}
	return len(different)
}

func (w *world) hints() (count int) {
	for _, h := range w.nodes {
		count += h.node.Pending().Hints
	}
	return count
}

func (w *world) quiet() bool {
	for _, h := range w.nodes {
		if !h.node.Pending().Quiet() {
			return false
		}
	}
	return true
}

var writesOnly = load{clients: 6, operations: 25, keys: 8, writes: 100, think: 20e6, patience: 200e6}

// With hints, and no read that could repair, home replicas agree once faults
// are over and all nodes are quiet. (Nodes are not killed here: a coordinator
// that is killed before it wrote the hint has forgotten it.)
func TestHintsMakeReplicasConverge(t *testing.T) {
	faults := faultSet{loss: true, partitions: true, pauses: true, skew: true, stalls: true}
	for name, c := range map[string]struct {
		settings *Settings
		converge bool
	}{
		"strict":          {settingsOf(t, 5), true},
		"strict, n=5":     {settingsOf(t, 5, "n", "5", "w", "3", "r", "3"), true},
		"sloppy":          {settingsOf(t, 5, "sloppy", "on"), true},
		"hints=off":       {settingsOf(t, 5, "hints", "off"), false},
		"sloppy, no hand": {settingsOf(t, 5, "sloppy", "on", "hints", "off"), false},
	} {
		t.Run(name, func(t *testing.T) {
			kept, diverged, runs := 0, 0, seeds(t, 60)
			for seed := range runs {
				w := newWorld(t, uint64(seed), c.settings)
				w.inject(faults, 1000e6)
				done := w.start(writesOnly)
				w.run(60e9, done)
				require.True(t, done())
				kept += w.hints()
				w.run(20e9, w.quiet)
				require.True(t, w.quiet(), "seed %d: not quiet 20 s after the faults", seed)
				if w.diverging() > 0 {
					diverged++
					require.False(t, c.converge, "seed %d: %d keys diverge", seed, w.diverging())
				}
			}
			t.Logf("%d of %d runs diverged, %d hints were kept", diverged, runs, kept)
			if c.converge {
				assert.Positive(t, kept, "nothing was tested")
			} else {
				assert.Greater(t, diverged, runs/3)
			}
		})
	}
}

// A hint survives the death of the node that keeps it.
func TestHintsSurviveRestarts(t *testing.T) {
	s := settingsOf(t, 3, "n", "3")
	w := newWorld(t, 1, s)
	w.crash(2)
	one := load{clients: 1, operations: 8, keys: 4, writes: 100, think: 5e6, patience: 1e9}
	w.run(20e9, w.start(one))
	w.run(300e6, nil)
	require.Positive(t, w.nodes[0].node.Pending().Hints+w.nodes[1].node.Pending().Hints)
	for i := range 2 {
		w.crash(i)
		w.boot(i)
	}
	kept := w.hints()
	require.Positive(t, kept)
	require.Positive(t, w.diverging())
	w.run(5e9, nil)
	assert.Equal(t, kept, w.hints(), "nobody is there to take them")
	w.boot(2)
	w.run(5e9, nil)
	assert.Zero(t, w.hints())
	assert.Zero(t, w.diverging())
	for i := range w.nodes { // the removal is durable, too
		w.crash(i)
		w.boot(i)
	}
	assert.Zero(t, w.hints())
}

func TestHintLimit(t *testing.T) {
	b := newSolo(t, 0, settingsOf(t, 5, "n", "3", "hint-limit", "2"))
	hint := func(key string, time int64) *Effects {
		return b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: key, Cell: cell(time, "v"), StandsIn: true, HintFor: 2})
	}
	require.Len(t, hint("a", 1).Persist, 1)
	require.Len(t, hint("b", 1).Persist, 1)
	out := hint("c", 1)
	assert.Empty(t, out.Persist)
	assert.Empty(t, out.Messages, "what is not kept is not acknowledged")
	assert.Len(t, hint("b", 2).Persist, 1, "a newer hint takes the old one's place")
	p := b.node.Pending()
	assert.Equal(t, 2, p.Hints)
	assert.Equal(t, uint64(1), p.HintsDropped)
}

func TestHandoffBacksOffAndDeliversInBatches(t *testing.T) {
	var log [][]byte
	for i := range 100 {
		log = append(log, encodeRecord(&record{kind: recordHint, home: 2, key: string(rune('A' + i)), cell: cell(1, "v")}))
	}
	b := newSolo(t, 0, settingsOf(t, 3, "suspect-after", "1h"), log...)
	handoffs := func(out *Effects) (all []Message) {
		for _, m := range out.Messages {
			if m.Kind == MessageHandoff {
				all = append(all, m)
			}
		}
		return all
	}
	var sentAt []int64
	for range 40 {
		b.now.Mono += 50e6
		if out := b.step(Event{Kind: EventTimer, ID: timerHandoff}); len(handoffs(out)) > 0 {
			require.Len(t, handoffs(out), handoffBatch)
			sentAt = append(sentAt, (b.now.Mono-1e9)/50e6)
		}
	}
	assert.Equal(t, []int64{1, 2, 4, 8, 16, 32}, sentAt, "in units of hint-retry")
	for i := range handoffBatch {
		out := b.message(Message{Kind: MessageHandedOff, From: 2, To: 0, Key: string(rune('A' + i)), Cell: Cell{Version: version(1)}})
		require.Len(t, out.Persist, 1, "the removal is logged")
		if i == handoffBatch-1 {
			require.Len(t, handoffs(out), 100-handoffBatch, "the rest follows at once")
			assert.Equal(t, string(rune('A'+handoffBatch)), handoffs(out)[0].Key)
		} else {
			require.Empty(t, out.Messages)
		}
	}
	assert.Equal(t, 100-handoffBatch, b.node.Pending().Hints)
	b.message(Message{Kind: MessageHandedOff, From: 2, To: 0, Key: string(rune('A' + 99)), Cell: Cell{Version: Version{}}})
	assert.Equal(t, 100-handoffBatch, b.node.Pending().Hints, "an acknowledgement of an older version removes nothing")
}

// With two of three home replicas dead, strict quorums refuse and sloppy ones
// accept, through stand-ins, and the evidence says so.
func TestSloppyQuorum(t *testing.T) {
	run := func(sloppy string) (*world, Reply) {
		w := newWorld(t, 1, settingsOf(t, 5, "sloppy", sloppy))
		home := w.nodes[0].node.Ring().PreferenceList("ka", 3)
		w.crash(int(home[0]))
		w.crash(int(home[1]))
		w.run(1e9, nil)
		var reply Reply
		w.onReply = func(_ NodeID, r *Reply) { reply = *r }
		w.push(0, occurrence{what: happensRequest, host: int(home[2]), request: &Request{ID: 5, Kind: RequestPut, Key: "ka", Value: []byte("v")}})
		w.run(1e9, nil)
		return w, reply
	}
	_, reply := run("off")
	assert.Equal(t, StatusDefinite, reply.Status)
	assert.Equal(t, CodeUnavailable, reply.Code)

	w, reply := run("on")
	require.Equal(t, StatusOK, reply.Status, reply.Message)
	standIns := 0
	home := w.nodes[reply.Cell.Version.Node].node.Ring().PreferenceList("ka", 3)
	for _, e := range reply.Evidence.Replicas {
		if e.StandsIn {
			standIns++
			assert.Contains(t, home[:2], e.HintFor)
			assert.NotContains(t, home, e.Node)
		}
	}
	assert.Equal(t, 2, standIns)
	assert.Empty(t, reply.Evidence.Hints, "the stand-ins keep them")
	require.Equal(t, 2, w.hints())

	// A read through stand-ins finds the value although no dead home replica can be asked.
	var get Reply
	w.onReply = func(_ NodeID, r *Reply) { get = *r }
	w.push(0, occurrence{what: happensRequest, host: int(home[2]), request: &Request{ID: 6, Kind: RequestGet, Key: "ka", R: 3}})
	w.run(1e9, nil)
	require.Equal(t, StatusOK, get.Status, get.Message)
	assert.Equal(t, "v", string(get.Cell.Value))

	w.boot(int(home[0]))
	w.boot(int(home[1]))
	w.run(3e9, nil)
	assert.Zero(t, w.hints())
	assert.Zero(t, w.diverging())
}
