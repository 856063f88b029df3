package checker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// classMixedRow: a row was read whose cells were written by different writes.
const classMixedRow = "mixed-row"

// rowCells are the rows that clients tried to write to one key, by their
// cells. What is written to such a key is a list of integers, its row.
type rowCells struct {
	operations []history.Operation
	// writes are the positions of all attempts, also of those that failed.
	writes []int32
	// columns has, for each column, the values that were written to it.
	columns []map[int64]bool
}

// load keeps its storage from one use to the next.
func (c *rowCells) load(t *timeline, key *keyOperations) {
	c.operations, c.writes = t.operations, c.writes[:0]
	for i := range c.columns {
		clear(c.columns[i])
	}
	if !key.rows {
		return
	}
	for _, p := range key.positions {
		o := &t.operations[p]
		if o.F != history.FWrite || o.Input.Kind() != history.List {
			continue
		}
		c.writes = append(c.writes, p)
		for column, cell := range o.Input.List() {
			if column == len(c.columns) {
				c.columns = append(c.columns, map[int64]bool{})
			}
			c.columns[column][cell] = true
		}
	}
}

// mixed says whether the row, which nobody tried to write as it is, has cells
// all of which were written in their columns.
func (c *rowCells) mixed(row []int64) bool {
	if len(row) == 0 || len(row) > len(c.columns) {
		return false
	}
	for column, cell := range row {
		if !c.columns[column][cell] {
			return false
		}
	}
	return true
}

// cover returns few writes that together have all cells of the row, the one
// with most of them first.
func (c *rowCells) cover(row []int64) (writes []int32) {
	open := make([]bool, len(row))
	for i := range open {
		open[i] = true
	}
	for left := len(row); left > 0; {
		best, most := none, 0
		for _, p := range c.writes {
			if n := len(matching(open, row, c.operations[p].Input.List())); n > most {
				best, most = p, n
			}
		}
		if best == none {
			break // not a mixed row
		}
		for _, column := range matching(open, row, c.operations[best].Input.List()) {
			open[column] = false
		}
		left -= most
		writes = append(writes, best)
	}
	return writes
}

// matching returns the open columns in which both rows have the same cell.
func matching(open []bool, row, other []int64) (columns []int) {
	for column := range min(len(row), len(other)) {
		if open[column] && row[column] == other[column] {
			columns = append(columns, column)
		}
	}
	return columns
}

// checkRowAtomicity decides row-atomicity. A row is written as one value and
// must be read as one; a store that keeps cells separately and orders them by
// timestamps may put together two rows of the same timestamp, cell by cell
// (CASSANDRA-13550, Scylla #7170). All that clients tried to write is known, so
// a row that nobody tried to write proves it alone. If one of its cells was
// never written in that column, it is a phantom (no-phantom-values) instead.
func checkRowAtomicity(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: RowAtomicity, Checker: "rows"}
	all := newTally()
	examined, keys := 0, 0
	var cells rowCells
	skipped := t.visit(ctx, RowAtomicity, o, visitor{register: func(r *register, key *keyOperations) {
		if !key.rows {
			return
		}
		cells.load(t, key)
		n := 0
		for i := range r.operations {
			x := &r.operations[i]
			row := t.operations[x.position].Output
			if x.kind != read || row.Kind() != history.List {
				continue
			}
			n++
			if r.origin(x.value) == fromNobody && cells.mixed(row.List()) {
				countMixed(t, r.key, x.position, &cells, all)
			}
		}
		if n > 0 {
			examined += n
			keys++
		}
	}})
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined, missing: "no key with rows was read (a row is a list of integers, written as one value)",
		refuted: fmt.Sprintf("%s, on %s, returned a row put together from several that were written", plural(all.found, "read"), plural(len(all.best), "key")),
		holds:   fmt.Sprintf("Each of %s, on %s, returned a row as it was written", plural(examined, "read"), plural(keys, "key")),
	})
	return result
}

func countMixed(t *timeline, key string, p int32, cells *rowCells, all *tally) {
	row := t.operations[p].Output.List()
	writes := cells.cover(row)
	if !all.count(classMixedRow, key, 1+len(writes)) {
		return
	}
	f := newFinding(classMixedRow, key)
	f.second = p
	f.gather(writes...)
	n := t.narrate(f)
	var parts []string
	for _, w := range writes {
		o := n.at(w)
		parts = append(parts, fmt.Sprintf("%s by process %d%s", showValue(o.Input), o.Process, n.through(w)))
	}
	slices.Sort(parts)
	f.told = fmt.Sprintf("%s, a row that nobody wrote: its cells are those of %s.", n.got(p), strings.Join(parts, " and "))
	all.best[key] = f
}
