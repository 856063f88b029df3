package checker

import (
	"context"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// finalsRun is a run with the given writes of the register "a", and one final
// read of it for each of the values (0: not found).
func finalsRun(writes []history.Operation, finals ...int64) []history.Operation {
	var all []simulated
	for i, w := range writes {
		w.Key, w.Process = "a", history.Process(i)
		if w.F == "" {
			w.F = history.FWrite
		}
		all = append(all, simulated{Operation: w})
	}
	phase := func(name string, start, end int64) {
		all = append(all, simulated{Operation: history.Operation{F: history.FPhase, Key: name, Process: history.Nemesis, Start: start, End: end, Type: history.Ok}})
	}
	phase(history.PhaseMain, 0, 900)
	phase(history.PhaseHeal, 901, 902)
	phase(history.PhaseFinals, 1000, 2000)
	for i, value := range finals {
		o := history.Operation{F: history.FRead, Key: "a", Process: 100, Start: 1001 + 10*int64(i), End: 1005 + 10*int64(i), Type: history.Ok, Output: history.IntValue(value)}
		if value == 0 {
			o.Output = history.NilValue()
		}
		all = append(all, simulated{Operation: o})
	}
	return order(all)
}

func okWrite(value, start, end int64) history.Operation {
	return history.Operation{Input: history.IntValue(value), Start: start, End: end, Type: history.Ok}
}

func unknownWrite(value, start int64) history.Operation {
	return history.Operation{Input: history.IntValue(value), Start: start, End: history.Infinity, Type: history.Info}
}

func TestLostWrites(t *testing.T) {
	for name, c := range map[string]struct {
		writes  []history.Operation
		finals  []int64
		verdict Verdict
		classes map[string]int
	}{
		"only the last acknowledged write can be lost": {
			[]history.Operation{okWrite(1, 1, 2), okWrite(2, 10, 20), okWrite(3, 30, 40), okWrite(4, 50, 60)},
			[]int64{1}, Refuted, map[string]int{"lost-sequential": 1},
		},
		"an overwritten value that was perhaps written again": {
			[]history.Operation{okWrite(1, 1, 2), okWrite(5, 10, 20), unknownWrite(5, 25), okWrite(3, 30, 40)},
			[]int64{1}, Refuted, map[string]int{"lost-sequential": 1},
		},
		"both of two concurrent last writes": {
			[]history.Operation{okWrite(1, 1, 2), okWrite(2, 10, 20), okWrite(3, 15, 25)},
			[]int64{1}, Refuted, map[string]int{"lost-sequential": 2},
		},
		"one final read still has it": {
			[]history.Operation{okWrite(1, 1, 2), okWrite(2, 10, 20)},
			[]int64{1, 2, 1}, Holds, nil,
		},
		"gave way to a concurrent write": {
			[]history.Operation{okWrite(1, 1, 12), okWrite(2, 10, 20)},
			[]int64{1}, Holds, map[string]int{"discarded-concurrent": 1},
		},
		"gave way to an unknown write, which may be later": {
			[]history.Operation{unknownWrite(1, 1), okWrite(2, 10, 20)},
			[]int64{1}, Holds, map[string]int{"discarded-concurrent": 1},
		},
		"found nothing": {
			[]history.Operation{okWrite(1, 1, 2)},
			[]int64{0, 0}, Refuted, map[string]int{"vanished": 1},
		},
		"found nothing or an older value": {
			[]history.Operation{okWrite(1, 1, 2), okWrite(2, 10, 20)},
			[]int64{0, 1}, Refuted, map[string]int{"lost-sequential": 1},
		},
		"nothing was acknowledged": {
			[]history.Operation{unknownWrite(1, 1)},
			[]int64{0}, Unknown, nil,
		},
		"no final read": {
			[]history.Operation{okWrite(1, 1, 2)}, nil, Unknown, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := Check(context.Background(), finalsRun(c.writes, c.finals...), Options{Claims: []string{NoLostWrites}})
			require.NoError(t, err)
			result := report.Claims[0]
			assert.Equal(t, c.verdict, result.Verdict, result.Explanation)
			assert.Equal(t, c.classes, result.Classes)
			assert.NotEmpty(t, result.Explanation)
		})
	}
}
