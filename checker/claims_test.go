package checker

import (
	"context"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseClaims(t *testing.T) {
	claims, err := ParseClaims([]string{"linearizable, convergence", "no-lost-writes", "convergence", ""})
	require.NoError(t, err)
	assert.Equal(t, []string{Linearizable, Convergence, NoLostWrites}, claims)

	_, err = ParseClaims([]string{"linearisable"})
	require.EqualError(t, err, `unknown claim "linearisable": choose from `+claimNames())
	_, err = ParseClaims([]string{" ,"})
	require.ErrorContains(t, err, "no claim to check")
	_, err = Check(context.Background(), nil, Options{Claims: []string{"serializable"}})
	require.ErrorContains(t, err, `unknown claim "serializable"`)
}

func TestApplies(t *testing.T) {
	sets := []history.Operation{{F: history.FAdd}, {F: history.FRead}}
	registers := []history.Operation{{F: history.FWrite}, {F: history.FRead}, {F: history.FDump}}
	read := func(v history.Value) history.Operation {
		return history.Operation{F: history.FRead, Type: history.Ok, Output: v}
	}
	failing := func(f string) []history.Operation { return []history.Operation{{F: f, Type: history.Fail}} }
	onKey := func(key string, operations []history.Operation) []history.Operation {
		operations = slices.Clone(operations)
		for i := range operations {
			operations[i].Key = key
			if operations[i].F == history.FRead {
				operations[i].Output = history.IntValue(1)
			}
		}
		return operations
	}
	counter := []history.Operation{{F: history.FAdd}, read(history.IntValue(1))}
	for _, c := range []struct {
		claim      string
		operations []history.Operation
		want       bool
	}{
		{Linearizable, sets, false},
		{Linearizable, registers, true},
		{Linearizable, []history.Operation{{F: history.FCAS}}, true},
		{NoLostWrites, sets, true},
		{ReadYourWrites, registers, true},
		{NoStaleReads, registers[:1], false},
		{Causal, registers, true},
		{Causal, sets, false},
		{MonotonicWrites, registers, false}, // of one client alone
		{MonotonicWrites, append([]history.Operation{{F: history.FRead, Process: 1}}, registers...), true},
		{Convergence, registers, true},
		{Convergence, sets, false},
		{NoPhantomValues, registers, true},
		{NoDirtyReads, registers, false}, // nothing failed
		{NoDirtyReads, append(failing(history.FWrite), registers...), true},
		{NoDirtyReads, append(failing(history.FAdd), read(history.ListValue(nil))), true},
		{NoLostUpdates, registers, false},
		{NoLostUpdates, []history.Operation{{F: history.FCAS}}, true},
		{NoResurrectedDeletes, registers, false},
		{NoResurrectedDeletes, []history.Operation{{F: history.FDelete}, {F: history.FRead}}, true},
		{NoResurrectedDeletes, []history.Operation{{F: history.FCAS, Input: history.ListValue([]int64{1, 2})}, {F: history.FRead}}, false},
		{NoResurrectedDeletes, []history.Operation{{F: history.FCAS, Input: history.RawValue([]byte("[1,null]"))}, {F: history.FRead}}, true},
		{NoStaleReads, counter, false},
		{NoDuplicates, sets, true},
		{NoDuplicates, counter, false},
		{NoPhantomValues, counter, false},
		{CounterBounds, counter, true},
		{CounterBounds, sets, false},
		{CounterBounds, append(onKey("register", registers), sets...), false},
		{RowAtomicity, registers, false},
		{RowAtomicity, []history.Operation{{F: history.FWrite, Input: history.ListValue([]int64{1, -1})}, {F: history.FRead}}, true},
		{NoDiscardedWrites, registers, false},
		{NoDiscardedWrites, append([]history.Operation{read(history.ListValue([]int64{1, 2}))}, registers...), true},
		{BoundedSiblings, registers, false},
		{BoundedSiblings, []history.Operation{{F: history.FDump, Output: history.RawValue([]byte(`{"entries":[{"siblings":[]}]}`))}}, true},
	} {
		got, err := Applies(c.claim, c.operations)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "%s of %v", c.claim, c.operations)
		assert.Equal(t, c.want, slices.Contains(Applicable(c.operations), c.claim))
	}
	_, err := Applies("nonsense", sets)
	require.Error(t, err)
}

func TestMerge(t *testing.T) {
	assert.Equal(t, Unknown, Merge())
	assert.Equal(t, Holds, Merge(Holds, Holds))
	assert.Equal(t, Unknown, Merge(Holds, Unknown))
	assert.Equal(t, Invalid, Merge(Unknown, Invalid, Holds))
	assert.Equal(t, Refuted, Merge(Invalid, Refuted, Unknown))
}

// TestNothingToCheckIsUnknown: a claim never holds because there was nothing to check.
func TestNothingToCheckIsUnknown(t *testing.T) {
	onlyWrites := order([]simulated{
		{Operation: history.Operation{F: history.FWrite, Key: "a", Input: history.IntValue(1), Start: 1, End: 2, Type: history.Ok}},
		{Operation: history.Operation{F: history.FRead, Key: "a", Start: 3, End: 4, Type: history.Fail, Error: "timeout"}},
	})
	for name, operations := range map[string][]history.Operation{"empty": nil, "only writes": onlyWrites} {
		report, err := Check(context.Background(), operations, Options{Claims: allClaims()})
		require.NoError(t, err)
		assert.Equal(t, Unknown, report.Verdict, name)
		for _, c := range report.Claims {
			assert.Equal(t, Unknown, c.Verdict, "%s: %s", name, c.Claim)
			assert.Contains(t, c.Explanation, "nothing to check", "%s: %s", name, c.Claim)
		}
	}
}

func TestForeignOperationsAreNotPassedOver(t *testing.T) {
	operations := order([]simulated{
		{Operation: history.Operation{F: history.FWrite, Key: "a", Input: history.IntValue(1), Start: 1, End: 2, Type: history.Ok}},
		{Operation: history.Operation{F: "increment", Key: "a", Input: history.IntValue(1), Start: 3, End: 4, Type: history.Ok}},
		{Operation: history.Operation{F: history.FRead, Key: "a", Output: history.IntValue(2), Start: 5, End: 6, Type: history.Ok}},
	})
	report, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable, NoLostWrites, NoStaleReads}})
	require.NoError(t, err)
	for _, c := range report.Claims {
		assert.Equal(t, Unknown, c.Verdict)
		assert.Contains(t, c.Explanation, "increment", c.Claim)
	}
}

func TestOperationsOutOfOrderAreRefused(t *testing.T) {
	operations := order(healthyKeys(1))
	operations[3], operations[4] = operations[4], operations[3]
	_, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}})
	require.ErrorContains(t, err, "not in order of invocation")
}
