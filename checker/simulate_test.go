package checker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// simulation describes histories of correct registers: each operation takes
// effect at one instant between its invocation and its completion, or, when
// its outcome is unknown, at any later instant or never.
type simulation struct {
	operations, processes, keys int
	// Fractions of all operations.
	cas, unknown, failed float64
	// deletes are a fraction of the writes, conditional of the compare-and-sets:
	// those that delete, or create what is not there.
	deletes, conditional float64
	// values is the number of different values written; 0: every one is new.
	values int
	// mismatches says that compare-and-sets that find another value are recorded as such.
	mismatches bool
	// found says that those recorded say what they found, now and then.
	found bool
	// finals adds final reads of every key by every process.
	finals bool
}

type simulated struct {
	history.Operation
	point int64 // when it takes effect; -1: never
}

const simulatedStep = 3 // small, so that equal times are frequent

// run produces a history that is linearizable by construction.
func (s simulation) run(r *rand.Rand) []history.Operation {
	free := make([]int64, s.processes)
	id := make([]history.Process, s.processes)
	for i := range id {
		id[i] = history.Process(i)
	}
	var all []simulated
	next := int64(0)
	for range s.operations {
		w := r.IntN(s.processes)
		start := free[w] + 1 + r.Int64N(simulatedStep)
		o := simulated{Operation: history.Operation{Start: start, End: start + r.Int64N(4*simulatedStep), Process: id[w], Type: history.Ok, Node: "n" + strconv.Itoa(w+1)}}
		o.Key = "r" + strconv.Itoa(r.IntN(s.keys))
		o.point = start + r.Int64N(o.End-start+1)
		free[w] = o.End
		value := func() int64 {
			if s.values > 0 {
				return r.Int64N(int64(s.values))
			}
			next++
			return next
		}
		switch x := r.Float64(); {
		case x < s.cas:
			o.F = history.FCAS
			expected := max(0, next-r.Int64N(4))
			if s.values > 0 {
				expected = value()
			}
			o.Input = history.ListValue([]int64{expected, value()})
			if r.Float64() < s.conditional {
				o.Input = history.RawValue([]byte(fmt.Sprintf("[%d,null]", expected)))
				if r.IntN(2) == 0 {
					o.Input = history.RawValue([]byte(fmt.Sprintf("[null, %d]", value())))
				}
			}
		case x < 0.6:
			o.F = history.FRead
		default:
			o.F, o.Input = history.FWrite, history.IntValue(value())
			if s.deletes > 0 && r.Float64() < s.deletes {
				o.F, o.Input = history.FDelete, history.Value{}
			}
		}
		switch x := r.Float64(); {
		case x < s.unknown:
			o.Type, o.Output, o.End = history.Info, history.Value{}, history.Infinity
			id[w] += history.Process(s.processes)
			free[w] = start + r.Int64N(4*simulatedStep)
			o.point = start + r.Int64N(10*simulatedStep)
			if r.IntN(2) == 0 {
				o.point = -1
			}
		case x < s.unknown+s.failed && o.F != history.FCAS:
			o.Type, o.point = history.Fail, -1
		}
		all = append(all, o)
	}
	if s.finals {
		all = s.addFinals(all, free, id)
	}
	s.takeEffect(all, r)
	return order(all)
}

func (s simulation) addFinals(all []simulated, free []int64, id []history.Process) []simulated {
	begin := slices.Max(free) + 5
	last := begin
	for w := range id {
		at := begin
		for k := range s.keys {
			all = append(all, simulated{point: at + 1, Operation: history.Operation{
				Start: at, End: at + 2, Process: id[w], F: history.FRead, Key: "r" + strconv.Itoa(k), Type: history.Ok, Node: "n" + strconv.Itoa(w+1)}})
			at += 3
		}
		last = max(last, at)
	}
	phase := func(name string, start, end int64) {
		all = append(all, simulated{point: -1, Operation: history.Operation{Start: start, End: end, Process: history.Nemesis, F: history.FPhase, Key: name, Type: history.Ok}})
	}
	phase(history.PhaseMain, 0, begin-3)
	phase(history.PhaseHeal, begin-2, begin-2)
	phase(history.PhaseFinals, begin-1, last+1)
	return all
}

// takeEffect carries the operations out at their instants.
func (s simulation) takeEffect(all []simulated, r *rand.Rand) {
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b simulated) int { return cmp.Compare(a.point, b.point) })
	state := map[string]history.Value{}
	for i := range all {
		o := &all[i]
		if o.point < 0 || o.Process == history.Nemesis {
			continue
		}
		current, found := state[o.Key]
		if !found {
			current = history.NilValue()
		}
		switch o.F {
		case history.FRead:
			if o.Type == history.Ok {
				o.Output = current
			}
		case history.FWrite:
			state[o.Key] = o.Input
		case history.FDelete:
			state[o.Key] = history.NilValue()
		case history.FCAS:
			expected, value, _ := casArguments(o.Input)
			if expected == current {
				state[o.Key] = value
			} else if o.Type == history.Ok {
				o.Type = history.Fail
				if s.mismatches {
					o.Error = MismatchError
				}
				if s.mismatches && s.found && r.IntN(4) > 0 {
					o.Output = current
				}
			}
		}
	}
}

