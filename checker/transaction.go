package checker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// The classes of transactions that are not linearizable, beside phantom-read,
// failed-write-read and read-before-write.
const (
	// classTornRead: a transaction shows some of what another one wrote, and of
	// the rest what was there before.
	classTornRead = "torn-read"
	// classContradictory: a transaction read two values of one register, or not what it had just written.
	classContradictory = "contradicts-itself"
)

// transactionHistory is the history of registers that transactions read and
// write together: each takes effect whole at one instant. Registers that no
// chain of transactions connects are judged apart (see componentsOf); reads
// and writes of single registers count as transactions of one operation.
type transactionHistory struct {
	key        string
	operations []history.Operation
	calls      []transactionCall
	registers  []string
	numbers    map[string]int32
	values     []transactionValue
	valueOf    map[registerValue]int32
	reading    int
}

type registerValue struct {
	register int32
	value    string // compact JSON; empty: nothing was ever written
}

// transactionValue is one value of one register.
type transactionValue struct {
	registerValue
	// writers may have written it, in order of invocation. failed is the
	// position of one that certainly did not, or none.
	writers []int32
	failed  int32
	read    bool
}

// transactionCall is a transaction: what it must find in the registers, before
// its own writes, and what it leaves there.
type transactionCall struct {
	start, end    int64
	position      int32
	reads, writes []micro
	// contradictory: it did not read back what it had written itself, or read two values of one register.
	contradictory bool
}

func (c *transactionCall) at() int32 { return c.position }

// micro is one value of one register, both by their numbers.
type micro struct{ register, value int32 }

// microOperation is an operation of a transaction as it stands in the history.
type microOperation struct {
	write    bool
	register string
	value    string
	known    bool // a read has its result
}

func (t *transactionHistory) method() string { return "values of transactions" }

func (t *transactionHistory) observations() int { return t.reading }

// microOperations are those of the operation: of a transaction, or of a read or
// write of one register.
func microOperations(o *history.Operation) ([]microOperation, error) {
	switch o.F {
	case history.FRead:
		return []microOperation{{register: o.Key, value: jsonOf(o.Output), known: observed(o)}}, nil
	case history.FWrite:
		return []microOperation{{write: true, register: o.Key, value: jsonOf(o.Input), known: true}}, nil
	case history.FTransaction:
	default:
		return nil, misfit(o, "register beside transactions")
	}
	asked, err := parseMicro(o.Input)
	if err != nil {
		return nil, fmt.Errorf("operation %d: %w", o.Index, err)
	}
	if !observed(o) {
		for i := range asked {
			asked[i].known = asked[i].write
		}
		return asked, nil
	}
	done, err := parseMicro(o.Output)
	if err != nil {
		return nil, fmt.Errorf("operation %d: its result: %w", o.Index, err)
	}
	if len(done) != len(asked) {
		return nil, fmt.Errorf("operation %d: its result has %d operations, not %d", o.Index, len(done), len(asked))
	}
	for i := range done {
		if done[i].write != asked[i].write || done[i].register != asked[i].register || done[i].write && done[i].value != asked[i].value {
			return nil, fmt.Errorf("operation %d: its result tells of another transaction than was asked for", o.Index)
		}
	}
	return done, nil
}

func parseMicro(v history.Value) (list []microOperation, err error) {
	if len(v.List()) == 0 && v.Kind() == history.List {
		return nil, nil
	}
	var entries [][]json.RawMessage
	raw := v.Raw()
	var text string
	if json.Unmarshal(raw, &text) == nil { // as Jepsen's files are read
		raw = jsonOfEDN(text)
	}
	if raw == nil || json.Unmarshal(raw, &entries) != nil {
		return nil, fmt.Errorf("a txn needs a list of [f, key, value], not %s", showValue(v))
	}
	for _, e := range entries {
		var f string
		if len(e) != 3 || json.Unmarshal(e[0], &f) != nil || f != "r" && f != "w" {
			return nil, fmt.Errorf(`a txn needs a list of [f, key, value], where f is "r" or "w", not %s`, showValue(v))
		}
		key := compactJSON(e[1])
		var text string
		if json.Unmarshal(e[1], &text) == nil && key != "null" {
			key = text
		}
		list = append(list, microOperation{f == "w", key, compactJSON(e[2]), true})
	}
	return list, nil
}

