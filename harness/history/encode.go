package history

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// AppendEvent appends the event as one line of a history file, its newline
// included, and returns the extended buffer. It allocates nothing but what
// the buffer needs to grow (a Raw value that holds line breaks excepted).
//
// It does not judge the event: a Writer does. Bytes of strings that are no
// UTF-8 become U+FFFD, as in encoding/json.
func AppendEvent(buf []byte, e *Event) []byte {
	buf = append(buf, `{"index":`...)
	buf = strconv.AppendInt(buf, e.Index, 10)
	buf = append(buf, `,"time":`...)
	buf = strconv.AppendInt(buf, e.Time, 10)
	buf = append(buf, `,"process":`...)
	if e.Process == Nemesis {
		buf = append(buf, `"nemesis"`...)
	} else {
		buf = strconv.AppendInt(buf, int64(e.Process), 10)
	}
	buf = append(buf, `,"type":"`...)
	buf = append(buf, e.Type.String()...)
	buf = append(buf, `","f":`...)
	buf = appendString(buf, e.F)
	buf = appendField(buf, `,"key":`, e.Key)
	if e.Value.kind != Absent {
		buf = append(buf, `,"value":`...)
		buf = appendValue(buf, e.Value)
	}
	buf = appendField(buf, `,"error":`, e.Error)
	buf = appendField(buf, `,"node":`, e.Node)
	if e.Evidence != nil {
		buf = append(buf, `,"evidence":`...)
		buf = appendEvidence(buf, e.Evidence)
	}
	return append(buf, '}', '\n')
}

func appendValue(buf []byte, v Value) []byte {
	switch v.kind {
	case Int:
		return strconv.AppendInt(buf, v.num, 10)
	case List:
		buf = append(buf, '[')
		for i, n := range v.ext.list {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = strconv.AppendInt(buf, n, 10)
		}
		return append(buf, ']')
	case Raw:
		raw := v.ext.raw
		if bytes.IndexByte(raw, '\n') < 0 && len(raw) > 0 {
			return append(buf, raw...)
		}
		// An event is one line: line breaks between tokens are dropped.
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil || compact.Len() == 0 {
			return append(buf, "null"...)
		}
		return append(buf, compact.Bytes()...)
	}
	return append(buf, "null"...)
}

func appendEvidence(buf []byte, e *Evidence) []byte {
	buf = append(buf, '{')
	start := len(buf)
	buf = appendField(buf, `,"coordinator":`, e.Coordinator)
	if e.Required != 0 {
		buf = append(buf, `,"required":`...)
		buf = strconv.AppendInt(buf, int64(e.Required), 10)
	}
	buf = appendField(buf, `,"version":`, e.Version)
	if e.Timestamp != 0 {
		buf = append(buf, `,"timestamp":`...)
		buf = strconv.AppendInt(buf, e.Timestamp, 10)
	}
	if e.Took != 0 {
		buf = append(buf, `,"took":`...)
		buf = strconv.AppendInt(buf, e.Took, 10)
	}
	if e.Counter != 0 {
		buf = append(buf, `,"counter":`...)
		buf = strconv.AppendInt(buf, e.Counter, 10)
	}
	if e.Arrival {
		buf = append(buf, `,"arrival":true`...)
	}
	if len(e.Replicas) > 0 {
		buf = append(buf, `,"replicas":[`...)
		for i := range e.Replicas {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendReplica(buf, &e.Replicas[i])
		}
		buf = append(buf, ']')
	}
	buf = appendStrings(buf, `,"phases":[`, e.Phases)
	buf = appendField(buf, `,"level":`, e.Level)
	buf = appendStrings(buf, `,"hints":[`, e.Hints)
	if e.Grace != 0 {
		buf = append(buf, `,"grace":`...)
		buf = strconv.AppendInt(buf, e.Grace, 10)
	}
	if e.Causal != nil {
		if causal, err := json.Marshal(e.Causal); err == nil { // strings and numbers always can
			buf = append(append(buf, `,"causal":`...), causal...)
		}
	}
	if len(e.Repeated) > 0 {
		buf = append(buf, `,"repeated":[`...)
		for i := range e.Repeated {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendEvidence(buf, &e.Repeated[i])
		}
		buf = append(buf, ']')
	}
	return closeObject(buf, start)
}

func appendReplica(buf []byte, r *ReplicaEvidence) []byte {
	buf = append(buf, `{"node":`...)
	buf = appendString(buf, r.Node)
	if r.Answered {
		buf = append(buf, `,"answered":true`...)
	} else {
		buf = append(buf, `,"answered":false`...)
	}
	if r.Counted {
		buf = append(buf, `,"counted":true`...)
	}
	buf = appendField(buf, `,"version":`, r.Version)
	buf = appendField(buf, `,"hint_for":`, r.HintFor)
	buf = appendField(buf, `,"datacenter":`, r.Datacenter)
	if r.RoundTrip != 0 {
		buf = append(buf, `,"round_trip":`...)
		buf = strconv.AppendInt(buf, r.RoundTrip, 10)
	}
	if r.Repaired {
		buf = append(buf, `,"repaired":true`...)
	}
	if r.Fetched {
		buf = append(buf, `,"fetched":true`...)
	}
	return append(buf, '}')
}

// closeObject ends an object all of whose fields, from start on, were written
// with a comma before them: it takes the first comma away.
func closeObject(buf []byte, start int) []byte {
	if len(buf) > start {
		copy(buf[start:], buf[start+1:])
		buf = buf[:len(buf)-1]
	}
	return append(buf, '}')
}

func appendStrings(buf []byte, field string, list []string) []byte {
	if len(list) == 0 {
		return buf
	}
	buf = append(buf, field...)
	for i, s := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(buf, s)
	}
	return append(buf, ']')
}

// appendField appends a field with its text, or nothing if the text is empty.
func appendField(buf []byte, field, s string) []byte {
	if s == "" {
		return buf
	}
	buf = append(buf, field...)
	return appendString(buf, s)
}

const hexDigits = "0123456789abcdef"

func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		buf = append(buf, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			buf = append(buf, '\\', c)
		case c == '\n':
			buf = append(buf, '\\', 'n')
		case c == '\t':
			buf = append(buf, '\\', 't')
		case c < ' ':
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			buf = append(buf, "\ufffd"...)
		}
		i++
		start = i
	}
	buf = append(buf, s[start:]...)
	return append(buf, '"')
}
