package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The bodies of anti-entropy survive their encoding, share no memory with it,
// and every way to cut them short is an error.
func TestExchangeMessagesRoundTrip(t *testing.T) {
	hash := rapid.Uint64()
	key := rapid.StringN(0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		name := rangeName{ring: hash.Draw(t, "ring")}
		for range rapid.IntRange(1, 4).Draw(t, "members") {
			name.members = append(name.members, NodeID(rapid.Uint8().Draw(t, "member")))
		}
		tree := &treeQuestion{rangeName: name}
		answer := &treeAnswer{known: rapid.Bool().Draw(t, "known")}
		page := &pageQuestion{rangeName: name, leaf: rapid.Uint32().Draw(t, "leaf"), after: key.Draw(t, "after"), until: key.Draw(t, "until")}
		pageAnswer := &pageAnswer{known: rapid.Bool().Draw(t, "known"), until: key.Draw(t, "until")}
		for range rapid.IntRange(1, 4).Draw(t, "items") {
			tree.nodes = append(tree.nodes, treeNode{rapid.Uint32().Draw(t, "node"), hash.Draw(t, "hash")})
			answer.nodes = append(answer.nodes, rapid.Uint32().Draw(t, "node"))
			page.keys = append(page.keys, keyHash{key.Draw(t, "key"), hash.Draw(t, "hash")})
			pageAnswer.keys = append(pageAnswer.keys, keyState{key.Draw(t, "key"), hash.Draw(t, "hash"), drawVersion(t, "version"), rapid.Bool().Draw(t, "object")})
		}
		for kind, body := range map[MessageKind]Body{MessageTree: tree, MessageTreeAnswer: answer, MessageRange: page, MessageRangeAnswer: pageAnswer} {
			m := Message{Kind: kind, From: 1, To: 2, Request: 3, Body: body}
			b := AppendMessage(nil, &m)
			got, err := DecodeMessage(b)
			require.NoError(t, err)
			for cut := range len(b) {
				_, err := DecodeMessage(b[:cut])
				require.ErrorIs(t, err, ErrMessage)
			}
			clear(b)
			require.Equal(t, m, got)
		}
	})
}

// The fullest page of the longest keys fits into a message.
func TestGreatestPageFits(t *testing.T) {
	k := &keyRange{tree: hashTree{depth: 1}}
	k.leaves = make([][]*rangeEntry, 2)
	for i := range 200 {
		long := make([]byte, MaxKeyBytes)
		long[0] = byte(i)
		k.leaves[0] = append(k.leaves[0], &rangeEntry{slot: &slot{key: string(long)}, hash: 1})
	}
	entries, more := k.page(2, "", "")
	require.True(t, more)
	require.NotEmpty(t, entries)
	q := &pageQuestion{}
	for _, e := range entries {
		q.keys = append(q.keys, keyHash{e.slot.key, e.hash})
	}
	require.LessOrEqual(t, len(AppendMessage(nil, &Message{Kind: MessageRange, Body: q})), 2*maxPageBytes)
}

// Whatever another node sends, a node answers or ignores it.
func TestMalformedExchanges(t *testing.T) {
	s := everywhere(t, "anti-entropy", "demand")
	for _, anti := range []*Settings{s, everywhere(t)} {
		b := newSolo(t, 0, anti, encodeRecord(&record{kind: recordCell, key: "k", cell: cell(1, "v")}))
		name := rangeName{members: []NodeID{0, 1, 2}, ring: b.node.ring.fingerprint()}
		for _, m := range []Message{
			{Kind: MessageTree}, {Kind: MessageTreeAnswer}, {Kind: MessageRange}, {Kind: MessageRangeAnswer}, {Kind: MessageRepair}, {Kind: MessageRepaired}, {Kind: MessagePurge},
			{Kind: MessageTree, Body: &treeQuestion{rangeName: name, nodes: []treeNode{{0, 1}, {1 << 31, 1}, {4294967295, 0}}}},
			{Kind: MessageTree, Body: &treeQuestion{rangeName: rangeName{members: []NodeID{7, 7, 255}}, nodes: []treeNode{{1, 1}}}},
			{Kind: MessageTreeAnswer, Body: &treeAnswer{known: true, nodes: []uint32{0, 4294967295}}},
			{Kind: MessageRange, Body: &pageQuestion{rangeName: name, leaf: 1}},
			{Kind: MessageRange, Body: &pageQuestion{rangeName: name, leaf: 4294967295}},
			{Kind: MessageRange, Body: &pageQuestion{rangeName: name, leaf: 1024, after: "z", until: "a", keys: []keyHash{{"z", 1}, {"a", 1}}}},
			{Kind: MessageRangeAnswer, Body: &pageAnswer{known: true, until: "k"}},
			{Kind: MessageRepaired, Key: "new", Cell: cell(1, "v")},
		} {
			m.From, m.To = 1, 0
			b.message(m)
		}
		// The same in the middle of an exchange, as answers to what was asked.
		for _, a := range []Body{&treeAnswer{known: true, nodes: []uint32{0, 9, 4294967295}}, &treeAnswer{}, &pageAnswer{known: true}} {
			out := b.step(Event{Kind: EventAdmin, Admin: &Admin{ID: 1, Kind: AdminRepair}})
			for _, q := range out.Messages {
				kind := MessageTreeAnswer
				if _, page := a.(*pageAnswer); page {
					kind = MessageRangeAnswer
				}
				b.message(Message{Kind: kind, From: q.To, To: 0, Request: q.Request, Body: a})
				break
			}
		}
	}
}
