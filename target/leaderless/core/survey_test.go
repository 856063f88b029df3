package core

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (b *solo) survey(key string) *Effects {
	return b.step(Event{Kind: EventAdmin, Admin: &Admin{ID: 7, Kind: AdminVersions, Key: key}})
}

func TestASurveyAsksEveryNodeAndChangesNothing(t *testing.T) {
	b := newSolo(t, 0, settingsOf(t, 4, "n", "3", "repair", "blocking"), encodeRecord(&record{kind: recordCell, key: "k", cell: cell(2, "here")}))
	before := b.node.Digest()
	out := b.survey("k")
	require.Equal(t, []string{"read→1", "read→2", "read→3"}, slices.Sorted(slices.Values(kinds(out))))
	request := out.Messages[0].Request
	answer := func(from NodeID, request uint64, c Cell) *Effects {
		return b.message(Message{Kind: MessageReadAnswer, From: from, To: 0, Request: request, Key: "k", Cell: c})
	}
	assert.Empty(t, answer(1, request, cell(3, "newer")).Replies)
	assert.Empty(t, answer(1, request, cell(9, "a duplicate does not count")).Replies)
	assert.Empty(t, answer(2, request+1, cell(9, "of another survey")).Replies)
	assert.Empty(t, answer(2, request, Cell{}).Replies)
	out = answer(3, request, cell(1, "left behind"))
	require.Len(t, out.Replies, 1)
	assert.Empty(t, out.Messages, "nothing is repaired")
	r := out.Replies[0]
	assert.Equal(t, uint64(7), r.ID)
	assert.Equal(t, StatusOK, r.Status)
	homes := 0
	values := map[NodeID]string{}
	require.Len(t, r.Survey, 4)
	for i, h := range r.Survey {
		assert.True(t, h.Answered)
		assert.Equal(t, b.node.Ring().Order("k")[i], h.Node)
		values[h.Node] = string(h.Cell.Value)
		if h.Home {
			homes++
		}
	}
	assert.Equal(t, map[NodeID]string{0: "here", 1: "newer", 2: "", 3: "left behind"}, values)
	assert.Equal(t, 3, homes)
	assert.Equal(t, before, b.node.Digest())
	assert.Empty(t, answer(3, request, Cell{}).Replies, "it is over")
}

func TestASurveyEndsInTime(t *testing.T) {
	b := newSolo(t, 0, settingsOf(t, 3))
	out := b.survey("k")
	timer := out.Timers[len(out.Timers)-1]
	require.Equal(t, uint64(timerSurvey), timer.ID)
	assert.Equal(t, b.node.settings.RequestTimeout, timer.After)
	b.now.Mono += timer.After - 10
	later := b.survey("k")
	require.Empty(t, later.Timers, "one timer serves all")
	b.now.Mono += 10
	out = b.step(Event{Kind: EventTimer, ID: timerSurvey})
	require.Len(t, out.Replies, 1)
	answered := 0
	for _, h := range out.Replies[0].Survey {
		if h.Answered {
			answered++
		}
	}
	assert.Equal(t, 1, answered, "itself")
	require.Len(t, out.Timers, 1, "for the second one")
	b.now.Mono += out.Timers[0].After
	assert.Len(t, b.step(Event{Kind: EventTimer, ID: timerSurvey}).Replies, 1)
	assert.Empty(t, b.step(Event{Kind: EventTimer, ID: timerSurvey}).Replies)

	for range maxSurveys {
		b.survey("k")
	}
	out = b.survey("k")
	require.Len(t, out.Replies, 1)
	assert.Equal(t, StatusDefinite, out.Replies[0].Status)
	assert.Contains(t, out.Replies[0].Message, "under way already")
	assert.Contains(t, b.survey("").Replies[0].Message, "a key of 0 bytes")
}
