package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Writer writes a history as it happens. Each event goes out with one write
// as soon as it is appended, so that a process that is killed loses at most
// the line that it was writing. (The page cache keeps what was written when
// the process dies; Sync is needed against a crash of the machine only.)
//
// It refuses an event that must not follow those before it, because a history
// that breaks its own rules makes every verdict on it worthless: such an event
// is a bug of the recorder and should show there, not in a later check.
//
// A Writer must not be used concurrently: the order of the events is the
// recorder's to decide.
type Writer struct {
	w        io.Writer
	file     *os.File
	buf      []byte
	valid    *validator
	broken   error
	closeErr error
	closed   bool
}

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the history is closed")

// Create makes a history file. It must not exist yet: a history is never overwritten.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	w := NewWriter(f)
	w.file = f
	return w, nil
}

// NewWriter writes a history to w, with one call of Write for each event.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, valid: newValidator(false), buf: make([]byte, 0, 4096)}
}

// Next is the index that the next event must have, which is also the number of events so far.
func (w *Writer) Next() int64 { return w.valid.next }

// Append writes the event. The error is a *FormatError if the event must not
// stand here; nothing is written then and the history goes on as if it had not
// been offered. Any other error is the file's: what was written may end in a
// part of a line, so that every later Append returns that error too.
func (w *Writer) Append(e *Event) error {
	if w.broken != nil {
		return w.broken
	}
	line := w.valid.events + 1
	if e.Value.kind == Raw && !json.Valid(e.Value.ext.raw) {
		return fault(ErrSyntax, line, e.Index, "the value is no JSON: %.80q", e.Value.ext.raw)
	}
	if _, err := w.valid.check(e, line); err != nil {
		return err
	}
	w.buf = AppendEvent(w.buf[:0], e)
	if _, err := w.w.Write(w.buf); err != nil {
		w.broken = fmt.Errorf("write event %d: %w; the history ends here", e.Index, err)
		return w.broken
	}
	return nil
}

// Sync makes what was appended so far survive a crash of the machine, where the writer has a file.
func (w *Writer) Sync() error {
	if w.file == nil || w.closed {
		return nil
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync history: %w", err)
	}
	return nil
}

// Close syncs and closes the file, if the writer has one. More calls return the first one's error.
func (w *Writer) Close() error {
	if w.closed {
		return w.closeErr
	}
	err := w.Sync()
	w.closed = true
	if w.broken == nil {
		w.broken = ErrClosed
	}
	if w.file != nil {
		if cerr := w.file.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close history: %w", cerr)
		}
	}
	w.closeErr = err
	return err
}