// order numbers the events of the operations and sorts them by invocation.
func order(all []simulated) []history.Operation {
	slices.SortStableFunc(all, func(a, b simulated) int { return cmp.Compare(a.Start, b.Start) })
	type event struct {
		at         int64
		completion bool
		operation  int
	}
	var events []event
	for i := range all {
		events = append(events, event{all[i].Start, false, i})
		if all[i].Type == history.Info {
			all[i].Completion = -1
			continue
		}
		events = append(events, event{all[i].End, true, i})
	}
	slices.SortStableFunc(events, func(a, b event) int {
		if c := cmp.Compare(a.at, b.at); c != 0 || a.completion == b.completion {
			return c
		}
		if a.completion {
			return 1
		}
		return -1
	})
	for n, e := range events {
		if e.completion {
			all[e.operation].Completion = int64(n)
		} else {
			all[e.operation].Index = int64(n)
		}
	}
	operations := make([]history.Operation, len(all))
	for i := range all {
		operations[i] = all[i].Operation
	}
	return operations
}

// mutate changes a few results so that the history may have become impossible.
func mutate(operations []history.Operation, r *rand.Rand) {
	for range 1 + r.IntN(3) {
		o := &operations[r.IntN(len(operations))]
		switch {
		case o.Process == history.Nemesis:
		case o.F == history.FRead && o.Type == history.Ok:
			other := &operations[r.IntN(len(operations))]
			switch {
			case other.F == history.FWrite && other.Key == o.Key:
				o.Output = other.Input
			case other.F == history.FRead && other.Key == o.Key && other.Type == history.Ok:
				o.Output = other.Output
			case r.IntN(4) == 0:
				o.Output = history.NilValue()
			case r.IntN(20) == 0:
				o.Output = history.IntValue(1 << 40)
			}
		case o.F == history.FCAS && o.Type == history.Fail && o.Output.Kind() != history.Absent:
			if other := &operations[r.IntN(len(operations))]; other.F == history.FRead && other.Type == history.Ok && other.Key == o.Key {
				o.Output = other.Output
			}
		case (o.F == history.FWrite || o.F == history.FDelete) && r.IntN(4) == 0:
			if o.Type == history.Ok {
				o.Type = history.Fail
			}
		case o.F == history.FCAS && o.Type == history.Fail && o.Error == "":
			o.Type = history.Ok
		}
	}
}

// oracleLegal asks Porcupine about one key by a model that shares nothing with the
// package's own: no preparation, no numbering, values as they are.
func oracleLegal(operations []history.Operation, key string) bool {
	var calls []porcupine.Operation
	for i := range operations {
		o := &operations[i]
		if o.Key == key && o.Process != history.Nemesis {
			calls = append(calls, porcupine.Operation{Input: o, Call: o.Start, Return: o.End})
		}
	}
	model := porcupine.Model{
		Init: func() any { return "nil" },
		Step: func(state, in, _ any) (bool, any) {
			o := in.(*history.Operation)
			show := func(v history.Value) string {
				if n, ok := v.Int(); ok {
					return strconv.FormatInt(n, 10)
				}
				return "nil"
			}
			switch {
			case o.F == history.FRead:
				return o.Type != history.Ok || show(o.Output) == state, state
			case o.F == history.FWrite && o.Type == history.Fail:
				return true, state
			case o.F == history.FWrite:
				return true, show(o.Input)
			case o.F == history.FDelete:
				return true, map[bool]any{true: state, false: "nil"}[o.Type == history.Fail]
			}
			expected, value := halves(o.Input)
			switch {
			case o.Type == history.Fail:
				told := o.Output.Kind() == history.Int || o.Output.Kind() == history.Nil
				told = told && show(o.Output) != expected
				return o.Error != MismatchError || state != expected && (!told || show(o.Output) == state), state
			case state == expected:
				return true, value
			}
			return o.Type == history.Info, state
		},
	}
	return porcupine.CheckOperations(model, calls)
}

// halves are what a compare-and-set expects and writes.
func halves(v history.Value) (expected, value string) {
	if list := v.List(); list != nil {
		return strconv.FormatInt(list[0], 10), strconv.FormatInt(list[1], 10)
	}
	var pair [2]*int64
	if err := json.Unmarshal(v.Raw(), &pair); err != nil {
		panic(err)
	}
	show := func(n *int64) string {
		if n == nil {
			return "nil"
		}
		return strconv.FormatInt(*n, 10)
	}
	return show(pair[0]), show(pair[1])
}
