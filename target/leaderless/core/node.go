package core

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// Node is one member of the store: the whole of it but the network, the disk
// and the clocks. It is not safe for concurrent use; see Step.
type Node struct {
	id          NodeID
	settings    *Settings
	ring        *Ring
	incarnation uint32
	random      uint64 // state of SplitMix64
	// omitEvidence: see OmitEvidence.
	omitEvidence bool
	// counters are for operators alone; see gauges.go.
	counters Counters

	replica     replica
	hints       hintStore
	coordinator coordinator
	routing     routing
	detector    detector
	paxos       paxos
	tombstones  tombstones
	// followsDurable: some mechanism follows the durable cells; see durableChanged.
	followsDurable bool
	// membership is what is known of the members; nil with ring=static.
	membership *membership
	// ringTag is that of the view with ring=epochs, else 0; see epoch.go.
	ringTag uint32
	streams streams
	// changeTicking: the timer of changes and streams is set.
	changeTicking bool
	// rejoining: no reads are answered until the streams are received; see rejoin.go.
	rejoining bool
	ranges    rangeSet
	entropy   antiEntropy
	surveys   surveys
	// order says which of two cells without an object stays.
	order cellOrder
	// events are those that this node made in causal clocks, carriedOut the updates.
	events     eventMemory
	carriedOut updateMemory

	// of the step in progress
	now      Now
	out      *Effects
	loopback []Message
	// records is where the records of Effects.Persist are written.
	records slab
}

// Boot starts a node, or starts it again after a kill, from the records of its
// durable log.
//
// incarnation must be greater than that of every earlier start of the same
// node, those that were killed at once included: the driver keeps the count
// durably and counts up before it calls Boot. It makes versions and request
// numbers unique (only its low 24 bits go into the latter).
//
// records yields every record that was ever handed out in Effects.Persist and
// has not been replaced by Records, in the order in which they were handed out;
// repetition of the whole does not matter, and a tail that was never durable
// may be missing. nil is an empty log. The driver
// must make what it read durable (one fsync) before it calls Boot, because the
// node will promise it to others. The error of the iterator is returned, as is
// an error wrapping ErrRecord for a record that cannot be understood.
//
// random seeds the jitter of heartbeats. settings must come from
// ParseSettings and must not be changed afterwards. out gets the first timers.
func Boot(id NodeID, settings *Settings, incarnation uint32, records iter.Seq2[[]byte, error], random uint64, now Now, out *Effects) (*Node, error) {
	if int(id) >= len(settings.Nodes) {
		return nil, fmt.Errorf("node %d of %d: there is no such node in the settings", id, len(settings.Nodes))
	}
	if settings.ring == nil {
		return nil, errors.New("settings without a ring: make them with ParseSettings")
	}
	if incarnation == 0 {
		return nil, errors.New("incarnation 0: incarnations count from 1, so that no version is ever zero")
	}
	n := &Node{
		id:          id,
		settings:    settings,
		ring:        settings.ring,
		incarnation: incarnation,
		random:      random,
		order:       settings.order(),
	}
	n.replica.init()
	n.coordinator.init()
	n.hints.init(len(settings.Nodes))
	n.initMembership()
	if err := n.recover(records); err != nil {
		return nil, err
	}
	n.begin(now, out)
	n.detector.start(n)
	for i := range n.hints.queues {
		n.hints.queues[i].since = now.Mono
	}
	n.armHandoff()
	n.startMembership()
	n.startRejoin()
	n.antiEntropyStart()
	n.startEvents()
	n.tombstonesStart()
	n.end()
	return n, nil
}

