package history

import (
	"encoding/json"
	"fmt"
)

// maxInterned bounds the strings that a Decoder shares. A history that has
// more different ones (unique keys, error texts) keeps the rest unshared.
const maxInterned = 1 << 17

// Decoder reads lines of a history file. It shares equal strings between
// events, so that a million events hold each key once; it therefore has a
// memory of its own and must not be used concurrently.
type Decoder struct {
	// Evidence asks for the evidence of each event. Without it evidence is
	// checked to be JSON and skipped, which is much cheaper.
	Evidence bool

	shared map[string]string
	recent *[recentTexts]string
	list   []int64
	scan   scanner
}

// NewDecoder returns a decoder that skips evidence.
func NewDecoder() *Decoder { return &Decoder{shared: make(map[string]string)} }

// The fields of an event, as bits.
const (
	fieldIndex = 1 << iota
	fieldTime
	fieldProcess
	fieldType
	fieldF
	fieldKey
	fieldValue
	fieldError
	fieldNode
	fieldEvidence

	required = fieldIndex | fieldTime | fieldProcess | fieldType | fieldF
)

// fieldNames are the names of the required fields in the order of their bits.
var fieldNames = [...]string{"index", "time", "process", "type", "f"}

func fieldOf(name []byte) int {
	switch string(name) {
	case "index":
		return fieldIndex
	case "time":
		return fieldTime
	case "process":
		return fieldProcess
	case "type":
		return fieldType
	case "f":
		return fieldF
	case "key":
		return fieldKey
	case "value":
		return fieldValue
	case "error":
		return fieldError
	case "node":
		return fieldNode
	case "evidence":
		return fieldEvidence
	}
	return 0
}

// Decode reads one line, with or without its newline, into the event, whose
// old content is lost. Fields may stand in any order; unknown ones are
// skipped, so that a newer file can be read; each of index, time, process,
// type and f must be there. The event keeps nothing of the line's memory.
func (d *Decoder) Decode(line []byte, e *Event) error {
	if d.template(line, e) {
		return nil
	}
	return d.general(line, e)
}

// general is Decode for a line of any form.
func (d *Decoder) general(line []byte, e *Event) error {
	*e = Event{}
	s := &d.scan
	s.data, s.pos = line, 0
	s.space()
	if !s.take('{') {
		return s.want("an object")
	}
	seen := 0
	for first := true; ; first = false {
		s.space()
		if s.take('}') {
			break
		}
		if !first && !s.take(',') {
			return s.want("a comma or the object's end")
		}
		s.space()
		name, plain, err := s.text()
		if err != nil {
			return err
		}
		if !plain {
			name = unquote(name)
		}
		s.space()
		if !s.take(':') {
			return s.want("a colon")
		}
		s.space()
		field := fieldOf(name)
		if field&seen != 0 {
			return fmt.Errorf("field %q stands twice", name)
		}
		seen |= field
		if err := d.field(s, field, e); err != nil {
			return err
		}
	}
	s.space()
	if s.pos != len(s.data) {
		return s.want("nothing more after the object")
	}
	if missing := required &^ seen; missing != 0 {
		for i, name := range fieldNames {
			if missing&(1<<i) != 0 {
				return fmt.Errorf("field %q is missing", name)
			}
		}
	}
	return nil
}

func (d *Decoder) field(s *scanner, field int, e *Event) (err error) {
	switch field {
	case fieldIndex:
		e.Index, err = s.integer("index")
	case fieldTime:
		e.Time, err = s.integer("time")
	case fieldProcess:
		return d.process(s, e)
	case fieldType:
		var name []byte
		if name, err = d.word(s, "type"); err == nil {
			e.Type, err = parseType(name)
		}
	case fieldF:
		e.F, err = d.share(s, "f")
	case fieldKey:
		e.Key, err = d.share(s, "key")
	case fieldValue:
		e.Value, err = d.value(s)
	case fieldError:
		e.Error, err = d.share(s, "error")
	case fieldNode:
		e.Node, err = d.share(s, "node")
	case fieldEvidence:
		e.Evidence, err = d.evidence(s)
	default:
		err = s.skip(0)
	}
	return err
}

// parseType is ParseType without an allocation.
func parseType(name []byte) (Type, error) {
	switch string(name) {
	case "invoke":
		return Invoke, nil
	case "ok":
		return Ok, nil
	case "fail":
		return Fail, nil
	case "info":
		return Info, nil
	}
	return ParseType(string(name))
}

func (d *Decoder) process(s *scanner, e *Event) error {
	if s.peek() != '"' {
		n, err := s.integer("process")
		if err == nil && n < 0 {
			err = fmt.Errorf("process %d is negative: want a number from 0, or \"nemesis\"", n)
		}
		e.Process = Process(n)
		return err
	}
	name, err := d.word(s, "process")
	if err != nil {
		return err
	}
	if string(name) != "nemesis" {
		return fmt.Errorf("process %q: want a number from 0, or \"nemesis\"", name)
	}
	e.Process = Nemesis
	return nil
}

// word reads a string and returns its text, which is valid until the line changes.
func (d *Decoder) word(s *scanner, field string) ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.want("a string as " + field)
	}
	text, plain, err := s.text()
	if err != nil {
		return nil, err
	}
	if !plain {
		text = unquote(text)
	}
	return text, nil
}

// share reads a string and returns the one copy of its text.
func (d *Decoder) share(s *scanner, field string) (string, error) {
	text, err := d.word(s, field)
	if err != nil {
		return "", err
	}
	return d.intern(text), nil
}

func (d *Decoder) intern(text []byte) string {
	if one, ok := d.shared[string(text)]; ok {
		return one
	}
	one := string(text)
	if len(d.shared) < maxInterned {
		if d.shared == nil {
			d.shared = make(map[string]string)
		}
		d.shared[one] = one
	}
	return one
}

func (d *Decoder) value(s *scanner) (Value, error) {
	start := s.pos
	switch c := s.peek(); {
	case c == '-' || '0' <= c && c <= '9':
		if n, err := s.integer("value"); err == nil {
			return IntValue(n), nil
		}
		s.pos = start
	case c == '[':
		if d.integers(s) {
			return ListValue(append(make([]int64, 0, len(d.list)), d.list...)), nil
		}
		s.pos = start
	}
	if err := s.skip(0); err != nil {
		return Value{}, err
	}
	raw := s.data[start:s.pos]
	if string(raw) == "null" {
		return NilValue(), nil
	}
	return RawValue(append(json.RawMessage(nil), raw...)), nil
}

// integers reads a list of integers into d.list, or returns false at anything else.
func (d *Decoder) integers(s *scanner) bool {
	d.list = d.list[:0]
	s.pos++
	s.space()
	if s.take(']') {
		return true
	}
	for {
		s.space()
		n, err := s.integer("value")
		if err != nil {
			return false
		}
		d.list = append(d.list, n)
		s.space()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (d *Decoder) evidence(s *scanner) (*Evidence, error) {
	start := s.pos
	if err := s.skip(0); err != nil {
		return nil, err
	}
	if !d.Evidence {
		return nil, nil
	}
	var evidence *Evidence
	if err := json.Unmarshal(s.data[start:s.pos], &evidence); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return evidence, nil
}

// unquote resolves the escapes of the inside of a JSON string that was scanned without error.
func unquote(inside []byte) []byte {
	quoted := append(append(append(make([]byte, 0, len(inside)+2), '"'), inside...), '"')
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return inside
	}
	return []byte(s)
}
