package core

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whoever coordinates, ABD stays linearizable, and duplicated messages do nothing twice.
func TestABDIsLinearizableWhoeverCoordinates(t *testing.T) {
	settings := settingsOf(t, 5, "n", "3", "w", "2", "r", "2", "repair", "abd", "routing", "replica")
	ok, failed, forwarded := 0, 0, 0
	for seed := range seeds(t, 200) {
		o := simulate(t, uint64(seed), settings, everyFault, mixedLoad)
		require.True(t, o.linear, "seed %d", seed)
		ok, failed = ok+o.ok, failed+o.failed
		for _, op := range o.world.history {
			if op.status == StatusOK && op.reply.Evidence.Forwarded {
				forwarded++
				home := o.world.nodes[0].node.ring.PreferenceList(op.key, 3)
				require.Contains(t, home, op.reply.Evidence.Coordinator)
			}
		}
	}
	assert.Greater(t, ok, failed, "the runs must get something done")
	assert.Greater(t, forwarded, ok/4)
}

// A write that is forwarded is done once, however often the network delivers
// the message and whatever restarts: no value comes back after it was replaced.
func TestForwardedWritesAreDoneOnce(t *testing.T) {
	s := settingsOf(t, 4, "n", "3", "routing", "replica")
	order := s.ring.Order("k")
	home, outsider := order[0], order[3]
	b := newSolo(t, home, s)
	forward := func(number uint64, incarnation uint32) *Effects {
		return b.message(Message{Kind: MessageForward, From: outsider, To: home, Request: number, Origin: 77, Key: "k",
			Body: &forwardBody{incarnation: incarnation, request: Request{Kind: RequestPut, Value: []byte("v")}}})
	}
	out := forward(5, 0)
	require.Len(t, out.Messages, 1)
	refusal := out.Messages[0].Body.(*forwardedBody)
	assert.False(t, refusal.done)
	assert.Equal(t, uint32(1), refusal.incarnation)
	assert.Empty(t, out.Persist)
	out = forward(5, 1)
	require.Len(t, out.Persist, 1)
	assert.Equal(t, uint64(77), out.Messages[0].Origin)
	assert.Empty(t, forward(5, 1).Persist, "a duplicate")
	assert.Empty(t, forward(5, 1).Messages)
	assert.Len(t, forward(4, 1).Persist, 1, "one that was overtaken")
	assert.Empty(t, forward(4, 1).Persist)
	assert.Len(t, forward(5+replaySize, 1).Persist, 1)
	assert.Empty(t, forward(5, 1).Persist, "too old to be known")
	assert.Len(t, forward(6, 1).Persist, 1)
}

// The window is exact for what lies within it, and takes what lies before it for seen.
func TestReplayWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w replayWindow
		seen := map[uint64]bool{}
		highest := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "numbers") {
			number := rapid.OneOf(rapid.Uint64Range(1, 50), rapid.Uint64Range(1, 3*replaySize), rapid.Uint64Range(1<<40, 1<<40+100)).Draw(t, "number")
			want := !seen[number] && number+replaySize > highest
			require.Equal(t, want, w.first(number), "%d after %d", number, highest)
			seen[number] = true
			highest = max(highest, number)
		}
	})
}

func TestForwardingByHand(t *testing.T) {
	s := settingsOf(t, 4, "n", "3", "routing", "replica")
	order := s.ring.Order("k")
	begin := func(q Request) (*solo, Message) {
		b := newSolo(t, order[3], s)
		out := b.request(q)
		require.Len(t, out.Messages, 1)
		require.Equal(t, MessageForward, out.Messages[0].Kind)
		require.Equal(t, order[0], out.Messages[0].To)
		return b, out.Messages[0]
	}
	answer := func(b *solo, m Message, body *forwardedBody) *Effects {
		return b.message(Message{Kind: MessageForwarded, From: m.To, To: m.From, Request: m.Request, Key: "k", Body: body})
	}
	b, m := begin(put())
	again := answer(b, m, &forwardedBody{incarnation: 3}).Messages
	require.Len(t, again, 1)
	assert.Equal(t, uint32(3), again[0].Body.(*forwardBody).incarnation)
	assert.Empty(t, answer(b, m, &forwardedBody{incarnation: 3}).Messages, "said twice")
	done := Reply{Status: StatusOK, Cell: Cell{Version: version(9)}, Evidence: Evidence{Required: 2, Replicas: []ReplicaEvidence{{Node: 1, Counted: true}}}}
	assert.Empty(t, answer(b, m, &forwardedBody{incarnation: 3, done: true, reply: Reply{Status: StatusOK, Evidence: Evidence{Hints: []NodeID{9}}}}).Replies, "of nodes that do not exist")
	replies := answer(b, m, &forwardedBody{incarnation: 3, done: true, reply: done}).Replies
	require.Len(t, replies, 1)
	assert.Equal(t, uint64(7), replies[0].ID)
	assert.Equal(t, version(9), replies[0].Cell.Version)
	assert.True(t, replies[0].Evidence.Forwarded)
	assert.Equal(t, order[0], replies[0].Evidence.Coordinator)
	assert.True(t, b.node.Pending().Quiet())
	assert.Empty(t, answer(b, m, &forwardedBody{incarnation: 3, done: true, reply: done}).Replies)

	// It may have been done by the process that is gone.
	out := b.request(put())
	require.Len(t, out.Messages, 1)
	replies = answer(b, out.Messages[0], &forwardedBody{incarnation: 4}).Replies
	require.Len(t, replies, 1)
	assert.Equal(t, StatusIndeterminate, replies[0].Status)
	out = b.request(get(LevelNumbers))
	assert.Len(t, answer(b, out.Messages[0], &forwardedBody{incarnation: 5}).Messages, 1, "a get may be done twice")

	for _, c := range []struct {
		q    Request
		want ReplyStatus
	}{{put(), StatusIndeterminate}, {get(LevelNumbers), StatusDefinite}} {
		b, _ = begin(c.q)
		timers := Effects{Timers: slices.Clone(b.out.Timers)}
		first := b.timeout(&timers)
		require.Empty(t, first.Replies, "the coordinator's own answer may be on its way")
		r := b.timeout(&Effects{Timers: slices.Clone(first.Timers)}).Replies
		require.Len(t, r, 1)
		assert.Equal(t, c.want, r[0].Status)
		assert.Equal(t, CodeTimeout, r[0].Code)
	}

	// A home replica does it itself, and so does who can hand it to nobody.
	assert.NotEqual(t, MessageForward, newSolo(t, order[1], s).request(put()).Messages[0].Kind)
	b = newSolo(t, order[3], s)
	b.suspecting()
	assert.Equal(t, CodeUnavailable, b.request(put()).Replies[0].Code)
}

func TestForwardedBodiesSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := func(name string) []byte {
			return rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 5)).Draw(t, name)
		}
		small := rapid.IntRange(0, 9)
		q := Request{Kind: RequestKind(rapid.IntRange(1, int(lastRequestKind)).Draw(t, "kind")), Level: Level(rapid.IntRange(0, 11).Draw(t, "level")),
			N: small.Draw(t, "n"), R: small.Draw(t, "r"), W: small.Draw(t, "w"), PR: small.Draw(t, "pr"), PW: small.Draw(t, "pw"), DW: small.Draw(t, "dw"),
			Timestamp: rapid.Int64().Draw(t, "timestamp"), Value: bytes("value"), Context: bytes("context")}
		if rapid.Bool().Draw(t, "operand") {
			q.Operand = &Operand{Kind: OperandAdd, Field: "f", Element: bytes("element"), By: -3, ID: 8}
			if rapid.Bool().Draw(t, "columns") {
				q.Operand.Columns = []Column{{Name: "a", Value: bytes("column")}, {Name: "b", Delete: true}}
			}
		}
		if rapid.Bool().Draw(t, "condition") {
			q.Condition = &Condition{Kind: ConditionEqual, Value: bytes("condition")}
		}
		m := Message{Kind: MessageForward, From: 1, To: 2, Request: 3, Key: "k", Body: &forwardBody{incarnation: rapid.Uint32().Draw(t, "incarnation"), request: q}}
		got, err := DecodeMessage(AppendMessage(nil, &m))
		require.NoError(t, err)
		require.Equal(t, m, got)

		e := Evidence{Required: small.Draw(t, "required"), Level: LevelQuorum, Took: rapid.Int64Min(0).Draw(t, "took"), Phases: []string{"read", "repair"}, Hints: []NodeID{4},
			Replicas: []ReplicaEvidence{{Node: 3, Answered: true, Version: version(4), RoundTrip: 5, Repaired: true}, {Node: 1, Counted: true, Fetched: true, StandsIn: true, HintFor: 2}}}
		if rapid.Bool().Draw(t, "causal") {
			e.Grace = rapid.Int64Min(0).Draw(t, "grace")
			e.Causal = &CausalEvidence{Context: Vector{{Actor{1, 0}, 3, 0}}, Clock: Vector{{Actor{1, 0}, 3, 9}, {Actor{2, 1 << 40}, 1, 8}}, Dot: Dot{Actor{2, 1 << 40}, 1}, Versions: []Version{version(3), version(4)}}
		}
		r := Reply{Status: StatusIndeterminate, Code: "c", Message: "m", Found: rapid.Bool().Draw(t, "found"), Applied: rapid.Bool().Draw(t, "applied"),
			Cell: Cell{Version: version(7), Value: []byte("v")}, Context: bytes("causal"), Evidence: e}
		if rapid.Bool().Draw(t, "siblings") {
			r.Siblings = []Sibling{{Version: version(1), Value: []byte("a"), Dot: Dot{Actor{1, 1 << 40}, 3}}, {Version: version(2), Tombstone: true, Dot: Dot{Actor{2, 0}, 9}}}
		}
		m = Message{Kind: MessageForwarded, From: 1, To: 2, Request: 3, Key: "k", Body: &forwardedBody{incarnation: 2, done: rapid.Bool().Draw(t, "done"), reply: r}}
		if !m.Body.(*forwardedBody).done {
			m.Body = &forwardedBody{incarnation: 2}
		}
		got, err = DecodeMessage(AppendMessage(nil, &m))
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}

// Clients with routing=client ask home replicas of their own data centre, and not all the same.
func TestClientsRouteToHomeReplicas(t *testing.T) {
	any := spreadSettings(t, 2, 4, 2)
	s := spreadSettings(t, 2, 4, 2, "routing", "client")
	asked := map[NodeID]int{}
	for k := range 200 {
		key := "key" + strconv.Itoa(k)
		homes := s.ring.PreferenceList(key, 2)
		for near := range NodeID(8) {
			require.Equal(t, near, any.Route(near, key))
			to := s.Route(near, key)
			require.Contains(t, homes, to)
			require.Equal(t, s.Datacenter(near), s.Datacenter(to))
			if slices.Contains(homes, near) {
				require.Equal(t, near, to)
			}
			asked[to]++
		}
	}
	assert.Len(t, asked, 8)
}
