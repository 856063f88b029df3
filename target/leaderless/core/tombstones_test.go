package core

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ask lets a client ask a node and returns the reply, after the given time at most.
func (w *world) ask(host NodeID, q Request, patience int64) Reply {
	var reply Reply
	before := w.onReply
	w.onReply = func(coordinator NodeID, r *Reply) {
		if r.ID == q.ID {
			reply = *r
		} else if before != nil {
			before(coordinator, r)
		}
	}
	w.push(0, occurrence{what: happensRequest, host: int(host), id: q.ID, request: &q})
	w.run(patience, func() bool { return reply.ID == q.ID })
	w.onReply = before
	return reply
}

// admin gives a node a command.
func (w *world) admin(host NodeID, a Admin) Reply {
	w.out.Reset()
	h := w.nodes[host]
	h.node.Step(w.clock(h), &Event{Kind: EventAdmin, Admin: &a}, &w.out)
	r := w.out.Replies[0]
	w.out.Replies = nil
	w.carryOut(int(host))
	return r
}

// state says what the nodes hold of a key: "v" a value, "t" a tombstone, "-" nothing.
func (w *world) state(key string) (all string) {
	for _, h := range w.nodes {
		switch c := h.node.Held(key); {
		case c.Version.IsZero():
			all += "-"
		case c.deleted():
			all += "t"
		default:
			all += "v"
		}
	}
	return all
}

// zombie plays item 22 of the catalogue: the third replica is away while a key
// is deleted, and for longer than gc-grace; then it comes back and is repaired.
func zombie(t *testing.T, pairs ...string) (w *world, before string) {
	w = newWorld(t, 1, everywhere(t, append([]string{"repair", "off", "hints", "off", "anti-entropy", "demand", "gc-grace", "1s"}, pairs...)...))
	require.Equal(t, StatusOK, w.ask(0, Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("v"), W: 3}, 1e9).Status)
	w.crash(2)
	w.run(1e9, nil)
	require.Equal(t, StatusOK, w.ask(0, Request{ID: 2, Kind: RequestDelete, Key: "k"}, 1e9).Status)
	w.run(3e9, nil)
	w.boot(2)
	w.run(1e9, nil)
	before = w.state("k")
	require.Equal(t, StatusOK, w.admin(0, Admin{ID: 3, Kind: AdminRepair}).Status)
	w.run(10e9, w.quiet)
	return w, before
}

func TestZombie(t *testing.T) {
	w, before := zombie(t)
	assert.Equal(t, "--v", before, "two have purged the tombstone")
	assert.Equal(t, "vvv", w.state("k"), "the deleted value is back everywhere")

	w, before = zombie(t, "purge", "repaired")
	assert.Equal(t, "ttv", before, "nothing is purged that one replica has not got")
	assert.Equal(t, "ttt", w.state("k"))
	w.run(3e9, nil)
	assert.Equal(t, "---", w.state("k"), "all have it: now it may go")

	w, _ = zombie(t, "gc-grace", "0s")
	assert.Equal(t, "ttt", w.state("k"))
	w.run(100e9, nil)
	assert.Equal(t, "ttt", w.state("k"), "kept for ever")
}

// Tombstones go at the age of gc-grace by the replica's own wall clock, not
// before, and a purge survives restarts and compactions.
func TestPurgeByAge(t *testing.T) {
	w := newWorld(t, 1, everywhere(t, "gc-grace", "2s"))
	w.ask(0, Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("v"), W: 3}, 1e9)
	w.ask(0, Request{ID: 2, Kind: RequestPut, Key: "live", Value: []byte("v"), W: 3}, 1e9)
	w.ask(0, Request{ID: 3, Kind: RequestDelete, Key: "k", W: 3}, 1e9)
	w.run(1900e6, nil)
	assert.Equal(t, "ttt", w.state("k"))
	w.run(700e6, nil)
	assert.Equal(t, "---", w.state("k"))
	assert.Equal(t, "vvv", w.state("live"))
	for i := range w.nodes {
		assert.Equal(t, uint64(1), w.nodes[i].node.Tombstones().Purged)
		w.crash(i)
		w.boot(i)
	}
	assert.Equal(t, "---", w.state("k"), "older records of the log do not bring it back")
	for i, h := range w.nodes {
		w.crash(i)
		h.log = slices.Collect(h.node.Records)
		w.boot(i)
	}
	assert.Equal(t, "---", w.state("k"))
	assert.Equal(t, "vvv", w.state("live"))
	assert.Equal(t, StatusOK, w.ask(0, Request{ID: 4, Kind: RequestPut, Key: "k", Value: []byte("again"), W: 3}, 1e9).Status)
	for i := range w.nodes {
		w.crash(i)
		w.boot(i)
	}
	assert.Equal(t, "vvv", w.state("k"), "a key that was purged can be written again")

	w = newWorld(t, 1, everywhere(t, "gc-grace", "1h"))
	w.ask(0, Request{ID: 1, Kind: RequestDelete, Key: "k", W: 3}, 1e9)
	w.nodes[1].skew = 3601e9
	w.run(11e9, nil)
	assert.Equal(t, "t-t", w.state("k"), "a clock that is ahead purges early")
}

