package core

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// spreadSettings are those of k data centres with size nodes each.
func spreadSettings(t rapid.TB, datacenters, size, n int, pairs ...string) *Settings {
	names := make([]string, datacenters*size)
	for i := range names {
		names[i] = "n" + strconv.Itoa(i+1)
	}
	given := map[string]string{"n": strconv.Itoa(n), "w": "1", "r": "1", "datacenters": strconv.Itoa(datacenters), "heartbeat": "50ms", "suspect-after": "200ms"}
	for i := 0; i < len(pairs); i += 2 {
		given[pairs[i]] = pairs[i+1]
	}
	s, err := ParseSettings(names, given)
	require.NoError(t, err)
	return &s
}

// replicaSet is a set of home replicas as satisfied wants it: n bits for each data centre.
type replicaSet struct {
	set   uint
	place map[NodeID]int
}

func newReplicaSet(s *Settings, key string) *replicaSet {
	r := &replicaSet{place: map[NodeID]int{}}
	met := make([]int, s.Datacenters)
	for _, node := range s.ring.PreferenceList(key, s.N) {
		dc := s.Datacenter(node)
		r.place[node] = dc*s.N + met[dc]
		met[dc]++
	}
	return r
}

func (r *replicaSet) add(node NodeID) { r.set |= 1 << r.place[node] }

// A request at a level is answered by the answer with which the replicas that
// have answered satisfy the level's definition, and by no earlier one.
func TestRequestsAreAnsweredAsTheirLevelDemands(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		datacenters := rapid.IntRange(1, 3).Draw(t, "data centres")
		n := rapid.IntRange(1, 3).Draw(t, "n")
		size := n + rapid.IntRange(0, 1).Draw(t, "spare nodes")
		write := rapid.Bool().Draw(t, "write")
		levels := []Level{LevelNumbers, LevelOne, LevelTwo, LevelThree, LevelQuorum, LevelAll, LevelLocalOne, LevelLocalQuorum, LevelEachQuorum}
		level := rapid.SampledFrom(levels).Draw(t, "level")
		number := rapid.IntRange(1, n*datacenters).Draw(t, "number")
		self := NodeID(rapid.IntRange(0, size*datacenters-1).Draw(t, "coordinator"))
		all := uint(1)<<(n*datacenters) - 1
		inSettings := rapid.Bool().Draw(t, "in the settings")
		pairs := []string{"repair", "off", "hints", "off"}
		q := Request{ID: 9, Kind: RequestGet, Key: "k"}
		name := "read-level"
		if write {
			q.Kind, name = RequestPut, "write-level"
		}
		switch {
		case !satisfied(level, number, all, n, datacenters, 0):
			t.Skip("more replicas than there are")
		case inSettings:
			pairs = append(pairs, name, level.String(), "w", strconv.Itoa(number), "r", strconv.Itoa(number))
		case level == LevelNumbers && write:
			q.W = number
		case level == LevelNumbers:
			q.R = number
		default:
			q.Level = level
		}
		s := spreadSettings(t, datacenters, size, n, pairs...)
		own := s.Datacenter(self)
		b := &solo{t: outer, now: Now{Mono: 1e9, Wall: 5e9}}
		node, err := Boot(self, s, 1, nil, 1, b.now, &b.out)
		require.NoError(t, err)
		b.node = node

		answered := newReplicaSet(s, "k")
		out := b.request(q)
		replies := len(out.Replies)
		var sent []Message
		sent = append(sent, out.Messages...)
		var persists []uint64
		for _, p := range out.Persist {
			persists = append(persists, p.ID)
		}
		if _, home := answered.place[self]; home && !write {
			answered.add(self)
		}
		for {
			done := satisfied(level, number, answered.set, n, datacenters, own)
			if done != (replies == 1) || replies > 1 {
				t.Fatalf("%s of %d (n=%d in %d data centres, from dc%d): %d replies with the answers %b", level, number, n, datacenters, own+1, replies, answered.set)
			}
			if len(sent)+len(persists) == 0 || done {
				break
			}
			if i := rapid.IntRange(0, len(sent)+len(persists)-1).Draw(t, "next"); i < len(sent) {
				m := sent[i]
				sent = append(sent[:i], sent[i+1:]...)
				kind := MessageReadAnswer
				if write {
					kind = MessageWritten
				}
				replies += len(b.message(Message{Kind: kind, From: m.To, To: self, Request: m.Request, Key: "k", Cell: Cell{Version: m.Cell.Version}}).Replies)
				answered.add(m.To)
			} else {
				replies += len(b.durable(persists[i-len(sent)]).Replies)
				persists = nil
				answered.add(self)
			}
		}
		require.Equal(t, 1, replies)
		r := &b.out.Replies[0]
		require.Equal(t, StatusOK, r.Status)
		counted := newReplicaSet(s, "k")
		number = 0
		for _, e := range r.Evidence.Replicas {
			if e.Counted {
				counted.add(e.Node)
				number++
			}
		}
		require.Equal(t, r.Evidence.Required, number, "as many are counted as were required")
		require.True(t, satisfied(level, r.Evidence.Required, counted.set, n, datacenters, own), "what was counted satisfies the level by itself")
	})
}

