package core

import "bytes"

// cellOrder says which of two cells without an object a replica keeps.
type cellOrder uint8

const (
	// orderByVersion: the greater version; see version.go.
	orderByVersion cellOrder = iota
	// orderByValue: the greater time, and with equal times the greater value: below.
	orderByValue
	// orderByArrival: the one that came last; see arrival.go.
	orderByArrival
)

// order is that of cells without an object.
func (v *VersionSettings) order() cellOrder {
	switch {
	case v.Resolver == ResolverArrival:
		return orderByArrival
	case v.TieBreak == TieBreakValue:
		return orderByValue
	}
	return orderByVersion
}

// compareByValue orders the cells of one key by time, and cells of one time by
// what they hold: a tombstone beats a value, the larger value the smaller, as
// Cassandra's Cells.reconcile does. It asks nobody who wrote; only of the same
// value written twice the greater version is kept, so that replicas agree.
//
// With timestamps in microseconds (timestamp-unit=1us) and two coordinators
// such ties happen. For a single value that is harmless, some rule is needed
// and this one is as good as another. It is not where a write has several
// parts that are compared one by one, as the columns of a Cassandra row are:
// then one write wins one column and the other one another, and a row comes
// out that nobody wrote (CASSANDRA-13550; the catalogue's item 13).
func (c *Cell) compareByValue(d *Cell) int {
	switch {
	case c.Version.Time != d.Version.Time || c.Version.IsZero() || d.Version.IsZero():
		return c.Version.Compare(d.Version)
	case c.Tombstone != d.Tombstone:
		if c.Tombstone {
			return 1
		}
		return -1
	}
	if o := bytes.Compare(c.Value, d.Value); o != 0 {
		return o
	}
	return c.Version.Compare(d.Version)
}

// covers is Node.covers for the orders other than by version.
func (o cellOrder) covers(have, want *Cell) bool {
	if o == orderByArrival {
		return o.versionCovers(have.Version, want.Version)
	}
	return have.compareByValue(want) >= 0
}

// versionCovers is covers where only the versions are known: false where they don't tell.
func (o cellOrder) versionCovers(have, want Version) bool {
	switch o {
	case orderByVersion:
		return have.Compare(want) >= 0
	case orderByValue:
		return have.Time > want.Time || have == want || want.IsZero()
	}
	return have == want || want.IsZero()
}

// behindNone says that a replica that answered a read with that version needs
// no repair to the version that was read. With overwriting on arrival only one
// that has nothing does: of two values nobody can tell which one is stale.
func (o cellOrder) behindNone(have, want Version) bool {
	return o == orderByArrival && !have.IsZero() || o.versionCovers(have, want)
}
