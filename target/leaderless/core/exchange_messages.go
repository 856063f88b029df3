package core

import "encoding/binary"

// What the messages of an exchange carry beside key and cell.

// rangeName is how two nodes speak of the same range: its home replicas, on a
// ring with that fingerprint.
type rangeName struct {
	members []NodeID
	ring    uint64
}

// treeQuestion asks which of some nodes of the hash tree differ.
type treeQuestion struct {
	rangeName
	nodes []treeNode // at least one
}

type treeNode struct {
	node uint32
	hash uint64
}

// treeAnswer names those that do. known is false if the receiver compares no
// such range: its ring is another one, or it has no anti-entropy.
type treeAnswer struct {
	known bool
	nodes []uint32
}

// pageQuestion lists the sender's keys of a leaf, in order, after the key
// after and up to the key until, or all that follow if that is empty.
type pageQuestion struct {
	rangeName
	leaf         uint32
	after, until string
	keys         []keyHash
}

type keyHash struct {
	key  string
	hash uint64
}

// pageAnswer lists the keys after the question's after, and up to until, that
// differ, and what the answering replica has of them: hash 0 is nothing.
type pageAnswer struct {
	known bool
	until string
	keys  []keyState
}

type keyState struct {
	key     string
	hash    uint64
	version Version
	object  bool
}

func init() {
	bodyDecoders[MessageTree] = func(d *decoder) Body { return d.treeQuestion() }
	bodyDecoders[MessageTreeAnswer] = func(d *decoder) Body { return d.treeAnswer() }
	bodyDecoders[MessageRange] = func(d *decoder) Body { return d.pageQuestion() }
	bodyDecoders[MessageRangeAnswer] = func(d *decoder) Body { return d.pageAnswer() }
}

func (r *rangeName) appendName(buf []byte) []byte {
	buf = append(buf, byte(len(r.members)))
	for _, node := range r.members {
		buf = append(buf, byte(node))
	}
	return appendFixed64(buf, r.ring)
}

func (d *decoder) rangeName() (r rangeName) {
	for range d.byte() {
		r.members = append(r.members, NodeID(d.byte()))
		if !d.ok() {
			break
		}
	}
	r.ring = d.fixed64()
	return r
}

func (q *treeQuestion) appendTo(buf []byte) []byte {
	buf = q.appendName(buf)
	buf = appendUvarint(buf, uint64(len(q.nodes)))
	for _, t := range q.nodes {
		buf = appendFixed64(appendUvarint(buf, uint64(t.node)), t.hash)
	}
	return buf
}

func (d *decoder) treeQuestion() *treeQuestion {
	q := &treeQuestion{rangeName: d.rangeName()}
	count := d.upTo(maxTreeNodes)
	for range count {
		q.nodes = append(q.nodes, treeNode{d.uint32(), d.fixed64()})
	}
	if len(q.nodes) == 0 {
		d.fail("no nodes")
	}
	return q
}

func (a *treeAnswer) appendTo(buf []byte) []byte {
	buf = appendYesNo(buf, a.known)
	buf = appendUvarint(buf, uint64(len(a.nodes)))
	for _, node := range a.nodes {
		buf = appendUvarint(buf, uint64(node))
	}
	return buf
}

func (d *decoder) treeAnswer() *treeAnswer {
	a := &treeAnswer{known: d.yesNo()}
	for range d.upTo(maxTreeNodes) {
		a.nodes = append(a.nodes, d.uint32())
	}
	return a
}

func (q *pageQuestion) appendTo(buf []byte) []byte {
	buf = q.appendName(buf)
	buf = appendUvarint(buf, uint64(q.leaf))
	buf = appendString(appendString(buf, q.after), q.until)
	buf = appendUvarint(buf, uint64(len(q.keys)))
	for _, k := range q.keys {
		buf = appendFixed64(appendString(buf, k.key), k.hash)
	}
	return buf
}

func (d *decoder) pageQuestion() *pageQuestion {
	q := &pageQuestion{rangeName: d.rangeName(), leaf: d.uint32(), after: d.string(MaxKeyBytes), until: d.string(MaxKeyBytes)}
	for range d.upTo(maxPageKeys) {
		q.keys = append(q.keys, keyHash{d.string(MaxKeyBytes), d.fixed64()})
	}
	return q
}

func (a *pageAnswer) appendTo(buf []byte) []byte {
	buf = appendString(appendYesNo(buf, a.known), a.until)
	buf = appendUvarint(buf, uint64(len(a.keys)))
	for i := range a.keys {
		k := &a.keys[i]
		buf = appendVersion(appendFixed64(appendString(buf, k.key), k.hash), k.version)
		buf = appendYesNo(buf, k.object)
	}
	return buf
}

func (d *decoder) pageAnswer() *pageAnswer {
	a := &pageAnswer{known: d.yesNo(), until: d.string(MaxKeyBytes)}
	// The keys of both sides: a page each.
	for range d.upTo(2 * maxPageKeys) {
		a.keys = append(a.keys, keyState{d.string(MaxKeyBytes), d.fixed64(), d.version(), d.yesNo()})
	}
	return a
}

// appendFixed64 appends eight bytes, the lowest first: hashes have no small values that would be shorter.
func appendFixed64(buf []byte, n uint64) []byte { return binary.LittleEndian.AppendUint64(buf, n) }

func (d *decoder) fixed64() uint64 {
	if d.err != nil || len(d.rest) < 8 {
		d.fail("cut short")
		return 0
	}
	n := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return n
}

func appendYesNo(buf []byte, yes bool) []byte {
	if yes {
		return append(buf, 1)
	}
	return append(buf, 0)
}

func (d *decoder) yesNo() bool {
	b := d.byte()
	if b > 1 {
		d.fail("neither yes nor no")
	}
	return b == 1
}

// upTo reads a count of items, each of which has at least a byte.
func (d *decoder) upTo(limit int) int {
	n := d.uvarint()
	if n > uint64(limit) || n > uint64(len(d.rest)) {
		d.fail("too many items")
		return 0
	}
	return int(n)
}
