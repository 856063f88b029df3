package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// blockSize is the length of the pieces in which a file is read. It is more
// than the buffer of what unpacks the file, so that nothing is copied twice.
const blockSize = 384 << 10

// errLongLine says that a line is longer than maxLine.
var errLongLine = errors.New("the line is too long")

// block is a piece of a history's text, of whole lines, with what its lines
// say. Blocks are filled one after the other, worked on beside each other and
// used in their order.
type block struct {
	text   []byte
	offset int64 // of text in the (unpacked) file
	// err is what ended the file after this block: io.EOF, errLongLine or a
	// failure to read. It is nil if more follows.
	err error

	// events are decoded lines, places their numbers in the block, from 0.
	events []Event
	places []int32
	// lines counts the block's lines, filled those that are not blank, and
	// invocations those that invoke something.
	lines, filled, invocations int64
	// fault says why the line at faultPlace, faulty, is no event; nothing after it was looked at.
	fault      error
	faultPlace int64
	faulty     []byte
	// torn says that no newline ends the last line that was looked at.
	torn  bool
	ready chan struct{}
}

// readBlocks reads the text in blocks of about that size, has work done on
// them by as many workers as there are processors, each with a decoder of its
// own, and calls use for one after the other, in order, until that returns
// false or an error. All it started has ended when it returns, except that it
// waits for a Read that is under way.
func readBlocks(ctx context.Context, text io.Reader, size int, work func(*Decoder, *block), use func(*block) (more bool, err error)) error {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	blocks := 2*workers + 3
	free, todo, order := make(chan *block, blocks), make(chan *block, blocks), make(chan *block, blocks)
	for range blocks {
		free <- &block{ready: make(chan struct{}, 1)}
	}
	group.Go(func() {
		defer close(order)
		defer close(todo)
		cut := blockCutter{text: text, size: size}
		for more := true; more; {
			select {
			case b := <-free:
				more = cut.fill(b)
				todo <- b // there is room for all
				order <- b
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		group.Go(func() {
			decoder := NewDecoder()
			for b := range todo {
				if ctx.Err() == nil {
					work(decoder, b)
				}
				b.ready <- struct{}{}
			}
		})
	}
	for b := range order {
		<-b.ready
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if more, err := use(b); err != nil || !more {
			return err
		}
		free <- b
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	return nil
}

// blockCutter cuts a text into blocks.
type blockCutter struct {
	text   io.Reader
	size   int
	rest   []byte // of the last block, what follows its last newline
	offset int64
}

// fill reads the next block and says whether there are more.
func (c *blockCutter) fill(b *block) (more bool) {
	if cap(b.text) < c.size {
		b.text = make([]byte, 0, c.size)
	}
	b.text = append(b.text[:0], c.rest...)
	b.offset, b.err = c.offset, nil
	c.rest = c.rest[:0]
	for {
		if len(b.text) == cap(b.text) {
			if end := bytes.LastIndexByte(b.text, '\n') + 1; end > 0 {
				c.rest = append(c.rest, b.text[end:]...)
				b.text = b.text[:end]
				c.offset += int64(end)
				return true
			}
			if len(b.text) > maxLine {
				b.text, b.err = b.text[:0], errLongLine
				return false
			}
			b.text = append(b.text, 0)[:len(b.text)]
		}
		n, err := c.text.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+n]
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			b.err = io.EOF
			return false
		default:
			b.text, b.err = b.text[:bytes.LastIndexByte(b.text, '\n')+1], err
			return false
		}
	}
}

// each calls yield for each line of the block that is not blank, without its newline.
func (b *block) each(yield func(line []byte) bool) {
	b.lines, b.filled, b.torn = 0, 0, false
	for text := b.text; len(text) > 0; b.lines++ {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text, b.torn = nil, true
		}
		if len(line) > 0 && line[0] == '{' || len(bytes.TrimSpace(line)) > 0 {
			b.filled++
			if !yield(line) {
				return
			}
		}
	}
}

// next makes room for one more event.
func (b *block) next() *Event {
	if n := len(b.events); n < cap(b.events) {
		b.events = b.events[:n+1]
	} else {
		b.events = append(b.events, Event{})
	}
	return &b.events[len(b.events)-1]
}

// decodeBlock decodes the lines of the block, up to the first that is no event.
func decodeBlock(d *Decoder, b *block) {
	b.events, b.places, b.fault = b.events[:0], b.places[:0], nil
	b.each(func(line []byte) bool {
		if err := d.Decode(line, b.next()); err != nil {
			b.events = b.events[:len(b.events)-1]
			b.fault, b.faultPlace, b.faulty = err, b.lines, line
			return false
		}
		b.places = append(b.places, int32(b.lines))
		return true
	})
}

// runBlocks is run over a text in refute's own format, decoded by several workers.
func (a *assembler) runBlocks(ctx context.Context, text io.Reader, size int, summary *Summary) error {
	before := int64(0) // lines of the blocks before
	err := readBlocks(ctx, text, size, decodeBlock, func(b *block) (bool, error) {
		for i := range b.events {
			if err := a.event(&b.events[i], before+int64(b.places[i])+1); err != nil || a.stopped {
				return false, err
			}
		}
		if b.fault != nil {
			line := before + b.faultPlace + 1
			if !b.torn {
				return false, fault(ErrSyntax, line, -1, "%v", b.fault)
			}
			summary.warn(line, "the last line is cut: dropped %d bytes, beginning %#.60q", len(b.faulty), b.faulty)
			return false, nil
		}
		before += b.lines
		switch {
		case b.err == nil || errors.Is(b.err, io.EOF):
			return true, nil
		case errors.Is(b.err, errLongLine):
			return false, fault(ErrSyntax, before+1, -1, "the line is longer than %d MiB", maxLine>>20)
		}
		return false, fmt.Errorf("read line %d: %w", before+1, b.err)
	})
	if err == nil && !a.stopped {
		a.finish()
	}
	return err
}
