package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line. The longest are the final reads of large sets and
// the dumps of replicas: some megabytes.
const maxLine = 256 << 20

// bufferSize is the size of the read buffer. A line that fits is never copied.
const bufferSize = 256 << 10

// lineReader cuts a file into lines and counts lines and bytes.
type lineReader struct {
	r      *bufio.Reader
	long   []byte
	number int64 // of the line that next returned, from 1
	start  int64 // offset of that line in the (unpacked) text
	end    int64
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, bufferSize)}
}

// next returns the next line that is not blank, without its newline; it is
// valid until the next call. whole is false for a last line that no newline
// ends, and where a gzip stream breaks off. At the end the error is io.EOF.
func (l *lineReader) next() (line []byte, whole bool, err error) {
	for {
		line, whole, err = l.any()
		if err != nil || len(bytes.TrimSpace(line)) > 0 {
			return line, whole, err
		}
	}
}

func (l *lineReader) any() (line []byte, whole bool, err error) {
	l.number++
	l.start = l.end
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.end += int64(len(part))
		switch {
		case err == nil:
			part = part[:len(part)-1]
			if len(l.long) > 0 {
				l.long = append(l.long, part...)
				part = l.long
			}
			return part, true, nil
		case errors.Is(err, bufio.ErrBufferFull):
			if len(l.long)+len(part) > maxLine {
				return nil, false, fault(ErrSyntax, l.number, -1, "the line is longer than %d MiB", maxLine>>20)
			}
			l.long = append(l.long, part...)
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			l.long = append(l.long, part...)
			if len(l.long) == 0 {
				return nil, false, io.EOF
			}
			return l.long, false, nil
		default:
			return nil, false, fmt.Errorf("read line %d: %w", l.number, err)
		}
	}
}

// source yields the events of a file of some format, in order. At the end the error is io.EOF.
type source interface {
	next(e *Event) (line int64, err error)
}

// jsonlSource reads refute's own format.
type jsonlSource struct {
	lines   *lineReader
	decoder *Decoder
	summary *Summary
}

func (s *jsonlSource) next(e *Event) (int64, error) {
	line, whole, err := s.lines.next()
	if err != nil {
		return s.lines.number, err
	}
	if err := s.decoder.Decode(line, e); err != nil {
		if !whole {
			s.summary.warn(s.lines.number, "the last line is cut: dropped %d bytes, beginning %#.60q", len(line), line)
			return s.lines.number, io.EOF
		}
		return s.lines.number, fault(ErrSyntax, s.lines.number, -1, "%v", err)
	}
	return s.lines.number, nil
}
