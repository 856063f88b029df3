package core

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// suspecting makes all other nodes than those given suspected.
func (b *solo) suspecting(alive ...NodeID) {
	for range 5 {
		b.now.Mono += 60e6
		b.step(Event{Kind: EventTimer, ID: timerHeartbeat})
		for _, other := range alive {
			b.message(Message{Kind: MessageHeartbeat, From: other, To: b.node.id})
		}
	}
}

func (b *solo) written(from NodeID, m Message, standsIn bool) *Effects {
	return b.message(Message{Kind: MessageWritten, From: from, To: b.node.id, Request: m.Request, Key: m.Key, Cell: Cell{Version: m.Cell.Version}, StandsIn: standsIn, HintFor: m.HintFor})
}

// sloppyNode coordinates, and is none of, the home replicas of "k", of which the first is suspected.
func sloppyNode(t *testing.T, pairs ...string) (b *solo, homes []NodeID) {
	s := settingsOf(t, 5, append([]string{"sloppy", "on", "n", "3"}, pairs...)...)
	order := s.ring.Order("k")
	b = newSolo(t, order[4], s)
	b.suspecting(order[1], order[2], order[3])
	return b, order[:3]
}

func put() Request { return Request{ID: 7, Kind: RequestPut, Key: "k", Value: []byte("v")} }

func TestPrimariesAreCountedWithoutStandIns(t *testing.T) {
	for pw, enough := range map[string]bool{"0": true, "2": false} {
		b, homes := sloppyNode(t, "w", "2", "pw", pw)
		out := b.request(put())
		require.Len(t, out.Messages, 4, "three home replicas and a stand-in")
		sent := slices.Clone(out.Messages)
		timers := Effects{Timers: slices.Clone(out.Timers)}
		require.True(t, sent[3].StandsIn)
		assert.Empty(t, b.written(sent[3].To, sent[3], true).Replies)
		out = b.written(homes[1], sent[1], false)
		require.Equal(t, enough, len(out.Replies) == 1, "pw=%s", pw)
		if enough {
			continue
		}
		out = b.written(homes[2], sent[2], false)
		require.Len(t, out.Replies, 1, "two home replicas")
		assert.Equal(t, StatusOK, out.Replies[0].Status)

		b, homes = sloppyNode(t, "w", "2", "pw", pw)
		out = b.request(put())
		sent, timers = slices.Clone(out.Messages), Effects{Timers: slices.Clone(out.Timers)}
		b.written(sent[3].To, sent[3], true)
		b.written(homes[1], sent[1], false)
		r := b.timeout(&timers).Replies
		require.Len(t, r, 1)
		assert.Equal(t, StatusIndeterminate, r[0].Status, "it was sent")
		assert.Equal(t, CodePrimaryWrites, r[0].Code)
		assert.Equal(t, "1 of pw=2 home replicas acknowledged the write within 80ms: it may have been done, or may be done later", r[0].Message)
	}
}

func TestTooFewPrimariesAreNoticedBeforeAnythingIsSent(t *testing.T) {
	b, _ := sloppyNode(t)
	for code, q := range map[string]Request{
		CodePrimaryWrites: {ID: 7, Kind: RequestPut, Key: "k", PW: 3},
		CodePrimaryReads:  {ID: 7, Kind: RequestGet, Key: "k", PR: 3},
	} {
		out := b.request(q)
		require.Len(t, out.Replies, 1)
		assert.Equal(t, code, out.Replies[0].Code)
		assert.Equal(t, StatusDefinite, out.Replies[0].Status)
		assert.Empty(t, out.Messages)
	}
	assert.Empty(t, b.request(Request{ID: 7, Kind: RequestGet, Key: "k", PR: 2}).Replies)
	for why, q := range map[string]Request{
		"pr is for reads":             {ID: 7, Kind: RequestPut, Key: "k", PR: 1},
		"pw and dw are for writes":    {ID: 7, Kind: RequestGet, Key: "k", DW: 1},
		"dw=4 with 3 home replicas":   {ID: 7, Kind: RequestPut, Key: "k", DW: 4},
		"pw=-1 with 3 home replicas:": {ID: 7, Kind: RequestPut, Key: "k", PW: -1},
	} {
		out := b.request(q)
		require.Len(t, out.Replies, 1)
		assert.Equal(t, CodeBadRequest, out.Replies[0].Code)
		assert.Contains(t, out.Replies[0].Message, why)
	}
}

func TestReadsWaitForPrimaries(t *testing.T) {
	b, homes := sloppyNode(t, "r", "1", "pr", "2", "repair", "off")
	out := b.request(get(LevelNumbers))
	sent := slices.Clone(out.Messages)
	timers := Effects{Timers: slices.Clone(out.Timers)}
	answer := func(m Message) *Effects {
		return b.message(Message{Kind: MessageReadAnswer, From: m.To, To: b.node.id, Request: m.Request, Key: "k", Cell: cell(2, "v")})
	}
	assert.Empty(t, answer(sent[3]).Replies, "a stand-in")
	assert.Empty(t, answer(sent[1]).Replies)
	require.Equal(t, homes[2], sent[2].To)
	require.Len(t, answer(sent[2]).Replies, 1)

	b, _ = sloppyNode(t, "r", "1", "pr", "2", "repair", "off")
	out = b.request(get(LevelNumbers))
	sent, timers = slices.Clone(out.Messages), Effects{Timers: slices.Clone(out.Timers)}
	answer(sent[3])
	answer(sent[1])
	r := b.timeout(&timers).Replies
	require.Len(t, r, 1)
	assert.Equal(t, CodePrimaryReads, r[0].Code)
	assert.Equal(t, StatusDefinite, r[0].Status)
}

