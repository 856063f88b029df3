package core

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// swap is one operation on a register of compare-and-sets, as a client saw it.
type swap struct {
	request    Request
	client     int
	start, end int64
	status     ReplyStatus
	reply      Reply
}

type casLoad struct {
	clients, operations, keys int
	plain                     int // per cent of the operations that are plain puts
	think, patience           int64
	level                     Level
}

// compareAndSet lets clients loose that compare and set, and read serially.
func (w *world) compareAndSet(l casLoad) []*swap {
	type casClient struct {
		current *swap
		number  uint64
		left    int
	}
	var history []*swap
	left, value := l.clients, uint64(0)
	seen := make([]uint64, l.keys)
	clients := make([]*casClient, l.clients)
	var invoke func(i int)
	complete := func(i int, r *Reply) {
		c := clients[i]
		op := c.current
		c.current = nil
		if r != nil {
			op.status, op.reply = r.Status, *r
			if r.Status != StatusIndeterminate {
				op.end = w.now
			}
			if r.Status == StatusOK && r.Found {
				seen[op.request.Key[1]-'a'] = binary.BigEndian.Uint64(r.Cell.Value)
			}
		}
		if c.left--; c.left == 0 {
			left--
			return
		}
		w.push(1+w.random.Int64N(l.think+1), occurrence{what: happensAction, do: func() { invoke(i) }})
	}
	w.onReply = func(_ NodeID, r *Reply) {
		i := int(r.ID >> 32)
		if c := clients[i]; c.current != nil && c.current.request.ID == r.ID {
			complete(i, r)
		}
	}
	invoke = func(i int) {
		c := clients[i]
		c.number++
		k := w.random.IntN(l.keys)
		q := Request{ID: uint64(i)<<32 | c.number, Kind: RequestGet, Key: "k" + string(rune('a'+k)), Level: l.level}
		if w.random.IntN(100) >= 40 {
			value++
			q.Kind, q.Value, q.Level = RequestCompareAndSet, binary.BigEndian.AppendUint64(nil, value), LevelNumbers
			switch p := w.random.IntN(100); {
			case p < l.plain:
				q.Kind = RequestPut
			case p < l.plain+10:
				q.Condition = &Condition{Kind: ConditionNone}
			case p < l.plain+25 || seen[k] == 0:
				q.Condition = &Condition{Kind: ConditionAbsent}
			default:
				q.Condition = &Condition{Kind: ConditionEqual, Value: binary.BigEndian.AppendUint64(nil, seen[k])}
				if w.random.IntN(10) == 0 {
					q.Operand = &Operand{Kind: OperandDrop}
				}
			}
		}
		op := &swap{request: q, client: i, start: w.now, end: noEnd, status: StatusIndeterminate}
		c.current = op
		history = append(history, op)
		sent := q
		w.push(w.delay(), occurrence{what: happensRequest, host: w.random.IntN(len(w.nodes)), id: q.ID, request: &sent})
		w.push(l.patience, occurrence{what: happensAction, do: func() {
			if c.current == op {
				complete(i, nil)
			}
		}})
	}
	for i := range clients {
		clients[i] = &casClient{left: l.operations}
		w.push(w.random.Int64N(l.think+1), occurrence{what: happensAction, do: func() { invoke(i) }})
	}
	done := func() bool { return left == 0 }
	w.run(60e9, done)
	require.True(w.t, done(), "clients did not finish")
	w.run(2e9, nil)
	for i := range w.nodes {
		for k := range l.keys {
			op := &swap{request: Request{ID: uint64(1000+i*10+k) << 32, Kind: RequestGet, Key: "k" + string(rune('a'+k)), Level: l.level}, client: 1000 + i, start: w.now, end: noEnd, status: StatusIndeterminate}
			history = append(history, op)
			w.onReply = func(_ NodeID, r *Reply) {
				if r.ID == op.request.ID {
					op.status, op.reply, op.end = r.Status, *r, w.now
				}
			}
			w.push(0, occurrence{what: happensRequest, host: i, id: op.request.ID, request: &op.request})
			w.run(2e9, func() bool { return op.end != noEnd })
		}
	}
	return history
}

// casModel is a register whose state is the value as a string, "" for none.
var casModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		have, q := state.(string), input.(Request)
		after := string(q.Value)
		if q.Operand != nil {
			after = ""
		}
		holds := true
		if c := q.Condition; c != nil {
			holds = c.Kind == ConditionNone || c.Kind == ConditionAbsent && have == "" || c.Kind == ConditionEqual && have == string(c.Value)
		}
		r, known := output.(Reply)
		shown := ""
		if r.Found {
			shown = string(r.Cell.Value)
		}
		switch {
		case q.Kind == RequestGet:
			return shown == have, state
		case q.Kind == RequestPut:
			return true, after
		case !known && !holds:
			return true, state
		case !known:
			return true, after
		case r.Applied:
			return holds, after
		}
		return !holds && shown == have, state
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		q, r := input.(Request), Reply{}
		if o, ok := output.(Reply); ok {
			r = o
		}
		return fmt.Sprintf("%d %v %x -> %v %x", q.Kind, q.Condition, q.Value, r.Applied, r.Cell.Value)
	},
}

