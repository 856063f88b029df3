package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// lineMost bounds one line. The longest values are those of sets.
const lineMost = 16 << 20

// FormatError says where and why a file is no trace.
type FormatError struct {
	// Line is the line of the file, from 1. A Writer counts as it would be in its file.
	Line int64
	// Cause says what is wrong there.
	Cause string
}

// Error is one line: where, what, and the remedy.
func (e *FormatError) Error() string {
	return fmt.Sprintf("line %d: no event of a trace: %s; a trace is made again by running its plan again", e.Line, e.Cause)
}

func outOfOrder(time, last int64) string {
	return fmt.Sprintf("time %d is before that of the event before, %d: want events in the order of their times", time, last)
}

// Reader reads a trace. It must not be used concurrently.
type Reader struct {
	lines   *bufio.Reader
	line    int64
	last    int64
	warning string
	failed  error
	long    []byte
}

// NewReader reads a trace from r.
func NewReader(r io.Reader) *Reader { return &Reader{lines: bufio.NewReaderSize(r, 64<<10)} }

// Warning says what was left out of the end of the file; empty if nothing was.
func (r *Reader) Warning() string { return r.warning }

// Next reads the next event into e, which shares no memory with others. At
// the end the error is io.EOF, also where the last line is cut: see Warning.
// A line that is no event is a *FormatError; any other error is the file's.
// After an error every later call returns it too.
func (r *Reader) Next(e *Event) error {
	if r.failed == nil {
		r.failed = r.next(e)
	}
	return r.failed
}

func (r *Reader) next(e *Event) error {
	for {
		line, whole, err := r.read()
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 && whole:
			continue
		case len(line) == 0:
			return io.EOF
		}
		*e = Event{Operation: -1}
		if err := json.Unmarshal(line, e); err != nil {
			if !whole {
				r.warning = fmt.Sprintf("The trace ends in the middle of line %d, which was left out.", r.line)
				return io.EOF
			}
			return &FormatError{Line: r.line, Cause: err.Error()}
		}
		if err := e.Validate(); err != nil {
			return &FormatError{Line: r.line, Cause: err.Error()}
		}
		if e.Time < r.last {
			return &FormatError{Line: r.line, Cause: outOfOrder(e.Time, r.last)}
		}
		r.last = e.Time
		return nil
	}
}

// read returns the next line; whole is false where no newline ends it.
func (r *Reader) read() (line []byte, whole bool, err error) {
	r.line++
	r.long = r.long[:0]
	for {
		part, err := r.lines.ReadSlice('\n')
		if len(r.long)+len(part) > lineMost {
			return nil, false, &FormatError{Line: r.line, Cause: fmt.Sprintf("it is longer than %d MiB", lineMost>>20)}
		}
		r.long = append(r.long, part...)
		switch {
		case err == nil:
			return r.long, true, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return r.long, false, nil
		default:
			return nil, false, fmt.Errorf("read trace: line %d: %w", r.line, err)
		}
	}
}

// ReadFile gives each event of a trace file to take, in order, and returns
// what Warning says. The event is take's to keep. Errors name the file; they
// wrap fs.ErrNotExist where there is none and a *FormatError where it is no trace.
func ReadFile(path string, take func(Event)) (warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("trace: %w", err)
	}
	defer func() { _ = f.Close() }()
	r := NewReader(f)
	for {
		var e Event
		switch err := r.Next(&e); {
		case errors.Is(err, io.EOF):
			return r.Warning(), nil
		case err != nil:
			return r.Warning(), fmt.Errorf("trace %s: %w", path, err)
		}
		take(e)
	}
}
