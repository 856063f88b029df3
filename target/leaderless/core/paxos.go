package core

import (
	"fmt"
	"slices"
)

// Paxos, a replica's part (Lamport, "The Part-Time Parliament", TOCS 1998;
// "Paxos Made Simple", 2001), as Cassandra uses it for its lightweight
// transactions (service/paxos/Paxos.md, PaxosState.java).
//
// Quorums and timestamps make a register; they cannot make "write y if x is
// there" (Herlihy, Wait-free synchronization, TOPLAS 1991: compare-and-set
// solves consensus among any number of processes, a register not even among
// two). So the replicas of a key must agree on one change after the other. No
// node is the leader: whoever coordinates a request picks a ballot, greater
// than those before it, and asks the replicas
//
//	prepare   to promise that they will accept nothing of a lower ballot. A
//	          replica that promises also tells what it has accepted that may
//	          not be done yet, and what was committed last.
//	propose   to accept a change under that ballot. They do unless they have
//	          promised a greater one meanwhile. A change that a majority has
//	          accepted is decided: every later majority of promises has a
//	          replica in it that knows of it.
//	commit    to apply the decided change to the key's cell.
//
// Of each key a replica keeps the greatest ballot that it promised, the
// proposal that it accepted last and has not seen committed, and the last
// commit. It says yes only when what it said is in its log, and what it tells
// of the others with it: a promise that is forgotten lets two majorities
// disagree. A no is said at once; it binds nobody.
//
// A ballot is a Version, and a committed cell has its ballot as its version,
// so that last write wins, which knows nothing of ballots, keeps the commits
// of a key in their order. It also keeps them in an order with plain writes of
// the same key, and those have a clock's time: one that is ahead hides every
// compare-and-set that is acknowledged after it. No protocol among
// compare-and-sets alone can help that.
type paxos struct {
	keys map[string]*paxosKey
	// waits are operations that met others and wait before they try again; see contention.go.
	waits contention
}

// proposal is a change that a ballot, its cell's version, proposes.
type proposal struct {
	cell Cell
	// empty changes nothing: it only takes the place of what an older ballot left unfinished.
	empty bool
	// at is when this replica accepted it, or saw it committed, by its wall clock: see CASExpiry.
	at int64
}

func (p *proposal) ballot() Version { return p.cell.Version }

// paxosKey is a replica's state of one key.
type paxosKey struct {
	// promised is the greatest ballot that was promised, and promisedWrite the
	// greatest of those that may propose a change.
	promised, promisedWrite Version
	// accepted is not committed as far as this replica knows, committed is the last commit; both may be zero.
	accepted, committed proposal
	promisedAt          int64
	// queue are answers that wait for the log, first in, first out.
	queue []paxosAnswer
}

// paxosAnswer is an answer that may be sent once its record and all before it are durable.
type paxosAnswer struct {
	record uint64 // the Persist's ID; 0: it needs none of its own
	done   bool
	answer Message // Kind 0: none
}

// latest is the greatest ballot of which the replica knows: nothing lower may pass.
func (s *paxosKey) latest() Version {
	v := s.promised
	for _, p := range []*proposal{&s.accepted, &s.committed} {
		if p.ballot().Compare(v) > 0 {
			v = p.ballot()
		}
	}
	return v
}

// prepare promises the ballot, or says why not: recorded says that the state
// changed, promised that the answer is yes. The same prepare twice is promised twice.
func (s *paxosKey) prepare(ballot Version, write bool, wall int64) (promised, changed bool) {
	switch c := ballot.Compare(s.latest()); {
	case c < 0:
		return false, false
	case c == 0:
		return ballot == s.promised, false
	}
	s.promised, s.promisedAt = ballot, wall
	if write {
		s.promisedWrite = ballot
	}
	return true, true
}

// accept accepts the proposal unless a greater ballot was promised.
func (s *paxosKey) accept(p *proposal) (accepted, changed bool) {
	if p.ballot().Compare(s.latest()) < 0 {
		return false, false
	}
	if p.ballot() == s.accepted.ballot() || p.ballot() == s.committed.ballot() {
		return true, false
	}
	s.accepted = *p
	return true, true
}

// mayHaveAccepted says whether it is possible that the ballot's proposal was
// accepted once: what is accepted gives way to greater ballots only.
func (s *paxosKey) mayHaveAccepted(ballot Version) bool {
	return s.accepted.ballot().Compare(ballot) >= 0 || s.committed.ballot().Compare(ballot) >= 0
}

// commit notes a decided proposal. It needs no promise: what is decided stays decided.
func (s *paxosKey) commit(p *proposal) (changed bool) {
	if p.ballot().Compare(s.committed.ballot()) <= 0 {
		return false
	}
	s.committed = *p
	if s.accepted.ballot().Compare(p.ballot()) <= 0 {
		s.accepted = proposal{}
	}
	return true
}

