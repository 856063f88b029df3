package core

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawVersion(t *rapid.T, label string) Version {
	return Version{
		Time:        rapid.OneOf(rapid.Int64Range(0, 2), rapid.Int64()).Draw(t, label+" time"),
		Node:        NodeID(rapid.OneOf(rapid.Uint8Range(0, 2), rapid.Uint8()).Draw(t, label+" node")),
		Incarnation: rapid.OneOf(rapid.Uint32Range(0, 2), rapid.Uint32()).Draw(t, label+" incarnation"),
		Sequence:    rapid.OneOf(rapid.Uint32Range(0, 2), rapid.Uint32()).Draw(t, label+" sequence"),
	}
}

func drawCell(t *rapid.T, label string) Cell {
	c := Cell{Version: drawVersion(t, label), Tombstone: rapid.Bool().Draw(t, label+" tombstone")}
	if v := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, label+" value"); len(v) > 0 {
		c.Value = v
	}
	return c
}

func TestCellOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawCell(t, "a"), drawCell(t, "b"), drawCell(t, "c")
		require.Equal(t, a.Compare(&b), -b.Compare(&a))
		require.Zero(t, a.Compare(&a))
		if a.Compare(&b) == 0 {
			require.Equal(t, a, b)
		}
		if a.Compare(&b) <= 0 && b.Compare(&c) <= 0 {
			require.LessOrEqual(t, a.Compare(&c), 0)
		}
		require.Equal(t, a.Version.Compare(b.Version) == 0, a.Version == b.Version)
	})
}

func TestVersionOrder(t *testing.T) {
	ascending := []Cell{
		{},
		{Version: Version{Time: 1}},
		{Version: Version{Time: 1, Sequence: 9}},
		{Version: Version{Time: 1, Incarnation: 1}},
		{Version: Version{Time: 1, Node: 1}},
		{Version: Version{Time: 2}},
		{Version: Version{Time: 2}, Value: []byte("a")},
		{Version: Version{Time: 2}, Value: []byte("b")},
		{Version: Version{Time: 2}, Tombstone: true},
	}
	for i := range ascending {
		for j := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			assert.Equal(t, want, ascending[i].Compare(&ascending[j]), "%v and %v", ascending[i], ascending[j])
		}
	}
	assert.Equal(t, "", Version{}.String())
	assert.Equal(t, "12@3:4:5", Version{12, 3, 4, 5}.String())
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Message{
			Kind: MessageKind(rapid.Uint8Range(1, uint8(lastMessageKind)).Draw(t, "kind")),
			From: NodeID(rapid.Uint8().Draw(t, "from")), To: NodeID(rapid.Uint8().Draw(t, "to")),
			Request: rapid.Uint64().Draw(t, "request"), Key: rapid.StringN(0, 20, -1).Draw(t, "key"), Cell: drawCell(t, "cell"),
			StandsIn: rapid.Bool().Draw(t, "stands in"),
		}
		if m.StandsIn {
			m.HintFor = NodeID(rapid.Uint8().Draw(t, "hint for"))
		}
		b := AppendMessage([]byte("before"), &m)
		require.Equal(t, "before", string(b[:6]))
		got, err := DecodeMessage(b[6:])
		require.NoError(t, err)
		require.Equal(t, m, got)
		for cut := range len(b) - 6 {
			_, err := DecodeMessage(b[6 : 6+cut])
			require.ErrorIs(t, err, ErrMessage)
		}
		_, err = DecodeMessage(append(b[6:], 0))
		require.ErrorIs(t, err, ErrMessage)
		clear(b)
		require.Equal(t, m, got, "it shares memory with its encoding")
	})
}

func TestGreatestMessageFits(t *testing.T) {
	m := Message{
		Kind: MessageWrite, From: 255, To: 255, Request: math.MaxUint64, Key: string(make([]byte, MaxKeyBytes)), StandsIn: true, HintFor: 255,
		Cell: Cell{Version: Version{math.MinInt64, 255, math.MaxUint32, math.MaxUint32}, Value: make([]byte, MaxValueBytes), Tombstone: true},
	}
	b := AppendMessage(nil, &m)
	assert.LessOrEqual(t, len(b), MaxMessageBytes)
	got, err := DecodeMessage(b)
	require.NoError(t, err)
	assert.Equal(t, m, got)
	m.Key += "x"
	_, err = DecodeMessage(AppendMessage(nil, &m))
	assert.ErrorIs(t, err, ErrMessage)
}

// decodeRecord decodes a record into memory of its own.
func decodeRecord(b []byte) (record, error) {
	r, key, err := parseRecord(b)
	r.key, r.cell.Value = string(key), bytes.Clone(r.cell.Value)
	return r, err
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := record{
			kind: recordKind(rapid.Uint8Range(1, uint8(lastRecordKind)).Draw(t, "kind")), home: NodeID(rapid.Uint8().Draw(t, "home")),
			key: rapid.StringN(0, 20, -1).Draw(t, "key"), cell: drawCell(t, "cell"),
		}
		got, err := decodeRecord(encodeRecord(&r))
		require.NoError(t, err)
		require.Equal(t, r, got)
	})
}

func TestOtherFormatsAreRefused(t *testing.T) {
	b := AppendMessage(nil, &Message{Kind: MessageHeartbeat})
	b[0]++
	_, err := DecodeMessage(b)
	require.ErrorIs(t, err, ErrMessage)
	assert.Contains(t, err.Error(), "format 2")
	r := encodeRecord(&record{kind: recordCell, key: "k"})
	r[0]++
	_, err = decodeRecord(r)
	require.ErrorIs(t, err, ErrRecord)
	assert.Contains(t, err.Error(), "format 2")
}

func FuzzDecodeMessage(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendMessage(nil, &Message{Kind: MessageHeartbeat, From: 1, To: 2}))
	f.Add(AppendMessage(nil, &Message{Kind: MessageWrite, Key: "k", Cell: cell(1, "v"), StandsIn: true, HintFor: 3}))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, &m))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// Whatever arrives, a node goes on.
func FuzzStep(f *testing.F) {
	f.Add([]byte{1}, true)
	f.Add(AppendMessage(nil, &Message{Kind: MessageWrite, From: 1, Key: "k", Cell: cell(1, "v"), StandsIn: true, HintFor: 2}), true)
	f.Fuzz(func(t *testing.T, b []byte, sloppy bool) {
		s := settingsOf(t, 5)
		s.Sloppy = sloppy
		n := newSolo(t, 0, s)
		m, err := DecodeMessage(b)
		if err != nil {
			return
		}
		n.request(Request{Kind: RequestPut, Key: m.Key, Value: m.Cell.Value})
		out := n.message(m)
		for _, p := range append([]Persist(nil), out.Persist...) {
			n.durable(p.ID)
			_, err := decodeRecord(p.Record)
			require.NoError(t, err)
		}
		n.node.Digest()
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeRecord(&record{kind: recordHint, key: "k", home: 2, cell: cell(1, "v")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := decodeRecord(encodeRecord(&r))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
