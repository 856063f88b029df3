package core

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// command gives an operator's command to a node and returns the reply.
func (w *world) command(node int, a Admin) Reply {
	h := w.nodes[node]
	require.True(w.t, h.up)
	w.out.Reset()
	h.node.Step(w.clock(h), &Event{Kind: EventAdmin, Admin: &a}, &w.out)
	require.Len(w.t, w.out.Replies, 1)
	r := w.out.Replies[0]
	w.out.Replies = w.out.Replies[:0]
	w.carryOut(node)
	return r
}

// request gives a request to a node and returns the reply; its status is 0 if there was none in time.
func (w *world) request(node int, q Request, patience int64) Reply {
	var got Reply
	w.onReply = func(_ NodeID, r *Reply) {
		if r.ID == q.ID {
			got = *r
		}
	}
	w.push(0, occurrence{what: happensRequest, host: node, id: q.ID, request: &q})
	w.run(patience, func() bool { return got.Status != 0 })
	return got
}

// isolate cuts a node off from all others, or, with −1, connects it again.
func (w *world) isolate(node, by int) {
	for other := range w.nodes {
		if other != node {
			w.network.blocked[node][other] += by
			w.network.blocked[other][node] += by
		}
	}
}

func (w *world) statuses(node int) []string {
	var all []string
	for _, m := range w.nodes[node].node.Members() {
		all = append(all, m.Status.String())
	}
	return all
}

func drawMember(t *rapid.T, nodes int) ringMember {
	small := func(label string) uint32 { return rapid.Uint32Range(0, 3).Draw(t, label) }
	m := ringMember{stamp: stamp{small("generation"), small("version")}, status: MemberStatus(rapid.IntRange(0, int(lastMemberStatus)).Draw(t, "status")),
		tokens: NodeID(rapid.IntRange(0, nodes-1).Draw(t, "tokens"))}
	if rapid.Bool().Draw(t, "replacing") {
		m.replacing, m.replaces, m.ousted = true, NodeID(rapid.IntRange(0, nodes-1).Draw(t, "replaces")), stamp{small("generation"), small("version")}
	}
	return m
}

// What nodes know of the members is a join semilattice: whatever news meet in
// whatever order, all who heard the same know the same.
func TestViewsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 4
		news := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) memberNews {
			return memberNews{NodeID(rapid.IntRange(0, nodes-1).Draw(t, "node")), drawMember(t, nodes)}
		}), 0, 20).Draw(t, "news")
		one, other := firstView(nodes, 3), firstView(nodes, 3)
		for i := range news {
			one.merge(news[i].node, &news[i].ringMember)
		}
		for _, i := range rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1)).Perm(len(news)) {
			other.merge(news[i].node, &news[i].ringMember)
			other.merge(news[i].node, &news[i].ringMember)
		}
		require.Equal(t, one, other)
		require.Equal(t, one.tag(), other.tag())
		require.Nil(t, one.newer(other.stamps()))
	})
}

// One round of gossip, three messages, and both know the same.
func TestARoundOfGossipMakesViewsEqual(t *testing.T) {
	s := settingsOf(t, 4, "ring", "gossip", "members", "3")
	rapid.Check(t, func(rt *rapid.T) {
		var both [2]*solo
		for i := range both {
			both[i] = newSolo(t, NodeID(i), s)
			for range rapid.IntRange(0, 5).Draw(rt, "news") {
				m := drawMember(rt, 4)
				both[i].node.membership.view.merge(NodeID(rapid.IntRange(0, 3).Draw(rt, "about")), &m)
			}
			both[i].node.membership.logged = slices.Clone(both[i].node.membership.view)
		}
		both[0].out.Reset()
		both[0].node.begin(both[0].now, &both[0].out)
		both[0].node.gossip(1)
		var queue []Message
		carry := func(b *solo) {
			for _, p := range b.out.Persist {
				b.durable(p.ID)
			}
		}
		queue = append(queue, both[0].out.Messages...)
		both[0].node.end()
		for rounds := 0; len(queue) > 0; rounds++ {
			require.Less(rt, rounds, 3)
			m, err := DecodeMessage(AppendMessage(nil, &queue[0]))
			require.NoError(rt, err)
			to := both[m.To]
			to.message(m)
			// Answers are made before what was learnt is durable.
			queue = slices.DeleteFunc(slices.Clone(to.out.Messages), func(m Message) bool { return m.Kind != MessageGossipAnswer })
			carry(to)
		}
		for i := range both[0].node.membership.view {
			require.Zero(rt, both[0].node.membership.view[i].stamp.compare(both[1].node.membership.view[i].stamp))
		}
	})
}

