package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

// told says what a compare-and-set that found another value leaves in the history.
type told uint8

const (
	nothing     told = iota // a failure like any other
	mismatch                // that it found another value
	value                   // that, and which
	mismatchAny             // one of the three
)

// mix is a kind of histories. Fractions are of all operations; what is left
// of them are writes.
type mix struct {
	name                             string
	reads, cas, deletes, conditional float64
	// unknown and failed are the fractions of operations with these outcomes.
	unknown, failed float64
	told            told
	// values is the number of different values; 0: each is written once.
	values int
	// exact says that the method without a search must decide all of it.
	exact bool
}

// mixes are all of them, in the order of the table.
var mixes = []mix{
	{name: "reads-writes", reads: 0.55, exact: true},
	{name: "unknown", reads: 0.5, unknown: 0.25, exact: true},
	{name: "failed", reads: 0.5, unknown: 0.12, failed: 0.15, exact: true},
	{name: "cas", reads: 0.35, cas: 0.4, unknown: 0.15, exact: true},
	{name: "cas-value", reads: 0.25, cas: 0.5, unknown: 0.12, told: value, exact: true},
	{name: "cas-mismatch", reads: 0.25, cas: 0.5, unknown: 0.12, told: mismatch},
	{name: "deletes", reads: 0.5, deletes: 0.25, unknown: 0.15, exact: true},
	{name: "deletes-cas", reads: 0.4, deletes: 0.2, cas: 0.25, unknown: 0.12, exact: true},
	{name: "conditional", reads: 0.35, deletes: 0.1, conditional: 0.4, told: value, exact: true},
	{name: "conditional-unknown", reads: 0.35, deletes: 0.1, conditional: 0.35, unknown: 0.15, told: value},
	{name: "everything", reads: 0.35, cas: 0.15, deletes: 0.12, conditional: 0.15, unknown: 0.12, failed: 0.06, told: mismatchAny},
	{name: "repeated", reads: 0.35, cas: 0.2, deletes: 0.08, conditional: 0.06, unknown: 0.12, failed: 0.04, told: mismatchAny, values: 3},
}

// span is an inclusive range.
type span struct{ least, most int }

func (s span) String() string { return fmt.Sprintf("%d..%d", s.least, s.most) }

// Set reads "3..14" or a single number.
func (s *span) Set(text string) error {
	least, most := 0, 0
	if n, err := fmt.Sscanf(text, "%d..%d", &least, &most); err != nil || n != 2 {
		if n, err := fmt.Sscanf(text, "%d", &least); err != nil || n != 1 {
			return fmt.Errorf("want a range like 3..14, not %q", text)
		}
		most = least
	}
	if least < 1 || most < least || most > 40 {
		return fmt.Errorf("the range %d..%d must lie within 1..40 and not be empty", least, most)
	}
	*s = span{least, most}
	return nil
}

func (s span) draw(r *rand.Rand) int { return s.least + r.IntN(s.most-s.least+1) }

// effect is when an operation of a history takes effect; never if it does not.
type effect struct {
	at        int64
	operation int32
}

const never int64 = -1

// generator makes histories of one register. It reuses its memory.
type generator struct {
	mix                 mix
	operations, clients span
	r                   *rand.Rand

	history []history.Operation
	effects []effect
	free    []int64
	process []history.Process
	written int64
	recent  history.Value
	// pairs are the arguments of compare-and-sets made so far, by their halves,
	// and chosen the halves of the present history's, by operation.
	pairs  map[[2]int64]history.Value
	chosen [][2]int64
}

// nilNumber stands for not-found among the numbers of values.
const nilNumber int64 = 0

// step is the greatest pause; small, so that operations begin and end at the same time often.
const step = 3

// legal makes a history that is linearizable by the way it is made: each
// operation takes effect at one instant between its invocation and its
// completion or, its outcome being unknown, at any later one or never.
func (g *generator) legal() []history.Operation {
	n, clients := g.operations.draw(g.r), g.clients.draw(g.r)
	g.history, g.effects, g.free, g.process, g.written = g.history[:0], g.effects[:0], g.free[:0], g.process[:0], 0
	g.recent, g.chosen = history.NilValue(), append(g.chosen[:0], make([][2]int64, n)...)
	for c := range clients {
		g.free, g.process = append(g.free, 0), append(g.process, history.Process(c))
	}
	for range n {
		g.invoke(clients)
	}
	g.takeEffect()
	sortByStart(g.history)
	number(g.history)
	return g.history
}

