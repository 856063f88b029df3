package workloads

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// CAS reads, writes and compares-and-sets registers. A compare-and-set expects
// what its client knew last of the key, or nothing if it knew nothing, and sets
// a unique value; so each key grows a chain of values, in which a store that
// decides twice from the same link is caught.
//
// Writes are off by default, and plain: no store orders them with its
// compare-and-sets (Cassandra's lightweight transactions have timestamps of
// their own), and a clock that is ahead lets one of them hide a chain. With
// write-as=compare-and-set clients never write plainly: they read the key, and
// set the value on condition that what they have read is still there, as often
// as it takes. That costs a consensus for each write.
type CAS struct{}

// Name returns "cas".
func (CAS) Name() string { return "cas" }

// Describe says what the workload does.
func (CAS) Describe() string {
	return "compare-and-sets of unique values, which expect what their client knew last, and reads: linearizability, lost updates"
}

// Settings lists the number of keys, their length of life and the shares of the operations.
func (CAS) Settings() []target.Setting {
	return []target.Setting{
		{Name: "keys", Default: "5", Values: "1…", Help: "keys in use at a time"},
		{Name: "operations-per-key", Default: "100", Values: "10…", Help: "operations on a key, all clients together, before it is retired"},
		{Name: "swaps", Default: "50", Values: "1…100", Help: "compare-and-sets among the operations, in percent"},
		{Name: "writes", Default: "0", Values: "0…99", Help: "plain writes among the operations, in percent; with swaps at most 100"},
		{Name: "write-as", Default: "plain", Values: "plain | compare-and-set", Help: "how a client writes: past the compare-and-sets, or by one of what it finds there"},
	}
}

// Needs are compare-and-sets, and reads that see what they have decided.
func (CAS) Needs(map[string]string) map[string]string {
	return map[string]string{"cas": "paxos-v2", "read-level": "serial"}
}

// Claims are the claims that histories of compare-and-sets can decide.
func (CAS) Claims() []string {
	return []string{"linearizable", "no-lost-updates", "no-lost-writes", "no-stale-reads", "monotonic-reads", "convergence", "no-phantom-values"}
}

// Occasional are those that need a client to have succeeded with a
// compare-and-set, or to have failed with one, before it reads.
func (CAS) Occasional() []string {
	return []string{"read-your-writes", "causal", "pram", "consistent-prefix", "writes-follow-reads", "monotonic-writes", "no-dirty-reads"}
}

// DefaultRate is 300 operations a second: a compare-and-set takes several rounds.
func (CAS) DefaultRate() float64 { return 300 }

// Main returns the operations of the main phase. A compare-and-set has its new
// value alone until Prepare.
func (CAS) Main(c Config) (generator.Generator, error) {
	keys, err := c.crowd("cas", "c")
	if err != nil {
		return nil, err
	}
	swaps, err := c.percent("swaps", 1, 100)
	if err != nil {
		return nil, err
	}
	writes, err := c.percent("writes", 0, 99)
	if err != nil {
		return nil, err
	}
	if swaps+writes > 100 {
		return nil, fmt.Errorf("workload settings swaps=%d and writes=%d: together they are more than 100 percent", swaps, writes)
	}
	if _, err := c.choice("write-as", "plain", "compare-and-set"); err != nil {
		return nil, err
	}
	node := generator.Nodes(c.Nodes, c.Seed)
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		op := generator.Operation{F: history.FRead, Key: keys.key(worker, index), Node: node(worker, index)}
		switch draw := plan.Draw(c.Seed, "cas/what", uint64(worker), uint64(index)) % 100; {
		case draw < swaps:
			op.F, op.Value = history.FCAS, history.IntValue(c.unique(worker, index))
		case draw < swaps+writes:
			op.F, op.Value = history.FWrite, history.IntValue(c.unique(worker, index))
		}
		return op, true
	}), nil
}

// Prepare puts what the client expects before the new value of a compare-and-set: [expected, new].
func (CAS) Prepare(_ Config, m *Memory, op generator.Operation) generator.Operation {
	value, ok := op.Value.Int()
	if op.F != history.FCAS || !ok {
		return op
	}
	if expected, known := m.Known(op.Key).Value.Int(); known {
		op.Value = history.ListValue([]int64{expected, value})
	} else {
		op.Value = history.RawValue(json.RawMessage(fmt.Sprintf("[null,%d]", value)))
	}
	return op
}

// Finals returns reads of every key on every node.
func (CAS) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// mismatch is the error of a compare-and-set that did not find what it expected;
// checkers know it by this word.
const mismatch = "mismatch"

// Perform reads, writes or compares-and-sets. One that did not find what it
// expected has failed; what it found instead, if the target tells, is its value.
func (CAS) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	if op.F == history.FWrite && c.Settings["write-as"] == "compare-and-set" {
		return writeBySwap(ctx, m, client, op)
	}
	if op.F != history.FCAS {
		out := c.performRegister(ctx, m, client, op)
		if out.Type == history.Ok {
			m.Note(op.Key, Known{Value: out.Value})
		}
		return out
	}
	setter, ok := client.(target.CompareAndSetter)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target has no compare-and-set: choose another workload"}
	}
	var expected *int64
	var value int64
	if list := op.Value.List(); len(list) == 2 {
		expected, value = &list[0], list[1]
	} else if _, err := fmt.Sscanf(string(op.Value.Raw()), "[null,%d]", &value); err != nil {
		return Outcome{Type: history.Fail, Error: "a compare-and-set without its two values"}
	}
	swap, err := setter.CompareAndSet(ctx, op.Key, expected, value)
	switch {
	case err != nil:
		return failed(err, false)
	case swap.Swapped:
		m.Note(op.Key, Known{Value: history.IntValue(value)})
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: swap.Evidence}
	}
	actual := valueRead(swap.Actual)
	m.Note(op.Key, Known{Value: actual})
	return Outcome{Type: history.Fail, Value: actual, Error: mismatch, Evidence: swap.Evidence}
}

// mostSwaps is how often a write by compare-and-set is tried before it is given up.
const mostSwaps = 20

// writeBySwap writes a value by a compare-and-set that expects what is there,
// again and again until nobody came in between. An attempt that was not answered
// may have written: the write ends with it.
func writeBySwap(ctx context.Context, m *Memory, client target.Client, op generator.Operation) Outcome {
	setter, swaps := client.(target.CompareAndSetter)
	register, reads := client.(target.Register)
	if !swaps || !reads {
		return Outcome{Type: history.Fail, Error: "the target has no compare-and-set: set write-as=plain, or choose another workload"}
	}
	value, _ := op.Value.Int()
	for range mostSwaps {
		reading, err := register.Read(ctx, op.Key)
		if err != nil {
			return failed(err, true) // nothing was written yet
		}
		var expected *int64
		if reading.Found {
			expected = &reading.Value
		}
		swap, err := setter.CompareAndSet(ctx, op.Key, expected, value)
		if err != nil {
			return failed(err, false)
		}
		if swap.Swapped {
			m.Note(op.Key, Known{Value: op.Value})
			return Outcome{Type: history.Ok, Value: op.Value, Evidence: swap.Evidence}
		}
	}
	return Outcome{Type: history.Fail, Error: fmt.Sprintf("%d compare-and-sets in a row found that another client had come first", mostSwaps)}
}
