package workloads

import (
	"context"
	"fmt"
	"sync/atomic"

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
	keys, err := c.number("keys", 1)
	if err != nil {
		return nil, err
	}
	life, err := c.number("operations-per-key", 10)
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
	rounds := newKeyRounds(c.Seed, keys, max(1, life*keys/c.Concurrency))
	hot := &hotSlots{seed: c.Seed, slots: uint64(keys)}
	node := generator.Nodes(c.Nodes, c.Seed)
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		who, which := uint64(worker), uint64(index)
		slot := 0
		if plan.Draw(c.Seed, "register/meet", who, which)%100 < meeting {
			slot = hot.slot(which / generator.Together)
		} else {
			slot = int(plan.Draw(c.Seed, "register/key", who, which) % uint64(keys))
		}
		op := generator.Operation{F: history.FRead, Key: rounds.key(slot, index), Node: node(worker, index)}
		if plan.Draw(c.Seed, "register/write", who, which)%100 < uint64(writes) {
			op.F = history.FWrite
			op.Value = history.IntValue(1 + int64(worker) + int64(index)*int64(c.Concurrency))
		}
		return op, true
	}), nil
}

// Anomalies need clients that meet: a read inversion shows only to two reads of
// a key while a write of it is on its way, which is a matter of milliseconds.
// Paced workers are all at about the same index, so the burst alone names a
// hot key, to which meeting percent of its operations go. Most of them read:
// among many concurrent writes almost any order explains what was read, while
// one write amid many reads is pinned down by them.
const meeting = 85

// hotSlots gives every slot its turn: within each round of bursts, one for each
// slot, their order is drawn anew. The order that was asked for last is
// remembered, because all workers are in about the same round.
type hotSlots struct {
	seed, slots uint64
	last        atomic.Pointer[hotRound]
}

type hotRound struct {
	number uint64
	order  []int
}

func (h *hotSlots) slot(burst uint64) int {
	number := burst / h.slots
	round := h.last.Load()
	if round == nil || round.number != number {
		round = &hotRound{number, plan.NewRand(h.seed, "register/hot", number).Perm(int(h.slots))}
		h.last.Store(round)
	}
	return round.order[burst%h.slots]
}

// keyRounds names the key that a slot holds at a worker's index-th operation.
// A slot's key changes after length operations of each worker, more or less
// 10 %, and the slots' changes are spread over that length, so that a change
// of key never takes all keys at once.
type keyRounds struct {
	length  int
	lengths []int                     // of each slot
	names   []atomic.Pointer[keyName] // the last of each slot, to be had again without being made again
}

type keyName struct {
	number int
	text   string
}

func newKeyRounds(seed uint64, slots, length int) *keyRounds {
	r := &keyRounds{length: length, lengths: make([]int, slots), names: make([]atomic.Pointer[keyName], slots)}
	for slot := range r.lengths {
		r.lengths[slot] = length
		if tenth := length / 10; tenth > 0 {
			r.lengths[slot] += int(plan.Draw(seed, "register/life", uint64(slot))%uint64(2*tenth+1)) - tenth
		}
	}
	return r
}

func (r *keyRounds) key(slot, index int) string {
	number := (index + slot*r.length/len(r.lengths)) / r.lengths[slot]
	name := r.names[slot].Load()
	if name == nil || name.number != number {
		name = &keyName{number, fmt.Sprintf("r%d.%d", slot, number)}
		r.names[slot].Store(name)
	}
	return name.text
}

// Finals returns reads of every key by every worker, such that each key is read on each node.
func (Register) Finals(c Config, keys []string) generator.Generator {
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
func (Register) Perform(ctx context.Context, _ Config, _ *Memory, client target.Client, op generator.Operation) Outcome {
	register, ok := client.(target.Register)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target has no registers: choose another workload"}
	}
	switch op.F {
	case history.FRead:
		reading, err := register.Read(ctx, op.Key)
		if err != nil {
			return failed(err, true)
		}
		return Outcome{Type: history.Ok, Value: valueRead(reading), Evidence: reading.Evidence}
	case history.FWrite:
		value, _ := op.Value.Int()
		evidence, err := register.Write(ctx, op.Key, value)
		if err != nil {
			return failed(err, false)
		}
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: evidence}
	}
	return Outcome{Type: history.Fail, Error: "the register workload has no operation " + op.F}
}
