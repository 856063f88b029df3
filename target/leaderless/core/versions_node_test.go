package core

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// put writes through the solo node, whose own replica is the only one that answers, and returns the reply.
func (b *solo) put(id uint64, value string, context []byte) Reply {
	return b.ask(Request{ID: id, Kind: RequestPut, Key: "k", Value: []byte(value), Context: context})
}

// ask asks the node and lets its log be durable until it has replied.
func (b *solo) ask(q Request) (reply Reply) {
	out := b.request(q)
	for {
		for _, r := range out.Replies {
			if r.ID == q.ID {
				return r
			}
		}
		var waiting []uint64
		for _, p := range out.Persist {
			if !p.Eager {
				waiting = append(waiting, p.ID)
			}
		}
		require.NotEmpty(b.t, waiting, "no reply, and nothing to wait for")
		for _, id := range waiting {
			out = b.durable(id)
		}
	}
}

func texts(siblings []Sibling) (all []string) {
	for _, s := range siblings {
		text := string(s.Value)
		if s.Tombstone {
			text = "deleted"
		}
		all = append(all, text)
	}
	return all
}

func alone(t testing.TB, pairs ...string) *Settings {
	return settingsOf(t, 1, append([]string{"n", "1", "w", "1", "r", "1"}, pairs...)...)
}

func TestReadAndWriteWithAContext(t *testing.T) {
	b := newSolo(t, 0, alone(t, "resolver", "dotted"))
	one := b.put(1, "one", nil)
	require.Equal(t, StatusOK, one.Status)
	assert.Equal(t, []string{"update", "write"}, one.Evidence.Phases)
	assert.Equal(t, []string{"one"}, texts(one.Siblings))
	two := b.put(2, "two", nil)
	assert.Equal(t, []string{"one", "two"}, texts(two.Siblings))
	get := Request{ID: 3, Kind: RequestGet, Key: "k"}
	read := b.ask(get)
	assert.True(t, read.Found)
	assert.Equal(t, "two", string(read.Cell.Value), "who wants one value gets the last modified")
	assert.Equal(t, []string{"one", "two"}, texts(read.Siblings))
	assert.Equal(t, two.Cell.Version, read.Siblings[1].Version)

	three := b.put(4, "three", one.Context)
	assert.Equal(t, []string{"two", "three"}, texts(three.Siblings), "the writer had seen the first only")
	dump := b.node.Dump()
	require.Len(t, dump, 1)
	assert.Equal(t, []string{"three", "two"}, texts(dump[0].Values()))

	gone := b.ask(Request{ID: 5, Kind: RequestDelete, Key: "k", Context: two.Context})
	assert.Equal(t, []string{"three", "deleted"}, texts(gone.Siblings), "a tombstone beside what its writer had not seen")
	read = b.ask(get)
	assert.False(t, read.Found)
	gone = b.ask(Request{ID: 6, Kind: RequestDelete, Key: "k"})
	assert.Equal(t, []string{"deleted"}, texts(gone.Siblings), "a blind delete is of all that is there")
	assert.False(t, b.ask(get).Found)
}

func TestContextsThatAreNone(t *testing.T) {
	b := newSolo(t, 0, alone(t, "resolver", "dotted"))
	good := b.put(1, "one", nil).Context
	foreign := Context{Seen: Vector{{Actor: Actor{Node: 7}, Counter: 1}}}
	for name, context := range map[string][]byte{"garbage": []byte("garbage"), "cut": good[:len(good)-1], "another cluster's": foreign.Encode()} {
		r := b.put(2, "two", context)
		assert.Equal(t, StatusDefinite, r.Status, name)
		assert.Equal(t, CodeBadRequest, r.Code, name)
		assert.Contains(t, r.Message, "hand back what the latest read", name)
	}
	assert.Len(t, b.node.Dump()[0].Values(), 1, "nothing was written")

	plain := newSolo(t, 0, alone(t))
	r := plain.put(1, "one", good)
	assert.Equal(t, CodeBadRequest, r.Code)
	assert.Contains(t, r.Message, "set resolver=dotted or clock=hybrid")
}

