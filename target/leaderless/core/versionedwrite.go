package core

import "fmt"

// Puts and deletes of keys with siblings, as the replica that carries one out
// does it (see update.go): it takes the writer's context apart, chooses the
// actor, lets the resolver make the new state (versioned.go) and refuses what
// would be obsolete, too many or too large, before anything is stored.

// What the settings say about versions, at hand for each write.
func (s *Settings) versioning() versioning {
	return versioning{
		resolver: s.Resolver, siblings: s.Siblings, obsolete: s.ObsoletePuts, limit: s.SiblingLimit,
		prune: pruning{small: s.PruneEntries, big: s.PruneEntriesMost, younger: s.PruneYounger, older: s.PruneOlder},
	}
}

// maxVersionsBytes bounds what a write may make of a key's values all together:
// replicas exchange and log them whole. The largest single value fits, whatever it displaces.
const maxVersionsBytes = 2 * MaxValueBytes

// writeVersions carries a put or a delete out on what this node holds of the key.
func (n *Node) writeVersions(key string, have, write *Cell, u *update) (Cell, *refusal) {
	context, err := ParseContext(u.context)
	if err != nil {
		return Cell{}, &refusal{CodeBadRequest, err.Error()}
	}
	n.observe(context.Time)
	held, _ := have.Object.(*versions)
	if held == nil && have.Object == nil && !have.Version.IsZero() {
		held = n.adoptCell(have)
	}
	var local Vector
	if held != nil {
		local = held.past()
	}
	w := versionWrite{context: context.Seen, value: versionedValue{version: write.Version, value: write.Value, tombstone: write.Tombstone}}
	if write.Tombstone && len(u.context) == 0 {
		w.context = local
	}
	w.actor = n.eventActor(key, local, w.context)
	s := n.settings.versioning()
	out, problem := s.write(held, &w)
	switch problem {
	case versionObsolete:
		return Cell{}, &refusal{CodeObsolete, fmt.Sprintf("node %s holds a version that this write has not seen: read again and write with that context", n.settings.Nodes[n.id])}
	case versionSiblings:
		return Cell{}, &refusal{CodeTooManySiblings, fmt.Sprintf("the key has %d siblings at node %s, and sibling-limit=%d: read them and write what takes their place", len(held.values), n.settings.Nodes[n.id], n.settings.SiblingLimit)}
	case versionExhausted:
		return Cell{}, &refusal{CodeExhausted, "there is no greater event number: the causal context is not one that this store gave out"}
	}
	if size := out.size(); size > maxVersionsBytes && len(out.values) > 1 {
		return Cell{}, &refusal{CodeTooLarge, fmt.Sprintf("the key's %d siblings would have %d bytes at node %s, at most %d may be kept together: read them and write what takes their place", len(out.values), size, n.settings.Nodes[n.id], maxVersionsBytes)}
	}
	n.madeEvent(key, w.dot)
	return Cell{Version: out.newestVersion(), Object: out}, nil
}

// adoptCell makes a sibling of a cell that was written when the resolver was
// another one: with a past of nothing, so that a writer who has read it replaces it.
func (n *Node) adoptCell(c *Cell) *versions {
	s := n.settings.versioning()
	w := versionWrite{actor: Actor{Node: c.Version.Node}, value: versionedValue{version: c.Version, value: c.Value, tombstone: c.Tombstone}}
	v, _ := s.write(nil, &w)
	return v
}

// newestVersion is the greatest version that the state holds.
func (v *versions) newestVersion() Version { return v.newest().version }

// size is about what the state takes in a message.
func (v *versions) size() int {
	size := 16 * len(v.clock)
	for i := range v.values {
		size += 48 + len(v.values[i].value) + 16*len(v.values[i].clock)
	}
	return size
}

// contextProblem says in what way the request's causal context can't be understood; empty: in none.
func (n *Node) contextProblem(q *Request) string {
	if len(q.Context) == 0 || n.settings.DataType.joined() { // those of data types are checked with the operation
		return ""
	}
	if !n.settings.updates() && n.settings.Clock != ClockHybrid {
		return fmt.Sprintf("a causal context, but with resolver=%s and clock=wall nothing goes by it: leave it out, or set resolver=dotted or clock=hybrid", n.settings.Resolver)
	}
	context, err := ParseContext(q.Context)
	if err != nil {
		return err.Error()
	}
	for _, e := range context.Seen {
		if int(e.Actor.Node) >= len(n.settings.Nodes) {
			return fmt.Sprintf("a causal context with an event of node %d of %d: it is of another cluster; hand back what the latest read of this one gave", e.Actor.Node, len(n.settings.Nodes))
		}
	}
	n.observe(context.Time)
	return ""
}

// tellVersions puts the siblings and the causal context into the reply, and
// into its cell the value that a client gets which wants only one: the last
// modified.
func (n *Node) tellVersions(r *Reply, op *operation) {
	var context Context
	if n.settings.Clock == ClockHybrid {
		context.Time = op.cell.Version.Time
	}
	v, ok := op.cell.Object.(*versions)
	switch {
	case ok:
		context.Seen = v.past()
	case op.cell.Object != nil:
		op.show(r)
		return
	}
	r.Context = context.Encode()
	if !ok {
		return
	}
	r.Cell.Object = nil
	r.Siblings = v.Siblings()
	if !op.get {
		r.Cell.Version = op.version
		return
	}
	last := &r.Siblings[len(r.Siblings)-1]
	r.Cell.Value, r.Cell.Tombstone, r.Found = last.Value, last.Tombstone, !last.Tombstone
}

// refusal is why a replica has not stored what it was asked to.
type refusal struct{ code, why string }

const (
	maxRefusalCode = 64
	maxRefusalText = 1 << 10
)

func (f *refusal) appendTo(buf []byte) []byte {
	return appendString(appendString(buf, f.code[:min(len(f.code), maxRefusalCode)]), f.why[:min(len(f.why), maxRefusalText)])
}

func (d *decoder) refusal() Body { return &refusal{d.string(maxRefusalCode), d.string(maxRefusalText)} }

func init() {
	bodyDecoders[MessageUpdated] = (*decoder).refusal
	bodyDecoders[MessageWritten] = (*decoder).refusal
}

// refusesWrite answers a write that is obsolete here, and says whether it did
// (obsolete-puts=refuse). A repetition of what is here already is not.
func (n *Node) refusesWrite(m *Message, answer *Message) bool {
	s := n.replica.slots[m.Key]
	if m.StandsIn || s == nil {
		return false
	}
	held, ok := s.memory.Object.(*versions)
	sent, ok2 := m.Cell.Object.(*versions)
	if !ok || !ok2 {
		return false
	}
	for i := range sent.values {
		if v := &sent.values[i]; v.obsoleteIn(held, true) {
			answer.Body = &refusal{CodeObsolete, fmt.Sprintf("node %s holds a version that this one is not newer than", n.settings.Nodes[n.id])}
			n.send(answer)
			return true
		}
	}
	return false
}

// writeRefused counts a replica that found the write obsolete as one that will
// not acknowledge it. The first replica has stored it, so it may still be read.
func (n *Node) writeRefused(op *operation, l *leg, why *refusal) {
	l.flags |= legAnswered
	if op.phase != phaseWrite {
		return
	}
	left := op.n
	for i := range op.legs[:op.n] {
		if l := &op.legs[i]; l.is(legAnswered) && !l.is(legHolds) {
			left--
		}
	}
	if left < op.need {
		n.fail(op, StatusIndeterminate, why.code, why.why+": read again and write with that context; the write may have been done at another replica")
		n.close(op)
	}
}
