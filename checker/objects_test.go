package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// objectMixes are the kinds of histories that the objects' checkers are held
// against the naive definition on.
var objectMixes = map[string]objectMix{
	"set":                       {kind: setObject, operations: 7, processes: 3, unknown: 0.15, failed: 0.1},
	"set, repeated":             {kind: setObject, operations: 7, processes: 3, unknown: 0.15, failed: 0.1, values: 3},
	"counter":                   {kind: counterObject, operations: 7, processes: 3, unknown: 0.15, failed: 0.05},
	"counter, down":             {kind: counterObject, operations: 7, processes: 3, unknown: 0.15, negative: true},
	"counter, any sizes":        {kind: counterObject, operations: 7, processes: 3, unknown: 0.15, negative: true, sizes: true},
	"counter, rising":           {kind: counterObject, operations: 7, processes: 3, unknown: 0.1, sizes: true},
	"queue":                     {kind: queueObject, operations: 7, processes: 3, failed: 0.1},
	"queue, unknown":            {kind: queueObject, operations: 7, processes: 3, unknown: 0.25},
	"queue, repeated":           {kind: queueObject, operations: 7, processes: 3, unknown: 0.15, values: 2},
	"queue, some repeated":      {kind: queueObject, operations: 8, processes: 3, unknown: 0.2, values: 6},
	"counter, few processes":    {kind: counterObject, operations: 9, processes: 2, unknown: 0.1},
	"unordered queue":           {kind: bagObject, operations: 7, processes: 3, failed: 0.1},
	"unordered queue, unknown":  {kind: bagObject, operations: 7, processes: 3, unknown: 0.3},
	"unordered queue, repeated": {kind: bagObject, operations: 7, processes: 3, unknown: 0.2, values: 2},
	"text":                      {kind: textObject, operations: 7, processes: 3, unknown: 0.15, failed: 0.1},
	"text, repeated":            {kind: textObject, operations: 7, processes: 3, unknown: 0.15, values: 2},
	"text, written":             {kind: textObject, operations: 7, processes: 3, unknown: 0.15, writes: true},
	"text, written again":       {kind: textObject, operations: 7, processes: 3, unknown: 0.15, writes: true, values: 3},
	"transactions":              {kind: transactionObject, operations: 6, processes: 3, unknown: 0.15, failed: 0.1},
	"transactions, repeated":    {kind: transactionObject, operations: 6, processes: 3, unknown: 0.15, values: 3},
}

func all(operations []history.Operation) (positions []int32) {
	for i := range operations {
		positions = append(positions, int32(i))
	}
	return positions
}

// TestObjectsAgreeWithTheDefinition decides random histories, most of them
// mutated, by what each checker can do without a search, by Porcupine and its
// model, and by trying all orders.
func TestObjectsAgreeWithTheDefinition(t *testing.T) {
	for name, mix := range objectMixes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(11, uint64(len(name))))
			l := newLimiter(context.Background(), 0)
			defer l.close()
			n := *histories / 4 / len(objectMixes)
			illegal, named, proofs := 0, map[string]int{}, 0
			for i := range n {
				operations := mix.run(r)
				if i%5 > 0 {
					mutateObject(operations, r)
				}
				want := naiveLegal(mix.kind, operations)
				if i%5 == 0 && !want {
					require.True(t, want, "made by a correct object:\n%s", describeHistory(operations))
				}
				h := newObjectHistory(mix.kind)
				require.NoError(t, h.load(operations, "x", all(operations)))
				found, proved := h.decide()
				if len(found) > 0 && want || proved && (!want || len(found) > 0) {
					require.Fail(t, "decided wrongly", "legal: %t, found: %v, proved: %t\n%s", want, found, proved, describeHistory(operations))
				}
				model, calls := h.search()
				if got := l.run(model, calls, time.Minute).result; (got == porcupine.Ok) != want {
					require.Fail(t, "Porcupine's model is wrong", "legal: %t, Porcupine: %s\n%s", want, got, describeHistory(operations))
				}
				if proved {
					proofs++
				}
				if want {
					requireRestLegal(t, h, mix.kind, operations, r)
					continue
				}
				illegal++
				for _, f := range found {
					named[f.class]++
				}
				if illegal%8 == 0 {
					requireObjectWitness(t, mix.kind, operations)
				}
			}
			assert.Greater(t, illegal, n/20)
			assert.Less(t, illegal, n*19/20)
			t.Logf("%d histories, %d illegal, %d proved legal, patterns %v", n, illegal, proofs, named)
		})
	}
}