// expire forgets what is so old, by a clock that may be wrong; see CASSettings.
func (s *paxosKey) expire(wall, after int64) {
	if after == 0 {
		return
	}
	if wall-s.promisedAt > after {
		s.promised, s.promisedWrite = Version{}, Version{}
	}
	for _, p := range []*proposal{&s.accepted, &s.committed} {
		if wall-p.at > after {
			*p = proposal{}
		}
	}
}

func (p *paxos) key(key string) *paxosKey {
	s := p.keys[key]
	if s == nil {
		if p.keys == nil {
			p.keys = make(map[string]*paxosKey)
		}
		s = &paxosKey{}
		p.keys[key] = s
	}
	return s
}

// handlePaxos handles the messages of compare-and-sets.
func (n *Node) handlePaxos(m *Message) {
	if n.settings.CAS == CASOff {
		return // two nodes with different settings
	}
	if n.unready() && (m.Kind == MessagePrepare || m.Kind == MessagePropose) {
		return // what it promised may be lost with its disk
	}
	switch m.Kind {
	case MessagePrepare:
		n.storePrepare(m)
	case MessagePropose:
		n.storeProposal(m)
	case MessageCommit:
		n.storeCommit(m)
	case MessagePromise:
		n.promised(m)
	case MessageAccepted:
		n.accepted(m)
	case MessageCommitted:
		n.committed(m)
	}
}

// paxosKey returns the state of a key that still counts.
func (n *Node) paxosKey(key string) *paxosKey {
	s := n.paxos.key(key)
	s.expire(n.now.Wall, n.settings.CASExpiry)
	return s
}

// paxosAnswer begins an answer to the message.
func (n *Node) paxosAnswer(m *Message, kind MessageKind) Message {
	return Message{Kind: kind, From: n.id, To: m.From, Origin: m.Origin, Request: m.Request, Key: m.Key}
}

// storePrepare handles MessagePrepare.
func (n *Node) storePrepare(m *Message) {
	b, ok := m.Body.(*ballotBody)
	if !ok || b.ballot.IsZero() {
		return
	}
	s := n.paxosKey(m.Key)
	answer := n.paxosAnswer(m, MessagePromise)
	body := &promiseBody{ballot: b.ballot, latest: s.latest(), write: s.promisedWrite, accepted: s.accepted, committed: s.committed}
	answer.Body = body
	promised, changed := s.prepare(b.ballot, b.is(ballotWrite), n.now.Wall)
	if !promised {
		n.send(&answer)
		return
	}
	body.yes = true
	if held := n.replica.slots[m.Key]; held != nil && b.is(ballotRead) {
		// In memory: the answer is not sent before it is durable.
		answer.Cell = held.memory
	}
	var r *record
	if changed {
		r = paxosRecord(m.Key, paxosPromised, b.is(ballotWrite), &proposal{cell: Cell{Version: b.ballot}, at: n.now.Wall})
	}
	n.answerPaxos(s, r, &answer)
}

// storeProposal handles MessagePropose.
func (n *Node) storeProposal(m *Message) {
	b, ok := m.Body.(*ballotBody)
	if !ok || m.Cell.Version.IsZero() {
		return
	}
	s := n.paxosKey(m.Key)
	p := proposal{cell: m.Cell, empty: b.is(ballotEmpty), at: n.now.Wall}
	accepted, changed := s.accept(&p)
	answer := n.paxosAnswer(m, MessageAccepted)
	body := &ballotBody{ballot: p.ballot(), latest: s.latest()}
	answer.Body = body
	if !accepted {
		if s.mayHaveAccepted(p.ballot()) {
			body.flags = ballotMaybe
		}
		n.send(&answer)
		return
	}
	body.flags = ballotYes
	var r *record
	if changed {
		r = paxosRecord(m.Key, paxosAccepted, p.empty, &p)
	}
	n.answerPaxos(s, r, &answer)
}

// storeCommit handles MessageCommit: the cell is stored like that of any write,
// and beside it stays what Paxos must know of it.
func (n *Node) storeCommit(m *Message) {
	if m.Cell.Version.IsZero() {
		return
	}
	p := proposal{cell: m.Cell, at: n.now.Wall}
	s := n.paxosKey(m.Key)
	answer := n.paxosAnswer(m, MessageCommitted)
	answer.Cell.Version = p.ballot()
	changed := s.commit(&p)
	n.store(m.Key, &m.Cell, nil)
	var r *record
	if changed {
		r = paxosRecord(m.Key, paxosCommitted, false, &p)
	}
	n.answerPaxos(s, r, &answer)
}

