package checker

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dumpsOf are dumps of nodes "n1" and so on, one after the other, with what each holds.
func dumpsOf(t *testing.T, at int64, nodes ...[]history.DumpEntry) (all []simulated) {
	t.Helper()
	for i, entries := range nodes {
		raw, err := json.Marshal(history.Dump{Entries: entries})
		require.NoError(t, err)
		all = append(all, simulated{Operation: history.Operation{
			F: history.FDump, Process: history.Process(1000 + i), Node: "n" + strconv.Itoa(i+1), Start: at + 2*int64(i), End: at + 2*int64(i) + 1,
			Type: history.Ok, Output: history.RawValue(raw),
		}})
	}
	return all
}

// dumpedNow is an entry of a register of two or three home replicas.
func dumpedNow(key, version, value string) history.DumpEntry {
	return history.DumpEntry{Key: key, Version: version, Value: value, Home: []string{"n1", "n2", "n3"}}
}

func censusRun(t *testing.T) []history.Operation {
	t.Helper()
	op := func(p history.Process, f, key string, value, start, end int64) simulated {
		o := history.Operation{Process: p, F: f, Key: key, Start: start, End: end, Type: history.Ok}
		if f == history.FWrite {
			o.Input = history.IntValue(value)
		}
		return simulated{Operation: o}
	}
	all := []simulated{
		op(1, history.FWrite, "same", 1, 0, 1),
		op(1, history.FWrite, "old", 2, 2, 3), op(1, history.FWrite, "old", 3, 4, 5),
		op(1, history.FWrite, "concurrent", 4, 6, 9), op(2, history.FWrite, "concurrent", 5, 7, 8),
		op(1, history.FWrite, "deleted", 6, 10, 11), op(1, history.FDelete, "deleted", 0, 12, 13),
	}
	tombstone := history.DumpEntry{Key: "deleted", Version: "2", Tombstone: true, Home: []string{"n1", "n2", "n3"}}
	stray := dumpedNow("stray", "1", "7")
	stray.Home = []string{"n1", "n2"}
	all = append(all, dumpsOf(t, 100,
		[]history.DumpEntry{dumpedNow("same", "1", "1"), dumpedNow("old", "2", "3"), dumpedNow("concurrent", "1", "4"), tombstone, dumpedNow("gone", "1", "9"), stray},
		[]history.DumpEntry{dumpedNow("same", "1", "1"), dumpedNow("old", "1", "2"), dumpedNow("concurrent", "1", "5"), tombstone, stray},
		[]history.DumpEntry{dumpedNow("same", "1", "1"), dumpedNow("concurrent", "1", "4"), dumpedNow("deleted", "1", "6"), stray},
	)...)
	return order(all)
}

// TestCensus: which replicas are behind follows from the history of the values, not from the versions.
func TestCensus(t *testing.T) {
	report, err := Check(context.Background(), censusRun(t), Options{Claims: []string{NoPhantomValues, Convergence}})
	require.NoError(t, err)
	c := report.Replicas
	require.NotNil(t, c)
	assert.Equal(t, 6, c.Keys)
	assert.Equal(t, 4, c.Divergent)
	assert.Equal(t, 1, c.Undetermined)
	assert.Equal(t, map[int]int{0: 2, 1: 1, 2: 2}, c.Behind) // deleted: n3; old and gone: two
	assert.Equal(t, []NodeCensus{
		{Node: "n1", Keys: 6, Newest: 5, Different: 1},
		{Node: "n2", Keys: 6, Newest: 3, Older: 1, Missing: 1, Different: 1},
		{Node: "n3", Keys: 5, Newest: 1, Older: 1, Missing: 2, Different: 1, StandIn: 1},
	}, c.Nodes)
	require.Len(t, c.Worst, 4)
	assert.Equal(t, KeyCensus{"concurrent", []ReplicaState{
		{"n1", "different", "4, version 1"}, {"n2", "different", "5, version 1"}, {"n3", "different", "4, version 1"},
	}}, c.Worst[0])
	assert.Equal(t, KeyCensus{"old", []ReplicaState{
		{"n1", "newest", "3, version 2"}, {"n2", "older", "2, version 1"}, {"n3", "missing", "missing"},
	}}, c.Worst[2])
	assert.Contains(t, report.Claims[1].Explanation, "The replicas of 4 keys of 6 disagree although the target had been given time to become quiet. "+
		"Behind: n3 on 3 of 5 keys (1 older, 2 missing); n2 on 2 of 6 keys (1 older, 1 missing). "+
		"Of 1 key it is not certain which state is the newest.")
	assert.Equal(t, Unknown, report.Claims[0].Verdict, "no key was read")
}

