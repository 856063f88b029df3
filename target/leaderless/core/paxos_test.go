package core

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// proposer is the rule of paxos-v2 without a network: what a coordinator knows
// of one ballot. It wants to add one to what was committed last.
type proposer struct {
	ballot   Version
	promises map[int]promiseBody
	ready    bool // a majority has the last commit
	holding  map[int]bool
	proposal *proposal
	accepted map[int]bool
	decided  bool
}

func (p *proposer) best(of func(*promiseBody) *proposal) (best proposal) {
	for i := range 8 {
		if b, ok := p.promises[i]; ok && of(&b).ballot().Compare(best.ballot()) > 0 {
			best = *of(&b)
		}
	}
	return best
}

// Whatever order messages of any number of ballots come in, however often, and
// though replicas restart from their logs: what majorities accept is one chain,
// in which each value is the one before, proposed again, or its successor.
func TestPaxosAgrees(t *testing.T) {
	settings := settingsOf(t, 3, "cas", "paxos-v2")
	rapid.Check(t, func(t *rapid.T) {
		replicas := make([]*paxosKey, rapid.SampledFrom([]int{3, 4, 5}).Draw(t, "replicas"))
		for i := range replicas {
			replicas[i] = &paxosKey{}
		}
		majority := len(replicas)/2 + 1
		votes := map[Version]map[int]bool{}
		values := map[Version]proposal{}
		var proposers []*proposer
		r := func() int { return rapid.IntRange(0, len(replicas)-1).Draw(t, "replica") }
		decide := func(p *proposer) {
			acc := p.best(func(b *promiseBody) *proposal { return &b.accepted })
			com := p.best(func(b *promiseBody) *proposal { return &b.committed })
			next := proposal{cell: Cell{Version: p.ballot}}
			switch {
			case acc.ballot().Compare(com.ballot()) > 0 && !acc.empty:
				next.cell.Value = acc.cell.Value
			case !p.ready:
				return
			case rapid.IntRange(0, 3).Draw(t, "read") == 0:
				next.empty = true
			default:
				last := uint64(0)
				if com.cell.Value != nil {
					last = binary.BigEndian.Uint64(com.cell.Value)
				}
				next.cell.Value = binary.BigEndian.AppendUint64(nil, last+1)
			}
			p.proposal = &next
			values[p.ballot] = next
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			if len(proposers) == 0 || rapid.IntRange(0, 9).Draw(t, "new") == 0 {
				proposers = append(proposers, &proposer{
					ballot:   Version{Time: int64(rapid.IntRange(1, 40).Draw(t, "time")), Sequence: uint32(len(proposers) + 1)},
					promises: map[int]promiseBody{}, holding: map[int]bool{}, accepted: map[int]bool{},
				})
			}
			p := proposers[rapid.IntRange(max(0, len(proposers)-4), len(proposers)-1).Draw(t, "proposer")]
			i := r()
			s := replicas[i]
			switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
			case what == 0:
				replicas[i] = restarted(t, settings, s)
			case p.proposal == nil && len(p.promises) < majority:
				before := promiseBody{accepted: s.accepted, committed: s.committed}
				if yes, _ := s.prepare(p.ballot, true, 1); yes {
					p.promises[i] = before
				}
			case p.proposal == nil:
				com := p.best(func(b *promiseBody) *proposal { return &b.committed })
				for k := range replicas {
					if b, ok := p.promises[k]; ok && b.committed.ballot() == com.ballot() {
						p.holding[k] = true
					}
				}
				if len(p.holding) < majority {
					s.commit(&com)
					p.holding[i] = true
				}
				p.ready = len(p.holding) >= majority
				decide(p)
			case p.decided && what < 5:
				s.commit(p.proposal)
			default:
				if yes, _ := s.accept(p.proposal); yes {
					p.accepted[i] = true
					if votes[p.ballot] == nil {
						votes[p.ballot] = map[int]bool{}
					}
					votes[p.ballot][i] = true
				}
				p.decided = len(p.accepted) >= majority && !p.proposal.empty
			}
		}
		var chain []Version
		for ballot, by := range votes {
			if len(by) >= majority && !values[ballot].empty {
				chain = append(chain, ballot)
			}
		}
		slices.SortFunc(chain, Version.Compare)
		last := uint64(0)
		for _, ballot := range chain {
			value := binary.BigEndian.Uint64(values[ballot].cell.Value)
			if value != last && value != last+1 {
				t.Fatalf("%d was decided after %d: %v", value, last, chain)
			}
			last = value
		}
	})
}

