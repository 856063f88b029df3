package checker

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var screened = flag.Int("screened", 4_000, "how many random histories the screener is compared with the check on")

// counting are the classes that a result counts although they refute nothing.
var counting = []string{
	classDiscarded, classAttempted, classAcknowledged, classNeverRead, classStaleElement, classRecovered, classUnexpected, classDuplicated,
}

// comparison screens histories and checks them too.
type comparison struct {
	screener *Screener
	// refuted counts the suspicions by claim and class, doubtful the histories with a doubt.
	refuted  map[string]int
	doubtful int
}

func newComparison(t require.TestingT) *comparison {
	s, err := NewScreener(screenedClaims())
	require.NoError(t, err)
	return &comparison{screener: s, refuted: map[string]int{}}
}

// agree requires that Screen says what Check says.
func (c *comparison) agree(t require.TestingT, operations []history.Operation) (doubt []string) {
	suspicions, doubt, err := c.screener.Screen(operations)
	require.NoError(t, err)
	vacuous := c.screener.Vacuous()
	if len(doubt) > 0 {
		c.doubtful++
	}
	report, err := Check(context.Background(), operations, Options{Claims: screenedClaims()})
	require.NoError(t, err)
	at := -1
	for _, result := range report.Claims {
		var want, got []string
		if result.Verdict == Refuted {
			for class := range result.Classes {
				if !slices.Contains(counting, class) {
					want = append(want, class)
				}
			}
		}
		slices.Sort(want)
		for i, s := range suspicions {
			if s.Claim != result.Claim {
				continue
			}
			require.Equal(t, at+1, i, "suspicions are in the order of the claims")
			at = i
			got = append(got, s.Class)
			c.refuted[s.Claim+" "+s.Class]++
			c.requireShown(t, operations, s)
		}
		why := func() string {
			return fmt.Sprintf("%s: %s %s\n%s", result.Claim, result.Verdict, result.Explanation, describeHistory(operations))
		}
		if slices.Contains(doubt, result.Claim) {
			require.Subset(t, want, got, why())
			require.NotContains(t, vacuous, result.Claim)
			continue
		}
		if !slices.Equal(want, got) {
			require.Equal(t, want, got, why())
		}
		if (result.Verdict == Unknown) != slices.Contains(vacuous, result.Claim) {
			require.Equal(t, result.Verdict == Unknown, slices.Contains(vacuous, result.Claim), why())
		}
	}
	return doubt
}

// requireShown checks that the operations up to the suspicion's time refute the claim already.
func (c *comparison) requireShown(t require.TestingT, operations []history.Operation, s Suspicion) {
	if s.Claim == NoLostWrites || s.Claim == Convergence { // need the end of the run
		return
	}
	for i := range operations {
		if operations[i].Output.Kind() == history.List { // what is a set from its end may not be one before
			return
		}
	}
	var until []history.Operation
	for i := range operations {
		if operations[i].Start <= s.Time && operations[i].Key == s.Key {
			until = append(until, operations[i])
		}
	}
	one, err := NewScreener([]string{s.Claim})
	require.NoError(t, err)
	again, doubt, err := one.Screen(until)
	require.NoError(t, err)
	if s.Claim != Linearizable {
		require.Contains(t, again, s, describeHistory(operations))
	} else if len(again) == 0 {
		require.NotEmpty(t, doubt, "%v\n%s", s, describeHistory(operations))
	}
}

