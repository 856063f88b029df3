package checker

import (
	"context"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// transactionState is what each register holds, and how many transactions are
// still to read it (see countable). The second follows from the first and from
// which transactions took effect, so it is no part of equality.
type transactionState struct {
	registers []heldValue
	hash      uint64
}

type heldValue struct{ value, owed int32 }

func cell(register, value int32) uint64 {
	return scatter(uint64(uint32(register))<<32 | uint64(uint32(value)))
}

// countable says of each register whether it tells by its value which
// transaction wrote it. Then all who read a value must do so before it is
// replaced, and counting them cuts off every branch in which one of them would
// come too late, as countingModel does for a single register.
func (t *transactionHistory) countable() []bool {
	out := make([]bool, len(t.registers))
	for r := range out {
		out[r] = true
	}
	for i := range t.values {
		v := &t.values[i]
		if len(v.writers) > 1 || len(v.writers) > 0 && int32(i) == t.initial(v.register) {
			out[v.register] = false
		}
	}
	return out
}

// searched are the transactions that matter, narrowed: those of unknown outcome
// of which nobody read anything are left out, for taken out of a legal order
// they leave one. One that is the only writer of what another read came before it.
func (t *transactionHistory) searched() []*transactionCall {
	calls := slices.Clone(t.calls)
	for i := range calls {
		for _, r := range calls[i].reads {
			if w := t.values[r.value].writers; len(w) == 1 && int(w[0]) != i && r.value != t.initial(r.register) {
				writer := &calls[w[0]]
				writer.end = min(writer.end, max(writer.start, t.calls[i].end))
				calls[i].start = max(calls[i].start, min(t.calls[w[0]].start, calls[i].end))
			}
		}
	}
	var out []*transactionCall
	for i := range calls {
		c := &calls[i]
		seen := slices.ContainsFunc(c.writes, func(w micro) bool { return t.values[w.value].read })
		if t.calls[i].end != history.Infinity || seen {
			out = append(out, c)
		}
	}
	return out
}

func (t *transactionHistory) search() (porcupine.Model, []porcupine.Operation) {
	searched := t.searched()
	calls := make([]porcupine.Operation, len(searched))
	owed := make([]int32, len(t.values))
	for i, c := range searched {
		calls[i] = porcupine.Operation{Input: c, Call: c.start, Return: c.end}
		for _, r := range c.reads {
			owed[r.value]++
		}
	}
	countable := t.countable()
	first := transactionState{registers: make([]heldValue, len(t.registers))}
	for r := range first.registers {
		v := t.initial(int32(r))
		first.registers[r] = heldValue{v, owed[v]}
	}
	return porcupine.Model{
		Init: func() any { return first },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, c := state.(transactionState), in.(*transactionCall)
			if c.contradictory {
				return false, state
			}
			for _, r := range c.reads {
				if s.registers[r.register].value != r.value {
					return false, state
				}
			}
			next := transactionState{slices.Clone(s.registers), s.hash}
			for _, r := range c.reads {
				next.registers[r.register].owed--
			}
			for _, w := range c.writes {
				old := &next.registers[w.register]
				if countable[w.register] && old.owed > 0 {
					return false, state
				}
				next.hash ^= cell(w.register, old.value) ^ cell(w.register, w.value)
				*old = heldValue{w.value, owed[w.value]}
			}
			return true, next
		},
		Equal: func(a, b any) bool {
			x, y := a.(transactionState), b.(transactionState)
			return x.hash == y.hash && slices.EqualFunc(x.registers, y.registers, func(a, b heldValue) bool { return a.value == b.value })
		},
		Hash: func(state any) uint64 { return state.(transactionState).hash },
		DescribeState: func(state any) string {
			var list []string
			for r, h := range state.(transactionState).registers {
				list = append(list, t.registers[r]+"="+t.values[h.value].value)
			}
			return strings.Join(list, " ")
		},
	}, calls
}