// Gossip reaches everybody in the virtual world, on a network that loses every fifth message.
func TestGossipReachesEverybody(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, settingsOf(t, 8, "ring", "gossip", "members", "7", "gossip-every", "50ms", "bootstrap", "serve-at-once"))
		w.network.loss = 200
		w.run(50e6, nil)
		require.Equal(t, StatusOK, w.command(7, Admin{Kind: AdminJoin}).Status)
		w.run(2e9, nil)
		for i := range w.nodes {
			require.Equal(t, MemberNormal, w.nodes[i].node.Members()[7].Status, "seed %d, node %d", seed, i)
			require.Equal(t, 8, w.nodes[i].node.Ring().Nodes())
		}
	}
}

// Quorums of writers and readers at two steps of a change that may meet must overlap.
func TestStepsOfAChangeOverlap(t *testing.T) {
	names := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "n")
		w := rapid.IntRange(1, n).Draw(t, "w")
		r := n - w + 1
		subject := NodeID(5)
		views := []view{firstView(6, 5)}
		step := func(status MemberStatus, m ringMember) {
			v := slices.Clone(views[len(views)-1])
			m.status, m.generation, m.version = status, 1, uint32(len(views))
			v[subject] = m
			views = append(views, v)
		}
		switch rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			for _, s := range []MemberStatus{MemberJoining, MemberArriving, MemberNormal} {
				step(s, ringMember{tokens: 5})
			}
		case 1:
			subject = NodeID(rapid.IntRange(0, 4).Draw(t, "subject"))
			for _, s := range []MemberStatus{MemberLeaving, MemberDeparting, MemberLeft} {
				step(s, ringMember{tokens: subject})
			}
		case 2:
			gone := NodeID(rapid.IntRange(0, 4).Draw(t, "gone"))
			for _, s := range []MemberStatus{MemberJoining, MemberArriving, MemberNormal} {
				step(s, ringMember{tokens: gone, replacing: true, replaces: gone})
			}
		}
		key := rapid.String().Draw(t, "key")
		for writer := range views {
			rings := views[writer].rings(names, 8)
			homes, pending := rings.read.PreferenceList(key, n), rings.pending(key, n)
			targets := slices.Concat(homes, pending)
			need := w + len(pending)
			require.LessOrEqual(t, len(pending), 1)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(targets))), n+len(pending))
			// Steps 0 and 2, and 1 and 3, do not meet: see epoch.go for the former, whose targets are all among the old homes.
			for _, reader := range []int{writer - 1, writer, writer + 1} {
				if reader < 0 || reader >= len(views) {
					continue
				}
				readers := views[reader].rings(names, 8).read.PreferenceList(key, n)
				common := 0
				for _, node := range targets {
					if slices.Contains(readers, node) {
						common++
					}
				}
				if writer == 0 && reader == 1 || writer == 3 && reader == 2 || writer == reader || writer == 1 || writer == 2 {
					// Any need of the targets and any r of the readers share one.
					require.Greater(t, need-(len(targets)-common)+r, len(readers), "writer at step %d, reader at step %d", writer, reader)
				}
			}
		}
	})
}