// recover rebuilds the state from the log. Everything in it is durable.
func (n *Node) recover(records iter.Seq2[[]byte, error]) error {
	if records == nil {
		return nil
	}
	type hintKey struct {
		home NodeID
		key  string
	}
	var delivered map[hintKey]Cell
	for b, err := range records {
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		r, key, err := parseRecord(b)
		if err != nil {
			return err
		}
		if r.kind != recordCell && int(r.home) >= len(n.settings.Nodes) {
			return fmt.Errorf("%w: a hint for node %d of %d: the log belongs to a larger cluster", ErrRecord, r.home, len(n.settings.Nodes))
		}
		if r.kind == recordCell {
			n.recoverCell(key, r.cell)
			continue
		}
		if r.kind > recordHandedOff {
			if err := n.recoverExtra(string(key), &r); err != nil {
				return err
			}
			continue
		}
		r.key, r.cell.Value = string(key), bytes.Clone(r.cell.Value)
		if delivered == nil {
			delivered = make(map[hintKey]Cell)
		}
		switch r.kind {
		case recordHint:
			if done := delivered[hintKey{r.home, r.key}]; !n.heldCovers(&done, &r.cell) {
				n.recoverSlot(&n.hints.add(r.home, r.key).slot, &r.cell)
			}
		case recordHandedOff:
			k := hintKey{r.home, r.key}
			done := delivered[k]
			n.merge(&done, &r.cell)
			delivered[k] = done
			n.removeHint(r.home, r.key, &done)
		}
	}
	return nil
}

// recoverExtra hands a record to the mechanism that wrote it.
func (n *Node) recoverExtra(key string, r *record) error {
	switch r.kind {
	case recordPaxos:
		return n.recoverPaxos(key, r)
	case recordActor:
		n.recoverEvents(r)
		return nil
	case recordRepair:
		n.entropy.unfinished = !r.cell.Tombstone
		return nil
	case recordPurged:
		n.recoverPurge(key, &r.cell)
		n.forgetEvents(key)
		return nil
	case recordMembers:
		return n.recoverMember(r)
	default:
		return fmt.Errorf("%w: a record of kind %d, which this release does not write: start the release that wrote the log", ErrRecord, r.kind)
	}
}

// OmitEvidence lets the node reply without Evidence from now on, or with it
// again. A driver that has no use for it saves the time and the memory;
// nothing else depends on it. A node starts with evidence.
func (n *Node) OmitEvidence(omit bool) { n.omitEvidence = omit }

// Step lets one thing happen to the node and appends to out what it wants from
// the world because of it. It never blocks, and the same sequence of calls
// gives the same effects, always. e and what it points to is not kept, but for
// the values in it. Events that make no sense (a message that is not for this
// node, a timer or a record that it does not know) are ignored.
func (n *Node) Step(now Now, e *Event, out *Effects) {
	n.begin(now, out)
	n.detector.forgive(n)
	switch e.Kind {
	case EventMessage:
		if m := e.Message; m != nil && m.To == n.id && m.From != n.id && int(m.From) < len(n.settings.Nodes) {
			n.detector.heard(n, m.From)
			n.observe(m.Cell.Version.Time)
			n.handle(m)
		}
	case EventRequest:
		if e.Request != nil {
			n.request(e.Request)
		}
	case EventTimer:
		n.timer(e.ID)
	case EventDurable:
		n.durable(e.ID)
	case EventAdmin:
		if e.Admin != nil {
			n.admin(e.Admin)
		}
	}
	n.end()
}

func (n *Node) begin(now Now, out *Effects) { n.now, n.out = now, out }

// end delivers what the node sent to itself: its own replica is asked by the
// same messages as the others, so that there is one path and one set of rules.
func (n *Node) end() {
	for i := 0; i < len(n.loopback); i++ {
		n.handle(&n.loopback[i])
	}
	release(n.loopback)
	n.loopback = n.loopback[:0]
	if n.routing.relays {
		n.relayReplies()
	}
	n.out = nil
}

// message adds a message to what is sent in this step; the caller completes it
// at once: the next one may move it.
func (n *Node) message(kind MessageKind, to NodeID) *Message {
	queue := &n.out.Messages
	if to == n.id {
		queue = &n.loopback
	}
	m := next(queue)
	m.Kind, m.From, m.To, m.Ring = kind, n.id, to, n.ringTag
	return m
}

