package workloads

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/plan"
)

// crowd decides which key each operation is about, for workloads whose clients
// meet at a few keys at a time, which are retired one by one.
type crowd struct {
	seed   uint64
	keys   int
	rounds *keyRounds
	hot    *hotSlots
	// The names of the draws.
	meet, pick string
}

// crowd reads the settings keys and operations-per-key. Draws are named after
// the workload, and keys begin with the prefix.
func (c Config) crowd(workload, prefix string) (*crowd, error) {
	keys, err := c.number("keys", 1)
	if err != nil {
		return nil, err
	}
	life, err := c.number("operations-per-key", 10)
	if err != nil {
		return nil, err
	}
	return &crowd{
		seed: c.Seed, keys: keys, rounds: newKeyRounds(c.Seed, workload, prefix, keys, max(1, life*keys/c.Concurrency)),
		hot:  &hotSlots{seed: c.Seed, draw: workload + "/hot", slots: uint64(keys)},
		meet: workload + "/meet", pick: workload + "/key",
	}, nil
}

// key is that of the worker's index-th operation.
func (k *crowd) key(worker, index int) string {
	who, which := uint64(worker), uint64(index)
	if plan.Draw(k.seed, k.meet, who, which)%100 < meeting {
		return k.rounds.key(k.hot.slot(which/generator.Together), index)
	}
	return k.rounds.key(int(plan.Draw(k.seed, k.pick, who, which)%uint64(k.keys)), index)
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
	draw        string
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
		round = &hotRound{number, plan.NewRand(h.seed, h.draw, number).Perm(int(h.slots))}
		h.last.Store(round)
	}
	return round.order[burst%h.slots]
}

// keyRounds names the key that a slot holds at a worker's index-th operation.
// A slot's key changes after length operations of each worker, more or less
// 10 %, and the slots' changes are spread over that length, so that a change
// of key never takes all keys at once.
type keyRounds struct {
	prefix  string
	length  int
	lengths []int                     // of each slot
	names   []atomic.Pointer[keyName] // the last of each slot, to be had again without being made again
}

type keyName struct {
	number int
	text   string
}

func newKeyRounds(seed uint64, workload, prefix string, slots, length int) *keyRounds {
	r := &keyRounds{prefix: prefix, length: length, lengths: make([]int, slots), names: make([]atomic.Pointer[keyName], slots)}
	for slot := range r.lengths {
		r.lengths[slot] = length
		if tenth := length / 10; tenth > 0 {
			r.lengths[slot] += int(plan.Draw(seed, workload+"/life", uint64(slot))%uint64(2*tenth+1)) - tenth
		}
	}
	return r
}

func (r *keyRounds) key(slot, index int) string {
	number := (index + slot*r.length/len(r.lengths)) / r.lengths[slot]
	name := r.names[slot].Load()
	if name == nil || name.number != number {
		name = &keyName{number, fmt.Sprintf("%s%d.%d", r.prefix, slot, number)}
		r.names[slot].Store(name)
	}
	return name.text
}

// unique is the value of the worker's index-th operation: no other has it, and it tells whose it is.
func (c Config) unique(worker, index int) int64 {
	return 1 + int64(worker) + int64(index)*int64(c.Concurrency)
}

// percent reads a setting that is a share of the operations.
func (c Config) percent(name string, least, most int) (uint64, error) {
	n, err := strconv.Atoi(c.Settings[name])
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("workload setting %s=%q: want %d…%d, in percent", name, c.Settings[name], least, most)
	}
	return uint64(n), nil
}

// choice reads a setting that is one of some words.
func (c Config) choice(name string, words ...string) (string, error) {
	for _, w := range words {
		if c.Settings[name] == w {
			return w, nil
		}
	}
	return "", fmt.Errorf("workload setting %s=%q: want one of %v", name, c.Settings[name], words)
}