// TestScreenAgreesWithCheckOnRegisters screens random histories, most of
// them mutated, of one and of several registers.
func TestScreenAgreesWithCheckOnRegisters(t *testing.T) {
	runs := map[string]simulation{}
	for name, mix := range mixes {
		runs[name] = mix
	}
	runs["keys"] = simulation{operations: 60, processes: 5, keys: 4, unknown: 0.1, failed: 0.05, finals: true}
	runs["keys with cas"] = simulation{operations: 40, processes: 4, keys: 3, cas: 0.2, unknown: 0.1, finals: true}
	runs["keys with deletes"] = simulation{operations: 50, processes: 4, keys: 3, cas: 0.15, unknown: 0.08, deletes: 0.3, conditional: 0.2, finals: true}
	runs["long"] = simulation{operations: 300, processes: 8, keys: 2, unknown: 0.05, failed: 0.05, finals: true}
	for name, run := range runs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newComparison(t)
			r := rand.New(rand.NewPCG(3, uint64(len(name))))
			n := *screened / len(runs) * 10 / max(10, run.operations)
			for i := range n {
				operations := run.run(r)
				if i%8 > 0 {
					mutate(operations, r)
				}
				if i%5 == 0 { // a history from elsewhere may number its processes as it likes
					for k := range operations {
						if operations[k].Process != history.Nemesis {
							operations[k].Process = operations[k].Process<<40 - 7
						}
					}
				}
				doubt := c.agree(t, operations)
				if (run.cas == 0 || !run.mismatches && run.conditional == 0) && run.values == 0 && len(doubt) > 0 {
					require.Empty(t, doubt, "unique values need no search:\n%s", describeHistory(operations))
				}
			}
			t.Logf("%d histories, %d with doubts, %v", n, c.doubtful, c.refuted)
			assert.Positive(t, len(c.refuted))
			if run.cas == 0 && run.values == 0 {
				assert.Positive(t, c.refuted[Linearizable+" "+classStale])
			}
		})
	}
}

// randomSet is a history of a set in which reads show what they like, now and
// then among operations that make something else of the key.
func randomSet(r *rand.Rand, key string) []simulated {
	var all []simulated
	at := make([]int64, 4)
	id := []history.Process{0, 1, 2, 3}
	for range 4 + r.IntN(16) {
		w := r.IntN(4)
		start := at[w] + r.Int64N(4)
		end := start + r.Int64N(8)
		at[w] = end + 1
		o := simulated{Operation: history.Operation{F: history.FAdd, Key: key, Process: id[w], Start: start, End: end, Type: history.Ok}}
		if r.IntN(2) == 0 {
			o.Input = history.IntValue(r.Int64N(6))
		} else {
			o.F = history.FRead
			list := []int64{0, 1, 2, 3, 4, 5}
			r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
			o.Output = history.ListValue(list[:r.IntN(7)])
		}
		switch r.IntN(12) {
		case 0:
			o.Type, o.End, o.Output = history.Info, history.Infinity, history.Value{}
			id[w] += 4
		case 1:
			o.Type, o.Output = history.Fail, history.Value{}
		}
		all = append(all, o)
	}
	return all
}

// randomDumps are dumps of three replicas, most of which agree.
func randomDumps(r *rand.Rand) []simulated {
	var all []simulated
	nodes := []string{"n1", "n2", "n3"}
	for n := range 2 + r.IntN(3) {
		o := history.Operation{F: history.FDump, Process: history.Nemesis, Node: nodes[n%3], Key: nodes[n%3] + strconv.Itoa(n), Start: int64(100 + n), End: int64(101 + n), Type: history.Ok}
		var entries []history.DumpEntry
		for k := range 1 + r.IntN(3) {
			e := history.DumpEntry{Key: "r" + strconv.Itoa(k), Version: "1@n1", Value: "1", Home: nodes[:r.IntN(4)]}
			switch r.IntN(12) {
			case 0:
				e.Version = "2@é"
			case 1:
				e.Value = "<2>"
			case 2:
				e.Value, e.Tombstone = "", true
			case 3:
				continue
			}
			entries = append(entries, e)
		}
		raw, err := json.Marshal(history.Dump{Entries: entries})
		if err != nil {
			panic(err)
		}
		if r.IntN(40) == 0 {
			raw = raw[:len(raw)-1]
		}
		o.Output = history.RawValue(raw)
		if r.IntN(10) == 0 {
			o.Type = history.Fail
		}
		all = append(all, simulated{Operation: o})
	}
	return all
}