func casLinearizable(t testing.TB, history []*swap) bool {
	byKey := make(map[string][]porcupine.Operation)
	for _, op := range history {
		o := porcupine.Operation{ClientId: op.client, Input: op.request, Call: op.start, Return: op.end}
		switch {
		case op.status == StatusOK:
			o.Output = op.reply
		case op.status == StatusDefinite || op.request.Kind == RequestGet:
			continue
		}
		byKey[op.request.Key] = append(byKey[op.request.Key], o)
	}
	for key, operations := range byKey {
		switch porcupine.CheckOperationsTimeout(casModel, operations, 20*time.Second) {
		case porcupine.Illegal:
			return false
		case porcupine.Unknown:
			t.Fatalf("porcupine could not decide key %s with %d operations", key, len(operations))
		}
	}
	return true
}

var serialLoad = casLoad{clients: 5, operations: 20, keys: 2, think: 20e6, patience: 200e6, level: LevelSerial}

func simulateCAS(t testing.TB, seed uint64, settings *Settings, f faultSet, l casLoad) (linear bool, history []*swap, w *world) {
	w = newWorld(t, seed, settings)
	w.inject(f, 1500e6)
	history = w.compareAndSet(l)
	return casLinearizable(t, history), history, w
}

func TestCompareAndSetIsLinearizable(t *testing.T) {
	for _, c := range []struct {
		nodes    int
		settings []string
	}{
		{5, []string{"n", "5", "cas", "paxos-v2"}},
		{5, []string{"n", "3", "cas", "paxos-v2", "w", "1", "r", "1", "hints", "off", "repair", "off"}},
		{3, []string{"n", "3", "cas", "paxos-v2"}},
		{5, []string{"n", "5", "cas", "paxos-v1"}},
		{5, []string{"n", "3", "cas", "paxos-v1", "w", "1", "r", "1", "hints", "off", "repair", "off"}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			settings := settingsOf(t, c.nodes, c.settings...)
			outcomes := map[string]int{}
			for seed := range seeds(t, 200) {
				linear, history, _ := simulateCAS(t, uint64(seed), settings, everyFault, serialLoad)
				for _, op := range history {
					what := "read"
					if op.request.Kind == RequestCompareAndSet {
						what = "cas"
					}
					if op.status == StatusOK && what == "cas" {
						what = fmt.Sprintf("cas %v", op.reply.Applied)
					} else {
						what += fmt.Sprintf(" %d %s", op.status, op.reply.Code)
					}
					outcomes[what]++
				}
				require.True(t, linear, "seed %d", seed)
			}
			t.Log(outcomes)
			assert.Greater(t, outcomes["cas true"], 10)
			assert.Greater(t, outcomes["cas false"], 10)
			assert.Positive(t, outcomes["cas 3 contended"])
		})
	}
}

// What goes wrong in practice, and what the protocol needs, must show.
func TestCompareAndSetMisusesAreCaught(t *testing.T) {
	skew := faultSet{skew: true}
	plain, quorumReads := serialLoad, serialLoad
	plain.plain = 25
	quorumReads.level = LevelNumbers
	for _, c := range []struct {
		name     string
		settings []string
		faults   faultSet
		load     casLoad
		share    int // per cent of the runs that must be refuted, at least
	}{
		{"v2, plain writes with skewed clocks", []string{"cas", "paxos-v2"}, skew, plain, 30},
		{"v1, plain writes with skewed clocks", []string{"cas", "paxos-v1"}, skew, plain, 30},
		{"v2, reads that are not serial", []string{"cas", "paxos-v2", "w", "1", "r", "1"}, everyFault, quorumReads, 20},
		{"v2, promises that a kill forgets", []string{"cas", "paxos-v2", "acknowledge", "before-log"}, faultSet{crashes: true}, serialLoad, 5},
		{"v1, ballots that expire by clocks that jump", []string{"cas", "paxos-v1", "cas-expiry", "100ms", "w", "1", "hints", "off"}, everyFault, serialLoad, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := settingsOf(t, 3, c.settings...)
			refuted, runs := 0, seeds(t, 150)
			for seed := range runs {
				if linear, _, _ := simulateCAS(t, uint64(seed), settings, c.faults, c.load); !linear {
					refuted++
				}
			}
			t.Logf("%d of %d runs refuted", refuted, runs)
			assert.GreaterOrEqual(t, 100*refuted, c.share*runs, "%d of %d runs refuted", refuted, runs)
		})
	}
}

