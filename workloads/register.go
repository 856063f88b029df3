package workloads

import (
	"context"
	"fmt"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Register reads and writes unique values under a few keys, which are retired
// one by one and replaced by fresh ones.
type Register struct{}

// Name returns "register".
func (Register) Name() string { return "register" }

// Describe says what the workload does.
func (Register) Describe() string {
	return "reads and writes of unique values under a few keys at a time: linearizability, lost writes, session guarantees"
}

// Settings lists the number of keys, their length of life and the share of writes.
func (Register) Settings() []target.Setting {
	return []target.Setting{
		{Name: "keys", Default: "5", Values: "1…", Help: "keys in use at a time"},
		{Name: "operations-per-key", Default: "200", Values: "10…", Help: "operations on a key, all clients together, before it is retired; about that many, so that keys end one by one"},
		{Name: "writes", Default: "20", Values: "1…99", Help: "writes among the operations, in percent"},
		sessionSetting,
	}
}

// Claims are the claims that register histories can decide.
func (Register) Claims() []string {
	return []string{
		"linearizable", "no-lost-writes", "no-stale-reads", "read-your-writes", "monotonic-reads",
		"causal", "pram", "consistent-prefix", "writes-follow-reads", "monotonic-writes", "convergence", "no-phantom-values",
	}
}

// Occasional is no-dirty-reads: without faults no write fails, and then no read can be dirty.
func (Register) Occasional() []string { return []string{"no-dirty-reads"} }

// DefaultRate is 1,000 operations a second: well below what five nodes on two
// cores can serve, so that workers stay together and latencies tell of faults.
func (Register) DefaultRate() float64 { return 1000 }

// Main returns the operations of the main phase. Written values are
// 1 + worker + index × concurrency: unique, and they tell who wrote them.
func (Register) Main(c Config) (generator.Generator, error) {
	if _, err := c.session(); err != nil {
		return nil, err
	}
	return c.readsAndWrites("register", "r", c.clientNodes())
}

// readsAndWrites are those of a few keys at a time. The share of writes is a setting.
func (c Config) readsAndWrites(workload, prefix string, node func(worker, index int) string) (generator.Generator, error) {
	keys, err := c.crowd(workload, prefix)
	if err != nil {
		return nil, err
	}
	writes, err := c.number("writes", 1)
	if err != nil {
		return nil, err
	}
	if writes > 99 {
		return nil, fmt.Errorf("workload setting writes=%d: want 1…99, or a run has no reads to judge", writes)
	}
	draw := workload + "/write"
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		op := generator.Operation{F: history.FRead, Key: keys.key(worker, index), Node: node(worker, index)}
		if plan.Draw(c.Seed, draw, uint64(worker), uint64(index))%100 < uint64(writes) {
			op.F, op.Value = history.FWrite, history.IntValue(c.unique(worker, index))
		}
		return op, true
	}), nil
}

// Finals returns reads of every key by every worker, such that each key is read on each node.
func (Register) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// readAll are reads of every key by every worker, such that each key is read on each node.
func (c Config) readAll(keys []string) generator.Generator {
	sequences := make(generator.Sequences, c.Concurrency)
	for worker := range sequences {
		for k, key := range keys {
			sequences[worker] = append(sequences[worker], generator.Operation{
				F: history.FRead, Key: key, Node: c.Nodes[(worker+k)%len(c.Nodes)]})
		}
	}
	// Fewer workers than nodes: the missing nodes are read by going round again.
	for shift := c.Concurrency; shift < len(c.Nodes); shift++ {
		for k, key := range keys {
			worker := shift % c.Concurrency
			sequences[worker] = append(sequences[worker], generator.Operation{
				F: history.FRead, Key: key, Node: c.Nodes[(shift+k)%len(c.Nodes)]})
		}
	}
	return sequences
}

// valueRead is what a history says of a reading: a list where several values stand side by side.
func valueRead(r target.Reading) history.Value {
	switch {
	case !r.Found:
		return history.NilValue()
	case len(r.Beside) > 0:
		return history.ListValue(append([]int64{r.Value}, r.Beside...))
	}
	return history.IntValue(r.Value)
}

// Perform reads or writes the register.
func (Register) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	return c.performRegister(ctx, m, client, op)
}
