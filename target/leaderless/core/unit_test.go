package core

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// solo is one node without a world: the test plays all others by hand.
type solo struct {
	t    testing.TB
	node *Node
	now  Now
	out  Effects
}

func newSolo(t testing.TB, id NodeID, s *Settings, log ...[]byte) *solo {
	b := &solo{t: t, now: Now{Mono: 1e9, Wall: 5e9}}
	node, err := Boot(id, s, 1, sequence(log), 1, b.now, &b.out)
	require.NoError(t, err)
	b.node = node
	return b
}

func (b *solo) step(e Event) *Effects {
	b.out.Reset()
	b.node.Step(b.now, &e, &b.out)
	return &b.out
}

func (b *solo) message(m Message) *Effects {
	return b.step(Event{Kind: EventMessage, Message: &m})
}

func (b *solo) request(q Request) *Effects {
	return b.step(Event{Kind: EventRequest, Request: &q})
}

func (b *solo) durable(id uint64) *Effects { return b.step(Event{Kind: EventDurable, ID: id}) }

// kinds lists the messages as "kind→to".
func kinds(out *Effects) []string {
	var all []string
	for _, m := range out.Messages {
		all = append(all, m.Kind.String()+"→"+string('0'+rune(m.To)))
	}
	return all
}

func version(time int64) Version { return Version{Time: time, Node: 1, Incarnation: 1, Sequence: 1} }

func cell(time int64, value string) Cell { return Cell{Version: version(time), Value: []byte(value)} }

// everywhere has all nodes as home replicas of every key.
func everywhere(t testing.TB, pairs ...string) *Settings {
	return settingsOf(t, 3, append([]string{"n", "3"}, pairs...)...)
}

func TestReplicaAcknowledgesOnlyWhatIsDurable(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	write := func(time int64) *Effects {
		return b.message(Message{Kind: MessageWrite, From: 1, To: 0, Request: uint64(time), Key: "k", Cell: cell(time, "v")})
	}
	out := write(20)
	require.Len(t, out.Persist, 1)
	assert.False(t, out.Persist[0].Eager)
	assert.Empty(t, out.Messages, "the log has not answered")
	newer := out.Persist[0].ID

	// Older than what is in memory, but what is in memory could still be lost.
	out = write(10)
	assert.Empty(t, out.Persist)
	assert.Empty(t, out.Messages, "the cell that supersedes it is not durable")
	assert.Empty(t, write(20).Messages, "a duplicate")

	out = b.durable(newer)
	require.Equal(t, []string{"written→1", "written→1", "written→1"}, kinds(out))
	assert.Equal(t, []uint64{20, 10, 20}, []uint64{out.Messages[0].Request, out.Messages[1].Request, out.Messages[2].Request})
	assert.Empty(t, b.durable(newer).Messages, "said twice")

	assert.Equal(t, []string{"written→1"}, kinds(write(15)), "superseded by a durable cell")
}

func TestReplicaAnswersReadsFromTheDurableCell(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	read := func() Cell {
		out := b.message(Message{Kind: MessageRead, From: 2, To: 0, Key: "k"})
		require.Equal(t, []string{"read-answer→2"}, kinds(out))
		return out.Messages[0].Cell
	}
	one := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "one")}).Persist[0].ID
	assert.Equal(t, Cell{}, read())
	two := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(2, "two")}).Persist[0].ID
	b.durable(one)
	assert.Equal(t, cell(1, "one"), read())
	fetched := b.message(Message{Kind: MessageFetch, From: 2, To: 0, Key: "k"})
	assert.Equal(t, Cell{Version: version(1)}, fetched.Messages[0].Cell, "a fetch has no value")
	b.durable(two)
	assert.Equal(t, cell(2, "two"), read())
}

func TestDurableInAnyOrder(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	one := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "one")}).Persist[0].ID
	two := b.message(Message{Kind: MessageWrite, From: 2, To: 0, Key: "k", Cell: cell(2, "two")}).Persist[0].ID
	assert.Equal(t, []string{"written→2"}, kinds(b.durable(two)))
	assert.Equal(t, []string{"written→1"}, kinds(b.durable(one)))
	assert.Equal(t, cell(2, "two"), b.node.Dump()[0].Cell)
}

