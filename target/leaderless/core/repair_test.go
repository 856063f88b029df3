package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answer sends what node 0 asked of the sender in its last read.
func (b *solo) answer(request uint64, from NodeID, c Cell) *Effects {
	return b.message(Message{Kind: MessageReadAnswer, From: from, To: 0, Request: request, Key: "k", Cell: c})
}

func (b *solo) read() uint64 {
	return b.request(Request{ID: 1, Kind: RequestGet, Key: "k"}).Messages[0].Request
}

func (b *solo) acknowledge(request uint64, from NodeID, v Version) *Effects {
	return b.message(Message{Kind: MessageWritten, From: from, To: 0, Request: request, Key: "k", Cell: Cell{Version: v}})
}

func fiveNodes(t testing.TB, pairs ...string) *Settings {
	return settingsOf(t, 5, append([]string{"n", "5", "w", "3", "r", "3"}, pairs...)...)
}

// DDIA Fig. 9-6: one replica has the new value. ABD must not return it before w have.
func TestABDWritesBack(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "abd"))
	request := b.read()
	require.Empty(t, b.answer(request, 1, cell(7, "new")).Replies)
	out := b.answer(request, 2, Cell{})
	require.Empty(t, out.Replies, "r have answered, but one of them alone holds the value")
	assert.ElementsMatch(t, []string{"write→2", "write→3", "write→4"}, kinds(out), "not to the one that has it")
	require.Len(t, out.Persist, 1, "its own replica is written to, too")
	own := out.Persist[0].ID
	assert.Equal(t, cell(7, "new"), out.Messages[0].Cell, "with the version that was read")
	require.Empty(t, b.acknowledge(request, 4, version(7)).Replies, "two hold it")
	replies := b.durable(own).Replies
	require.Len(t, replies, 1)
	assert.Equal(t, "new", string(replies[0].Cell.Value))
	assert.Equal(t, []string{"read", "write-back"}, replies[0].Evidence.Phases)
	for _, e := range replies[0].Evidence.Replicas {
		assert.Equal(t, e.Node == 0 || e.Node == 4, e.Repaired, "node %d", e.Node)
		assert.Equal(t, e.Node <= 2, e.Answered, "node %d", e.Node)
		assert.Equal(t, e.Node <= 2, e.Counted, "node %d", e.Node)
	}
	assert.True(t, b.node.Pending().Quiet())
}

func TestABDTakesOneRoundWhenReplicasAgree(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "abd"), encodeRecord(&record{kind: recordCell, key: "k", cell: cell(7, "v")}))
	request := b.read()
	require.Empty(t, b.answer(request, 1, cell(7, "v")).Replies)
	out := b.answer(request, 2, cell(7, "v"))
	require.Len(t, out.Replies, 1)
	assert.Empty(t, out.Messages)
	assert.Equal(t, []string{"read"}, out.Replies[0].Evidence.Phases)
}

func TestABDReturnsNothingWithoutAWriteBack(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "abd"))
	first := b.request(Request{ID: 1, Kind: RequestGet, Key: "k"})
	request, timers := first.Messages[0].Request, append([]Timer(nil), first.Timers...)
	b.answer(request, 1, cell(7, "new"))
	b.answer(request, 2, Cell{})
	out := b.timeout(&Effects{Timers: timers})
	require.Len(t, out.Replies, 1)
	assert.Equal(t, StatusDefinite, out.Replies[0].Status)
	assert.False(t, out.Replies[0].Found)
	assert.Equal(t, Cell{}, out.Replies[0].Cell, "the value must not leak")
}

// A late answer with the value is as good as an acknowledgement of the write-back.
func TestABDCountsLateAnswers(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "abd"))
	request := b.read()
	b.answer(request, 1, cell(7, "new"))
	b.answer(request, 2, Cell{})
	require.Empty(t, b.answer(request, 3, cell(6, "older")).Replies)
	require.Empty(t, b.answer(request, 4, cell(9, "newer")).Replies)
	replies := b.acknowledge(request, 2, version(7)).Replies
	require.Len(t, replies, 1)
	assert.Equal(t, "new", string(replies[0].Cell.Value), "the result was fixed by the first r answers")
}

func TestBlockingRepairsThoseThatCounted(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "blocking"))
	request := b.read()
	b.answer(request, 1, cell(7, "new"))
	out := b.answer(request, 2, cell(6, "old"))
	require.Empty(t, out.Replies)
	assert.Equal(t, []string{"write→2"}, kinds(out))
	require.Len(t, out.Persist, 1)
	own := out.Persist[0].ID
	require.Empty(t, b.durable(own).Replies)
	replies := b.acknowledge(request, 2, version(7)).Replies
	require.Len(t, replies, 1)
	assert.Equal(t, []string{"read", "repair"}, replies[0].Evidence.Phases)
}

func TestAsyncRepairsAfterTheReply(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "async"))
	request := b.read()
	b.answer(request, 1, cell(7, "seven"))
	out := b.answer(request, 2, cell(6, "six"))
	require.Len(t, out.Replies, 1)
	assert.Equal(t, "seven", string(out.Replies[0].Cell.Value))
	assert.Empty(t, out.Messages, "others may have newer")
	assert.Equal(t, 1, b.node.Pending().Repairs)
	assert.Zero(t, b.node.Pending().Requests)
	b.answer(request, 3, cell(8, "eight"))
	out = b.answer(request, 4, cell(8, "eight"))
	assert.ElementsMatch(t, []string{"write→1", "write→2"}, kinds(out), "the late answer is the newest")
	assert.Equal(t, "eight", string(out.Messages[0].Cell.Value))
	require.Len(t, out.Persist, 1)
	own := out.Persist[0].ID
	b.acknowledge(request, 1, version(8))
	b.acknowledge(request, 2, version(8))
	assert.Equal(t, 1, b.node.Pending().Repairs)
	b.durable(own)
	assert.True(t, b.node.Pending().Quiet())
}

func TestAsyncRepairDoesNotWaitForTheDead(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "async"))
	first := b.request(Request{ID: 1, Kind: RequestGet, Key: "k"})
	request, timers := first.Messages[0].Request, append([]Timer(nil), first.Timers...)
	b.answer(request, 1, cell(7, "seven"))
	b.answer(request, 2, cell(6, "six"))
	out := b.timeout(&Effects{Timers: timers})
	assert.Equal(t, []string{"write→2"}, kinds(out))
	b.timeout(&Effects{Timers: out.Timers})
	assert.Zero(t, b.node.Pending().Repairs, "nobody acknowledged: given up")
}

func TestRepairOffDoesNothing(t *testing.T) {
	b := newSolo(t, 0, fiveNodes(t, "repair", "off"))
	request := b.read()
	b.answer(request, 1, cell(7, "seven"))
	out := b.answer(request, 2, cell(6, "six"))
	require.Len(t, out.Replies, 1)
	assert.Empty(t, out.Messages)
	assert.True(t, b.node.Pending().Quiet())
}
