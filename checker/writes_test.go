package checker

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trial describes random histories of one object, which is correct: each
// operation takes effect at one instant, if at all.
type trial struct {
	operations, processes int
	// next makes an operation; n is different for each.
	next func(r *rand.Rand, n int64) history.Operation
	// apply carries an operation out and returns the state after it. It may set o's outcome.
	apply func(state any, o *history.Operation) any
	state any
}

func (x trial) run(r *rand.Rand) []history.Operation {
	free := make([]int64, x.processes)
	id := make([]history.Process, x.processes)
	for i := range id {
		id[i] = history.Process(i)
	}
	var all []simulated
	for n := range x.operations {
		w := r.IntN(x.processes)
		start := free[w] + 1 + r.Int64N(simulatedStep)
		o := simulated{Operation: x.next(r, int64(n+1))}
		o.Process, o.Start, o.End, o.Type = id[w], start, start+r.Int64N(4*simulatedStep), history.Ok
		o.point = start + r.Int64N(o.End-start+1)
		free[w] = o.End
		switch k := r.IntN(8); {
		case k == 0:
			o.Type, o.End = history.Info, history.Infinity
			id[w] += history.Process(x.processes)
			o.point = start + r.Int64N(10*simulatedStep)
			if r.IntN(2) == 0 {
				o.point = -1
			}
		case k == 1 && o.F != history.FRead:
			o.Type, o.point = history.Fail, -1
		}
		all = append(all, o)
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	slices.SortStableFunc(all, func(a, b simulated) int { return cmp.Compare(a.point, b.point) })
	state := x.state
	for i := range all {
		if all[i].point >= 0 {
			state = x.apply(state, &all[i].Operation)
		}
	}
	return order(all)
}

// registerTrial is a register that is also deleted, by deletes and by
// compare-and-sets, and some of whose values are written twice. Of 20 operations
// so many are deletes.
func registerTrial(operations, processes, deletes int) trial {
	value := func(r *rand.Rand, n int64) history.Value {
		switch r.IntN(16) {
		case 0:
			return history.NilValue()
		case 1:
			return history.IntValue(max(1, n-1-r.Int64N(3)))
		}
		return history.IntValue(n)
	}
	pair := func(a, b history.Value) history.Value {
		x, aInt := a.Int()
		y, bInt := b.Int()
		if aInt && bInt {
			return history.ListValue([]int64{x, y})
		}
		raw := func(v history.Value) any {
			if n, ok := v.Int(); ok {
				return n
			}
			return nil
		}
		text, err := json.Marshal([]any{raw(a), raw(b)})
		if err != nil {
			panic(err)
		}
		return history.RawValue(text)
	}
	return trial{
		operations: operations, processes: processes, state: history.NilValue(),
		next: func(r *rand.Rand, n int64) history.Operation {
			o := history.Operation{Key: "r", F: history.FRead}
			switch k := r.IntN(20); {
			case k < deletes:
				o.F = history.FDelete
			case k < 8:
				o.F, o.Input = history.FWrite, history.IntValue(n)
				if r.IntN(10) == 0 {
					o.Input = history.IntValue(max(1, n-1-r.Int64N(3)))
				}
			case k < 11:
				expected := history.NilValue()
				if e := n - 1 - r.Int64N(4); e > 0 {
					expected = history.IntValue(e)
				}
				o.F, o.Input = history.FCAS, pair(expected, value(r, n))
			}
			return o
		},
		apply: func(state any, o *history.Operation) any {
			now := state.(history.Value)
			switch o.F {
			case history.FRead:
				if o.Type == history.Ok {
					o.Output = now
				}
			case history.FWrite:
				return o.Input
			case history.FDelete:
				return history.NilValue()
			case history.FCAS:
				expected, value, _ := casArguments(o.Input)
				if expected == now {
					return value
				}
				if o.Type == history.Ok {
					o.Type, o.Error = history.Fail, MismatchError
				}
			}
			return state
		},
	}
}

// damage changes what some reads return and whether some operations succeeded.
func damage(operations []history.Operation, r *rand.Rand) {
	for range 1 + r.IntN(3) {
		o, other := &operations[r.IntN(len(operations))], &operations[r.IntN(len(operations))]
		switch {
		case o.F == history.FRead && o.Type == history.Ok:
			switch {
			case other.F == history.FWrite || other.F == history.FAdd:
				o.Output = other.Input
			case other.F == history.FRead && other.Type == history.Ok:
				o.Output = other.Output
			case r.IntN(4) == 0:
				o.Output = history.NilValue()
			case r.IntN(8) == 0:
				o.Output = history.IntValue(1 << 40)
			}
		case o.F == history.FCAS && o.Type == history.Fail && o.End != history.Infinity:
			o.Type, o.Error = history.Ok, ""
		case o.F == history.FWrite && o.Type == history.Ok && r.IntN(3) == 0:
			o.Type = history.Fail
		}
	}
}

func resultOf(t *testing.T, operations []history.Operation, claim string, o Options) Result {
	t.Helper()
	o.Claims = []string{claim}
	report, err := Check(context.Background(), operations, o)
	require.NoError(t, err)
	return report.Claims[0]
}

// requireClasses: the claim's result has exactly these classes; refuting are those of them that refute.
func requireClasses(t *testing.T, operations []history.Operation, claim string, want map[string]int, refuting ...string) (refuted bool) {
	t.Helper()
	result := resultOf(t, operations, claim, Options{})
	got := map[string]int{}
	for class, n := range result.Classes {
		if class != classIndeterminate {
			got[class] = n
		}
	}
	require.Equal(t, want, got, "%s: %s\n%s", claim, result.Explanation, describeHistory(operations))
	found := 0
	for _, class := range refuting {
		found += want[class]
	}
	require.Equal(t, found, result.Found, claim)
	require.Equal(t, found > 0, result.Verdict == Refuted, claim)
	for _, w := range result.Witnesses {
		requireRefutesAlone(t, operations, claim, w)
	}
	return found > 0
}

// requireRefutesAlone: the operations of the witness, taken alone, refute the claim in the same way.
func requireRefutesAlone(t *testing.T, operations []history.Operation, claim string, w Witness) {
	t.Helper()
	if len(w.Operations) == 1 {
		return // a read by itself does not tell what kind of object it reads
	}
	alone := slices.DeleteFunc(slices.Clone(operations), func(o history.Operation) bool {
		return o.Process != history.Nemesis && !slices.Contains(w.Operations, o.Index)
	})
	result := resultOf(t, alone, claim, Options{})
	require.Equal(t, Refuted, result.Verdict, "%s\n%s", w.Explanation, describeHistory(alone))
	require.Equal(t, w.Class, result.Witnesses[0].Class)
}

// TestWritesAgreeWithTheirDefinitions compares with the naive definitions, on
// correct and on damaged histories of a register.
func TestWritesAgreeWithTheirDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 4))
	trials := []trial{registerTrial(12, 4, 2), registerTrial(14, 2, 5)}
	screened := newComparison(t)
	refuted := map[string]int{}
	for i := range 16_000 {
		operations := trials[i%2].run(r)
		if i%8 > 1 {
			damage(operations, r)
		}
		dirty, phantom := naiveOrigins(operations)
		class := func(name string, n int) map[string]int {
			if n == 0 {
				return map[string]int{}
			}
			return map[string]int{name: n}
		}
		for claim, is := range map[string]bool{
			NoLostUpdates:        requireClasses(t, operations, NoLostUpdates, naiveLostUpdates(operations), classUpdateFork, classUpdateOverwritten),
			NoResurrectedDeletes: requireClasses(t, operations, NoResurrectedDeletes, naiveResurrections(operations), classResurrected),
			NoDirtyReads:         requireClasses(t, operations, NoDirtyReads, class(classFailed, dirty), classFailed),
			NoPhantomValues:      requireClasses(t, operations, NoPhantomValues, class(classPhantom, phantom), classPhantom),
		} {
			if is {
				refuted[claim]++
				require.Greater(t, i%8, 1, "a correct register was accused of %s:\n%s", claim, describeHistory(operations))
			}
		}
		if i%9 == 0 {
			screened.agree(t, operations)
		}
		if i%8 < 2 {
			requireNothingRefuted(t, operations)
		}
	}
	t.Log(refuted)
	for _, claim := range []string{NoLostUpdates, NoResurrectedDeletes, NoDirtyReads, NoPhantomValues} {
		assert.Greater(t, refuted[claim], 40, claim)
	}
}

// TestObservedIndeterminateIsCounted, and refutes nothing.
func TestObservedIndeterminateIsCounted(t *testing.T) {
	report := goldenReport(t, "good-unknown-write-found-by-cas", Options{Claims: []string{NoDirtyReads}})
	assert.Equal(t, Holds, report.Claims[0].Verdict)
	report = goldenReport(t, "failed-element-read", Options{Claims: []string{NoDirtyReads}})
	assert.Equal(t, map[string]int{classFailedElement: 1}, report.Claims[0].Classes)
	operations := order([]simulated{
		setAdd(1, 1, 0, 0, history.Info),
		setAdd(2, 2, 0, 9, history.Fail),
		setRead(3, 10, 20, 1),
	})
	result := resultOf(t, operations, NoDirtyReads, Options{})
	assert.Equal(t, Holds, result.Verdict)
	assert.Equal(t, map[string]int{classIndeterminate: 1}, result.Classes)
	assert.Contains(t, result.Explanation, "1 write of unknown outcome turned out to have happened")
}