// requestOf sends one request to a node and returns the reply.
func (w *world) requestOf(node int, q Request) Reply {
	var reply Reply
	q.ID = uint64(len(w.history)) + 1e6 + uint64(w.order)
	w.onReply = func(_ NodeID, r *Reply) {
		if r.ID == q.ID {
			reply = *r
		}
	}
	w.push(0, occurrence{what: happensRequest, host: node, id: q.ID, request: &q})
	w.run(3e9, func() bool { return reply.ID != 0 })
	require.NotZero(w.t, reply.ID, "no reply")
	return reply
}

// cut blocks the messages between the nodes, or lets them through again.
func (w *world) cut(by int, a int, others ...int) {
	for _, b := range others {
		w.network.blocked[a][b] += by
		w.network.blocked[b][a] += by
	}
}

// CASSANDRA-12126: one replica accepted a change whose client was told
// "timeout"; a read of the other two found nothing; a later read meets that one.
func TestSerialReadAnomaly(t *testing.T) {
	for protocol, appears := range map[string]bool{"paxos-v1": true, "paxos-v2": false} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t, 1, settingsOf(t, 3, "cas", protocol, "suspect-after", "60s"))
			w.run(1e9, nil)
			w.onMessage = func(m *Message) {
				if m.Kind == MessagePropose && m.From == 0 {
					w.onMessage = nil
					w.cut(1, 0, 1, 2)
				}
			}
			write := w.requestOf(0, Request{Kind: RequestCompareAndSet, Key: "k", Value: []byte("v"), Condition: &Condition{Kind: ConditionAbsent}})
			require.Equal(t, StatusIndeterminate, write.Status)
			assert.Equal(t, CodeTimeout, write.Code)
			first := w.requestOf(1, Request{Kind: RequestGet, Key: "k", Level: LevelSerial})
			require.Equal(t, StatusOK, first.Status, first.Message)
			assert.False(t, first.Found, "two replicas know nothing of it")
			w.cut(-1, 0, 1, 2)
			w.cut(1, 2, 0, 1)
			second := w.requestOf(0, Request{Kind: RequestGet, Key: "k", Level: LevelSerial})
			require.Equal(t, StatusOK, second.Status, second.Message)
			assert.Equal(t, appears, second.Found)
		})
	}
}

// A change that a majority accepted, and nobody committed, is finished by whoever comes next.
func TestDecidedChangeIsFinished(t *testing.T) {
	for _, protocol := range []string{"paxos-v1", "paxos-v2"} {
		w := newWorld(t, 1, settingsOf(t, 3, "cas", protocol, "suspect-after", "60s"))
		w.run(1e9, nil)
		w.onMessage = func(m *Message) {
			if m.Kind == MessageCommit {
				w.onMessage = nil
				w.crash(0)
				w.cut(1, 0, 1, 2)
			}
		}
		w.push(0, occurrence{what: happensRequest, host: 0, id: 7, request: &Request{ID: 7, Kind: RequestCompareAndSet, Key: "k", Value: []byte("v")}})
		w.run(1e9, nil)
		require.False(t, w.nodes[0].up, "it got as far as the commit")
		assert.Zero(t, w.nodes[1].node.Held("k").Version, "which nobody else has")
		swap := w.requestOf(1, Request{Kind: RequestCompareAndSet, Key: "k", Value: []byte("w"), Condition: &Condition{Kind: ConditionAbsent}})
		require.Equal(t, StatusOK, swap.Status, swap.Message)
		assert.False(t, swap.Applied)
		assert.Equal(t, "v", string(swap.Cell.Value))
		assert.Subset(t, swap.Evidence.Phases, []string{"prepare", "propose", "commit"})
	}
}

