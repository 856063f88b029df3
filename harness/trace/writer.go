package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Writer writes a trace. A trace can be made again from the plan, so that it
// is buffered and not synced: nothing is in the file for certain before Close.
//
// It must not be used concurrently.
type Writer struct {
	buffer *bufio.Writer
	encode *json.Encoder
	file   *os.File
	last   int64
	events int64
	broken error
}

// ErrClosed is returned by Append after Close.
var ErrClosed = errors.New("the trace is closed")

// Create makes a trace file, in place of one that is there.
func Create(path string) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create trace: %w", err)
	}
	w := NewWriter(f)
	w.file = f
	return w, nil
}

// NewWriter writes a trace to w.
func NewWriter(w io.Writer) *Writer {
	buffer := bufio.NewWriter(w)
	encode := json.NewEncoder(buffer)
	encode.SetEscapeHTML(false)
	return &Writer{buffer: buffer, encode: encode}
}

// Append writes the event. The error is a *FormatError if the event is not
// valid, or is earlier than the one before; nothing is written then and the
// trace goes on. Any other error is the file's and stays. Bytes of strings
// that are no UTF-8 become U+FFFD.
func (w *Writer) Append(e *Event) error {
	if w.broken != nil {
		return w.broken
	}
	if err := e.Validate(); err != nil {
		return &FormatError{Line: w.events + 1, Cause: err.Error()}
	}
	if e.Time < w.last {
		return &FormatError{Line: w.events + 1, Cause: outOfOrder(e.Time, w.last)}
	}
	if err := w.encode.Encode(e); err != nil {
		w.broken = fmt.Errorf("write trace: %w", err)
		return w.broken
	}
	w.last = e.Time
	w.events++
	return nil
}

// Close writes what is buffered and closes the file, if the writer has one.
// After an error of the file it returns that one.
func (w *Writer) Close() error {
	if errors.Is(w.broken, ErrClosed) {
		return nil
	}
	err := w.broken
	if err == nil {
		if err = w.buffer.Flush(); err != nil {
			err = fmt.Errorf("write trace: %w", err)
		}
	}
	w.broken = ErrClosed
	if w.file != nil {
		if failed := w.file.Close(); err == nil && failed != nil {
			err = fmt.Errorf("close trace: %w", failed)
		}
	}
	return err
}

// WriteFile makes a trace file of the events, which must be in order.
func WriteFile(path string, events []Event) error {
	w, err := Create(path)
	if err != nil {
		return err
	}
	for i := range events {
		if err := w.Append(&events[i]); err != nil {
			return errors.Join(fmt.Errorf("trace %s: %w", path, err), w.Close())
		}
	}
	return w.Close()
}
