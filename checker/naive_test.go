package checker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// naiveObject is a sequential object by its plain definition, and all orders
// of a history tried one after the other: what the checkers are held against.
// It shares nothing with them but the history.
type naiveObject struct {
	kind object
	list []int64 // a set, sorted; a queue; a bag; a counter's sum
	text string
	regs map[string]string
}

func (n naiveObject) clone() naiveObject {
	n.list, n.regs = slices.Clone(n.list), maps.Clone(n.regs)
	return n
}

// after are the states that the operation may leave. An operation of unknown
// outcome may have returned anything.
func (n naiveObject) after(o *history.Operation) []naiveObject {
	next := n.clone()
	known := o.Type == history.Ok
	in, _ := o.Input.Int()
	switch o.F {
	case history.FAdd:
		if n.kind == counterObject {
			next.list[0] += in
		} else if !slices.Contains(next.list, in) {
			next.list = append(next.list, in)
			slices.Sort(next.list)
		}
	case history.FRead:
		if known && !n.shows(o.Output) {
			return nil
		}
	case history.FEnqueue:
		next.list = append(next.list, in)
	case history.FDequeue:
		return n.dequeue(o, known)
	case history.FAppend:
		next.text += naiveText(o.Input)
	case history.FWrite:
		next.text = naiveText(o.Input)
	case history.FTransaction:
		for _, m := range naiveMicros(o, known) {
			key := fmt.Sprint(m[1])
			if m[0] == "w" {
				next.regs[key] = fmt.Sprint(m[2])
			} else if held, found := next.regs[key]; known && (found || m[2] != nil) && held != fmt.Sprint(m[2]) {
				return nil
			}
		}
	}
	return []naiveObject{next}
}

func naiveMicros(o *history.Operation, known bool) (list [][]any) {
	raw := o.Input.Raw()
	if known {
		raw = o.Output.Raw()
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		panic(err)
	}
	return list
}

func naiveText(v history.Value) (text string) {
	if v.Kind() == history.Raw && json.Unmarshal(v.Raw(), &text) != nil {
		panic("no text")
	}
	return text
}

func (n naiveObject) shows(v history.Value) bool {
	switch n.kind {
	case setObject:
		shown := slices.Clone(v.List())
		slices.Sort(shown)
		return slices.Equal(slices.Compact(shown), n.list)
	case counterObject:
		sum, _ := v.Int()
		return sum == n.list[0]
	}
	return naiveText(v) == n.text
}

func (n naiveObject) dequeue(o *history.Operation, known bool) (out []naiveObject) {
	want, isInt := o.Output.Int()
	if len(n.list) == 0 {
		if known && isInt {
			return nil
		}
		return []naiveObject{n}
	}
	for i, v := range n.list {
		if known && (!isInt || v != want) {
			if n.kind == queueObject {
				return nil
			}
			continue
		}
		next := n.clone()
		next.list = slices.Delete(next.list, i, i+1)
		out = append(out, next)
		if n.kind == queueObject {
			break
		}
	}
	return out
}

// naiveLegal tries every order in which each operation that certainly happened
// takes effect within its time, and each of unknown outcome after its
// invocation or not at all.
func naiveLegal(kind object, operations []history.Operation) bool {
	var left []*history.Operation
	for i := range operations {
		o := &operations[i]
		if o.Process != history.Nemesis && o.Type != history.Fail && (o.Type == history.Ok || o.F != history.FRead) {
			left = append(left, o)
		}
	}
	first := naiveObject{kind: kind, regs: map[string]string{}}
	if kind == counterObject {
		first.list = []int64{0}
	}
	return naiveSearch(first, left)
}

func naiveSearch(state naiveObject, left []*history.Operation) bool {
	deadline, certain := history.Infinity, false
	for _, o := range left {
		if o.Type == history.Ok {
			deadline, certain = min(deadline, o.End), true
		}
	}
	if !certain {
		return true
	}
	for i, o := range left {
		if o.Start > deadline {
			continue
		}
		rest := slices.Delete(slices.Clone(left), i, i+1)
		for _, next := range state.after(o) {
			if naiveSearch(next, rest) {
				return true
			}
		}
	}
	return false
}

