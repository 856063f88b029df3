package history

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Format is the form of a history file.
type Format string

// The formats that can be read.
const (
	// FormatJSONL is refute's own: one JSON object a line.
	FormatJSONL Format = "jsonl"
	// FormatEDN is Jepsen's history.edn, or one of Porcupine's key-value logs:
	// maps, one after the other or in one vector.
	FormatEDN Format = "edn"
	// FormatLog is the operations as Jepsen's log or its history.txt shows
	// them ("… jepsen.util - 0 :invoke :read nil").
	FormatLog Format = "jepsen-log"
)

// Options say how to read a history. The zero value is right for every file.
type Options struct {
	// Format is the file's format. Empty: it is found out from the content.
	Format Format

	// ahead holds the completions of nemesis operations by the index of their
	// invocation, where an earlier pass has found them.
	ahead map[int64]*Event
	// hashed says that the file's digest is known already.
	hashed bool
	// copied says that yield keeps no operation, so that their memory can be used again.
	copied bool
	// block, if not 0, is the size of the blocks in which refute's own format
	// is read by several workers. The reader must not block for long then.
	block int
}

// Summary describes a history that was read.
type Summary struct {
	// Format is what the file was.
	Format Format
	// Gzipped says that the file is compressed.
	Gzipped bool
	// Events and Operations count the events and the invocations.
	Events, Operations int64
	// Open counts the operations without completion, which were given as Info.
	Open int64
	// Bytes is the length of the file as it is stored.
	Bytes int64
	// SHA256 is the digest of the file as it is stored, in hexadecimal. It is
	// empty if reading stopped before the end.
	SHA256 string
	// Warnings say what was wrong with the file but did not keep it from being read.
	Warnings []Warning
}

// Warning is a fault of a file that did not keep it from being read.
type Warning struct {
	// Line is the line concerned, from 1.
	Line int64
	// Message says what was wrong and what was done about it.
	Message string
}

// String is one line: where and what.
func (w Warning) String() string { return fmt.Sprintf("line %d: %s", w.Line, w.Message) }

func (s *Summary) warn(line int64, format string, args ...any) {
	s.Warnings = append(s.Warnings, Warning{Line: line, Message: fmt.Sprintf(format, args...)})
}

// ReadOperations reads a history of any known format, gzipped or not, and
// calls yield for each operation, in the order of invocation, once it and all
// before it are complete. Operations that the history leaves open come at
// their place as Info. Yield may keep the operation (which holds its
// neighbours in memory too) but must not change it; if it returns false,
// reading stops without an error.
//
// Validation is part of reading: the error is a *FormatError at the first
// event that must not stand where it is, and ErrEmpty if there is no
// operation. A last line that was cut is dropped with a warning. An error can
// come after operations were yielded: they must be forgotten then.
//
// Memory is bounded by the number of operations that are invoked while the
// longest one lasts. In refute's histories that is a phase of the run, hence
// nearly everything; a File does without that.
func ReadOperations(ctx context.Context, r io.Reader, opts Options, yield func(*Operation) bool) (Summary, error) {
	var summary Summary
	stored := &storedReader{r: r}
	if !opts.hashed {
		stored.digest = sha256.New()
	}
	text, err := unpack(stored, &summary)
	if err != nil {
		return summary, err
	}
	if opts.Format == "" {
		if opts.Format, err = detect(text); err != nil {
			return summary, err
		}
	}
	summary.Format = opts.Format
	a := assembler{valid: newValidator(opts.Format != FormatJSONL), yield: yield, ahead: opts.ahead, reuse: opts.copied}
	if opts.block > 0 && opts.Format == FormatJSONL {
		err = a.runBlocks(ctx, text, opts.block, &summary)
	} else {
		var src source
		if src, err = newSource(text, opts.Format, &summary); err != nil {
			return summary, err
		}
		err = a.run(ctx, src)
	}
	summary.Events, summary.Operations = a.valid.events, a.valid.slots
	if err != nil || a.stopped {
		return summary, err
	}
	if summary.Operations == 0 {
		return summary, ErrEmpty
	}
	summary.Open = a.openAtEnd
	// What follows the end of a gzip stream is part of the file too.
	if _, err := io.Copy(io.Discard, stored); err != nil {
		return summary, fmt.Errorf("read history: %w", err)
	}
	summary.Bytes, summary.SHA256 = stored.bytes, stored.sum()
	return summary, nil
}

func newSource(text *bufio.Reader, format Format, summary *Summary) (source, error) {
	switch format {
	case FormatJSONL:
		return &jsonlSource{lines: newLineReader(text), decoder: NewDecoder(), summary: summary}, nil
	case FormatEDN:
		return newEDNSource(text, summary), nil
	case FormatLog:
		return newLogSource(text, summary), nil
	}
	return nil, fmt.Errorf("history format %q: want %s, %s or %s", format, FormatJSONL, FormatEDN, FormatLog)
}

// storedReader counts and digests the bytes of the file as it is stored.
type storedReader struct {
	r      io.Reader
	digest hash.Hash
	bytes  int64
}

func (s *storedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.bytes += int64(n)
	if s.digest != nil {
		s.digest.Write(p[:n])
	}
	return n, err
}

