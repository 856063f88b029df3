package history

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
)

// EDNForm says for which of Jepsen's checkers a history is written.
type EDNForm string

// The forms of EDN.
const (
	// Knossos wants :f :read, :write and :cas. Where the history has keys, values
	// are [key value], as jepsen.independent writes them.
	Knossos EDNForm = "knossos"
	// Elle wants transactions: a read is [[:r key value]], a write
	// [[:w key value]], a compare-and-set both in one.
	Elle EDNForm = "elle"
)

// EDNForms lists the forms.
func EDNForms() []EDNForm { return []EDNForm{Knossos, Elle} }

// ErrForm is the cause of a FormError.
var ErrForm = errors.New("cannot be written in this form")

// FormError says which event of a history a form can't hold without saying something else.
type FormError struct {
	Form EDNForm
	// Index is the event's index in the history.
	Index int64
	// Cause says what the form can't hold, and why.
	Cause string
}

// Error is one line.
func (e *FormError) Error() string {
	return fmt.Sprintf("event %d %v (EDN for %s): %s", e.Index, ErrForm, e.Form, e.Cause)
}

// Unwrap returns ErrForm.
func (e *FormError) Unwrap() error { return ErrForm }

// Written says what WriteEDN wrote.
type Written struct {
	// Events is the number of maps.
	Events int64
	// Dumps is the number of dumps of replicas that were left out, since no
	// checker of Jepsen's knows such operations.
	Dumps int64
}

// WriteEDN writes the history as Jepsen would have: a map a line, with
// :process, :type, :f, :value, :time, :index, and :error and :node where there
// are any. Both ends of a nemesis operation are :info; its key is :key.
//
// Read again, a file for Knossos gives the same operations, except that
// evidence and dumps are left out, events of one instant come back a nanosecond
// apart (in Jepsen's histories the order counts), a write that was completed
// without repeating its value repeats it, errors are clipped, and JSON is
// written anew.
//
// A file for Elle reads back as transactions. Its checkers infer from values
// what preceded what; so a history is refused, with a *FormError, that writes a
// value twice to a key, or has operations that no transaction of reads and
// writes (or appends) can stand for: of sets, whose reads do not tell the order
// of the adds; of counters, queues and texts; deletes, after which nothing is found again.
func (h *File) WriteEDN(ctx context.Context, w io.Writer, form EDNForm) (Written, error) {
	if form != Knossos && form != Elle {
		return Written{}, fmt.Errorf("EDN for %q: want %s or %s", form, Knossos, Elle)
	}
	writer := ednWriter{form: form, out: bufio.NewWriterSize(w, bufferSize), calls: map[Process]ednCall{}, written: map[elleWrite]int64{},
		reader: newJepsenReader(&Summary{})}
	err := h.events(ctx, func(e *Event) error {
		writer.keyed = writer.keyed || e.Key != "" && e.Process != Nemesis && e.F != FDump
		return nil
	})
	if err == nil {
		err = h.events(ctx, writer.event)
	}
	if err != nil {
		return writer.count, fmt.Errorf("%s: %w", h.path, err)
	}
	if err := writer.out.Flush(); err != nil {
		return writer.count, fmt.Errorf("write EDN: %w", err)
	}
	return writer.count, nil
}

// events visits every event of the file, once it is found to be valid.
func (h *File) events(ctx context.Context, visit func(*Event) error) error {
	text, err := unpack(h.section(), &Summary{})
	if err != nil {
		return err
	}
	src, err := newSource(text, h.opts.Format, &Summary{})
	if err != nil {
		return err
	}
	valid := newValidator(h.opts.Format != FormatJSONL)
	var e Event
	for n := 0; ; n++ {
		if n&1023 == 0 && ctx.Err() != nil {
			return fmt.Errorf("read history: %w", ctx.Err())
		}
		line, err := src.next(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = valid.check(&e, line)
		}
		if err == nil {
			err = visit(&e)
		}
		if err != nil {
			return err
		}
	}
}

// ednCall is what the completion of an operation repeats.
type ednCall struct{ value Value }

type ednWriter struct {
	form  EDNForm
	keyed bool
	out   *bufio.Writer
	calls map[Process]ednCall
	count Written
	// reader reads what is to be written, to see that it says the same.
	reader *jepsenReader
	// written has the first write of each value to each key, for Elle.
	written map[elleWrite]int64
}

func (w *ednWriter) event(e *Event) error {
	if e.F == FDump {
		if e.Type == Invoke {
			w.count.Dumps++
		}
		return nil
	}
	f, value, key, err := w.operation(e)
	if err != nil {
		return err
	}
	kind := e.Type.String()
	if e.Process == Nemesis && (e.Type == Invoke || e.Type == Ok && e.Error == "") {
		kind = Info.String()
	}
	line := append(w.out.AvailableBuffer(), "{:type :"...)
	line = append(append(line, kind...), ", :f "...)
	line = append(line, f...)
	if value != nil {
		line = append(append(line, ", :value "...), value...)
	}
	if key != nil {
		line = append(append(line, ", :key "...), key...)
	}
	line = append(line, ", :process "...)
	if e.Process == Nemesis {
		line = append(line, ":nemesis"...)
	} else {
		line = strconv.AppendInt(line, int64(e.Process), 10)
	}
	line = strconv.AppendInt(append(line, ", :time "...), e.Time, 10)
	line = strconv.AppendInt(append(line, ", :index "...), e.Index, 10)
	// The error is what tells an info of the nemesis from a completion.
	if e.Error != "" || e.Process == Nemesis && e.Type == Info {
		line = appendText(append(line, ", :error "...), e.Error)
	}
	if e.Node != "" {
		line = appendText(append(line, ", :node "...), e.Node)
	}
	w.count.Events++
	if _, err := w.out.Write(append(line, "}\n"...)); err != nil {
		return fmt.Errorf("write EDN: %w", err)
	}
	return nil
}

