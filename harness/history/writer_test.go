package history_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
)

// benchmarkEvent is the i-th event of a history in which ten processes take
// turns, as large as a register workload's on real nodes.
func benchmarkEvent(i int64) history.Event {
	round, place := i/20, i%20
	e := history.Event{Index: i, Time: i * 1000, Process: history.Process(place % 10),
		Type: history.Invoke, F: history.FWrite, Key: fmt.Sprint("k", round%50), Node: fmt.Sprint("n", place%5+1)}
	if place%2 == 1 {
		e.F = history.FRead
	}
	if place%2 == 0 {
		e.Value = history.IntValue(round*10 + place%10)
	}
	if place >= 10 {
		e.Type = history.Ok
		e.Value = history.IntValue(round*10 + place%10)
		e.Evidence = &history.Evidence{Coordinator: e.Node, Required: 2, Version: fmt.Sprintf("v%d", i), Replicas: []history.ReplicaEvidence{
			{Node: "n1", Answered: true, Counted: true, Version: "1700000000000000@n1"},
			{Node: "n2", Answered: true, Counted: true, Version: "1700000000000000@n1"}, {Node: "n3"}}}
	}
	return e
}

func writeHistory(tb testing.TB, path string, operations int64) {
	tb.Helper()
	var text bytes.Buffer
	for i := range 2 * operations {
		e := benchmarkEvent(i)
		text.Write(history.AppendEvent(nil, &e))
	}
	require.NoError(tb, os.WriteFile(path, text.Bytes(), 0o644))
}

func TestWriterWritesWhatTheReaderReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := history.Create(path)
	require.NoError(t, err)
	for i := range int64(40) {
		require.Equal(t, i, w.Next())
		e := benchmarkEvent(i)
		require.NoError(t, w.Append(&e))
		info, err := os.Stat(path)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, i+1, int64(bytes.Count(text, []byte("\n"))), "every event is in the file at once (%d bytes)", info.Size())
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	e := benchmarkEvent(40)
	require.ErrorIs(t, w.Append(&e), history.ErrClosed)
	operations, _, err := history.ReadFile(context.Background(), path)
	require.NoError(t, err)
	assert.Len(t, operations, 20)

	_, err = history.Create(path)
	require.ErrorIs(t, err, os.ErrExist, "a history is never overwritten")
}

// countingWriter counts calls and fails from one of them on.
type countingWriter struct {
	bytes.Buffer
	calls, failAt int
}

func (c *countingWriter) Write(p []byte) (int, error) {
	c.calls++
	if c.failAt > 0 && c.calls >= c.failAt {
		n, _ := c.Buffer.Write(p[:len(p)/2])
		return n, errors.New("no space left on device")
	}
	return c.Buffer.Write(p)
}

func TestOneWriteForEachEvent(t *testing.T) {
	out := &countingWriter{}
	w := history.NewWriter(out)
	for i := range int64(20) {
		e := benchmarkEvent(i)
		require.NoError(t, w.Append(&e))
	}
	assert.Equal(t, 20, out.calls)
}

func TestAFullDiskEndsTheHistory(t *testing.T) {
	out := &countingWriter{failAt: 5}
	w := history.NewWriter(out)
	for i := range int64(4) {
		e := benchmarkEvent(i)
		require.NoError(t, w.Append(&e))
	}
	e := benchmarkEvent(4)
	require.ErrorContains(t, w.Append(&e), "no space left")
	e = benchmarkEvent(5)
	require.ErrorContains(t, w.Append(&e), "no space left", "nothing follows a broken line")
	assert.Equal(t, 5, out.calls)
	summary, err := history.ReadOperations(context.Background(), &out.Buffer, history.Options{}, func(*history.Operation) bool { return true })
	require.NoError(t, err)
	assert.Equal(t, int64(4), summary.Events)
	assert.Len(t, summary.Warnings, 1)
}

