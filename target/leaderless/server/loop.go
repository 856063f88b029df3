package server

import (
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// inboxLimit is how many events from other nodes may wait; beyond it their
// connections are not read, which makes TCP slow the senders down.
const inboxLimit = 1 << 16

// timerSlack is how much later than asked for a timer may fire, so that one
// wake-up serves many timers.
const timerSlack = int64(time.Millisecond)

// input is what other goroutines hand to the loop: a message, a client's
// request, or a function that is to run in the loop.
type input struct {
	message core.Message
	waiter  *waiter
	admin   *command
	call    func(*core.Node)
}

// command is what an operator asks the core for, and the answer.
type command struct {
	admin core.Admin
	reply core.Reply
	done  chan struct{} // capacity 1
}

// waiter is a client's request and, later, the answer to it.
type waiter struct {
	request core.Request
	// since is when the loop got it, on the monotonic clock.
	since int64
	// status and body are the answer; set before done receives its value.
	status int
	body   []byte
	// context is the causal context in base64; empty: none.
	context string
	done    chan struct{} // capacity 1
}

// loop owns the core. Only its own goroutine touches the fields below inbox.
type loop struct {
	server *Server

	inbox struct {
		sync.Mutex
		inputs []input
		closed bool
		wake   chan struct{} // capacity 1
		room   sync.Cond     // inputs became fewer
	}

	node        *core.Node
	effects     core.Effects
	timers      timerHeap
	waiting     map[uint64]*waiter
	commands    map[uint64]*command
	lastRequest uint64
	completed   []uint64
	spare       []input
	tally       tally
}

// boot makes the core from the records of the log.
func (l *loop) boot(s *Server, records [][]byte) error {
	l.server = s
	l.inbox.wake = make(chan struct{}, 1)
	l.inbox.room.L = &l.inbox
	l.waiting = make(map[uint64]*waiter)
	l.commands = make(map[uint64]*command)
	all := func(yield func([]byte, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
	// The jitter differs between the nodes and between the lives of one.
	random := uint64(s.incarnation)<<8 | uint64(s.id)
	now := s.clock.now()
	node, err := core.Boot(s.id, &s.settings, s.incarnation, all, random, now, &l.effects)
	if err != nil {
		return err
	}
	l.node = node
	return l.apply(now)
}

// post hands inputs from other nodes to the loop; it waits while too many are
// waiting already, and returns false when the loop has ended.
func (l *loop) post(inputs []input) bool {
	l.inbox.Lock()
	for len(l.inbox.inputs) > inboxLimit && !l.inbox.closed {
		l.inbox.room.Wait()
	}
	return l.put(inputs...)
}

// put adds inputs to the inbox, whose lock the caller holds; put releases it.
func (l *loop) put(inputs ...input) bool {
	if l.inbox.closed {
		l.inbox.Unlock()
		return false
	}
	l.inbox.inputs = append(l.inbox.inputs, inputs...)
	l.inbox.Unlock()
	signal(l.inbox.wake)
	return true
}

// ask has a client's request carried out and returns when it is answered;
// false when the loop ended before that.
func (l *loop) ask(w *waiter) bool {
	l.inbox.Lock()
	if !l.put(input{waiter: w}) {
		return false
	}
	select {
	case <-w.done:
		return true
	case <-l.server.stopped:
		return false
	}
}

// command has an operator's command begun and returns the answer; false when
// the loop ended before that.
func (l *loop) command(a core.Admin) (core.Reply, bool) {
	c := &command{admin: a, done: make(chan struct{}, 1)}
	l.inbox.Lock()
	if !l.put(input{admin: c}) {
		return core.Reply{}, false
	}
	select {
	case <-c.done:
		return c.reply, true
	case <-l.server.stopped:
		return core.Reply{}, false
	}
}

// call runs f in the loop and returns when it has run; false when the loop ended before that.
func (l *loop) call(f func(*core.Node)) bool {
	done := make(chan struct{})
	l.inbox.Lock()
	if !l.put(input{call: func(n *core.Node) { f(n); close(done) }}) {
		return false
	}
	select {
	case <-done:
		return true
	case <-l.server.stopped:
		return false
	}
}

// run is the loop's goroutine.
func (l *loop) run() {
	defer close(l.server.stopped)
	defer l.closeInbox()
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		if err := l.turn(); err != nil {
			l.server.fail(err)
			return
		}
		if next, ok := l.timers.next(); ok {
			alarm.Reset(time.Duration(max(next+timerSlack-l.server.clock.now().Mono, 0)))
		} else {
			alarm.Reset(time.Hour)
		}
		select {
		case <-l.inbox.wake:
		case <-l.server.log.Ready():
		case <-alarm.C:
		case <-l.server.stop:
			return
		}
	}
}

// turn handles everything that is there to be handled.
func (l *loop) turn() error {
	for _, in := range l.take() {
		now := l.server.clock.now()
		var err error
		switch {
		case in.call != nil:
			in.call(l.node)
		case in.admin != nil:
			l.lastRequest++
			in.admin.admin.ID = l.lastRequest
			l.commands[l.lastRequest] = in.admin
			err = l.step(now, &core.Event{Kind: core.EventAdmin, Admin: &in.admin.admin})
		case in.waiter != nil:
			l.lastRequest++
			in.waiter.request.ID = l.lastRequest
			in.waiter.since = now.Mono
			l.waiting[l.lastRequest] = in.waiter
			err = l.step(now, &core.Event{Kind: core.EventRequest, Request: &in.waiter.request})
		default:
			l.tally.received[in.message.Kind]++
			err = l.step(now, &core.Event{Kind: core.EventMessage, Message: &in.message})
		}
		if err != nil {
			return err
		}
	}
	now := l.server.clock.now()
	for id, due := l.timers.pop(now.Mono); due; id, due = l.timers.pop(now.Mono) {
		if err := l.step(now, &core.Event{Kind: core.EventTimer, ID: id}); err != nil {
			return err
		}
	}
	if err := l.logTurn(); err != nil {
		return err
	}
	for _, p := range l.server.peers {
		if p != nil {
			p.flush()
		}
	}
	return nil
}

// logTurn writes what the turn appended to the log and tells the core what is durable.
func (l *loop) logTurn() error {
	log := l.server.log
	for {
		if err := log.Commit(); err != nil {
			return err
		}
		l.completed = log.Completed(l.completed[:0])
		if len(l.completed) == 0 {
			break
		}
		now := l.server.clock.now()
		for _, id := range l.completed {
			if err := l.step(now, &core.Event{Kind: core.EventDurable, ID: id}); err != nil {
				return err
			}
		}
	}
	if log.CompactionDue() {
		return log.Compact(l.node.Records)
	}
	return log.Err()
}

// step lets one event happen to the core and carries out what it wants.
func (l *loop) step(now core.Now, e *core.Event) error {
	l.node.Step(now, e, &l.effects)
	return l.apply(now)
}

// apply carries out the effects.
func (l *loop) apply(now core.Now) error {
	s := l.server
	for i := range l.effects.Persist {
		p := &l.effects.Persist[i]
		if err := s.log.Append(p.ID, p.Record, p.Eager); err != nil {
			return err
		}
	}
	for i := range l.effects.Messages {
		m := &l.effects.Messages[i]
		if p := s.peers[m.To]; p != nil {
			l.tally.sent[m.Kind]++
			p.send(m)
		}
	}
	for _, t := range l.effects.Timers {
		l.timers.push(now.Mono+t.After, t.ID)
	}
	for i := range l.effects.Replies {
		r := &l.effects.Replies[i]
		if c, ok := l.commands[r.ID]; ok {
			delete(l.commands, r.ID)
			c.reply = *r
			c.done <- struct{}{}
			continue
		}
		w, ok := l.waiting[r.ID]
		if !ok {
			return fmt.Errorf("the core answered request %d twice or without being asked", r.ID)
		}
		delete(l.waiting, r.ID)
		l.tally.answered(w.request.Kind, r, time.Duration(now.Mono-w.since))
		w.status, w.body = s.appendReply(w.body[:0], w.request.Kind, r)
		if r.Context != nil {
			w.context = base64.StdEncoding.EncodeToString(r.Context)
		}
		w.done <- struct{}{}
	}
	l.effects.Reset()
	return nil
}

// take returns all inputs that are waiting; they are valid until the next call.
func (l *loop) take() []input {
	clear(l.spare)
	l.inbox.Lock()
	defer l.inbox.Unlock()
	taken := l.inbox.inputs
	l.inbox.inputs, l.spare = l.spare[:0], taken
	if len(taken) > inboxLimit {
		l.inbox.room.Broadcast()
	}
	return taken
}

// closeInbox lets nobody wait for a loop that has ended.
func (l *loop) closeInbox() {
	l.inbox.Lock()
	defer l.inbox.Unlock()
	l.inbox.closed = true
	l.inbox.inputs = nil
	l.inbox.room.Broadcast()
}

// signal makes sure that c holds a value.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