// Whether a request has a chance is found out before anything is sent, from
// the replicas that are up as far as the coordinator knows.
func TestUnavailableIsWhatTheLevelCannotHave(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		datacenters := rapid.IntRange(1, 3).Draw(t, "data centres")
		n := rapid.IntRange(1, 3).Draw(t, "n")
		level := rapid.SampledFrom([]Level{LevelOne, LevelTwo, LevelQuorum, LevelAll, LevelLocalOne, LevelLocalQuorum, LevelEachQuorum}).Draw(t, "level")
		if !satisfied(level, 0, 1<<(n*datacenters)-1, n, datacenters, 0) {
			t.Skip("more replicas than there are")
		}
		s := spreadSettings(t, datacenters, n, n)
		self := NodeID(rapid.IntRange(0, n*datacenters-1).Draw(t, "coordinator"))
		b := &solo{t: outer, now: Now{Mono: 1e9, Wall: 5e9}}
		node, err := Boot(self, s, 1, nil, 1, b.now, &b.out)
		require.NoError(t, err)
		b.node = node
		up := newReplicaSet(s, "k")
		up.add(self)
		alive := map[NodeID]bool{}
		for other := range NodeID(n * datacenters) {
			if other != self && rapid.Bool().Draw(t, "up") {
				up.add(other)
				alive[other] = true
			}
		}
		for range 5 {
			b.now.Mono += 60e6
			b.step(Event{Kind: EventTimer, ID: timerHeartbeat})
			for other := range NodeID(n * datacenters) {
				if alive[other] {
					b.message(Message{Kind: MessageHeartbeat, From: other, To: self})
				}
			}
		}
		q := Request{ID: 9, Kind: RequestPut, Key: "k", Level: level}
		if rapid.Bool().Draw(t, "read") {
			q.Kind = RequestGet
		}
		out := b.request(q)
		if satisfied(level, 0, up.set, n, datacenters, s.Datacenter(self)) {
			for _, r := range out.Replies {
				require.Equal(t, StatusOK, r.Status)
			}
			return
		}
		require.Len(t, out.Replies, 1)
		require.Equal(t, CodeUnavailable, out.Replies[0].Code)
		require.Equal(t, StatusDefinite, out.Replies[0].Status)
		require.Empty(t, out.Messages)
		require.Empty(t, out.Persist)
	})
}

