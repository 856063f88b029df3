package workloads

import (
	"context"
	"encoding/json"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// Row writes rows of two columns, x and −x, together and reads them. A read
// whose columns do not add up to nothing shows a row that nobody wrote: a store
// that orders columns by timestamps, each for itself, mixes rows of one timestamp.
//
// With as=blob the row is one value, a JSON list, under the same key: the remedy.
type Row struct{}

// Name returns "row".
func (Row) Name() string { return "row" }

// Describe says what the workload does.
func (Row) Describe() string {
	return "writes of rows of two columns, x and −x, and reads of both: rows that are a mix of two"
}

// Settings lists how rows are kept beside the settings of the register workload.
func (Row) Settings() []target.Setting {
	return []target.Setting{
		{Name: "keys", Default: "3", Values: "1…", Help: "rows in use at a time"},
		{Name: "operations-per-key", Default: "200", Values: "10…", Help: "operations on a row, all clients together, before it is retired"},
		{Name: "writes", Default: "40", Values: "1…99", Help: "writes among the operations, in percent"},
		{Name: "as", Default: "columns", Values: "columns | blob", Help: "how a row is kept: as columns of a row of the store, or as one value"},
	}
}

// Needs says which data type of the store the setting as is about.
func (Row) Needs(settings map[string]string) map[string]string {
	if settings["as"] == "columns" {
		return map[string]string{"data-type": "row"}
	}
	return nil
}

// Claims are the claims that histories of rows can decide.
func (Row) Claims() []string {
	return []string{
		"linearizable", "no-lost-writes", "no-stale-reads", "read-your-writes", "monotonic-reads", "row-atomicity", "convergence", "no-phantom-values",
	}
}

// Occasional is no-dirty-reads: without faults no write fails.
func (Row) Occasional() []string { return []string{"no-dirty-reads"} }

// DefaultRate is 500 operations a second.
func (Row) DefaultRate() float64 { return 500 }

// Main returns the operations of the main phase. A write has its x alone until Prepare.
func (Row) Main(c Config) (generator.Generator, error) {
	if _, err := c.choice("as", "columns", "blob"); err != nil {
		return nil, err
	}
	return c.readsAndWrites("row", "w", generator.Nodes(c.Nodes, c.Seed))
}

// Prepare makes the row of a write: [x, −x].
func (Row) Prepare(_ Config, _ *Memory, op generator.Operation) generator.Operation {
	if x, ok := op.Value.Int(); ok && op.F == history.FWrite {
		op.Value = history.ListValue([]int64{x, -x})
	}
	return op
}

// Finals returns reads of every row on every node.
func (Row) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// The names of the columns.
const (
	firstColumn  = "x"
	secondColumn = "y"
)

// Perform reads or writes the row.
func (Row) Perform(ctx context.Context, c Config, _ *Memory, client target.Client, op generator.Operation) Outcome {
	if op.F != history.FRead && (op.F != history.FWrite || len(op.Value.List()) != 2) {
		return unknownOperation(op)
	}
	if c.Settings["as"] == "blob" {
		return performBlob(ctx, client, op)
	}
	rows, ok := client.(target.Row)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target has no rows: set as=blob, or choose another workload"}
	}
	if op.F == history.FWrite {
		row := op.Value.List()
		evidence, err := rows.WriteRow(ctx, op.Key, map[string]int64{firstColumn: row[0], secondColumn: row[1]})
		if err != nil {
			return failed(err, false)
		}
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: evidence}
	}
	columns, evidence, err := rows.ReadRow(ctx, op.Key)
	if err != nil {
		return failed(err, true)
	}
	out := Outcome{Type: history.Ok, Value: history.NilValue(), Evidence: evidence}
	x, hasX := columns[firstColumn]
	y, hasY := columns[secondColumn]
	switch {
	case hasX && hasY:
		out.Value = history.ListValue([]int64{x, y})
	case hasX || hasY: // half a row, which nobody wrote either
		text, _ := json.Marshal(columns)
		out.Value = history.RawValue(text)
	}
	return out
}

// performBlob keeps the row as one value.
func performBlob(ctx context.Context, client target.Client, op generator.Operation) Outcome {
	values, ok := client.(target.Versioned)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target has no values but integers: set as=columns"}
	}
	if op.F == history.FWrite {
		text, err := json.Marshal(op.Value.List())
		if err != nil {
			return Outcome{Type: history.Fail, Error: err.Error()}
		}
		written, err := values.WriteVersion(ctx, op.Key, text, nil)
		if err != nil {
			return failed(err, false)
		}
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: written.Evidence}
	}
	read, err := values.ReadVersions(ctx, op.Key)
	if err != nil {
		return failed(err, true)
	}
	out := Outcome{Type: history.Ok, Value: history.NilValue(), Evidence: read.Evidence}
	if len(read.Values) > 1 {
		return Outcome{Type: history.Fail, Error: "several rows stand side by side: set resolver=lww", Evidence: read.Evidence}
	}
	if len(read.Values) == 1 {
		var row []int64
		if err := json.Unmarshal(read.Values[0], &row); err != nil {
			return Outcome{Type: history.Fail, Error: "something else wrote the row: " + err.Error(), Evidence: read.Evidence}
		}
		out.Value = history.ListValue(row)
	}
	return out
}
