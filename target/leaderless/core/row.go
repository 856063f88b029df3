package core

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A row of several columns, each with a value, a version and its own last write
// wins: Cassandra's storage model (its Cells.reconcile and Row.merge). A write
// gives columns values under one timestamp; another one of other columns takes
// nothing away, and of each column the newest write stays.
//
// So a row that was written by two clients is a mix of both, column by column,
// if their writes have the same timestamp and the tie is broken by the value:
// of (1, −1) and (2, −2) remains (2, −1), which nobody wrote (CASSANDRA-13550,
// Scylla #7170). With the tie broken by the writer (tie-break=writer) versions
// are unique, and a row whose columns are always written together stays whole,
// on each replica and in each read. A read is put together from several replicas'
// rows column by column, as replicas do it, so it shows no other mixes.
//
// Deleting a row leaves the version of the delete, which hides all columns up to
// it; on a tie of timestamps the delete wins.
type row struct {
	// byValue: versions compare by time alone, then deletes win, then the larger value (tie-break=value).
	byValue bool
	deleted Version
	columns []column // in order of their names
}

// column is the newest write of one column. Never changed.
type column struct {
	name      string
	version   Version
	value     []byte
	tombstone bool
}

// Kind is row.
func (r *row) Kind() ObjectKind { return ObjectRow }

// compareVersions orders versions as far as the tie-break says.
func (r *row) compareVersions(v, u Version) int {
	if r.byValue {
		return cmp.Compare(v.Time, u.Time)
	}
	return v.Compare(u)
}

func (r *row) compareColumns(a, b *column) int {
	if c := r.compareVersions(a.version, b.version); c != 0 {
		return c
	}
	if a.tombstone != b.tombstone {
		if a.tombstone {
			return 1
		}
		return -1
	}
	// The version last, so that equal columns are the same on all replicas.
	return cmp.Or(bytes.Compare(a.value, b.value), a.version.Compare(b.version))
}

// hides says that the delete of the row hides the column.
func (r *row) hides(c *column) bool {
	return !r.deleted.IsZero() && r.compareVersions(c.version, r.deleted) <= 0
}

// Merge keeps the newer of each column.
func (r *row) Merge(other Object) Object {
	o, ok := other.(*row)
	if !ok {
		return r
	}
	joined := &row{byValue: r.byValue, deleted: r.deleted}
	if o.deleted.Compare(joined.deleted) > 0 {
		joined.deleted = o.deleted
	}
	a, b := r.columns, o.columns
	for len(a) > 0 || len(b) > 0 {
		var c column
		switch {
		case len(b) == 0, len(a) > 0 && a[0].name < b[0].name:
			c, a = a[0], a[1:]
		case len(a) == 0, b[0].name < a[0].name:
			c, b = b[0], b[1:]
		default:
			c = a[0]
			if r.compareColumns(&b[0], &a[0]) > 0 {
				c = b[0]
			}
			a, b = a[1:], b[1:]
		}
		if !joined.hides(&c) {
			joined.columns = append(joined.columns, c)
		}
	}
	switch {
	case joined.equal(r):
		return r
	case joined.equal(o):
		return o
	}
	return joined
}

// Covers says that a join with the other would change nothing.
func (r *row) Covers(other Object) bool {
	o, ok := other.(*row)
	return !ok || o == r || r.Merge(o) == Object(r)
}

func (r *row) equal(o *row) bool {
	return r.byValue == o.byValue && r.deleted == o.deleted && slices.EqualFunc(r.columns, o.columns, func(a, b column) bool {
		return a.name == b.name && a.version == b.version && a.tombstone == b.tombstone && bytes.Equal(a.value, b.value)
	})
}

