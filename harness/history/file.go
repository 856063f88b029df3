package history

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// File is a history file, open for any number of passes: operations in order
// (Operations), all of them in memory (ReadAll), or the evidence of single
// events (Evidence). Its length is fixed when it is opened: what a run that
// is still going on appends later is not seen.
//
// Before the first pass it is scanned once for its digest, the number of its
// operations and the ends of its long nemesis operations, so that no pass has
// to hold back all the operations of a phase until the phase ends. It may be
// used concurrently.
type File struct {
	path   string
	file   *os.File
	size   int64
	opts   Options
	gzip   bool
	mu     sync.Mutex
	scan   *prescan
	latest Summary
}

// prescan is what the first pass over a file learns.
type prescan struct {
	invocations int64
	ahead       map[int64]*Event
	marks       []int64 // offsets of the events 0, markEvery, 2·markEvery, …
	sha256      string
}

// markEvery is the distance, in events, of the places whose offset is kept.
const markEvery = 512

// Open opens a history of any known format, gzipped or not; the path "-" is
// the standard input. What cannot be read twice (the standard input, a pipe)
// is first copied into a temporary file, which vanishes with the File.
// The error is ErrEmpty or ErrNoHistory, wrapped, if the beginning of the file
// shows that already.
func Open(path string) (*File, error) {
	if path == "-" {
		return spool("standard input", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open history: %w", err)
	}
	if info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("open history: %s is a folder: name the history.jsonl in it", path)
	}
	if !info.Mode().IsRegular() {
		defer f.Close()
		return spool(path, f)
	}
	return open(path, f, info.Size())
}

// OpenReader is Open for what a reader gives; name stands for it in errors.
func OpenReader(name string, r io.Reader) (*File, error) { return spool(name, r) }

func spool(name string, r io.Reader) (*File, error) {
	f, err := os.CreateTemp("", "refute-history-")
	if err != nil {
		return nil, fmt.Errorf("open history %s: %w", name, err)
	}
	// Without a name the file ends with the process, however that ends.
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("open history %s: %w", name, err)
	}
	size, err := io.Copy(f, r)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read history %s: %w", name, err)
	}
	return open(name, f, size)
}

func open(path string, f *os.File, size int64) (*File, error) {
	h := &File{path: path, file: f, size: size}
	var summary Summary
	text, err := unpack(h.section(), &summary)
	if err == nil {
		h.gzip = summary.Gzipped
		h.opts.Format, err = detect(text)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

func (h *File) section() io.Reader { return io.NewSectionReader(h.file, 0, h.size) }

// Format is the format of the file.
func (h *File) Format() Format { return h.opts.Format }

// Close closes the file. Evidence can't be read afterwards.
func (h *File) Close() error { return h.file.Close() }

// Operations is ReadOperations over the file, with its path in every error.
// It needs memory for the operations that are open at a time only.
func (h *File) Operations(ctx context.Context, yield func(*Operation) bool) (Summary, error) {
	return h.operations(ctx, h.opts, yield)
}

func (h *File) operations(ctx context.Context, opts Options, yield func(*Operation) bool) (Summary, error) {
	scan, err := h.prescan(ctx)
	if err != nil {
		return Summary{}, err
	}
	opts.ahead, opts.hashed = scan.ahead, true
	summary, err := ReadOperations(ctx, h.section(), opts, yield)
	summary.Bytes, summary.SHA256 = h.size, scan.sha256
	if err != nil {
		return summary, fmt.Errorf("%s: %w", h.path, err)
	}
	h.mu.Lock()
	h.latest = summary
	h.mu.Unlock()
	return summary, nil
}

// Source is Operations without the summary, in the form that checkers take.
func (h *File) Source(ctx context.Context, yield func(*Operation) bool) error {
	_, err := h.Operations(ctx, yield)
	return err
}

// Summary is that of the latest pass that ended without error; zero before.
func (h *File) Summary() Summary {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest
}

// ReadAll returns all operations in the order of invocation. Their number is
// known from the scan, so that they lie in one piece without spare room:
// about 160 bytes each, beside the strings and lists.
func (h *File) ReadAll(ctx context.Context) ([]Operation, Summary, error) {
	scan, err := h.prescan(ctx)
	if err != nil {
		return nil, Summary{}, err
	}
	all := make([]Operation, 0, scan.invocations)
	opts := h.opts
	opts.copied = true
	summary, err := h.operations(ctx, opts, func(op *Operation) bool {
		all = append(all, *op)
		return true
	})
	if err != nil {
		return nil, summary, err
	}
	return all, summary, nil
}

// ReadFile returns all operations of a history file; see Open and File.ReadAll.
func ReadFile(ctx context.Context, path string) ([]Operation, Summary, error) {
	h, err := Open(path)
	if err != nil {
		return nil, Summary{}, err
	}
	defer h.Close()
	return h.ReadAll(ctx)
}

// prescan makes the first pass, once.
func (h *File) prescan(ctx context.Context) (*prescan, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.scan != nil {
		return h.scan, nil
	}
	stored := &storedReader{r: h.section(), digest: sha256.New()}
	text, err := unpack(stored, &Summary{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.path, err)
	}
	scan := &prescan{ahead: make(map[int64]*Event)}
	if err := scan.lines(ctx, text, h.opts.Format); err != nil {
		return nil, fmt.Errorf("%s: %w", h.path, err)
	}
	if _, err := io.Copy(io.Discard, stored); err != nil {
		return nil, fmt.Errorf("%s: read history: %w", h.path, err)
	}
	scan.sha256 = stored.sum()
	h.scan = scan
	return scan, nil
}

// lines looks at every line without judging it: what is wrong will be said by
// the pass that reads the operations. It only has to be right for files that are.
func (p *prescan) lines(ctx context.Context, text *bufio.Reader, format Format) error {
	lines, decoder := newLineReader(text), NewDecoder()
	invoke, nemesis := []byte(`invoke`), []byte(`"nemesis"`)
	open := make(map[pairKey]int64)
	for n := 0; ; n++ {
		if n&1023 == 0 && ctx.Err() != nil {
			return fmt.Errorf("read history: %w", ctx.Err())
		}
		line, _, err := lines.next()
		if err != nil {
			var bad *FormatError
			if errors.Is(err, io.EOF) || errors.As(err, &bad) {
				return nil
			}
			return err
		}
		if format != FormatJSONL {
			p.invocations += int64(bytes.Count(line, invoke))
			continue
		}
		if n%markEvery == 0 {
			p.marks = append(p.marks, lines.start)
		}
		if bytes.Contains(line, invoke) {
			p.invocations++
		}
		if bytes.Contains(line, nemesis) {
			p.nemesis(decoder, line, open)
		}
	}
}

// nemesis pairs the nemesis' operations.
func (p *prescan) nemesis(decoder *Decoder, line []byte, open map[pairKey]int64) {
	e := new(Event)
	if decoder.Decode(line, e) != nil || e.Process != Nemesis {
		return
	}
	key := pairKey{Nemesis, e.F, e.Key}
	if e.Type == Invoke {
		open[key] = e.Index
	} else if invocation, ok := open[key]; ok {
		p.ahead[invocation] = e
		delete(open, key)
	}
}
