package checker

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// replicated is a small model of replicas that hear of each other's writes
// late: causally ordered, or only each origin's in its order. Each process
// stays with one replica, so that it may see old states for as long as it likes.
type replicated struct {
	replicas, keys int
	causally       bool
	// unknown and deletes are fractions of the operations and of the writes.
	unknown, deletes float64

	log   [][]replicatedWrite // by origin
	state []oneReplica
}

type oneReplica struct {
	applied []int // how many writes of each origin
	clock   int64
	values  []replicatedWrite // by key
	next    history.Process
}

type replicatedWrite struct {
	key, value int64 // value 0: nothing
	after      []int // the writes of each origin that came before
	stamp      int64 // Lamport's
	origin     int
}

// run has a process at each replica at a time.
func (s *replicated) run(r *rand.Rand, operations int) []history.Operation {
	s.log, s.state = make([][]replicatedWrite, s.replicas), make([]oneReplica, s.replicas)
	for i := range s.state {
		s.state[i] = oneReplica{applied: make([]int, s.replicas), values: make([]replicatedWrite, s.keys), next: history.Process(i)}
	}
	var all []simulated
	at, value := int64(0), int64(0)
	for range operations {
		at += 1 + r.Int64N(3)
		i := r.IntN(s.replicas)
		me := &s.state[i]
		s.hear(r, i)
		k := r.Int64N(int64(s.keys))
		o := history.Operation{Process: me.next, Key: string(rune('a' + k)), Start: at, End: at, Type: history.Ok}
		unknown := r.Float64() < s.unknown
		if r.IntN(2) == 0 {
			o.F, o.Output = history.FRead, history.NilValue()
			if v := me.values[k].value; v != 0 {
				o.Output = history.IntValue(v)
			}
		} else {
			value++
			w := replicatedWrite{key: k, value: value, origin: i}
			o.F, o.Input = history.FWrite, history.IntValue(value)
			if r.Float64() < s.deletes {
				w.value, o.F, o.Input = 0, history.FDelete, history.Value{}
			}
			if !unknown || r.IntN(2) == 0 {
				me.clock++
				w.stamp, w.after = me.clock, slices.Clone(me.applied)
				s.log[i] = append(s.log[i], w)
				me.applied[i]++
				me.apply(w, s.causally)
			}
		}
		if unknown {
			o.Type, o.End, o.Output = history.Info, history.Infinity, history.Value{}
			me.next += history.Process(s.replicas)
		}
		all = append(all, simulated{Operation: o})
	}
	return order(all)
}

// hear delivers some writes of the others, rarely all of them.
func (s *replicated) hear(r *rand.Rand, i int) {
	me := &s.state[i]
	for tries := r.IntN(1 + s.replicas); tries > 0; tries-- {
		from := r.IntN(s.replicas)
		if me.applied[from] >= len(s.log[from]) {
			continue
		}
		w := s.log[from][me.applied[from]]
		if s.causally {
			late := false
			for origin, n := range w.after {
				late = late || me.applied[origin] < n
			}
			if late {
				continue
			}
		}
		me.applied[from]++
		me.apply(w, s.causally)
	}
}

// apply keeps the greater write where replicas are to agree, else the last to come.
func (me *oneReplica) apply(w replicatedWrite, converge bool) {
	me.clock = max(me.clock, w.stamp)
	old := &me.values[w.key]
	if !converge || w.stamp > old.stamp || w.stamp == old.stamp && w.origin > old.origin {
		*old = w
	}
}

func refutedClaims(t require.TestingT, operations []history.Operation, claims []string) map[string]Witness {
	report, err := Check(context.Background(), operations, Options{Claims: claims})
	require.NoError(t, err)
	refuted := map[string]Witness{}
	for _, c := range report.Claims {
		if c.Verdict == Refuted {
			refuted[c.Claim] = c.Witnesses[0]
		} else {
			require.NotContains(t, c.Explanation, "defect", c.Claim)
		}
	}
	return refuted
}

func requireNoneRefuted(t require.TestingT, operations []history.Operation, claims ...string) {
	for claim, w := range refutedClaims(t, operations, claims) {
		require.Empty(t, w, "%s\n%s", claim, describeHistory(operations))
	}
}