// A tombstone that is being overwritten is not purged from under the write.
func TestPurgeSparesWhatIsOnItsWay(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "gc-grace", "1s"))
	tombstone := Cell{Version: Version{Time: b.now.Wall, Node: 1, Incarnation: 1, Sequence: 1}, Tombstone: true}
	out := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: tombstone})
	b.durable(out.Persist[0].ID)
	newer := cell(b.now.Wall+1, "v")
	newer.Version.Sequence = 2
	out = b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: newer})
	id := out.Persist[0].ID
	b.now.Mono += 20e9
	b.now.Wall += 20e9
	assert.Empty(t, b.step(Event{Kind: EventTimer, ID: timerTombstones}).Persist)
	b.durable(id)
	assert.Equal(t, "v", string(b.node.Held("k").Value))
}

// Without tombstones a delete is undone by whatever comes after it: a write
// that was delayed, or one replica that missed the delete.
func TestPhysicalDeletes(t *testing.T) {
	for _, acknowledge := range []string{"after-log", "before-log"} {
		b := newSolo(t, 0, everywhere(t, "deletes", "physical", "acknowledge", acknowledge))
		var log [][]byte
		write := func(c Cell) {
			out := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: c})
			for len(out.Persist) > 0 {
				p := slices.Clone(out.Persist)
				for i := range p {
					log = append(log, p[i].Record)
				}
				out = b.durable(p[0].ID)
			}
		}
		restarted := func() Cell { return newSolo(t, 0, b.node.settings, log...).node.Held("k") }
		write(cell(10, "ten"))
		write(Cell{Version: version(20), Tombstone: true})
		assert.Equal(t, Cell{}, b.node.Held("k"))
		assert.Empty(t, b.node.Dump())
		assert.Equal(t, Cell{}, restarted(), "the log agrees")
		write(cell(15, "late"))
		assert.Equal(t, "late", string(b.node.Held("k").Value), "older than the delete, which nobody remembers")
		assert.Equal(t, "late", string(restarted().Value), "the order of records counts")
		write(Cell{Version: version(12), Tombstone: true})
		assert.Equal(t, "late", string(b.node.Held("k").Value), "a delete removes only what is older")
	}

	for _, resolver := range []string{"lww", "version-vector", "dotted"} {
		w := newWorld(t, 1, everywhere(t, "deletes", "physical", "hints", "off", "resolver", resolver))
		put := w.ask(0, Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("v"), W: 3}, 1e9)
		require.Equal(t, StatusOK, w.ask(0, Request{ID: 2, Kind: RequestDelete, Key: "k", W: 3, Context: put.Context}, 1e9).Status)
		w.run(1e9, nil)
		require.Equal(t, "---", w.state("k"), resolver)
		put = w.ask(0, Request{ID: 3, Kind: RequestPut, Key: "k", Value: []byte("v"), W: 3}, 1e9)
		w.crash(2)
		w.run(1e9, nil)
		require.Equal(t, StatusOK, w.ask(0, Request{ID: 4, Kind: RequestDelete, Key: "k", Context: put.Context}, 1e9).Status)
		w.boot(2)
		w.run(1e9, nil)
		require.Equal(t, "--v", w.state("k"), resolver)
		w.ask(0, Request{ID: 5, Kind: RequestGet, Key: "k"}, 1e9)
		w.run(1e9, nil)
		assert.Equal(t, "vvv", w.state("k"), "read repair cannot tell")
	}
}