func TestBeforeLogAcknowledgesAtOnce(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "acknowledge", "before-log"))
	out := b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "one")})
	require.Len(t, out.Persist, 1)
	assert.True(t, out.Persist[0].Eager)
	assert.Equal(t, []string{"written→1"}, kinds(out))
	assert.Equal(t, cell(1, "one"), b.message(Message{Kind: MessageRead, From: 1, To: 0, Key: "k"}).Messages[0].Cell)
	assert.Zero(t, b.node.Pending().Writes)
}

func TestPutCountsItsOwnCopyOnlyWhenDurable(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "w", "2"))
	out := b.request(Request{ID: 7, Kind: RequestPut, Key: "k", Value: []byte("v")})
	require.ElementsMatch(t, []string{"write→1", "write→2"}, kinds(out))
	require.Len(t, out.Persist, 1)
	own, sent := out.Persist[0].ID, out.Messages[0]
	assert.Equal(t, Version{Time: 5e9, Node: 0, Incarnation: 1, Sequence: 1}, sent.Cell.Version, "the wall clock's")
	ack := Message{Kind: MessageWritten, From: 1, To: 0, Request: sent.Request, Key: "k", Cell: Cell{Version: sent.Cell.Version}}
	assert.Empty(t, b.message(ack).Replies)
	assert.Empty(t, b.message(ack).Replies, "a duplicate does not count")
	replies := b.durable(own).Replies
	require.Len(t, replies, 1)
	r := replies[0]
	assert.Equal(t, uint64(7), r.ID)
	assert.Equal(t, StatusOK, r.Status)
	assert.Equal(t, sent.Cell.Version, r.Cell.Version)
	assert.Equal(t, 2, r.Evidence.Required)
	assert.Equal(t, []string{"write"}, r.Evidence.Phases)
	require.Len(t, r.Evidence.Replicas, 3)
	for i, e := range r.Evidence.Replicas {
		assert.Equal(t, b.node.Ring().PreferenceList("k", 3)[i], e.Node)
		assert.Equal(t, e.Node != 2, e.Answered)
		assert.Equal(t, e.Node != 2, e.Counted)
	}
	assert.Equal(t, 1, b.node.Pending().Requests, "the last replica may still acknowledge")
	ack.From = 2
	b.message(ack)
	assert.True(t, b.node.Pending().Quiet())
}

func TestClockIsMonotonicWithinAnIncarnation(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	put := func() Version {
		return b.request(Request{Kind: RequestPut, Key: "k"}).Messages[0].Cell.Version
	}
	first := put()
	b.now.Wall = 1
	second := put()
	assert.Equal(t, first.Time+1, second.Time)
	b.now.Wall = 9e9
	assert.Equal(t, int64(9e9), put().Time)
	b = newSolo(t, 0, everywhere(t))
	b.now.Wall = math.MinInt64
	assert.Positive(t, put().Time)
}

func TestFetchTakesOneMoreThanTheGreatest(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "repair", "abd"))
	b.now.Wall = 1e18
	out := b.request(Request{Kind: RequestPut, Key: "k", Value: []byte("v")})
	require.ElementsMatch(t, []string{"fetch→1", "fetch→2"}, kinds(out))
	out = b.message(Message{Kind: MessageFetched, From: 2, To: 0, Request: out.Messages[0].Request, Key: "k", Cell: Cell{Version: version(41)}})
	require.ElementsMatch(t, []string{"write→1", "write→2"}, kinds(out))
	assert.Equal(t, Version{Time: 42, Node: 0, Incarnation: 1, Sequence: 1}, out.Messages[0].Cell.Version)
	own, sent := out.Persist[0].ID, out.Messages[0]
	b.message(Message{Kind: MessageWritten, From: 1, To: 0, Request: sent.Request, Key: "k", Cell: Cell{Version: sent.Cell.Version}})
	replies := b.durable(own).Replies
	require.Len(t, replies, 1)
	for _, e := range replies[0].Evidence.Replicas {
		assert.Equal(t, e.Node != 1, e.Fetched, "the version was chosen after those answers, and node 1 gave none")
		assert.Equal(t, e.Node != 2, e.Answered, "to the write")
	}

	out = b.request(Request{ID: 2, Kind: RequestPut, Key: "k", Value: []byte("v")})
	out = b.message(Message{Kind: MessageFetched, From: 2, To: 0, Request: out.Messages[0].Request, Key: "k", Cell: Cell{Version: version(math.MaxInt64)}})
	require.Len(t, out.Replies, 1)
	assert.Equal(t, CodeExhausted, out.Replies[0].Code)
	assert.Equal(t, StatusDefinite, out.Replies[0].Status)
}

