package checker

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var histories = flag.Int("histories", 100_000, "how many random histories the differential test decides")

// mixes are the kinds of histories that the differential test draws from.
var mixes = map[string]simulation{
	"plain":       {operations: 10, processes: 4, keys: 1},
	"unknown":     {operations: 10, processes: 4, keys: 1, unknown: 0.25, failed: 0.1},
	"cas":         {operations: 10, processes: 4, keys: 1, cas: 0.3, unknown: 0.15},
	"mismatch":    {operations: 10, processes: 4, keys: 1, cas: 0.4, unknown: 0.1, mismatches: true},
	"repeated":    {operations: 10, processes: 4, keys: 1, cas: 0.2, unknown: 0.15, values: 3},
	"jepsen":      {operations: 10, processes: 5, keys: 1, cas: 0.35, unknown: 0.15, values: 4, mismatches: true},
	"finals":      {operations: 8, processes: 3, keys: 1, unknown: 0.15, failed: 0.05, finals: true},
	"deletes":     {operations: 12, processes: 4, keys: 1, unknown: 0.12, failed: 0.05, deletes: 0.5},
	"conditional": {operations: 12, processes: 4, keys: 1, cas: 0.35, unknown: 0.1, deletes: 0.3, conditional: 0.6, mismatches: true, found: true},
	"erased":      {operations: 9, processes: 3, keys: 1, cas: 0.2, unknown: 0.1, deletes: 0.3, conditional: 0.5, finals: true},
	"contention":  {operations: 14, processes: 8, keys: 1, unknown: 0.1},
}

// TestAgreesWithPlainPorcupine decides random histories, most of them
// mutated, by the whole machinery and by Porcupine alone.
func TestAgreesWithPlainPorcupine(t *testing.T) {
	for name, mix := range mixes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			l := newLimiter(context.Background(), 0)
			defer l.close()
			illegal, shown, refuted := 0, 0, map[string]int{}
			n := *histories / len(mixes)
			for i := range n {
				operations := mix.run(r)
				if i%8 > 0 {
					mutate(operations, r)
				}
				want := oracleLegal(operations, "r0")
				tl, err := newTimeline(operations)
				require.NoError(t, err)
				j := &judge{timeline: tl, limiter: l}
				if len(tl.keys) != 1 || tl.keys[0].object != registerObject {
					continue
				}
				got, legal := decideOnly(j, &tl.keys[0])
				if legal != want {
					require.Equal(t, want, legal, "history %d:\n%s", i, describeHistory(operations))
				}
				if !want {
					illegal++
					if illegal%16 == 0 {
						shown++
						requireWitness(t, j, operations, got)
					}
					requireImplied(t, operations, refuted)
				}
				if want && i%8 == 0 {
					requireNothingRefuted(t, operations)
				}
			}
			assert.Greater(t, illegal, n/20, "the mutations no longer produce illegal histories")
			assert.Positive(t, shown)
			if mix.values == 0 {
				assert.Positive(t, refuted[NoStaleReads])
				assert.Positive(t, refuted[ReadYourWrites])
				assert.Positive(t, refuted[MonotonicReads])
				assert.Equal(t, mix.finals, refuted[NoLostWrites] > 0)
			}
			t.Logf("%d histories, %d illegal, weaker claims refuted: %v", n, illegal, refuted)
		})
	}
}

// decideOnly is judge.key without the making of witnesses, which is checked on a sample.
func decideOnly(j *judge, key *keyOperations) (found []conflict, legal bool) {
	r := &j.register
	if err := r.load(j.timeline.operations, key.name, key.positions); err != nil {
		panic(err)
	}
	_, complete := j.decider.conflicts(r)
	d := j.decider.decide(r)
	if len(d.conflicts) > 0 {
		return slices.Clone(d.conflicts), false
	}
	if complete && !d.proved {
		panic("no order for a plain register without conflicts")
	}
	// What an order proves must come from both searches too.
	a, b := j.limiter.prepared(d.prepared, time.Minute), j.limiter.search(&j.searcher, d.prepared, time.Minute)
	if d.proved && a.result != "Ok" || a.result != b.result {
		panic(fmt.Sprint("certificate: ", d.proved, ", Porcupine: ", a.result, ", search: ", b.result))
	}
	return nil, a.result == "Ok"
}

// TestPlainZonesAreThoseOfThePreparedHistory, which they are found without.
func TestPlainZonesAreThoseOfThePreparedHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	compared := 0
	var x register
	var d decider
	for range 5_000 {
		operations := simulation{operations: 12, processes: 5, keys: 1, cas: 0.02, unknown: 0.15, failed: 0.05}.run(r)
		mutate(operations, r)
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		require.NoError(t, x.load(operations, "r0", tl.keys[0].positions))
		if !x.plain() || len(x.impossible(nil)) > 0 {
			continue
		}
		compared++
		d.plainZones(&x)
		forward, backward := slices.Clone(d.forward), slices.Clone(d.backward)
		d.blocks(d.prepare(&x))
		if !slices.Equal(forward, d.forward) || !slices.Equal(backward, d.backward) {
			require.Equal(t, [][]zone{d.forward, d.backward}, [][]zone{forward, backward}, describeHistory(operations))
		}
	}
	assert.Greater(t, compared, 2_000)
}