func (s *storedReader) sum() string {
	if s.digest == nil {
		return ""
	}
	return hex.EncodeToString(s.digest.Sum(nil))
}

// unpack returns the text of the file, decompressed where it is gzipped.
func unpack(r io.Reader, summary *Summary) (*bufio.Reader, error) {
	stored := bufio.NewReaderSize(r, bufferSize)
	head, err := stored.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if string(head) != "\x1f\x8b" {
		return stored, nil
	}
	summary.Gzipped = true
	packed, err := gzip.NewReader(stored)
	if err != nil {
		return nil, fmt.Errorf("read gzipped history: %w", err)
	}
	return bufio.NewReaderSize(packed, bufferSize), nil
}

// detect finds the format out from the beginning of the text.
func detect(text *bufio.Reader) (Format, error) {
	head, err := text.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("read history: %w", err)
	}
	head = bytes.TrimLeft(head, " \t\r\n,\ufeff")
	if len(head) == 0 {
		return "", ErrEmpty
	}
	first, second := head[0], byte(0)
	if rest := bytes.TrimLeft(head[1:], " \t\r\n,"); len(rest) > 0 {
		second = rest[0]
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case first == '{' && (second == '"' || second == '}' || second == 0):
		return FormatJSONL, nil
	case first == '{' && (second == ':' || second == '#' || second == ';'):
		return FormatEDN, nil
	case (first == '[' || first == '(') && bytes.IndexByte([]byte("{#;])"), second) >= 0 && !bytes.HasPrefix(head, []byte(`[{"`)):
		return FormatEDN, nil
	case first == '#' || first == ';':
		return FormatEDN, nil
	case isJepsenLog(head):
		return FormatLog, nil
	}
	// A log may begin with much else.
	if head, err = text.Peek(bufferSize); len(head) > 0 && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && isJepsenLog(head) {
		return FormatLog, nil
	}
	return "", fmt.Errorf("%w; it begins %#.40q", ErrNoHistory, line)
}

// chunkSize is the number of operations that are allocated together: small
// enough for Go's size classes, large enough not to be seen in a profile.
const chunkSize = 128

type chunk [chunkSize]Operation

// assembler joins events to operations and yields them in order.
type assembler struct {
	valid     *validator
	yield     func(*Operation) bool
	ahead     map[int64]*Event
	waiting   []*chunk // those from slot head/chunkSize on
	head      int64    // the slot to be yielded next
	reuse     bool
	free      []*chunk
	openAtEnd int64
	stopped   bool
}

func (a *assembler) run(ctx context.Context, src source) error {
	var e Event
	for n := 0; ; n++ {
		if n&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("read history: %w", err)
			}
		}
		line, err := src.next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := a.event(&e, line); err != nil || a.stopped {
			return err
		}
	}
	a.finish()
	return nil
}

// event takes the next event, which stands in that line.
func (a *assembler) event(e *Event, line int64) error {
	slot, err := a.valid.check(e, line)
	if err != nil {
		return err
	}
	if e.Type == Invoke {
		a.invoke(e)
	} else {
		a.complete(slot, e)
	}
	return nil
}

// at returns the operation of a slot that was not yielded yet.
func (a *assembler) at(slot int64) *Operation {
	return &a.waiting[slot/chunkSize-a.head/chunkSize][slot%chunkSize]
}

func (a *assembler) invoke(e *Event) {
	slot := a.valid.slots - 1
	if slot/chunkSize-a.head/chunkSize == int64(len(a.waiting)) {
		a.waiting = append(a.waiting, a.chunk())
	}
	*a.at(slot) = Operation{Index: e.Index, Completion: -1, Start: e.Time, End: Infinity,
		Process: e.Process, F: e.F, Key: e.Key, Node: e.Node, Input: e.Value}
	if done := a.ahead[e.Index]; done != nil {
		a.complete(slot, done)
	}
}

func (a *assembler) complete(slot int64, e *Event) {
	if slot < a.head {
		return // known ahead, and yielded already
	}
	op := a.at(slot)
	op.Completion, op.Type, op.Output, op.Error = e.Index, e.Type, e.Value, e.Error
	if e.Type != Info {
		op.End = e.Time
	}
	if e.Node != "" {
		op.Node = e.Node
	}
	for !a.stopped && a.head < a.valid.slots {
		op := a.at(a.head)
		if op.Type == 0 {
			return
		}
		a.pass(op)
	}
}

// chunk returns room for more operations.
func (a *assembler) chunk() *chunk {
	if len(a.free) == 0 {
		return new(chunk)
	}
	last := len(a.free) - 1
	c := a.free[last]
	a.free = a.free[:last]
	return c
}

// pass yields the operation at the head and moves on.
func (a *assembler) pass(op *Operation) {
	a.head++
	if a.head%chunkSize == 0 {
		if a.reuse {
			a.free = append(a.free, a.waiting[0])
		}
		a.waiting[0] = nil
		a.waiting = a.waiting[1:]
	}
	a.stopped = !a.yield(op)
}

// finish yields what is left: what the history leaves open may still happen.
func (a *assembler) finish() {
	for !a.stopped && a.head < a.valid.slots {
		op := a.at(a.head)
		if op.Type == 0 {
			op.Type = Info
			a.openAtEnd++
		}
		a.pass(op)
	}
}
