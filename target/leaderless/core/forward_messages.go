package core

// forwardBody is a client's request on its way to the node that coordinates it.
type forwardBody struct {
	// incarnation is that of the receiver, as far as the sender knows; 0: it does not.
	incarnation uint32
	request     Request
}

func (b *forwardBody) appendTo(buf []byte) []byte {
	q := &b.request
	buf = appendUvarint(buf, uint64(b.incarnation))
	buf = append(buf, byte(q.Kind), byte(q.Level))
	for _, number := range []int{q.N, q.R, q.W, q.PR, q.PW, q.DW} {
		buf = appendVarint(buf, int64(number))
	}
	buf = appendVarint(buf, q.Timestamp)
	buf = appendOptional(buf, q.Value)
	buf = (&update{context: q.Context, operand: q.Operand}).appendTo(buf)
	var columns []Column
	if q.Operand != nil {
		columns = q.Operand.Columns
	}
	buf = appendUvarint(buf, uint64(len(columns)))
	for i := range columns {
		buf = appendString(buf, columns[i].Name)
		buf = appendOptional(buf, columns[i].Value)
		if columns[i].Delete {
			buf = append(buf, 1)
		} else {
			buf = append(buf, 0)
		}
	}
	if q.Condition == nil {
		return append(buf, 0)
	}
	return appendOptional(append(buf, 1, byte(q.Condition.Kind)), q.Condition.Value)
}

func (d *decoder) forwardBody() Body {
	b := &forwardBody{incarnation: d.uint32()}
	q := &b.request
	q.Kind, q.Level = RequestKind(d.byte()), Level(d.byte())
	for _, number := range []*int{&q.N, &q.R, &q.W, &q.PR, &q.PW, &q.DW} {
		if n := d.varint(); n >= -MaxNodes && n <= 10*MaxNodes {
			*number = int(n)
		} else {
			d.fail("a number of replicas out of range")
		}
	}
	q.Timestamp = d.varint()
	q.Value = d.optional(MaxValueBytes)
	if u, ok := d.update().(*update); ok {
		q.Context, q.Operand = u.context, u.operand
	}
	for range d.count(3) {
		column := Column{Name: d.string(MaxKeyBytes), Value: d.optional(MaxValueBytes), Delete: d.bool()}
		if q.Operand == nil {
			d.fail("columns without an operand")
			return nil
		}
		q.Operand.Columns = append(q.Operand.Columns, column)
	}
	if d.bool() {
		q.Condition = &Condition{Kind: ConditionKind(d.byte()), Value: d.optional(MaxValueBytes)}
	}
	return b
}

// forwardedBody is the reply on its way back or, where done is false, the
// incarnation that the request should have named.
type forwardedBody struct {
	incarnation uint32
	done        bool
	reply       Reply
}

const (
	replyFound = 1 << iota
	replyApplied
	replyContext
)

// maxReplyText bounds codes, messages and the names of phases in replies.
const maxReplyText = 4 << 10

func (b *forwardedBody) appendTo(buf []byte) []byte {
	buf = appendUvarint(buf, uint64(b.incarnation))
	if !b.done {
		return append(buf, 0)
	}
	r := &b.reply
	var flags byte
	if r.Found {
		flags |= replyFound
	}
	if r.Applied {
		flags |= replyApplied
	}
	if r.Context != nil {
		flags |= replyContext
	}
	buf = append(buf, 1, byte(r.Status), flags)
	buf = appendString(buf, r.Code)
	buf = appendString(buf, r.Message[:min(len(r.Message), maxReplyText)])
	buf = appendCell(buf, &r.Cell)
	buf = appendUvarint(buf, uint64(len(r.Siblings)))
	for i := range r.Siblings {
		s := &r.Siblings[i]
		buf = appendCell(buf, &Cell{Version: s.Version, Value: s.Value, Tombstone: s.Tombstone})
		buf = append(buf, byte(s.Dot.Actor.Node))
		buf = appendUvarint(appendUvarint(buf, s.Dot.Actor.Epoch), s.Dot.Counter)
	}
	if r.Context != nil {
		buf = appendOptional(buf, r.Context)
	}
	return r.Evidence.appendTo(buf)
}