// With acknowledge=before-log a replica acknowledges twice if dw asks for it.
func TestDurableAcknowledgementsAreCountedApart(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "acknowledge", "before-log", "w", "2", "dw", "2"))
	out := b.request(put())
	require.Len(t, out.Persist, 1)
	assert.False(t, out.Persist[0].Eager, "this node wants to know when the log has it")
	own, sent := out.Persist[0].ID, slices.Clone(out.Messages)
	timers := Effects{Timers: slices.Clone(out.Timers)}
	require.True(t, sent[0].Durable)
	assert.Empty(t, b.written(1, sent[0], false).Replies, "two have it, no log does")
	assert.Empty(t, b.durable(own).Replies, "one log has it")
	again := Message{Kind: MessageWritten, From: 1, To: 0, Request: sent[0].Request, Key: "k", Cell: Cell{Version: sent[0].Cell.Version}, Durable: true}
	out = b.message(again)
	require.Len(t, out.Replies, 1)
	assert.Equal(t, StatusOK, out.Replies[0].Status)
	assert.Empty(t, b.message(again).Replies, "a duplicate")

	b = newSolo(t, 0, everywhere(t, "acknowledge", "before-log", "w", "2", "dw", "2"))
	out = b.request(put())
	sent, timers = slices.Clone(out.Messages), Effects{Timers: slices.Clone(out.Timers)}
	b.written(1, sent[0], false)
	r := b.timeout(&timers).Replies
	require.Len(t, r, 1)
	assert.Equal(t, CodeDurableWrites, r[0].Code)
	assert.Equal(t, StatusIndeterminate, r[0].Status)
}

func TestAReplicaAcknowledgesTwiceWhereItIsAsked(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "acknowledge", "before-log"))
	write := func(time int64, durable bool) *Effects {
		return b.message(Message{Kind: MessageWrite, From: 1, To: 0, Request: uint64(time), Key: "k", Cell: cell(time, "v"), Durable: durable})
	}
	out := write(20, true)
	require.Len(t, out.Messages, 1)
	assert.False(t, out.Messages[0].Durable)
	require.Len(t, out.Persist, 1)
	newest := out.Persist[0].ID
	// One that was superseded is in the log when what superseded it is.
	out = write(10, true)
	require.Len(t, out.Messages, 1)
	assert.Empty(t, out.Persist)
	out = b.durable(newest)
	require.Equal(t, []string{"written→1", "written→1"}, kinds(out))
	assert.True(t, out.Messages[0].Durable && out.Messages[1].Durable)
	// What was written eagerly may not be in the log.
	out = write(30, false)
	assert.True(t, out.Persist[0].Eager)
	out = write(30, true)
	require.Len(t, out.Persist, 1)
	assert.False(t, out.Persist[0].Eager)
	assert.False(t, out.Messages[0].Durable)
	assert.True(t, b.durable(out.Persist[0].ID).Messages[0].Durable)

	b = newSolo(t, 0, everywhere(t, "acknowledge", "superseded-early"))
	out = write(20, true)
	assert.Empty(t, out.Messages, "it was not superseded")
	newest = out.Persist[0].ID
	out = write(10, true)
	require.Len(t, out.Messages, 1)
	assert.False(t, out.Messages[0].Durable)
	assert.Len(t, b.durable(newest).Messages, 2)
	out = write(15, true)
	require.Len(t, out.Messages, 2, "early, and at once that the log has it")
	assert.True(t, out.Messages[1].Durable)
}

func TestAnyIsContentWithAHint(t *testing.T) {
	s := everywhere(t, "w", "2")
	b := newSolo(t, 0, s)
	b.suspecting()
	require.Equal(t, []NodeID{1, 2}, b.node.Suspected(b.now))
	q := put()
	require.Equal(t, CodeUnavailable, b.request(q).Replies[0].Code)
	q.Level = LevelAny
	out := b.request(q)
	require.Len(t, out.Persist, 3, "its own cell and two hints")
	require.Empty(t, out.Replies)
	hint := out.Persist[2].ID
	replies := b.durable(hint).Replies
	require.Len(t, replies, 1, "the hint is durable")
	assert.Equal(t, StatusOK, replies[0].Status)
	counted := 0
	for _, r := range replies[0].Evidence.Replicas {
		if r.Counted {
			counted++
			assert.True(t, r.StandsIn)
			assert.Equal(t, NodeID(0), r.Node)
		}
	}
	assert.Equal(t, 1, counted)
	assert.Equal(t, 2, b.node.Pending().Hints)

	// Nobody else is a home replica: not one replica has it.
	s = settingsOf(t, 4, "n", "3")
	order := s.ring.Order("k")
	b = newSolo(t, order[3], s)
	b.suspecting()
	out = b.request(q)
	require.Len(t, out.Persist, 3)
	assert.Len(t, b.durable(out.Persist[0].ID).Replies, 1)
	assert.Empty(t, b.node.Dump())

	// Of those that are believed to be up, no hint counts.
	b = newSolo(t, 0, everywhere(t))
	out = b.request(q)
	assert.Len(t, out.Persist, 1)
	assert.Len(t, b.durable(out.Persist[0].ID).Replies, 1, "its own copy does")

	for _, pairs := range [][]string{{"hints", "off"}, {"data-type", "counter"}} {
		given := map[string]string{"write-level": "any", pairs[0]: pairs[1]}
		_, err := ParseSettings(fiveNames, given)
		require.ErrorContains(t, err, "write-level=any: level any")
	}
	r := newSolo(t, 0, everywhere(t, "hints", "off")).request(q).Replies
	require.Len(t, r, 1)
	assert.Equal(t, CodeBadRequest, r[0].Code)
}