// operation returns the fields :f, :value and :key of the event, nil where it has none.
func (w *ednWriter) operation(e *Event) (f, value, key []byte, err error) {
	if e.Process == Nemesis {
		if value, err = appendValueEDN(nil, e.Value); err != nil {
			return nil, nil, nil, w.refuse(e, "its value is no JSON: %v", err)
		}
		if e.Key != "" {
			key = appendText(nil, e.Key)
		}
		return ednName(e.F), value, key, nil
	}
	said := w.said(e)
	if w.form == Elle {
		value, err = w.transaction(e, said)
		return []byte(":txn"), value, nil, err
	}
	return w.client(e, said)
}

// said is the value of the event as Jepsen would have it: that of the
// invocation, where a completion does not repeat it, and none where nil is none.
func (w *ednWriter) said(e *Event) Value {
	v := e.Value
	if v.kind == Nil && isNoResult(e.F, e.Type) {
		v = Value{}
	}
	if e.Type == Invoke {
		w.calls[e.Process] = ednCall{v}
		return v
	}
	if v.kind == Absent {
		switch e.F {
		case FWrite, FCAS, FAdd, FAppend, FEnqueue, FTransaction:
			v = w.calls[e.Process].value
		}
	}
	delete(w.calls, e.Process)
	return v
}

// client returns the fields for Knossos. The usual form is taken if it reads
// back as what is meant: a tuple where there are keys, the bare value where
// there are none. Otherwise the key gets a field of its own, which is never mistaken.
func (w *ednWriter) client(e *Event, said Value) (f, value, key []byte, err error) {
	f = ednName(e.F)
	bare, err := appendValueEDN(nil, said)
	if e.F == FTransaction {
		bare, err = appendSteps(nil, said)
	}
	if err != nil {
		return nil, nil, nil, w.refuse(e, "its value is no JSON: %v", err)
	}
	if bare == nil && isNoResult(e.F, e.Type) {
		bare = []byte("nil")
	}
	value = bare
	if w.keyed {
		value = appendKey([]byte{'['}, e.Key)
		value = append(value, ' ')
		if bare == nil {
			value = append(value, "nil"...)
		}
		value = append(append(value, bare...), ']')
	}
	if w.reads(e, f, value, nil, said) {
		return f, value, nil, nil
	}
	key = appendText(nil, e.Key)
	if w.reads(e, f, bare, key, said) {
		return f, bare, key, nil
	}
	return nil, nil, nil, w.refuse(e, "what would be written, %.80q, reads back as another operation", bare)
}

// reads says whether the fields, read back, are the event. The reader gets
// every event in its order, so that it knows the open operations.
func (w *ednWriter) reads(e *Event, f, value, key []byte, said Value) bool {
	op := jepsenOp{value: value, key: key}
	back := Event{Type: e.Type, Process: e.Process, F: w.reader.name(f)}
	call, open := w.reader.calls[e.Process]
	if err := w.reader.client(&op, 0, &back); err != nil {
		return false
	}
	same := back.F == e.F && back.Key == e.Key && sameValue(back.Value, said)
	if !same && open {
		w.reader.calls[e.Process] = call
	}
	return same
}

func (w *ednWriter) refuse(e *Event, format string, args ...any) error {
	return &FormError{Form: w.form, Index: e.Index, Cause: fmt.Sprintf(format, args...)}
}

// ednName is an operation's name. Those that are read as others are texts.
func ednName(f string) []byte {
	switch f {
	case "r", "w", "get", "put":
		return appendText(nil, f)
	}
	return appendName(nil, f)
}

// appendKey appends a key: an integer if it looks like one, else a text.
func appendKey(buf []byte, key string) []byte {
	if n, err := strconv.ParseInt(key, 10, 64); err == nil && strconv.FormatInt(n, 10) == key {
		return append(buf, key...)
	}
	return appendText(buf, key)
}

// appendValueEDN appends a value; nothing for none.
func appendValueEDN(buf []byte, v Value) ([]byte, error) {
	switch v.kind {
	case Absent:
		return nil, nil
	case Nil:
		return append(buf, "nil"...), nil
	case Raw:
		return appendEDN(buf, v.ext.raw)
	case List:
		buf = append(buf, '[')
		for i, n := range v.ext.list {
			if i > 0 {
				buf = append(buf, ' ')
			}
			buf = strconv.AppendInt(buf, n, 10)
		}
		return append(buf, ']'), nil
	}
	return strconv.AppendInt(buf, v.num, 10), nil
}

// sameValue compares values as what they mean: JSON may be written in many ways.
func sameValue(a, b Value) bool {
	if a.kind != b.kind {
		return false
	}
	if a.kind != Raw {
		return reflect.DeepEqual(a.List(), b.List()) && a.num == b.num
	}
	if bytes.Equal(a.ext.raw, b.ext.raw) {
		return true
	}
	left, leftErr := meaning(a.ext.raw)
	right, rightErr := meaning(b.ext.raw)
	return leftErr == nil && rightErr == nil && reflect.DeepEqual(left, right)
}

// meaning is what JSON says, its numbers as they are written.
func meaning(raw json.RawMessage) (content any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	err = decoder.Decode(&content)
	return content, err
}
