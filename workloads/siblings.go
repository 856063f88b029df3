package workloads

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// Siblings writes and reads registers of a store that keeps concurrent values
// side by side. A write takes the place of what its client has seen, which the
// context of its last read tells: one made just before (context=fresh), or
// however long ago (context=session). The read is an operation of its own, for
// a checker must know when a client learnt what it replaces. Some writes are
// blind, without a context: each adds a value beside the others, and nobody
// takes them away (DDIA p. 187). The history tells dots and contexts.
type Siblings struct{}

// Name returns "siblings".
func (Siblings) Name() string { return "siblings" }

// Describe says what the workload does.
func (Siblings) Describe() string {
	return "writes with the causal context of what was read, and some without, where the store keeps concurrent values: discarded writes, sibling explosion"
}

// Settings lists the number of keys and where contexts come from.
func (Siblings) Settings() []target.Setting {
	return []target.Setting{
		{Name: "keys", Default: "3", Values: "1…", Help: "keys in use at a time"},
		{Name: "operations-per-key", Default: "100", Values: "10…", Help: "operations on a key, all clients together, before it is retired"},
		{Name: "writes", Default: "30", Values: "1…99", Help: "writes among the operations, in percent"},
		{Name: "blind", Default: "0", Values: "0…100", Help: "writes without a context among the writes, in percent"},
		{Name: "context", Default: "session", Values: "fresh | session", Help: "the context of a write: of a read that its client makes just before it, or of the last one it happened to make of the key"},
	}
}

// Needs is a resolver that keeps siblings.
func (Siblings) Needs(map[string]string) map[string]string {
	return map[string]string{"resolver": "dotted"}
}

// Claims are the claims that histories with dots and contexts can decide.
func (Siblings) Claims() []string {
	return []string{"no-discarded-writes", "no-lost-writes", "bounded-siblings", "causal", "monotonic-reads", "convergence", "no-phantom-values"}
}

// Occasional are those that need sessions in which much succeeds, and no-dirty-reads.
func (Siblings) Occasional() []string {
	return []string{"read-your-writes", "pram", "consistent-prefix", "writes-follow-reads", "monotonic-writes", "no-dirty-reads"}
}

// DefaultRate is 300 operations a second.
func (Siblings) DefaultRate() float64 { return 300 }

// Main returns the operations of the main phase.
func (Siblings) Main(c Config) (generator.Generator, error) {
	if _, err := c.percent("blind", 0, 100); err != nil {
		return nil, err
	}
	if _, err := c.choice("context", "fresh", "session"); err != nil {
		return nil, err
	}
	g, err := c.readsAndWrites("siblings", "v", generator.Nodes(c.Nodes, c.Seed))
	if err != nil || c.Settings["context"] != "fresh" {
		return g, err
	}
	// Each operation twice: as a read, and as it is.
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		op, more := g.Operation(worker, index/2)
		if index%2 == 0 {
			op.F, op.Value = history.FRead, history.Value{}
		}
		return op, more
	}), nil
}

// Finals returns reads of every key on every node.
func (Siblings) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// Perform reads all values of the key, or writes one.
func (Siblings) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	versions, ok := client.(target.Versioned)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target keeps no versions: choose another workload"}
	}
	if op.F == history.FRead {
		read, err := versions.ReadVersions(ctx, op.Key)
		if err != nil {
			return failed(err, true)
		}
		m.Note(op.Key, Known{Context: read.Context})
		return told(read, true)
	}
	causal := m.Known(op.Key).Context
	blind, _ := strconv.ParseUint(c.Settings["blind"], 10, 64)
	if m.Draw(c.Seed, "siblings/blind")%100 < blind {
		causal = nil
	}
	value, _ := op.Value.Int()
	written, err := versions.WriteVersion(ctx, op.Key, strconv.AppendInt(nil, value, 10), causal)
	if err != nil {
		return failed(err, false)
	}
	// What others wrote at the same time is not in the writer's hands until it reads.
	return told(written, false)
}

// told is the outcome of a read or a write that tells versions. Of a store
// without dots, a read tells its values alone.
func told(v target.Versions, read bool) Outcome {
	out := Outcome{Type: history.Ok, Evidence: v.Evidence}
	tells := history.Versions{Context: v.Counters}
	for _, text := range v.Values {
		value, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return Outcome{Type: history.Fail, Error: fmt.Sprintf("something else wrote the value %q", text), Evidence: v.Evidence}
		}
		tells.Values = append(tells.Values, value)
	}
	dotless := len(v.Dots) < len(v.Values) || slices.Contains(v.Dots, history.Dot{})
	switch {
	case !read && v.Own == (history.Dot{}):
		return out
	case !read:
		tells.Values, tells.Dots = nil, []history.Dot{v.Own}
	case len(v.Values) == 0 && len(v.Counters) == 0:
		out.Value = history.NilValue()
		return out
	case dotless:
		out.Value = history.ListValue(tells.Values)
		return out
	default:
		tells.Dots = v.Dots
	}
	value, err := tells.Value()
	if err != nil {
		return Outcome{Type: history.Fail, Error: err.Error(), Evidence: v.Evidence}
	}
	out.Value = value
	return out
}
