package workloads

import (
	"context"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Delete writes, deletes and writes registers again. What was deleted and found
// to be gone must not come back; what was written after the delete must not go
// with it. Both happen where a store forgets its deletes too early, or too late.
type Delete struct{}

// Name returns "delete".
func (Delete) Name() string { return "delete" }

// Describe says what the workload does.
func (Delete) Describe() string {
	return "writes, deletes and re-creations of registers under a few keys at a time: deleted values that come back, new ones that go with old deletes"
}

// Settings lists the number of keys, their length of life and the shares of the operations.
func (Delete) Settings() []target.Setting {
	return []target.Setting{
		{Name: "keys", Default: "5", Values: "1…", Help: "keys in use at a time"},
		{Name: "operations-per-key", Default: "200", Values: "10…", Help: "operations on a key, all clients together, before it is retired"},
		{Name: "writes", Default: "15", Values: "1…98", Help: "writes among the operations, in percent"},
		{Name: "deletes", Default: "10", Values: "1…98", Help: "deletes among the operations, in percent"},
		sessionSetting,
	}
}

// Claims are the claims that histories of deletes can decide.
func (Delete) Claims() []string {
	return []string{
		"linearizable", "no-lost-writes", "no-stale-reads", "read-your-writes", "monotonic-reads", "no-resurrected-deletes",
		"convergence", "no-phantom-values",
	}
}

// Occasional are the claims of causality, which say little where not-found may
// be of any delete, and no-dirty-reads: without faults no write fails.
func (Delete) Occasional() []string {
	return []string{"causal", "pram", "consistent-prefix", "writes-follow-reads", "monotonic-writes", "no-dirty-reads"}
}

// DefaultRate is 500 operations a second.
func (Delete) DefaultRate() float64 { return 500 }

// Main returns the operations of the main phase.
func (Delete) Main(c Config) (generator.Generator, error) {
	if _, err := c.session(); err != nil {
		return nil, err
	}
	keys, err := c.crowd("delete", "d")
	if err != nil {
		return nil, err
	}
	writes, err := c.percent("writes", 1, 98)
	if err != nil {
		return nil, err
	}
	deletes, err := c.percent("deletes", 1, 98-int(min(writes, 97)))
	if err != nil {
		return nil, err
	}
	node := c.clientNodes()
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		op := generator.Operation{F: history.FRead, Key: keys.key(worker, index), Node: node(worker, index)}
		switch draw := plan.Draw(c.Seed, "delete/what", uint64(worker), uint64(index)) % 100; {
		case draw < writes:
			op.F, op.Value = history.FWrite, history.IntValue(c.unique(worker, index))
		case draw < writes+deletes:
			op.F = history.FDelete
		}
		return op, true
	}), nil
}

// Finals returns reads of every key on every node.
func (Delete) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// Perform reads, writes or deletes the register.
func (Delete) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	if op.F != history.FDelete {
		return c.performRegister(ctx, m, client, op)
	}
	deleter, ok := client.(target.Deleter)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target cannot delete: choose another workload"}
	}
	evidence, err := deleter.Delete(ctx, op.Key)
	if err != nil {
		return failed(err, false)
	}
	return Outcome{Type: history.Ok, Evidence: evidence}
}
