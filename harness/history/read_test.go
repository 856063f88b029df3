package history_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
)

// show writes an operation the way a person would.
func show(op *history.Operation) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d/%d p%d %s", op.Index, op.Completion, op.Process, op.F)
	if op.Key != "" {
		fmt.Fprintf(&s, " %s", op.Key)
	}
	fmt.Fprintf(&s, " %s → %s", showValue(op.Input), showValue(op.Output))
	fmt.Fprintf(&s, " %s %d", op.Type, op.Start)
	if op.End == history.Infinity {
		s.WriteString("…∞")
	} else {
		fmt.Fprintf(&s, "…%d", op.End)
	}
	if op.Node != "" {
		fmt.Fprintf(&s, " at %s", op.Node)
	}
	if op.Error != "" {
		fmt.Fprintf(&s, " (%s)", op.Error)
	}
	return s.String()
}

func showValue(v history.Value) string {
	switch v.Kind() {
	case history.Nil:
		return "nil"
	case history.Int:
		n, _ := v.Int()
		return fmt.Sprint(n)
	case history.List:
		return fmt.Sprint(v.List())
	case history.Raw:
		return string(v.Raw())
	}
	return "-"
}

func good(name string) string { return filepath.Join("testdata", "good", name) }

func readAll(t *testing.T, path string) ([]string, history.Summary) {
	t.Helper()
	operations, summary, err := history.ReadFile(context.Background(), path)
	require.NoError(t, err)
	var shown []string
	for i := range operations {
		shown = append(shown, show(&operations[i]))
	}
	return shown, summary
}

var registerOperations = []string{
	`0/12 p-1 phase main - → - ok 10…60`,
	`1/3 p0 write x 1 → 1 ok 20…30 at n1`,
	`2/6 p1 read x - → nil ok 25…33 at n2`,
	`4/7 p-1 inject f1 {"id":"f1","kind":"pause","description":"n3","verified":false} → {"id":"f1","kind":"pause","description":"n3","verified":true,"evidence":"state T"} ok 31…40`,
	`5/-1 p-1 inject f2 {"id":"f2","kind":"partition","description":"{n1} | {n2 n3}","verified":false} → - info 32…∞`,
	`8/9 p2 cas y [1 2] → [1 2] info 41…∞ (timeout)`,
	`10/11 p1 read y - → - fail 51…52 (unavailable)`,
	`13/-1 p12 read x - → - info 61…∞`,
}

func TestReadJSONL(t *testing.T) {
	for _, name := range []string{"register.jsonl", "register.jsonl.gz", "last-line-without-newline.jsonl"} {
		t.Run(name, func(t *testing.T) {
			operations, summary := readAll(t, good(name))
			assert.Equal(t, registerOperations, operations)
			stored, err := os.ReadFile(good(name))
			require.NoError(t, err)
			sum := sha256.Sum256(stored)
			assert.Equal(t, history.Summary{Format: history.FormatJSONL, Gzipped: strings.HasSuffix(name, ".gz"),
				Events: 14, Operations: 8, Open: 2, Bytes: int64(len(stored)), SHA256: hex.EncodeToString(sum[:])}, summary)
		})
	}
}

func TestACutLastLineIsDroppedWithAWarning(t *testing.T) {
	operations, summary := readAll(t, good("cut-in-the-last-line.jsonl"))
	assert.Equal(t, registerOperations[:7], operations)
	require.Len(t, summary.Warnings, 1)
	assert.Equal(t, int64(14), summary.Warnings[0].Line)
	assert.Equal(t, "line 14: the last line is cut: dropped 40 bytes, beginning `{\"index\":13,\"time\":61,\"process\":12,\"type`", summary.Warnings[0].String())
}

