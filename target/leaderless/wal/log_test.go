package wal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// gate lets a test decide when an fsync returns.
type gate struct {
	entered, leave chan struct{}
}

func newGate(l *Log) *gate {
	g := &gate{entered: make(chan struct{}, 100), leave: make(chan struct{}, 100)}
	l.sync = func(f *os.File) error {
		g.entered <- struct{}{}
		<-g.leave
		return f.Sync()
	}
	return g
}

func receive(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.FailNow(t, "waited in vain for "+what)
	}
}

// completes waits until n records are completed and returns their IDs.
func completes(t *testing.T, l *Log, n int) []uint64 {
	t.Helper()
	var ids []uint64
	for {
		ids = l.Completed(ids)
		if len(ids) >= n {
			return ids
		}
		receive(t, l.Ready(), "completions")
		require.NoError(t, l.Err())
	}
}

func TestAlwaysCompletesAfterFsyncAndSharesIt(t *testing.T) {
	l, _, err := Open(t.TempDir(), Options{Mode: Always})
	require.NoError(t, err)
	g := newGate(l)
	require.NoError(t, l.Append(1, []byte("first"), false))
	require.NoError(t, l.Commit())
	receive(t, g.entered, "the first fsync")
	assert.Empty(t, l.Completed(nil), "completed before fsync returned")

	var want []uint64
	for id := uint64(2); id <= 100; id++ {
		require.NoError(t, l.Append(id, []byte("waiting"), false))
		require.NoError(t, l.Commit())
		want = append(want, id)
	}
	g.leave <- struct{}{}
	assert.Equal(t, []uint64{1}, completes(t, l, 1))
	receive(t, g.entered, "the second fsync")
	assert.Empty(t, l.Completed(nil))
	g.leave <- struct{}{}
	assert.Equal(t, want, completes(t, l, len(want)))
	assert.Equal(t, int64(2), l.Stats().Syncs, "99 waiting appends share one fsync")
	g.leave <- struct{}{} // for Close
	require.NoError(t, l.Close())
}

func TestEveryCompletesBeforeFsyncWhichFollows(t *testing.T) {
	l, _, err := Open(t.TempDir(), Options{Mode: Every, Interval: time.Millisecond})
	require.NoError(t, err)
	g := newGate(l)
	require.NoError(t, l.Append(1, []byte("first"), false))
	require.NoError(t, l.Commit())
	assert.Equal(t, []uint64{1}, l.Completed(nil))
	receive(t, g.entered, "the periodic fsync")
	require.NoError(t, l.Append(2, []byte("while it runs"), false))
	require.NoError(t, l.Commit())
	assert.Equal(t, []uint64{2}, l.Completed(nil), "an fsync under way must not hold up appends")
	g.leave <- struct{}{}
	receive(t, g.entered, "the fsync of the second record")
	g.leave <- struct{}{}
	g.leave <- struct{}{}
	require.NoError(t, l.Close())
}

// Group is the opposite of Every in the one thing that a client notices: nothing
// is completed before its fsync has returned, however long that is away.
func TestGroupCompletesAfterTheNextTicksFsync(t *testing.T) {
	l, _, err := Open(t.TempDir(), Options{Mode: Group, Interval: time.Millisecond})
	require.NoError(t, err)
	g := newGate(l)
	require.NoError(t, l.Append(1, []byte("first"), false))
	require.NoError(t, l.Commit())
	receive(t, g.entered, "the tick's fsync")
	assert.Empty(t, l.Completed(nil), "completed before fsync returned")
	require.NoError(t, l.Append(2, []byte("while it runs"), false))
	require.NoError(t, l.Append(3, []byte("while it runs"), false))
	require.NoError(t, l.Commit())
	g.leave <- struct{}{}
	assert.Equal(t, []uint64{1}, completes(t, l, 1))
	receive(t, g.entered, "the next tick's fsync")
	assert.Empty(t, l.Completed(nil))
	g.leave <- struct{}{}
	assert.Equal(t, []uint64{2, 3}, completes(t, l, 2))
	g.leave <- struct{}{}
	require.NoError(t, l.Close())
}

