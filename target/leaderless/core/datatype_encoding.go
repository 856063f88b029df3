package core

// The encoding of data types.

func init() {
	for _, kind := range []ObjectKind{ObjectCounter, ObjectSet, ObjectMap} {
		objectDecoders[kind] = func(d *decoder) Object {
			if t := decodeDataType(d, kind); t != nil {
				return t
			}
			return nil
		}
	}
}

// appendTo appends what was seen, the members and the deferred removals, each
// list with its length before it.
func (t *dataType) appendTo(buf []byte) []byte {
	buf = t.seen.appendTo(buf)
	buf = appendUvarint(buf, uint64(len(t.members)))
	for i := range t.members {
		buf = appendMember(buf, &t.members[i])
	}
	buf = appendUvarint(buf, uint64(len(t.deferred)))
	for i := range t.deferred {
		r := &t.deferred[i]
		buf = append(r.seen.appendTo(buf), byte(r.scope))
		buf = appendString(appendString(buf, r.name), r.element)
	}
	return buf
}

// decodeDataType reads what appendTo wrote, or nil. Whatever it returns is a
// state that joins can work with: in order, and nothing in it but what was seen.
func decodeDataType(d *decoder, kind ObjectKind) *dataType {
	t := &dataType{kind: kind, seen: d.vector()}
	for n := d.count(5); n > 0 && d.ok(); n-- {
		m := decodeMember(d, t.seen)
		if k := len(t.members); k > 0 && compareMembers(&t.members[k-1], &m) >= 0 {
			d.fail("members out of order")
		}
		if kind != ObjectMap && (m.name != "" || m.kind != map[ObjectKind]memberKind{ObjectCounter: memberCounter, ObjectSet: memberSet}[kind]) {
			d.fail("a member that this data type has not")
		}
		t.members = append(t.members, m)
	}
	for n := d.count(4); n > 0 && d.ok(); n-- {
		r := removal{seen: d.vector(), scope: removalScope(d.byte()), name: d.string(MaxElementBytes), element: d.string(MaxElementBytes)}
		if r.scope == 0 || r.scope > lastRemovalScope {
			d.fail("unknown scope of a removal")
		}
		t.deferred = append(t.deferred, r)
	}
	if !d.ok() {
		return nil
	}
	t.settle()
	return t
}