// The losers and gainers of a join: the new node's keys, and no others, move.
func TestRingsOfAChange(t *testing.T) {
	names := []string{"n1", "n2", "n3", "n4"}
	v := firstView(4, 3)
	v[3] = ringMember{status: MemberJoining, tokens: 3, stamp: stamp{1, 1}}
	r := v.rings(names, 16)
	assert.Equal(t, NewRing(names[:3], 16), r.read)
	assert.Equal(t, []*Ring{NewRing(names, 16)}, r.written)
	v[3].status = MemberNormal
	r = v.rings(names, 16)
	assert.Equal(t, NewRing(names, 16), r.read)
	assert.Empty(t, r.written)
}

// A node that takes another's place gets exactly its keys, in the same order.
func TestAReplacementHasThePlaceOfTheOneThatIsGone(t *testing.T) {
	names := []string{"n1", "n2", "n3", "n4"}
	v := firstView(4, 3)
	v[3] = ringMember{status: MemberNormal, tokens: 1, stamp: stamp{1, 1}, replacing: true, replaces: 1}
	before, after := NewRing(names[:3], 16), v.rings(names, 16).read
	for k := range 100 {
		key := strconv.Itoa(k)
		want := slices.Clone(before.Order(key))
		want[slices.Index(want, 1)] = 3
		require.Equal(t, want, after.Order(key))
	}
	require.True(t, v.ousted(1))
	// It comes back and says something: it is no longer the one that was replaced.
	v[1] = ringMember{status: MemberJoining, tokens: v.freeTokens(1), stamp: stamp{2, 1}}
	require.Equal(t, NodeID(3), v[1].tokens, "its own tokens are taken")
	require.Equal(t, inNext, v.places(1))
	v[1].status = MemberNormal
	require.Equal(t, 4, v.rings(names, 16).read.Nodes())
}

func (w *world) fill(keys int, through int) {
	for k := range keys {
		r := w.request(through, Request{ID: uint64(1000 + k), Kind: RequestPut, Key: "key" + strconv.Itoa(k), Value: []byte{byte(k)}}, 1e9)
		require.Equal(w.t, StatusOK, r.Status, r.Message)
	}
}

// complete says whether the node holds the latest of every key that it is a home of.
func (w *world) holds(node, keys int) (have, want int) {
	ring := w.nodes[node].node.Ring()
	for k := range keys {
		key := "key" + strconv.Itoa(k)
		if slices.Contains(ring.PreferenceList(key, w.settings.N), NodeID(node)) {
			want++
			c := w.nodes[node].node.Held(key)
			if c.Object != nil {
				if siblings := c.Object.Siblings(); len(siblings) == 1 {
					c.Value = siblings[0].Value
				}
			}
			if len(c.Value) == 1 && c.Value[0] == byte(k) {
				have++
			}
		}
	}
	return have, want
}