// requireWitness checks that the witness of an illegal history is illegal by
// itself, and that no read in it could be left out.
func requireWitness(t *testing.T, j *judge, operations []history.Operation, found []conflict) {
	t.Helper()
	f := j.refuted(found, 0).finding
	require.NotNil(t, f)
	require.True(t, f.confirmed, "%s\n%s", f.class, describeHistory(operations))
	witness := at(operations, f.positions)
	require.False(t, oracleLegal(witness, "r0"), "%s\n%s", f.class, describeHistory(witness))
	observers := witness
	if f.class == classFuture { // the write that came too late is there for the story only
		observers = at(operations, slices.DeleteFunc(slices.Clone(f.positions), func(p int32) bool { return p == f.older }))
		require.False(t, oracleLegal(observers, "r0"))
	}
	requireClosed(t, operations, observers)
	for i := range witness {
		if witness[i].F != history.FRead || f.class == classPhantom || f.class == classFailed || f.class == classFuture {
			continue
		}
		rest := append(append([]history.Operation(nil), witness[:i]...), witness[i+1:]...)
		require.True(t, oracleLegal(rest, "r0"), "operation %d of this witness is not needed:\n%s", i, describeHistory(witness))
	}
}

// requireClosed checks that each observation of the witness comes with all
// writes that could explain it, without which it would refute nothing: those of
// its value that were invoked before it ended, but for those that, by the
// witness itself, were certainly overwritten before it began.
func requireClosed(t *testing.T, operations, witness []history.Operation) {
	t.Helper()
	for i := range witness {
		o := &witness[i]
		seen := o.Output
		if o.F == history.FCAS && o.Type == history.Ok {
			seen, _, _ = casArguments(o.Input)
		} else if o.F != history.FRead {
			continue
		}
		for k := range operations {
			w := &operations[k]
			written := w.Input
			if w.F == history.FCAS {
				var expected history.Value
				if expected, written, _ = casArguments(w.Input); expected == written {
					continue
				}
			}
			if w.F == history.FDelete {
				written = history.NilValue()
			}
			if w.F == history.FRead || w.Process == history.Nemesis || w.Type == history.Fail || written != seen || w.Start > o.End {
				continue
			}
			if slices.ContainsFunc(witness, func(a history.Operation) bool {
				return a.F != history.FRead && a.Type == history.Ok && a.End < o.Start && w.End < a.Start
			}) {
				continue
			}
			require.True(t, slices.ContainsFunc(witness, func(x history.Operation) bool { return x.Index == w.Index }),
				"%s is not in the witness:\n%s", describeShort(w), describeHistory(witness))
		}
	}
}

// requireImplied checks that the weaker claims' witnesses are illegal histories too.
func requireImplied(t *testing.T, operations []history.Operation, refuted map[string]int) {
	t.Helper()
	report, err := Check(context.Background(), operations, Options{Claims: []string{NoStaleReads, ReadYourWrites, MonotonicReads, NoLostWrites}})
	require.NoError(t, err)
	for _, c := range report.Claims {
		if c.Verdict == Refuted {
			refuted[c.Claim]++
		}
		for _, w := range c.Witnesses {
			require.True(t, w.Confirmed, "%s: %s\n%s", c.Claim, w.Explanation, describeHistory(operations))
			require.NotEmpty(t, w.Explanation)
		}
	}
}

func requireNothingRefuted(t require.TestingT, operations []history.Operation) {
	report, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable, NoStaleReads, ReadYourWrites, MonotonicReads, NoLostWrites}})
	require.NoError(t, err)
	for _, c := range report.Claims {
		if c.Verdict == Refuted {
			require.NotEqual(t, Refuted, c.Verdict, "%s: %s\n%s", c.Claim, c.Witnesses[0].Explanation, describeHistory(operations))
		}
	}
}

// TestNeverAccusesACorrectRegister: whatever the mix, no claim that
// linearizability implies is refuted by a linearizable history.
func TestNeverAccusesACorrectRegister(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := simulation{
			operations:  rapid.IntRange(1, 60).Draw(t, "operations"),
			processes:   rapid.IntRange(1, 8).Draw(t, "processes"),
			keys:        rapid.IntRange(1, 4).Draw(t, "keys"),
			cas:         rapid.SampledFrom([]float64{0, 0, 0.2, 0.5}).Draw(t, "cas"),
			unknown:     rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "unknown"),
			failed:      rapid.SampledFrom([]float64{0, 0.1}).Draw(t, "failed"),
			deletes:     rapid.SampledFrom([]float64{0, 0, 0.3}).Draw(t, "deletes"),
			conditional: rapid.SampledFrom([]float64{0, 0, 0.4}).Draw(t, "conditional"),
			mismatches:  rapid.Bool().Draw(t, "mismatches"),
			found:       rapid.Bool().Draw(t, "found"),
			values:      rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "values"),
			finals:      rapid.Bool().Draw(t, "finals"),
		}
		if s.values > 0 { // keeps the search small
			s.operations, s.processes = min(s.operations, 30), min(s.processes, 4)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		requireNothingRefuted(t, s.run(rand.New(rand.NewPCG(seed, 7))))
	})
}

func at(operations []history.Operation, positions []int32) []history.Operation {
	var out []history.Operation
	for _, p := range positions {
		out = append(out, operations[p])
	}
	return out
}

func describeHistory(operations []history.Operation) string {
	text := ""
	for i := range operations {
		o := &operations[i]
		text += "  " + o.Key + " " + describeCall(o) + " [" + clock(o.Start*1e9) + ", " + clock(min(o.End, 1e6)*1e9) + "] " + o.Type.String() + "\n"
	}
	return text
}
