package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
)

// prescan is what a first look over a file learns: how its long operations
// end, how many there are and where its events lie. It looks at little more of
// a line than its beginning and judges nothing: what is wrong will be said by
// the pass that reads the operations. It only has to be right for files that are.
type prescan struct {
	invocations int64
	// ahead holds the completions of the nemesis' operations by the index of their invocation.
	ahead map[int64]*Event
	// marks are where some events lie, in order, from the first on.
	marks []mark
}

// mark is the place of an event in the (unpacked) file.
type mark struct{ event, offset int64 }

// before is the last mark that is not behind the event; there is one.
func (p *prescan) before(event int64) mark {
	return p.marks[sort.Search(len(p.marks), func(i int) bool { return p.marks[i].event > event })-1]
}

// prescan makes the first pass, once.
func (h *File) prescan(ctx context.Context) (*prescan, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.scan != nil {
		return h.scan, nil
	}
	text, err := unpack(h.section(), &Summary{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.path, err)
	}
	scan := &prescan{ahead: make(map[int64]*Event), marks: []mark{{}}}
	if h.opts.Format == FormatJSONL {
		err = scan.blocks(ctx, text, h.opts.block)
	} else {
		err = scan.foreign(ctx, text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.path, err)
	}
	h.scan = scan
	return scan, nil
}

// blocks looks over a file in refute's own format.
func (p *prescan) blocks(ctx context.Context, text io.Reader, size int) error {
	open := make(map[pairKey]int64)
	events := int64(0)
	return readBlocks(ctx, text, size, sniffBlock, func(b *block) (bool, error) {
		if b.offset > 0 {
			p.marks = append(p.marks, mark{events, b.offset})
		}
		events += b.filled
		p.invocations += b.invocations
		for i := range b.events {
			p.nemesis(&b.events[i], open)
		}
		if b.err != nil && !errors.Is(b.err, io.EOF) && !errors.Is(b.err, errLongLine) {
			return false, fmt.Errorf("read history: %w", b.err)
		}
		return true, nil
	})
}

// nemesis pairs the nemesis' operations.
func (p *prescan) nemesis(e *Event, open map[pairKey]int64) {
	key := pairKey{Nemesis, e.F, e.Key}
	if e.Type == Invoke {
		open[key] = e.Index
	} else if invocation, ok := open[key]; ok {
		completion := *e
		p.ahead[invocation] = &completion
		delete(open, key)
	}
}

// sniffBlock counts the block's invocations and decodes what the nemesis did.
func sniffBlock(d *Decoder, b *block) {
	b.events, b.invocations = b.events[:0], 0
	b.each(func(line []byte) bool {
		invokes, nemesis := sniff(line)
		if invokes {
			b.invocations++
		}
		if nemesis {
			if e := b.next(); d.Decode(line, e) != nil || e.Process != Nemesis {
				b.events = b.events[:len(b.events)-1]
			}
		}
		return true
	})
}

var (
	invokeWord  = []byte(`invoke`)
	nemesisWord = []byte(`nemesis`)
)

// sniff says whether the line invokes something and whether it is the
// nemesis', or may be. Of a line as it is written it reads the beginning only.
func sniff(line []byte) (invokes, nemesis bool) {
	i := after(line, 0, `{"index":`)
	if _, i = natural(line, i); i >= 0 {
		i = after(line, i, `,"time":`)
		if _, i = natural(line, i); i >= 0 {
			i = after(line, i, `,"process":`)
			if k := after(line, i, `"nemesis"`); k >= 0 {
				return after(line, k, `,"type":"invoke"`) >= 0, true
			}
			if _, i = natural(line, i); i >= 0 {
				if i = after(line, i, `,"type":"`); i >= 0 {
					return after(line, i, `invoke"`) >= 0, false
				}
			}
		}
	}
	return bytes.Contains(line, invokeWord), bytes.Contains(line, nemesisWord) || bytes.IndexByte(line, '\\') >= 0
}

// foreign counts the invocations of a file in another format.
func (p *prescan) foreign(ctx context.Context, text *bufio.Reader) error {
	lines := newLineReader(text)
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
		p.invocations += int64(bytes.Count(line, invokeWord))
	}
}