func TestLevelsOfRequestsThatAreRefused(t *testing.T) {
	s := spreadSettings(t, 2, 3, 2)
	for why, q := range map[string]Request{
		"a hint can't answer a read":                      {Kind: RequestGet, Key: "k", Level: LevelAny},
		"it is a level of reads":                          {Kind: RequestPut, Key: "k", Level: LevelSerial},
		"no value is ever decided by consensus":           {Kind: RequestGet, Key: "k", Level: LevelLocalSerial},
		"both a number of replicas and the level quorum":  {Kind: RequestPut, Key: "k", Level: LevelQuorum, W: 2},
		"no such consistency level":                       {Kind: RequestPut, Key: "k", Level: 99},
		"w=3 > n=2":                                       {Kind: RequestPut, Key: "k", Level: LevelThree, N: 1},
		"n=4 > 3 nodes in a data centre":                  {Kind: RequestGet, Key: "k", N: 4},
		"w=5 > n=4: a write can never be acknowledged by": {Kind: RequestPut, Key: "k", W: 5},
	} {
		q.ID = 9
		out := newSolo(t, 0, s).request(q)
		require.Len(t, out.Replies, 1, why)
		assert.Equal(t, CodeBadRequest, out.Replies[0].Code)
		assert.Contains(t, out.Replies[0].Message, why)
	}
}

func TestSettingsOfQuorumsThatAreRefused(t *testing.T) {
	names := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	for want, given := range map[string]map[string]string{
		"n=3 > 2 nodes in a data centre (6 nodes, datacenters=3)":     {"datacenters": "3"},
		"w=7 > n=3 in each of datacenters=2, 6 in all":                {"datacenters": "2", "w": "7"},
		"datacenters=7 > 6 nodes":                                     {"datacenters": "7"},
		"level three with 2 replicas of each key":                     {"n": "2", "w": "1", "r": "1", "read-level": "three"},
		"read-level=any: level any for a read":                        {"read-level": "any"},
		"write-level=serial: level serial for a write":                {"write-level": "serial"},
		"read-level=serial with cas=off":                              {"read-level": "serial"},
		"write-level=most: no such consistency level; it may be numb": {"write-level": "most"},
	} {
		_, err := ParseSettings(names, given)
		require.ErrorContains(t, err, want)
	}
	s, err := ParseSettings(names, map[string]string{"datacenters": "2", "w": "6", "write-level": "each-quorum", "read-level": "local-quorum"})
	require.NoError(t, err)
	assert.Equal(t, quorum{n: 3, homes: 6, w: 4, r: 2, writes: scopeEach, reads: scopeLocal}, s.quorum)
	assert.Equal(t, "each-quorum", s.Map()["write-level"])
	assert.True(t, s.Overlaps())
}

// Four answers are as many as each-quorum needs, but not if three are of one data centre.
func TestEachQuorumNeedsEveryDatacenter(t *testing.T) {
	s := spreadSettings(t, 2, 4, 3, "read-level", "each-quorum", "repair", "off")
	homes := s.ring.PreferenceList("k", 3)
	var local, far []NodeID
	for _, home := range homes {
		if s.Datacenter(home) == 0 {
			local = append(local, home)
		} else {
			far = append(far, home)
		}
	}
	b := newSolo(t, NodeID(6-int(local[0]+local[1]+local[2])), s) // the one of dc1 that is no home replica
	out := b.request(Request{ID: 9, Kind: RequestGet, Key: "k"})
	require.Len(t, out.Messages, 6)
	number := out.Messages[0].Request
	answer := func(from NodeID) int {
		return len(b.message(Message{Kind: MessageReadAnswer, From: from, To: b.node.id, Request: number, Key: "k"}).Replies)
	}
	for _, from := range []NodeID{local[0], local[1], local[2], far[0]} {
		require.Zero(t, answer(from))
	}
	require.Equal(t, 1, answer(far[1]))
	counted := map[NodeID]bool{}
	for _, r := range b.out.Replies[0].Evidence.Replicas {
		counted[r.Node] = r.Counted
	}
	require.Equal(t, map[NodeID]bool{local[0]: true, local[1]: true, local[2]: false, far[0]: true, far[1]: true, far[2]: false}, counted)
}
