package core

import (
	"bytes"
	"errors"
	"fmt"
)

// MaxKeyBytes and MaxValueBytes bound the keys and values that are accepted,
// so that a message or a record has a known greatest size.
const (
	MaxKeyBytes   = 4 << 10
	MaxValueBytes = 1 << 20
	// MaxMessageBytes is the greatest length of an encoded message. A promise of
	// a compare-and-set may carry a cell and two proposals; a key's siblings are
	// bounded at the replica that adds one (see maxVersionsBytes), and what
	// several have added apart comes together in a merge.
	MaxMessageBytes = MaxKeyBytes + 16*MaxValueBytes + 512
)

// MessageKind says what a Message is.
type MessageKind uint8

// The kinds of messages between nodes. Every request carries the
// coordinator's request number, which its answer repeats.
const (
	// MessageRead asks for the cell of Key; answered by MessageReadAnswer.
	MessageRead MessageKind = iota + 1
	MessageReadAnswer
	// MessageFetch asks for the version of Key alone; answered by MessageFetched.
	MessageFetch
	MessageFetched
	// MessageWrite asks to store Cell under Key, also for a write-back or a
	// repair. MessageWritten with Cell.Version repeated says that the replica
	// holds that version, or a newer one, durably.
	MessageWrite
	MessageWritten
	// MessageHandoff delivers a hint; MessageHandedOff says that it is durable.
	MessageHandoff
	MessageHandedOff
	// MessageHeartbeat says that the sender is alive.
	MessageHeartbeat
	// MessageUpdate asks one replica to apply an update to what it holds and
	// to answer with the resulting cell, once that is durable; see update.go.
	MessageUpdate
	MessageUpdated
	// MessageDigest asks for the version of Key alone, on behalf of a read; answered by MessageDigestAnswer.
	MessageDigest
	MessageDigestAnswer
	// MessagePrepare … MessageCommitted are the rounds of a compare-and-set; see paxos.go.
	MessagePrepare
	MessagePromise
	MessagePropose
	MessageAccepted
	MessageCommit
	MessageCommitted
	// MessageTree … MessageRepaired are anti-entropy; see antientropy.go.
	MessageTree
	MessageTreeAnswer
	MessageRange
	MessageRangeAnswer
	MessageRepair
	MessageRepaired
	// MessagePurge tells a home replica that all of them hold a tombstone; see tombstones.go.
	MessagePurge
	// MessageGossip and MessageGossipAnswer tell of the members; see gossip.go.
	MessageGossip
	MessageGossipAnswer
	// MessageStream … MessageStreamed move ranges between members; see stream.go.
	MessageStream
	MessageStreamChunk
	MessageStreamed
	// MessageForward hands a client's request to a replica, MessageForwarded the reply back.
	MessageForward
	MessageForwarded

	lastMessageKind = MessageForwarded
)

var messageKindNames = [...]string{
	"", "read", "read-answer", "fetch", "fetched", "write", "written", "handoff", "handed-off", "heartbeat",
	"update", "updated", "digest", "digest-answer",
	"prepare", "promise", "propose", "accepted", "commit", "committed",
	"tree", "tree-answer", "range", "range-answer", "repair", "repaired", "purge",
	"gossip", "gossip-answer", "stream", "stream-chunk", "streamed", "forward", "forwarded",
}

// Body is what a message has beside the common parts. It is never changed once it is sent.
type Body interface {
	// appendTo appends the encoding that bodyDecoders reads.
	appendTo(buf []byte) []byte
}

// bodyDecoders read the bodies of the kinds of messages that have one.
var bodyDecoders [lastMessageKind + 1]func(*decoder) Body

// String returns the kind's name, for logs.
func (k MessageKind) String() string {
	if k == 0 || k > lastMessageKind {
		return fmt.Sprintf("MessageKind(%d)", uint8(k))
	}
	return messageKindNames[k]
}