func (d *decoder) forwardedBody() Body {
	b := &forwardedBody{incarnation: d.uint32(), done: d.bool()}
	if !b.done || !d.ok() {
		return b
	}
	r := &b.reply
	r.Status = ReplyStatus(d.byte())
	if r.Status < StatusOK || r.Status > StatusIndeterminate {
		d.fail("unknown status")
	}
	flags := d.byte()
	r.Found, r.Applied = flags&replyFound != 0, flags&replyApplied != 0
	r.Code, r.Message = d.string(maxReplyText), d.string(maxReplyText)
	r.Cell = d.ownCell()
	for range d.count(3) {
		c := d.ownCell()
		r.Siblings = append(r.Siblings, Sibling{Version: c.Version, Value: c.Value, Tombstone: c.Tombstone, Dot: Dot{d.actor(), d.uvarint()}})
	}
	if flags&replyContext != 0 {
		r.Context = d.optional(MaxMessageBytes)
	}
	r.Evidence = d.evidence()
	return b
}

// ownCell is a cell that shares no memory with the input.
func (d *decoder) ownCell() Cell {
	c := d.cell()
	c.Value = append([]byte(nil), c.Value...)
	return c
}

func (e *Evidence) appendTo(buf []byte) []byte {
	buf = appendUvarint(buf, uint64(e.Required))
	buf = append(buf, byte(e.Level))
	buf = appendUvarint(buf, uint64(e.Took))
	buf = appendUvarint(buf, uint64(len(e.Phases)))
	for _, phase := range e.Phases {
		buf = appendString(buf, phase)
	}
	buf = appendUvarint(buf, uint64(len(e.Hints)))
	for _, node := range e.Hints {
		buf = append(buf, byte(node))
	}
	buf = appendUvarint(buf, uint64(len(e.Replicas)))
	for i := range e.Replicas {
		r := &e.Replicas[i]
		var flags byte
		for bit, is := range []bool{r.Answered, r.Counted, r.Repaired, r.Fetched, r.StandsIn} {
			if is {
				flags |= 1 << bit
			}
		}
		buf = append(buf, byte(r.Node), flags, byte(r.HintFor))
		buf = appendVersion(buf, r.Version)
		buf = appendUvarint(buf, uint64(r.RoundTrip))
	}
	return e.Causal.appendTo(appendUvarint(buf, uint64(e.Grace)))
}

func (d *decoder) evidence() (e Evidence) {
	e.Required = int(min(d.uvarint(), MaxNodes*MaxNodes))
	e.Level = Level(d.byte())
	e.Took = int64(d.uvarint() & (1<<63 - 1))
	for range d.count(1) {
		e.Phases = append(e.Phases, d.string(maxReplyText))
	}
	for range d.count(1) {
		e.Hints = append(e.Hints, NodeID(d.byte()))
	}
	for range d.count(4) {
		r := ReplicaEvidence{Node: NodeID(d.byte())}
		flags := d.byte()
		for bit, is := range []*bool{&r.Answered, &r.Counted, &r.Repaired, &r.Fetched, &r.StandsIn} {
			*is = flags&(1<<bit) != 0
		}
		r.HintFor = NodeID(d.byte())
		r.Version = d.version()
		r.RoundTrip = int64(d.uvarint() & (1<<63 - 1))
		e.Replicas = append(e.Replicas, r)
	}
	e.Grace = int64(d.uvarint() & (1<<63 - 1))
	e.Causal = d.causalEvidence()
	return e
}

// within says that all nodes of the reply's evidence exist, of so many.
func (b *forwardedBody) within(nodes int) bool {
	for _, node := range b.reply.Evidence.Hints {
		if int(node) >= nodes {
			return false
		}
	}
	for i := range b.reply.Evidence.Replicas {
		if r := &b.reply.Evidence.Replicas[i]; int(r.Node) >= nodes || int(r.HintFor) >= nodes {
			return false
		}
	}
	return true
}

func init() {
	bodyDecoders[MessageForward] = (*decoder).forwardBody
	bodyDecoders[MessageForwarded] = (*decoder).forwardedBody
}
