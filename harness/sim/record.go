package sim

import (
	"encoding/json"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/workloads"
)

// record is one operation of a client, in 48 bytes: a run has thousands and
// an exploration runs thousands of runs.
type record struct {
	start, end int64
	// value is the input or, where there is none, the output.
	value int64
	key   int32
	// process and index name the operation; see plan.Operation.
	process, index int32
	// invoked and completed are the positions of the two events in the history; completed is 0 until then.
	invoked, completed uint32
	f                  uint8 // index into World.names
	node               uint8
	outcome            history.Type
	shape              shape
}

// shape says what the values of a record are.
type shape uint8

const (
	// inputOnly: the value was the input, and it completed without an output.
	inputOnly shape = 1 << iota
	// sameOutput: the output repeats the input.
	sameOutput
	// outputInt and outputNil: there was no input.
	outputInt
	outputNil
	// elsewhere: the output is in World.outputs.
	elsewhere
	// prepared: the input is in World.inputs, and the value is what was generated.
	prepared
)

// note is an operation of the nemesis process: a fault's end, a phase, a dump.
type note struct {
	f, key, node       string
	value              history.Value // of the completion
	start, end         int64
	invoked, completed uint32
	outcome            history.Type
	problem            string
}

// invoke records the invocation of the worker's operation.
func (w *World) invoke(c *worker) error {
	op := &c.op
	r := record{start: w.now, end: history.Infinity, process: c.process, index: c.index, invoked: w.nextIndex(),
		key: w.keyNumber(op.Key), f: w.nameNumber(op.F), node: c.node}
	if value, ok := c.generated.Int(); ok {
		r.value, r.shape = value, inputOnly
	}
	c.record = int32(len(w.records))
	if op.Value != c.generated {
		r.shape |= prepared
		w.inputs[c.record] = op.Value
	}
	w.records = append(w.records, r)
	if w.options.Record == nil {
		return nil
	}
	return w.options.Record(&history.Event{Index: int64(r.invoked), Time: w.now, Process: history.Process(r.process),
		Type: history.Invoke, F: op.F, Key: op.Key, Value: op.Value, Node: op.Node})
}

// complete records the completion of the worker's operation.
func (w *World) complete(c *worker, out *workloads.Outcome) error {
	r := &w.records[c.record]
	r.completed, r.outcome = w.nextIndex(), out.Type
	if out.Type != history.Info {
		r.end = w.now
	}
	switch value, isInt := out.Value.Int(); {
	case isInt && r.shape == inputOnly && value == r.value:
		r.shape |= sameOutput
	case isInt && r.shape == 0:
		r.value, r.shape = value, outputInt
	case out.Value.Kind() == history.Nil && r.shape == 0:
		r.shape = outputNil
	case out.Value.Kind() != history.Absent:
		r.shape |= elsewhere
		w.outputs[c.record] = out.Value
	}
	if w.options.Record == nil {
		return nil
	}
	op := &c.op
	return w.options.Record(&history.Event{Index: int64(r.completed), Time: w.now, Process: history.Process(r.process), Type: out.Type,
		F: op.F, Key: op.Key, Value: out.Value, Error: out.Error, Node: op.Node, Evidence: out.Evidence})
}

// begin records the invocation of an operation of the nemesis process and returns its number.
func (w *World) begin(f, key, node string, value any) (int, error) {
	n := note{f: f, key: key, node: node, start: w.now, end: history.Infinity, invoked: w.nextIndex()}
	w.notes = append(w.notes, n)
	if w.options.Record == nil {
		return len(w.notes) - 1, nil
	}
	e := history.Event{Index: int64(n.invoked), Time: w.now, Process: history.Nemesis, Type: history.Invoke, F: f, Key: key, Node: node}
	var err error
	if e.Value, err = rawValue(value); err != nil {
		return 0, err
	}
	return len(w.notes) - 1, w.options.Record(&e)
}

// end records the completion: ok, or info with the problem.
func (w *World) end(number int, value any, problem string) error {
	n := &w.notes[number]
	n.completed, n.outcome, n.problem = w.nextIndex(), history.Ok, problem
	if problem != "" {
		n.outcome = history.Info
	} else {
		n.end = w.now
	}
	if w.options.Brief && n.f != history.FDump {
		return nil
	}
	var err error
	if n.value, err = rawValue(value); err != nil || w.options.Record == nil {
		return err
	}
	return w.options.Record(&history.Event{Index: int64(n.completed), Time: w.now, Process: history.Nemesis, Type: n.outcome,
		F: n.f, Key: n.key, Node: n.node, Value: n.value, Error: problem})
}

func rawValue(value any) (history.Value, error) {
	if value == nil {
		return history.Value{}, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return history.Value{}, err
	}
	return history.RawValue(raw), nil
}

func (w *World) nextIndex() uint32 {
	w.index++
	return w.index - 1
}

// keyNumber numbers keys in the order in which they are first named.
func (w *World) keyNumber(key string) int32 {
	if w.lastKey < len(w.keys) && w.keys[w.lastKey] == key {
		return int32(w.lastKey) // hot keys come in bursts
	}
	n, known := w.keyNumbers[key]
	if !known {
		n = int32(len(w.keys))
		w.keyNumbers[key] = n
		w.keys = append(w.keys, key)
	}
	w.lastKey = int(n)
	return n
}

// nameNumber numbers the operations' names, of which there are a handful.
func (w *World) nameNumber(f string) uint8 {
	for i := range w.names {
		if w.names[i] == f {
			return uint8(i)
		}
	}
	w.names = append(w.names, f)
	return uint8(len(w.names) - 1)
}

// operations returns the history in the form that checkers take, in order of invocation.
func (w *World) operations() []history.Operation {
	out := w.result[:0]
	notes := w.notes
	for i := range w.records {
		r := &w.records[i]
		for len(notes) > 0 && notes[0].invoked < r.invoked {
			out = append(out, notes[0].operation())
			notes = notes[1:]
		}
		out = append(out, history.Operation{})
		o := &out[len(out)-1]
		o.Index, o.Completion, o.Start, o.End = int64(r.invoked), int64(r.completed), r.start, r.end
		o.Process, o.F, o.Key, o.Node, o.Type = history.Process(r.process), w.names[r.f], w.keys[r.key], w.nodes[r.node], r.outcome
		switch {
		case r.shape&inputOnly != 0:
			o.Input = history.IntValue(r.value)
			if r.shape&sameOutput != 0 {
				o.Output = o.Input
			}
		case r.shape == outputInt:
			o.Output = history.IntValue(r.value)
		case r.shape == outputNil:
			o.Output = history.NilValue()
		}
		if r.shape&prepared != 0 {
			o.Input = w.inputs[int32(i)]
		}
		if r.shape&elsewhere != 0 {
			o.Output = w.outputs[int32(i)]
		}
	}
	for i := range notes {
		out = append(out, notes[i].operation())
	}
	w.result = out
	return out
}

func (n *note) operation() history.Operation {
	return history.Operation{Index: int64(n.invoked), Completion: int64(n.completed), Start: n.start, End: n.end,
		Process: history.Nemesis, F: n.f, Key: n.key, Node: n.node, Output: n.value, Error: n.problem, Type: n.outcome}
}
