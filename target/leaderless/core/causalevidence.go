package core

// What the coordinator tells of causality. Who looks for the reason of a wrong
// answer wants to know of a write what its writer had seen and what number it
// was given, and of a read which writes' values it found. No node decides
// anything by this; it is only told, and only where evidence is.

// CausalEvidence is what causal clocks say of one request.
type CausalEvidence struct {
	// Context is, of a write, what its writer said to have seen, and Dot the event that it became.
	Context Vector
	Dot     Dot
	// Clock is, of a write, the vector of its value, or of the key where it has only one.
	Clock Vector
	// Versions are, of a read, those of all the values that it found, tombstones included.
	Versions []Version
}

// causalEvidence puts what the operation's object says into the evidence; nothing where it has no siblings.
func (n *Node) causalEvidence(op *operation, e *Evidence) {
	held, ok := op.cell.Object.(*versions)
	if !ok && (op.update == nil || op.update.operand != nil || !n.settings.keepsSiblings()) {
		return
	}
	c := &CausalEvidence{}
	e.Causal = c
	if op.get {
		for i := range held.values {
			c.Versions = append(c.Versions, held.values[i].version)
		}
		return
	}
	if op.update != nil {
		if context, err := ParseContext(op.update.context); err == nil { // else it was refused
			c.Context = context.Seen
		}
	}
	if held == nil { // no replica has carried it out
		return
	}
	c.Clock = held.clock
	for i := range held.values {
		if v := &held.values[i]; v.version == op.version {
			c.Dot = v.dot
			if held.resolver == ResolverVersionVector {
				c.Clock = v.clock
			}
			if v.tombstone {
				e.Grace = n.settings.TombstoneGrace()
			}
		}
	}
}

// TombstoneGrace is for how long the store keeps a tombstone at least, in
// nanoseconds, before it may be purged; 0: for ever, or it makes none.
func (s *Settings) TombstoneGrace() int64 {
	if s.Purge == PurgeReported {
		return s.ReapAfter
	}
	return s.GCGrace
}

func (c *CausalEvidence) appendTo(buf []byte) []byte {
	if c == nil {
		return append(buf, 0)
	}
	buf = c.Context.appendTo(append(buf, 1))
	buf = c.Clock.appendTo(buf)
	buf = appendUvarint(c.Dot.Actor.appendTo(buf), c.Dot.Counter)
	buf = appendUvarint(buf, uint64(len(c.Versions)))
	for _, v := range c.Versions {
		buf = appendVersion(buf, v)
	}
	return buf
}

func (d *decoder) causalEvidence() *CausalEvidence {
	if !d.bool() {
		return nil
	}
	c := &CausalEvidence{Context: d.vector(), Clock: d.vector(), Dot: Dot{d.actor(), d.uvarint()}}
	for range d.count(4) {
		c.Versions = append(c.Versions, d.version())
	}
	return c
}