// A tombstone is reaped when all replicas have reported it, and not before.
func TestReaping(t *testing.T) {
	w := newWorld(t, 1, everywhere(t, "purge", "reported", "reap-after", "3s"))
	w.ask(0, Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("v"), W: 3}, 1e9)
	w.ask(0, Request{ID: 2, Kind: RequestDelete, Key: "k"}, 1e9)
	w.run(2900e6, nil)
	assert.Equal(t, "ttt", w.state("k"))
	w.run(200e6, nil)
	assert.Equal(t, "---", w.state("k"), "the delete itself saw all of them")

	w.crash(2)
	w.run(1e9, nil)
	w.ask(0, Request{ID: 3, Kind: RequestPut, Key: "k", Value: []byte("v")}, 1e9)
	w.ask(0, Request{ID: 4, Kind: RequestDelete, Key: "k"}, 1e9)
	w.run(5e9, nil)
	w.ask(0, Request{ID: 6, Kind: RequestGet, Key: "k"}, 1e9)
	w.run(5e9, nil)
	assert.Equal(t, "tt-", w.state("k"), "neither the delete nor the read has seen the third")
	w.boot(2)
	w.run(10e9, nil)
	assert.Equal(t, "ttt", w.state("k"), "the hint was delivered, but nobody has seen all three")
	w.ask(1, Request{ID: 5, Kind: RequestGet, Key: "k"}, 1e9)
	w.run(3500e6, nil)
	assert.Equal(t, "---", w.state("k"), "a read has")
}

// A key that is written again while its tombstone waits to be reaped is not reaped.
func TestReapingSparesWhatIsNewer(t *testing.T) {
	w := newWorld(t, 1, everywhere(t, "purge", "reported", "reap-after", "1s"))
	w.ask(0, Request{ID: 2, Kind: RequestDelete, Key: "k"}, 1e9)
	w.run(500e6, nil)
	w.ask(0, Request{ID: 3, Kind: RequestPut, Key: "k", Value: []byte("v"), W: 3}, 1e9)
	w.run(5e9, nil)
	assert.Equal(t, "vvv", w.state("k"))

	b := newSolo(t, 0, everywhere(t, "purge", "reported", "reap-after", "1s"))
	out := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: Cell{Version: version(20), Tombstone: true}})
	b.durable(out.Persist[0].ID)
	reaped := func(order int64) bool {
		b.message(Message{Kind: MessagePurge, From: 1, To: 0, Key: "k", Cell: Cell{Version: version(order)}})
		b.now.Mono += 1e9
		return len(b.step(Event{Kind: EventTimer, ID: timerTombstones}).Persist) > 0
	}
	assert.False(t, reaped(10), "the tombstone of an earlier delete")
	assert.False(t, reaped(30), "one that this replica has not got")
	assert.True(t, reaped(20))
}

