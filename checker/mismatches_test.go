package checker

import (
	"context"
	"fmt"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// episodes writes histories of one register as one episode after the other.
type episodes struct {
	operations []simulated
	value, now int64
}

func (h *episodes) add(f string, input, output history.Value, start, end int64) {
	o := history.Operation{F: f, Key: "r0", Process: history.Process(len(h.operations)), Input: input, Output: output, Start: h.now + start, End: h.now + end, Type: history.Ok}
	if f == history.FCAS {
		o.Type, o.Error = history.Fail, MismatchError
	}
	h.operations = append(h.operations, simulated{Operation: o})
}

func (h *episodes) write(value, start, end int64) {
	h.add(history.FWrite, history.IntValue(value), history.Value{}, start, end)
}

func (h *episodes) read(value, start, end int64) {
	h.add(history.FRead, history.Value{}, history.IntValue(value), start, end)
}

func (h *episodes) mismatch(expected, start, end int64) {
	h.add(history.FCAS, history.ListValue([]int64{expected, -1}), history.Value{}, start, end)
}

// undecided are pairs of writes at the same time, of which the mismatch that
// follows says now that the one was the last, now the other. So none of the
// orders that are tried first explains them all, and it takes the search.
func (h *episodes) undecided() {
	for i := range int64(40) {
		h.write(h.value+1, 0, 10)
		h.write(h.value+2, 0, 10)
		h.mismatch(h.value+1+i*i%3%2, 20, 30)
		h.value += 2
		h.now += 100
	}
}

// TestPinnedAtTheEdge: a value is certainly there only strictly between the end
// of what shows that it had come and the beginning of what shows that it had not
// gone. What meets these at one instant may come before or after them.
func TestPinnedAtTheEdge(t *testing.T) {
	for _, c := range []struct {
		name       string
		start, end int64 // of the mismatch
		want       Verdict
	}{
		{"begins as the write ends", 5, 8, Holds},
		{"ends as the read begins", 6, 9, Holds},
		{"is strictly between", 6, 8, Refuted},
	} {
		var h episodes
		h.undecided()
		h.value += 2
		h.write(h.value-1, 1, 5)
		h.mismatch(h.value-1, c.start, c.end)
		h.read(h.value-1, 9, 12)
		h.write(h.value, 9, 12)
		operations := order(h.operations)
		report, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}})
		require.NoError(t, err)
		result := report.Claims[0]
		assert.Equal(t, c.want, result.Verdict, c.name)
		if c.want == Holds {
			assert.Contains(t, result.Checker, methodSearch, "an order that was tried first explains it, so that this tests nothing")
		} else {
			assert.Equal(t, map[string]int{classPinned: 1}, result.Classes, fmt.Sprint(result.Classes))
		}
	}
}