func TestWriterRefuses(t *testing.T) {
	ok := history.Event{Index: 2, Time: 10, Process: 1, Type: history.Ok, F: "read", Key: "x"}
	for name, c := range map[string]struct {
		change func(*history.Event)
		kind   error
	}{
		"gap":                {func(e *history.Event) { e.Index = 3 }, history.ErrIndex},
		"index again":        {func(e *history.Event) { e.Index = 1 }, history.ErrIndex},
		"time back":          {func(e *history.Event) { e.Time = 9 }, history.ErrTime},
		"no type":            {func(e *history.Event) { e.Type = 0 }, history.ErrSyntax},
		"no f":               {func(e *history.Event) { e.F = "" }, history.ErrSyntax},
		"bad process":        {func(e *history.Event) { e.Process = -2 }, history.ErrSyntax},
		"value no JSON":      {func(e *history.Event) { e.Value = history.RawValue(json.RawMessage("{")) }, history.ErrSyntax},
		"other key":          {func(e *history.Event) { e.Key = "y" }, history.ErrMismatch},
		"other f":            {func(e *history.Event) { e.F = "write" }, history.ErrMismatch},
		"never invoked":      {func(e *history.Event) { e.Process = 7 }, history.ErrNotInvoked},
		"still open":         {func(e *history.Event) { e.Type = history.Invoke }, history.ErrOpen},
		"retired":            {func(e *history.Event) { e.Process, e.Type = 0, history.Invoke }, history.ErrOpen},
		"nemesis of nothing": {func(e *history.Event) { e.Process = history.Nemesis }, history.ErrNotInvoked},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := history.NewWriter(&out)
			for i := range history.Process(2) {
				require.NoError(t, w.Append(&history.Event{Index: int64(i), Time: 10, Process: i, Type: history.Invoke, F: "read", Key: "x"}))
			}
			written := out.Len()
			e := ok
			c.change(&e)
			err := w.Append(&e)
			require.ErrorIs(t, err, c.kind)
			var bad *history.FormatError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, int64(3), bad.Line)
			assert.Equal(t, written, out.Len(), "nothing is written")
			e = ok
			require.NoError(t, w.Append(&e), "the history goes on")
		})
	}
}

func TestAProcessIsRetiredByInfo(t *testing.T) {
	w := history.NewWriter(&bytes.Buffer{})
	add := func(process history.Process, kind history.Type) error {
		return w.Append(&history.Event{Index: w.Next(), Process: process, Type: kind, F: "read"})
	}
	require.NoError(t, add(0, history.Invoke))
	require.NoError(t, add(0, history.Fail))
	require.NoError(t, add(0, history.Invoke), "fail does not retire")
	require.NoError(t, add(0, history.Info))
	require.ErrorIs(t, add(0, history.Invoke), history.ErrRetired)
	require.ErrorIs(t, add(0, history.Ok), history.ErrCompletedTwice)
	require.NoError(t, add(10, history.Invoke))
}

// Every history that a Writer accepts is read back, operation by operation.
func TestWriterAndReaderAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		w := history.NewWriter(&out)
		want := make(map[int64]*history.Operation)
		open := make(map[string]*history.Operation)
		now := int64(0)
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			process := history.Process(rapid.IntRange(-1, 5).Draw(t, "process"))
			key := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "key")
			now += rapid.Int64Range(0, 3).Draw(t, "step")
			e := history.Event{Index: w.Next(), Time: now, Process: process, F: "read", Key: key,
				Type:  history.Type(rapid.IntRange(1, 4).Draw(t, "type")),
				Value: history.IntValue(rapid.Int64().Draw(t, "value"))}
			if w.Append(&e) != nil {
				continue
			}
			who := fmt.Sprint(process)
			if process == history.Nemesis {
				who += key
			}
			if e.Type == history.Invoke {
				op := &history.Operation{Index: e.Index, Completion: -1, Start: now, End: history.Infinity, Process: process,
					F: "read", Key: key, Input: e.Value, Type: history.Info}
				want[e.Index], open[who] = op, op
				continue
			}
			op := open[who]
			require.NotNil(t, op)
			op.Completion, op.Type, op.Output = e.Index, e.Type, e.Value
			if e.Type != history.Info {
				op.End = now
			}
			delete(open, who)
		}
		seen := 0
		summary, err := history.ReadOperations(context.Background(), &out, history.Options{}, func(op *history.Operation) bool {
			require.Equal(t, want[op.Index], op)
			seen++
			return true
		})
		if len(want) == 0 {
			require.ErrorIs(t, err, history.ErrEmpty)
			return
		}
		require.NoError(t, err)
		require.Equal(t, len(want), seen)
		require.Equal(t, int64(len(open)), summary.Open)
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	e := benchmarkEvent(15)
	buf := history.AppendEvent(nil, &e)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = history.AppendEvent(buf[:0], &e)
	}
}