// jsonOfEDN turns Jepsen's notation of a transaction, for instance
// [[:r :x nil] [:w 5 1]], into JSON. What it does not know becomes a string, or
// something that is no JSON, and is refused as such.
func jsonOfEDN(text string) json.RawMessage {
	var out []byte
	for text != "" {
		c := text[0]
		end := strings.IndexAny(text, " ,\t\r\n[]()")
		switch {
		case strings.ContainsRune(" ,\t\r\n", rune(c)):
			text = text[1:]
			continue
		case c == '[' || c == '(' || c == ']' || c == ')':
			end = 1
		case c == '"':
			if end = strings.IndexByte(text[1:], '"') + 2; end == 1 {
				return nil
			}
		case end < 0:
			end = len(text)
		}
		token := text[:end]
		text = text[end:]
		closing := token == "]" || token == ")"
		if last := len(out) - 1; last >= 0 && out[last] != '[' && !closing {
			out = append(out, ',')
		}
		switch {
		case closing:
			out = append(out, ']')
		case token == "[" || token == "(":
			out = append(out, '[')
		case token == "nil":
			out = append(out, jsonNull...)
		case json.Valid([]byte(token)):
			out = append(out, token...)
		default:
			name, _ := json.Marshal(strings.TrimPrefix(token, ":"))
			out = append(out, name...)
		}
	}
	return out
}

const jsonNull = "null"

func jsonOf(v history.Value) string {
	switch v.Kind() {
	case history.Nil, history.Absent:
		return jsonNull
	case history.List:
		text, _ := json.Marshal(v.List())
		return string(text)
	}
	return showValue(v)
}

func compactJSON(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return string(raw)
	}
	return out.String()
}

func (t *transactionHistory) load(operations []history.Operation, key string, positions []int32) error {
	*t = transactionHistory{key: key, operations: operations, numbers: map[string]int32{}, valueOf: map[registerValue]int32{}}
	for _, p := range positions {
		o := &operations[p]
		list, err := microOperations(o)
		if err != nil {
			return err
		}
		c := transactionCall{start: o.Start, end: certainly(o), position: p}
		t.fill(&c, list, o.Type == history.Ok)
		if o.Type == history.Fail {
			for _, w := range c.writes {
				t.values[w.value].failed = p
			}
			continue
		}
		if len(c.reads)+len(c.writes) == 0 && !c.contradictory {
			continue
		}
		if len(c.reads) > 0 || c.contradictory {
			t.reading++
		}
		for _, r := range c.reads {
			t.values[r.value].read = true
		}
		// What a transaction overwrites itself nobody else can see.
		for _, w := range c.writes {
			t.values[w.value].writers = append(t.values[w.value].writers, int32(len(t.calls)))
		}
		t.calls = append(t.calls, c)
	}
	return nil
}

// fill gathers what the transaction must find and what it leaves.
func (t *transactionHistory) fill(c *transactionCall, list []microOperation, ok bool) {
	find := func(of []micro, register int32) int {
		return slices.IndexFunc(of, func(m micro) bool { return m.register == register })
	}
	for _, m := range list {
		register := t.register(m.register)
		if !m.write && !(ok && m.known) {
			continue
		}
		x := micro{register, t.value(register, m.value)}
		own, before := find(c.writes, register), find(c.reads, register)
		switch {
		case m.write && own >= 0:
			c.writes[own] = x
		case m.write:
			c.writes = append(c.writes, x)
		case own >= 0:
			c.contradictory = c.contradictory || c.writes[own] != x
		case before >= 0:
			c.contradictory = c.contradictory || c.reads[before] != x
		default:
			c.reads = append(c.reads, x)
		}
	}
}

func (t *transactionHistory) register(name string) int32 {
	i, found := t.numbers[name]
	if !found {
		i = int32(len(t.registers))
		t.numbers[name] = i
		t.registers = append(t.registers, name)
		t.value(i, jsonNull) // what every register holds first
	}
	return i
}

func (t *transactionHistory) value(register int32, value string) int32 {
	x := registerValue{register, value}
	i, found := t.valueOf[x]
	if !found {
		i = int32(len(t.values))
		t.valueOf[x] = i
		t.values = append(t.values, transactionValue{registerValue: x, failed: none})
	}
	return i
}

