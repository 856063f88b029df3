package wal

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func texts(records [][]byte) []string {
	all := []string{}
	for _, record := range records {
		all = append(all, string(record))
	}
	return all
}

// backUp makes a backup and returns its directory.
func backUp(t require.TestingT, l *Log, dir string) string {
	b, err := l.Backup(dir)
	require.NoError(t, err)
	_, err = b.Finish()
	require.NoError(t, err)
	return dir
}

// A log with a compaction behind it, and records before, in and after the
// backup: what was there when it was begun is restored, and nothing later.
func TestABackupHoldsWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	add := func(record string) {
		require.NoError(t, l.Append(1, []byte(record), false))
		require.NoError(t, l.Commit())
		l.Completed(nil)
	}
	add("a")
	require.NoError(t, l.Compact(func(yield func([]byte) bool) { yield([]byte("state")) }))
	// It goes on in the background.
	require.Eventually(t, func() bool { return l.Stats().Compactions == 1 }, 10*time.Second, time.Millisecond)
	add("b")
	require.NoError(t, l.Append(2, []byte("eager, in memory only"), true))
	b, err := l.Backup(filepath.Join(dir, "snapshots", "one"))
	require.NoError(t, err)
	add("after the backup was begun")
	manifest, err := b.Finish()
	require.NoError(t, err)
	add("after it was made")
	assert.Equal(t, 3, manifest.Records)
	assert.Equal(t, uint32(1), manifest.Incarnation)

	again, err := ReadBackup(filepath.Join(dir, "snapshots", "one"))
	require.NoError(t, err)
	assert.Equal(t, manifest, again)
	names, err := Backups(filepath.Join(dir, "snapshots"))
	require.NoError(t, err)
	assert.Equal(t, []string{"one"}, names)
	_, err = l.Backup(filepath.Join(dir, "snapshots", "one"))
	require.ErrorContains(t, err, "exists already")

	// The log goes on, is compacted, and ends: the backup is not touched by it.
	require.NoError(t, l.Compact(func(yield func([]byte) bool) { yield([]byte("later state")) }))
	require.NoError(t, l.Close())
	assert.Contains(t, texts(reopen(t, dir).Records), "later state")

	fresh := t.TempDir()
	done, err := Restore(fresh, filepath.Join(dir, "snapshots", "one"))
	require.NoError(t, err)
	assert.True(t, done)
	recovered := reopen(t, fresh)
	assert.Equal(t, []string{"state", "b", "eager, in memory only"}, texts(recovered.Records))
	assert.Equal(t, uint32(1+incarnationLeap+1), recovered.Incarnation, "lives after the backup are not known here, so their numbers are skipped")

	// The same command again: nothing is done, and what was written since stays.
	l, _, err = Open(fresh, Options{Mode: Never})
	require.NoError(t, err)
	add("new life")
	require.NoError(t, l.Close())
	done, err = Restore(fresh, filepath.Join(dir, "snapshots", "one"))
	require.NoError(t, err)
	assert.False(t, done)
	assert.Contains(t, texts(reopen(t, fresh).Records), "new life")
	content, err := ReadBackup(filepath.Join(dir, "snapshots", "one"))
	require.NoError(t, err)
	assert.Equal(t, manifest, content, "what a restored node writes is not in the backup")
}

func TestARestoreDoesNotOverwriteALog(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	backup := backUp(t, l, filepath.Join(t.TempDir(), "backup"))
	_, err = Restore(dir, backup)
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, l.Close())
	_, err = Restore(dir, backup)
	require.ErrorContains(t, err, "has a log already")
	// With the log's files gone the count of lives is still there, and goes on.
	for _, pattern := range []string{"segment-*", "snapshot-*"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			require.NoError(t, os.Remove(path))
		}
	}
	done, err := Restore(dir, backup)
	require.NoError(t, err)
	assert.True(t, done)
	assert.Equal(t, uint32(2), reopen(t, dir).Incarnation)
	_, err = Restore(t.TempDir(), t.TempDir())
	require.ErrorContains(t, err, "no backup of a log")
}

