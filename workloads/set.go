package workloads

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Set adds unique elements to sets and reads whole sets. An element is a
// register of its own that is written once ("SET/ELEMENT"), so that adds
// cannot overwrite each other: whatever is missing in the end was lost by the
// store, not by two clients' read-modify-write.
type Set struct{}

// Name returns "set".
func (Set) Name() string { return "set" }

// Describe says what the workload does.
func (Set) Describe() string {
	return "adds of unique elements, each under a key of its own, and reads of whole sets: lost writes in the manner of Jepsen's set-full"
}

// Settings lists the size of a set and the share of reads.
func (Set) Settings() []target.Setting {
	return []target.Setting{
		{Name: "elements", Default: "100", Values: "10…", Help: "elements of a set before a new set is begun"},
		{Name: "reads", Default: "4", Values: "0…50", Help: "reads of whole sets among the operations, in percent; a read is one request for each element"},
	}
}

// Claims are the claims that set histories can decide: those for which it
// does not matter that a set is read element by element. An element that was
// known before the read of the set began was known before each of its parts
// did. Linearizability needs reads that take effect at one instant.
func (Set) Claims() []string {
	return []string{"no-lost-writes", "no-stale-reads", "read-your-writes", "convergence", "no-phantom-values", "no-duplicates"}
}

// Occasional are monotonic-reads, for which a process must read a set twice,
// which with few reads none does, and no-dirty-reads: without faults no add fails.
func (Set) Occasional() []string { return []string{"monotonic-reads", "no-dirty-reads"} }

// DefaultRate is 200 operations a second: a read costs as many requests as the set has elements.
func (Set) DefaultRate() float64 { return 200 }

// Main returns the operations of the main phase. The elements are
// 1 + worker + index × concurrency.
func (Set) Main(c Config) (generator.Generator, error) {
	elements, err := c.number("elements", 10)
	if err != nil {
		return nil, err
	}
	reads, err := c.number("reads", 0)
	if err != nil {
		return nil, err
	}
	if reads > 50 {
		return nil, fmt.Errorf("workload setting reads=%d: want 0…50, or too little is added", reads)
	}
	length := max(1, elements/c.Concurrency)
	node := generator.Nodes(c.Nodes, c.Seed)
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		op := generator.Operation{F: history.FAdd, Key: "s" + strconv.Itoa(index/length), Node: node(worker, index),
			Value: history.IntValue(1 + int64(worker) + int64(index)*int64(c.Concurrency))}
		if plan.Draw(c.Seed, "set/read", uint64(worker), uint64(index))%100 < uint64(reads) {
			op.F, op.Value = history.FRead, history.Value{}
		}
		return op, true
	}), nil
}

// Finals returns a read of every set on every node, shared out among the workers.
func (Set) Finals(c Config, keys []string) generator.Generator { return c.readEach(keys) }

// readEach are reads of every key on every node, shared out among the workers.
func (c Config) readEach(keys []string) generator.Generator {
	sequences := make(generator.Sequences, c.Concurrency)
	turn := 0
	for _, key := range keys {
		for _, node := range c.Nodes {
			worker := turn % c.Concurrency
			sequences[worker] = append(sequences[worker], generator.Operation{F: history.FRead, Key: key, Node: node})
			turn++
		}
	}
	return sequences
}

// Perform adds an element or reads a whole set. A read of a set is one read of
// each element that any worker may have added to it, which the generator's
// arithmetic tells; if one of them fails, the read of the set fails.
func (Set) Perform(ctx context.Context, c Config, _ *Memory, client target.Client, op generator.Operation) Outcome {
	register, ok := client.(target.Register)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target has no registers: choose another workload"}
	}
	switch op.F {
	case history.FAdd:
		element, _ := op.Value.Int()
		evidence, err := register.Write(ctx, elementKey(op.Key, element), element)
		if err != nil {
			return failed(err, false)
		}
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: evidence}
	case history.FRead:
		first, last, err := c.elementsOf(op.Key)
		if err != nil {
			return Outcome{Type: history.Fail, Error: err.Error()}
		}
		found := []int64{}
		for element := first; element < last; element++ {
			reading, err := register.Read(ctx, elementKey(op.Key, element))
			if err != nil {
				out := failed(err, true)
				out.Error = fmt.Sprintf("element %d: %s", element, out.Error)
				return out
			}
			if reading.Found {
				found = append(found, reading.Value)
			}
		}
		sort.Slice(found, func(i, j int) bool { return found[i] < found[j] })
		return Outcome{Type: history.Ok, Value: history.ListValue(found)}
	}
	return Outcome{Type: history.Fail, Error: "the set workload has no operation " + op.F}
}

func elementKey(set string, element int64) string {
	return set + "/" + strconv.FormatInt(element, 10)
}

// elementsOf returns the range of elements [first, last) that Main adds to the set.
func (c Config) elementsOf(set string) (first, last int64, err error) {
	elements, err := c.number("elements", 10)
	if err != nil {
		return 0, 0, err
	}
	number, err := strconv.Atoi(strings.TrimPrefix(set, "s"))
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no set of this workload", set)
	}
	length := max(1, elements/c.Concurrency)
	first = 1 + int64(number)*int64(length)*int64(c.Concurrency)
	return first, first + int64(length)*int64(c.Concurrency), nil
}