// invoke appends an operation, of which reads and what compare-and-sets expect are still open.
func (g *generator) invoke(clients int) {
	c := g.r.IntN(clients)
	o := history.Operation{Key: "r", Start: g.free[c] + 1 + g.r.Int64N(step), Process: g.process[c], Type: history.Ok}
	o.End = o.Start + g.r.Int64N(4*step)
	at := o.Start + g.r.Int64N(o.End-o.Start+1)
	g.free[c] = o.End
	x := g.r.Float64()
	for _, kind := range []struct {
		fraction float64
		f        string
	}{{g.mix.reads, history.FRead}, {g.mix.cas + g.mix.conditional, history.FCAS}, {g.mix.deletes, history.FDelete}} {
		if o.F == "" && x < kind.fraction {
			o.F = kind.f
		}
		x -= kind.fraction
	}
	if o.F == "" {
		o.F, o.Input = history.FWrite, history.IntValue(g.value())
	}
	switch x := g.r.Float64(); {
	case x < g.mix.unknown:
		o.Type, o.End = history.Info, history.Infinity
		g.process[c] += history.Process(clients)
		g.free[c] = o.Start + g.r.Int64N(4*step)
		if at = o.Start + g.r.Int64N(10*step); g.r.IntN(2) == 0 {
			at = never
		}
	case x < g.mix.unknown+g.mix.failed:
		o.Type, at = history.Fail, never
	}
	g.effects = append(g.effects, effect{at, int32(len(g.history))})
	g.history = append(g.history, o)
}

// value is what the next write writes.
func (g *generator) value() int64 {
	if g.mix.values > 0 {
		return 1 + g.r.Int64N(int64(g.mix.values))
	}
	g.written++
	return g.written
}

// takeEffect carries the operations out at their instants.
func (g *generator) takeEffect() {
	e := g.effects
	g.r.Shuffle(len(e), func(i, k int) { e[i], e[k] = e[k], e[i] })
	for i := 1; i < len(e); i++ {
		for k := i; k > 0 && e[k].at < e[k-1].at; k-- {
			e[k], e[k-1] = e[k-1], e[k]
		}
	}
	current := history.NilValue()
	for _, x := range e {
		o := &g.history[x.operation]
		if o.F == history.FCAS {
			g.chosen[x.operation] = g.choose(current)
			o.Input = g.pair(g.chosen[x.operation])
		}
		if x.at == never {
			continue
		}
		switch o.F {
		case history.FRead:
			if o.Type == history.Ok {
				o.Output = current
			}
		case history.FWrite:
			g.recent, current = current, o.Input
		case history.FDelete:
			g.recent, current = current, history.NilValue()
		case history.FCAS:
			expected, next := valueOf(g.chosen[x.operation][0]), valueOf(g.chosen[x.operation][1])
			switch {
			case expected == current:
				if next != current {
					g.recent = current
				}
				current = next
			case o.Type == history.Ok:
				g.mismatched(o, current)
			}
		}
	}
}

// choose chooses what a compare-and-set expects, mostly what is there, and writes.
func (g *generator) choose(current history.Value) (halves [2]int64) {
	expected := current
	switch g.r.IntN(6) {
	case 0, 1:
		expected = g.recent
	case 2:
		if most := max(g.written, int64(g.mix.values)); most > 0 {
			expected = history.IntValue(1 + g.r.Int64N(most))
		}
	}
	next := int64(0)
	if conditional := g.mix.conditional; conditional == 0 || g.r.Float64() > conditional/(conditional+g.mix.cas) {
		if expected.Kind() == history.Nil && conditional == 0 && g.r.IntN(3) > 0 && g.written > 0 {
			expected = history.IntValue(1 + g.r.Int64N(g.written))
		}
		next = g.value()
	} else if expected.Kind() == history.Nil && g.r.IntN(8) > 0 {
		next = g.value() // put if absent
	}
	return [2]int64{numberOf(expected), next}
}

func numberOf(v history.Value) int64 {
	n, _ := v.Int()
	return n
}

// pair is the argument of a compare-and-set, where 0 is not-found.
func (g *generator) pair(halves [2]int64) history.Value {
	if v, found := g.pairs[halves]; found {
		return v
	}
	expected, next := halves[0], halves[1]
	if g.pairs == nil {
		g.pairs = map[[2]int64]history.Value{}
	}
	v := history.ListValue([]int64{expected, next})
	if expected == nilNumber || next == nilNumber {
		show := func(n int64) string {
			if n == nilNumber {
				return "null"
			}
			return fmt.Sprint(n)
		}
		v = history.RawValue([]byte("[" + show(expected) + "," + show(next) + "]"))
	}
	g.pairs[halves] = v
	return v
}

func valueOf(n int64) history.Value {
	if n == nilNumber {
		return history.NilValue()
	}
	return history.IntValue(n)
}

// mismatched makes a compare-and-set one that found another value.
func (g *generator) mismatched(o *history.Operation, current history.Value) {
	o.Type = history.Fail
	how := g.mix.told
	if how == mismatchAny {
		how = []told{nothing, mismatch, value}[g.r.IntN(3)]
	}
	if how != nothing {
		o.Error = checker.MismatchError
	}
	if how == value {
		o.Output = current
	}
}

// sortByStart sorts by invocation, keeping the order of equals.
func sortByStart(operations []history.Operation) {
	for i := 1; i < len(operations); i++ {
		for k := i; k > 0 && operations[k].Start < operations[k-1].Start; k-- {
			operations[k], operations[k-1] = operations[k-1], operations[k]
		}
	}
}

// number gives the operations increasing indexes, as positions in the history.
func number(operations []history.Operation) {
	for i := range operations {
		operations[i].Index, operations[i].Completion = int64(i), int64(i)
	}
}
