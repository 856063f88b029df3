package checker

import (
	"context"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// mostElements is how many elements a search for an order of a set can take.
const mostElements = 64

// setCall is an operation on a set: the elements that are added, or that were read, as bits.
type setCall struct {
	position int32
	add      bool
	elements uint64
}

func (c *setCall) at() int32 { return c.position }

// search is for witnesses, and for holding the chain of reads against: only
// the first 64 elements are looked at.
func (s *setOrder) search() (porcupine.Model, []porcupine.Operation) {
	var calls []porcupine.Operation
	call := func(p int32, start, end int64, c setCall) {
		calls = append(calls, porcupine.Operation{Input: &c, Call: start, Return: end})
	}
	for i := range min(len(s.elements), mostElements) {
		e := &s.elements[i]
		for _, p := range append([]int32{e.first}, e.repeated...) {
			if p != none {
				o := &s.operations[p]
				call(p, o.Start, certainly(o), setCall{p, true, 1 << i})
			}
		}
	}
	for _, p := range s.reads {
		c := setCall{position: p}
		s.each(p, func(_ *setElement, i int32) {
			if i < mostElements {
				c.elements |= 1 << i
			}
		})
		call(p, s.operations[p].Start, s.operations[p].End, c)
	}
	return s.model(), calls
}

func (s *setOrder) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			present, c := state.(uint64), in.(*setCall)
			if c.add {
				return true, present | c.elements
			}
			return present == c.elements, state
		},
		Equal: func(a, b any) bool { return a.(uint64) == b.(uint64) },
		Hash:  func(state any) uint64 { return scatter(state.(uint64)) },
		DescribeState: func(state any) string {
			var list []int64
			for i := range min(len(s.elements), mostElements) {
				if state.(uint64)>>i&1 == 1 {
					list = append(list, s.elements[i].value)
				}
			}
			slices.Sort(list)
			return fmt.Sprintf("contains %v", list)
		},
	}
}
