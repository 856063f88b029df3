package results

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

func TestQuantilesAreWithinABin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 300).Draw(t, "latencies")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		var whole, left, right latencies
		for i, v := range values {
			whole.add(v)
			if i%2 == 0 {
				left.add(v)
			} else {
				right.add(v)
			}
		}
		slices.Sort(values)
		want := values[int(q*float64(len(values)-1))]
		got := whole.quantile(q)
		if diff := math.Abs(float64(got - want)); diff > float64(want)/16 {
			t.Fatalf("quantile %v of %v: %d, want %d", q, values, got, want)
		}
		left.merge(&right)
		if left.quantile(q) != got || left.count != whole.count {
			t.Fatal("merged histograms differ from one of all")
		}
	})
}

func TestSeriesLoseNothingWhenTheyMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSeries()
		var total [3]int
		for range rapid.IntRange(1, 100).Draw(t, "n") {
			start := rapid.Int64Range(0, 20000e9).Draw(t, "start")
			m := &Moment{Start: start, Finish: start + rapid.Int64Range(0, 2e9).Draw(t, "took"),
				Type: rapid.SampledFrom([]history.Type{history.Ok, history.Fail, history.Info}).Draw(t, "type")}
			s.add(m)
			total[outcome(m.Type)]++
		}
		if len(s.buckets) > bucketsMost {
			t.Fatalf("%d buckets", len(s.buckets))
		}
		var got [3]int
		latencies := 0
		for _, b := range s.buckets {
			latencies += b.latencies.count
			for o, n := range b.outcomes {
				got[o] += n
			}
		}
		if got != total || latencies != total[0] {
			t.Fatalf("counted %v and %d latencies, want %v", got, latencies, total)
		}
	})
}

func TestSampleIsBoundedAndUniform(t *testing.T) {
	var s Sample
	random := rand.New(rand.NewPCG(1, 1))
	const n = 60000
	for i := range int64(n) {
		s.add(random, &Moment{Start: i, Finish: i + 1, Type: history.Ok})
		if i < 10 {
			s.add(random, &Moment{Start: i, Finish: i, Type: history.Info})
		}
	}
	assert.Len(t, s.points[0], sampleMost[0])
	assert.Len(t, s.points[2], 10, "what is rare is kept whole")
	sum := 0.0
	for _, p := range s.points[0] {
		sum += float64(p.start)
	}
	// The mean of 3000 uniform draws: standard deviation n/√12/√3000 ≈ 316.
	assert.InDelta(t, n/2, sum/float64(len(s.points[0])), 5*316)
}

// scanned writes the events and scans them for a witness of those operations on that key.
func scanned(t *testing.T, key string, witness []int64, events []history.Event) *Scan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(t, err)
	for i := range events {
		events[i].Index = int64(i)
		require.NoError(t, w.Append(&events[i]))
	}
	require.NoError(t, w.Close())
	scan, err := ScanFile(witnessDocument(key, witness), path)
	require.NoError(t, err)
	return scan
}

func witnessDocument(key string, witness []int64) *Document {
	return NewDocument(checker.Report{Verdict: checker.Refuted, Claims: []checker.Result{{
		Claim: "c", Verdict: checker.Refuted, Witnesses: []checker.Witness{{Key: key, Operations: witness}},
	}}})
}

// pairs makes n operations, one after the other, alternating between two keys.
func pairs(n int) []history.Event {
	var events []history.Event
	for i := range n {
		e := history.Event{Time: int64(i) * 10, F: history.FWrite, Key: fmt.Sprintf("k%d", i%2), Value: history.IntValue(int64(i)), Type: history.Invoke}
		events = append(events, e)
		e.Type, e.Time = history.Ok, e.Time+5
		e.Evidence = &history.Evidence{Coordinator: fmt.Sprintf("n%d", i)}
		events = append(events, e)
	}
	return events
}

