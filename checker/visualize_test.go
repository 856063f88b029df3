package checker

import (
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVisualizeWitness(t *testing.T) {
	for _, name := range []string{"stale-read", "failed-write-read", "lost-element", "shrinking-set", "cas-fork"} {
		t.Run(name, func(t *testing.T) {
			operations := golden(t, name)
			report := goldenReport(t, name, Options{})
			for _, c := range report.Claims {
				for _, w := range c.Witnesses {
					html, err := VisualizeWitness(pick(operations, w.Operations), report.Faults...)
					require.NoError(t, err)
					assert.Contains(t, string(html), "<html")
					assert.Contains(t, string(html), "process ")
					assert.Less(t, len(html), 200_000)
					if len(report.Faults) > 0 {
						assert.Contains(t, string(html), "fault f1")
					}
				}
			}
		})
	}
}

func pick(operations []history.Operation, indexes []int64) []history.Operation {
	var out []history.Operation
	for _, index := range indexes {
		for i := range operations {
			if operations[i].Index == index {
				out = append(out, operations[i])
			}
		}
	}
	return out
}

func TestVisualizeRefusesWhatItCannotDraw(t *testing.T) {
	_, err := VisualizeWitness(nil)
	require.Error(t, err)
	_, err = VisualizeWitness([]history.Operation{{Key: "a", F: history.FRead}, {Key: "b", F: history.FRead}})
	require.ErrorContains(t, err, "one key")
	_, err = VisualizeWitness(make([]history.Operation, maximumDrawn+1))
	require.Error(t, err)
	versions, err := history.Versions{Values: []int64{1}, Dots: []history.Dot{{Node: "n1", Counter: 1}}}.Value()
	require.NoError(t, err)
	write := history.Operation{Key: "a", F: history.FWrite, Input: history.IntValue(1), Type: history.Ok}
	_, err = VisualizeWitness([]history.Operation{write, {Key: "a", F: history.FRead, Output: versions, Type: history.Ok}})
	require.ErrorContains(t, err, "several values")
	_, err = VisualizeWitness([]history.Operation{write, {Key: "a", F: history.FRead, Output: history.ListValue([]int64{1, 2}), Type: history.Ok}})
	require.Error(t, err)
}
