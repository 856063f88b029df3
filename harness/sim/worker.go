package sim

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
	"github.com/refute-lab/refute/workloads"
)

// worker is a client: one operation at a time. It does as the controller's
// workers do with real nodes (package harness): it asks when an operation is
// due, goes on under a new process number after an indeterminate outcome, and
// repeats final reads until they succeed.
type worker struct {
	process int32
	// index and attempt name the operation in progress, or the next one.
	index, attempt int32
	// position is its place in the worker's script.
	position int32
	record   int32
	node     uint8
	op       generator.Operation
	memory   workloads.Memory
	// generated is the operation's value before the workload prepared it.
	generated history.Value
	finals    []generator.Operation
	answers   []answer
	// call is the request on its way, 0 if there is none; kind and key are what it is about.
	call uint64
	// to is the node that the call went to: not the operation's where clients route by themselves.
	to   uint8
	kind core.RequestKind
	key  string
	// ready says that op is the next operation, not asked for yet, and due when it is to be.
	ready bool
	due   int64
	// began is when the operation was invoked.
	began int64
	// watched: an occurrence is due at which the worker's patience is looked at.
	watched bool
	// busy: an operation is in progress. replying: its answer is on its way.
	busy, replying bool
}

func (c *worker) reset(number int) {
	clear(c.answers)
	c.memory.Forget()
	*c = worker{process: int32(number), answers: c.answers[:0], memory: c.memory}
}

// thinkTime is between an answer and the worker's next question: not none,
// because two operations that touch at an instant count as concurrent.
const thinkTime = 1000

// turn lets a worker begin its next operation, or wait until it is due.
func (w *World) turn(i int) {
	c := &w.workers[i]
	if (w.phase == phaseMain || w.phase == phaseFinals) && w.now < w.deadline {
		if !c.ready {
			c.due, c.ready = w.next(i, c)
		}
		switch {
		case !c.ready:
		case c.due <= w.now:
			c.ready = false
			w.ask(i, c)
			return
		case c.due < w.deadline:
			w.wake(c.due, happensTurn, i)
			return
		}
	}
	c.ready = false
	w.turns--
	w.rested()
}

// rest lets the worker go on after a pause, or when its next operation is due
// if that is later and there still is time for it.
func (w *World) rest(i int, c *worker, pause int64) {
	at := w.now + pause
	if w.phase == phaseMain && at < w.deadline {
		if c.due, c.ready = w.next(i, c); c.ready && c.due > at && c.due < w.deadline {
			at = c.due
		}
	}
	w.wake(at, happensTurn, i)
}

func (w *World) wake(at int64, k kind, worker int) {
	*w.queue.add(at) = occurrence{kind: k, worker: uint16(worker)}
}

// next puts the worker's next operation into op and returns when it is due.
func (w *World) next(i int, c *worker) (due int64, ok bool) {
	switch {
	case w.phase == phaseFinals:
		if int(c.index) >= len(c.finals) {
			return 0, false
		}
		c.op = c.finals[c.index]
	case w.generate != nil:
		if c.op, ok = w.generate.Operation(i, int(c.index)); !ok {
			return 0, false
		}
		due = int64(c.op.At)
	default:
		if int(c.position) >= len(w.scripts[i]) {
			return 0, false
		}
		p := &w.script[w.scripts[i][c.position]]
		c.index = int32(p.Index)
		c.op = generator.Operation{F: p.F, Key: p.Key, Node: p.Node}
		if p.Value != nil {
			c.op.Value = history.IntValue(*p.Value)
		}
		due = int64(p.At)
	}
	node, err := w.nodeNumber(c.op.Node)
	if err != nil {
		w.fail(err)
		return 0, false
	}
	c.node = node
	return due, true
}

// nodeNumber is the position of a node that is called n1, n2, … .
func (w *World) nodeNumber(name string) (uint8, error) {
	if len(name) > 1 {
		if n, err := strconv.Atoi(name[1:]); err == nil && n >= 1 && n <= len(w.nodes) {
			return uint8(n - 1), nil
		}
	}
	return 0, fmt.Errorf("an operation is for the node %q: the nodes are n1 … n%d", name, len(w.nodes))
}

// ask begins an operation.
func (w *World) ask(i int, c *worker) {
	c.busy, c.began, c.call, c.replying = true, w.now, 0, false
	for k := range c.answers {
		if a := &c.answers[k]; a.reply != nil {
			w.replies.release(a.letter)
		}
	}
	clear(c.answers)
	c.answers = c.answers[:0]
	w.busy++
	c.memory.Begin(i, int(c.index))
	c.generated = c.op.Value
	if w.prepare != nil {
		c.op = w.prepare.Prepare(w.config, &c.memory, c.op)
	}
	w.fail(w.invoke(c))
	if !c.watched {
		c.watched = true
		w.wake(w.now+int64(w.limits.Operation), happensPatience, i)
	}
	w.perform(i, c, false)
}