// Join, leave and replace move what they must, on a network that loses and
// repeats messages, with kills in between.
func TestChangesMoveTheData(t *testing.T) {
	const keys = 300
	for name, pairs := range map[string][]string{
		"gossip": {"ring", "gossip"}, "epochs": {"ring", "epochs"}, "siblings": {"ring", "epochs", "resolver", "dotted"},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(12) {
				w := newWorld(t, seed, settingsOf(t, 5, append(pairs, "members", "4", "gossip-every", "50ms", "repair", "off", "hints", "off")...))
				w.fill(keys, 0)
				w.run(100e6, nil) // the last replica of each may have it later than the reply
				w.network.loss, w.network.duplicates = 100, 100
				require.Equal(t, StatusOK, w.command(4, Admin{Kind: AdminJoin}).Status)
				w.run(200e6, nil)
				require.NotEqual(t, StatusOK, w.command(4, Admin{Kind: AdminJoin}).Status, "one change at a time")
				w.crash(4)
				w.boot(4)
				w.run(5e9, nil)
				for i := range w.nodes {
					require.Equal(t, MemberNormal, w.nodes[i].node.Members()[4].Status, "seed %d, node %d: %v", seed, i, w.statuses(i))
				}
				have, want := w.holds(4, keys)
				require.Equal(t, want, have, "seed %d: after the join", seed)
				require.Greater(t, want, keys/4)

				require.Equal(t, StatusOK, w.command(1, Admin{Kind: AdminLeave}).Status)
				w.run(5e9, nil)
				require.Equal(t, MemberLeft, w.nodes[0].node.Members()[1].Status, "%v", w.statuses(0))
				for i := range w.nodes {
					if i != 1 {
						have, want := w.holds(i, keys)
						require.Equal(t, want, have, "seed %d, node %d after the leave", seed, i)
					}
				}

				// Node 2 is gone for good; node 1 takes its place, and keeps what it had.
				w.crash(2)
				w.run(2e9, nil)
				require.Equal(t, StatusOK, w.command(1, Admin{Kind: AdminReplace, Node: 2}).Status)
				w.run(5e9, nil)
				require.Equal(t, MemberNormal, w.nodes[0].node.Members()[1].Status, "%v", w.statuses(0))
				require.Equal(t, MemberLeft, w.nodes[0].node.Members()[2].Status)
				have, want = w.holds(1, keys)
				require.Equal(t, want, have, "seed %d: after the replacement", seed)
				w.boot(2)
				w.run(3e9, nil)
				require.Equal(t, MemberLeft, w.nodes[2].node.Members()[2].Status, "it has heard that it was replaced")
				for i := range w.nodes {
					require.True(t, w.nodes[i].node.Pending().Quiet(), "seed %d node %d: %+v", seed, i, w.nodes[i].node.Pending())
				}
			}
		})
	}
}

func TestChangesAreRefused(t *testing.T) {
	refused := func(w *world, node int, a Admin) string {
		r := w.command(node, a)
		require.Equal(t, StatusDefinite, r.Status)
		return r.Message
	}
	static := newWorld(t, 1, settingsOf(t, 3))
	assert.Contains(t, refused(static, 0, Admin{Kind: AdminLeave}), "ring=static")
	w := newWorld(t, 1, settingsOf(t, 4, "ring", "gossip", "members", "3"))
	w.run(1e9, nil)
	assert.Contains(t, refused(w, 0, Admin{Kind: AdminJoin}), "n1 is normal")
	assert.Contains(t, refused(w, 0, Admin{Kind: AdminLeave}), "2 members would be left")
	assert.Contains(t, refused(w, 3, Admin{Kind: AdminReplace, Node: 0}), "n1 is up")
	assert.Contains(t, refused(w, 3, Admin{Kind: AdminReplace, Node: 77}), "no member")
	assert.Contains(t, refused(w, 3, Admin{Kind: AdminReplace, Node: 3}), "no member")
}

// ringLoad changes the ring while clients are at work and faults happen.
func (w *world) changeRing(duration int64, changes *int) {
	for range 20 {
		node, kind := w.random.IntN(len(w.nodes)), w.random.IntN(3)
		w.at(w.random.Int64N(duration), func() {
			if h := w.nodes[node]; !h.up || h.paused > 0 {
				return
			}
			a := Admin{Kind: []AdminKind{AdminJoin, AdminLeave, AdminReplace}[kind], Node: NodeID(w.random.IntN(len(w.nodes)))}
			if w.command(node, a).Status == StatusOK {
				*changes++
			}
		})
	}
}

func (w *world) changed() (done int) {
	for _, m := range w.nodes[0].node.Members() {
		if m.Version > 0 && !m.Status.changing() {
			done++
		}
	}
	return done
}

// ringLoad keeps a few keys busy, and hints do not make up for what a change forgot.
var ringLoad = load{clients: 8, operations: 30, keys: 4, writes: 50, think: 40e6, patience: 200e6}