// Wherever a killed process stopped writing, what was complete is read.
func TestAHistoryCutAnywhereIsRead(t *testing.T) {
	text, err := os.ReadFile(good("register.jsonl"))
	require.NoError(t, err)
	first := bytes.IndexByte(text, '\n')
	second := first + 1 + bytes.IndexByte(text[first+1:], '\n')
	for cut := range len(text) {
		lines := bytes.Count(text[:cut], []byte("\n"))
		if cut > 0 && text[cut] == '\n' {
			lines++ // only the newline is missing
		}
		summary, err := history.ReadOperations(context.Background(), bytes.NewReader(text[:cut]), history.Options{}, func(*history.Operation) bool { return true })
		if cut < first {
			require.ErrorIs(t, err, history.ErrEmpty, "cut at %d", cut)
			continue
		}
		require.NoError(t, err, "cut at %d", cut)
		require.Equal(t, int64(lines), summary.Events, "cut at %d", cut)
		torn := text[cut-1] != '\n' && text[cut] != '\n'
		require.Equal(t, torn, len(summary.Warnings) == 1, "cut at %d", cut)
	}
	assert.Greater(t, second, first)
}

func TestAGzipStreamThatBreaksOffIsRead(t *testing.T) {
	stored, err := os.ReadFile(good("register.jsonl.gz"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cut.gz")
	require.NoError(t, os.WriteFile(path, stored[:len(stored)-40], 0o644))
	operations, summary := readAll(t, path)
	assert.NotEmpty(t, operations)
	assert.Less(t, summary.Events, int64(14))
	assert.Len(t, summary.Warnings, 1)
}

func TestReadJepsen(t *testing.T) {
	for name, want := range map[string][]string{
		"jepsen-register.edn": {
			`0/4 p-1 start-partition nil → "[:isolated {\"n1\" #{\"n2\" \"n3\"}, #{\"n4\"} \"odd key\"}]" ok 5…31`,
			`1/3 p0 write 1 → 1 ok 20…30`,
			`2/5 p1 read - → nil ok 25…33`,
			`6/7 p2 cas [1 2] → [1 2] info 41…∞ ([:timeout {:via #object[java.net.Socket 0x1f "s"]}])`,
			`8/9 p1 read - → - fail 51…52 (unavailable)`,
			`10/-1 p12 read - → - info 61…∞`,
		},
		"jepsen-independent-vector.edn": {
			`0/3 p0 read 7 - → nil ok 100…103`,
			`1/4 p1 write 7 3 → 3 ok 101…104`,
			`2/5 p2 cas 8 [3 4] → [3 4] fail 102…105`,
			`6/7 p0 read 7 - → 3 ok 106…107`,
			`8/-1 p0 read k - → - info 108…∞`,
		},
		"jepsen-versioned-register.edn": {
			`0/1 p0 write 5 3 → 3 ok 0…1`,
			`2/3 p0 cas 5 [3 4] → [3 4] ok 2…3`,
			`4/5 p0 read 5 - → 4 ok 4…5`,
		},
		"jepsen-set.edn": {
			`0/2 p0 add 0 → 0 ok 0…2`,
			`1/3 p1 add 1 → 1 info 1…∞ (timeout)`,
			`4/5 p0 read - → [0 1] ok 4…5`,
		},
		"times-go-back.edn": {
			`0/1 p0 write 1 → 1 ok 100…101`,
			`2/3 p0 read - → 1 ok 102…200`,
		},
		"cut-in-the-last-map.edn": {`0/-1 p0 write 1 → - info 0…∞`},
		"jepsen-new.log": {
			`0/2 p0 txn [["r","5",null],["append","5",1]] → [["r","5",[]],["append","5",1]] ok 0…2`,
			`1/3 p-1 start nil → ["isolated",{"n1":["n2"]}] ok 1…3`,
		},
		"jepsen-history.txt": {
			`0/2 p0 write 7 1 → 1 ok 0…2`,
			`1/3 p1 read 7 - → - info 1…∞ (timeout)`,
		},
		"porcupine-kv.txt": {
			`0/2 p0 append 0 "x 0 0 y" → "x 0 0 y" ok 0…2`,
			`1/3 p1 read 0 - → "x 0 0 y" ok 1…3`,
			`4/5 p0 write 0 "" → "" ok 4…5`,
			`6/-1 p1 read 0 - → - info 6…∞`,
		},
		"jepsen.log": {
			`0/2 p0 write 4 → 4 ok 0…2`,
			`1/3 p1 read - → nil ok 1…3`,
			`4/6 p0 cas [4 2] → - info 4…∞ (timed-out)`,
			`5/7 p-1 start nil → "Cut off {:n1 #{:n2}}" ok 5…7`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			operations, summary := readAll(t, good(name))
			assert.Equal(t, want, operations)
			assert.Len(t, summary.SHA256, 64)
			switch name {
			case "times-go-back.edn":
				require.Len(t, summary.Warnings, 1)
				assert.Equal(t, "line 2: times go back here (1 times in all): the order of the events was taken instead", summary.Warnings[0].String())
			case "cut-in-the-last-map.edn":
				require.Len(t, summary.Warnings, 1)
				assert.Contains(t, summary.Warnings[0].String(), "line 2: the file is cut")
			default:
				assert.Empty(t, summary.Warnings)
			}
		})
	}
}

// bad names, for each file that must be refused, the class of its fault and what the message must say.
var bad = map[string]struct {
	kind error
	says string
}{
	"two-completions-of-one-invocation.jsonl":      {history.ErrCompletedTwice, "line 3, event 2: invocation completed twice: process 0 completes the write of event 0 with ok, but event 1 completed it"},
	"completion-without-invocation.jsonl":          {history.ErrNotInvoked, "line 3, event 2: completion without invocation: process 1 completes a read"},
	"completion-of-an-operation-done-before.jsonl": {history.ErrNotInvoked, "its last operation was the write of event 0"},
	"time-goes-back.jsonl":                         {history.ErrTime, "line 3, event 2: time goes backwards: the time is 1 ns after 2 ns"},
	"negative-time.jsonl":                          {history.ErrTime, "line 1, event 0"},
	"index-left-out.jsonl":                         {history.ErrIndex, "line 3, event 3: index out of order: the index is 3 where 2 is due"},
	"index-twice.jsonl":                            {history.ErrIndex, "the index is 1 where 2 is due"},
	"index-not-from-zero.jsonl":                    {history.ErrIndex, "the index is 1 where 0 is due"},
	"process-used-after-info.jsonl":                {history.ErrRetired, "line 3, event 2: process is retired: process 0 invokes read after its operation of event 0 ended as info at event 1"},
	"late-completion-after-info.jsonl":             {history.ErrCompletedTwice, "line 3"},
	"two-open-operations-of-one-process.jsonl":     {history.ErrOpen, "line 2, event 1: process has an open operation: process 0 invokes read while its write of event 0 is open"},
	"completion-of-another-key.jsonl":              {history.ErrMismatch, `completes write "y", but its open operation is the write "x" of event 0`},
	"completion-of-another-f.jsonl":                {history.ErrMismatch, "completes read"},
	"fault-injected-twice.jsonl":                   {history.ErrOpen, `the nemesis invokes inject "f1"`},
	"fault-healed-without-invocation.jsonl":        {history.ErrNotInvoked, "the nemesis completes a heal"},
	"cut-line-in-the-middle.jsonl":                 {history.ErrSyntax, "line 2: malformed event: the line ends after 30 bytes"},
	"field-missing.jsonl":                          {history.ErrSyntax, `line 1: malformed event: field "f" is missing`},
	"no-operations.jsonl":                          {history.ErrEmpty, "no operation"},
	"only-a-cut-line.jsonl":                        {history.ErrEmpty, "no operation"},
	"another-json-file.jsonl":                      {history.ErrSyntax, `field "index" is missing`},
	"json-list.json":                               {history.ErrNoHistory, "not a history"},
	"text.txt":                                     {history.ErrNoHistory, "it begins `The quick brown fox`"},
	"edn-map-of-settings.edn":                      {history.ErrNoHistory, "line 1: not a history: want refute's history.jsonl, Jepsen's history.edn or log, or a key-value log of Porcupine's, plain or gzipped: the map has no :process"},
	"edn-vector-of-numbers.edn":                    {history.ErrNoHistory, "not a history"},
	"edn-empty-vector.edn":                         {history.ErrEmpty, "no operation"},
	"edn-unbalanced.edn":                           {history.ErrNoHistory, "'}' closes nothing"},
	"edn-cut-first-map.edn":                        {history.ErrNoHistory, "line 1"},
	"edn-unknown-type.edn":                         {history.ErrSyntax, "line 2: malformed event: :type is \":done\""},
	"edn-text-process.edn":                         {history.ErrNoHistory, ":process is \":client\""},
	"edn-two-completions.edn":                      {history.ErrCompletedTwice, "line 3, event 2"},
	"edn-completion-of-another-key.edn":            {history.ErrMismatch, `completes write "2", but its open operation is the write "1"`},
	"edn-index-back.edn":                           {history.ErrIndex, "line 2, event 4"},
	"log-two-completions.log":                      {history.ErrCompletedTwice, "line 3, event 2: invocation completed twice: process 0 completes the read of event 0"},
	"edn-two-vectors.edn":                          {history.ErrSyntax, "line 2: malformed event: '[' stands after the end"},
}

func TestBadFilesAreRefusedWithOneClearLine(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("testdata", "bad"))
	require.NoError(t, err)
	require.Len(t, entries, len(bad), "every file is in the table")
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) {
			want, known := bad[entry.Name()]
			require.True(t, known)
			path := filepath.Join("testdata", "bad", entry.Name())
			_, _, err := history.ReadFile(context.Background(), path)
			require.ErrorIs(t, err, want.kind)
			assert.ErrorContains(t, err, want.says)
			assert.True(t, strings.HasPrefix(err.Error(), path+": "), "the file is named: %v", err)
			assert.NotContains(t, err.Error(), "\n")

			text, rerr := os.ReadFile(path)
			require.NoError(t, rerr)
			_, err = history.ReadOperations(context.Background(), bytes.NewReader(text), history.Options{}, func(*history.Operation) bool { return true })
			require.ErrorIs(t, err, want.kind, "a stream is judged as a file is")
		})
	}
}

