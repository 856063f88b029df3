package wal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fill writes the records to a fresh log in dir, one write(2) each, and closes it.
func fill(t require.TestingT, dir string, records [][]byte) {
	l, _, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	for i, record := range records {
		require.NoError(t, l.Append(uint64(i), record, false))
		require.NoError(t, l.Commit())
	}
	require.NoError(t, l.Close())
}

// reopen returns what a log holds.
func reopen(t require.TestingT, dir string) *Recovered {
	l, recovered, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return recovered
}

func numbered(n int) [][]byte {
	var records [][]byte
	for i := range n {
		records = append(records, fmt.Appendf(nil, "record %d %s", i, bytes.Repeat([]byte{byte(i)}, i%7)))
	}
	return records
}

// A node that is killed leaves a prefix of what it wrote, cut at any byte.
// Whatever the byte, the complete records come back, the rest is reported, and
// the log can be appended to.
func TestEveryCutLeavesACompletePrefix(t *testing.T) {
	records := numbered(12)
	origin := t.TempDir()
	fill(t, origin, records)
	content, err := os.ReadFile(filepath.Join(origin, "segment-00000001"))
	require.NoError(t, err)
	incarnation, err := os.ReadFile(filepath.Join(origin, incarnationName))
	require.NoError(t, err)

	ends := []int{len(segmentMagic)}
	for _, record := range records {
		ends = append(ends, ends[len(ends)-1]+headerSize+len(record))
	}
	require.Equal(t, len(content), ends[len(ends)-1])
	for cut := 0; cut <= len(content); cut++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "segment-00000001")
		require.NoError(t, os.WriteFile(path, content[:cut], 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, incarnationName), incarnation, 0o644))
		complete, end := 0, 0
		for i, e := range ends {
			if e <= cut {
				complete, end = i, e
			}
		}

		l, recovered, err := Open(dir, Options{Mode: Never})
		require.NoError(t, err, "cut at %d", cut)
		require.Len(t, recovered.Records, complete, "cut at %d", cut)
		for i, record := range recovered.Records {
			require.Equal(t, records[i], record)
		}
		require.Equal(t, uint32(2), recovered.Incarnation)
		if cut == end || cut == 0 {
			require.Nil(t, recovered.Torn, "cut at %d", cut)
		} else {
			require.Equal(t, int64(end), recovered.Torn.Offset, "cut at %d", cut)
			require.Equal(t, int64(cut-end), recovered.Torn.Dropped, "cut at %d", cut)
			require.Contains(t, recovered.Torn.String(), fmt.Sprintf("dropped %d bytes of %s from offset %d", cut-end, path, end))
		}
		require.NoError(t, l.Append(99, []byte("after the crash"), false))
		require.NoError(t, l.Commit())
		require.NoError(t, l.Close())

		again := reopen(t, dir)
		require.Nil(t, again.Torn, "cut at %d", cut)
		require.Len(t, again.Records, complete+1)
		require.Equal(t, []byte("after the crash"), again.Records[complete])
	}
}

// A flipped bit before the last record is corruption, which is never mistaken
// for a torn tail, wherever it is.
func TestDamageBeforeGoodRecordsIsAnError(t *testing.T) {
	records := numbered(6)
	origin := t.TempDir()
	fill(t, origin, records)
	name := "segment-00000001"
	content, err := os.ReadFile(filepath.Join(origin, name))
	require.NoError(t, err)
	lastFrame := len(content) - headerSize - len(records[5])
	for at := range content {
		damaged := bytes.Clone(content)
		damaged[at] ^= 0x40
		require.NoError(t, os.WriteFile(filepath.Join(origin, name), damaged, 0o644))
		_, _, err := Open(origin, Options{Mode: Never})
		if at < lastFrame {
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt, "byte %d", at)
			require.LessOrEqual(t, corrupt.Offset, int64(at))
			require.Contains(t, err.Error(), name)
			continue
		}
		// In the last record it can't be told from a torn write.
		require.NoError(t, err, "byte %d", at)
		break
	}
}

func TestAMissingFileIsAnError(t *testing.T) {
	for _, missing := range []string{incarnationName, "segment-00000001", "segment-00000002"} {
		dir := t.TempDir()
		fill(t, dir, numbered(3))
		l, _, err := Open(dir, Options{Mode: Never})
		require.NoError(t, err)
		if missing == "segment-00000002" {
			// The segment that belongs to a snapshot.
			require.NoError(t, l.Compact(func(yield func([]byte) bool) { yield([]byte("state")) }))
		} else {
			// A later segment, as a crash during a compaction leaves it.
			_, fresh, err := l.exchangeSegment()
			require.NoError(t, err)
			require.NotNil(t, fresh)
		}
		require.NoError(t, l.Close())
		require.NoError(t, os.Remove(filepath.Join(dir, missing)))
		_, _, err = Open(dir, Options{Mode: Never})
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt, missing)
		assert.Contains(t, corrupt.File, missing)
	}
}

