package checker

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWordsOfRegisterFindings pins the words, since people act on them.
func TestWordsOfRegisterFindings(t *testing.T) {
	for name, want := range map[string]string{
		"stale-cas":                       "Process 1 wrote 2 to r1 through n2 and got ok at 0.040 s; 10 ms later process 2 carried out cas([1 3]) on r1 through n3 at 0.050 s. 1 was the older value: its write by process 1 through n2 had been acknowledged at 0.020 s, before the newer one's was invoked at 0.030 s.",
		"deleted-yet-read":                "Process 1 deleted r1 through n2 and got ok at 0.040 s; 30 ms later process 4 read r1 through n2 at 0.070 s and got 1. 1 was the older value: its write by process 1 through n2 had been acknowledged at 0.020 s, before the newer one's was invoked at 0.030 s.",
		"read-after-its-cas":              "Process 2 changed r1 from 1 to 2 through n3 and got ok at 0.030 s; 10 ms later process 3 read r1 through n1 at 0.040 s and got 1.",
		"not-found-after-write":           "Process 1 wrote 1 to r1 through n2 and got ok at 0.020 s; 10 ms later process 4 read r1 through n2 at 0.030 s and found nothing.",
		"cas-mismatch-on-a-certain-value": "A compare-and-set did not find the value that it expected, although that value was certainly there for all of its time: process 1 write(1) through n2 from 0.010 s to 0.020 s; process 2 cas([1 2]) → mismatch through n3 from 0.030 s to 0.040 s.",
		"mismatch-found-overwritten-value": "Process 1 wrote 2 to r1 through n2 and got ok at 0.040 s; 10 ms later process 2 tried cas([5 6]) → mismatch, found 1 on r1 through n3 at 0.050 s and was told that it holds 1. " +
			"1 was the older value: its write by process 1 through n2 had been acknowledged at 0.020 s, before the newer one's was invoked at 0.030 s.",
		"cas-chain-from-nowhere": "Process 2 tried cas([7 8]) → info on r1 through n3 at 0.030 s, which took effect, as was seen later, a value that nobody wrote.",
		"cas-circle":             "These compare-and-sets made their values from one another in a circle, so that none can have been the first: process 1 cas([1 2]) through n2 from 0.010 s to 0.060 s; process 2 cas([2 1]) through n3 from 0.020 s to 0.070 s.",
	} {
		report := goldenReport(t, name, Options{Claims: []string{Linearizable}})
		require.Len(t, report.Claims[0].Witnesses, 1, name)
		assert.Equal(t, want, report.Claims[0].Witnesses[0].Explanation, name)
	}
}

// registerOf is a register of these operations of one key.
func registerOf(t *testing.T, operations []history.Operation) *register {
	t.Helper()
	r := &register{}
	positions := make([]int32, len(operations))
	for i := range positions {
		positions[i] = int32(i)
	}
	require.NoError(t, r.load(operations, "r", positions))
	return r
}

// TestWhatFailedCompareAndSetsTell: with a value they observed it, without one
// they observed another than they expected, and without the error nothing.
func TestWhatFailedCompareAndSetsTell(t *testing.T) {
	failed := func(input, output history.Value, why string) history.Operation {
		return history.Operation{F: history.FCAS, Key: "r", Input: input, Output: output, Error: why, Type: history.Fail, Start: 1, End: 2}
	}
	pair := history.ListValue([]int64{1, 2})
	create := history.RawValue([]byte("[null, 2]"))
	for name, c := range map[string]struct {
		operation history.Operation
		observes  int // operations that observe a value
		mismatch  int
	}{
		"another failure":               {failed(pair, history.IntValue(7), "unavailable"), 0, 0},
		"no value":                      {failed(pair, history.Value{}, MismatchError), 0, 1},
		"the argument for a value":      {failed(pair, pair, MismatchError), 0, 1},
		"a value":                       {failed(pair, history.IntValue(7), MismatchError), 1, 0},
		"nothing":                       {failed(pair, history.NilValue(), MismatchError), 1, 0},
		"the expected value":            {failed(pair, history.IntValue(1), MismatchError), 0, 1},
		"a value instead of nothing":    {failed(create, history.IntValue(7), MismatchError), 1, 0},
		"nothing, which it expected":    {failed(create, history.NilValue(), MismatchError), 0, 1},
		"it would have changed nothing": {failed(history.ListValue([]int64{3, 3}), history.Value{}, MismatchError), 0, 1},
	} {
		r := registerOf(t, []history.Operation{c.operation})
		assert.Equal(t, c.mismatch, r.mismatches, name)
		assert.Equal(t, c.observes, r.observations()-r.mismatches, name)
		assert.Zero(t, r.writes, name)
	}
}