// restarted is the state as it is read back from the log.
func restarted(t require.TestingT, settings *Settings, s *paxosKey) *paxosKey {
	n := &Node{settings: settings}
	var records []record
	s.records("k", func(b []byte) bool {
		r, key, err := parseRecord(b)
		require.NoError(t, err)
		require.Equal(t, "k", string(key))
		records = append(records, r)
		return true
	})
	slices.Reverse(records)
	for i := range records {
		require.NoError(t, n.recoverPaxos("k", &records[i]))
	}
	after := n.paxos.key("k")
	require.Equal(t, s.latest(), after.latest())
	require.Equal(t, s.promisedWrite, after.promisedWrite)
	require.Equal(t, s.accepted, after.accepted)
	require.Equal(t, s.committed, after.committed)
	return after
}

// A late commit of an older ballot does not make a replica forget what it accepted since.
func TestLateCommitKeepsWhatWasAccepted(t *testing.T) {
	at := func(time int64) *proposal { return &proposal{cell: Cell{Version: version(time)}} }
	s := &paxosKey{}
	s.accept(at(5))
	assert.True(t, s.commit(at(3)))
	assert.Equal(t, *at(5), s.accepted)
	assert.True(t, s.commit(at(5)))
	assert.Zero(t, s.accepted)
	assert.False(t, s.commit(at(4)))
	assert.Equal(t, *at(5), s.committed)
	accepted, changed := s.accept(at(5))
	assert.True(t, accepted, "it is committed")
	assert.False(t, changed)
	promised, _ := s.prepare(version(4), true, 1)
	assert.False(t, promised, "a commit is as good as a promise")
}

// A refusal proves nothing if the proposal came before: then it was accepted, and the answer may be lost.
func TestSecondCopyOfAProposalIsDoubtful(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "cas", "paxos-v2"))
	send := func(kind MessageKind, c Cell, flags byte, ballot int64) *Effects {
		return b.message(Message{Kind: kind, From: 1, To: 0, Request: 9, Key: "k", Cell: c, Body: &ballotBody{ballot: version(ballot), flags: flags}})
	}
	send(MessagePropose, cell(10, "v"), 0, 10)
	send(MessagePrepare, Cell{}, ballotWrite, 20)
	refusal := func(ballot int64) byte {
		out := send(MessagePropose, cell(ballot, "v"), 0, ballot)
		require.Len(t, out.Messages, 1)
		return out.Messages[0].Body.(*ballotBody).flags
	}
	assert.Equal(t, ballotMaybe, refusal(10))
	assert.Zero(t, refusal(15), "this one was never accepted")
	send(MessageCommit, cell(17, "v"), 0, 17)
	assert.Equal(t, ballotMaybe, refusal(15), "who knows, now")
}

// What a replica promises and accepts is in its log before it says so; a no is said at once.
func TestPaxosAnswersWaitForTheLog(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "cas", "paxos-v2"))
	send := func(kind MessageKind, c Cell, flags byte, ballot int64) *Effects {
		return b.message(Message{Kind: kind, From: 1, To: 0, Request: 9, Key: "k", Cell: c, Body: &ballotBody{ballot: version(ballot), flags: flags}})
	}
	out := send(MessagePrepare, Cell{}, ballotWrite|ballotRead, 10)
	require.Len(t, out.Persist, 1)
	assert.Empty(t, out.Messages)
	promise := out.Persist[0].ID
	out = send(MessagePrepare, Cell{}, ballotWrite, 9)
	require.Len(t, out.Messages, 1, "refused at once")
	assert.False(t, out.Messages[0].Body.(*promiseBody).yes)
	assert.Equal(t, version(10), out.Messages[0].Body.(*promiseBody).latest)
	out = send(MessagePropose, cell(10, "v"), 0, 10)
	require.Len(t, out.Persist, 1)
	accept := out.Persist[0].ID
	assert.Empty(t, b.durable(accept).Messages, "the promise before it is not durable yet")
	out = b.durable(promise)
	require.Len(t, out.Messages, 2)
	assert.True(t, out.Messages[0].Body.(*promiseBody).yes)
	assert.True(t, out.Messages[1].Body.(*ballotBody).is(ballotYes))

	out = b.message(Message{Kind: MessageCommit, From: 1, To: 0, Request: 9, Key: "k", Cell: cell(10, "v")})
	require.Len(t, out.Persist, 2, "the cell, and that it was committed")
	data, commit := out.Persist[0].ID, out.Persist[1].ID
	assert.Empty(t, b.durable(commit).Messages, "the cell is not durable yet")
	out = send(MessagePrepare, Cell{}, ballotWrite|ballotRead, 20)
	promise = out.Persist[0].ID
	assert.Empty(t, b.durable(promise).Messages, "it would tell of the commit")
	out = b.durable(data)
	require.Len(t, out.Messages, 2)
	assert.Equal(t, version(10), out.Messages[0].Cell.Version)
	assert.Equal(t, "v", string(out.Messages[1].Cell.Value), "a promise comes with what the replica holds")
	assert.Equal(t, version(10), out.Messages[1].Body.(*promiseBody).committed.ballot())
}

