package checker

import (
	"context"
	"fmt"

	"github.com/anishathalye/porcupine"
)

// input is what Porcupine hands to the models: a register operation and the
// number of observers of the value that it writes.
type input struct {
	registerOperation
	owed int32
}

// plainModel is a register with compare-and-set that takes operations as they
// were recorded. An operation that may have taken effect never returns; its
// step is deterministic (a compare-and-set that finds another value changes
// nothing), because "it did not happen" is the same as "it happened after
// everything else".
func plainModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, o := state.(int32), in.(*input)
			switch {
			case o.kind == read, o.outcome == found:
				return s == o.value, state
			case o.kind == write:
				return true, o.value
			case o.outcome == mismatch:
				return s != o.expected, state
			case s == o.expected:
				return true, o.value
			default:
				return o.outcome == possible, state
			}
		},
		Equal: func(a, b any) bool { return a.(int32) == b.(int32) },
		Hash:  func(s any) uint64 { return scatter(uint64(uint32(s.(int32)))) },
	}
}

// counted is the state of countingModel: the value, and how many operations
// are still to observe it.
type counted struct{ value, owed int32 }

// countingModel decides histories in which every value is written at most
// once and every operation took effect: a value may be replaced only once
// everybody who observed it has done so. That cuts off, at its first step,
// every branch in which an observer would come too late, and makes the search
// nearly free of backtracking where the plain model explodes.
func countingModel(owedInitially int32) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return counted{initial, owedInitially} },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, o := state.(counted), in.(*input)
			switch {
			case !o.mutates():
				if s.value != o.value {
					return false, state
				}
				return true, counted{s.value, s.owed - 1}
			case o.kind == write:
				return s.owed == 0, counted{o.value, o.owed}
			}
			return s.value == o.expected && s.owed == 1, counted{o.value, o.owed}
		},
		Equal: func(a, b any) bool { return a.(counted) == b.(counted) },
		Hash: func(a any) uint64 {
			s := a.(counted)
			return scatter(uint64(uint32(s.value))<<32 | uint64(uint32(s.owed)))
		},
	}
}

// scatter is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// plainOperations hands the operations to Porcupine as they are.
func plainOperations(operations []registerOperation) []porcupine.Operation {
	inputs := make([]input, len(operations))
	out := make([]porcupine.Operation, len(operations))
	for i := range operations {
		inputs[i] = input{registerOperation: operations[i]}
		out[i] = porcupine.Operation{Input: &inputs[i], Call: operations[i].start, Return: operations[i].end}
	}
	return out
}

// countingOperations hands prepared operations to Porcupine, with the model that decides them.
func countingOperations(operations []registerOperation, values int) (porcupine.Model, []porcupine.Operation) {
	owed := make([]int32, values)
	for i := range operations {
		if v := operations[i].observes(); v != none {
			owed[v]++
		}
	}
	inputs := make([]input, len(operations))
	out := make([]porcupine.Operation, len(operations))
	for i := range operations {
		inputs[i] = input{registerOperation: operations[i]}
		if operations[i].mutates() {
			inputs[i].owed = owed[operations[i].value]
		}
		out[i] = porcupine.Operation{Input: &inputs[i], Call: operations[i].start, Return: operations[i].end}
	}
	return countingModel(owed[initial]), out
}

// elementModel is a grow-only set seen through one of its elements: absent, then present.
func elementModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return false },
		Step: func(state, in, _ any) (bool, any) {
			o := in.(elementInput)
			if o.add {
				return true, true
			}
			return state.(bool) == o.present, state
		},
		DescribeOperation: func(in, _ any) string { return in.(elementInput).text },
		DescribeState: func(state any) string {
			return fmt.Sprintf("present: %t", state.(bool))
		},
	}
}

type elementInput struct {
	add, present bool
	text         string
}
