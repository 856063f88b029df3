package core

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A table is a map whose keys it chooses: each greater than all before it.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table table[int]
		model := make(map[uint64]*int)
		var numbers []uint64 // of the model
		last := uint64(0)
		most := rapid.IntRange(1, 20).Draw(t, "most")
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			switch k := rapid.IntRange(0, 9).Draw(t, "step"); {
			case k < 5 && len(model) < most:
				item := new(int)
				number := table.add(item)
				require.Greater(t, number, last)
				last = number
				model[number] = item
				numbers = append(numbers, number)
			case k < 6:
				number := table.skip()
				require.Greater(t, number, last)
				last = number
			case len(numbers) > 0:
				i := rapid.IntRange(0, len(numbers)-1).Draw(t, "which")
				table.remove(numbers[i])
				delete(model, numbers[i])
				numbers = slices.Delete(numbers, i, i+1)
			}
			require.Equal(t, len(model), table.taken)
		}
		for number := range last + 20 {
			require.Same(t, model[number], table.find(number), "number %d", number)
		}
	})
}

// requestTimers lists the request timers of a step.
func requestTimers(out *Effects) (after []int64) {
	for _, timer := range out.Timers {
		if timer.ID == timerRequest {
			after = append(after, timer.After)
		}
	}
	return after
}

// One timer serves all operations, and each still ends exactly when its own time is over.
func TestOperationsShareATimer(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	start := b.now.Mono
	fire := func(at int64) *Effects {
		b.now.Mono = start + at
		return b.step(Event{Kind: EventTimer, ID: timerRequest})
	}
	assert.Equal(t, []int64{80e6}, requestTimers(b.request(Request{ID: 1, Kind: RequestGet, Key: "k"})))
	b.now.Mono = start + 10e6
	out := b.request(Request{ID: 2, Kind: RequestGet, Key: "k"})
	assert.Empty(t, requestTimers(out))
	second := out.Messages[0].Request
	b.now.Mono = start + 30e6
	assert.Empty(t, requestTimers(b.request(Request{ID: 3, Kind: RequestGet, Key: "k"})))

	out = fire(79e6)
	assert.Empty(t, out.Replies, "too early: nobody set such a timer")
	assert.Empty(t, out.Timers)
	// The second one succeeds; it has to wait for its last replica, or time.
	out = b.message(Message{Kind: MessageReadAnswer, From: 1, To: 0, Request: second, Key: "k"})
	require.Len(t, out.Replies, 1)
	b.message(Message{Kind: MessageReadAnswer, From: 2, To: 0, Request: second, Key: "k"})

	out = fire(80e6)
	require.Len(t, out.Replies, 1)
	assert.Equal(t, uint64(1), out.Replies[0].ID)
	assert.Equal(t, CodeTimeout, out.Replies[0].Code)
	assert.Equal(t, []int64{30e6}, requestTimers(out), "the second one is over: the third is next")
	assert.Empty(t, fire(90e6).Replies)
	out = fire(110e6)
	require.Len(t, out.Replies, 1)
	assert.Equal(t, uint64(3), out.Replies[0].ID)
	assert.Empty(t, requestTimers(out))
	assert.Empty(t, fire(200e6).Timers)
	assert.Equal(t, []int64{80e6}, requestTimers(b.request(Request{ID: 4, Kind: RequestGet, Key: "k"})))
}

// Of many operations that succeed at once hardly any costs the driver a timer
// or the node memory.
func TestOperationsThatAreOverCostNoTimers(t *testing.T) {
	b := newSolo(t, 0, settingsOf(t, 1, "n", "1", "w", "1", "r", "1"))
	timers := 0
	due := int64(0)
	for i := range 10_000 {
		b.now.Mono += 1e5
		out := b.request(Request{ID: uint64(i + 1), Kind: RequestGet, Key: "k"})
		require.Len(t, out.Replies, 1)
		for _, after := range requestTimers(out) {
			require.Less(t, due, b.now.Mono, "a second timer")
			timers, due = timers+1, b.now.Mono+after
		}
		if due != 0 && b.now.Mono >= due {
			b.step(Event{Kind: EventTimer, ID: timerRequest})
		}
	}
	assert.Equal(t, 13, timers, "a second of operations, 80 ms each")
	assert.LessOrEqual(t, cap(b.node.coordinator.requests.queue), 8)
}

// Evidence is for the driver alone: with it or without it, a node does the same.
func TestOmittedEvidenceChangesNothingElse(t *testing.T) {
	run := func(omit bool) (uint64, []Reply) {
		b := newSolo(t, 0, everywhere(t, "repair", "abd"))
		b.node.OmitEvidence(omit)
		var replies []Reply
		step := func(out *Effects) *Effects {
			replies = append(replies, out.Replies...)
			return out
		}
		out := step(b.request(Request{ID: 1, Kind: RequestPut, Key: "k", Value: []byte("v")}))
		out = step(b.message(Message{Kind: MessageFetched, From: 1, To: 0, Request: out.Messages[0].Request, Key: "k"}))
		written := Message{Kind: MessageWritten, From: 1, To: 0, Request: out.Messages[0].Request, Key: "k", Cell: Cell{Version: out.Messages[0].Cell.Version}}
		step(b.durable(out.Persist[0].ID))
		step(b.message(written))
		step(b.request(Request{ID: 2, Kind: RequestGet, Key: "k", R: 9}))
		step(b.request(Request{ID: 3, Kind: RequestGet, Key: "k"}))
		b.now.Mono += 80e6
		step(b.step(Event{Kind: EventTimer, ID: timerRequest}))
		return b.node.Digest(), replies
	}
	digest, with := run(false)
	otherDigest, without := run(true)
	assert.Equal(t, digest, otherDigest)
	require.Len(t, with, 3)
	for i := range with {
		assert.NotZero(t, with[i].Evidence)
		with[i].Evidence = Evidence{}
	}
	assert.Equal(t, with, without)
}
