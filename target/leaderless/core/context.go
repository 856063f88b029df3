package core

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Causal contexts. A read hands the client, beside the values, what they are
// the outcome of; the client hands it back, unread, with the write that
// follows, and so tells what the writer had seen (Dynamo §4.4: the context
// "encodes system metadata about the object that is opaque to the caller").
// That is what makes a write supersede what was read, and nothing else: neither
// the order of arrival nor a clock could tell.
//
// It is the client that carries causality here, and it can get it wrong in one
// way that no store can notice: by writing with the context of another read,
// or of another key. Then values that nobody has seen are replaced.
//
// A context that is not one, because it was cut short or altered on its way, is
// refused with a definite error, by the checksum. The alternative, to take it
// for none, would turn every write of a client with a mangled header into a
// sibling. The checksum is against accidents and no signature.

// ErrContext is what every error of ParseContext wraps.
var ErrContext = errors.New("malformed causal context")

// Context is a causal context.
type Context struct {
	// Seen is the past of what was read: a writer who hands it back has seen all of that.
	Seen Vector
	// Time is the greatest time of a version that was read, with clock=hybrid
	// (see hybrid.go), in nanoseconds; 0: none.
	Time int64
}

const (
	contextFormat   = 1
	contextChecksum = 4 // bytes
	// MaxContextBytes bounds what a client may hand back.
	MaxContextBytes = 256 << 10
)

// Encode returns the context as clients are given it: the format (1 byte), the
// time (zig-zag varint), the vector, and 4 bytes of checksum. An empty context is nil.
func (c *Context) Encode() []byte {
	if len(c.Seen) == 0 && c.Time == 0 {
		return nil
	}
	b := append(make([]byte, 0, 16+16*len(c.Seen)), contextFormat)
	b = binary.AppendVarint(b, c.Time)
	b = c.Seen.appendTo(b)
	return binary.BigEndian.AppendUint32(b, checksumOf(b))
}

// ParseContext is the inverse of Encode; nil and empty are the empty context.
// Its errors wrap ErrContext. It never panics, whatever b holds.
func ParseContext(b []byte) (Context, error) {
	if len(b) == 0 {
		return Context{}, nil
	}
	if len(b) > MaxContextBytes {
		return Context{}, fmt.Errorf("%w: %d bytes, and contexts have at most %d", ErrContext, len(b), MaxContextBytes)
	}
	if b[0] != contextFormat {
		return Context{}, fmt.Errorf("%w: format %d, this node gives out %d: hand back what the latest read gave, unaltered", ErrContext, b[0], contextFormat)
	}
	end := len(b) - contextChecksum
	if end < 1 || binary.BigEndian.Uint32(b[end:]) != checksumOf(b[:end]) {
		return Context{}, fmt.Errorf("%w: the checksum is wrong: it was cut short or altered; hand back what the latest read gave, unaltered", ErrContext)
	}
	d := decoder{rest: b[1:end]}
	c := Context{Time: d.varint()}
	c.Seen = d.vector()
	if d.ok() && c.Time < 0 {
		d.fail("a negative time")
	}
	if err := d.end(); err != nil {
		return Context{}, fmt.Errorf("%w: %w", ErrContext, err)
	}
	return c, nil
}

func checksumOf(b []byte) uint32 {
	sum := mix64(hashString(string(b)))
	return uint32(sum ^ sum>>32)
}
