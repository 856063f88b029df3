package core

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

func appendUvarint(buf []byte, n uint64) []byte { return binary.AppendUvarint(buf, n) }

func appendString(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// appendVersion appends time (zig-zag varint), node (1 byte), incarnation and sequence (uvarints).
func appendVersion(buf []byte, v Version) []byte {
	buf = binary.AppendVarint(buf, v.Time)
	buf = append(buf, byte(v.Node))
	buf = binary.AppendUvarint(buf, uint64(v.Incarnation))
	return binary.AppendUvarint(buf, uint64(v.Sequence))
}

// appendContent appends all of a cell but what is in its flags: whether it is a
// tombstone and whether it has an object.
func appendContent(buf []byte, c *Cell) []byte {
	buf = appendVersion(buf, c.Version)
	buf = binary.AppendUvarint(buf, uint64(len(c.Value)))
	buf = append(buf, c.Value...)
	if c.Object != nil {
		buf = appendObject(buf, c.Object)
	}
	return buf
}

func cellFlags(c *Cell) (flags byte) {
	if c.Tombstone {
		flags = flagTombstone
	}
	if c.Object != nil {
		flags |= flagObject
	}
	return flags
}

// appendCell appends a whole cell, flags first.
func appendCell(buf []byte, c *Cell) []byte { return appendContent(append(buf, cellFlags(c)), c) }

// cell reads what appendCell wrote. The result shares no memory with the input.
func (d *decoder) cell() Cell {
	flags := d.byte()
	if d.ok() && flags&^(flagTombstone|flagObject) != 0 {
		d.fail("unknown flags")
	}
	c := d.content(flags)
	c.Value = bytes.Clone(c.Value)
	return c
}

// decoder reads what the functions above wrote. After the first error every
// method returns zero, so that callers check once, at the end.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) ok() bool { return d.err == nil }

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = errors.New(what)
		d.rest = nil
	}
}

// end returns the first error; bytes that are left over are one.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) != 0 {
		d.err = fmt.Errorf("%d bytes too many", len(d.rest))
	}
	return d.err
}

func (d *decoder) byte() byte {
	if d.err != nil || len(d.rest) == 0 {
		d.fail("cut short")
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail("cut short or too large a number")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) uint32() uint32 {
	n := d.uvarint()
	if n > math.MaxUint32 {
		d.fail("too large a number")
		return 0
	}
	return uint32(n)
}

func (d *decoder) varint() int64 {
	if d.err != nil {
		return 0
	}
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail("cut short or too large a number")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// bytes returns a slice of the input of a length that stands before it.
func (d *decoder) bytes(limit int) []byte {
	n := d.uvarint()
	if d.err != nil {
		return nil
	}
	if n > uint64(limit) {
		d.fail(fmt.Sprintf("%d bytes, at most %d are allowed", n, limit))
		return nil
	}
	if n > uint64(len(d.rest)) {
		d.fail("cut short")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) string(limit int) string { return string(d.bytes(limit)) }

func (d *decoder) version() Version {
	var v Version
	v.Time = d.varint()
	v.Node = NodeID(d.byte())
	v.Incarnation = d.uint32()
	v.Sequence = d.uint32()
	return v
}

// content reads a cell, whose value is a part of the input; an empty one becomes nil.
func (d *decoder) content(flags byte) Cell {
	c := Cell{Version: d.version(), Tombstone: flags&flagTombstone != 0}
	if b := d.bytes(MaxValueBytes); len(b) != 0 {
		c.Value = b
	}
	if flags&flagObject != 0 {
		c.Object = d.object()
	}
	if d.err != nil {
		return Cell{}
	}
	return c
}

func appendVarint(buf []byte, n int64) []byte { return binary.AppendVarint(buf, n) }

// appendOptional appends bytes that may be nil, which is not the same as empty.
func appendOptional(buf, b []byte) []byte {
	if b == nil {
		return append(buf, 0)
	}
	buf = appendUvarint(buf, uint64(len(b))+1)
	return append(buf, b...)
}

// optional reads what appendOptional wrote. The result shares no memory with the input.
func (d *decoder) optional(limit int) []byte {
	n := d.uvarint()
	if d.err != nil || n == 0 {
		return nil
	}
	if n--; n > uint64(limit) {
		d.fail(fmt.Sprintf("%d bytes, at most %d are allowed", n, limit))
		return nil
	}
	if n > uint64(len(d.rest)) {
		d.fail("cut short")
		return nil
	}
	b := append([]byte{}, d.rest[:n]...)
	d.rest = d.rest[n:]
	return b
}
