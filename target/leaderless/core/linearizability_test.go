package core

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func settingsOf(t testing.TB, nodes int, pairs ...string) *Settings {
	t.Helper()
	given := map[string]string{"request-timeout": "80ms", "stand-in-after": "20ms", "heartbeat": "50ms", "suspect-after": "200ms", "hint-retry": "50ms"}
	for i := 0; i < len(pairs); i += 2 {
		given[pairs[i]] = pairs[i+1]
	}
	names := make([]string, nodes)
	for i := range names {
		names[i] = "n" + strconv.Itoa(i+1)
	}
	s, err := ParseSettings(names, given)
	require.NoError(t, err)
	return &s
}

type registerInput struct {
	get   bool
	value uint64
}

var register = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		in := input.(registerInput)
		if in.get {
			return output.(uint64) == state.(uint64), state
		}
		return true, in.value
	},
	Equal: func(a, b any) bool { return a == b },
}

// linearizable lets Porcupine decide, key by key. Writes without a definite end
// that nobody read are left out: such a write can always stand at the end.
func linearizable(t testing.TB, history []*observed) bool {
	byKey := make(map[string][]porcupine.Operation)
	read := make(map[uint64]bool)
	for _, op := range history {
		if op.get && op.status == StatusOK {
			read[op.value] = true
		}
	}
	for _, op := range history {
		var output any
		switch {
		case op.status == StatusOK && op.get:
			output = op.value
		case op.status == StatusOK, op.status == StatusIndeterminate && !op.get && read[op.value]:
		default:
			continue
		}
		byKey[op.key] = append(byKey[op.key], porcupine.Operation{
			ClientId: op.client, Input: registerInput{op.get, op.value}, Call: op.start, Output: output, Return: op.end,
		})
	}
	for key, operations := range byKey {
		switch result := porcupine.CheckOperationsTimeout(register, operations, 20*time.Second); result {
		case porcupine.Illegal:
			return false
		case porcupine.Unknown:
			t.Fatalf("porcupine could not decide key %s with %d operations", key, len(operations))
		}
	}
	return true
}

// outcome is one simulated run.
type outcome struct {
	linear     bool
	ok, failed int
	hash       uint64
	digests    []uint64
	world      *world
}

var mixedLoad = load{clients: 6, operations: 25, keys: 2, writes: 45, think: 20e6, patience: 200e6}

// simulate runs clients under faults, heals, lets the dust settle and reads once more.
func simulate(t testing.TB, seed uint64, settings *Settings, f faultSet, l load) outcome {
	w := newWorld(t, seed, settings)
	w.inject(f, 1500e6)
	done := w.start(l)
	w.run(60e9, done)
	require.True(t, done(), "seed %d: clients did not finish", seed)
	w.run(3e9, nil) // faults are over, hints are delivered
	w.finalReads(l)
	return w.outcome(t)
}

// finalReads reads every key through every node.
func (w *world) finalReads(l load) {
	for i := range w.nodes {
		final := load{clients: 1, operations: 1, keys: 1, patience: 1e9}
		for k := range l.keys {
			w.readThrough(i, "k"+string(rune('a'+k)), final)
		}
	}
}

func (w *world) readThrough(node int, key string, l load) *observed {
	i := len(w.clients)
	c := &client{number: 1}
	c.request = Request{ID: uint64(i)<<32 | 1, Kind: RequestGet, Key: key}
	op := &observed{client: i, key: key, get: true, start: w.now, end: noEnd, status: StatusIndeterminate}
	c.current = op
	w.clients = append(w.clients, c)
	w.history = append(w.history, op)
	left := 1
	w.onReply = func(_ NodeID, r *Reply) {
		if c.current != nil && r.ID == c.request.ID {
			w.complete(c, r, l, &left)
		}
	}
	w.push(0, occurrence{what: happensRequest, host: node, id: c.request.ID, request: &c.request})
	w.run(5e9, func() bool { return left == 0 })
	return op
}

func (w *world) outcome(t testing.TB) outcome {
	o := outcome{linear: linearizable(t, w.history), hash: w.hash, world: w}
	for _, op := range w.history {
		if op.status == StatusOK {
			o.ok++
		} else {
			o.failed++
		}
	}
	for _, h := range w.nodes {
		o.digests = append(o.digests, h.node.Digest())
	}
	return o
}

// seeds is how many runs a test makes; REFUTE_CORE_SEEDS overrides it.
func seeds(t testing.TB, usual int) int {
	if text := os.Getenv("REFUTE_CORE_SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return max(usual/10, 20)
	}
	return usual
}

func abd(t testing.TB, pairs ...string) *Settings {
	return settingsOf(t, 5, append([]string{"n", "5", "w", "3", "r", "3", "repair", "abd"}, pairs...)...)
}

// The control: not one run of many may be refuted, whatever goes wrong.
func TestABDIsLinearizable(t *testing.T) {
	settings := abd(t)
	ok, failed := 0, 0
	for seed := range seeds(t, 1000) {
		o := simulate(t, uint64(seed), settings, everyFault, mixedLoad)
		require.True(t, o.linear, "seed %d", seed)
		ok, failed = ok+o.ok, failed+o.failed
	}
	t.Logf("%d operations succeeded, %d failed", ok, failed)
	assert.Greater(t, ok, 3*failed, "the runs must get something done")
	assert.Positive(t, failed, "the faults must do something")
}

