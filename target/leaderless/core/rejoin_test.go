package core

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The catalogue's "membership": a coordinator that was cut off while a node
// joined routes a write by the ring of before, and gets its w
// acknowledgements; a reader that knows the new ring reads the value before it.
// It needs a key that the new node takes over from a node that acknowledges.
func staleRing(t *testing.T, ring string) (write, read Reply) {
	const joiner, stranger, reader = 3, 4, 0
	w := newWorld(t, 1, settingsOf(t, 5, "members", "3", "ring", ring, "gossip-every", "10s", "repair", "off", "hints", "off"))
	next := newRing(w.settings.Nodes, []ringOwner{{0, 0}, {1, 1}, {2, 2}, {3, 3}}, w.settings.VirtualNodes)
	key := ""
	for k := 0; key == ""; k++ { // homes: the reader, the joiner and one other, who is not to hear of the write
		if homes := next.PreferenceList(strconv.Itoa(k), 3); homes[0] == reader && homes[1] == joiner {
			key = strconv.Itoa(k)
		}
	}
	homes := next.PreferenceList(key, 3)
	other := int(homes[2])
	require.Equal(t, StatusOK, w.request(reader, Request{ID: 1, Kind: RequestPut, Key: key, Value: []byte("old")}, 1e9).Status)
	w.run(100e6, nil)

	w.isolate(stranger, 1)
	require.Equal(t, StatusOK, w.command(joiner, Admin{Kind: AdminJoin}).Status)
	w.run(200e9, nil)
	require.Equal(t, MemberNormal, w.nodes[reader].node.Members()[joiner].Status, "%v", w.statuses(reader))
	require.Equal(t, MemberSpare, w.nodes[stranger].node.Members()[joiner].Status)

	// The stranger is back, and hears of nothing until its client has written.
	w.isolate(stranger, -1)
	w.run(60e6, nil) // a heartbeat is enough for it
	require.Equal(t, MemberSpare, w.nodes[stranger].node.Members()[joiner].Status)
	w.network.blocked[stranger][reader]++
	write = w.request(stranger, Request{ID: 2, Kind: RequestPut, Key: key, Value: []byte("new")}, 1e9)
	w.network.blocked[reader][other]++ // the reader's quorum is itself and the joiner
	read = w.request(reader, Request{ID: 3, Kind: RequestGet, Key: key}, 1e9)
	return write, read
}

func TestAWriteThatIsRoutedByAnOldRing(t *testing.T) {
	write, read := staleRing(t, "gossip")
	require.Equal(t, StatusOK, write.Status, write.Message)
	require.Equal(t, StatusOK, read.Status)
	require.Equal(t, "old", string(read.Cell.Value), "the acknowledged write is not seen")

	write, read = staleRing(t, "epochs")
	assert.NotEqual(t, StatusOK, write.Status, "the replicas know another ring")
	assert.Equal(t, StatusOK, read.Status)
}

// The catalogue's "restore from a stale replica": w on A and B, B rebuilt from
// C, a read of B and C.
func rebuilt(t *testing.T, pairs ...string) (w *world, read Reply) {
	w = newWorld(t, 1, everywhere(t, append([]string{"repair", "off", "hints", "off"}, pairs...)...))
	w.run(500e6, nil)
	require.Equal(t, StatusOK, w.request(0, Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("old")}, 1e9).Status)
	w.run(100e6, nil)
	w.isolate(2, 1)
	require.Equal(t, StatusOK, w.request(0, Request{ID: 2, Kind: RequestPut, Key: "k", Value: []byte("new")}, 1e9).Status)
	w.run(100e6, nil)
	w.crash(1)
	w.nodes[1].log = append([][]byte(nil), w.nodes[2].log...)
	w.isolate(2, -1)
	w.boot(1)
	w.run(500e6, nil)
	w.isolate(0, 1)
	return w, w.request(1, Request{ID: 3, Kind: RequestGet, Key: "k"}, 1e9)
}

func TestANodeThatWasRebuiltFromAStaleReplica(t *testing.T) {
	_, read := rebuilt(t)
	require.Equal(t, StatusOK, read.Status)
	require.Equal(t, "old", string(read.Cell.Value), "an acknowledged write is gone for a quorum")
	w, read := rebuilt(t, "rejoin", "repair-first")
	require.Equal(t, StatusOK, read.Status, read.Message)
	assert.Equal(t, "new", string(read.Cell.Value))
	assert.False(t, w.nodes[1].node.Rejoining())
}

// Until it has what it may lack, a node answers no reads; writes it takes.
func TestANodeThatRejoinsAnswersNoReads(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "rejoin", "repair-first"))
	require.Equal(t, []string{"stream→1", "stream→2"}, kinds(&b.out)[:2])
	asked := append([]Message(nil), b.out.Messages...)
	require.True(t, b.node.Rejoining())
	require.Equal(t, 2, b.node.Pending().Streams)
	read := Message{Kind: MessageRead, From: 1, To: 0, Key: "k"}
	assert.Empty(t, b.message(read).Messages)
	assert.Len(t, b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "other", Cell: cell(1, "v")}).Persist, 1)
	chunk := func(to Message, last bool, cells ...keyedCell) *Effects {
		return b.message(Message{Kind: MessageStreamChunk, From: to.To, To: 0, Request: to.Request, Body: &streamChunk{cells: cells, last: last}})
	}
	out := chunk(asked[0], false, keyedCell{"k", cell(5, "five")})
	require.Len(t, out.Persist, 1)
	received := out.Persist[0].ID
	assert.Empty(t, kinds(out), "the next chunk is asked for when this one is durable")
	assert.Empty(t, chunk(asked[0], true).Messages, "a duplicate")
	out = b.durable(received)
	require.Equal(t, []string{"stream→1"}, kinds(out))
	assert.Equal(t, "k", out.Messages[0].Key, "after the last key")
	chunk(out.Messages[0], true)
	assert.Empty(t, b.message(read).Messages, "the other one may have more")
	chunk(asked[1], true)
	assert.False(t, b.node.Rejoining())
	assert.Equal(t, cell(5, "five"), b.message(read).Messages[0].Cell)
}