func TestADirectoryIsForOneProcess(t *testing.T) {
	dir := t.TempDir()
	l, _, err := Open(dir, Options{Mode: Never})
	require.NoError(t, err)
	_, _, err = Open(dir, Options{Mode: Never})
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, l.Close())
	for incarnation := uint32(2); incarnation < 5; incarnation++ {
		assert.Equal(t, incarnation, reopen(t, dir).Incarnation, "an open that was refused is not a start, every other is")
	}
}

// Whatever the mix of appends, commits, compactions, clean restarts and
// crashes between two calls, what was completed comes back, in order.
func TestCompletedRecordsSurvive(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		mode := rapid.SampledFrom([]Mode{Always, Never}).Draw(t, "mode")
		appended, completed := []string{}, []string{} // since the beginning; completed is a prefix of appended
		open := func() *Log {
			l, recovered, err := Open(dir, Options{Mode: mode, CompactAt: 200})
			require.NoError(t, err)
			// A record may come twice around a compaction: keep the first of each.
			seen := map[string]bool{}
			got := []string{}
			for _, record := range recovered.Records {
				if !seen[string(record)] {
					seen[string(record)] = true
					got = append(got, string(record))
				}
			}
			require.GreaterOrEqual(t, len(got), len(completed))
			require.LessOrEqual(t, len(got), len(appended))
			require.Equal(t, appended[:len(got)], got)
			appended, completed = got, got[:len(got):len(got)]
			return l
		}
		l := open()
		drain := func() {
			for _, id := range l.Completed(nil) {
				require.Equal(t, uint64(len(completed)), id, "completions are in order and none is missing")
				completed = append(completed, appended[id])
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				record := fmt.Sprintf("%d:%s", len(appended), rapid.StringN(0, 20, 40).Draw(t, "text"))
				require.NoError(t, l.Append(uint64(len(appended)), []byte(record), rapid.Bool().Draw(t, "eager")))
				appended = append(appended, record)
			},
			"commit": func(t *rapid.T) { require.NoError(t, l.Commit()) },
			"drain":  func(t *rapid.T) { drain() },
			"compact": func(t *rapid.T) {
				if !l.CompactionDue() {
					t.Skip("not due")
				}
				require.NoError(t, l.Compact(func(yield func([]byte) bool) {
					for _, record := range completed {
						if !yield([]byte(record)) {
							return
						}
					}
				}))
			},
			"restart": func(t *rapid.T) {
				require.NoError(t, l.Close())
				completed = appended
				l = open()
			},
			"kill": func(t *rapid.T) {
				l.Abandon()
				l = open()
			},
		})
		require.NoError(t, l.Close())
	})
}

// FuzzSegment: no content of a segment makes the reader panic, invent a record
// or report a good prefix that is not one.
func FuzzSegment(f *testing.F) {
	good := []byte(segmentMagic)
	for _, record := range numbered(3) {
		good = appendFrame(good, record)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), make([]byte, 40)...))
	f.Add([]byte(segmentMagic[:3]))
	f.Add([]byte("something else"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var records [][]byte
		end, problem, torn := parseSegment(data, func(record []byte) { records = append(records, record) })
		if problem == "" && (end != len(data) || torn) {
			t.Fatalf("no problem, yet the good prefix is %d of %d, torn %v", end, len(data), torn)
		}
		if end == 0 {
			if len(records) > 0 || problem == "" {
				t.Fatalf("no header, yet %d records, problem %q", len(records), problem)
			}
			return
		}
		again := []byte(segmentMagic)
		for _, record := range records {
			again = appendFrame(again, record)
		}
		if !bytes.Equal(again, data[:end]) {
			t.Fatalf("the good prefix of %d bytes does not consist of its %d records", end, len(records))
		}
	})
}

// A directory that is used for the first time begins where it is told to, and counts on from there.
func TestIncarnationsBeginWhereTheyAreTold(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []uint32{1000, 1001} {
		log, recovered, err := Open(dir, Options{Mode: Always, FirstIncarnation: 1000})
		require.NoError(t, err)
		assert.Equal(t, want, recovered.Incarnation)
		require.NoError(t, log.Close())
	}
}
