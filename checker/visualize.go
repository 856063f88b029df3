package checker

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// maximumDrawn bounds the operations of one picture: Porcupine's HTML grows
// with the square of them.
const maximumDrawn = 200

// VisualizeWitness returns Porcupine's interactive picture, one HTML document,
// of the operations of one witness, which are of one key or of registers under
// transactions, with the faults as
// bands above them. Failed writes are shown but take no part in the search.
func VisualizeWitness(operations []history.Operation, faults ...FaultInterval) ([]byte, error) {
	if len(operations) == 0 || len(operations) > maximumDrawn {
		return nil, fmt.Errorf("a picture needs 1 to %d operations, not %d", maximumDrawn, len(operations))
	}
	key := keyOperations{name: operations[0].Key}
	last := never
	transactions := slices.ContainsFunc(operations, func(o history.Operation) bool { return o.F == history.FTransaction })
	for i := range operations {
		if operations[i].Key != key.name && !transactions {
			return nil, fmt.Errorf("a picture shows one key, not both %q and %q", key.name, operations[i].Key)
		}
		key.positions = append(key.positions, int32(i))
		key.note(&operations[i])
		last = max(last, operations[i].Start)
		if operations[i].End != history.Infinity {
			last = max(last, operations[i].End)
		}
	}
	key.classify()
	if transactions {
		key.object = transactionObject
	}
	var model porcupine.Model
	var calls []porcupine.Operation
	if key.object == siblingObject || key.keepsSiblings() {
		return nil, errors.New("no picture of a register with several values at once: it has no order that could be drawn")
	}
	switch key.object {
	case registerObject:
		var err error
		if model, calls, err = drawRegister(operations, key); err != nil {
			return nil, err
		}
	case foreignObject:
		return nil, errors.New("no picture of " + key.why)
	default:
		var err error
		if model, calls, err = drawObject(operations, key); err != nil {
			return nil, err
		}
	}
	lanes := lanesOf(operations)
	for i := range calls {
		calls[i].ClientId = lanes[history.Process(calls[i].ClientId)]
		// An operation that never returned is drawn a little past the last event.
		calls[i].Return = min(calls[i].Return, last+1)
	}
	_, info := porcupine.CheckOperationsVerbose(model, calls, confirmTime)
	info.AddAnnotations(annotations(operations, lanes, faults, last))
	var out bytes.Buffer
	if err := porcupine.Visualize(model, info, &out); err != nil {
		return nil, fmt.Errorf("drawing %d operations: %w", len(operations), err)
	}
	return out.Bytes(), nil
}

func drawRegister(operations []history.Operation, key keyOperations) (porcupine.Model, []porcupine.Operation, error) {
	var r register
	if err := r.load(operations, key.name, key.positions); err != nil {
		return porcupine.Model{}, nil, err
	}
	calls := plainOperations(r.operations)
	for i := range calls {
		calls[i].ClientId = int(operations[r.operations[i].position].Process)
	}
	names := map[int32]string{initial: "not found"}
	for i := range r.operations {
		o := &operations[r.operations[i].position]
		switch x := &r.operations[i]; {
		case x.value == initial:
		case x.kind == write:
			names[x.value] = showValue(o.Input)
		case x.kind == read:
			names[x.value] = showValue(o.Output)
		case x.outcome == found && o.Type == history.Fail:
			names[x.value] = showValue(o.Output)
		case x.mutates(), x.outcome == found:
			_, value, _ := casArguments(o.Input)
			names[x.value] = showValue(value)
		}
	}
	model := plainModel()
	model.DescribeState = func(state any) string { return names[state.(int32)] }
	model.DescribeOperation = func(in, _ any) string {
		return describeCall(&operations[in.(*input).position])
	}
	return model, calls, nil
}

// drawObject draws what is no plain register.
func drawObject(operations []history.Operation, key keyOperations) (porcupine.Model, []porcupine.Operation, error) {
	h := newObjectHistory(key.object)
	if s, ok := h.(*setOrder); ok {
		s.only = addedIn(operations, key.positions)
	}
	if err := h.load(operations, key.name, key.positions); err != nil {
		return porcupine.Model{}, nil, err
	}
	model, calls := h.search()
	asRecorded(calls, operations)
	for i := range calls {
		calls[i].ClientId = int(operations[calls[i].Input.(positioned).at()].Process)
	}
	model.DescribeOperation = func(in, _ any) string { return describeCall(&operations[in.(positioned).at()]) }
	return model, calls, nil
}

// lanesOf numbers the processes from 0 in their order: Porcupine draws one
// lane for each number up to the greatest.
func lanesOf(operations []history.Operation) map[history.Process]int {
	var processes []history.Process
	for i := range operations {
		processes = append(processes, operations[i].Process)
	}
	slices.Sort(processes)
	lanes := map[history.Process]int{}
	for i, p := range slices.Compact(processes) {
		lanes[p] = i
	}
	return lanes
}

// describeCall is an operation with its process and node.
func describeCall(o *history.Operation) string {
	text := fmt.Sprintf("process %d: %s", o.Process, describeShort(o))
	if o.Node != "" {
		text += " @" + o.Node
	}
	return text
}

func annotations(operations []history.Operation, lanes map[history.Process]int, faults []FaultInterval, last int64) []porcupine.Annotation {
	first := operations[0].Start
	for i := range operations {
		first = min(first, operations[i].Start)
	}
	var out []porcupine.Annotation
	for i := range operations {
		if o := &operations[i]; o.Type == history.Fail && o.Error != MismatchError {
			out = append(out, porcupine.Annotation{
				ClientId: lanes[o.Process], Start: o.Start, End: min(o.End, last+1), Description: describeCall(o), Details: o.Error,
				BackgroundColor: "#f8c8c8",
			})
		}
	}
	for i := range faults {
		f := &faults[i]
		if f.End < first || f.Start > last {
			continue
		}
		out = append(out, porcupine.Annotation{
			Tag: "fault " + f.ID, Start: max(f.Start, first), End: min(f.End, last), Description: f.describe(), Details: f.Evidence,
			BackgroundColor: "#ffdd99",
		})
	}
	return out
}