// TestNeverAccusesACausallyConsistentStore: however old what it returns.
func TestNeverAccusesACausallyConsistentStore(t *testing.T) {
	stale := 0
	rapid.Check(t, func(t *rapid.T) {
		s := replicated{
			replicas: rapid.IntRange(1, 6).Draw(t, "replicas"), keys: rapid.IntRange(1, 5).Draw(t, "keys"), causally: true,
			unknown: rapid.SampledFrom([]float64{0, 0.1, 0.4}).Draw(t, "unknown"), deletes: rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "deletes"),
		}
		seed := rapid.Uint64().Draw(t, "seed")
		operations := s.run(rand.New(rand.NewPCG(seed, 1)), rapid.IntRange(1, 200).Draw(t, "operations"))
		requireNoneRefuted(t, operations, orderClaims...)
		if s.deletes == 0 && len(refutedClaims(t, operations, []string{NoStaleReads})) > 0 {
			stale++
		}
	})
	assert.Positive(t, stale, "the store was never stale")
}

// TestNeverAccusesAPipelinedStoreOfMoreThanItPromises: the writes of each
// origin come in their order, and nothing else is promised.
func TestNeverAccusesAPipelinedStoreOfMoreThanItPromises(t *testing.T) {
	notCausal := 0
	rapid.Check(t, func(t *rapid.T) {
		s := replicated{replicas: rapid.IntRange(2, 5).Draw(t, "replicas"), keys: rapid.IntRange(1, 5).Draw(t, "keys"), unknown: rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "unknown")}
		seed := rapid.Uint64().Draw(t, "seed")
		operations := s.run(rand.New(rand.NewPCG(seed, 2)), rapid.IntRange(1, 200).Draw(t, "operations"))
		requireNoneRefuted(t, operations, PRAM, MonotonicWrites)
		notCausal += len(refutedClaims(t, operations, []string{Causal, WritesFollowReads}))
	})
	assert.Positive(t, notCausal)
}

// TestNeverAccusesALinearizableStoreOfDisorder: several keys, compare-and-set,
// unknown outcomes, values written more than once.
func TestNeverAccusesALinearizableStoreOfDisorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := simulation{
			operations: rapid.IntRange(1, 150).Draw(t, "operations"), processes: rapid.IntRange(1, 8).Draw(t, "processes"), keys: rapid.IntRange(1, 5).Draw(t, "keys"),
			cas:     rapid.SampledFrom([]float64{0, 0.2, 0.5}).Draw(t, "cas"),
			unknown: rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "unknown"),
			failed:  rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "failed"),
			values:  rapid.SampledFrom([]int{0, 0, 0, 4}).Draw(t, "values"),
			finals:  rapid.Bool().Draw(t, "finals"),
		}
		seed := rapid.Uint64().Draw(t, "seed")
		requireNoneRefuted(t, s.run(rand.New(rand.NewPCG(seed, 7))), orderClaims...)
	})
}

// TestClaimsImplyEachOther: what refutes a weaker claim refutes the stronger
// ones. Read-your-writes and monotonic-reads look at the clock, and are no part of this.
func TestClaimsImplyEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	stronger := map[string][]string{
		MonotonicWrites:   {ConsistentPrefix, PRAM, Causal},
		WritesFollowReads: {ConsistentPrefix, Causal},
		ConsistentPrefix:  {Causal},
		PRAM:              {Causal},
	}
	implied := map[string]int{}
	for range 4_000 {
		operations := chaos(r)
		refuted := refutedClaims(t, operations, orderClaims)
		for weaker, w := range refuted {
			if w.Class == classReturned { // PRAM has one order for each process, causal consistency has none
				continue
			}
			for _, claim := range stronger[weaker] {
				require.Contains(t, refuted, claim, "%s is refuted\n%s", weaker, describeHistory(operations))
				implied[weaker+" "+claim]++
			}
		}
		if len(refuted) > 0 {
			requireNotLinearizable(t, operations)
		}
	}
	assert.Len(t, implied, 7)
}

// requireNotLinearizable asks Porcupine, by a model of its own, about each key
// and about all of them at once: linearizability is local, and causality is
// implied by it only for all keys together.
func requireNotLinearizable(t *testing.T, operations []history.Operation) {
	t.Helper()
	keys := map[string]bool{}
	for i := range operations {
		if operations[i].F == history.FDelete {
			return // the model has none
		}
		keys[operations[i].Key] = true
	}
	for key := range keys {
		if !oracleLegal(operations, key) {
			return
		}
	}
	require.Fail(t, "a linearizable history refutes a claim", describeHistory(operations))
}

