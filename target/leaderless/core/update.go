package core

import "fmt"

// Updates. With last write wins a write says all there is to know: its version
// and its value. Where a write depends on what is there (a new sibling and the
// event that names it, an increment, a removal of what was observed) somebody
// who holds the key's state must carry it out, and the outcome, not the
// request, is what is replicated. That is one replica: it applies the update
// to its own state under its own name as the actor, makes the result durable
// and hands it back; the coordinator then writes the result to the others,
// who merge it (Riak: the coordinating vnode, riak_kv_vnode:do_put; Dynamo
// §4.4: the coordinator "generates the new vector clock").
//
// The replica is the coordinator itself if it is one of the key's home
// replicas, else the first of them that is not suspected. The price is a round
// trip more where it is another node, and that a write fails if that one
// replica does not answer, whatever the others do: it is not tried on another,
// because then it might take effect twice.

// update is what one replica is asked to apply.
type update struct {
	// context is the causal context that the client has read; nil for a blind write.
	context []byte
	operand *Operand
}

// updates says that writes are carried out by a replica first.
func (s *Settings) updates() bool { return s.keepsSiblings() || s.DataType.joined() }

// unsupported says why a request cannot be carried out with these settings; empty: it can.
func (n *Node) unsupported(q *Request) string {
	if q.Kind == RequestCompareAndSet && n.settings.CAS != CASOff {
		return ""
	}
	if q.Kind == RequestCompareAndSet {
		return "a compare-and-set: there are none with cas=off; set cas=paxos-v2"
	}
	return n.dataTypeProblem(q)
}

// startUpdate sends the update to the replica that is to apply it.
func (n *Node) startUpdate(op *operation) {
	op.phase, op.course = phaseUpdate, courseUpdate
	l := n.updater(op)
	m := n.message(MessageUpdate, l.node)
	m.Origin, m.Request, m.Key, m.Cell = op.request, n.wireNumber(op), op.key, op.cell
	m.Body, m.Durable = op.update, op.dw > 0
	if l.is(legStandIn) {
		m.StandsIn, m.HintFor = true, op.order[l.home]
	}
	l.flags |= legSent
}

// updater chooses the leg that applies the update: this node's own, the first
// that is not suspected, or a stand-in where all are and stand-ins may be asked.
func (n *Node) updater(op *operation) *leg {
	n.standIn(op, false)
	first := &op.legs[0]
	for i := range op.legs {
		l := &op.legs[i]
		if l.is(legPending) {
			continue // what it has is not complete
		}
		if l.node == n.id && i < op.n {
			return l
		}
		if n.detector.suspects(n, first.node, n.now.Mono) && !n.detector.suspects(n, l.node, n.now.Mono) {
			first = l
		}
	}
	return first
}

// storeUpdate handles MessageUpdate: as a home replica on its own cell, as a
// stand-in on what it keeps for the home replica.
func (n *Node) storeUpdate(m *Message) {
	u, ok := m.Body.(*update)
	if !ok || m.Cell.Version.IsZero() || !n.carriedOut.first(m.Cell.Version) {
		return
	}
	answer := Message{Kind: MessageUpdated, From: n.id, To: m.From, Origin: m.Origin, Request: m.Request, Key: m.Key, StandsIn: m.StandsIn, HintFor: m.HintFor}
	have := &noCell
	if !m.StandsIn {
		if s := n.replica.slots[m.Key]; s != nil {
			have = &s.memory
		}
	} else if h := n.hints.find(m.HintFor, m.Key); h != nil {
		have = &h.memory
	}
	cell, refused := n.applyUpdate(m.Key, have, &m.Cell, u)
	if refused != nil {
		answer.Body = refused
		n.send(&answer)
		return
	}
	answer.Cell = cell
	if m.StandsIn {
		n.keepHint(m.HintFor, m.Key, &cell, &answer)
		return
	}
	// The outcome takes the place of what was there, whose join with it would undo a pruning.
	s := n.replica.slot(m.Key)
	s.memory = cell
	n.persist(s, &record{kind: recordCell, key: m.Key}, m.Durable)
	if n.settings.Acknowledge == AcknowledgeBeforeLog {
		n.send(&answer)
		if m.Durable { // and once more when the log has it
			answer.Kind, answer.Cell, answer.Durable = MessageWritten, Cell{Version: cell.Version}, true
			s.pending.then = append(s.pending.then, answer)
		}
		return
	}
	s.pending.then = append(s.pending.then, answer)
}

// applyUpdate returns what becomes of a replica's cell by the write of the
// given version and value, or why it can't be.
func (n *Node) applyUpdate(key string, have, write *Cell, u *update) (Cell, *refusal) {
	if n.settings.DataType.joined() {
		cell, why := n.updateDataType(key, have, write, u)
		if why != "" {
			return Cell{}, &refusal{CodeBadRequest, why}
		}
		return cell, nil
	}
	return n.writeVersions(key, have, write, u)
}

// updated handles MessageUpdated: the outcome goes to the other replicas.
func (n *Node) updated(m *Message) {
	op, l := n.find(m)
	if op == nil || op.phase != phaseUpdate || !l.is(legSent) || l.is(legHolds) {
		return
	}
	if refused, ok := m.Body.(*refusal); ok {
		n.fail(op, StatusDefinite, refused.code, refused.why+": nothing was written")
		n.close(op)
		return
	}
	op.cell = m.Cell
	op.phase, op.course = phaseWrite, courseUpdateWrite
	n.standIn(op, false)
	_, l = n.find(m) // the list of legs may have moved
	for i := range op.legs {
		if other := &op.legs[i]; other.node != l.node {
			n.ask(op, other, MessageWrite)
		}
	}
	n.armStandIn(op)
	n.hintSuspected(op)
	l.flags |= legHolds | legAnswered
	if op.dw > 0 && n.loggedBy(l, m) {
		l.flags |= legDurable
	}
	n.acknowledgedBy(op, l)
}

func (u *update) appendTo(buf []byte) []byte {
	buf = appendOptional(buf, u.context)
	if u.operand == nil {
		return append(buf, 0)
	}
	o := u.operand
	buf = append(buf, byte(o.Kind))
	buf = appendString(buf, o.Field)
	buf = appendOptional(buf, o.Element)
	buf = appendVarint(buf, o.By)
	return appendUvarint(buf, o.ID) // columns are not updates
}

func (d *decoder) update() Body {
	u := &update{context: d.optional(MaxValueBytes)}
	kind := OperandKind(d.byte())
	if kind == 0 || !d.ok() {
		return u
	}
	if kind > lastOperandKind {
		d.fail(fmt.Sprintf("unknown kind of operand %d", kind))
		return nil
	}
	u.operand = &Operand{Kind: kind, Field: d.string(MaxKeyBytes), Element: d.optional(MaxValueBytes), By: d.varint(), ID: d.uvarint()}
	return u
}

func init() { bodyDecoders[MessageUpdate] = (*decoder).update }