func (t *transactionHistory) initial(register int32) int32 {
	return t.valueOf[registerValue{register, jsonNull}]
}

// decide finds reads of values that nobody wrote, or only later, and
// transactions that contradict themselves; the rest is searched.
func (t *transactionHistory) decide() (found []finding, proved bool) {
	for i := range t.calls {
		c := &t.calls[i]
		if c.contradictory {
			f := newFinding(classContradictory, t.key)
			f.second = c.position
			f.gather()
			found = append(found, f)
			continue
		}
		for _, r := range c.reads {
			f, wrong := t.impossible(c, r)
			if !wrong {
				f, wrong = t.torn(c, r)
			}
			if wrong {
				found = append(found, f)
				break
			}
		}
	}
	return found, false
}

// torn finds that the transaction c, which read r from another one, read of a
// register that this one wrote too what was certainly there before.
func (t *transactionHistory) torn(c *transactionCall, r micro) (f finding, wrong bool) {
	w := t.onlyWriter(r)
	if w == nil || w == c {
		return f, false
	}
	for _, old := range c.reads {
		overwritten := slices.ContainsFunc(w.writes, func(m micro) bool { return m.register == old.register && m.value != old.value })
		if !overwritten {
			continue
		}
		f = newFinding(classTornRead, t.key)
		f.newer, f.second = w.position, c.position
		before := t.onlyWriter(old)
		switch {
		case len(t.values[old.value].writers) == 0 && old.value == t.initial(old.register):
		case before != nil && before != c && before.end < w.start:
			f.older = before.position
		default:
			continue
		}
		f.gather()
		return f, true
	}
	return f, false
}

// onlyWriter is the only transaction that may have written the value, or nil.
func (t *transactionHistory) onlyWriter(m micro) *transactionCall {
	if v := &t.values[m.value]; len(v.writers) == 1 {
		return &t.calls[v.writers[0]]
	}
	return nil
}

func (t *transactionHistory) impossible(c *transactionCall, r micro) (f finding, wrong bool) {
	v := &t.values[r.value]
	if r.value == t.initial(r.register) {
		return f, false
	}
	var other *transactionCall
	for _, w := range v.writers {
		if x := &t.calls[w]; x != c && (other == nil || x.start < other.start) {
			other = x
		}
	}
	f = newFinding("", t.key)
	f.second = c.position
	switch {
	case other == nil && v.failed != none:
		f.class, f.older = classFailed, v.failed
	case other == nil:
		f.class = classPhantom
	case c.end < other.start:
		f.class, f.older = classFuture, other.position
	default:
		return f, false
	}
	f.gather()
	return f, true
}

// without drops a transaction together with those that would prove nothing
// without it. An order stays legal if of each value that a transaction which
// stays has read, all writers stay that were invoked before it ended: the one
// that it saw is then still the last before it.
func (t *transactionHistory) without(set, drop []int32) []int32 {
	gone := make(map[int32]bool, len(drop))
	for _, p := range drop {
		gone[p] = true
	}
	present := make(map[int32]bool, len(set))
	for _, p := range set {
		present[p] = true
	}
	for changed := true; changed; {
		changed = false
		for i := range t.calls {
			c := &t.calls[i]
			if !present[c.position] || gone[c.position] {
				continue
			}
			for _, r := range c.reads {
				if slices.ContainsFunc(t.values[r.value].writers, func(w int32) bool {
					x := &t.calls[w]
					return x != c && x.start <= c.end && (gone[x.position] || !present[x.position])
				}) {
					gone[c.position], changed = true, true
					break
				}
			}
		}
	}
	out := make([]int32, 0, len(set))
	for _, p := range set {
		if !gone[p] {
			out = append(out, p)
		}
	}
	return out
}

// transactionState is the value of each register.
type transactionState struct {
	values []int32
	hash   uint64
}

func (s transactionState) with(writes []micro) transactionState {
	values, hash := slices.Clone(s.values), s.hash
	for _, w := range writes {
		hash ^= cell(w.register, values[w.register]) ^ cell(w.register, w.value)
		values[w.register] = w.value
	}
	return transactionState{values, hash}
}

func cell(register, value int32) uint64 {
	return scatter(uint64(uint32(register))<<32 | uint64(uint32(value)))
}

