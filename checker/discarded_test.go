package checker

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listedSiblingStore keeps the values that were written without knowing of each
// other. A client knows what it read last; its write replaces that.
type listedSiblingStore struct {
	values []int64
	// read is what each process read last.
	read map[history.Process][]int64
	// forgets says that it throws away the older of two siblings now and then.
	forgets func() bool
}

// siblingRun is a run of such a store, with final reads.
func siblingRun(r *rand.Rand, forgets func() bool) []history.Operation {
	store := listedSiblingStore{read: map[history.Process][]int64{}, forgets: forgets}
	var all []simulated
	for p := range history.Process(3) {
		at := r.Int64N(4)
		id := p
		for range 4 {
			o := simulated{Operation: history.Operation{F: history.FRead, Key: "k", Process: id, Start: at, End: at + 1 + r.Int64N(12), Type: history.Ok}}
			o.point = o.Start + r.Int64N(o.End-o.Start+1)
			if r.IntN(3) > 0 {
				o.F, o.Input = history.FWrite, history.IntValue(int64(len(all)+1))
				if r.IntN(8) == 0 {
					o.Type = history.Info
				}
				if r.IntN(6) == 0 {
					o.F, o.Input = history.FDelete, history.Value{}
				}
			}
			at = o.End + 1 + r.Int64N(3)
			if o.Type == history.Info {
				o.End = history.Infinity
				id += 3
				if r.IntN(2) == 0 {
					o.point = -1
				}
			}
			all = append(all, o)
		}
	}
	for i := range int64(2) {
		all = append(all, simulated{point: 105 + 10*i, Operation: history.Operation{F: history.FRead, Key: "k", Process: 90, Start: 101 + 10*i, End: 109 + 10*i, Type: history.Ok}})
	}
	slices.SortStableFunc(all, func(a, b simulated) int { return int(a.point - b.point) })
	for i := range all {
		if all[i].point >= 0 {
			store.apply(&all[i].Operation)
		}
	}
	for _, p := range []struct {
		name       string
		start, end int64
	}{{history.PhaseMain, 0, 98}, {history.PhaseHeal, 99, 99}, {history.PhaseFinals, 100, 200}} {
		all = append(all, simulated{Operation: history.Operation{F: history.FPhase, Key: p.name, Process: history.Nemesis, Start: p.start, End: p.end, Type: history.Ok}})
	}
	return order(all)
}

func (s *listedSiblingStore) apply(o *history.Operation) {
	if o.F == history.FRead {
		s.read[o.Process] = slices.Clone(s.values)
		o.Output = history.ListValue(slices.Clone(s.values))
		if len(s.values) == 1 {
			o.Output = history.IntValue(s.values[0])
		}
		return
	}
	s.values = slices.DeleteFunc(s.values, func(v int64) bool { return slices.Contains(s.read[o.Process], v) })
	if n, ok := o.Input.Int(); ok {
		if len(s.values) > 0 && s.forgets() {
			s.values = s.values[1:]
		}
		s.values = append(s.values, n)
		s.read[o.Process] = append(s.read[o.Process], n)
	}
}

// TestDiscardedWritesOfASiblingStore: a store that keeps siblings is never
// accused of losing, discarding or inventing a write, and one that forgets siblings is.
func TestDiscardedWritesOfASiblingStore(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 12))
	claims := []string{NoDiscardedWrites, NoLostWrites, NoPhantomValues, NoDirtyReads, NoResurrectedDeletes}
	screened := newComparison(t)
	refuted, holds := 0, 0
	for i := range 6_000 {
		forgets := i%2 == 1
		operations := siblingRun(r, func() bool { return forgets && r.IntN(2) == 0 })
		report, err := Check(context.Background(), operations, Options{Claims: claims})
		require.NoError(t, err)
		several, err := Applies(NoDiscardedWrites, operations)
		require.NoError(t, err)
		for _, c := range report.Claims {
			// Where no read returned several values the key looks like a register,
			// of which a delete leaves nothing.
			if !forgets && (several || c.Claim != NoLostWrites) {
				require.NotEqual(t, Refuted, c.Verdict, "%s: %s\n%s", c.Claim, c.Explanation, describeHistory(operations))
			}
		}
		if i%6 == 0 {
			screened.agree(t, operations)
		}
		switch c := report.Claims[0]; {
		case forgets && c.Verdict == Refuted:
			refuted++
			requireRefutesAlone(t, operations, NoDiscardedWrites, c.Witnesses[0])
		case !forgets && c.Verdict == Holds:
			holds++
		}
	}
	t.Log(refuted, holds)
	assert.Greater(t, refuted, 100)
	assert.Greater(t, holds, 1_500)
}
