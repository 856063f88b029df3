package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roundTrips asks for the key and returns, by node, the round trips that the
// reply tells, and how long the request took. Node 1 answers after one
// millisecond; the messages to the others are returned.
func (b *solo) roundTrips() (trips [3]int64, took int64, toTwo Message) {
	out := b.request(Request{ID: 1, Kind: RequestGet, Key: "k"})
	require.Equal(b.t, []string{"read→1", "read→2"}, kinds(out))
	toOne, toTwo := out.Messages[0], out.Messages[1]
	b.now.Mono += 1e6
	out = b.nothing(&toOne)
	require.Len(b.t, out.Replies, 1)
	e := &out.Replies[0].Evidence
	for _, r := range e.Replicas {
		trips[r.Node] = r.RoundTrip
	}
	return trips, e.Took, toTwo
}

// nothing answers a read with nothing found.
func (b *solo) nothing(m *Message) *Effects {
	return b.message(Message{Kind: MessageReadAnswer, From: m.To, To: m.From, Request: m.Request, Key: m.Key})
}

// TestEvidenceTellsTheRoundTripsOfEarlierRequests: of a replica that answered
// after the reply too, when the request was forgotten, and never of the request
// itself, in which only the quick replicas have answered.
func TestEvidenceTellsTheRoundTripsOfEarlierRequests(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "w", "2", "r", "2", "repair", "off", "fetch", "off", "hints", "off"))
	trips, took, late := b.roundTrips()
	assert.Equal(t, [3]int64{}, trips, "there was no earlier request")
	assert.Equal(t, int64(1e6), took)

	b.now.Mono += 6e6
	b.nothing(&late)
	b.now.Mono += 1e6
	b.nothing(&late) // a duplicate
	trips, _, late = b.roundTrips()
	assert.Equal(t, [3]int64{1, 1e6, 7e6}, trips, "its own copy is asked at once")

	trips, _, _ = b.roundTrips()
	assert.Equal(t, [3]int64{1, 1e6, 7e6}, trips, "node 2 has not answered the second request yet")
	b.now.Mono += 1e6
	b.nothing(&late)
	trips, _, _ = b.roundTrips()
	assert.Equal(t, [3]int64{1, 1e6, 3e6}, trips)

	// Reads say nothing of writes, not even one that is acknowledged in a read's repair.
	pending := b.request(Request{ID: 3, Kind: RequestGet, Key: "k"}).Messages[1]
	b.message(Message{Kind: MessageWritten, From: 2, To: 0, Request: pending.Request, Key: "k"})
	out := b.request(Request{ID: 2, Kind: RequestPut, Key: "k", Value: []byte("v")})
	require.Len(t, out.Persist, 1)
	version, number := out.Messages[0].Cell.Version, out.Messages[0].Request
	b.now.Mono += 2e6
	b.durable(out.Persist[0].ID)
	out = b.message(Message{Kind: MessageWritten, From: 2, To: 0, Request: number, Key: "k", Cell: Cell{Version: version}})
	require.Len(t, out.Replies, 1)
	for _, r := range out.Replies[0].Evidence.Replicas {
		assert.Zero(t, r.RoundTrip)
	}
	trips, _, _ = b.roundTrips()
	assert.Equal(t, [3]int64{1, 1e6, 3e6}, trips)
	assert.Equal(t, int64(2e6), b.node.coordinator.trips.written[2].last)
}

func TestRoundTripsCostNothingWithoutEvidence(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "repair", "off", "fetch", "off"))
	b.node.OmitEvidence(true)
	with := newSolo(t, 0, everywhere(t, "repair", "off", "fetch", "off"))
	for _, x := range []*solo{b, with} {
		out := x.request(Request{ID: 1, Kind: RequestGet, Key: "k"})
		first := out.Messages[0]
		x.nothing(&first)
	}
	assert.Nil(t, b.node.coordinator.trips.asked)
	assert.NotNil(t, with.node.coordinator.trips.asked)
	assert.Equal(t, with.node.Digest(), b.node.Digest(), "they are no part of the state")
}
