package core

// What a replica makes of two states of a key. Everything that decides whether
// a replica is behind, what it must store and what a read returns asks one of
// the two functions of this file, so that the other mechanisms (quorums,
// repair, hints) are the same whatever the resolver is.

// covers says that who holds have lacks nothing of want: with last write wins
// have is as new, with siblings and data types have includes want.
func (n *Node) covers(have, want *Cell) bool {
	if have.Object == nil && want.Object == nil {
		if n.order != orderByVersion {
			return n.order.covers(have, want)
		}
		return have.Compare(want) >= 0
	}
	return have.covers(want)
}

// merge puts into one cell what the other has beside it, and says whether anything changed.
func (n *Node) merge(into, from *Cell) bool {
	if into.Object == nil && from.Object == nil {
		if n.order != orderByVersion && n.order.covers(into, from) || n.order == orderByVersion && from.Compare(into) <= 0 {
			return false
		}
		*into = *from
		return true
	}
	if into.covers(from) {
		return false
	}
	into.join(from)
	return true
}

// covers is Node.covers where at least one of the cells has an object.
func (c *Cell) covers(d *Cell) bool {
	switch {
	case d.Version.IsZero():
		return true
	case c.Version.IsZero():
		return false
	case c.Object == nil || d.Object == nil || c.Object.Kind() != d.Object.Kind():
		// Two resolvers met in one key, which one configuration never does: the newer one stays.
		return c.Version.Compare(d.Version) >= 0
	}
	return c.Object.Covers(d.Object)
}

// join makes c the join of both cells, of which at least one has an object and c does not cover d.
func (c *Cell) join(d *Cell) {
	if c.Version.IsZero() || c.Object == nil || d.Object == nil || c.Object.Kind() != d.Object.Kind() {
		*c = *d
		return
	}
	version := c.Version
	if d.Version.Compare(version) > 0 {
		version = d.Version
	}
	*c = Cell{Version: version, Object: c.Object.Merge(d.Object)}
}

// answerCell is what the leg's replica answered to a read.
func (l *leg) answerCell() Cell { return Cell{Version: l.version, Object: l.object} }

// legCovers says that the leg's answer lacks nothing of the cell.
func (n *Node) legCovers(l *leg, c *Cell) bool {
	if c.Object == nil && l.object == nil {
		return n.order.behindNone(l.version, c.Version)
	}
	have := l.answerCell()
	return n.covers(&have, c)
}
