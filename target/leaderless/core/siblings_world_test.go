package core

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// versionedOperation is a get, put or delete of a key with siblings, as its client saw it.
type versionedOperation struct {
	key     string
	kind    RequestKind
	value   uint64
	context Context
	status  ReplyStatus
	reply   Reply
}

// versionedRun lets clients read and write keys with siblings under faults,
// heals, lets replicas exchange what they have, and keeps what everybody saw.
type versionedRun struct {
	*world
	operations []*versionedOperation
}

type versionedLoad struct {
	clients, operations, keys int
	blind                     int // per cent of the writes
}

func versionedRunOf(t testing.TB, seed uint64, settings *Settings, f faultSet, l versionedLoad) *versionedRun {
	r := &versionedRun{world: newWorld(t, seed, settings)}
	r.inject(f, 1500e6)
	left, value := l.clients, uint64(0)
	open := map[uint64]func(*Reply){}
	r.onReply = func(_ NodeID, reply *Reply) {
		if done := open[reply.ID]; done != nil {
			delete(open, reply.ID)
			done(reply)
		}
	}
	id := uint64(0)
	ask := func(node int, op *versionedOperation, then func()) {
		id++
		request := &Request{ID: id, Kind: op.kind, Key: op.key, Context: op.context.Encode()}
		if op.kind == RequestPut {
			request.Value = binary.BigEndian.AppendUint64(nil, op.value)
		}
		op.status = StatusIndeterminate
		r.operations = append(r.operations, op)
		mine := id
		open[mine] = func(reply *Reply) {
			op.status, op.reply = reply.Status, *reply
			then()
		}
		r.push(r.delay(), occurrence{what: happensRequest, host: node, id: mine, request: request})
		r.at(400e6, func() {
			if open[mine] != nil {
				delete(open, mine)
				then()
			}
		})
	}
	var turn func(client, rest int, known map[string]Context)
	turn = func(client, rest int, known map[string]Context) {
		if rest == 0 {
			left--
			return
		}
		key := "k" + string(rune('a'+r.random.IntN(l.keys)))
		node := r.random.IntN(len(r.nodes))
		next := func() { r.at(1+r.random.Int64N(20e6), func() { turn(client, rest-1, known) }) }
		if r.random.IntN(100) < 40 {
			op := &versionedOperation{key: key, kind: RequestGet}
			ask(node, op, func() {
				if op.status == StatusOK {
					known[key] = r.parse(op.reply.Context)
				}
				next()
			})
			return
		}
		value++
		op := &versionedOperation{key: key, kind: RequestPut, value: value}
		if r.random.IntN(10) == 0 && len(known[key].Seen) > 0 {
			op.kind = RequestDelete
		}
		if op.kind == RequestDelete || r.random.IntN(100) >= l.blind {
			op.context = known[key]
		}
		ask(node, op, next)
	}
	for c := range l.clients {
		r.at(r.random.Int64N(20e6), func() { turn(c, l.operations, map[string]Context{}) })
	}
	r.run(60e9, func() bool { return left == 0 })
	require.Zero(t, left, "seed %d: clients did not finish", seed)
	r.run(3e9, nil)
	for range 2 { // what one read repairs another one shows
		for i := range r.nodes {
			for k := range l.keys {
				waiting := true
				ask(i, &versionedOperation{key: "k" + string(rune('a'+k)), kind: RequestGet}, func() { waiting = false })
				r.run(5e9, func() bool { return !waiting })
			}
		}
		r.run(2e9, nil)
	}
	return r
}

func (r *versionedRun) parse(context []byte) Context {
	c, err := ParseContext(context)
	require.NoError(r.t, err)
	return c
}

// held is what the home replicas hold of the key, which must be the same everywhere.
func (r *versionedRun) held(key string) (siblings []Sibling, converged bool) {
	converged = true
	var first Object
	for _, home := range r.nodes[0].node.ring.PreferenceList(key, r.settings.N) {
		c := r.nodes[home].node.Held(key)
		switch {
		case c.Object == nil:
			converged = converged && first == nil
		case first == nil:
			first, siblings = c.Object, c.Object.Siblings()
		default:
			converged = converged && first.Covers(c.Object) && c.Object.Covers(first)
		}
	}
	return siblings, converged
}

