package core

import (
	"bytes"
	"cmp"
	"strconv"
)

// Compare returns -1, 0 or +1 as v is older than, equal to or newer than u.
// It is the lexicographic order of (Time, Node, Incarnation, Sequence): total,
// and the same on every node, which is all that last write wins asks of it.
func (v Version) Compare(u Version) int {
	if c := cmp.Compare(v.Time, u.Time); c != 0 {
		return c
	}
	if c := cmp.Compare(v.Node, u.Node); c != 0 {
		return c
	}
	if c := cmp.Compare(v.Incarnation, u.Incarnation); c != 0 {
		return c
	}
	return cmp.Compare(v.Sequence, u.Sequence)
}

// IsZero says that v is the version of a key that was never written.
func (v Version) IsZero() bool { return v == Version{} }

// String writes v as TIME@NODE:INCARNATION:SEQUENCE, all decimal, NODE being
// the position from 0 in the settings; the zero Version is the empty string.
func (v Version) String() string {
	if v.IsZero() {
		return ""
	}
	b := make([]byte, 0, 40)
	b = strconv.AppendInt(b, v.Time, 10)
	b = append(b, '@')
	b = strconv.AppendUint(b, uint64(v.Node), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(v.Incarnation), 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(v.Sequence), 10)
	return string(b)
}

// Compare orders the cells of one key: by Version, then a tombstone beats a
// live value, then the larger value wins. Versions are unique (see Version),
// so the ties are never needed between writes of this store; they are there
// so that two replicas which were handed the same version with different
// contents still agree. Cassandra breaks its ties in the same way (Cells.reconcile).
func (c *Cell) Compare(d *Cell) int {
	if o := c.Version.Compare(d.Version); o != 0 {
		return o
	}
	if c.Tombstone != d.Tombstone {
		if c.Tombstone {
			return 1
		}
		return -1
	}
	return bytes.Compare(c.Value, d.Value)
}