// Siblings is the one row, as a JSON object of its columns in order of their
// names; a tombstone if it has none.
func (r *row) Siblings() []Sibling {
	s := Sibling{Version: r.deleted, Tombstone: true}
	buf := []byte{'{'}
	for i := range r.columns {
		c := &r.columns[i]
		if c.version.Compare(s.Version) > 0 {
			s.Version = c.version
		}
		if c.tombstone {
			continue
		}
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		buf = append(appendJSON(buf, c.name), ':')
		buf = appendJSON(buf, string(c.value))
		s.Tombstone = false
	}
	if !s.Tombstone {
		s.Value = append(buf, '}')
	}
	return []Sibling{s}
}

// Context is nil: writes of columns take the place of others by their time alone.
func (r *row) Context() []byte { return nil }

// rowOf is the row of one write: the columns with its version.
func rowOf(columns []Column, version Version, byValue bool) *row {
	r := &row{byValue: byValue}
	for _, c := range columns {
		r.columns = append(r.columns, column{c.Name, version, c.Value, c.Delete})
	}
	slices.SortFunc(r.columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
	return r
}

// Column is one column of a write of a row.
type Column struct {
	Name  string
	Value []byte
	// Delete removes the column instead.
	Delete bool
}

// maxColumns is how many columns one write of a row has at most.
const maxColumns = 256

// columnsProblem says why the columns cannot be written; empty: they can.
func columnsProblem(columns []Column) string {
	if len(columns) == 0 || len(columns) > maxColumns {
		return fmt.Sprintf("a write of a row has 1 to %d columns", maxColumns)
	}
	size := 0
	for i, c := range columns {
		size += len(c.Name) + len(c.Value)
		switch {
		case len(c.Name) == 0 || len(c.Name) > MaxElementBytes:
			return fmt.Sprintf("a column's name has 1 to %d bytes", MaxElementBytes)
		case !isText([]byte(c.Name)) || !isText(c.Value):
			return "names and values of columns must be UTF-8"
		case size > MaxObjectBytes:
			return fmt.Sprintf("columns of more than %d bytes in one write", MaxObjectBytes)
		}
		for _, d := range columns[:i] {
			if d.Name == c.Name {
				return "the column " + c.Name + " is there twice"
			}
		}
	}
	return ""
}

func init() {
	objectDecoders[ObjectRow] = func(d *decoder) Object {
		if r := decodeRow(d); r != nil {
			return r
		}
		return nil
	}
}

const (
	rowByValue = 1 << iota
	rowDeleted

	columnTombstone = 1
)

// appendTo appends the flags, the version of the delete if there was one, and the columns.
func (r *row) appendTo(buf []byte) []byte {
	flags := byte(0)
	if r.byValue {
		flags |= rowByValue
	}
	if !r.deleted.IsZero() {
		flags |= rowDeleted
	}
	buf = append(buf, flags)
	if !r.deleted.IsZero() {
		buf = appendVersion(buf, r.deleted)
	}
	buf = appendUvarint(buf, uint64(len(r.columns)))
	for i := range r.columns {
		c := &r.columns[i]
		flags = 0
		if c.tombstone {
			flags = columnTombstone
		}
		buf = appendVersion(append(appendString(buf, c.name), flags), c.version)
		buf = appendString(buf, string(c.value))
	}
	return buf
}

func decodeRow(d *decoder) *row {
	flags := d.byte()
	if flags&^(rowByValue|rowDeleted) != 0 {
		d.fail("unknown flags of a row")
	}
	r := &row{byValue: flags&rowByValue != 0}
	if flags&rowDeleted != 0 {
		r.deleted = d.version()
	}
	for n := d.count(7); n > 0 && d.ok(); n-- {
		c := column{name: d.string(MaxElementBytes)}
		flags := d.byte()
		c.tombstone, c.version = flags&columnTombstone != 0, d.version()
		c.value = bytes.Clone(d.bytes(MaxValueBytes))
		if k := len(r.columns); d.ok() && (flags&^columnTombstone != 0 || c.version.IsZero() || r.hides(&c) || k > 0 && r.columns[k-1].name >= c.name) {
			d.fail("columns out of order, hidden or never written")
		}
		r.columns = append(r.columns, c)
	}
	if !d.ok() {
		return nil
	}
	return r
}
