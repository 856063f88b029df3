package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// EvidenceReader finds the evidence of single completion events in a history
// file. Evidence is the largest part of a history and is wanted for the few
// operations of a witness only, so it is not kept in memory: the reader knows
// which event begins each block of the file (16 bytes for some hundred
// kilobytes) and reads on from there. In a gzipped file it must read from the beginning each time;
// Read then finds any number of events in one pass.
//
// It is safe for concurrent use.
type EvidenceReader struct {
	file *File
	own  bool
	mu   sync.Mutex
	err  error
}

// OpenEvidence opens a history file for its evidence alone.
func OpenEvidence(path string) (*EvidenceReader, error) {
	h, err := Open(path)
	if err != nil {
		return nil, err
	}
	return &EvidenceReader{file: h, own: true}, nil
}

// Evidence returns a reader of the file's evidence, which lives as long as the file.
func (h *File) Evidence() *EvidenceReader { return &EvidenceReader{file: h} }

// Close closes the file if OpenEvidence opened it.
func (r *EvidenceReader) Close() error {
	if !r.own {
		return nil
	}
	return r.file.Close()
}

// Lookup returns the evidence of the event with that index, or nil if there
// is none or it can't be read (see Err). Its form is the one that checkers take.
func (r *EvidenceReader) Lookup(index int64) *Evidence {
	if index < 0 {
		return nil
	}
	found, err := r.Read(context.Background(), []int64{index})
	if err != nil {
		r.mu.Lock()
		if r.err == nil {
			r.err = err
		}
		r.mu.Unlock()
		return nil
	}
	return found[index]
}

// Err returns the first error of Lookup.
func (r *EvidenceReader) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Read returns the evidence of the events with the given indexes, without
// those that have none. Jepsen's histories have none at all.
func (r *EvidenceReader) Read(ctx context.Context, indexes []int64) (map[int64]*Evidence, error) {
	found := make(map[int64]*Evidence)
	h := r.file
	if h.opts.Format != FormatJSONL {
		return found, nil
	}
	scan, err := h.prescan(ctx)
	if err != nil {
		return nil, err
	}
	wanted := slices.Clone(indexes)
	slices.Sort(wanted)
	for pass := (evidencePass{h: h, scan: scan}); len(wanted) > 0; wanted = wanted[1:] {
		e, err := pass.event(ctx, wanted[0])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: evidence of event %d: %w", h.path, wanted[0], err)
		}
		if e != nil && e.Evidence != nil {
			found[e.Index] = e.Evidence
		}
	}
	return found, nil
}

// evidencePass reads events at growing indexes.
type evidencePass struct {
	h     *File
	scan  *prescan
	lines *lineReader
	due   int64 // index of the event that lines gives next
	last  *Event
}

// event returns the event with the index, nil if it is no index, or io.EOF.
func (p *evidencePass) event(ctx context.Context, index int64) (*Event, error) {
	if index < 0 {
		return nil, nil
	}
	if p.last != nil && p.last.Index == index {
		return p.last, nil
	}
	if err := p.seek(index); err != nil {
		return nil, err
	}
	for ; ; p.due++ {
		if p.due&1023 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		line, whole, err := p.lines.next()
		if err != nil {
			return nil, err
		}
		if p.due != index {
			continue
		}
		p.due++
		decoder := Decoder{Evidence: true}
		e := new(Event)
		if err := decoder.Decode(line, e); err != nil {
			if !whole {
				return nil, io.EOF
			}
			return nil, err
		}
		if e.Index != index {
			return nil, fmt.Errorf("the event there has the index %d: the file changed, or is no valid history", e.Index)
		}
		p.last = e
		return e, nil
	}
}

// seek goes to the nearest known place before the event, unless the pass is nearer.
func (p *evidencePass) seek(index int64) error {
	if p.h.gzip {
		if p.lines != nil {
			return nil
		}
		text, err := unpack(p.h.section(), &Summary{})
		if err != nil {
			return err
		}
		p.lines = newLineReader(text)
		return nil
	}
	mark := p.scan.before(index)
	if p.lines != nil && p.due >= mark.event {
		return nil
	}
	p.lines = newLineReader(io.NewSectionReader(p.h.file, mark.offset, p.h.size-mark.offset))
	p.due = mark.event
	return nil
}