// A compare-and-set that all replicas refused has done nothing, and may say so.
func TestRefusedByAllIsDefinite(t *testing.T) {
	for _, c := range []struct {
		accepts int
		doubt   bool
		again   bool // its time is over in the next attempt, not before
		status  ReplyStatus
		code    string
	}{{0, false, true, StatusDefinite, CodeTimeout}, {0, false, false, StatusDefinite, CodeTimeout}, {1, false, false, StatusIndeterminate, CodeContended}, {0, true, false, StatusIndeterminate, CodeContended}} {
		b := newSolo(t, 0, everywhere(t, "cas", "paxos-v2", "n", "3"))
		out := b.request(Request{ID: 7, Kind: RequestCompareAndSet, Key: "k", Value: []byte("v")})
		ballot := out.Persist[0].ID
		number := out.Messages[0].Request
		version := out.Messages[0].Body.(*ballotBody).ballot
		answer := func(kind MessageKind, from NodeID, body Body) *Effects {
			return b.message(Message{Kind: kind, From: from, To: 0, Request: number, Key: "k", Body: body})
		}
		b.durable(ballot) // its own replica's promise
		later := version
		later.Time++
		if c.accepts == 0 {
			b.message(Message{Kind: MessagePrepare, From: 2, To: 0, Request: 1, Key: "k", Body: &ballotBody{ballot: later, flags: ballotWrite}})
		}
		out = answer(MessagePromise, 1, &promiseBody{ballot: version, yes: true})
		require.Equal(t, MessagePropose, out.Messages[0].Kind)
		if c.accepts > 0 {
			b.durable(out.Persist[0].ID)
		}
		refuse := &ballotBody{ballot: version, latest: later}
		if c.doubt {
			refuse.flags = ballotMaybe
		}
		answer(MessageAccepted, 1, refuse)
		out = answer(MessageAccepted, 2, refuse)
		if c.accepts == 0 && !c.doubt {
			assert.Empty(t, out.Replies, "it is tried again")
			require.Len(t, out.Timers, 1)
		}
		if c.again {
			b.now.Mono += out.Timers[0].After
			out = b.step(Event{Kind: EventTimer, ID: timerPaxos})
			require.Equal(t, MessagePrepare, out.Messages[0].Kind)
			assert.Equal(t, 1, out.Messages[0].Body.(*ballotBody).ballot.Compare(later), "with a ballot that has a chance")
		}
		if c.accepts == 0 && !c.doubt {
			b.now.Mono += b.node.settings.RequestTimeout
			out = b.step(Event{Kind: EventTimer, ID: timerRequest})
		}
		require.NotEmpty(t, out.Replies)
		assert.Equal(t, c.status, out.Replies[0].Status, out.Replies[0].Message)
		assert.Equal(t, c.code, out.Replies[0].Code)
	}
}

func TestPaxosBodiesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ballots := rapid.Custom(func(t *rapid.T) Version {
			return Version{Time: rapid.Int64().Draw(t, "time"), Node: NodeID(rapid.Byte().Draw(t, "node")), Incarnation: rapid.Uint32().Draw(t, "incarnation"), Sequence: rapid.Uint32().Draw(t, "sequence")}
		})
		cells := rapid.Custom(func(t *rapid.T) Cell {
			c := Cell{Version: ballots.Draw(t, "version"), Tombstone: rapid.Bool().Draw(t, "tombstone")}
			if b := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "value"); len(b) > 0 {
				c.Value = b
			}
			return c
		})
		m := Message{Kind: MessagePromise, From: 1, To: 2, Request: 3, Key: "k", Cell: cells.Draw(t, "cell")}
		if rapid.Bool().Draw(t, "promise") {
			m.Body = &promiseBody{ballot: ballots.Draw(t, "b"), yes: rapid.Bool().Draw(t, "yes"), latest: ballots.Draw(t, "l"), write: ballots.Draw(t, "w"),
				accepted: proposal{cell: cells.Draw(t, "a"), empty: rapid.Bool().Draw(t, "empty")}, committed: proposal{cell: cells.Draw(t, "c")}}
		} else {
			m.Kind = rapid.SampledFrom([]MessageKind{MessagePrepare, MessagePropose, MessageAccepted, MessageRead, MessageReadAnswer}).Draw(t, "kind")
			m.Body = &ballotBody{ballot: ballots.Draw(t, "b"), latest: ballots.Draw(t, "l"), flags: rapid.ByteRange(0, knownBallotFlags).Draw(t, "flags")}
		}
		b := AppendMessage(nil, &m)
		require.LessOrEqual(t, len(b), MaxMessageBytes)
		got, err := DecodeMessage(b)
		require.NoError(t, err)
		require.Equal(t, m, got)
		_, err = DecodeMessage(b[:len(b)-1])
		require.Error(t, err)
	})
}
