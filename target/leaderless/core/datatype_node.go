package core

// How nodes serve data types.
//
// An operation on a counter, a set or a map is carried out by one replica (see
// update.go); what it makes of its own state is written to the others and
// joined there. A read joins the states of r replicas. Acknowledgements, read
// repair and hints are those of registers, with "holds it" meaning that a
// replica's state covers what was written.
//
// A row needs no such replica. Its write is columns with a version, which goes
// to all replicas at once like a register's and is merged column by column.

// dataTypeProblem says why a request cannot be carried out on keys of the
// settings' data type; empty: it can.
func (n *Node) dataTypeProblem(q *Request) string {
	kind := n.settings.DataType.object()
	switch {
	case q.Kind == RequestPut && kind != 0:
		return "a put, but every key is a " + objectNames[kind] + ": use its own operations, or set data-type=register"
	case q.Kind == RequestUpdate && kind == 0:
		return "an operation on a data type, but keys are plain registers: set data-type"
	case q.Kind == RequestUpdate && q.Operand == nil:
		return "an update that does nothing: it needs an operation"
	case q.Kind == RequestUpdate:
		if problem := q.Operand.problem(kind); problem != "" {
			return problem
		}
	}
	return ""
}

// updateDataType is applyUpdate for counters, sets and maps.
func (n *Node) updateDataType(key string, have, write *Cell, u *update) (Cell, string) {
	kind := n.settings.DataType.object()
	state, ok := have.Object.(*dataType)
	if !ok || state.kind != kind {
		state = &dataType{kind: kind}
	}
	context, err := ParseContext(u.context)
	if err != nil {
		return Cell{}, err.Error()
	}
	seen := context.Seen
	var next *dataType
	if u.operand == nil {
		next = state.clear(seen)
	} else {
		actor := n.eventActor(key, state.seen, seen)
		var problem string
		if next, problem = state.update(u.operand, actor, seen, write.Version); problem != "" {
			return Cell{}, problem
		}
		if made := next.seen.Counter(actor); made > state.seen.Counter(actor) {
			n.madeEvent(key, Dot{actor, made})
		}
	}
	cell := Cell{Version: have.Version, Object: next}
	if cell.Version.IsZero() || next != state && write.Version.Compare(cell.Version) > 0 {
		cell.Version = write.Version
	}
	return cell, ""
}

// rowWrite is what a write of a row stores, under the version that it was given.
func (n *Node) rowWrite(version Version, u *update) Cell {
	if u.operand == nil {
		return Cell{Version: version, Object: &row{byValue: n.settings.rowsByValue(), deleted: version}}
	}
	return Cell{Version: version, Object: rowOf(u.operand.Columns, version, n.settings.rowsByValue())}
}

// rowsByValue says that columns of one time are decided by their values.
func (s *Settings) rowsByValue() bool { return s.TieBreak == TieBreakValue }

// show puts the state of a key with an object into the reply to a request for it.
func (op *operation) show(r *Reply) {
	o := op.cell.Object
	r.Cell.Object = nil
	r.Context = o.Context()
	if !op.get {
		return
	}
	r.Siblings = o.Siblings()
	r.Found = false
	for i := range r.Siblings {
		r.Found = r.Found || !r.Siblings[i].Tombstone
	}
	if len(r.Siblings) == 1 {
		r.Cell.Value, r.Cell.Tombstone = r.Siblings[0].Value, r.Siblings[0].Tombstone
	}
}