// What waits for a tick that never comes is in no file: a kill loses it, and it
// was never completed.
func TestGroupWritesNothingBetweenTicks(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Group, Interval: time.Hour})
	require.NoError(t, err)
	require.NoError(t, l.Append(1, []byte("waiting"), false))
	require.NoError(t, l.Commit())
	assert.Empty(t, l.Completed(nil))
	assert.Zero(t, l.Stats().Syncs)
	l.Abandon()
	assert.Empty(t, reopen(t, dir).Records)
}

func TestNeverDoesNotFsync(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	require.NoError(t, l.Append(7, []byte("record"), false))
	require.NoError(t, l.Commit())
	assert.Equal(t, []uint64{7}, l.Completed(nil))
	assert.Zero(t, l.Stats().Syncs)
	l.Abandon()
	assert.Equal(t, [][]byte{[]byte("record")}, reopen(t, dir).Records)
}

// The planted bug: an eager record that was appended and committed is lost by
// a kill, until its time has come; a record that is not eager is not, and takes
// the eager ones before it along.
func TestEagerRecordsStayInMemory(t *testing.T) {
	for _, mode := range []Mode{Always, Never} {
		dir := t.TempDir()
		l, _, err := Open(dir, Options{Mode: mode, EagerDelay: time.Hour})
		require.NoError(t, err)
		require.NoError(t, l.Append(1, []byte("kept"), true))
		require.NoError(t, l.Commit())
		assert.Empty(t, l.Completed(nil))
		require.NoError(t, l.Append(2, []byte("plain"), false))
		require.NoError(t, l.Commit())
		assert.Equal(t, []uint64{1, 2}, completes(t, l, 2))
		require.NoError(t, l.Append(3, []byte("lost"), true))
		require.NoError(t, l.Commit())
		l.Abandon()
		assert.Equal(t, [][]byte{[]byte("kept"), []byte("plain")}, reopen(t, dir).Records)

		l, _, err = Open(dir, Options{Mode: mode, EagerDelay: time.Millisecond})
		require.NoError(t, err)
		require.NoError(t, l.Append(4, []byte("in time"), true))
		assert.Equal(t, []uint64{4}, completes(t, l, 1), "written when its time had come, without another call")
		l.Abandon()
		assert.Len(t, reopen(t, dir).Records, 3)
	}
}

func TestCompactionReplacesTheSegments(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Never, CompactAt: 1000})
	require.NoError(t, err)
	for i := range 100 {
		require.NoError(t, l.Append(uint64(i), []byte("one of many records"), false))
	}
	assert.False(t, l.CompactionDue(), "nothing is written yet")
	require.NoError(t, l.Commit())
	require.True(t, l.CompactionDue())
	// Completed by the log, but the owner has not been told: the snapshot can't hold them.
	require.NoError(t, l.Compact(func(yield func([]byte) bool) { yield([]byte("state before")) }))
	assert.False(t, l.CompactionDue(), "one at a time")
	require.NoError(t, l.Append(100, []byte("later"), false))
	require.NoError(t, l.Commit())
	assert.Len(t, l.Completed(nil), 101)
	require.NoError(t, l.Close())

	recovered := reopen(t, dir)
	require.Len(t, recovered.Records, 102)
	assert.Equal(t, "state before", string(recovered.Records[0]))
	assert.Equal(t, "later", string(recovered.Records[101]))
	names, err := filepath.Glob(filepath.Join(dir, "*-*"))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(dir, "segment-00000002"), filepath.Join(dir, "snapshot-00000002")}, names)
}