// timeout fires the request timer of the last request.
func (b *solo) timeout(out *Effects) *Effects {
	timers := slices.Clone(out.Timers)
	for _, timer := range timers {
		if timer.ID == timerRequest {
			b.now.Mono += timer.After
			return b.step(Event{Kind: EventTimer, ID: timer.ID})
		}
	}
	b.t.Fatal("no request timer")
	return nil
}

func TestWhatErrorsMean(t *testing.T) {
	put := Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("v")}
	t.Run("a fetch without answers wrote nothing", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t, "repair", "abd"))
		r := b.timeout(b.request(put)).Replies[0]
		assert.Equal(t, StatusDefinite, r.Status)
		assert.Equal(t, CodeTimeout, r.Code)
		assert.Equal(t, []string{"fetch"}, r.Evidence.Phases)
		assert.Equal(t, "1 of 2 needed replicas answered the fetch of timestamps within 80ms: nothing was written", r.Message)
	})
	t.Run("a write that was sent may be done", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t))
		r := b.timeout(b.request(put)).Replies[0]
		assert.Equal(t, StatusIndeterminate, r.Status)
		assert.Equal(t, CodeTimeout, r.Code)
		assert.ElementsMatch(t, []NodeID{1, 2}, r.Evidence.Hints, "hints are kept also for a write that timed out")
		assert.Equal(t, 2, b.node.Pending().Hints)
	})
	t.Run("a get has no effect", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t))
		r := b.timeout(b.request(Request{Kind: RequestGet, Key: "k"})).Replies[0]
		assert.Equal(t, StatusDefinite, r.Status)
		assert.Equal(t, CodeTimeout, r.Code)
	})
	t.Run("too few replicas up", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t))
		for range 4 { // heartbeats are due and sent, none arrive
			b.now.Mono += 60e6
			b.step(Event{Kind: EventTimer, ID: timerHeartbeat})
		}
		require.Equal(t, []NodeID{1, 2}, b.node.Suspected(b.now))
		out := b.request(put)
		assert.Empty(t, out.Messages)
		assert.Empty(t, out.Persist)
		assert.Equal(t, StatusDefinite, out.Replies[0].Status)
		assert.Equal(t, CodeUnavailable, out.Replies[0].Code)
		out = b.request(Request{Kind: RequestPut, Key: "k", W: 1})
		assert.Empty(t, out.Replies, "w=1 needs only this node")
		assert.Equal(t, 2, b.node.Pending().Hints, "for those that are suspected at once")
		b.message(Message{Kind: MessageHeartbeat, From: 2, To: 0})
		assert.Equal(t, []NodeID{1}, b.node.Suspected(b.now))
	})
	t.Run("a node that stood still suspects nobody for it", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t))
		b.now.Mono += 30e9
		assert.Empty(t, b.request(put).Replies)
	})
	for name, q := range map[string]Request{
		"no key":                 {Kind: RequestPut},
		"a long key":             {Kind: RequestGet, Key: strings.Repeat("k", MaxKeyBytes+1)},
		"a long value":           {Kind: RequestPut, Key: "k", Value: make([]byte, MaxValueBytes+1)},
		"no such kind":           {Kind: 9, Key: "k"},
		"w > n":                  {Kind: RequestPut, Key: "k", W: 4},
		"r > n":                  {Kind: RequestGet, Key: "k", R: 4},
		"n > nodes":              {Kind: RequestGet, Key: "k", N: 4},
		"the settings' w > n":    {Kind: RequestPut, Key: "k", N: 1},
		"negative":               {Kind: RequestGet, Key: "k", R: -1},
		"an unwelcome timestamp": {Kind: RequestPut, Key: "k", Timestamp: 5},
	} {
		t.Run(name, func(t *testing.T) {
			q.ID = 3
			out := newSolo(t, 0, everywhere(t)).request(q)
			require.Len(t, out.Replies, 1)
			assert.Equal(t, CodeBadRequest, out.Replies[0].Code)
			assert.Equal(t, StatusDefinite, out.Replies[0].Status)
			assert.NotEmpty(t, out.Replies[0].Message)
			assert.Empty(t, out.Messages)
		})
	}
}

