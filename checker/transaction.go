package checker

import (
	"slices"

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

// onlyWriter is the transaction that wrote the value wherever it is read, or
// nil: what a register holds first needs no writer.
func (t *transactionHistory) onlyWriter(m micro) *transactionCall {
	if v := &t.values[m.value]; len(v.writers) == 1 && m.value != t.initial(m.register) {
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