// The same with more nodes than replicas, unequal quorums and no hints.
func TestABDIsLinearizableInOtherShapes(t *testing.T) {
	for _, settings := range []*Settings{
		settingsOf(t, 5, "n", "3", "w", "2", "r", "2", "repair", "abd"),
		settingsOf(t, 5, "n", "5", "w", "4", "r", "2", "repair", "abd"),
		settingsOf(t, 5, "n", "5", "w", "2", "r", "4", "repair", "abd", "hints", "off"),
		settingsOf(t, 3, "n", "3", "w", "1", "r", "3", "repair", "abd"),
		settingsOf(t, 3, "n", "1", "w", "1", "r", "1", "repair", "abd"),
	} {
		t.Run(fmt.Sprintf("nodes=%d,n=%d,w=%d,r=%d", len(settings.Nodes), settings.N, settings.W, settings.R), func(t *testing.T) {
			for seed := range seeds(t, 200) {
				require.True(t, simulate(t, uint64(seed), settings, everyFault, mixedLoad).linear, "seed %d", seed)
			}
		})
	}
}

// Every weakening of the control must be caught.
func TestWeakeningsAreCaught(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings *Settings
		faults   faultSet
		share    int // per cent of the runs that must be refuted, at least
	}{
		{"no write-back", abd(t, "repair", "off", "fetch", "on"), everyFault, 3},
		{"async repair", abd(t, "repair", "async", "fetch", "on"), everyFault, 3},
		{"w=2", abd(t, "w", "2"), everyFault, 5},
		{"r=2", abd(t, "r", "2"), everyFault, 5},
		{"no fetch, skew", abd(t, "fetch", "off"), faultSet{skew: true}, 20},
		{"acknowledge before the log, kills", abd(t, "acknowledge", "before-log"), faultSet{crashes: true}, 10},
		{"last write wins, skew", settingsOf(t, 5, "repair", "blocking"), faultSet{skew: true}, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			refuted, runs := 0, seeds(t, 200)
			for seed := range runs {
				if !simulate(t, uint64(seed), c.settings, c.faults, mixedLoad).linear {
					refuted++
				}
			}
			t.Logf("%d of %d runs refuted", refuted, runs)
			assert.GreaterOrEqual(t, 100*refuted, c.share*runs, "%d of %d runs refuted", refuted, runs)
		})
	}
}

// One client, one key, clocks that differ: a later acknowledged write is lost.
func TestLastWriteWinsLosesSequentialWrites(t *testing.T) {
	one := load{clients: 1, operations: 12, keys: 1, writes: 100, think: 5e6, patience: 1e9}
	run := func(seed uint64, settings *Settings) (lost bool) {
		w := newWorld(t, seed, settings)
		for _, h := range w.nodes {
			h.skew = w.random.Int64N(4e9) - 2e9
		}
		w.run(60e9, w.start(one))
		w.run(1e9, nil)
		last := w.history[len(w.history)-1]
		require.Equal(t, StatusOK, last.status)
		return w.readThrough(0, "ka", one).value != last.value
	}
	lww, control := settingsOf(t, 3), settingsOf(t, 3, "repair", "abd")
	lost := 0
	for seed := range uint64(40) {
		if run(seed, lww) {
			lost++
		}
		require.False(t, run(seed, control), "seed %d: with a fetch no clock matters", seed)
	}
	assert.Greater(t, lost, 20, "of 40 runs")
}

func TestSameSeedSameRun(t *testing.T) {
	for _, settings := range []*Settings{abd(t), settingsOf(t, 5, "sloppy", "on"), settingsOf(t, 5, "acknowledge", "before-log")} {
		for seed := range uint64(10) {
			first := simulate(t, seed, settings, everyFault, mixedLoad)
			second := simulate(t, seed, settings, everyFault, mixedLoad)
			require.Equal(t, first.hash, second.hash, "seed %d: another sequence of effects", seed)
			require.Equal(t, first.digests, second.digests, "seed %d: another state", seed)
			require.NotEqual(t, first.hash, simulate(t, seed+1000, settings, everyFault, mixedLoad).hash, "the hash sees nothing")
		}
	}
}

// Whatever the configuration, a write that failed definitely is never seen by
// anybody, and no replica holds it.
func TestDefiniteErrorsAreDefinite(t *testing.T) {
	for name, settings := range map[string]*Settings{
		"defaults":   settingsOf(t, 5),
		"sloppy":     settingsOf(t, 5, "sloppy", "on"),
		"blocking":   settingsOf(t, 5, "repair", "blocking", "fetch", "on"),
		"abd":        abd(t),
		"before-log": settingsOf(t, 5, "acknowledge", "before-log", "n", "5", "w", "5", "r", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			failed := make(map[string]int)
			for seed := range seeds(t, 100) {
				o := simulate(t, uint64(seed), settings, everyFault, mixedLoad)
				definite := make(map[uint64]bool)
				for _, op := range o.world.history {
					if !op.get && op.status == StatusDefinite {
						definite[op.value] = true
						failed[op.reply.Code]++
					}
				}
				for _, op := range o.world.history {
					require.False(t, op.get && op.status == StatusOK && definite[op.value], "seed %d: read a write that failed definitely", seed)
				}
				for _, h := range o.world.nodes {
					for _, e := range h.node.Dump() {
						require.False(t, definite[binary.BigEndian.Uint64(e.Cell.Value)], "seed %d: a replica holds a write that failed definitely", seed)
					}
				}
			}
			t.Log(failed)
			assert.Positive(t, failed[CodeUnavailable])
			assert.Equal(t, settings.Fetches(), failed[CodeTimeout] > 0)
		})
	}
}
