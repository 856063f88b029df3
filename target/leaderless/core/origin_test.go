package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every message that a request causes, on either side, tells the request's
// ID, and what no request causes tells none.
func TestOriginIsTheRequest(t *testing.T) {
	for _, pairs := range [][]string{{"repair", "abd"}, {"repair", "async"}, {"repair", "blocking"}, {"sloppy", "on"}} {
		w := newWorld(t, 1, settingsOf(t, 5, pairs...))
		seen := make(map[uint64]map[MessageKind]bool)
		w.onMessage = func(m *Message) {
			if seen[m.Origin] == nil {
				seen[m.Origin] = make(map[MessageKind]bool)
			}
			seen[m.Origin][m.Kind] = true
		}
		w.onReply = func(NodeID, *Reply) {}
		home := w.nodes[0].node.Ring().PreferenceList("k", 3)
		w.crash(int(home[0]))
		w.run(1e9, nil)
		w.push(0, occurrence{what: happensRequest, host: int(home[1]), request: &Request{ID: 7, Kind: RequestPut, Key: "k", Value: []byte("v")}})
		w.run(1e9, nil)
		w.boot(int(home[0])) // its hint is delivered
		w.run(1e9, nil)
		w.push(0, occurrence{what: happensRequest, host: int(home[2]), request: &Request{ID: 8, Kind: RequestGet, Key: "k"}})
		w.run(1e9, nil)
		assert.Contains(t, seen[7], MessageWrite, "%v", pairs)
		assert.Contains(t, seen[7], MessageWritten, "%v", pairs)
		assert.Contains(t, seen[8], MessageRead, "%v", pairs)
		assert.Contains(t, seen[8], MessageReadAnswer, "%v", pairs)
		delete(seen, 7)
		delete(seen, 8)
		assert.Equal(t, map[uint64]map[MessageKind]bool{0: {MessageHeartbeat: true, MessageHandoff: true, MessageHandedOff: true}}, seen, "%v", pairs)
	}
}

// An acknowledgement that had to wait for the disk still tells its origin, and the wire never does.
func TestOriginOfALateAcknowledgement(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	write := Message{Kind: MessageWrite, From: 1, To: 0, Origin: 9, Request: 5, Key: "k", Cell: cell(1, "v")}
	id := b.message(write).Persist[0].ID
	out := b.durable(id)
	require.Len(t, out.Messages, 1)
	assert.Equal(t, uint64(9), out.Messages[0].Origin)
	received, err := DecodeMessage(AppendMessage(nil, &write))
	require.NoError(t, err)
	assert.Zero(t, received.Origin)
}
