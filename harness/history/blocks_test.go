package history

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reading is all that a reading of a text gives.
type reading struct {
	operations []Operation
	summary    Summary
	fault      string
}

func readWith(t *testing.T, text io.Reader, opts Options) reading {
	t.Helper()
	var r reading
	opts.Format = FormatJSONL
	summary, err := ReadOperations(context.Background(), text, opts, func(o *Operation) bool {
		r.operations = append(r.operations, *o)
		return true
	})
	r.summary = summary
	if err != nil {
		r.fault = err.Error()
		r.operations = nil // how many were given before the fault is not promised
	}
	return r
}

// requireSameReading: blocks of any size give what reading line by line gives,
// its operations, its summary and its error.
func requireSameReading(t *testing.T, text []byte, sizes ...int) {
	t.Helper()
	want := readWith(t, bytes.NewReader(text), Options{})
	for _, size := range sizes {
		require.Equal(t, want, readWith(t, bytes.NewReader(text), Options{block: size}), "blocks of %d bytes:\n%s", size, text)
		require.Equal(t, want, readWith(t, bytes.NewReader(text), Options{block: size, copied: true}), "blocks of %d bytes", size)
	}
}

// texts are all files in refute's own format among the test data, whole, cut, and with other line ends.
func texts(t testing.TB) [][]byte {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all [][]byte
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all = append(all, text,
			bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
			bytes.ReplaceAll(text, []byte("\n"), []byte("\n\n \t\n")),
			append([]byte("\n\n"), text...),
			text[:len(text)*2/3],
			append(bytes.Clone(text), "\n  "...),
			append(bytes.Clone(text), `{"index":`...))
	}
	return all
}

func TestBlocksOfAnySizeGiveTheSame(t *testing.T) {
	for _, text := range texts(t) {
		requireSameReading(t, text, 1, 2, 7, 64, 100, 191, 500, 1<<20)
	}
	// Wherever a block begins.
	text := texts(t)[0]
	for size := 1; size <= len(text)+1; size++ {
		requireSameReading(t, text, size)
	}
}

func TestAReaderThatFails(t *testing.T) {
	text := texts(t)[0]
	for cut := range len(text) {
		broken := func() io.Reader {
			return io.MultiReader(bytes.NewReader(text[:cut]), iotest.ErrReader(errors.New("disk on fire")))
		}
		want := readWith(t, broken(), Options{})
		require.Contains(t, want.fault, "disk on fire")
		if strings.Contains(want.fault, "read line") {
			require.Equal(t, want, readWith(t, broken(), Options{block: 50}))
		}
	}
}

// TestAFileInBlocks: what the first look learns serves the passes after it, gzipped or not.
func TestAFileInBlocks(t *testing.T) {
	for _, text := range texts(t) {
		want := readWith(t, bytes.NewReader(text), Options{})
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write(text)
		require.NoError(t, errors.Join(err, z.Close()))
		for _, stored := range [][]byte{text, packed.Bytes()} {
			h, err := OpenReader("test", bytes.NewReader(stored))
			if err != nil {
				continue // of no known format
			}
			h.opts.block = 60
			operations, summary, err := h.ReadAll(context.Background())
			if want.fault != "" {
				require.EqualError(t, err, "test: "+want.fault)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, want.operations, operations)
			require.Equal(t, want.summary.Warnings, summary.Warnings)
			require.Len(t, summary.SHA256, 64)
			count, err := h.Count(context.Background())
			require.NoError(t, err)
			require.GreaterOrEqual(t, count, summary.Operations)
			var again []Operation
			require.NoError(t, h.Source(context.Background(), func(o *Operation) bool { again = append(again, *o); return true }))
			require.Equal(t, want.operations, again)
			require.Equal(t, summary, h.Summary(), "a second pass knows the digest of the first")
			require.NoError(t, h.Close())
		}
	}
}

func TestBlocksStop(t *testing.T) {
	var text bytes.Buffer
	w := NewWriter(&text)
	for i := range int64(10_000) {
		require.NoError(t, w.Append(&Event{Index: i, Time: i, Process: Process(i), Type: Invoke, F: FRead}))
		// All wait for the first.
	}
	require.NoError(t, w.Append(&Event{Index: 10_000, Time: 10_000, Process: 0, Type: Ok, F: FRead}))
	given := 0
	_, err := ReadOperations(context.Background(), bytes.NewReader(text.Bytes()), Options{block: 512}, func(*Operation) bool { given++; return given < 3 })
	require.NoError(t, err)
	assert.Equal(t, 3, given)
	ctx, cancel := context.WithCancel(context.Background())
	_, err = ReadOperations(ctx, bytes.NewReader(text.Bytes()), Options{block: 512}, func(*Operation) bool { cancel(); return true })
	require.ErrorIs(t, err, context.Canceled)
}

// TestEvidenceInBlocks: every event is found from the marks.
func TestEvidenceInBlocks(t *testing.T) {
	var text bytes.Buffer
	w := NewWriter(&text)
	for i := range int64(200) {
		require.NoError(t, w.Append(&Event{Index: 2 * i, Time: i, Type: Invoke, F: FRead, Error: strings.Repeat("x", int(i%9))}))
		require.NoError(t, w.Append(&Event{Index: 2*i + 1, Time: i, Type: Ok, F: FRead, Evidence: &Evidence{Version: fmt.Sprint(2*i + 1)}}))
	}
	for _, size := range []int{1, 100, 1000} {
		h, err := OpenReader("test", bytes.NewReader(bytes.ReplaceAll(text.Bytes(), []byte("\n"), []byte("\n\n"))))
		require.NoError(t, err)
		h.opts.block = size
		r := h.Evidence()
		for i := int64(399); i > 0; i -= 2 {
			require.Equal(t, fmt.Sprint(i), r.Lookup(i).Version)
			require.Nil(t, r.Lookup(i-1))
		}
		require.NoError(t, r.Err())
		require.NoError(t, h.Close())
	}
}

// FuzzBlocks: cut into blocks and decoded by many, a text is read as line by line.
func FuzzBlocks(f *testing.F) {
	for i, text := range texts(f) {
		f.Add(text, uint16(i%200))
	}
	f.Fuzz(func(t *testing.T, text []byte, size uint16) { requireSameReading(t, text, int(size)+1) })
}