// The whole state comes back from the log, and from its compacted form, clocks and all.
func TestSiblingsSurviveARestart(t *testing.T) {
	for _, resolver := range []string{"vector-clock", "version-vector", "dotted"} {
		settings := alone(t, "resolver", resolver, "prune-entries", "1", "prune-younger", "0s")
		b := newSolo(t, 0, settings)
		var log [][]byte
		// Another node's siblings arrive, then one is written beside them.
		s := newShelf(3, settings.versioning())
		s.put(1, nil, "theirs")
		out := b.message(Message{Kind: MessageWrite, From: 0, To: 0, Key: "k"})
		require.Empty(t, out.Persist)
		cell := Cell{Version: s.replicas[1].newestVersion(), Object: s.replicas[1]}
		b.node.begin(b.now, &b.out)
		b.node.store("k", &cell, nil)
		b.node.end()
		for _, p := range b.out.Persist {
			log = append(log, p.Record)
			b.durable(p.ID)
		}
		out = b.request(Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("mine")})
		for _, p := range out.Persist {
			log = append(log, p.Record)
			b.durable(p.ID)
		}
		require.Equal(t, b.node.Held("k"), b.node.replica.slots["k"].memory, resolver)
		if held := b.node.Held("k").Object.(*versions); resolver != "version-vector" {
			assert.Len(t, held.clock, 1, "pruned, and not filled up again from what was there")
		}
		assert.Equal(t, b.node.Held("k"), newSolo(t, 0, settings, log...).node.Held("k"), resolver)
		var compact [][]byte
		b.node.Records(func(r []byte) bool { compact = append(compact, r); return true })
		assert.Equal(t, b.node.Held("k"), newSolo(t, 0, settings, compact...).node.Held("k"), resolver)
	}
}

// A coordinator that is no replica lets the first that is up carry the write out.
func TestAReplicaCarriesTheWriteOut(t *testing.T) {
	settings := settingsOf(t, 5, "n", "3", "resolver", "dotted")
	b := newSolo(t, 0, settings)
	key := ""
	for i := 0; ; i++ {
		key = fmt.Sprint("key", i)
		homes := b.node.Ring().PreferenceList(key, 3)
		if homes[0] != 0 && homes[1] != 0 && homes[2] != 0 {
			break
		}
	}
	first := b.node.Ring().PreferenceList(key, 3)[0]
	out := b.request(Request{ID: 1, Kind: RequestPut, Key: key, Value: []byte("v")})
	require.Len(t, out.Messages, 1)
	ask := out.Messages[0]
	assert.Equal(t, MessageUpdate, ask.Kind)
	assert.Equal(t, first, ask.To)

	replica := newSolo(t, first, settings)
	out = replica.message(ask)
	require.Len(t, out.Persist, 1)
	assert.Empty(t, out.Messages, "not before it is durable")
	durable := out.Persist[0].ID
	assert.Empty(t, replica.message(ask).Persist, "delivered twice, carried out once")
	out = replica.durable(durable)
	require.Equal(t, []string{"updated→0"}, kinds(out))
	updated := out.Messages[0]
	assert.Empty(t, replica.message(ask).Persist, "nor later")

	out = b.message(updated)
	require.Len(t, out.Messages, 2)
	for _, m := range out.Messages {
		assert.Equal(t, MessageWrite, m.Kind)
		require.NotNil(t, m.Cell.Object)
		assert.Equal(t, []string{"v"}, texts(m.Cell.Object.Siblings()))
	}
	out = b.message(Message{Kind: MessageWritten, From: out.Messages[0].To, To: 0, Request: ask.Request, Key: key, Cell: Cell{Version: ask.Cell.Version}})
	require.Len(t, out.Replies, 1)
	assert.Equal(t, StatusOK, out.Replies[0].Status)

	// Nobody answers: it may have been done, and there is nothing to hint at.
	b.request(Request{ID: 2, Kind: RequestPut, Key: key, Value: []byte("v")})
	b.now.Mono += settings.RequestTimeout
	out = b.step(Event{Kind: EventTimer, ID: timerRequest})
	require.Len(t, out.Replies, 1)
	assert.Equal(t, StatusIndeterminate, out.Replies[0].Status)
	assert.Contains(t, out.Replies[0].Message, "the replica that was to carry the write out did not answer")
	for _, h := range b.node.Hints() {
		assert.Equal(t, ask.Cell.Version, h.Version, "a hint of the first write, which one replica has not acknowledged")
	}
}