// Message is what one node tells another. Messages may be lost, delayed,
// duplicated and reordered: the protocol needs no more of the network.
type Message struct {
	Kind     MessageKind
	From, To NodeID
	// StandsIn says that the receiver is asked in place of its home replica HintFor (sloppy quorum).
	StandsIn bool
	HintFor  NodeID
	// Ring tags the ring that the sender knows; 0 where rings are not compared. See epoch.go.
	Ring uint32
	// Durable asks, with MessageWrite, to be told when the log has it, and
	// tells, with MessageWritten, that it has; see primaries.go.
	Durable bool
	// Origin tells a driver for whom the message is sent: the Request.ID of the
	// client's request that it belongs to, which answers repeat, or 0 if it
	// belongs to none (a heartbeat, a hint that is delivered). It is no part of
	// the protocol: the core decides nothing by it, and the encoding leaves it out.
	Origin uint64
	// Request is the sender's number for what it does; unique over its incarnations.
	Request uint64
	Key     string
	Cell    Cell
	// Body is nil for most kinds.
	Body Body
}

// ErrMessage is what every error of DecodeMessage wraps.
var ErrMessage = errors.New("malformed message")

// messageFormat is the first byte of every message. A node refuses others, so
// that two releases that do not understand each other say so.
const messageFormat = 1

const (
	flagTombstone = 1 << iota
	flagStandsIn
	flagObject
	flagBody
	flagRing
	flagDurable
	knownFlags = flagTombstone | flagStandsIn | flagObject | flagBody | flagRing | flagDurable
)

// AppendMessage appends the encoding of m to buf and returns it: the format
// (1 byte), kind, from, to, flags and, with StandsIn, the home replica (1 byte
// each), the ring's tag (uvarint, if it is not 0), then the request (uvarint), the key (uvarint length, bytes), the
// version (see appendVersion), the value (uvarint length, bytes), and the
// object and the body if the flags say so.
func AppendMessage(buf []byte, m *Message) []byte {
	flags := cellFlags(&m.Cell)
	if m.StandsIn {
		flags |= flagStandsIn
	}
	if m.Body != nil {
		flags |= flagBody
	}
	if m.Durable {
		flags |= flagDurable
	}
	if m.Ring != 0 {
		flags |= flagRing
	}
	buf = append(buf, messageFormat, byte(m.Kind), byte(m.From), byte(m.To), flags)
	if m.StandsIn {
		buf = append(buf, byte(m.HintFor))
	}
	if m.Ring != 0 {
		buf = appendUvarint(buf, uint64(m.Ring))
	}
	buf = appendUvarint(buf, m.Request)
	buf = appendString(buf, m.Key)
	buf = appendContent(buf, &m.Cell)
	if m.Body != nil {
		buf = m.Body.appendTo(buf)
	}
	return buf
}

// DecodeMessage is the inverse of AppendMessage. The result shares no memory
// with b. Its errors wrap ErrMessage; it never panics, whatever b holds. An
// empty value is decoded as nil.
func DecodeMessage(b []byte) (Message, error) {
	d := decoder{rest: b}
	if format := d.byte(); d.ok() && format != messageFormat {
		return Message{}, fmt.Errorf("%w: format %d, this node speaks %d: run the same release on every node", ErrMessage, format, messageFormat)
	}
	var m Message
	m.Kind = MessageKind(d.byte())
	m.From, m.To = NodeID(d.byte()), NodeID(d.byte())
	flags := d.byte()
	m.Durable = flags&flagDurable != 0
	if flags&flagStandsIn != 0 {
		m.StandsIn, m.HintFor = true, NodeID(d.byte())
	}
	if flags&flagRing != 0 {
		m.Ring = d.uint32()
	}
	m.Request = d.uvarint()
	m.Key = d.string(MaxKeyBytes)
	m.Cell = d.content(flags)
	m.Cell.Value = bytes.Clone(m.Cell.Value)
	if d.ok() && (m.Kind == 0 || m.Kind > lastMessageKind) {
		d.fail("unknown kind")
	}
	if d.ok() && flags&^knownFlags != 0 {
		d.fail("unknown flags")
	}
	if d.ok() && flags&flagBody != 0 {
		if decode := bodyDecoders[m.Kind]; decode != nil {
			m.Body = decode(&d)
		} else {
			d.fail("a body that this kind has not")
		}
	}
	if err := d.end(); err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return m, nil
}
