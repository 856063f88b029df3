package checker

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const second int64 = 1_000_000_000

// runWith is a run of ten seconds with a fault from 3 s to 6 s and the
// given client operations beside healthy ones before and after the fault.
func runWith(fault history.Fault, clients ...history.Operation) []history.Operation {
	var all []simulated
	nemesis := func(f, key string, start, end int64, value history.Value) {
		all = append(all, simulated{Operation: history.Operation{F: f, Key: key, Process: history.Nemesis, Start: start, End: end, Input: value, Output: value, Type: history.Ok}})
	}
	raw, err := json.Marshal(fault)
	if err != nil {
		panic(err)
	}
	nemesis(history.FPhase, history.PhaseMain, 0, 10*second, history.Value{})
	nemesis(history.FInject, fault.ID, 3*second, 3*second+1000, history.RawValue(raw))
	nemesis(history.FHeal, fault.ID, 6*second-1000, 6*second, history.RawValue(raw))
	nemesis(history.FPhase, history.PhaseHeal, 10*second, 11*second, history.Value{})
	for i := range int64(20) {
		start := i * second / 10
		if i >= 10 {
			start += 7 * second
		}
		all = append(all,
			simulated{Operation: history.Operation{F: history.FWrite, Key: "a", Input: history.IntValue(i), Process: i2p(2 * (i % 2)), Start: start, End: start + 1000 + i*1_000_000, Type: history.Ok}},
			simulated{Operation: history.Operation{F: history.FRead, Key: "a", Output: history.IntValue(i), Process: i2p(2*(i%2) + 1), Start: start + second/20, End: start + second/20 + 1000, Type: history.Ok}})
	}
	for _, o := range clients {
		all = append(all, simulated{Operation: o})
	}
	return order(all)
}

func i2p(n int64) history.Process { return history.Process(n) }

func failed(process int64, start, end int64) history.Operation {
	return history.Operation{F: history.FRead, Key: "a", Process: i2p(process), Start: start, End: end, Type: history.Fail, Error: "connection refused"}
}

func TestTrafficUnderFaults(t *testing.T) {
	fault := history.Fault{ID: "f1", Kind: "kill", Description: "n1 … n5", Verified: true}
	report := func(operations []history.Operation) Report {
		r, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}})
		require.NoError(t, err)
		return r
	}
	t.Run("nobody met it", func(t *testing.T) {
		r := report(runWith(fault))
		require.Len(t, r.Validity, 1)
		assert.Equal(t, "fault f1 (kill: n1 … n5) lasted 3.0 s and only 0 operations met it", r.Validity[0])
		assert.Equal(t, Invalid, r.Verdict)
	})
	t.Run("a total outage is traffic", func(t *testing.T) {
		r := report(runWith(fault, failed(0, 4*second, 4*second+5), failed(1, 4*second, 4*second+5)))
		assert.Empty(t, r.Validity)
		assert.Equal(t, Holds, r.Verdict)
	})
	t.Run("an operation that waits all the time is traffic", func(t *testing.T) {
		r := report(runWith(fault, failed(0, 2*second+second/2, 7*second-1), failed(2, 2*second+second/2, 7*second-1)))
		assert.Empty(t, r.Validity)
	})
	t.Run("what ended before it is not", func(t *testing.T) {
		r := report(runWith(fault, failed(0, 2*second+second/2, 3*second-1), failed(2, 6*second+1, 7*second-1)))
		assert.Len(t, r.Validity, 1)
	})
	t.Run("a short fault is not judged", func(t *testing.T) {
		r, err := Check(context.Background(), runWith(fault), Options{Claims: []string{Linearizable}, MinimumFault: 4 * second})
		require.NoError(t, err)
		assert.Empty(t, r.Validity)
	})
	t.Run("a plan of single operations says itself what meets what", func(t *testing.T) {
		operations := []history.Operation{
			{F: history.FPhase, Key: history.PhaseMain, Process: history.Nemesis, Start: 0, End: 10 * second, Type: history.Ok},
			{F: history.FWrite, Key: "a", Input: history.IntValue(1), Process: 0, Start: 2 * second, End: history.Infinity, Type: history.Info},
			{F: history.FPhase, Key: history.PhaseHeal, Process: history.Nemesis, Start: 10 * second, End: 11 * second, Type: history.Ok},
			{F: history.FRead, Key: "a", Output: history.IntValue(1), Process: 1, Start: 12 * second, End: 13 * second, Type: history.Ok},
		}
		for i := range operations {
			operations[i].Index, operations[i].Completion = int64(2*i), int64(2*i+1)
		}
		check := func(planned bool) []string {
			r, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}, Planned: planned})
			require.NoError(t, err)
			return r.Validity
		}
		assert.Len(t, check(false), 2, "a generated run with one write, which failed, is idle")
		assert.Empty(t, check(true), "a planned one is as it was meant")
		operations[3].Type, operations[3].Output = history.Fail, history.Value{}
		assert.Equal(t, []string{"no operation succeeded, not even a final read"}, check(true))
		r, err := Check(context.Background(), runWith(fault), Options{Claims: []string{Linearizable}, Planned: true})
		require.NoError(t, err)
		assert.Empty(t, r.Validity, "no traffic under the fault was asked for")
	})
	t.Run("interval", func(t *testing.T) {
		r := report(runWith(fault))
		require.Len(t, r.Faults, 1)
		assert.Equal(t, 3*second, r.Faults[0].Start)
		assert.Equal(t, 6*second, r.Faults[0].End)
		assert.True(t, r.Faults[0].Verified)
		assert.Equal(t, "kill", r.Faults[0].Kind)
	})
}

func TestStats(t *testing.T) {
	s := mustCheck(t, runWith(history.Fault{ID: "f1", Verified: true}, failed(0, 4*second, 5*second),
		history.Operation{F: history.FWrite, Key: "b", Input: history.IntValue(1), Process: 1, Start: 4 * second, End: history.Infinity, Type: history.Info})).Stats
	assert.Equal(t, 42, s.Operations)
	assert.Equal(t, 42, s.Main)
	assert.Equal(t, 40, s.Ok)
	assert.Equal(t, 1, s.Fail)
	assert.Equal(t, 1, s.Info)
	assert.Equal(t, map[string]int{"read": 21, "write": 21}, s.ByF)
	assert.Equal(t, map[string]int{"read": 20, "write": 20}, s.OkByF)
	assert.Equal(t, 2, s.Keys)
	assert.InDelta(t, 10, s.Seconds, 1e-9)
	assert.InDelta(t, 0.001, s.LatencyMillis["p50"], 1e-9) // the twentieth of 40
	assert.InDelta(t, 19.001, s.LatencyMillis["max"], 1e-9)
	assert.InDelta(t, 17.001, s.LatencyMillis["p95"], 1e-9) // the thirty-eighth
}

func mustCheck(t *testing.T, operations []history.Operation) Report {
	t.Helper()
	r, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}})
	require.NoError(t, err)
	return r
}