func TestRepetitionsOfUpdates(t *testing.T) {
	var u updateMemory
	v := func(incarnation, sequence uint32) Version {
		return Version{Node: 3, Incarnation: incarnation, Sequence: sequence}
	}
	assert.True(t, u.first(v(2, 5)))
	assert.False(t, u.first(v(2, 5)))
	assert.True(t, u.first(v(2, 3)), "overtaken on the way")
	assert.False(t, u.first(v(2, 3)))
	assert.False(t, u.first(v(1, 9)), "of a process that is gone")
	assert.True(t, u.first(v(2, updateWindow+4)))
	assert.True(t, u.first(v(2, 6)))
	assert.False(t, u.first(v(2, 4)), "too old to tell")
	assert.True(t, u.first(v(2, 4_000_000_000)))
	assert.True(t, u.first(v(3, 1)))
	assert.False(t, u.first(v(2, 4_000_000_001)))
	assert.True(t, u.first(Version{Node: 0, Incarnation: 1, Sequence: 1}), "of another node")
}

// Voldemort: a write that has not seen what is there is an error to the client.
func TestObsoletePutsAtTheFirstReplica(t *testing.T) {
	b := newSolo(t, 0, alone(t, "resolver", "version-vector", "obsolete-puts", "ignore"))
	one := b.put(1, "one", nil)
	require.Equal(t, StatusOK, one.Status)
	two := b.put(2, "two", nil)
	assert.Equal(t, StatusDefinite, two.Status)
	assert.Equal(t, CodeObsolete, two.Code)
	assert.Contains(t, two.Message, "read again and write with that context: nothing was written")
	assert.Equal(t, StatusOK, b.put(3, "three", one.Context).Status)
	assert.Equal(t, []string{"three"}, texts(b.node.Dump()[0].Values()))

	limited := newSolo(t, 0, alone(t, "resolver", "dotted", "sibling-limit", "2"))
	limited.put(1, "one", nil)
	limited.put(2, "two", nil)
	r := limited.put(3, "three", nil)
	assert.Equal(t, StatusDefinite, r.Status)
	assert.Equal(t, CodeTooManySiblings, r.Code)
}

// The others' refusal is a success, or no answer.
func TestObsoletePutsAtTheOtherReplicas(t *testing.T) {
	for _, c := range []struct {
		obsolete string
		status   ReplyStatus
		kept     []string
	}{{"merge", StatusOK, []string{"new", "old"}}, {"ignore", StatusOK, []string{"old"}}, {"refuse", StatusIndeterminate, []string{"old"}}} {
		t.Run(c.obsolete, func(t *testing.T) {
			settings := everywhere(t, "resolver", "version-vector", "obsolete-puts", c.obsolete, "actor-epochs", "off", "w", "3")
			coordinator, other := newSolo(t, 0, settings), newSolo(t, 1, settings)
			// The other replica holds what the first one has lost: the same vector.
			s := newShelf(1, settings.versioning())
			s.put(0, nil, "old")
			old := Message{Kind: MessageWrite, From: 0, To: 1, Key: "k", Cell: Cell{Version: s.replicas[0].newestVersion(), Object: s.replicas[0]}}
			other.durable(other.message(old).Persist[0].ID)

			out := coordinator.request(Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("new")})
			out = coordinator.durable(out.Persist[0].ID)
			require.ElementsMatch(t, []string{"write→1", "write→2"}, kinds(out))
			write := out.Messages[0]
			if write.To != 1 {
				write = out.Messages[1]
			}
			third := Message{Kind: MessageWritten, From: 2, To: 0, Request: write.Request, Key: "k", Cell: Cell{Version: write.Cell.Version}}
			require.Empty(t, coordinator.message(third).Replies)
			out = other.message(write)
			for _, p := range out.Persist {
				out = other.durable(p.ID)
			}
			require.Equal(t, []string{"written→0"}, kinds(out))
			answer, err := DecodeMessage(AppendMessage(nil, &out.Messages[0]))
			require.NoError(t, err)
			out = coordinator.message(answer)
			require.Len(t, out.Replies, 1)
			assert.Equal(t, c.status, out.Replies[0].Status)
			if c.status != StatusOK {
				assert.Equal(t, CodeObsolete, out.Replies[0].Code)
			}
			assert.ElementsMatch(t, c.kept, texts(other.node.Dump()[0].Values()))
			// A hint or a repair of it is not refused: it would be sent for ever.
			out = other.message(Message{Kind: MessageHandoff, From: 0, To: 1, Key: "k", Cell: write.Cell})
			assert.Equal(t, []string{"handed-off→0"}, kinds(out))
		})
	}
}