func ringSettings(t testing.TB, pairs ...string) *Settings {
	return settingsOf(t, 6, append([]string{"members", "4", "n", "3", "w", "2", "r", "2", "repair", "abd", "ring", "epochs", "gossip-every", "60ms",
		"hints", "off", "heartbeat", "20ms", "suspect-after", "100ms"}, pairs...)...)
}

func changingRing(t testing.TB, seed uint64, settings *Settings, begun *int) outcome {
	w := newWorld(t, seed, settings)
	w.inject(faultSet{loss: true, partitions: true, crashes: seed%2 == 0, pauses: seed%3 == 0}, 1500e6)
	w.network.loss = max(w.network.loss, int(seed%4)*100)
	w.changeRing(1400e6, begun)
	done := w.start(ringLoad)
	w.run(60e9, done)
	w.run(5e9, nil)
	w.finalReads(ringLoad)
	return w.outcome(t)
}

// With epochs a register stays linearizable while nodes join, leave and are
// replaced, whatever else goes wrong.
func TestChangesWithEpochsAreLinearizable(t *testing.T) {
	settings := ringSettings(t)
	begun, done, ok, failed := 0, 0, 0, 0
	for seed := range seeds(t, 100) {
		o := changingRing(t, uint64(seed), settings, &begun)
		require.True(t, o.linear, "seed %d: %v", seed, o.world.statuses(0))
		done += o.world.changed()
		ok, failed = ok+o.ok, failed+o.failed
	}
	t.Logf("%d changes begun, %d done, %d operations succeeded, %d failed", begun, done, ok, failed)
	assert.Greater(t, begun, seeds(t, 100))
	assert.Greater(t, done, seeds(t, 100))
	assert.Greater(t, ok, failed, "the runs must get something done")
}

// Without, it does not: gossip is slower than a coordinator that was cut off.
func TestChangesWithGossipAloneAreNotLinearizable(t *testing.T) {
	for name, settings := range map[string]*Settings{
		"gossip": ringSettings(t, "ring", "gossip"), "serve at once": ringSettings(t, "ring", "epochs", "bootstrap", "serve-at-once"),
	} {
		t.Run(name, func(t *testing.T) {
			begun := 0
			for seed := range uint64(1000) {
				if !changingRing(t, seed, settings, &begun).linear {
					t.Logf("seed %d", seed)
					return
				}
			}
			t.Fatal("not one of 1000 runs was refuted")
		})
	}
}

func TestWrongMembershipSettings(t *testing.T) {
	for want, given := range map[string]map[string]string{
		"members=6 > 5 nodes: there are no more nodes; set members ≤ 5 or run at least 6 nodes":                                          {"members": "6", "ring": "gossip"},
		"n=3 > members=2: every replica needs a member of its own; set n ≤ 2 or members ≥ 3":                                             {"members": "2", "ring": "gossip"},
		"members=4 of 5 nodes with ring=static: the others could never join; set ring=gossip or epochs, or members=0":                    {"members": "4"},
		"datacenters=2 with ring=epochs: nodes can join and leave only where there is one data centre; set ring=static or datacenters=1": {"ring": "epochs", "datacenters": "2", "n": "1", "w": "1", "r": "1"},
		"detector=guess: no such choice; it may be timeout | phi":                                                                        {"detector": "guess"},
		"phi-threshold=0: out of range; it may be 1 … 100":                                                                               {"phi-threshold": "0"},
		"rejoin=later: no such choice; it may be serve | repair-first":                                                                   {"rejoin": "later"},
		"bootstrap=soon: no such choice; it may be stream-first | serve-at-once":                                                         {"bootstrap": "soon"},
		"gossip-every=0s: out of range": {"gossip-every": "0s"},
	} {
		_, err := ParseSettings(fiveNames, given)
		require.ErrorContains(t, err, want)
	}
	s, err := ParseSettings(fiveNames, map[string]string{"members": "4", "ring": "epochs", "gossip-every": "50ms", "detector": "phi", "phi-threshold": "12", "bootstrap": "serve-at-once", "rejoin": "repair-first"})
	require.NoError(t, err)
	again, err := ParseSettings(s.Nodes, s.Map())
	require.NoError(t, err)
	require.Equal(t, s, again)
	require.Equal(t, 4, s.ring.Nodes())
}