// Reading one line at a time from a stream gives the same operations as a file.
func TestStreamAndFileAgree(t *testing.T) {
	files, err := filepath.Glob(good("*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var fromStream []string
		streamed, err := history.ReadOperations(context.Background(), bytes.NewReader(text), history.Options{}, func(op *history.Operation) bool {
			fromStream = append(fromStream, show(op))
			return true
		})
		require.NoError(t, err)
		fromFile, summary := readAll(t, path)
		assert.Equal(t, fromFile, fromStream, path)
		assert.Equal(t, summary, streamed, path)

		h, err := history.OpenReader("pipe", bytes.NewReader(text))
		require.NoError(t, err)
		operations, spooled, err := h.ReadAll(context.Background())
		require.NoError(t, err)
		require.NoError(t, h.Close())
		assert.Len(t, operations, len(fromFile))
		assert.Equal(t, summary, spooled)
	}
}

// A File knows how the phase ends, so that nothing waits for it.
func TestAFileYieldsBeforeThePhaseEnds(t *testing.T) {
	h, err := history.Open(good("register.jsonl"))
	require.NoError(t, err)
	defer h.Close()
	var seen []int64
	summary, err := h.Operations(context.Background(), func(op *history.Operation) bool {
		seen = append(seen, op.Index)
		return len(seen) < 3
	})
	require.NoError(t, err)
	assert.Equal(t, []int64{0, 1, 2}, seen)
	assert.Less(t, summary.Events, int64(12), "the end of the phase, event 12, was not waited for")
}

func TestReadingStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := history.ReadFile(ctx, good("register.jsonl"))
	require.ErrorIs(t, err, context.Canceled)
	text, err := os.ReadFile(good("register.jsonl"))
	require.NoError(t, err)
	_, err = history.ReadOperations(ctx, bytes.NewReader(text), history.Options{}, func(*history.Operation) bool { return true })
	require.ErrorIs(t, err, context.Canceled)
}

