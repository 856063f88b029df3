package checker

import (
	"context"
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
	require.EqualError(t, err, `unknown claim "linearisable": choose from linearizable, no-lost-writes, no-stale-reads, read-your-writes, monotonic-reads, causal, pram, consistent-prefix, writes-follow-reads, monotonic-writes, convergence`)
	_, err = ParseClaims([]string{" ,"})
	require.ErrorContains(t, err, "no claim to check")
	_, err = Check(context.Background(), nil, Options{Claims: []string{"serializable"}})
	require.ErrorContains(t, err, `unknown claim "serializable"`)
}

func TestApplies(t *testing.T) {
	sets := []history.Operation{{F: history.FAdd}, {F: history.FRead}}
	registers := []history.Operation{{F: history.FWrite}, {F: history.FRead}, {F: history.FDump}}
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
	} {
		got, err := Applies(c.claim, c.operations)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "%s of %v", c.claim, c.operations)
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