// BenchmarkWriter appends to a real file, one write for each event.
func BenchmarkWriter(b *testing.B) {
	w, err := history.Create(filepath.Join(b.TempDir(), "history.jsonl"))
	require.NoError(b, err)
	defer w.Close()
	events := make([]history.Event, 2000)
	for i := range events {
		events[i] = benchmarkEvent(int64(i))
	}
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		e := &events[i%2000]
		e.Index, e.Time = i, i
		if err := w.Append(e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkDecode(b *testing.B) {
	e := benchmarkEvent(15)
	line := history.AppendEvent(nil, &e)
	d := history.NewDecoder()
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(line, &e); err != nil {
			b.Fatal(err)
		}
	}
}

const benchmarkOperations = 200_000

// BenchmarkReadAll reads a history into memory.
func BenchmarkReadAll(b *testing.B) {
	path := filepath.Join(b.TempDir(), "history.jsonl")
	writeHistory(b, path, benchmarkOperations)
	b.ReportAllocs()
	for b.Loop() {
		operations, _, err := history.ReadFile(context.Background(), path)
		require.NoError(b, err)
		require.Len(b, operations, benchmarkOperations)
	}
	perOperation(b)
}

// BenchmarkStream reads a history without keeping it.
func BenchmarkStream(b *testing.B) {
	path := filepath.Join(b.TempDir(), "history.jsonl")
	writeHistory(b, path, benchmarkOperations)
	h, err := history.Open(path)
	require.NoError(b, err)
	defer h.Close()
	b.ReportAllocs()
	for b.Loop() {
		summary, err := h.Operations(context.Background(), func(*history.Operation) bool { return true })
		require.NoError(b, err)
		require.Equal(b, int64(benchmarkOperations), summary.Operations)
	}
	perOperation(b)
}

// BenchmarkEvidence looks up the evidence of single events.
func BenchmarkEvidence(b *testing.B) {
	path := filepath.Join(b.TempDir(), "history.jsonl")
	writeHistory(b, path, benchmarkOperations)
	r, err := history.OpenEvidence(path)
	require.NoError(b, err)
	defer r.Close()
	require.NotNil(b, r.Lookup(15))
	for i := int64(0); b.Loop(); i++ {
		if r.Lookup(i*7919%benchmarkOperations/20*20+15) == nil {
			b.Fatal("no evidence")
		}
	}
}

func perOperation(b *testing.B) {
	b.ReportMetric(float64(b.N)*benchmarkOperations/b.Elapsed().Seconds(), "operations/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchmarkOperations, "ns/operation")
}

// A million operations stay well below 300 MB, whatever the collector leaves lying about.
func TestAMillionOperationsFitInMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes and reads a history of 200,000 operations")
	}
	const operations = 200_000
	path := filepath.Join(t.TempDir(), "history.jsonl")
	writeHistory(t, path, operations)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	all, _, err := history.ReadFile(context.Background(), path)
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.Len(t, all, operations)
	kept := float64(after.HeapAlloc-before.HeapAlloc) / operations
	allocated := float64(after.TotalAlloc-before.TotalAlloc) / operations
	t.Logf("%.0f bytes kept, %.0f bytes allocated for an operation", kept, allocated)
	assert.Less(t, kept, 180.0)
	assert.Less(t, allocated, 220.0, "nothing is copied again and again")
	runtime.KeepAlive(all)
}