// objectMix describes random histories of one object.
type objectMix struct {
	kind       object
	operations int
	processes  int
	unknown    float64
	failed     float64
	// values is how many different values there are; 0: each is new.
	values int
	// negative additions and additions of different numbers; writes of texts.
	negative, sizes, writes bool
}

// run makes a history of a correct object.
func (m objectMix) run(r *rand.Rand) []history.Operation {
	free := make([]int64, m.processes)
	id := make([]history.Process, m.processes)
	for i := range id {
		id[i] = history.Process(i)
	}
	var all []simulated
	next := int64(0)
	value := func() int64 {
		if m.values > 0 {
			return 1 + r.Int64N(int64(m.values))
		}
		next++
		return next
	}
	for range m.operations {
		w := r.IntN(m.processes)
		start := free[w] + 1 + r.Int64N(simulatedStep)
		o := simulated{Operation: history.Operation{Key: "x", Start: start, End: start + r.Int64N(4*simulatedStep), Process: id[w], Type: history.Ok}}
		o.point = start + r.Int64N(o.End-start+1)
		free[w] = o.End
		m.ask(&o.Operation, r, value)
		switch x := r.Float64(); {
		case x < m.unknown:
			o.Type, o.End = history.Info, history.Infinity
			id[w] += history.Process(m.processes)
			free[w] = start + r.Int64N(4*simulatedStep)
			if o.point = start + r.Int64N(10*simulatedStep); r.IntN(2) == 0 {
				o.point = -1
			}
		case x < m.unknown+m.failed:
			o.Type, o.point = history.Fail, -1
		}
		all = append(all, o)
	}
	m.takeEffect(all, r)
	return order(all)
}

// ask fills in what is asked for.
func (m objectMix) ask(o *history.Operation, r *rand.Rand, value func() int64) {
	mutates := r.IntN(2) == 0
	text := func() history.Value {
		if m.values > 0 && r.IntN(6) == 0 {
			return history.RawValue([]byte(`""`))
		}
		return history.RawValue(fmt.Appendf(nil, `"<%d>"`, value()))
	}
	switch m.kind {
	case setObject, counterObject:
		if o.F = history.FRead; mutates {
			o.F = history.FAdd
			n := value()
			if m.kind == counterObject {
				if n = 1; m.sizes {
					n = r.Int64N(4)
				}
				if m.negative && r.IntN(2) == 0 {
					n = -n
				}
			}
			o.Input = history.IntValue(n)
		}
	case queueObject, bagObject:
		if o.F = history.FDequeue; mutates {
			o.F, o.Input = history.FEnqueue, history.IntValue(value())
		}
	case textObject:
		switch o.F = history.FRead; {
		case mutates && m.writes && r.IntN(3) == 0:
			o.F, o.Input = history.FWrite, text()
		case mutates:
			o.F, o.Input = history.FAppend, text()
		}
	case transactionObject:
		o.F = history.FTransaction
		var micros []string
		for range 1 + r.IntN(3) {
			key := string("abc"[r.IntN(3)])
			if mutates && m.values > 0 && r.IntN(5) == 0 {
				micros = append(micros, fmt.Sprintf(`["w",%q,null]`, key))
			} else if mutates && r.IntN(3) > 0 {
				micros = append(micros, fmt.Sprintf(`["w",%q,%d]`, key, value()))
			} else {
				micros = append(micros, fmt.Sprintf(`["r",%q,null]`, key))
			}
		}
		o.Input = history.RawValue([]byte("[" + strings.Join(micros, ",") + "]"))
	}
}