func TestScreenAgreesWithCheckOnSetsAndDumps(t *testing.T) {
	c := newComparison(t)
	r := rand.New(rand.NewPCG(5, 5))
	for range *screened / 8 {
		all := randomSet(r, "s")
		if r.IntN(3) == 0 {
			all = append(all, randomSet(r, "s2")...)
		}
		if r.IntN(3) == 0 {
			all = append(all, randomDumps(r)...)
		}
		strange := history.Operation{Key: "s", Process: 900, Start: 20, End: 21, Type: history.Ok}
		switch r.IntN(20) {
		case 0: // both adds and writes
			strange.F, strange.Input = history.FWrite, history.IntValue(1)
		case 1: // a kind that nobody knows
			strange.F = "increment"
		case 2: // a register that cannot be read
			strange.F, strange.Key = history.FWrite, "broken"
		case 3:
			strange.F, strange.Key, strange.Input = history.FWrite, "register", history.RawValue([]byte(`"text"`))
		}
		if strange.F != "" {
			all = append(all, simulated{Operation: strange})
		}
		c.agree(t, order(all))
	}
	t.Logf("%d with doubts, %v", c.doubtful, c.refuted)
	for _, expected := range []string{
		NoLostWrites + " " + classLostElement, NoStaleReads + " " + classMissing, ReadYourWrites + " " + classOwnWrite,
		MonotonicReads + " " + classInversion, Convergence + " " + classDivergent,
	} {
		assert.Positive(t, c.refuted[expected], expected)
	}
	assert.Positive(t, c.doubtful)
}

func TestScreenAgreesWithCheckOnGoldenHistories(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	c, expected := newComparison(t), expectations(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		doubt := c.agree(t, golden(t, name))
		for claim, class := range expected[name] {
			if slices.Contains(screenedClaims(), claim) && !slices.Contains(doubt, claim) {
				assert.Positive(t, c.refuted[claim+" "+class], "%s: %s", name, claim)
			}
		}
		c.refuted = map[string]int{}
	}
}

func TestSuspicionNamesTheKeyAndTheFirstTime(t *testing.T) {
	write := func(key string, value, start int64) simulated {
		return simulated{Operation: history.Operation{F: history.FWrite, Key: key, Input: history.IntValue(value), Process: 1, Start: start, End: start + 1, Type: history.Ok}}
	}
	stale := func(key string, start int64) simulated {
		return simulated{Operation: history.Operation{F: history.FRead, Key: key, Output: history.IntValue(1), Process: 2, Start: start, End: start + 1, Type: history.Ok}}
	}
	operations := order([]simulated{
		write("a", 1, 10), write("a", 2, 20), write("b", 1, 30), write("b", 2, 40),
		stale("b", 50), stale("a", 60), stale("a", 70),
	})
	s, err := NewScreener([]string{NoStaleReads + "," + Linearizable})
	require.NoError(t, err)
	for range 2 {
		suspicions, doubt, err := s.Screen(operations)
		require.NoError(t, err)
		assert.Empty(t, doubt)
		assert.Equal(t, []Suspicion{{NoStaleReads, classStale, "b", 50}, {Linearizable, classStale, "b", 50}}, suspicions)
	}
	suspicions, _, err := s.Screen(operations[:5])
	require.NoError(t, err)
	assert.Equal(t, []Suspicion{{NoStaleReads, classStale, "b", 50}, {Linearizable, classStale, "b", 50}}, suspicions)
	suspicions, _, err = s.Screen(operations[:4])
	require.NoError(t, err)
	assert.Nil(t, suspicions)
	assert.Equal(t, []string{NoStaleReads, Linearizable}, s.Vacuous())
}