// TestCensusAddsUp: every home replica of every key is in one state, and the
// newest is what was written last where writes follow each other.
func TestCensusAddsUp(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 12))
	divergent := 0
	for range 1_000 {
		var all []simulated
		nodes := make([][]history.DumpEntry, 3)
		behind := make([]int, 3)
		want := map[int]int{}
		for k := range 4 {
			key := "k" + strconv.Itoa(k)
			last := int64(1 + r.IntN(4))
			for v := range last {
				all = append(all, simulated{Operation: history.Operation{
					Process: history.Process(k), F: history.FWrite, Key: key, Input: history.IntValue(v + 1), Start: 10 * v, End: 10*v + 5, Type: history.Ok,
				}})
			}
			// One of them holds the last value, the others any or none.
			up := r.IntN(3)
			late := 0
			for n := range 3 {
				value := r.Int64N(last + 1)
				if n == up {
					value = last
				}
				if value > 0 {
					nodes[n] = append(nodes[n], dumpedNow(key, strconv.FormatInt(100-value, 10), strconv.FormatInt(value, 10)))
				}
				if value < last {
					behind[n]++
					late++
				}
			}
			want[late]++
		}
		all = append(all, dumpsOf(t, 1000, nodes...)...)
		tl, err := newTimeline(order(all))
		require.NoError(t, err)
		c := takeCensus(tl)
		require.Equal(t, 4, c.Keys)
		require.Zero(t, c.Undetermined)
		require.Equal(t, want, c.Behind)
		require.Equal(t, 4-want[0], c.Divergent)
		divergent += c.Divergent
		for n := range 3 {
			x := c.Nodes[n]
			require.Equal(t, behind[n], x.Older+x.Missing)
			require.Equal(t, x.Keys, x.Newest+x.Older+x.Missing+x.Different)
		}
	}
	assert.Greater(t, divergent, 1_000)
}

// siblings are versions of the key beside the first.
func siblings(n int) (out []history.DumpSibling) {
	for i := range n {
		out = append(out, history.DumpSibling{Version: "1@c" + strconv.Itoa(i), Value: strconv.Itoa(100 + i)})
	}
	return out
}

func TestSiblingCounts(t *testing.T) {
	keeps := func(key string, n int) history.DumpEntry {
		e := dumpedNow(key, "1@a", "1")
		e.Siblings = siblings(n - 1)
		return e
	}
	operations := order(dumpsOf(t, 0,
		[]history.DumpEntry{keeps("a", 1), keeps("b", 3), keeps("c", 30)},
		[]history.DumpEntry{keeps("a", 1), keeps("b", 4), keeps("c", 29)},
	))
	for bound, verdict := range map[int]Verdict{0: Holds, 30: Holds, 29: Refuted, 3: Refuted} {
		report, err := Check(context.Background(), operations, Options{Claims: []string{BoundedSiblings}, MaximumSiblings: bound})
		require.NoError(t, err)
		result := report.Claims[0]
		assert.Equal(t, verdict, result.Verdict)
		assert.Contains(t, result.Explanation, "At most 30 versions of a key stood side by side, on 3 keys;")
		assert.Contains(t, result.Explanation, "2 of the keys had several; 1 had more than 25, from which on Riak warns.")
		c := *report.Siblings
		assert.Equal(t, Options{MaximumSiblings: bound}.maximumSiblings(), c.Bound)
		c.Bound = 0
		assert.Equal(t, SiblingCounts{
			Maximum: 30, Keys: 3, Several: 2, Many: 1, Histogram: map[int]int{1: 1, 4: 1, 30: 1},
			Worst: []KeySiblings{{"c", 30, "n1", 0}, {"b", 4, "n2", 2}},
		}, c)
		if bound == 3 {
			assert.Equal(t, 2, result.Found)
			require.Len(t, result.Witnesses, 2)
			assert.Equal(t, "n1 held 30 versions of c side by side at 0.000 s, more than 3.", result.Witnesses[0].Summary)
		}
	}
}