// search leaves out transactions of unknown outcome of which nobody read
// anything: taken out of a legal order they leave one.
func (t *transactionHistory) search() (porcupine.Model, []porcupine.Operation) {
	var calls []porcupine.Operation
	for i := range t.calls {
		c := &t.calls[i]
		seen := slices.ContainsFunc(c.writes, func(w micro) bool { return t.values[w.value].read })
		if c.end != history.Infinity || seen {
			calls = append(calls, porcupine.Operation{Input: c, Call: c.start, Return: c.end})
		}
	}
	first := transactionState{values: make([]int32, len(t.registers))}
	for r := range first.values {
		first.values[r] = t.initial(int32(r))
	}
	return porcupine.Model{
		Init: func() any { return first },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, c := state.(transactionState), in.(*transactionCall)
			if c.contradictory {
				return false, state
			}
			for _, r := range c.reads {
				if s.values[r.register] != r.value {
					return false, state
				}
			}
			if len(c.writes) == 0 {
				return true, state
			}
			return true, s.with(c.writes)
		},
		Equal: func(a, b any) bool {
			x, y := a.(transactionState), b.(transactionState)
			return x.hash == y.hash && slices.Equal(x.values, y.values)
		},
		Hash: func(state any) uint64 { return state.(transactionState).hash },
		DescribeState: func(state any) string {
			var list []string
			for r, v := range state.(transactionState).values {
				list = append(list, t.registers[r]+"="+t.values[v].value)
			}
			return strings.Join(list, " ")
		},
	}, calls
}

// usedByTransactions are the registers that transactions read or write.
func (t *timeline) usedByTransactions() map[string]bool {
	used := map[string]bool{}
	for k := range t.keys {
		if t.keys[k].object != transactionObject {
			continue
		}
		for _, p := range t.keys[k].positions {
			o := &t.operations[p]
			if list, err := microOperations(o); err == nil {
				for _, m := range list {
					used[m.register] = true
				}
			}
		}
	}
	return used
}

// components are the objects that the transactions' registers fall into: those
// that no chain of transactions connects are independent of each other. An
// operation that cannot be understood may connect anything.
func (t *timeline) components() []keyOperations {
	var all []int32
	for k := range t.keys {
		if t.keys[k].object == transactionObject {
			all = append(all, t.keys[k].positions...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	numbers, parents, names := map[string]int{}, []int{}, []string{}
	root := func(i int) int {
		for parents[i] != i {
			parents[i] = parents[parents[i]]
			i = parents[i]
		}
		return i
	}
	first := make([]int, len(all)) // a register of each operation; -1: it has none
	for i, p := range all {
		list, err := microOperations(&t.operations[p])
		if err != nil {
			return []keyOperations{{name: t.operations[p].Key, object: transactionObject, positions: all}}
		}
		first[i] = -1
		for _, m := range list {
			n, found := numbers[m.register]
			if !found {
				n = len(parents)
				numbers[m.register] = n
				parents, names = append(parents, n), append(names, m.register)
			}
			if first[i] < 0 {
				first[i] = n
			}
			// The lesser number stays the root, so that the order is that of the history.
			a, b := root(first[i]), root(n)
			parents[max(a, b)] = min(a, b)
		}
	}
	byRoot := map[int]*keyOperations{}
	var out []*keyOperations
	members := make([][]string, len(names))
	for n, name := range names {
		members[root(n)] = append(members[root(n)], name)
	}
	for i, p := range all {
		if first[i] < 0 {
			continue
		}
		n := root(first[i])
		c := byRoot[n]
		if c == nil {
			c = &keyOperations{name: nameOf(members[n]), object: transactionObject}
			byRoot[n] = c
			out = append(out, c)
		}
		c.positions = append(c.positions, p)
	}
	list := make([]keyOperations, len(out))
	for i := range out {
		list[i] = *out[i]
	}
	return list
}

// nameOf names registers that are judged together: "x, y, z and 5 more".
func nameOf(registers []string) string {
	registers = slices.Clone(registers)
	slices.SortFunc(registers, cmp.Compare[string])
	const most = 4
	if len(registers) <= most {
		return strings.Join(registers, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(registers[:most-1], ", "), len(registers)-most+1)
}