// TestManySessionsAgainstTheDefinitions is for what small histories do not
// reach: keys that many sessions write, clocks of several pages, clocks that are
// forgotten and their places used again.
func TestManySessionsAgainstTheDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 14))
	refuted, most := map[string]int{}, int32(0)
	for range 60 {
		s := replicated{replicas: 9 + r.IntN(5), keys: 1 + r.IntN(3), unknown: 0.3 * r.Float64(), causally: r.IntN(3) == 0}
		operations := s.run(r, 100+r.IntN(60))
		for range r.IntN(200) { // a read goes back to what was there before
			i, j := r.IntN(len(operations)), r.IntN(len(operations))
			o, w := &operations[max(i, j)], &operations[min(i, j)]
			if o.F == history.FRead && o.Type == history.Ok && w.F == history.FWrite && o.Key == w.Key {
				o.Output = w.Input
			}
		}
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		most = max(most, tl.sessions)
		want := plainViolations(operations)
		for _, claim := range orderClaims {
			expected, got := slices.Compact(want[claim]), foundBy(t, operations, claim)
			if claim == PRAM {
				require.Subset(t, expected, got, "%s\n%s", claim, describeHistory(operations))
				require.Equal(t, len(expected) > 0, len(got) > 0, "%s\n%s", claim, describeHistory(operations))
			} else {
				require.ElementsMatch(t, expected, got, "%s\n%s", claim, describeHistory(operations))
			}
			if len(got) > 0 {
				refuted[claim]++
			}
		}
		refutedClaims(t, operations, orderClaims) // the witnesses prove themselves
	}
	t.Log(refuted, most)
	for _, claim := range orderClaims {
		assert.Greater(t, refuted[claim], 2, claim)
	}
	assert.Greater(t, most, int32(sessionsOnPage))
}

// TestOrderClaimsKeepToTheirBounds: a check that is cut short is Unknown and says why.
func TestOrderClaimsKeepToTheirBounds(t *testing.T) {
	s := replicated{replicas: 3, keys: 2, causally: true}
	operations := s.run(rand.New(rand.NewPCG(1, 1)), 200)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, claim := range orderClaims {
		report, err := Check(ended, operations, Options{Claims: []string{claim}})
		require.NoError(t, err)
		assert.Equal(t, Unknown, report.Claims[0].Verdict)
		assert.Contains(t, report.Claims[0].Explanation, "a longer time would help", claim)

		report, err = Check(context.Background(), operations, Options{Claims: []string{claim}, Memory: 1})
		require.NoError(t, err)
		assert.Equal(t, Unknown, report.Claims[0].Verdict)
		assert.Contains(t, report.Claims[0].Explanation, "or more memory, would help", claim)
		assert.False(t, report.Claims[0].Vacuous)
	}
}

// TestDeletesAndCausality: not found may be a delete's doing, and a delete
// overwrites as a write does.
func TestDeletesAndCausality(t *testing.T) {
	at := int64(0)
	step := func(process history.Process, f, key string, value history.Value) simulated {
		at += 10
		o := history.Operation{F: f, Key: key, Process: process, Start: at, End: at + 5, Type: history.Ok, Input: value}
		if f == history.FRead {
			o.Input, o.Output = history.Value{}, value
		}
		return simulated{Operation: o}
	}
	one, two := history.IntValue(1), history.IntValue(2)
	story := func(last history.Value) []history.Operation {
		return order([]simulated{
			step(1, history.FWrite, "x", one), step(2, history.FRead, "x", one), step(2, history.FDelete, "x", history.Value{}),
			step(2, history.FWrite, "y", two), step(3, history.FRead, "y", two), step(3, history.FRead, "x", last),
		})
	}
	requireNoneRefuted(t, story(history.NilValue()), orderClaims...)
	refuted := refutedClaims(t, story(one), orderClaims)
	assert.Equal(t, classOverwritten, refuted[Causal].Class)
	assert.Len(t, refuted[Causal].Operations, 6)
	assert.Contains(t, refuted[Causal].Explanation, "and got 1, which a delete had replaced.")
	assert.Len(t, refuted, 2, "consistent-prefix too")
}