// dots are the events of the writes, as replies and the final state tell them.
// shared: one of them is said to be two writes'.
func (r *versionedRun) dots(keys int) (dots map[Version]Dot, shared bool) {
	dots = map[Version]Dot{}
	type event struct {
		key string
		dot Dot
	}
	writes := map[event]Version{}
	note := func(key string, all []Sibling) {
		for i := range all {
			e := event{key, all[i].Dot}
			if w, known := writes[e]; known && w != all[i].Version {
				shared = true
			}
			writes[e], dots[all[i].Version] = all[i].Version, all[i].Dot
		}
	}
	for _, op := range r.operations {
		note(op.key, op.reply.Siblings)
	}
	for k := range keys {
		key := "k" + string(rune('a'+k))
		all, _ := r.held(key)
		note(key, all)
	}
	return dots, shared
}

// lost are the acknowledged writes that are gone although no write that may
// have happened had seen them, false those that are still there although one did.
func (r *versionedRun) lost(keys int) (lost, stale []*versionedOperation) {
	dots, _ := r.dots(keys)
	held := map[Version]bool{}
	for k := range keys {
		all, _ := r.held("k" + string(rune('a'+k)))
		for i := range all {
			held[all[i].Version] = true
		}
	}
	for _, op := range r.operations {
		if op.kind == RequestGet || op.status != StatusOK {
			continue
		}
		dot := dots[op.reply.Cell.Version]
		seen, certainly := false, false
		for _, other := range r.operations {
			if other != op && other.kind != RequestGet && other.key == op.key && other.status != StatusDefinite && !dot.IsZero() && other.context.Seen.Has(dot) {
				seen = true
				certainly = certainly || other.status == StatusOK
			}
		}
		switch there := held[op.reply.Cell.Version]; {
		case !there && !seen:
			lost = append(lost, op)
		case there && certainly:
			stale = append(stale, op)
		}
	}
	return lost, stale
}

var siblingLoad = versionedLoad{clients: 5, operations: 20, keys: 2, blind: 20}

// With exact causality no acknowledged write is lost, whatever goes wrong, but
// to a write whose writer had seen it; and those are gone everywhere.
func TestDottedVersionVectorsLoseNothing(t *testing.T) {
	for name, settings := range map[string]*Settings{
		"strict": settingsOf(t, 5, "resolver", "dotted"),
		"sloppy": settingsOf(t, 5, "resolver", "dotted", "sloppy", "on"),
		"all":    settingsOf(t, 3, "resolver", "dotted", "repair", "blocking"),
	} {
		t.Run(name, func(t *testing.T) {
			ok, deletes, siblings := 0, 0, 0
			for seed := range seeds(t, 150) {
				r := versionedRunOf(t, uint64(seed), settings, everyFault, siblingLoad)
				_, shared := r.dots(siblingLoad.keys)
				require.False(t, shared, "seed %d: two writes are one event", seed)
				for k := range siblingLoad.keys {
					all, converged := r.held("k" + string(rune('a'+k)))
					require.True(t, converged, "seed %d", seed)
					siblings = max(siblings, len(all))
				}
				lost, stale := r.lost(siblingLoad.keys)
				require.Empty(t, lost, "seed %d", seed)
				require.Empty(t, stale, "seed %d", seed)
				for _, op := range r.operations {
					if op.status == StatusOK && op.kind != RequestGet {
						ok++
					}
					if op.status == StatusOK && op.kind == RequestDelete {
						deletes++
					}
				}
			}
			t.Logf("%d writes, %d of them deletes, up to %d siblings", ok, deletes, siblings)
			assert.Positive(t, deletes)
			assert.Greater(t, siblings, 1)
		})
	}
}