// takeEffect carries the operations out at their instants.
func (m objectMix) takeEffect(all []simulated, r *rand.Rand) {
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b simulated) int { return cmp.Compare(a.point, b.point) })
	state := naiveObject{kind: m.kind, regs: map[string]string{}}
	if m.kind == counterObject {
		state.list = []int64{0}
	}
	for i := range all {
		o := &all[i]
		if o.point < 0 {
			continue
		}
		output := history.Value{}
		switch {
		case o.F == history.FRead && m.kind == setObject:
			list := slices.Clone(state.list)
			if len(list) > 0 && r.IntN(8) == 0 { // listed twice
				list = append(list, list[0])
			}
			output = history.ListValue(list)
		case o.F == history.FRead && m.kind == counterObject:
			if output = history.IntValue(state.list[0]); state.list[0] == 0 && r.IntN(4) == 0 {
				output = history.NilValue()
			}
		case o.F == history.FRead:
			text, _ := json.Marshal(state.text)
			output = history.RawValue(text)
		case o.F == history.FDequeue:
			output = history.NilValue()
			if len(state.list) > 0 {
				k := 0
				if m.kind == bagObject {
					k = r.IntN(len(state.list))
				}
				output = history.IntValue(state.list[k])
				state.list = slices.Delete(slices.Clone(state.list), k, k+1)
			}
		case o.F == history.FTransaction:
			output = carryOut(o.Input, state.regs)
		default:
			unknown := o.Operation
			unknown.Type = history.Info
			state = state.after(&unknown)[0]
		}
		if o.Type == history.Ok && (o.F == history.FRead || o.F == history.FDequeue || o.F == history.FTransaction) {
			o.Output = output
		}
	}
}

// carryOut carries a transaction out and returns it with what it read.
func carryOut(v history.Value, regs map[string]string) history.Value {
	var list [][]any
	if err := json.Unmarshal(v.Raw(), &list); err != nil {
		panic(err)
	}
	for _, m := range list {
		key := m[1].(string)
		if m[0] == "w" && m[2] == nil {
			regs[key] = jsonNull
		} else if m[0] == "w" {
			regs[key] = fmt.Sprint(m[2])
		} else if held, found := regs[key]; found {
			m[2] = json.RawMessage(held)
		}
	}
	raw, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return history.RawValue(raw)
}

// mutateObject changes a few results so that the history may have become impossible.
func mutateObject(operations []history.Operation, r *rand.Rand) {
	for range 1 + r.IntN(2) {
		o := &operations[r.IntN(len(operations))]
		other := &operations[r.IntN(len(operations))]
		switch {
		case o.Type == history.Ok && o.F == history.FTransaction:
			o.Output = mutatedTransaction(o.Output, r)
		case o.Type == history.Ok && (o.F == history.FRead || o.F == history.FDequeue):
			switch {
			case other.F == o.F && other.Type == history.Ok:
				o.Output, other.Output = other.Output, o.Output
			case o.Output.Kind() == history.List:
				list := slices.Clone(o.Output.List())
				if n, ok := other.Input.Int(); ok && !slices.Contains(list, n) {
					list = append(list, n)
				} else if len(list) > 0 {
					k := r.IntN(len(list))
					list = slices.Delete(list, k, k+1)
				}
				o.Output = history.ListValue(list)
			case o.Output.Kind() == history.Int && o.F == history.FRead:
				n, _ := o.Output.Int()
				o.Output = history.IntValue(n + r.Int64N(3) - 1)
			case o.F == history.FDequeue && r.IntN(2) == 0:
				o.Output = history.NilValue()
			case o.F == history.FDequeue && other.F == history.FEnqueue:
				o.Output = other.Input
			case o.Output.Kind() == history.Raw:
				text, _ := json.Marshal(naiveText(o.Output) + naiveText(other.Input))
				o.Output = history.RawValue(text)
			}
		case o.Type == history.Ok && r.IntN(3) == 0:
			o.Type = history.Fail
		}
	}
}

// mutatedTransaction gives one of the reads another value.
func mutatedTransaction(v history.Value, r *rand.Rand) history.Value {
	var list [][]any
	if err := json.Unmarshal(v.Raw(), &list); err != nil {
		panic(err)
	}
	if m := list[r.IntN(len(list))]; m[0] == "r" {
		if m[2] = any(1 + r.IntN(6)); r.IntN(4) == 0 {
			m[2] = nil
		}
	}
	raw, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return history.RawValue(raw)
}