// The course of each kind of request on a key at rest, as the evidence tells it.
func TestCourseOfLightweightTransactions(t *testing.T) {
	equal := func(v string) *Condition { return &Condition{Kind: ConditionEqual, Value: []byte(v)} }
	for protocol, want := range map[string]map[string][]string{
		"paxos-v1": {"apply": {"prepare", "read", "propose", "commit"}, "refuse": {"prepare", "read"}, "refuse again": {"prepare", "read"}, "read": {"prepare", "read"}, "plain": {"read"}},
		"paxos-v2": {"apply": {"prepare", "propose", "commit"}, "refuse": {"prepare"}, "refuse again": {"prepare", "propose"}, "read": {"prepare"}, "plain": {"read"}},
	} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t, 1, settingsOf(t, 3, "cas", protocol))
			w.run(1e9, nil)
			check := func(q Request, applied, found bool, value, phases string) {
				t.Helper()
				q.Key = "k"
				r := w.requestOf(w.random.IntN(3), q)
				w.run(1e9, nil)
				require.Equal(t, StatusOK, r.Status, r.Message)
				assert.Equal(t, applied, r.Applied)
				assert.Equal(t, found, r.Found)
				assert.Equal(t, value, string(r.Cell.Value))
				assert.Equal(t, want[phases], r.Evidence.Phases)
				assert.Equal(t, 2, r.Evidence.Required)
				counted, fetched := 0, 0
				for _, x := range r.Evidence.Replicas {
					if x.Counted {
						counted++
					}
					if x.Fetched {
						fetched++
					}
				}
				assert.GreaterOrEqual(t, counted, 2)
				assert.Equal(t, applied, fetched == 2, "a change was chosen by what two replicas had")
			}
			cas, get := RequestCompareAndSet, RequestGet
			check(Request{Kind: get, Level: LevelSerial}, false, false, "", "read")
			check(Request{Kind: cas, Value: []byte("a"), Condition: &Condition{Kind: ConditionAbsent}}, true, false, "", "apply")
			check(Request{Kind: cas, Value: []byte("b"), Condition: &Condition{Kind: ConditionAbsent}}, false, true, "a", "refuse")
			check(Request{Kind: cas, Value: []byte("b"), Condition: equal("x")}, false, true, "a", "refuse again")
			check(Request{Kind: get, Level: LevelSerial}, false, true, "a", "read")
			check(Request{Kind: cas, Value: []byte("b"), Condition: equal("a")}, true, false, "", "apply")
			check(Request{Kind: cas, Value: []byte("c"), Condition: &Condition{Kind: ConditionNone}}, true, false, "", "apply")
			check(Request{Kind: cas, Operand: &Operand{Kind: OperandDrop}, Condition: equal("c")}, true, false, "", "apply")
			check(Request{Kind: get, Level: LevelSerial}, false, false, "", "read")
			check(Request{Kind: cas, Value: []byte("d"), Condition: equal("c")}, false, false, "", "refuse")
			check(Request{Kind: cas, Value: []byte("d")}, true, false, "", "apply")
			check(Request{Kind: get}, false, true, "d", "plain")
		})
	}
}

func TestCompareAndSetRefusals(t *testing.T) {
	for _, c := range []struct {
		cas     string
		request Request
		says    string
	}{
		{"off", Request{Kind: RequestCompareAndSet}, "set cas=paxos-v2"},
		{"off", Request{Kind: RequestGet, Level: LevelSerial}, "set cas=paxos-v2"},
		{"paxos-v2", Request{Kind: RequestCompareAndSet, N: 1, W: 1}, "two majorities need not meet"},
		{"paxos-v2", Request{Kind: RequestGet, Level: LevelLocalSerial, N: 1, R: 1}, "two majorities need not meet"},
		{"paxos-v2", Request{Kind: RequestCompareAndSet, Level: LevelOne, W: 1}, "both a number of replicas and the level one"},
		{"paxos-v2", Request{Kind: RequestCompareAndSet, Condition: &Condition{Kind: 9}}, "unknown kind of condition 9"},
		{"paxos-v2", Request{Kind: RequestCompareAndSet, Operand: &Operand{Kind: OperandAdd}}, "OperandDrop"},
		{"paxos-v2", Request{Kind: RequestCompareAndSet, W: 4}, "w=4 > n=3"},
	} {
		b := newSolo(t, 0, everywhere(t, "cas", c.cas))
		c.request.Key, c.request.ID = "k", 1
		out := b.request(c.request)
		require.Len(t, out.Replies, 1)
		assert.Equal(t, StatusDefinite, out.Replies[0].Status)
		assert.Equal(t, CodeBadRequest, out.Replies[0].Code)
		assert.Contains(t, out.Replies[0].Message, c.says)
		assert.Empty(t, out.Messages)
	}
	_, err := ParseSettings([]string{"a", "b", "c"}, map[string]string{"cas": "paxos-v2", "cas-expiry": "3h"})
	assert.ErrorContains(t, err, "set cas=paxos-v1 or cas-expiry=0s")
	_, err = ParseSettings([]string{"a", "b", "c"}, map[string]string{"cas": "paxos-v2", "data-type": "counter"})
	assert.ErrorContains(t, err, "set data-type=register and resolver=lww, or cas=off")
}

func TestCompareAndSetIsDeterministic(t *testing.T) {
	for _, protocol := range []string{"paxos-v1", "paxos-v2"} {
		settings := settingsOf(t, 5, "cas", protocol)
		for seed := range uint64(10) {
			_, _, a := simulateCAS(t, seed, settings, everyFault, serialLoad)
			_, _, b := simulateCAS(t, seed, settings, everyFault, serialLoad)
			require.Equal(t, a.hash, b.hash)
			for i := range a.nodes {
				require.Equal(t, a.nodes[i].node.Digest(), b.nodes[i].node.Digest())
			}
		}
	}
}