// TestOneDeleteIsAWriteOfNotFound: what is known of not-found, which may have come back.
func TestOneDeleteIsAWriteOfNotFound(t *testing.T) {
	write := history.Operation{F: history.FWrite, Key: "r", Input: history.IntValue(1), Type: history.Ok, Start: 1, End: 2}
	erase := history.Operation{F: history.FDelete, Key: "r", Type: history.Ok, Start: 3, End: 4, Index: 1}
	r := registerOf(t, []history.Operation{write})
	at, _ := r.knownBy(initial)
	assert.Equal(t, never, at)
	assert.True(t, r.plain())
	r = registerOf(t, []history.Operation{write, erase})
	at, _ = r.knownBy(initial)
	assert.EqualValues(t, 4, at, "by the end of the last delete")
	assert.False(t, r.plain())
	assert.False(t, r.unambiguous())
	unsure := erase
	unsure.Type, unsure.End = history.Info, history.Infinity
	r = registerOf(t, []history.Operation{write, unsure})
	at, _ = r.knownBy(initial)
	assert.Equal(t, history.Infinity, at, "it may still come back")
	erase.Type = history.Fail
	r = registerOf(t, []history.Operation{write, erase})
	assert.True(t, r.plain(), "a failed delete never was")
}

// TestVanishedBesideDeletes: a value that nobody deleted any more is gone at the end.
func TestVanishedBesideDeletes(t *testing.T) {
	operations := finalsRun([]history.Operation{
		{F: history.FDelete, Key: "a", Process: 3, Type: history.Ok, Start: 0, End: 1},
		okWrite(1, 2, 3),
	}, 0)
	report, err := Check(context.Background(), operations, Options{Claims: []string{NoLostWrites}})
	require.NoError(t, err)
	assert.Equal(t, Refuted, report.Claims[0].Verdict, report.Claims[0].Explanation)
	assert.Equal(t, map[string]int{classVanished: 1}, report.Claims[0].Classes)
	for _, late := range []history.Operation{
		{F: history.FDelete, Key: "a", Process: 3, Type: history.Ok, Start: 3, End: 4},
		{F: history.FDelete, Key: "a", Process: 3, Type: history.Info, Start: 0, End: history.Infinity},
	} {
		operations := []history.Operation{okWrite(1, 2, 3), late}
		if late.Start == 0 {
			operations = []history.Operation{late, okWrite(1, 2, 3)}
		}
		report, err := Check(context.Background(), finalsRun(operations, 0), Options{Claims: []string{NoLostWrites}})
		require.NoError(t, err)
		assert.NotEqual(t, Refuted, report.Claims[0].Verdict, "the delete may be what emptied it")
	}
}

// TestWitnessesOfLongHistoriesWithDeletes: deletes that were denied leave reads
// of not-found without an explanation; few operations show one of them.
func TestWitnessesOfLongHistoriesWithDeletes(t *testing.T) {
	for name, l := range map[string]load{
		"deletes":         {operations: 20_000, clients: 10, reads: 0.5, deletes: 0.1},
		"also cas":        {operations: 20_000, clients: 10, reads: 0.5, cas: 0.2, deletes: 0.05, conditional: 0.1, failing: 0.3},
		"unknown deletes": {operations: 20_000, clients: 10, reads: 0.5, deletes: 0.1, unknown: 0.002},
	} {
		operations := l.run(rand.New(rand.NewPCG(1, 2)))
		denied := 0
		for i := len(operations) / 2; denied < 100; i++ {
			if o := &operations[i]; o.F == history.FDelete && o.Type == history.Ok {
				o.Type = history.Fail
				denied++
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}})
		cancel()
		require.NoError(t, err)
		c := report.Claims[0]
		require.Equal(t, Refuted, c.Verdict, "%s: %s", name, c.Explanation)
		require.Len(t, c.Witnesses, 1)
		assert.True(t, c.Witnesses[0].Confirmed, name)
		t.Log(name, c.Witnesses[0].Class, len(c.Witnesses[0].Operations), c.Seconds)
		assert.LessOrEqual(t, len(c.Witnesses[0].Operations), 12, name)
	}
}