// perform goes on with an operation: to its next request, or to its end.
func (w *World) perform(i int, c *worker, expired bool) {
	w.caller.begin(w.nodes[c.node], c.answers, expired)
	c.memory.Begin(i, int(c.index))
	out := w.workload.Perform(context.Background(), w.config, &c.memory, &w.caller, c.op)
	if w.caller.asked {
		w.send(i, c)
		return
	}
	w.fail(w.complete(c, &out))
	c.busy, c.call = false, 0
	w.busy--
	c.memory.Keep()
	if out.Type == history.Info {
		c.process += int32(w.config.Concurrency)
		c.memory.Forget()
	}
	pause := int64(thinkTime)
	if w.phase == phaseFinals && out.Type != history.Ok {
		pause = int64(min(20*time.Millisecond<<min(c.attempt, 5), 500*time.Millisecond))
		c.attempt++
	} else {
		c.index, c.attempt = c.index+1, 0
		c.position++
	}
	w.rest(i, c, pause)
}

// The identity of a request, from which every random choice about it is made:
// whose operation, which one, and which call of it. It is never 0.
const (
	callBits  = 20
	indexBits = 28
)

func (w *World) identity(i int, c *worker) uint64 {
	id := uint64(i+1)<<(callBits+indexBits) | uint64(c.index)&(1<<indexBits-1)<<callBits | (uint64(len(c.answers))+uint64(c.attempt)<<12)&(1<<callBits-1)
	if w.phase == phaseFinals {
		id |= 1 << 62
	}
	return id
}

// send sends the request that the workload has asked for.
func (w *World) send(i int, c *worker) {
	r := &w.caller.request
	c.call, c.kind, c.key = w.identity(i, c), r.Kind, r.Key
	c.to = uint8(w.settings.Route(core.NodeID(c.node), c.key))
	slot := w.parcels.take()
	p := &w.parcels.items[slot]
	*p = parcel{sent: w.now, message: core.Message{Key: c.key}}
	if c.kind != core.RequestGet {
		p.message.Cell.Value = r.Value
		if w.settings.Timestamps == core.TimestampsClient {
			p.message.Cell.Version.Time = epoch + w.now
		}
	}
	if !simple(r) {
		whole := *r
		p.request = &whole
	}
	*w.queue.add(w.now + w.clientDelay(c.call, 0)) = occurrence{kind: happensRequest, node: c.to, worker: uint16(i), life: uint32(c.kind), id: c.call, slot: slot}
}

// simple says that a request is nothing but its kind, key and value.
func simple(r *core.Request) bool {
	return r.Kind <= core.RequestDelete && r.N == 0 && r.W == 0 && r.R == 0 && r.Level == 0 && r.PR == 0 && r.PW == 0 && r.DW == 0 && r.Context == nil
}

// unanswered: the request came to a node whose process is down. A machine
// that is on says so; one without power says nothing.
func (w *World) unanswered(i int, o *occurrence) {
	if w.hosts[i].powerless > 0 {
		return
	}
	refused := w.queue.add(w.now + w.clientDelay(o.id, 1))
	*refused = occurrence{kind: happensRefusal, node: uint8(i), worker: o.worker, id: o.id}
}

// reply sends a node's reply on its way to the client.
func (w *World) reply(i int, r *core.Reply) {
	worker := int(r.ID>>(callBits+indexBits)&0x3fff) - 1
	if worker < 0 || worker >= len(w.workers) {
		return
	}
	c := &w.workers[worker]
	if c.call != r.ID {
		return // it no longer waits for it
	}
	c.replying = true
	slot := w.replies.take()
	w.replies.items[slot] = letter{*r, w.now}
	*w.queue.add(w.now + w.clientDelay(r.ID, 1)) = occurrence{kind: happensReply, node: uint8(i), worker: uint16(worker), id: r.ID, slot: slot}
	w.mix(r.ID, uint64(r.Status)<<32|uint64(r.Cell.Version.Sequence), uint64(r.Cell.Version.Time))
}

// replied: an answer has arrived.
func (w *World) replied(i int, id uint64, slot uint32) {
	c := &w.workers[i]
	if w.tracer.on {
		l := &w.replies.items[slot]
		w.traceReply(i, c, id, &l.reply, l.sent)
	}
	if c.call != id {
		w.replies.release(slot)
		return
	}
	w.answered(i, w.answerOf(int(c.to), slot))
}

// answered goes on with the operation that waited for it.
func (w *World) answered(i int, a answer) {
	c := &w.workers[i]
	c.call, c.replying = 0, false
	c.answers = append(c.answers, a)
	w.perform(i, c, false)
}

// brokenOff: there will be no answer.
func (w *World) brokenOff(i int, id uint64, why string, definite bool) {
	if c := &w.workers[i]; c.call == id && !c.replying {
		w.answered(i, answer{err: &target.Error{Definite: definite, Message: why}})
	}
}

// hangUp breaks the connections of clients that wait for a process that was killed.
func (w *World) hangUp(node int) {
	for i := range w.workers {
		c := &w.workers[i]
		if c.busy && c.call != 0 && int(c.to) == node && !c.replying {
			o := w.queue.add(w.now + w.clientDelay(c.call, 2))
			*o = occurrence{kind: happensHangUp, node: uint8(node), worker: uint16(i), id: c.call}
		}
	}
}

// patience looks whether the worker has waited for as long as it would.
func (w *World) patience(i int) {
	c := &w.workers[i]
	if !c.busy {
		c.watched = false
		return
	}
	due := c.began + int64(w.limits.Operation)
	if w.now < due {
		w.wake(due, happensPatience, i)
		return
	}
	c.watched = false
	c.call, c.replying = 0, false
	c.answers = append(c.answers, answer{err: &target.Error{Message: "no answer within " + w.limits.Operation.String()}})
	w.perform(i, c, true)
}