// reborn boots a node again from a log, or from none.
func reborn(t *testing.T, s *Settings, incarnation uint32, log [][]byte) *solo {
	b := &solo{t: t, now: Now{Mono: 1e9, Wall: 5e9}}
	var err error
	b.node, err = Boot(0, s, incarnation, sequence(log), 1, b.now, &b.out)
	require.NoError(t, err)
	return b
}

func TestEpochs(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
		loses    bool
		want     string // the dot of the write after the restart
	}{
		{"the log is whole", nil, false, "0/1.1:2"},
		{"the disk is lost", nil, true, "0/2.1:1"},
		{"the log may have lost its end", []string{"fsync", "never"}, false, "0/2.1:1"},
		{"the process may have", []string{"acknowledge", "before-log"}, false, "0/2.1:1"},
		{"a group of syncs", []string{"fsync", "group:5ms"}, false, "0/1.1:2"},
		{"no epochs", []string{"actor-epochs", "off"}, false, "0:2"},
		{"no epochs and no disk", []string{"actor-epochs", "off"}, true, "0:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := alone(t, append([]string{"resolver", "dotted"}, c.settings...)...)
			b := reborn(t, settings, 1, nil)
			r := b.put(1, "one", nil)
			want := "0/1.1:1"
			if !settings.ActorEpochs {
				want = "0:1"
			}
			require.Equal(t, want, r.Siblings[0].Dot.String())
			var log [][]byte
			if !c.loses {
				b.node.Records(func(r []byte) bool { log = append(log, r); return true })
			}
			b = reborn(t, settings, 2, log)
			r = b.put(2, "two", nil)
			assert.Equal(t, c.want, r.Siblings[len(r.Siblings)-1].Dot.String())
		})
	}
}

// Somebody shows the node an event of its own that it does not know of, or it has purged the key.
func TestEpochsOfWhatWasForgotten(t *testing.T) {
	settings := alone(t, "resolver", "dotted")
	b := reborn(t, settings, 1, nil)
	b.put(1, "one", nil)
	var log [][]byte
	b.node.Records(func(r []byte) bool { log = append(log, r); return true })
	ahead := Context{Seen: Vector{{Actor: Actor{0, 1<<32 | 1}, Counter: 9}}}
	b = reborn(t, settings, 2, log)
	r := b.put(2, "two", ahead.Encode())
	assert.Equal(t, "0/2.1:1", r.Siblings[len(r.Siblings)-1].Dot.String())

	b = reborn(t, settings, 2, log)
	b.put(2, "two", nil)
	copied := reborn(t, settings, 2, append(slices.Clip(log), CopiedLog()))
	r = copied.put(2, "two", nil)
	assert.Equal(t, "0/2.1:1", r.Siblings[len(r.Siblings)-1].Dot.String(), "a backup from before its last event")
	delete(b.node.replica.slots, "k")
	r = b.put(3, "three", nil)
	assert.Equal(t, "0/2.1:1", r.Siblings[0].Dot.String(), "a key that was purged since its last event")
	log = append(log, encodeRecord(&record{kind: recordPurged, key: "k", cell: r.Cell}), log[1])
	b = reborn(t, settings, 3, log)
	r = b.put(4, "four", nil)
	assert.Equal(t, "0/3.1:1", r.Siblings[len(r.Siblings)-1].Dot.String(), "a key that was purged and came back from others")
}

func TestCountersBeginEpochsToo(t *testing.T) {
	settings := alone(t, "data-type", "counter")
	add := Request{ID: 1, Kind: RequestUpdate, Key: "k", Operand: &Operand{Kind: OperandAdd, By: 2}}
	get := Request{ID: 2, Kind: RequestGet, Key: "k"}
	b := reborn(t, settings, 1, nil)
	require.Equal(t, StatusOK, b.ask(add).Status)
	require.Equal(t, StatusOK, b.ask(add).Status)
	before := b.node.Held("k")
	b = reborn(t, settings, 2, nil) // without its disk
	require.Equal(t, StatusOK, b.ask(add).Status)
	b.node.begin(b.now, &b.out)
	b.node.store("k", &before, nil) // another replica repairs it
	b.node.end()
	for _, p := range b.out.Persist {
		b.durable(p.ID)
	}
	assert.Equal(t, "6", string(b.ask(get).Siblings[0].Value), "all three are counted")
}