// requireRestLegal checks that what without leaves of a legal history is legal.
func requireRestLegal(t *testing.T, h objectHistory, kind object, operations []history.Operation, r *rand.Rand) {
	set := all(operations)
	for range 2 {
		var drop []int32
		for _, p := range set {
			if r.IntN(3) == 0 {
				drop = append(drop, p)
			}
		}
		rest := h.without(set, drop)
		if !naiveLegal(kind, at(operations, rest)) {
			require.Fail(t, "taken out of a legal history", "%v without %v leaves %v\n%s", set, drop, rest, describeHistory(operations))
		}
		set = rest
	}
}

// requireObjectWitness checks that Check shows a witness that is illegal by itself.
func requireObjectWitness(t *testing.T, kind object, operations []history.Operation) {
	t.Helper()
	report, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}, Model: modelOf(kind)})
	require.NoError(t, err)
	c := report.Claims[0]
	require.Equal(t, Refuted, c.Verdict, "%s\n%s", c.Explanation, describeHistory(operations))
	w := c.Witnesses[0]
	why := fmt.Sprintf("%s: %s\n%s", w.Class, w.Explanation, describeHistory(operations))
	require.True(t, w.Confirmed, why)
	witness := pick(operations, w.Operations)
	if kind == setObject {
		witness = projectSets(witness)
	}
	if kind != textObject {
		require.False(t, naiveLegal(kind, witness), "%s\n%s", why, describeHistory(witness))
	}
	html, err := VisualizeWitness(witness)
	require.NoError(t, err, why)
	require.Contains(t, string(html), "<html")
}

func modelOf(kind object) string {
	for _, m := range models() {
		if m.object == kind {
			return m.Name
		}
	}
	return ""
}

// projectSets leaves in what was read only the elements that are added, if any are.
func projectSets(operations []history.Operation) []history.Operation {
	var added []int64
	for i := range operations {
		if n, ok := operations[i].Input.Int(); ok && operations[i].Type != history.Fail {
			added = append(added, n)
		}
	}
	out := slices.Clone(operations)
	for i := range out {
		if out[i].F == history.FRead && len(added) > 0 {
			list := slices.DeleteFunc(slices.Clone(out[i].Output.List()), func(n int64) bool { return !slices.Contains(added, n) })
			out[i].Output = history.ListValue(list)
		}
	}
	return out
}

// TestScreenAgreesWithCheckOnObjects screens random histories of objects.
func TestScreenAgreesWithCheckOnObjects(t *testing.T) {
	for name, mix := range objectMixes {
		if mix.kind == bagObject { // which its operations do not tell from a queue
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newComparison(t)
			r := rand.New(rand.NewPCG(23, uint64(len(name))))
			for i := range *screened / len(objectMixes) {
				operations := mix.run(r)
				if i%4 > 0 {
					mutateObject(operations, r)
				}
				c.agree(t, operations)
			}
			t.Logf("%d with doubts, %v", c.doubtful, c.refuted)
		})
	}
}

// TestNeverAccusesACorrectObject: whatever the mix, a history made by a correct
// object is not refuted.
func TestNeverAccusesACorrectObject(t *testing.T) {
	kinds := []object{setObject, counterObject, queueObject, bagObject, textObject, transactionObject}
	rapid.Check(t, func(t *rapid.T) {
		m := objectMix{
			kind:       rapid.SampledFrom(kinds).Draw(t, "kind"),
			operations: rapid.IntRange(1, 60).Draw(t, "operations"),
			processes:  rapid.IntRange(1, 8).Draw(t, "processes"),
			unknown:    rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "unknown"),
			failed:     rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "failed"),
			values:     rapid.SampledFrom([]int{0, 0, 3, 10}).Draw(t, "values"),
			negative:   rapid.Bool().Draw(t, "negative"),
			sizes:      rapid.Bool().Draw(t, "sizes"),
			writes:     rapid.Bool().Draw(t, "writes"),
		}
		if m.values > 0 { // keeps the search small
			m.operations, m.processes = min(m.operations, 24), min(m.processes, 4)
		}
		operations := m.run(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3)))
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}, Model: modelOf(m.kind), Memory: 1 << 30})
		require.NoError(t, err)
		c := report.Claims[0]
		require.NotEqual(t, Refuted, c.Verdict, "%s\n%s", c.Explanation, describeHistory(operations))
	})
}