// A crash after any step of a compaction leaves a directory with everything in it.
func TestCrashDuringCompaction(t *testing.T) {
	steps := map[string]func(t *testing.T, l *Log, content []byte){
		"new segment made": func(t *testing.T, l *Log, content []byte) {},
		"snapshot half written": func(t *testing.T, l *Log, content []byte) {
			require.NoError(t, os.WriteFile(l.snapshotPath(2)+temporarySuffix, content[:len(content)/2], 0o644))
		},
		"snapshot in place": func(t *testing.T, l *Log, content []byte) {
			require.NoError(t, os.WriteFile(l.snapshotPath(2), content, 0o644))
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, _, err := Open(dir, Options{Mode: Never})
			require.NoError(t, err)
			for i, record := range numbered(3) {
				require.NoError(t, l.Append(uint64(i), record, false))
			}
			require.NoError(t, l.Commit())
			l.Completed(nil)
			require.NoError(t, l.Append(3, []byte("not completed"), false))
			require.NoError(t, l.Commit())
			_, _, err = l.exchangeSegment()
			require.NoError(t, err)
			// What Compact would write, made by a log of its own.
			other := t.TempDir()
			o, _, err := Open(other, Options{Mode: Never})
			require.NoError(t, err)
			require.NoError(t, o.Compact(func(yield func([]byte) bool) {
				for _, record := range numbered(3) {
					yield(record)
				}
			}))
			require.NoError(t, o.Close())
			content, err := os.ReadFile(o.snapshotPath(2))
			require.NoError(t, err)
			step(t, l, content)
			l.Abandon()

			var distinct []string
			seen := map[string]bool{}
			for _, record := range reopen(t, dir).Records {
				if !seen[string(record)] {
					seen[string(record)] = true
					distinct = append(distinct, string(record))
				}
			}
			require.Len(t, distinct, 4)
			assert.Equal(t, "not completed", distinct[3])
			left, err := filepath.Glob(filepath.Join(dir, "*"+temporarySuffix))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

func TestADiskErrorIsFinal(t *testing.T) {
	l, _, err := Open(t.TempDir(), Options{Mode: Always})
	require.NoError(t, err)
	disk := errors.New("input/output error")
	l.sync = func(*os.File) error { return disk }
	require.NoError(t, l.Append(1, []byte("doomed"), false))
	require.NoError(t, l.Commit())
	receive(t, l.Ready(), "the error")
	require.ErrorIs(t, l.Err(), disk)
	assert.Empty(t, l.Completed(nil))
	assert.ErrorIs(t, l.Append(2, []byte("refused"), false), disk)
	assert.ErrorIs(t, l.Commit(), disk)
	assert.ErrorIs(t, l.Close(), disk)
}

func TestOptionsAreChecked(t *testing.T) {
	_, _, err := Open(t.TempDir(), Options{})
	assert.ErrorContains(t, err, "want Always, Every, Never or Group")
	_, _, err = Open(t.TempDir(), Options{Mode: Every})
	assert.ErrorContains(t, err, "interval 0s of mode Every or Group: want more than 0")
	l, _, err := Open(t.TempDir(), Options{Mode: Never})
	require.NoError(t, err)
	assert.ErrorContains(t, l.Append(1, nil, false), "append a record of 0 bytes")
	require.NoError(t, l.Close())
	assert.ErrorIs(t, l.Append(1, []byte("late"), false), ErrClosed)
}

func BenchmarkAppend(b *testing.B) {
	for name, options := range map[string]Options{
		"always": {Mode: Always}, "every": {Mode: Every, Interval: 100 * time.Millisecond}, "never": {Mode: Never}, "group": {Mode: Group, Interval: 5 * time.Millisecond},
	} {
		// A turn of the store's loop appends several records and commits once.
		for _, batch := range []int{1, 16} {
			b.Run(name+"/"+map[int]string{1: "single", 16: "batch16"}[batch], func(b *testing.B) {
				l, _, err := Open(b.TempDir(), options)
				require.NoError(b, err)
				record := make([]byte, 100)
				var ids []uint64
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					for i := range batch {
						_ = l.Append(uint64(n*batch+i), record, false)
					}
					_ = l.Commit()
					for ids = l.Completed(ids[:0]); len(ids) < batch; ids = l.Completed(ids) {
						<-l.Ready()
					}
				}
				b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "appends/s")
				require.NoError(b, l.Close())
			})
		}
	}
}
