package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func (b *solo) gauges() Gauges { return b.node.Gauges(b.now) }

func TestGaugesTellOfDivergentReads(t *testing.T) {
	for _, mode := range []string{"off", "async", "blocking"} {
		b := newSolo(t, 0, fiveNodes(t, "repair", mode))
		request := b.read()
		b.answer(request, 1, cell(5_000_000, "new"))
		b.answer(request, 2, cell(1_000_000, "old"))
		g := b.gauges()
		assert.Equal(t, uint64(1), g.Reads, mode)
		assert.Equal(t, uint64(1), g.DivergentReads, mode)
		assert.Equal(t, uint64(1), g.Lag.Count, "%s: the replica that has nothing has no version to measure by", mode)
		assert.Equal(t, int64(4_000_000), g.Lag.Sum, mode)
		assert.Equal(t, uint64(1), g.Lag.Parts[2], "%s: more than 3 ms, at most 10 ms", mode)
		b.answer(request, 3, cell(2_000_000, "late"))
		b.answer(request, 4, cell(5_000_000, "new"))
		g = b.gauges()
		switch mode {
		case "off":
			assert.Zero(t, g.ReadRepairs)
			assert.Equal(t, uint64(1), g.Lag.Count, "late answers are not waited for")
		case "async":
			assert.Equal(t, uint64(3), g.ReadRepairs)
			assert.Equal(t, int64(7_000_000), g.Lag.Sum, "and the late one was 3 ms behind")
		case "blocking":
			assert.Equal(t, uint64(2), g.ReadRepairs, "of those that counted alone")
		}
		request = b.read()
		b.answer(request, 1, Cell{})
		b.answer(request, 2, Cell{})
		assert.Equal(t, uint64(2), b.gauges().Reads, mode)
		assert.Equal(t, uint64(1), b.gauges().DivergentReads, "%s: a key that nobody has is the same everywhere", mode)
	}
}

func TestGaugesTellOfHints(t *testing.T) {
	b := newSolo(t, 0, settingsOf(t, 3, "n", "3", "w", "1", "hint-limit", "2"))
	for _, key := range []string{"a", "b", "c"} {
		out := b.request(Request{ID: 1, Kind: RequestPut, Key: key, Value: []byte("v")})
		sent, own := out.Messages[0], out.Persist[0].ID
		b.durable(own)
		b.message(Message{Kind: MessageWritten, From: 1, To: 0, Request: sent.Request, Key: key, Cell: Cell{Version: sent.Cell.Version}})
	}
	b.now.Mono += 2e9
	b.step(Event{Kind: EventTimer, ID: timerRequest})
	b.now.Mono += 3e9
	b.now.Wall += 5e9
	g := b.gauges()
	assert.Equal(t, uint64(2), g.HintsKept)
	assert.Equal(t, uint64(1), g.Pending.HintsDropped)
	assert.Equal(t, []int{0, 0, 2}, g.HintsFor)
	assert.Equal(t, []int64{0, 0, 3e9}, g.LackingFor)
	assert.Equal(t, []int64{0, 0, 5e9}, g.HintAge)
	assert.Equal(t, 3, g.Keys)
	for _, h := range b.node.Hints() {
		b.message(Message{Kind: MessageHandedOff, From: 2, To: 0, Key: h.Key, Cell: Cell{Version: h.Version}})
	}
	g = b.gauges()
	assert.Equal(t, uint64(2), g.HintsDelivered)
	assert.Equal(t, []int64{0, 0, 0}, g.LackingFor)
	assert.Equal(t, uint64(1), g.Convergence.Count, "it converged once, with the last of them")
	assert.Equal(t, int64(3e9), g.Convergence.Sum)
	b.message(Message{Kind: MessageHandoff, From: 2, To: 0, Key: "d", Cell: cell(9, "handed over")})
	assert.Equal(t, uint64(1), b.gauges().HandoffsReceived)
}

func TestGaugesCountKeysAndTombstones(t *testing.T) {
	deleted := cell(3, "")
	deleted.Value, deleted.Tombstone = nil, true
	b := newSolo(t, 0, everywhere(t), encodeRecord(&record{kind: recordCell, key: "a", cell: cell(1, "v")}),
		encodeRecord(&record{kind: recordCell, key: "b", cell: deleted}))
	b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "in memory only", Cell: cell(4, "v")})
	g := b.gauges()
	assert.Equal(t, 2, g.Keys)
	assert.Equal(t, 1, g.Tombstones)
	assert.Equal(t, 1, g.Pending.Writes)
}