func TestSceneIsTheWitnessAndItsNeighboursOnTheKey(t *testing.T) {
	scan := scanned(t, "k0", []int64{80, 160}, pairs(200))
	scene := scan.Scene(0, 0)
	require.NotNil(t, scene)
	require.Len(t, scene.Witness, 2)
	assert.Equal(t, "n40", scene.Witness[0].Evidence.Coordinator)
	assert.Equal(t, "40", scene.Witness[0].Input)
	var around []int64
	for _, m := range scene.Around {
		assert.Equal(t, "k0", m.Key)
		assert.Nil(t, m.Evidence, "the evidence of others is not kept")
		around = append(around, m.Index)
	}
	var want []int64
	for i := int64(80 - 4*contextBefore); i <= 160+4*contextAfter; i += 4 {
		if i != 80 && i != 160 && (i <= 80+4*contextAfter || i >= 160-4*contextBefore) {
			want = append(want, i)
		}
	}
	assert.Equal(t, want, around)
	assert.EqualValues(t, 400, scan.Events)
}

func TestSceneWithoutAKeyTakesAllKeys(t *testing.T) {
	scene := scanned(t, "", []int64{80}, pairs(100)).Scene(0, 0)
	keys := map[string]int{}
	for _, m := range scene.Around {
		keys[m.Key]++
	}
	assert.Equal(t, map[string]int{"k0": 9, "k1": 9}, keys)
}

func TestSceneNamesOperationsThatTheHistoryLacks(t *testing.T) {
	scene := scanned(t, "k0", []int64{80, 4000}, pairs(100)).Scene(0, 0)
	assert.Equal(t, []int64{4000}, scene.Missing)
	assert.Len(t, scene.Witness, 1)
}

func TestSceneOfASetSaysWhatTheReadLacks(t *testing.T) {
	list := make([]int64, 0, 1000)
	for i := range int64(1000) {
		list = append(list, i+10)
	}
	scene := scanned(t, "s", []int64{0, 2, 4}, []history.Event{
		{F: history.FAdd, Key: "s", Type: history.Invoke, Value: history.IntValue(5)},
		{F: history.FAdd, Key: "s", Type: history.Ok, Value: history.IntValue(5)},
		{F: history.FAdd, Key: "s", Type: history.Invoke, Value: history.IntValue(11)},
		{F: history.FAdd, Key: "s", Type: history.Ok, Value: history.IntValue(11)},
		{F: history.FRead, Key: "s", Type: history.Invoke},
		{F: history.FRead, Key: "s", Type: history.Ok, Value: history.ListValue(list)},
	}).Scene(0, 0)
	require.Len(t, scene.Witness, 3)
	assert.Equal(t, "read s → 1000 elements (lacks 5, contains 11)", scene.Witness[2].sentence())
}

func TestScanOperationsSeesTheSameWitnesses(t *testing.T) {
	s := newSynthetic(3000, "")
	d := NewDocument(s.report())
	require.NotEmpty(t, d.Claims[0].Witnesses, "nothing to compare")
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(t, err)
	var operations []history.Operation
	evidence := map[int64]*history.Evidence{}
	open := map[history.Process]int{}
	for i := range s.events {
		e := s.events[i]
		require.NoError(t, w.Append(&e))
		switch {
		case e.Process == history.Nemesis:
		case e.Type == history.Invoke:
			open[e.Process] = len(operations)
			operations = append(operations, history.Operation{Index: e.Index, Completion: -1, Start: e.Time, End: history.Infinity,
				Process: e.Process, F: e.F, Key: e.Key, Node: e.Node, Input: e.Value, Type: history.Info})
		default:
			o := &operations[open[e.Process]]
			o.Completion, o.Output, o.Type, o.Error = e.Index, e.Value, e.Type, e.Error
			if e.Type != history.Info {
				o.End = e.Time
			}
			evidence[e.Index] = e.Evidence
		}
	}
	require.NoError(t, w.Close())
	fromFile, err := ScanFile(d, path)
	require.NoError(t, err)
	fromMemory := ScanOperations(d, operations, func(i int64) *history.Evidence { return evidence[i] })
	for c, claim := range d.Claims {
		for i := range claim.Witnesses {
			assert.Equal(t, fromFile.Scene(c, i).Witness, fromMemory.Scene(c, i).Witness)
		}
	}
}

func TestScanStopsAtAMalformedLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(
		`{"index":0,"time":0,"process":0,"type":"invoke","f":"read","key":"k"}`+"\nnonsense\n"+
			`{"index":1,"time":1,"process":0,"type":"ok","f":"read","key":"k","value":null}`+"\n"), 0o644))
	scan, err := ScanFile(witnessDocument("k", []int64{0}), path)
	require.NoError(t, err)
	assert.Contains(t, scan.Warning, "line 2")
	assert.Equal(t, "never", scan.Scene(0, 0).Witness[0].ending())
}

// TestScanMemoryDoesNotGrow reads a history ten times as long and keeps no more.
func TestScanMemoryDoesNotGrow(t *testing.T) {
	kept := func(n int) uint64 {
		path := filepath.Join(t.TempDir(), "history.jsonl")
		w, err := history.Create(path)
		require.NoError(t, err)
		for i, e := range pairs(n) {
			e.Index = int64(i)
			require.NoError(t, w.Append(&e))
		}
		require.NoError(t, w.Close())
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		scan, err := ScanFile(witnessDocument("k0", []int64{80, 160}), path)
		require.NoError(t, err)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(scan)
		return max(after.HeapAlloc, before.HeapAlloc) - before.HeapAlloc
	}
	kept(100) // what the first reading makes once for all
	short, long := kept(5000), kept(50000)
	assert.Less(t, long, short+256<<10, "kept %d bytes of 5,000 operations, %d of 50,000", short, long)
}

func TestPictureIsReadable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scene := &Scene{}
		at := map[history.Process]int64{}
		for i := range rapid.IntRange(1, 25).Draw(t, "operations") {
			process := history.Process(rapid.IntRange(0, 4).Draw(t, "process"))
			m := &Moment{Index: int64(i), Process: process, F: "write", Input: fmt.Sprint(i), Type: history.Ok}
			m.Start = at[process] + rapid.Int64Range(0, 10e9).Draw(t, "pause")
			m.Finish = m.Start + rapid.Int64Range(1, 1e9).Draw(t, "took")
			at[process] = m.Finish
			if rapid.IntRange(0, 3).Draw(t, "witness") == 0 || i == 0 {
				scene.Witness = append(scene.Witness, m)
			} else {
				scene.Around = append(scene.Around, m)
			}
		}
		faults := []Fault{{ID: "f1", Fault: "pause", Start: 1e9, End: new(int64(2e9))}, {ID: "f2", Fault: "kill", Start: 3e9}}
		p := scene.drawWith(scene.Around, faults, nil)
		lanes := map[float64][]pictureBar{}
		for _, b := range p.Bars {
			if b.Width < textWidth(b.Label) {
				t.Fatalf("%q does not fit %v px", b.Label, b.Width)
			}
			if b.X < gutter || b.X+b.Width > p.Width {
				t.Fatalf("bar from %v, %v wide, in a picture of %v", b.X, b.Width, p.Width)
			}
			lanes[b.Y] = append(lanes[b.Y], b)
		}
		for _, bars := range lanes {
			slices.SortFunc(bars, func(a, b pictureBar) int { return int(a.X - b.X) })
			for i := 1; i < len(bars); i++ {
				if bars[i-1].X+bars[i-1].Width > bars[i].X+0.01 {
					t.Fatal("two operations of one process overlap")
				}
			}
		}
		for i, tick := range p.Ticks {
			for _, other := range p.Ticks[i+1:] {
				if math.Abs(tick.X-other.X) < 60 {
					t.Fatalf("%q is drawn over %q", tick.Text, other.Text)
				}
			}
		}
	})
}