// What is said about members and moved between them arrives as it was sent, or not at all.
func TestBodiesOfMembershipRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Message{From: 1, To: 2, Ring: rapid.Uint32().Draw(t, "ring")}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			g := &gossipNews{}
			for range rapid.IntRange(0, 5).Draw(t, "stamps") {
				g.stamps = append(g.stamps, stamp{rapid.Uint32().Draw(t, "generation"), rapid.Uint32().Draw(t, "version")})
			}
			for range rapid.IntRange(0, 5).Draw(t, "news") {
				g.news = append(g.news, memberNews{NodeID(rapid.Uint8().Draw(t, "node")), drawMember(t, 5)})
			}
			m.Kind, m.Body = MessageGossip, g
		case 1:
			m.Kind, m.Key, m.Body = MessageStream, rapid.String().Draw(t, "key"), &streamRequest{rapid.Bool().Draw(t, "everything")}
		case 2:
			c := &streamChunk{last: rapid.Bool().Draw(t, "last")}
			for range rapid.IntRange(0, 4).Draw(t, "cells") {
				c.cells = append(c.cells, keyedCell{rapid.StringN(1, 9, -1).Draw(t, "key"), drawCell(t, "cell")})
			}
			m.Kind, m.Body = MessageStreamChunk, c
		case 3:
			m.Kind, m.Body = MessageStreamed, &streamOffer{rapid.Bool().Draw(t, "done")}
		}
		b := AppendMessage(nil, &m)
		got, err := DecodeMessage(b)
		require.NoError(t, err)
		require.Equal(t, m, got)
		for cut := range b {
			_, err := DecodeMessage(b[:cut])
			require.ErrorIs(t, err, ErrMessage)
		}
	})
}

// Nodes that are told nonsense about members neither panic nor believe it.
func TestNonsenseAboutMembersIsIgnored(t *testing.T) {
	b := newSolo(t, 0, settingsOf(t, 4, "ring", "gossip", "members", "3"))
	before := b.node.Digest()
	far := memberNews{node: 200, ringMember: ringMember{stamp: stamp{9, 9}, status: MemberNormal}}
	stranger := memberNews{node: 1, ringMember: ringMember{stamp: stamp{9, 9}, status: MemberNormal, tokens: 99}}
	replaced := memberNews{node: 1, ringMember: ringMember{stamp: stamp{9, 9}, status: MemberNormal, replacing: true, replaces: 99}}
	for _, m := range []Message{
		{Kind: MessageGossip, Body: &gossipNews{news: []memberNews{far, stranger, replaced}}}, {Kind: MessageGossipAnswer, Body: &gossipNews{stamps: make([]stamp, 9)}},
		{Kind: MessageGossip}, {Kind: MessageGossip, Body: &streamOffer{}}, {Kind: MessageStream}, {Kind: MessageStream, Body: &gossipNews{}},
		{Kind: MessageStreamChunk, Request: 77, Body: &streamChunk{cells: []keyedCell{{"k", cell(1, "v")}}}}, {Kind: MessageStreamed, Body: &streamOffer{done: true}},
	} {
		m.From, m.To = 1, 0
		assert.Empty(t, b.message(m).Persist)
	}
	b.step(Event{Kind: EventTimer, ID: timerStream})
	assert.Equal(t, before, b.node.Digest())
	_, err := Boot(0, settingsOf(t, 3), 1, sequence([][]byte{encodeRecord(&record{kind: recordMembers, home: 1, body: (&ringMember{stamp: stamp{1, 1}}).appendTo(nil)})}), 1, Now{}, &Effects{})
	require.ErrorIs(t, err, ErrRecord)
	assert.ErrorContains(t, err, "ring=static has none: set ring=gossip or epochs")
}
