package checker

import (
	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// Opinion is what one method says of a history.
type Opinion uint8

// The opinions.
const (
	Undecided Opinion = iota // the method cannot tell
	Legal                    // there is an order that explains the history
	Illegal                  // there is none
)

// String returns "undecided", "legal" or "illegal".
func (o Opinion) String() string { return [...]string{"undecided", "legal", "illegal"}[o] }

// Opinions are what three methods that share as little as they can say of
// whether one register's history is linearizable.
type Opinions struct {
	// Fast is that of the method without a search: Gibbons and Korach's zones,
	// blocks, the sweep. It may be Undecided.
	Fast Opinion
	// Ordered says that, Fast being Legal, the order that it found was replayed
	// and does explain everything. Where it is not, the method has a defect.
	Ordered bool
	// Search is that of the search over the tightened history.
	Search Opinion
	// Porcupine is that of Porcupine on the operations as they were recorded.
	Porcupine Opinion
}

// Agree says whether no two of the opinions contradict each other.
func (o Opinions) Agree() bool {
	return o.Search == o.Porcupine && (o.Fast == Undecided || o.Fast == o.Search) && (o.Fast != Legal || o.Ordered)
}

// Adviser asks for opinions on small histories, very many of them: it reuses
// its memory from one to the next. The zero value is ready for use; it is not
// safe for concurrent use.
type Adviser struct {
	register  register
	decider   decider
	searcher  searcher
	positions []int32
	calls     []porcupine.Operation
}

// Ask asks for opinions on a history of one register, whose operations are in
// the order of their invocation, all of one key and none of the nemesis. None of the
// methods is bounded in time, and two of them take exponential time: twenty
// operations are a lot. It does not change the operations.
//
// An error means that the operations are no history of a register.
func (a *Adviser) Ask(operations []history.Operation) (Opinions, error) {
	a.positions = resize(a.positions, len(operations))
	for i := range a.positions {
		a.positions[i] = int32(i)
	}
	if err := a.register.load(operations, "", a.positions); err != nil {
		return Opinions{}, err
	}
	opinions := Opinions{Porcupine: a.porcupine(operations)}
	found, complete := a.decider.conflicts(&a.register)
	d := a.decider.decide(&a.register)
	switch {
	case len(found) > 0 || len(d.conflicts) > 0:
		opinions.Fast = Illegal
		d.prepared = a.decider.prepare(&a.register)
	case complete || d.proved:
		opinions.Fast, opinions.Ordered = Legal, d.proved
	}
	opinions.Search = Illegal
	if a.searcher.decide(d.prepared, nil, nil) == searchLegal {
		opinions.Search = Legal
	}
	return opinions, nil
}

// porcupine asks Porcupine about the operations as they are.
func (a *Adviser) porcupine(operations []history.Operation) Opinion {
	a.calls = a.calls[:0]
	for i := range operations {
		o := &operations[i]
		if o.Type == history.Fail && (o.F != history.FCAS || o.Error != MismatchError) || o.F == history.FRead && o.Type != history.Ok {
			continue // says nothing, which is what the definitions of these types say
		}
		end := o.End
		if o.Type == history.Info {
			end = history.Infinity
		}
		a.calls = append(a.calls, porcupine.Operation{Input: o, Call: o.Start, Return: end})
	}
	if porcupine.CheckOperations(recordedModel, a.calls) {
		return Legal
	}
	return Illegal
}

// recordedModel is a register by the definition of its operations, as they are
// in a history: nothing is prepared, values are not numbered. Its state is the
// register's value.
var recordedModel = porcupine.Model{
	Init: func() any { return nothingThere },
	Step: func(state, in, _ any) (bool, any) {
		o := in.(*history.Operation)
		switch o.F {
		case history.FRead:
			return o.Output == state, state
		case history.FWrite:
			return true, boxed(o.Input)
		case history.FDelete:
			return true, nothingThere
		}
		expected, value, err := casArguments(o.Input)
		switch {
		case err != nil:
			return false, state
		case o.Type == history.Fail:
			told := o.Output.Kind() == history.Int || o.Output.Kind() == history.Nil
			return state != expected && (!told || o.Output == expected || o.Output == state), state
		case state == expected:
			return true, boxed(value)
		}
		return o.Type == history.Info, state
	},
}

// nothingThere and the small integers as states, made once.
var nothingThere any = history.NilValue()

var smallIntegers = func() (all [64]any) {
	for i := range all {
		all[i] = history.IntValue(int64(i))
	}
	return all
}()

// boxed is the value as a state.
func boxed(v history.Value) any {
	if v.Kind() == history.Nil {
		return nothingThere
	}
	if n, ok := v.Int(); ok && n >= 0 && n < int64(len(smallIntegers)) {
		return smallIntegers[n]
	}
	return v
}
