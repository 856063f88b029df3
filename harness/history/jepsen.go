package history

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// layer is what wraps the value of an operation in a two-element vector.
type layer uint8

const (
	keyed     layer = iota + 1 // [key value], of jepsen.independent
	versioned                  // [version value], of registers that report versions
)

// jepsenCall is what is known of the open operation of a process.
type jepsenCall struct {
	key         string
	layers      [2]layer
	transaction bool
}

// jepsenReader turns Jepsen's operations into events.
type jepsenReader struct {
	summary  *Summary
	decoder  *Decoder // for its shared strings
	events   int64
	time     int64 // of the event before, as given out
	fileTime int64 // of the event before, as in the file
	indexed  bool
	back     int64 // events whose time was before that of the one before
	backLine int64
	calls    map[Process]jepsenCall
	faults   map[string]bool // open nemesis operations
	parts    []ednForm
	// anonymous: no map has a :process, and each operation ends before the next.
	anonymous bool
}

func newJepsenReader(summary *Summary) *jepsenReader {
	return &jepsenReader{summary: summary, decoder: NewDecoder(), time: -1,
		calls: make(map[Process]jepsenCall), faults: make(map[string]bool)}
}

// bad is a fault of the file; before the first event it says that this is no history.
func (j *jepsenReader) bad(line int64, format string, args ...any) error {
	bad := fault(ErrSyntax, line, -1, format, args...)
	if j.events == 0 {
		bad.Kind, bad.Remedy = ErrNoHistory, ""
	}
	return bad
}

// event fills e from the operation.
func (j *jepsenReader) event(op *jepsenOp, line int64, e *Event) error {
	*e = Event{}
	// Elle needs neither :f nor :process, and some files have none.
	if op.process == nil && (j.anonymous || j.events == 0 && isTransaction(op.value)) {
		op.process, j.anonymous = ednForm("0"), true
	}
	if (op.f == nil || op.f.isNil()) && isTransaction(op.value) {
		op.f = ednForm(":txn")
	}
	for _, field := range []struct {
		name string
		form ednForm
	}{{":process", op.process}, {":type", op.kind}, {":f", op.f}} {
		if field.form == nil {
			return j.bad(line, "the map has no %s", field.name)
		}
	}
	name, _ := op.kind.keyword()
	kind, err := ParseType(name)
	if err != nil {
		return j.bad(line, ":type is %.40q: want :invoke, :ok, :fail or :info", op.kind)
	}
	e.Type = kind
	e.F = j.name(op.f)
	if op.node != nil && !op.node.isNil() {
		e.Node = j.share(op.node)
	}
	if op.err != nil && !op.err.isNil() {
		e.Error = j.decoder.intern([]byte(clip(strings.ToValidUTF8(op.err.text(), "\ufffd"))))
	}
	if n, ok := op.process.integer(); ok && n >= 0 {
		e.Process = Process(n)
		err = j.client(op, line, e)
	} else if process, ok := op.process.keyword(); ok && process == "nemesis" {
		e.Process = Nemesis
		j.nemesis(op, e)
	} else {
		err = j.bad(line, ":process is %.40q: want a number from 0, or :nemesis", op.process)
	}
	if err == nil {
		err = j.place(op, line, e)
	}
	if err == nil {
		j.events++
	}
	return err
}

// name returns the operation's name in refute's words.
func (j *jepsenReader) name(f ednForm) string {
	switch string(f) {
	case ":r", ":get":
		return FRead
	case ":w", ":put":
		return FWrite
	}
	return j.share(f)
}

// share returns the one copy of a form's text. Bytes that are no UTF-8 become
// U+FFFD, as in refute's own files.
func (j *jepsenReader) share(form ednForm) string {
	text := []byte(form.text())
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\ufffd"))
	}
	return j.decoder.intern(text)
}

// place gives the event its index and its time. What counts in Jepsen's
// histories is the order of the operations. Times may be missing, and in old
// histories they may go back a little, because they were taken before the
// operation got its place; so a time is moved up to be after the one before.
func (j *jepsenReader) place(op *jepsenOp, line int64, e *Event) error {
	e.Index = j.events
	if j.events == 0 {
		j.indexed = op.index != nil && !op.index.isNil()
	}
	if j.indexed {
		n, ok := op.index.integer()
		if !ok {
			return j.bad(line, ":index is %.40q: want a number, as in the maps before", op.index)
		}
		e.Index = n
	}
	e.Time = j.time + 1
	if op.time != nil && !op.time.isNil() {
		n, ok := op.time.integer()
		if !ok {
			return j.bad(line, ":time is %.40q: want nanoseconds", op.time)
		}
		if n < j.fileTime && j.events > 0 {
			if j.back++; j.back == 1 {
				j.backLine = line
			}
		}
		j.fileTime = n
		e.Time = max(e.Time, n)
	}
	j.time = e.Time
	return nil
}

// end reports what was set right.
func (j *jepsenReader) end() {
	if j.back > 0 {
		j.summary.warn(j.backLine, "times go back here (%d times in all): the order of the events was taken instead", j.back)
		j.back = 0
	}
}

// nemesis reads an operation of the nemesis. Both its ends are info in
// Jepsen: of two with the same f the first is the invocation. The completion
// becomes ok, since it says that the nemesis was done, not that it could not
// tell; unless it has an error, which is how Jepsen records that it could not.
func (j *jepsenReader) nemesis(op *jepsenOp, e *Event) {
	if op.key != nil && !op.key.isNil() {
		e.Key = j.share(op.key)
	}
	id := e.F + "\x00" + e.Key
	if e.Type == Info && !j.faults[id] {
		e.Type = Invoke
	} else if e.Type == Info && (op.err == nil || op.err.isNil()) {
		e.Type = Ok
	}
	if e.Type == Invoke {
		j.faults[id] = true
	} else {
		delete(j.faults, id)
	}
	e.Value = j.value(op.value)
}

