package core

import "bytes"

// What readers, messages and the log get of a key with concurrent values; the
// rules are in versioned.go.

// Kind is ObjectVersions.
func (v *versions) Kind() ObjectKind { return ObjectVersions }

// Siblings returns the values by their versions, the last modified one last;
// that one alone with siblings=last-modified. Tombstones are among them.
func (v *versions) Siblings() []Sibling {
	shown := v.shown()
	all := make([]Sibling, len(shown))
	for i := range shown {
		s := &shown[i]
		all[i] = Sibling{Version: s.version, Dot: s.dot, Value: s.value, Tombstone: s.tombstone}
	}
	return all
}

// shown are the values that readers are shown.
func (v *versions) shown() []versionedValue {
	if v.single {
		return newestOnly(v.values)
	}
	return v.values
}

// Context returns the encoded context of all values. A reader that is shown
// one of several, because it asked for the last modified, chooses with its next
// write against the others, too, as Voldemort's resolver does (it merges the
// clocks of those that it drops).
func (v *versions) Context() []byte {
	c := Context{Seen: v.past()}
	return c.Encode()
}

// The flags of an encoded versions object, above the resolver's three bits.
const (
	versionsResolver  = 7
	versionsSingle    = 8
	versionsKeepEqual = 16
)

// appendTo appends the flags (1 byte), the key's vector, the number of values
// (uvarint) and of each its version, a tombstone flag (1 byte), its value
// (uvarint length, bytes), its dot and its vector.
func (v *versions) appendTo(buf []byte) []byte {
	flags := byte(v.resolver)
	if v.single {
		flags |= versionsSingle
	}
	if v.keepEqual {
		flags |= versionsKeepEqual
	}
	buf = v.clock.appendTo(append(buf, flags))
	buf = appendUvarint(buf, uint64(len(v.values)))
	for i := range v.values {
		s := &v.values[i]
		buf = appendVersion(buf, s.version)
		tombstone := byte(0)
		if s.tombstone {
			tombstone = 1
		}
		buf = append(buf, tombstone)
		buf = appendUvarint(buf, uint64(len(s.value)))
		buf = append(buf, s.value...)
		buf = s.dot.appendTo(buf)
		buf = s.clock.appendTo(buf)
	}
	return buf
}

// versions reads what appendTo wrote. The result shares no memory with the input.
func (d *decoder) versions() Object {
	flags := d.byte()
	v := &versions{resolver: Resolver(flags & versionsResolver), single: flags&versionsSingle != 0, keepEqual: flags&versionsKeepEqual != 0}
	if d.ok() && (flags >= 2*versionsKeepEqual || v.resolver < ResolverVectorClock || v.resolver > ResolverDotted) {
		d.fail("unknown kind of versions")
	}
	v.clock = d.vector()
	n := d.uvarint()
	// A value has at least ten bytes: a lie about their number must not cost memory.
	if d.ok() && (n == 0 || n > uint64(len(d.rest)/10)) {
		d.fail("no values, or too many")
	}
	if !d.ok() {
		return nil
	}
	v.values = make([]versionedValue, 0, n)
	for range n {
		s := versionedValue{version: d.version()}
		tombstone := d.byte()
		s.tombstone = tombstone == 1
		if b := d.bytes(MaxValueBytes); len(b) != 0 {
			s.value = bytes.Clone(b)
		}
		s.dot = d.dot()
		s.clock = d.vector()
		switch {
		case !d.ok():
			return nil
		case tombstone > 1 || s.version.IsZero():
			d.fail("a value without a version, or with unknown flags")
			return nil
		case len(v.values) > 0 && v.newest().compare(&s) >= 0:
			d.fail("values out of order")
			return nil
		}
		v.values = append(v.values, s)
	}
	return v
}

func init() { objectDecoders[ObjectVersions] = (*decoder).versions }