// answerPaxos logs the record, which is nil where nothing changed, and sends
// the answer when that and all before it are durable.
func (n *Node) answerPaxos(s *paxosKey, r *record, answer *Message) {
	if n.settings.Acknowledge == AcknowledgeBeforeLog {
		if r != nil {
			n.log(r)
		}
		n.send(answer)
		return
	}
	a := paxosAnswer{answer: *answer, done: r == nil}
	if r != nil {
		p := n.replica.newPersist()
		a.record = n.replica.persists.add(p)
		p.afterwards = append(p.afterwards, func(n *Node) { n.paxosDurable(s, a.record) })
		n.out.Persist = append(n.out.Persist, Persist{ID: a.record, Record: n.records.encode(r)})
	}
	s.queue = append(s.queue, a)
	n.drainPaxos(s)
}

// paxosDurable notes that a record of the key is durable.
func (n *Node) paxosDurable(s *paxosKey, id uint64) {
	for i := range s.queue {
		if s.queue[i].record == id {
			s.queue[i].done = true
		}
	}
	n.drainPaxos(s)
}

// drainPaxos sends the answers that wait for nothing any more. One that tells
// of a commit, or of the key's cell, also waits for the cell.
func (n *Node) drainPaxos(s *paxosKey) {
	sent := 0
	for ; sent < len(s.queue) && s.queue[sent].done; sent++ {
		answer := &s.queue[sent].answer
		if held := n.replica.slots[answer.Key]; held != nil && held.pending != nil {
			held.pending.then = append(held.pending.then, *answer)
			continue
		}
		n.send(answer)
	}
	if sent == 0 {
		return
	}
	rest := copy(s.queue, s.queue[sent:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
}

// What a recordPaxos tells.
const (
	paxosPromised byte = iota + 1
	paxosAccepted
	paxosCommitted
)

// paxosRecord makes a record: its cell is the proposal's, or has the promised
// ballot as its version; its body says what happened to it and when.
func paxosRecord(key string, what byte, flag bool, p *proposal) *record {
	body := []byte{what, 0}
	if flag {
		body[1] = 1
	}
	return &record{kind: recordPaxos, key: key, cell: p.cell, body: appendVarint(body, p.at)}
}

// recoverPaxos takes over a record. What was promised, accepted and committed
// only grows, so their order does not matter.
func (n *Node) recoverPaxos(key string, r *record) error {
	d := decoder{rest: r.body}
	what, flag := d.byte(), d.byte() == 1
	at := d.varint()
	if err := d.end(); err != nil {
		return fmt.Errorf("%w: of a compare-and-set: %w", ErrRecord, err)
	}
	s := n.paxos.key(key)
	p := proposal{cell: r.cell, empty: flag, at: at}
	p.cell.Value = append([]byte(nil), r.cell.Value...)
	switch what {
	case paxosPromised:
		if p.ballot().Compare(s.promised) > 0 {
			s.promised, s.promisedAt = p.ballot(), at
		}
		if flag && p.ballot().Compare(s.promisedWrite) > 0 {
			s.promisedWrite = p.ballot()
		}
	case paxosAccepted:
		if p.ballot().Compare(s.committed.ballot()) > 0 && p.ballot().Compare(s.accepted.ballot()) > 0 {
			s.accepted = p
		}
	case paxosCommitted:
		p.empty = false
		s.commit(&p)
	default:
		return fmt.Errorf("%w: of a compare-and-set: unknown step %d", ErrRecord, what)
	}
	return nil
}

// records yields the records that rebuild the key's state.
func (s *paxosKey) records(key string, yield func([]byte) bool) bool {
	promise := func(v Version, write bool) bool {
		return v.IsZero() || yield(encodeRecord(paxosRecord(key, paxosPromised, write, &proposal{cell: Cell{Version: v}, at: s.promisedAt})))
	}
	change := func(p *proposal, what byte) bool {
		return p.ballot().IsZero() || yield(encodeRecord(paxosRecord(key, what, p.empty, p)))
	}
	return promise(s.promised, false) && promise(s.promisedWrite, true) && change(&s.committed, paxosCommitted) && change(&s.accepted, paxosAccepted)
}

// sortedKeys hides the order of the map.
func (p *paxos) sortedKeys() []string {
	keys := make([]string, 0, len(p.keys))
	for key := range p.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (d *digest) paxos(key string, s *paxosKey) {
	d.add(hashString(key), uint64(len(s.queue)), uint64(s.promisedAt), uint64(s.accepted.at), uint64(s.committed.at))
	for _, c := range []Cell{{Version: s.promised}, {Version: s.promisedWrite}, s.accepted.cell, s.committed.cell} {
		d.cell(&c)
	}
}