// client reads an operation of a client.
func (j *jepsenReader) client(op *jepsenOp, line int64, e *Event) error {
	value := op.value
	if value == nil {
		value = ednForm("nil")
	}
	hasKey := op.key != nil && !op.key.isNil()
	switch {
	case hasKey: // a file that says so has no pairs of key and value
		e.Key = j.share(op.key)
		if e.Type == Invoke {
			j.calls[e.Process] = jepsenCall{key: e.Key}
		}
	case e.Type == Invoke:
		var call jepsenCall
		if isTransaction(value) { // whatever its name: long forks are reads of several keys
			call.transaction = true
		} else {
			value, call = j.unwrap(e.F, value)
		}
		j.calls[e.Process] = call
		e.Key = call.key
	default:
		call := j.calls[e.Process]
		e.Key = call.key
		for _, l := range call.layers {
			pair, ok := j.pair(value)
			if l == 0 || !ok {
				break
			}
			if l == keyed && !pair[0].isNil() {
				e.Key = j.share(pair[0])
			}
			value = pair[1]
		}
	}
	if j.calls[e.Process].transaction {
		e.F = FTransaction
	}
	if value.isNil() && isNoResult(e.F, e.Type) {
		return nil
	}
	switch {
	case op.value == nil:
	case e.F == FTransaction:
		e.Value = j.transaction(value)
	default:
		e.Value = j.value(value)
	}
	// Logs show the reason in the place of the value.
	if reason, ok := value.keyword(); ok && e.Type >= Fail && e.Error == "" {
		e.Error, e.Value = j.decoder.intern([]byte(clip(strings.ToValidUTF8(reason, "\ufffd")))), Value{}
	}
	return nil
}

// isNoResult says that nil in an event of that kind is no value, but the place
// where Jepsen shows one: a read that did not return, or has not yet, has none.
func isNoResult(f string, t Type) bool {
	switch f {
	case FRead, FDequeue:
		return t != Ok
	case FDelete:
		return true
	}
	return false
}

// unwrap finds out, from an invocation's value, in what its operation's values
// are wrapped. Jepsen writes the operations of an independent workload with
// values [key value], and registers with versions have [version value] within;
// nothing in the file says so. But the value of an invocation has a known form:
// nil for a read, no vector for a write or an add, a vector of two for a cas.
// Pairs are opened until that form is found; if it is not, the value is as it stands.
func (j *jepsenReader) unwrap(f string, value ednForm) (ednForm, jepsenCall) {
	var call jepsenCall
	inner := value
	for depth := 0; ; depth++ {
		pair, isPair := j.pair(inner)
		if j.isArgument(f, inner, pair, isPair) {
			return inner, call
		}
		if !isPair || depth == len(call.layers) {
			return value, jepsenCall{}
		}
		switch {
		case pair[0].isNil():
			call.layers[depth] = versioned
		case depth == 0:
			call.layers[depth] = keyed
			call.key = j.share(pair[0])
		default:
			return value, jepsenCall{}
		}
		inner = pair[1]
	}
}

// isArgument says whether a form can be the bare argument of the operation.
func (j *jepsenReader) isArgument(f string, form ednForm, pair [2]ednForm, isPair bool) bool {
	switch f {
	case FRead, FDelete, FDequeue:
		return form.isNil()
	case FWrite, FAdd, FAppend, FEnqueue:
		return !isPair
	case FCAS:
		// The expected value may be nil; then [nil 1] would also be a version and
		// a value. It is no version, since a cas has two values.
		return isPair && !isOpening(pair[0][0]) && !isOpening(pair[1][0])
	}
	return true
}

// pair returns the elements of a vector of two.
func (j *jepsenReader) pair(form ednForm) (pair [2]ednForm, ok bool) {
	if len(form) == 0 || form[0] != '[' {
		return pair, false
	}
	parts, _ := form.elements(j.parts[:0])
	j.parts = parts
	if len(parts) != 2 {
		return pair, false
	}
	return [2]ednForm{parts[0], parts[1]}, true
}

// value turns a form into a value: an integer, nil, a list where a vector,
// list or set holds integers only; other JSON where that can say the same (see
// appendJSON), else the form's text.
func (j *jepsenReader) value(form ednForm) Value {
	if form == nil {
		return Value{}
	}
	if form.isNil() {
		return NilValue()
	}
	if n, ok := form.integer(); ok {
		return IntValue(n)
	}
	if form[0] != '{' {
		if parts, ok := form.elements(j.parts[:0]); ok {
			j.parts = parts
			if list, ok := integers(parts); ok {
				return ListValue(list)
			}
		}
	}
	if raw, ok := appendJSON(nil, form, 0); ok {
		return RawValue(raw)
	}
	return RawValue(appendString(nil, form.text()))
}

func integers(parts []ednForm) ([]int64, bool) {
	list := make([]int64, len(parts))
	for i, part := range parts {
		n, ok := part.integer()
		if !ok {
			return nil, false
		}
		list[i] = n
	}
	return list, true
}

// maxError is the longest error text that is kept, in bytes: Jepsen's may hold stack traces.
const maxError = 300

func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxError {
		return s
	}
	cut := maxError
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s … (%d bytes)", s[:cut], len(s))
}