// Item 23 of the catalogue: a stand-in's old tombstone comes home after the
// others were reaped and the key was written again, under a clock that is
// behind, be it the wall clock or a vector that began anew.
func TestDoomstone(t *testing.T) {
	play := func(skew int64, pairs ...string) Reply {
		w := newWorld(t, 1, settingsOf(t, 5, append([]string{"sloppy", "on", "purge", "reported", "reap-after", "1s", "hint-retry", "400ms"}, pairs...)...))
		order := w.nodes[0].node.Ring().Order("k")
		a, b, c, d := order[0], order[1], order[2], order[3]
		put := w.ask(a, Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("old"), W: 3}, 1e9)
		require.Equal(t, StatusOK, put.Status)
		w.run(500e6, nil)
		cut := func(by int) {
			w.network.blocked[a][c] += by
			w.network.blocked[d][c] += by
			w.network.blocked[c][d] += by
		}
		cut(1)
		require.Equal(t, StatusOK, w.ask(a, Request{ID: 2, Kind: RequestDelete, Key: "k", W: 3, Context: put.Context}, 1e9).Status)
		require.Len(t, w.nodes[d].node.Hints(), 1, "a stand-in has the tombstone")
		w.nodes[d].paused++
		cut(-1)
		w.run(1e9, nil)
		w.ask(b, Request{ID: 3, Kind: RequestGet, Key: "k", R: 2}, 1e9) // repairs c
		w.run(1e9, nil)
		w.ask(b, Request{ID: 4, Kind: RequestGet, Key: "k", R: 2}, 1e9) // sees all of them
		w.run(3e9, nil)
		require.Equal(t, "-----", w.state("k"), "reaped")
		w.nodes[b].skew = skew
		writer := a
		if skew != 0 {
			writer = b // a node never goes behind its own last timestamp
		}
		require.Equal(t, StatusOK, w.ask(writer, Request{ID: 5, Kind: RequestPut, Key: "k", Value: []byte("new"), W: 3}, 1e9).Status)
		require.Equal(t, 3, strings.Count(w.state("k"), "v"))
		w.nodes[d].paused--
		w.resume(int(d))
		w.run(3e9, nil)
		got := w.ask(a, Request{ID: 6, Kind: RequestGet, Key: "k", R: 3}, 1e9)
		require.Equal(t, StatusOK, got.Status)
		return got
	}
	assert.False(t, play(-60e9).Found, "an acknowledged write is gone: the tombstone is newer by the clock")
	assert.True(t, play(0).Found, "with clocks that agree it is not")
	for _, resolver := range []string{"vector-clock", "dotted"} {
		assert.False(t, play(0, "resolver", resolver, "actor-epochs", "off").Found, "%s: the vector began anew, and the tombstone's covers it", resolver)
		assert.True(t, play(0, "resolver", resolver, "actor-epochs", "on").Found, "%s: the new epoch is not covered", resolver)
	}
}

// Many keys are written and deleted while nodes are cut off and die; with
// purge=repaired no deleted value is ever back, whatever was away for how long,
// and in the end no tombstone is left. With purge=grace some are.
func TestPurgeRepairedNeverResurrects(t *testing.T) {
	for _, c := range []struct {
		purge string
		safe  bool
	}{{"repaired", true}, {"grace", false}} {
		t.Run(c.purge, func(t *testing.T) {
			zombies, purgedEarly, deleted := 0, 0, 0
			settings := settingsOf(t, 4, "w", "1", "r", "1", "repair", "async", "gc-grace", "400ms", "purge", c.purge, "anti-entropy", "scheduled", "anti-entropy-every", "300ms", "anti-entropy-depth", "3")
			for seed := range seeds(t, 40) {
				w := newWorld(t, uint64(seed), settings)
				w.inject(faultSet{loss: true, partitions: true, crashes: true}, 5000e6)
				acknowledged := make(map[string]bool)
				number := uint64(0)
				w.onReply = func(_ NodeID, r *Reply) {
					if r.Status == StatusOK && r.ID%2 == 1 {
						acknowledged["k"+strconv.Itoa(int(r.ID/2))] = true
					}
				}
				for range 30 {
					number++
					id, key := 2*number, "k"+strconv.Itoa(int(number))
					at := w.random.Int64N(3000e6)
					put, del := w.random.IntN(len(w.nodes)), w.random.IntN(len(w.nodes))
					w.at(at, func() {
						w.push(0, occurrence{what: happensRequest, host: put, request: &Request{ID: id, Kind: RequestPut, Key: key, Value: []byte("v")}})
					})
					w.at(at+200e6+w.random.Int64N(1500e6), func() {
						w.push(0, occurrence{what: happensRequest, host: del, request: &Request{ID: id + 1, Kind: RequestDelete, Key: key}})
					})
				}
				w.run(5000e6, nil)
				for key := range acknowledged {
					deleted++
					if s := w.state(key); !slices.Contains([]byte(s), 't') {
						purgedEarly++
					}
				}
				w.run(10e9, nil)
				for key := range acknowledged {
					switch s := w.state(key); {
					case slices.Contains([]byte(s), 'v'):
						zombies++
						require.False(t, c.safe, "seed %d: %s is back: %s", seed, key, s)
					case c.safe:
						require.Equal(t, "----", s, "seed %d: the tombstone of %s is kept for ever", seed, key)
					}
				}
			}
			t.Logf("%d keys were deleted, %d tombstones were purged by the end of the faults, %d values came back", deleted, purgedEarly, zombies)
			assert.Positive(t, purgedEarly, "nothing was tested")
			if !c.safe {
				assert.Positive(t, zombies, "the test finds no zombies where there must be some")
			}
		})
	}
}
