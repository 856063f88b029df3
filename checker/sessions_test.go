package checker

import (
	"context"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSessionEndsWithTheFirstIndeterminateOperation: what a process reads after
// it may be a new connection's view, and is judged by no-stale-reads only.
func TestSessionEndsWithTheFirstIndeterminateOperation(t *testing.T) {
	run := func(middle history.Type) map[string]Verdict {
		at := int64(0)
		step := func(process history.Process, f string, value int64, kind history.Type) simulated {
			at += 10
			o := history.Operation{F: f, Key: "a", Process: process, Start: at, End: at + 5, Type: kind}
			if f == history.FWrite {
				o.Input = history.IntValue(value)
			} else if kind == history.Ok {
				o.Output = history.IntValue(value)
			}
			if kind == history.Info {
				o.End = history.Infinity
			}
			return simulated{Operation: o}
		}
		operations := order([]simulated{
			step(2, history.FWrite, 1, history.Ok),
			step(1, history.FWrite, 2, history.Ok),
			step(1, history.FRead, 2, history.Ok),
			step(1, history.FRead, 0, middle),
			step(1, history.FRead, 1, history.Ok),
		})
		report, err := Check(context.Background(), operations, Options{Claims: []string{NoStaleReads, ReadYourWrites, MonotonicReads}})
		require.NoError(t, err)
		verdicts := map[string]Verdict{}
		for _, c := range report.Claims {
			verdicts[c.Claim] = c.Verdict
		}
		return verdicts
	}
	assert.Equal(t, map[string]Verdict{NoStaleReads: Refuted, ReadYourWrites: Refuted, MonotonicReads: Refuted}, run(history.Fail))
	assert.Equal(t, map[string]Verdict{NoStaleReads: Refuted, ReadYourWrites: Holds, MonotonicReads: Unknown}, run(history.Info))
}