func TestClientTimestamps(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "timestamps", "client"))
	out := b.request(Request{Kind: RequestPut, Key: "k", Timestamp: 77})
	assert.Equal(t, int64(77), out.Messages[0].Cell.Version.Time)
	out = b.request(Request{Kind: RequestPut, Key: "k"})
	assert.Equal(t, int64(5e9), out.Messages[0].Cell.Version.Time, "without one, the coordinator's")
}

func TestDeleteLeavesATombstone(t *testing.T) {
	s := settingsOf(t, 1, "n", "1", "w", "1", "r", "1")
	b := newSolo(t, 0, s)
	b.durable(b.request(Request{Kind: RequestPut, Key: "k", Value: []byte("v")}).Persist[0].ID)
	out := b.request(Request{Kind: RequestGet, Key: "k"})
	require.True(t, out.Replies[0].Found)
	assert.Equal(t, "v", string(out.Replies[0].Cell.Value))
	b.durable(b.request(Request{Kind: RequestDelete, Key: "k"}).Persist[0].ID)
	r := b.request(Request{Kind: RequestGet, Key: "k"}).Replies[0]
	assert.Equal(t, StatusOK, r.Status)
	assert.False(t, r.Found)
	assert.True(t, r.Cell.Tombstone)
	require.Len(t, b.node.Dump(), 1)
	assert.True(t, b.node.Dump()[0].Cell.Tombstone)
}

func TestSenselessEventsAreIgnored(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	before := b.node.Digest()
	for _, e := range []Event{
		{}, {Kind: EventMessage}, {Kind: EventRequest}, {Kind: EventDurable, ID: 99}, {Kind: EventTimer, ID: 99}, {Kind: EventTimer, ID: timerRequest},
		{Kind: EventMessage, Message: &Message{Kind: MessageRead, From: 200, To: 0, Key: "k"}},
		{Kind: EventMessage, Message: &Message{Kind: MessageRead, From: 1, To: 2, Key: "k"}},
		{Kind: EventMessage, Message: &Message{Kind: MessageRead, From: 0, To: 0, Key: "k"}},
		{Kind: EventMessage, Message: &Message{Kind: MessageWrite, From: 1, To: 0, Key: "k"}},
		{Kind: EventMessage, Message: &Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "v"), StandsIn: true, HintFor: 99}},
		{Kind: EventMessage, Message: &Message{Kind: MessageWritten, From: 1, To: 0, Request: 1 << requestBits, Key: "k"}},
		{Kind: EventMessage, Message: &Message{Kind: MessageHandedOff, From: 1, To: 0, Key: "k", Cell: cell(1, "v")}},
	} {
		out := b.step(e)
		assert.Empty(t, out.Messages)
		assert.Empty(t, out.Persist)
		assert.Empty(t, out.Replies)
	}
	assert.Equal(t, before, b.node.Digest())
}

// An answer to a request of an earlier incarnation must not count for one of this.
func TestAnswersOfAnEarlierIncarnationAreIgnored(t *testing.T) {
	s := everywhere(t, "r", "2")
	first := newSolo(t, 0, s)
	old := first.request(Request{Kind: RequestGet, Key: "k"}).Messages[0].Request
	b := &solo{t: t, now: first.now}
	node, err := Boot(0, s, 2, nil, 1, b.now, &b.out)
	require.NoError(t, err)
	b.node = node
	current := b.request(Request{Kind: RequestGet, Key: "k"}).Messages[0].Request
	answer := Message{Kind: MessageReadAnswer, From: 1, To: 0, Request: old, Key: "k", Cell: cell(1, "old")}
	assert.Empty(t, b.message(answer).Replies)
	answer.Request = current
	assert.Len(t, b.message(answer).Replies, 1)
}

// A node that is killed and chooses the same time again must not make the same version again.
func TestVersionsAreUniqueOverIncarnations(t *testing.T) {
	s := everywhere(t)
	seen := make(map[Version]bool)
	for incarnation := range uint32(3) {
		b := &solo{t: t, now: Now{Mono: 1e9, Wall: 5e9}}
		node, err := Boot(0, s, incarnation+1, nil, 1, b.now, &b.out)
		require.NoError(t, err)
		b.node = node
		for range 3 {
			v := b.request(Request{Kind: RequestPut, Key: "k"}).Messages[0].Cell.Version
			require.False(t, seen[v], "%v twice", v)
			require.Equal(t, incarnation+1, v.Incarnation)
			seen[v] = true
		}
	}
}