// TestScreenerForgetsTheHistoryBefore, its phases too: without final reads nothing can be said of lost writes.
func TestScreenerForgetsTheHistoryBefore(t *testing.T) {
	operations := finalsRun([]history.Operation{okWrite(1, 1, 2)}, 0)
	s, err := NewScreener([]string{NoLostWrites})
	require.NoError(t, err)
	suspicions, _, err := s.Screen(operations)
	require.NoError(t, err)
	assert.Equal(t, []Suspicion{{NoLostWrites, classVanished, "a", 1001}}, suspicions)
	operations = slices.DeleteFunc(operations, func(o history.Operation) bool { return o.F == history.FPhase })
	suspicions, _, err = s.Screen(operations)
	require.NoError(t, err)
	assert.Nil(t, suspicions)
	assert.Equal(t, []string{NoLostWrites}, s.Vacuous())
}

func TestScreenerRefusesWhatCheckRefuses(t *testing.T) {
	_, err := NewScreener([]string{"linearisable"})
	require.ErrorContains(t, err, `unknown claim "linearisable"`)
	s, err := NewScreener(screenedClaims())
	require.NoError(t, err)
	operations := golden(t, "stale-read")
	operations[3], operations[4] = operations[4], operations[3]
	_, _, err = s.Screen(operations)
	require.ErrorContains(t, err, "not in order of invocation")
	_, doubt, err := s.Screen(golden(t, "good-sequential"))
	require.NoError(t, err, "the next history is judged by itself")
	assert.Empty(t, doubt)
}

// TestDumpScannerReadsWhatJSONReads: what it reads, it reads as encoding/json
// does; and it reads what a dump is usually written as.
func TestDumpScannerReadsWhatJSONReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune(`n1@é"\<0`)))
		var dump history.Dump
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			var siblings []history.DumpSibling
			for range rapid.IntRange(0, 2).Draw(t, "siblings") {
				siblings = append(siblings, history.DumpSibling{
					Version: text.Draw(t, "version"), Value: text.Draw(t, "value"), Tombstone: rapid.Bool().Draw(t, "tombstone"),
				})
			}
			dump.Entries = append(dump.Entries, history.DumpEntry{
				Siblings: siblings, Key: text.Draw(t, "key"), Version: text.Draw(t, "version"), Value: text.Draw(t, "value"),
				Tombstone: rapid.Bool().Draw(t, "tombstone"), Home: rapid.SliceOfN(text, 0, 3).Draw(t, "home"),
			})
		}
		if rapid.Bool().Draw(t, "hints told") {
			dump.Hints = []history.DumpHint{}
			for range rapid.IntRange(0, 1).Draw(t, "hints") {
				dump.Hints = append(dump.Hints, history.DumpHint{Key: text.Draw(t, "hinted"), Version: "1", For: "n1"})
			}
		}
		raw, err := json.Marshal(dump)
		require.NoError(t, err)
		parts := []string{"{", "}", "[", "]", ",", ":", " ", "\n", "null", "true", "false", `"`, `\u0041`, `"key":"k"`, `"home":["n1"]`, `"siblings":[{"version":"2","value":"x"}]`, `"siblings":null`, `"Key":"k"`, "\x00", "1"}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			i := rapid.IntRange(0, len(raw)).Draw(t, "from")
			k := min(len(raw), i+rapid.IntRange(0, 2).Draw(t, "removed"))
			raw = slices.Concat(raw[:i:i], []byte(rapid.SampledFrom(parts).Draw(t, "added")), raw[k:])
		}
		var s dumpScanner
		var want history.Dump
		wantErr := json.Unmarshal(raw, &want)
		gotErr := s.read(raw)
		require.Equal(t, wantErr == nil, gotErr == nil, "%s", raw)
		if wantErr != nil {
			return
		}
		require.Len(t, s.entries, len(want.Entries), "%s", raw)
		for i, e := range s.entries {
			got := history.DumpEntry{Key: string(e.key), Version: string(e.version), Value: string(e.value), Tombstone: e.tombstone}
			for _, name := range s.homes[e.homeFrom:e.homeTo] {
				got.Home = append(got.Home, string(name))
			}
			for _, v := range s.siblings[e.siblingsFrom:e.siblingsTo] {
				got.Siblings = append(got.Siblings, history.DumpSibling{Version: string(v.version), Value: string(v.value), Tombstone: v.tombstone})
			}
			if len(want.Entries[i].Siblings) == 0 {
				want.Entries[i].Siblings = nil
			}
			if len(want.Entries[i].Home) == 0 {
				want.Entries[i].Home = nil
			}
			require.Equal(t, want.Entries[i], got, "%s", raw)
		}
	})
	usual, err := json.Marshal(history.Dump{Entries: []history.DumpEntry{{Key: "r1", Version: "100@n1", Value: "1", Home: []string{"n1", "n2"}}, {Key: "r2", Tombstone: true},
		{Key: "r3", Version: "1@n1", Siblings: []history.DumpSibling{{Version: "1@n2", Value: "3"}, {Version: "2@n2", Tombstone: true}}}}})
	require.NoError(t, err)
	s := dumpScanner{data: usual}
	assert.True(t, s.dump(), "%s", usual)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = s.read(usual) }))
}

