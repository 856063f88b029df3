package checker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rowTrial is a register of rows of three cells, few different ones.
func rowTrial() trial {
	row := func(r *rand.Rand) history.Value {
		return history.ListValue([]int64{r.Int64N(3), r.Int64N(3), r.Int64N(3)})
	}
	return trial{
		operations: 10, processes: 3, state: history.NilValue(),
		next: func(r *rand.Rand, n int64) history.Operation {
			if r.IntN(2) == 0 && n > 1 {
				return history.Operation{F: history.FRead, Key: "row"}
			}
			return history.Operation{F: history.FWrite, Key: "row", Input: row(r)}
		},
		apply: func(state any, o *history.Operation) any {
			if o.F == history.FWrite {
				return o.Input
			}
			if o.Type == history.Ok {
				o.Output = state.(history.Value)
			}
			return state
		},
	}
}

// naiveRow is the class of what the read returned, or empty.
func naiveRow(all []history.Operation, row []int64) string {
	columns := make([]bool, len(row))
	failedOnly, attempted := true, false
	for i := range all {
		if all[i].F != history.FWrite {
			continue
		}
		if slices.Equal(all[i].Input.List(), row) {
			attempted = true
			failedOnly = failedOnly && all[i].Type == history.Fail
		}
		for c := range row {
			columns[c] = columns[c] || all[i].Input.List()[c] == row[c]
		}
	}
	switch {
	case attempted && failedOnly:
		return classFailed
	case attempted:
		return ""
	case slices.Contains(columns, false):
		return classPhantom
	}
	return classMixedRow
}

func TestRowsAgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 12))
	refuted := map[string]int{}
	for i := range 6_000 {
		operations := rowTrial().run(r)
		if i%4 > 0 {
			for range 1 + r.IntN(2) {
				if o := &operations[r.IntN(len(operations))]; o.F == history.FRead && o.Type == history.Ok {
					o.Output = history.ListValue([]int64{r.Int64N(4), r.Int64N(3), r.Int64N(3)})
				}
			}
		}
		want := map[string]map[string]int{classFailed: {}, classPhantom: {}, classMixedRow: {}}
		for k := range operations {
			if o := &operations[k]; o.F == history.FRead && o.Output.Kind() == history.List {
				if class := naiveRow(operations, o.Output.List()); class != "" {
					want[class][class]++
				}
			}
		}
		for claim, class := range map[string]string{NoDirtyReads: classFailed, NoPhantomValues: classPhantom, RowAtomicity: classMixedRow} {
			if requireClasses(t, operations, claim, want[class], class) {
				refuted[claim]++
				require.NotZero(t, i%4, "a correct store of rows was accused of %s:\n%s", claim, describeHistory(operations))
			}
		}
	}
	t.Log(refuted)
	for _, claim := range []string{NoDirtyReads, NoPhantomValues, RowAtomicity} {
		assert.Greater(t, refuted[claim], 30, claim)
	}
}
