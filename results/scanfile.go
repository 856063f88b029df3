package results

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// ScanFile reads a history.jsonl once and keeps what the report of the
// document needs. Its memory does not grow with the file. A file that ends in
// the middle of a line is read up to there, as after a crash; any other
// malformed line ends the reading too, and the scan's Warning says where.
// The error is the file's own.
func ScanFile(d *Document, path string) (*Scan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("history for the report: %w", err)
	}
	defer func() { _ = f.Close() }()
	s := newScanner(d)
	if err := s.read(f); err != nil {
		return nil, fmt.Errorf("history for the report: %s: %w", path, err)
	}
	return s.finish(), nil
}

func (s *scanner) read(r io.Reader) error {
	decoder := history.NewDecoder()
	lines := bufio.NewReaderSize(r, 1<<18)
	var long []byte
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], line...)
			for errors.Is(err, bufio.ErrBufferFull) {
				line, err = lines.ReadSlice('\n')
				long = append(long, line...)
			}
			line = long
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		last := err != nil
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if bad := s.line(decoder, line); bad != nil {
				s.scan.Warning = fmt.Sprintf("The history was read up to line %d: %v.", number, bad)
				if last {
					s.scan.Warning = fmt.Sprintf("The history ends in the middle of line %d, which was left out.", number)
				}
				return nil
			}
		}
		if last {
			return nil
		}
	}
}

func (s *scanner) line(decoder *history.Decoder, line []byte) error {
	var e history.Event
	if err := decoder.Decode(line, &e); err != nil {
		return err
	}
	if s.wantsEvidence(&e) {
		decoder.Evidence = true
		err := decoder.Decode(line, &e)
		decoder.Evidence = false
		if err != nil {
			return err
		}
	}
	s.event(&e)
	return nil
}

// ScanOperations is ScanFile for a history that is in memory, for instance
// one that was read from another tool's format. evidence may be nil; it is
// asked for the completions of witnesses' operations only. An operation does
// not tell when its client gave up, so that those that ended as info have no
// end in the report.
func ScanOperations(d *Document, operations []history.Operation, evidence func(completion int64) *history.Evidence) *Scan {
	type half struct {
		index     int64
		operation int
	}
	halves := make([]half, 0, 2*len(operations))
	for i := range operations {
		o := &operations[i]
		halves = append(halves, half{o.Index, i})
		if o.Completion >= 0 && o.End != history.Infinity {
			halves = append(halves, half{o.Completion, i})
		}
	}
	slices.SortFunc(halves, func(a, b half) int { return cmp.Compare(a.index, b.index) })
	s := newScanner(d)
	for _, h := range halves {
		o := &operations[h.operation]
		e := history.Event{Index: h.index, Process: o.Process, F: o.F, Key: o.Key, Node: o.Node}
		if h.index == o.Index {
			e.Type, e.Time, e.Value = history.Invoke, o.Start, o.Input
		} else {
			e.Type, e.Time, e.Value, e.Error = o.Type, o.End, o.Output, o.Error
			if evidence != nil && s.wantsEvidence(&e) {
				e.Evidence = evidence(o.Completion)
			}
		}
		s.event(&e)
	}
	return s.finish()
}