// Whichever bit of a backup is flipped, it is not restored from.
func TestADamagedBackupIsRefused(t *testing.T) {
	l, _, err := Open(t.TempDir(), Options{Mode: Never})
	require.NoError(t, err)
	for i, record := range numbered(4) {
		require.NoError(t, l.Append(uint64(i), record, false))
	}
	require.NoError(t, l.Compact(func(yield func([]byte) bool) { yield([]byte("state")) }))
	backup := backUp(t, l, filepath.Join(t.TempDir(), "backup"))
	require.NoError(t, l.Close())
	manifest, err := ReadBackup(backup)
	require.NoError(t, err)
	require.NotEmpty(t, manifest.Files)
	for _, f := range manifest.Files {
		path := filepath.Join(backup, f.Name)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		for at := range content {
			content[at] ^= 4
			require.NoError(t, os.WriteFile(path, content, 0o644))
			_, err := Restore(t.TempDir(), backup)
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt, "%s byte %d", f.Name, at)
			content[at] ^= 4
		}
		require.NoError(t, os.WriteFile(path, content, 0o644))
	}
	for _, change := range []func(*Manifest){
		func(m *Manifest) { m.Files = m.Files[:len(m.Files)-1] },
		func(m *Manifest) { m.Records++ },
		func(m *Manifest) { m.Format = 2 },
		func(m *Manifest) { m.Incarnation = 0 },
		func(m *Manifest) { m.Files[0].Name = "../" + m.Files[0].Name },
	} {
		changed, err := ReadBackup(backup)
		require.NoError(t, err)
		change(changed)
		text, err := json.Marshal(changed)
		require.NoError(t, err)
		copied := t.TempDir()
		require.NoError(t, os.CopyFS(copied, os.DirFS(backup)))
		require.NoError(t, os.WriteFile(filepath.Join(copied, manifestName), text, 0o644))
		_, err = Restore(t.TempDir(), copied)
		require.Error(t, err, "%s", text)
	}
}

// An interrupted restore is told from a log, and the same restore begins anew.
func TestAnInterruptedRestoreIsNoLog(t *testing.T) {
	l, _, err := Open(t.TempDir(), Options{Mode: Never})
	require.NoError(t, err)
	for i, record := range numbered(4) {
		require.NoError(t, l.Append(uint64(i), record, false))
	}
	backup := backUp(t, l, filepath.Join(t.TempDir(), "backup"))
	require.NoError(t, l.Close())
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, restoringName), []byte("1234"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "segment-00000001"), []byte(segmentMagic), 0o644))
	_, _, err = Open(dir, Options{Mode: Never})
	require.ErrorContains(t, err, "restore from a backup was interrupted")
	done, err := Restore(dir, backup)
	require.NoError(t, err)
	assert.True(t, done)
	assert.Equal(t, texts(numbered(4)), texts(reopen(t, dir).Records))
}

// A backup closes the segment that a compaction in the background was about to sync.
func TestABackupDuringACompaction(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	compacting, goOn := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	l.sync = func(f *os.File) error {
		if calls.Add(1) == 2 { // the first one is the old segment's, in Compact itself
			close(compacting)
			<-goOn
		}
		return f.Sync()
	}
	require.NoError(t, l.Append(1, []byte("a"), false))
	require.NoError(t, l.Commit())
	l.Completed(nil)
	require.NoError(t, l.Compact(func(yield func([]byte) bool) { yield([]byte("a")) }))
	receive(t, compacting, "the compaction")
	backup := backUp(t, l, filepath.Join(t.TempDir(), "backup"))
	close(goOn)
	require.NoError(t, l.Append(2, []byte("b"), false))
	require.NoError(t, l.Commit())
	require.NoError(t, l.Close())
	require.NoError(t, l.Err(), "the compaction failed")
	assert.Equal(t, []string{"a", "b"}, texts(reopen(t, dir).Records))
	assert.Equal(t, int64(1), l.Stats().Compactions)
	manifest, err := ReadBackup(backup)
	require.NoError(t, err)
	assert.Equal(t, 1, manifest.Records)
}

// Backups at any moment, with compactions in the background: each holds a prefix
// of what was appended that has everything completed by then.
func TestBackupsAtAnyMoment(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "log")
		require.NoError(t, err)
		l, _, err := Open(dir, Options{Mode: rapid.SampledFrom([]Mode{Always, Never}).Draw(t, "mode"), CompactAt: 200})
		require.NoError(t, err)
		var appended []string
		completed, backups := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				record := fmt.Sprintf("record %d", len(appended))
				require.NoError(t, l.Append(uint64(len(appended)), []byte(record), rapid.Bool().Draw(t, "eager")))
				appended = append(appended, record)
			},
			"commit": func(t *rapid.T) {
				require.NoError(t, l.Commit())
				completed += len(l.Completed(nil))
			},
			"compact": func(t *rapid.T) {
				if !l.CompactionDue() {
					t.Skip("not due")
				}
				require.NoError(t, l.Compact(func(yield func([]byte) bool) {
					for _, record := range appended[:completed] {
						if !yield([]byte(record)) {
							return
						}
					}
				}))
			},
			"back up": func(t *rapid.T) {
				if backups == 4 {
					t.Skip("each takes a dozen fsyncs")
				}
				backups++
				backup := backUp(t, l, filepath.Join(dir, "snapshots", fmt.Sprint(backups)))
				fresh := filepath.Join(dir, "restored", fmt.Sprint(backups))
				_, err := Restore(fresh, backup)
				require.NoError(t, err)
				seen := map[string]bool{}
				var got []string
				for _, record := range texts(reopen(t, fresh).Records) {
					if !seen[record] {
						seen[record] = true
						got = append(got, record)
					}
				}
				require.GreaterOrEqual(t, len(got), completed)
				require.Equal(t, appended[:len(got)], got)
			},
		})
		require.NoError(t, l.Close())
	})
}
