package core

import (
	"strconv"
	"testing"
)

// link runs a cluster without delays: messages are delivered first in, first
// out, records are durable at once. What is left is the cost of the core.
type link struct {
	nodes   []*Node
	now     Now
	queue   []Message
	event   Event
	out     Effects
	durable []struct {
		node int
		id   uint64
	}
	replies int
}

func newLink(b *testing.B, s *Settings) *link {
	l := &link{now: Now{Mono: 1e9, Wall: 1e18}}
	for i := range s.Nodes {
		l.out.Reset()
		n, err := Boot(NodeID(i), s, 1, nil, uint64(i), l.now, &l.out)
		if err != nil {
			b.Fatal(err)
		}
		l.nodes = append(l.nodes, n)
	}
	return l
}

func (l *link) step(node int, e Event) {
	l.out.Reset()
	l.event = e
	l.nodes[node].Step(l.now, &l.event, &l.out)
	l.queue = append(l.queue, l.out.Messages...)
	l.replies += len(l.out.Replies)
	for _, p := range l.out.Persist {
		l.durable = append(l.durable, struct {
			node int
			id   uint64
		}{node, p.ID})
	}
}

// do carries one request out to its very end and returns the number of steps.
func (l *link) do(node int, q *Request) int {
	steps := 1
	l.now.Mono += 1000
	l.now.Wall += 1000
	l.step(node, Event{Kind: EventRequest, Request: q})
	for len(l.queue)+len(l.durable) > 0 {
		for i := 0; i < len(l.queue); i++ {
			m := &l.queue[i]
			l.step(int(m.To), Event{Kind: EventMessage, Message: m})
			steps++
		}
		l.queue = l.queue[:0]
		for i := 0; i < len(l.durable); i++ {
			l.step(l.durable[i].node, Event{Kind: EventDurable, ID: l.durable[i].id})
			steps++
		}
		l.durable = l.durable[:0]
	}
	return steps
}

func BenchmarkOperation(b *testing.B) {
	for _, c := range []struct {
		name     string
		settings *Settings
		kind     RequestKind
	}{
		{"get/n=3,w=2,r=2", settingsOf(b, 5), RequestGet},
		{"put/n=3,w=2,r=2", settingsOf(b, 5), RequestPut},
		{"get/abd,n=5", abd(b), RequestGet},
		{"put/abd,n=5", abd(b), RequestPut},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLink(b, c.settings)
			keys := make([]string, 64)
			for i := range keys {
				keys[i] = "key" + string(rune('A'+i))
				l.do(i%5, &Request{Kind: RequestPut, Key: keys[i], Value: make([]byte, 16)})
			}
			value := make([]byte, 16)
			l.replies = 0
			steps, i := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				steps += l.do(i%5, &Request{ID: uint64(i), Kind: c.kind, Key: keys[i%64], Value: value})
				i++
			}
			if l.replies != i {
				b.Fatalf("%d replies to %d requests", l.replies, i)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
		})
	}
}

// BenchmarkMixed is what a simulation makes of the core: reads and writes, four
// to one, of twenty keys through all of five nodes, by strict quorums.
func BenchmarkMixed(b *testing.B) {
	for _, c := range []struct {
		name   string
		repair string
		omit   bool
	}{
		{"async", "async", true},
		{"abd", "abd", true},
		{"async with evidence", "async", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLink(b, settingsOf(b, 5, "repair", c.repair))
			for _, n := range l.nodes {
				n.OmitEvidence(c.omit)
			}
			keys := make([]string, 20)
			for i := range keys {
				keys[i] = "k" + strconv.Itoa(i)
			}
			value := []byte("1234567")
			steps, i := 0, 0
			var q Request
			b.ReportAllocs()
			for b.Loop() {
				q = Request{ID: uint64(i + 1), Kind: RequestGet, Key: keys[i%20]}
				if i%5 == 0 {
					q.Kind, q.Value = RequestPut, value
				}
				steps += l.do(i*7%5, &q)
				i++
			}
			if l.replies != i {
				b.Fatalf("%d replies to %d requests", l.replies, i)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/step")
		})
	}
}

// BenchmarkBoot starts a cluster of five nodes.
func BenchmarkBoot(b *testing.B) {
	s := settingsOf(b, 5)
	b.ReportAllocs()
	for b.Loop() {
		newLink(b, s)
	}
}

func BenchmarkCodec(b *testing.B) {
	m := Message{Kind: MessageWrite, From: 1, To: 2, Request: 1 << 41, Key: "key17", Cell: Cell{Version: Version{1e18, 1, 1, 1000}, Value: make([]byte, 16)}}
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendMessage(buf[:0], &m)
		if _, err := DecodeMessage(buf); err != nil {
			b.Fatal(err)
		}
	}
}