func TestReplicasDisagree(t *testing.T) {
	home := []string{"n1", "n2"}
	entry := func(version, value string, tombstone bool) history.DumpEntry {
		return history.DumpEntry{Key: "a", Version: version, Value: value, Tombstone: tombstone, Home: home}
	}
	type dump struct {
		node  string
		entry history.DumpEntry
	}
	for name, c := range map[string]struct {
		dumps []dump
		agree bool
	}{
		"same":                      {[]dump{{"n1", entry("1", "x", false)}, {"n2", entry("1", "x", false)}}, true},
		"another version":           {[]dump{{"n1", entry("1", "x", false)}, {"n2", entry("2", "x", false)}}, false},
		"another value":             {[]dump{{"n1", entry("1", "x", false)}, {"n2", entry("1", "y", false)}}, false},
		"deleted on one":            {[]dump{{"n1", entry("1", "", false)}, {"n2", entry("1", "", true)}}, false},
		"deleted on both":           {[]dump{{"n1", entry("1", "x", true)}, {"n2", entry("1", "", true)}}, true},
		"only an earlier dump does": {[]dump{{"n1", entry("1", "x", false)}, {"n2", entry("2", "x", false)}, {"n1", entry("2", "x", false)}}, true},
		"only the last dump does":   {[]dump{{"n1", entry("2", "x", false)}, {"n2", entry("2", "x", false)}, {"n1", history.DumpEntry{Key: "b"}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var all []simulated
			for i, d := range c.dumps {
				raw, err := json.Marshal(history.Dump{Entries: []history.DumpEntry{d.entry}})
				require.NoError(t, err)
				all = append(all, simulated{Operation: history.Operation{
					F: history.FDump, Process: history.Nemesis, Node: d.node, Start: int64(10 * i), End: int64(10*i + 1), Type: history.Ok, Output: history.RawValue(raw),
				}})
			}
			operations := order(all)
			report, err := Check(context.Background(), operations, Options{Claims: []string{Convergence}})
			require.NoError(t, err)
			assert.Equal(t, c.agree, report.Verdict == Holds, report.Claims[0].Explanation)
			newComparison(t).agree(t, operations)
		})
	}
}

// TestSmallestWitness: stopping early must not miss a smaller witness.
func TestSmallestWitness(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	l := newLimiter(context.Background(), 0)
	defer l.close()
	var x register
	var d decider
	several := 0
	for range 2_000 {
		operations := simulation{operations: 30, processes: 5, keys: 1, unknown: 0.1}.run(r)
		mutate(operations, r)
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		require.NoError(t, x.load(operations, "r0", tl.keys[0].positions))
		found, _ := d.conflicts(&x)
		if len(found) < 2 {
			continue
		}
		several++
		s := &shrinker{operations: operations, register: &x, limiter: l}
		least := len(operations)
		for _, c := range found[:min(len(found), conflictsTried)] {
			least = min(least, len(s.fromConflict(c)))
		}
		require.Len(t, s.smallest(found), least, describeHistory(operations))
	}
	assert.Greater(t, several, 100)
}

// exploredRun is what one run of an exploration leaves: ten clients of thirty
// registers, five replicas of which three hold each key, and some faults.
func exploredRun(r *rand.Rand) []history.Operation {
	const keys, nodes = 30, 5
	operations := simulation{operations: 5700, processes: 10, keys: keys, unknown: 0.02, failed: 0.01, finals: true}.run(r)
	dumps := make([]history.Dump, nodes)
	for k := range keys {
		home := []string{}
		for i := range 3 {
			home = append(home, "n"+strconv.Itoa((k+i)%nodes+1))
		}
		for i := range 3 {
			d := &dumps[(k+i)%nodes]
			d.Entries = append(d.Entries, history.DumpEntry{Key: "r" + strconv.Itoa(k), Version: "1700000000000000000@n1.1-" + strconv.Itoa(k), Value: strconv.Itoa(k), Home: home})
		}
	}
	last := operations[len(operations)-1]
	nemesis := func(f, key, node string, value any) {
		raw, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		operations = append(operations, history.Operation{
			Index: operations[len(operations)-1].Index + 100, Start: last.Start, End: last.Start + 1,
			F: f, Key: key, Node: node, Process: history.Nemesis, Type: history.Ok, Output: history.RawValue(raw),
		})
	}
	for i := range 10 {
		nemesis(history.FInject, "f"+strconv.Itoa(i), "", history.Fault{ID: "f" + strconv.Itoa(i), Verified: true})
	}
	for i := range dumps {
		node := "n" + strconv.Itoa(i+1)
		nemesis(history.FDump, node, node, dumps[i])
	}
	return operations
}

// TestScreenNeedsNoNewMemory: once it has seen a history of that size.
func TestScreenNeedsNoNewMemory(t *testing.T) {
	plain := exploredRun(rand.New(rand.NewPCG(1, 1)))
	others := simulation{operations: 3000, processes: 10, keys: 20, unknown: 0.02, failed: 0.01, cas: 0.1, deletes: 0.2, finals: true}.run(rand.New(rand.NewPCG(2, 1)))
	for name, operations := range map[string][]history.Operation{"reads and writes": plain, "deletes and compare-and-sets": others} {
		s, err := NewScreener(screenedClaims())
		require.NoError(t, err)
		allocations := testing.AllocsPerRun(3, func() {
			suspicions, doubt, err := s.Screen(operations)
			if err != nil || suspicions != nil || doubt != nil {
				t.Fatal(err, suspicions, doubt, s.Vacuous())
			}
		})
		assert.Zero(t, allocations, name)
	}
}

// BenchmarkScreen reports nanoseconds an operation for all claims and for
// each alone, and for a history of which every key has violations.
func BenchmarkScreen(b *testing.B) {
	operations := exploredRun(rand.New(rand.NewPCG(1, 1)))
	broken := slices.Clone(operations)
	r := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		mutate(broken, r)
	}
	bench := func(name string, operations []history.Operation, claims ...string) {
		b.Run(name, func(b *testing.B) {
			s, err := NewScreener(claims)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Screen(operations); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(operations)), "ns/operation")
		})
	}
	bench("all claims", operations, screenedClaims()...)
	for _, claim := range screenedClaims() {
		bench(claim, operations, claim)
	}
	bench("all claims, broken", broken, screenedClaims()...)
}
