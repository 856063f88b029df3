package core

import (
	"errors"
	"fmt"
)

// ErrRecord is what Boot's error wraps when a record of the log cannot be understood.
var ErrRecord = errors.New("malformed log record")

const recordFormat = 1

type recordKind uint8

const (
	// recordCell: this node stores Cell under Key.
	recordCell recordKind = iota + 1
	// recordHint: this node keeps Cell for Home.
	recordHint
	// recordHandedOff: Home durably has Cell.Version of Key or a newer one, the hint is not needed any more.
	recordHandedOff

	// recordPaxos: what this node promised and accepted for Key; see paxos.go.
	recordPaxos
	// recordPurged: Key has no cell of Cell.Version or older any more.
	recordPurged
	// recordMembers: what this node knows of the members; see membership.go.
	recordMembers
	// recordActor: the actor under which this node makes causal events; see actor.go.
	recordActor
	// recordRepair: an operator's repair has begun or, as a tombstone, is done; the last one holds.
	recordRepair

	lastRecordKind = recordRepair
)

// record is one entry of the durable log. Records are facts, not steps: the
// state after a set of records is the same in whatever order and however
// often they are read, because cells only grow in version and a hint lives
// exactly while no recordHandedOff of its version or a newer one exists. The
// exceptions are recordPurged, for what follows it counts again, however old it
// is, and those of which the last one holds.
type record struct {
	kind recordKind
	key  string
	home NodeID // recordHint and recordHandedOff
	cell Cell   // with last write wins recordHandedOff has only the version
	// body is what the mechanisms of the kinds from recordPaxos on keep, encoded by themselves.
	body []byte
}

func appendRecord(buf []byte, r *record) []byte {
	buf = append(buf, recordFormat, byte(r.kind), cellFlags(&r.cell), byte(r.home))
	buf = appendString(buf, r.key)
	buf = appendContent(buf, &r.cell)
	return append(buf, r.body...)
}

// encodeRecord returns memory of its own: a driver may queue it for its log writer.
func encodeRecord(r *record) []byte {
	return appendRecord(make([]byte, 0, r.space()), r)
}

// space is enough for the record's encoding.
func (r *record) space() int { return 40 + len(r.key) + len(r.cell.Value) + len(r.body) }

// slab is memory from which small records are cut, one after the other: an
// allocation each is too much for a simulation. No byte of it is used twice, so
// drivers may keep what they were given; it costs them the whole slab.
type slab struct{ rest []byte }

const slabBytes = 2 << 10

func (s *slab) encode(r *record) []byte {
	space := r.space()
	if space > slabBytes/8 || r.cell.Object != nil {
		return encodeRecord(r)
	}
	if space > cap(s.rest) {
		s.rest = make([]byte, 0, slabBytes)
	}
	b := appendRecord(s.rest, r)
	s.rest = b[len(b):]
	return b[:len(b):len(b)]
}

// parseRecord decodes a record but for its key, which it returns apart; key, value and body are parts of b.
func parseRecord(b []byte) (_ record, key []byte, _ error) {
	d := decoder{rest: b}
	if format := d.byte(); d.ok() && format != recordFormat {
		return record{}, nil, fmt.Errorf("%w: format %d, this release reads %d: start the release that wrote the log", ErrRecord, format, recordFormat)
	}
	var r record
	r.kind = recordKind(d.byte())
	flags := d.byte()
	r.home = NodeID(d.byte())
	key = d.bytes(MaxKeyBytes)
	r.cell = d.content(flags)
	if d.ok() && (r.kind == 0 || r.kind > lastRecordKind || flags&^(flagTombstone|flagObject) != 0) {
		d.fail("unknown kind or flags")
	}
	if d.ok() && r.kind > recordHandedOff && len(d.rest) > 0 {
		r.body, d.rest = d.rest, nil
	}
	if err := d.end(); err != nil {
		return record{}, nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return r, key, nil
}