// TestSiblingsOfReads: what a read returns side by side counts as well.
func TestSiblingsOfReads(t *testing.T) {
	many := make([]int64, 101)
	all := []simulated{{Operation: history.Operation{Process: 1, F: history.FWrite, Key: "k", Input: history.IntValue(1), Start: 0, End: 1, Type: history.Ok}}}
	for i := range many {
		many[i] = int64(i + 1)
	}
	all = append(all, simulated{Operation: history.Operation{Process: 2, F: history.FRead, Key: "k", Output: history.ListValue(many), Start: 2, End: 3, Type: history.Ok}})
	result := resultOf(t, order(all), BoundedSiblings, Options{})
	assert.Equal(t, Refuted, result.Verdict)
	assert.Equal(t, "Process 2 read 101 versions of k side by side at 0.000 s, more than 100.", result.Witnesses[0].Summary)
}

// TestNoSiblingsAtAll: a store that shows no siblings proves nothing.
func TestNoSiblingsAtAll(t *testing.T) {
	operations := order(dumpsOf(t, 0, []history.DumpEntry{dumpedNow("a", "1", "1")}))
	report, err := Check(context.Background(), operations, Options{Claims: []string{BoundedSiblings}})
	require.NoError(t, err)
	assert.True(t, report.Claims[0].Vacuous)
	assert.Nil(t, report.Siblings)
	applies, err := Applies(BoundedSiblings, operations)
	require.NoError(t, err)
	assert.False(t, applies)
}

// TestSiblingsAgreeWhateverTheirOrder, and only then.
func TestSiblingsAgreeWhateverTheirOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 12))
	for i := range 300 {
		all := siblings(1 + r.IntN(5))
		entry := func(v []history.DumpSibling) history.DumpEntry {
			e := dumpedNow("k", v[0].Version, v[0].Value)
			e.Tombstone, e.Siblings = v[0].Tombstone, v[1:]
			return e
		}
		other := slices.Clone(all)
		r.Shuffle(len(other), func(a, b int) { other[a], other[b] = other[b], other[a] })
		agree := i%2 == 0
		if !agree {
			switch k := r.IntN(len(other)); r.IntN(4) {
			case 0:
				other[k].Value += "0"
			case 1:
				other[k].Version += "0"
			case 2:
				other[k].Tombstone = true
			default:
				other = append(other, history.DumpSibling{Version: "1@z", Value: "5"})
			}
		}
		operations := order(dumpsOf(t, 0, []history.DumpEntry{entry(all)}, []history.DumpEntry{entry(other)}))
		result := resultOf(t, operations, Convergence, Options{})
		require.Equal(t, agree, result.Verdict == Holds, result.Explanation)
		newComparison(t).agree(t, operations)
	}
}

// TestUnusualDumps: what the scanner does not read itself means what it means to encoding/json.
func TestUnusualDumps(t *testing.T) {
	for raw, siblings := range map[string]int{
		`{"entries":[{"key":"k","siblings":[{"version":"2","value":"x"}],"siblings":[{"version":"3"}],"home":["n1"]}]}`: 1,
		`{"entries":[{"key":"k","siblings":null,"siblings":[{"version":"3"},{"version":"4"}],"home":["n1"]}]}`:          2,
		`{"entries":[{"key":"k","siblings":[],"home":["n1"]}]}`:                                                         0,
		`{"entries":[{"key":"k","siblings":[{"version":"\u0033","more":1}],"home":["n1"]}]}`:                            1,
	} {
		var s dumpScanner
		var want history.Dump
		require.NoError(t, json.Unmarshal([]byte(raw), &want))
		require.NoError(t, s.read([]byte(raw)))
		require.Len(t, s.entries, 1)
		require.Len(t, want.Entries[0].Siblings, siblings)
		got := s.siblings[s.entries[0].siblingsFrom:s.entries[0].siblingsTo]
		require.Len(t, got, siblings, raw)
		for i, v := range want.Entries[0].Siblings {
			assert.Equal(t, v, history.DumpSibling{Version: string(got[i].version), Value: string(got[i].value), Tombstone: got[i].tombstone}, raw)
		}
	}
}
