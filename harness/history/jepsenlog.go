package history

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// logMarkers stand before the operations in Jepsen's logs, old and new. In
// history.txt nothing does.
var logMarkers = [][]byte{[]byte("jepsen.util - "), []byte("jepsen.util: ")}

// logSource reads the operations from the lines of Jepsen's log.
type logSource struct {
	lines  *lineReader
	jepsen *jepsenReader
	parts  []ednForm
}

func newLogSource(text *bufio.Reader, summary *Summary) *logSource {
	return &logSource{lines: newLineReader(text), jepsen: newJepsenReader(summary)}
}

func (s *logSource) next(e *Event) (int64, error) {
	for {
		line, _, err := s.lines.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				s.jepsen.end()
			}
			return s.lines.number, err
		}
		op, parts, ok := logOperation(line, s.parts[:0])
		s.parts = parts
		if ok {
			return s.lines.number, s.jepsen.event(&op, s.lines.number, e)
		}
	}
}

// logOperation finds the operation in a line of a log: process, type, f, and
// where there are any a value and an error, between tabs or blanks. It uses parts.
func logOperation(line []byte, parts []ednForm) (op jepsenOp, _ []ednForm, ok bool) {
	text := line
	for _, marker := range logMarkers {
		if _, after, found := bytes.Cut(line, marker); found {
			text = after
			break
		}
	}
	for rest := ednForm(text); ; {
		var form ednForm
		if form, rest, _ = rest.cut(); form == nil {
			break
		}
		parts = append(parts, form)
	}
	if len(parts) < 3 {
		return op, parts, false
	}
	kind, _ := parts[1].keyword()
	if _, err := ParseType(kind); err != nil {
		return op, parts, false // another line of the log
	}
	if _, number := parts[0].integer(); !number && string(parts[0]) != ":nemesis" {
		return op, parts, false
	}
	op = jepsenOp{process: parts[0], kind: parts[1], f: parts[2]}
	if len(parts) > 3 {
		op.value = parts[3]
	}
	if len(parts) > 4 {
		op.err = parts[4]
	}
	return op, parts, true
}

// isJepsenLog says whether one of the whole lines is an operation as a log shows it.
func isJepsenLog(head []byte) bool {
	for line := range bytes.Lines(head) {
		if _, _, ok := logOperation(bytes.TrimRight(line, "\r\n"), nil); ok {
			return true
		}
	}
	return false
}
