package history

import (
	"context"
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
// Before the first pass it is looked over once for the number of its
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
	sha256 string // once a pass has read the whole file
	latest Summary
}

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
	h.opts.block = int(min(blockSize, size+1)) // to read one byte less shows the end
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
	h.mu.Lock()
	opts.ahead, opts.hashed = scan.ahead, h.sha256 != ""
	h.mu.Unlock()
	summary, err := ReadOperations(ctx, h.section(), opts, yield)
	if err != nil {
		return summary, fmt.Errorf("%s: %w", h.path, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if summary.SHA256 != "" {
		h.sha256 = summary.SHA256
	}
	summary.Bytes, summary.SHA256 = h.size, h.sha256
	h.latest = summary
	return summary, nil
}

// Source is Operations without the summary, in the form that checkers take. An
// operation is valid until yield returns, and its memory is used again then;
// its strings and values may be kept.
func (h *File) Source(ctx context.Context, yield func(*Operation) bool) error {
	opts := h.opts
	opts.copied = true
	_, err := h.operations(ctx, opts, yield)
	return err
}

// Count returns how many invocations the file has, by the first look over it:
// it does not judge whether the history is valid, and in a form that no Writer
// gives, lines that only mention the word are counted too.
func (h *File) Count(ctx context.Context) (int64, error) {
	scan, err := h.prescan(ctx)
	if err != nil {
		return 0, err
	}
	return scan.invocations, nil
}

// Summary is that of the latest pass that ended without error; zero before.
func (h *File) Summary() Summary {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest
}

// ReadAll returns all operations in the order of invocation. Their number is
// known from the first look, so that they lie in one piece without spare room:
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
