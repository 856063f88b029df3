package history

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// scanner reads JSON tokens of one line.
type scanner struct {
	data []byte
	pos  int
}

// maxDepth bounds the nesting of skipped values.
const maxDepth = 1000

func (s *scanner) want(what string) error {
	if s.pos >= len(s.data) {
		return fmt.Errorf("the line ends after %d bytes where %s is due", len(s.data), what)
	}
	return fmt.Errorf("byte %d is %q where %s is due", s.pos+1, s.data[s.pos], what)
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// integer reads a JSON number that is a whole int64 without fraction or exponent.
func (s *scanner) integer(field string) (int64, error) {
	start := s.pos
	negative := s.take('-')
	first := s.pos
	var n uint64
	for s.pos < len(s.data) {
		c := s.data[s.pos] - '0'
		if c > 9 {
			break
		}
		if s.pos-first >= 19 {
			return 0, s.want("an integer of 64 bits as " + field)
		}
		n = n*10 + uint64(c)
		s.pos++
	}
	digits := s.pos - first
	if digits == 0 {
		return 0, s.want("an integer as " + field)
	}
	if digits > 1 && s.data[first] == '0' {
		s.pos = first
		return 0, s.want("an integer without leading zero as " + field)
	}
	switch s.peek() {
	case '.', 'e', 'E':
		return 0, s.want("an integer as " + field)
	}
	// Nineteen digits fit in 64 bits without sign.
	if digits == 19 {
		signed, err := strconv.ParseInt(string(s.data[start:s.pos]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s %s: want an integer of 64 bits", field, s.data[start:s.pos])
		}
		return signed, nil
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// text reads a string and returns what stands between its quotes. plain says
// that this is the text itself, without escapes to resolve.
func (s *scanner) text() (inside []byte, plain bool, err error) {
	if !s.take('"') {
		return nil, false, s.want("a string")
	}
	start, plain, ascii := s.pos, true, true
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			inside = s.data[start:s.pos]
			s.pos++
			if !ascii && !utf8.Valid(inside) {
				plain = false
			}
			return inside, plain, nil
		case c == '\\':
			plain = false
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < ' ':
			return nil, false, s.want("a printable character")
		default:
			ascii = ascii && c < utf8.RuneSelf
			s.pos++
		}
	}
	return nil, false, s.want("the end of the string")
}

func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			c := s.peek()
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return s.want("a hexadecimal digit")
			}
			s.pos++
		}
		return nil
	}
	return s.want("an escape")
}

// skip reads over one JSON value, which it checks fully.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.want("a value that is nested less deeply")
	}
	switch c := s.peek(); c {
	case '"':
		_, _, err := s.text()
		return err
	case '{':
		return s.skipObject(depth)
	case '[':
		return s.skipList(depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) skipObject(depth int) error {
	s.pos++
	s.space()
	if s.take('}') {
		return nil
	}
	for {
		s.space()
		if _, _, err := s.text(); err != nil {
			return err
		}
		s.space()
		if !s.take(':') {
			return s.want("a colon")
		}
		s.space()
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		s.space()
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.want("a comma or the object's end")
		}
	}
}

func (s *scanner) skipList(depth int) error {
	s.pos++
	s.space()
	if s.take(']') {
		return nil
	}
	for {
		s.space()
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		s.space()
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.want("a comma or the list's end")
		}
	}
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.want("a value")
	}
	s.pos += len(word)
	return nil
}

// number reads over a number of JSON's grammar (RFC 8259, section 6).
func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.want("a value")
	}
	if s.take('.') && !s.digits() {
		return s.want("a digit")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.want("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}