// What loses writes, and what keeps too many.
func TestWeakeningsOfSiblingsAreCaught(t *testing.T) {
	for _, c := range []struct {
		name        string
		settings    *Settings
		faults      faultSet
		lost, stale int // per cent of the runs, at least
	}{
		{"last modified", settingsOf(t, 5, "resolver", "dotted", "siblings", "last-modified"), everyFault, 30, 0},
		{"a vector for each value", settingsOf(t, 5, "resolver", "version-vector"), everyFault, 20, 0},
		{"a vector for the key", settingsOf(t, 5, "resolver", "vector-clock"), everyFault, 0, 20},
		{"amnesia", settingsOf(t, 3, "resolver", "dotted", "actor-epochs", "off", "acknowledge", "before-log"), faultSet{crashes: true}, 10, 0},
		{"pruned clocks", settingsOf(t, 5, "n", "5", "w", "1", "r", "1", "resolver", "dotted", "prune-entries", "1", "prune-younger", "0s"), everyFault, 0, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost, stale, runs := 0, 0, seeds(t, 60)
			for seed := range runs {
				l, s := versionedRunOf(t, uint64(seed), c.settings, c.faults, siblingLoad).lost(siblingLoad.keys)
				lost, stale = lost+min(len(l), 1), stale+min(len(s), 1)
			}
			t.Logf("of %d runs %d lost a write, %d kept one that was replaced", runs, lost, stale)
			assert.GreaterOrEqual(t, 100*lost, c.lost*runs)
			assert.GreaterOrEqual(t, 100*stale, c.stale*runs)
			if c.lost == 0 {
				assert.Zero(t, lost)
			}
		})
	}
}

// Epochs mend amnesia where the log may lose its end: an event is never made
// twice. (The write itself may be lost with the log: it was acknowledged early.)
func TestEpochsMakeEventsUnique(t *testing.T) {
	for _, epochs := range []string{"on", "off"} {
		shared := 0
		for seed := range seeds(t, 60) {
			settings := settingsOf(t, 3, "resolver", "dotted", "actor-epochs", epochs, "acknowledge", "before-log")
			if _, twice := versionedRunOf(t, uint64(seed), settings, faultSet{crashes: true, partitions: true}, siblingLoad).dots(siblingLoad.keys); twice {
				shared++
			}
		}
		t.Logf("actor-epochs=%s: events made twice in %d runs", epochs, shared)
		assert.Equal(t, epochs == "off", shared > 0)
	}
}

func TestSiblingRunsAreDeterministic(t *testing.T) {
	for _, resolver := range []string{"arrival", "vector-clock", "version-vector", "dotted"} {
		settings := settingsOf(t, 5, "resolver", resolver, "sloppy", "on")
		for seed := range uint64(5) {
			one, two := simulate(t, seed, settings, everyFault, mixedLoad), simulate(t, seed, settings, everyFault, mixedLoad)
			require.Equal(t, one.hash, two.hash, fmt.Sprint(resolver, seed))
			require.Equal(t, one.digests, two.digests)
		}
	}
}

// The catalogue's item 18: a coordinator loses its disk and counts from the
// start; the others have seen that number, and drop an acknowledged write.
func TestAmnesiaLosesAnAcknowledgedWrite(t *testing.T) {
	for _, epochs := range []string{"off", "on"} {
		w := newWorld(t, 1, everywhere(t, "resolver", "dotted", "actor-epochs", epochs, "w", "3"))
		var context []byte
		for i := range uint64(3) {
			r := w.ask(0, Request{ID: i + 1, Kind: RequestPut, Key: "k", Value: []byte("old"), Context: context}, 1e9)
			require.Equal(t, StatusOK, r.Status)
			context = r.Context
		}
		w.crash(0)
		w.nodes[0].log = nil
		w.boot(0)
		require.Equal(t, StatusOK, w.ask(0, Request{ID: 8, Kind: RequestPut, Key: "k", Value: []byte("new")}, 1e9).Status)
		read := w.ask(1, Request{ID: 9, Kind: RequestGet, Key: "k", R: 3}, 1e9)
		require.Equal(t, StatusOK, read.Status)
		assert.Equal(t, epochs == "on", slices.Contains(texts(read.Siblings), "new"), "actor-epochs=%s: %v", epochs, texts(read.Siblings))
	}
}