// send sends a message that was made elsewhere.
func (n *Node) send(m *Message) { *n.message(m.Kind, m.To) = *m }

// next makes the list longer by a zero item and returns that. Messages and
// replies are large: they are made where they stay.
func next[T any](list *[]T) *T {
	k := len(*list)
	if k == cap(*list) {
		var zero T
		*list = append(*list, zero)
		return &(*list)[k]
	}
	*list = (*list)[:k+1]
	item := &(*list)[k]
	var zero T
	*item = zero
	return item
}

func (n *Node) handle(m *Message) {
	if m.Ring != n.ringTag && !n.checkRing(m) {
		return
	}
	switch m.Kind {
	case MessageRead, MessageFetch, MessageDigest:
		n.answerRead(m)
	case MessageReadAnswer:
		n.readAnswered(m)
	case MessageFetched:
		n.fetched(m)
	case MessageDigestAnswer:
		n.digestAnswered(m)
	case MessageWrite:
		if !m.Cell.Version.IsZero() {
			n.storeWrite(m)
		}
	case MessageWritten:
		n.written(m)
	case MessageHandoff:
		if !m.Cell.Version.IsZero() {
			n.storeHandoff(m)
		}
	case MessageHandedOff:
		n.handedOff(m)
	case MessageHeartbeat:
		n.detector.beat(n, m.From)
	case MessageUpdate:
		n.storeUpdate(m)
	case MessagePrepare, MessagePromise, MessagePropose, MessageAccepted, MessageCommit, MessageCommitted:
		n.handlePaxos(m)
	case MessageUpdated:
		n.updated(m)
	case MessageGossip, MessageGossipAnswer:
		n.handleGossip(m)
	case MessageStream, MessageStreamChunk, MessageStreamed:
		n.handleStream(m)
	case MessageTree, MessageTreeAnswer, MessageRange, MessageRangeAnswer, MessageRepair, MessageRepaired:
		n.handleAntiEntropy(m)
	case MessageForward:
		n.handleForward(m)
	case MessageForwarded:
		n.handleForwarded(m)
	case MessagePurge:
		n.purgeOrdered(m)
	}
}

// The kinds of timers are their identifiers; a node has at most one of each set.
const (
	timerHeartbeat = iota + 1
	timerHandoff
	timerRequest
	timerStandIn
	timerSpeculate   // speculative retries of reads
	timerAntiEntropy // the next comparison of ranges
	timerTombstones  // the next look for tombstones to purge
	timerHintExpiry
	timerGossip
	timerStream
	timerHintFlush
	timerPaxos // the next attempt of compare-and-sets that met others
	timerSurvey
)

func (n *Node) setTimer(kind uint64, after int64) {
	n.out.Timers = append(n.out.Timers, Timer{ID: kind, After: after})
}

func (n *Node) timer(kind uint64) {
	switch kind {
	case timerHeartbeat:
		n.detector.tick(n)
	case timerHandoff:
		n.handoffTick()
	case timerRequest:
		n.expire(&n.coordinator.requests, (*Node).requestTimeout)
	case timerStandIn:
		n.expire(&n.coordinator.standIns, (*Node).standInTimeout)
	case timerSpeculate:
		n.expire(&n.coordinator.speculations, (*Node).speculate)
	case timerPaxos:
		n.contentionTick()
	case timerHintFlush:
		n.flushHints()
	case timerTombstones:
		n.tombstonesTick()
	case timerGossip:
		if n.membership != nil {
			n.gossipTick()
		}
	case timerStream:
		if n.changeTicking {
			n.changeTick()
		}
	case timerSurvey:
		n.surveyTick()
	case timerAntiEntropy:
		n.antiEntropyTick()
	}
}

// draw returns a random number below limit (> 0) from the node's own generator.
func (n *Node) draw(limit int64) int64 {
	n.random += 0x9e3779b97f4a7c15
	return int64(mix64(n.random) % uint64(limit))
}