func TestOpenRefusesFoldersAndMissingFiles(t *testing.T) {
	_, err := history.Open("testdata")
	require.ErrorContains(t, err, "testdata is a folder: name the history.jsonl in it")
	_, err = history.Open(good("none.jsonl"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOpenReadsAPipe(t *testing.T) {
	text, err := os.ReadFile(good("register.jsonl"))
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	written := make(chan error, 1)
	go func() {
		_, err := w.Write(text)
		written <- errors.Join(err, w.Close())
	}()
	old := os.Stdin
	os.Stdin = r
	t.Cleanup(func() { os.Stdin = old; r.Close() })
	operations, _ := readAll(t, "-")
	assert.Equal(t, registerOperations, operations)
	require.NoError(t, <-written)
}

func TestEvidence(t *testing.T) {
	for _, name := range []string{"register.jsonl", "register.jsonl.gz"} {
		r, err := history.OpenEvidence(good(name))
		require.NoError(t, err)
		assert.Equal(t, "30@n1", r.Lookup(3).Version)
		assert.Equal(t, []history.ReplicaEvidence{{Node: "n2", Answered: true, Counted: true}}, r.Lookup(6).Replicas)
		assert.Nil(t, r.Lookup(7), "an event without evidence")
		assert.Nil(t, r.Lookup(-1), "an operation without completion")
		assert.Nil(t, r.Lookup(1000))
		found, err := r.Read(context.Background(), []int64{6, 3, 7, 3, -1, 99, 6})
		require.NoError(t, err)
		assert.Len(t, found, 2)
		assert.Equal(t, "n2", found[6].Coordinator)
		require.NoError(t, r.Err())
		require.NoError(t, r.Close())
	}
	r, err := history.OpenEvidence(good("jepsen-set.edn"))
	require.NoError(t, err)
	defer r.Close()
	assert.Nil(t, r.Lookup(2))
	require.NoError(t, r.Err())
}

func TestEvidenceOfALongHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	writeHistory(t, path, 5000)
	packed := path + ".gz"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err = z.Write(text)
	require.NoError(t, errors.Join(err, z.Close()))
	require.NoError(t, os.WriteFile(packed, zipped.Bytes(), 0o644))
	for _, path := range []string{path, packed} {
		h, err := history.Open(path)
		require.NoError(t, err)
		defer h.Close()
		r := h.Evidence()
		var wanted []int64
		for index := int64(0); index < 10_000; index += 97 {
			wanted = append(wanted, index, 9_999-index)
		}
		all, err := r.Read(context.Background(), wanted)
		require.NoError(t, err)
		completions := 0
		for _, index := range wanted {
			e := all[index]
			if e != nil {
				completions++
				require.Equal(t, fmt.Sprintf("v%d", index), e.Version)
			}
			if index%970 == 0 {
				require.Equal(t, e, r.Lookup(index))
			}
		}
		assert.Greater(t, completions, 50)
		require.NoError(t, r.Err())
	}
}

func FuzzReadJSONL(f *testing.F) { fuzzRead(f, history.FormatJSONL, "*.jsonl") }
func FuzzReadLog(f *testing.F)   { fuzzRead(f, history.FormatLog, "*.log") }
func FuzzReadEDN(f *testing.F)   { fuzzRead(f, history.FormatEDN, "*.edn") }

// fuzzRead: whatever the text, reading ends with a history that obeys the
// rules (writing it again finds nothing to object to) or with one clear line.
func fuzzRead(f *testing.F, format history.Format, pattern string) {
	for _, folder := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, pattern))
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		last, count := int64(-1), int64(0)
		summary, err := history.ReadOperations(context.Background(), bytes.NewReader(text), history.Options{Format: format}, func(op *history.Operation) bool {
			require.Greater(t, op.Index, last, "in the order of invocation")
			last = op.Index
			count++
			require.True(t, op.Completion == -1 || op.Completion > op.Index)
			require.GreaterOrEqual(t, op.End, op.Start)
			require.GreaterOrEqual(t, op.Start, int64(0))
			require.NotEmpty(t, op.F)
			require.Contains(t, []history.Type{history.Ok, history.Fail, history.Info}, op.Type)
			require.Equal(t, op.Type == history.Info, op.End == history.Infinity)
			for _, v := range []history.Value{op.Input, op.Output} {
				require.True(t, v.Kind() != history.Raw || json.Valid(v.Raw()), "%s", v.Raw())
			}
			return true
		})
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			var bad *history.FormatError
			require.True(t, errors.Is(err, history.ErrEmpty) || errors.As(err, &bad) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || summary.Gzipped, "%v", err)
			return
		}
		require.Positive(t, count)
		require.Equal(t, summary.Operations, count)
		require.NotEmpty(t, summary.SHA256)
	})
}