// A node that lost its disk is told by the others that it is a member.
func TestAMemberThatForgotItIsOne(t *testing.T) {
	const keys = 60
	w := newWorld(t, 1, settingsOf(t, 5, "members", "4", "ring", "gossip", "gossip-every", "50ms", "rejoin", "repair-first", "hints", "off", "repair", "off"))
	w.run(1e9, nil)
	w.fill(keys, 0)
	require.Equal(t, StatusOK, w.command(4, Admin{Kind: AdminJoin}).Status)
	w.run(3e9, nil)
	w.crash(4)
	w.nodes[4].log = nil
	w.boot(4)
	assert.Equal(t, MemberSpare, w.nodes[4].node.Members()[4].Status)
	assert.True(t, w.nodes[4].node.unready(), "it answers no reads as long as it does not know")
	w.run(3e9, nil)
	assert.Equal(t, MemberNormal, w.nodes[4].node.Members()[4].Status)
	have, want := w.holds(4, keys)
	assert.Equal(t, want, have)
	assert.Positive(t, want)
	// It counts on from what the others remember.
	require.Equal(t, StatusOK, w.command(4, Admin{Kind: AdminLeave}).Status)
	w.run(3e9, nil)
	assert.Equal(t, MemberLeft, w.nodes[0].node.Members()[4].Status)
}

// With sloppy quorums a hint may be the only copy: when its home replica is
// gone for good it goes to those who hold the key now.
func TestHintsOfANodeThatWasReplacedAreDeliveredToOthers(t *testing.T) {
	w := newWorld(t, 1, settingsOf(t, 5, "members", "4", "n", "2", "w", "2", "r", "2", "ring", "gossip", "gossip-every", "50ms", "sloppy", "on", "repair", "off"))
	w.run(500e6, nil)
	w.crash(1)
	w.run(500e6, nil)
	key := ""
	for k := 0; key == ""; k++ {
		if homes := w.nodes[0].node.ring.PreferenceList(strconv.Itoa(k), 2); homes[0] == 1 && homes[1] == 2 {
			key = strconv.Itoa(k)
		}
	}
	w.isolate(2, 1)
	w.run(500e6, nil)
	r := w.request(0, Request{ID: 1, Kind: RequestPut, Key: key, Value: []byte("v")}, 1e9)
	require.Equal(t, StatusOK, r.Status, r.Message)
	w.isolate(2, -1)
	w.nodes[2].log = nil // what the hint for 2 says is not there either, as if it had been lost
	require.Equal(t, StatusOK, w.command(4, Admin{Kind: AdminReplace, Node: 1}).Status)
	w.run(4e9, nil)
	require.Equal(t, MemberNormal, w.nodes[0].node.Members()[4].Status)
	assert.Equal(t, "v", string(w.nodes[4].node.Held(key).Value))
	for i := range w.nodes {
		if i != 1 {
			assert.Empty(t, w.nodes[i].node.Hints(), "node %d", i)
		}
	}
}

// φ learns what is usual: on a slow network it waits, on a quick one it does not.
func TestPhiSuspectsByWhatIsUsual(t *testing.T) {
	for _, c := range []struct {
		beat   int64 // the interval between heartbeats as they arrive
		silent int64 // from here on it is suspected
	}{{50e6, 921e6}, {90e6, 1658e6}} {
		b := newSolo(t, 0, everywhere(t, "detector", "phi"))
		// The heartbeats of node 2, and those of this node's own clock.
		for range 1200 { // the mean of the first intervals is forgotten
			b.now.Mono += c.beat
			b.step(Event{Kind: EventTimer, ID: timerHeartbeat})
			b.message(Message{Kind: MessageHeartbeat, From: 2, To: 0})
		}
		last := b.now.Mono
		suspected := func(silence int64) bool {
			for _, id := range b.node.Suspected(Now{Mono: last + silence}) {
				if id == 2 {
					return true
				}
			}
			return false
		}
		assert.False(t, suspected(c.silent-2e6))
		assert.True(t, suspected(c.silent+2e6))
	}
}

// In the virtual world: nobody who is up is suspected for long, and who is dead is.
func TestPhiInTheWorld(t *testing.T) {
	w := newWorld(t, 3, settingsOf(t, 5, "detector", "phi"))
	w.network.loss = 50
	wrong := 0
	for range 100 {
		w.run(100e6, nil)
		for _, h := range w.nodes {
			wrong += len(h.node.Suspected(w.clock(h)))
		}
	}
	assert.Less(t, wrong, 5)
	w.crash(3)
	w.run(3e9, nil)
	for i, h := range w.nodes {
		if i != 3 {
			assert.Equal(t, []NodeID{3}, h.node.Suspected(w.clock(h)))
		}
	}
	w.boot(3)
	w.run(500e6, nil)
	for _, h := range w.nodes {
		assert.Empty(t, h.node.Suspected(w.clock(h)))
	}
}
