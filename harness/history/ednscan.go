package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"olympos.io/encoding/edn"
)

// The EDN reader cuts its input into forms itself and leaves only the
// escapes of strings to the edn package. Jepsen's files are written by
// Clojure's printer, not by an EDN encoder: they hold maps and sets as map
// keys, which Go can't hash, and objects that no EDN reader knows
// (#object[…], #error {…}), mostly in fields that a check does not need. A
// form that is not needed is skipped as text, whatever it is; a form that is
// needed is nearly always an integer, a keyword or a short vector. It also
// keeps the line number of every map, and memory to one map at a time.

// errCut says that the text ends within a form.
var errCut = errors.New("the text ends within a form")

// formReader cuts a text into its top-level forms. One vector or list around
// all of them is looked into.
type formReader struct {
	r      *bufio.Reader
	line   int64
	form   []byte
	nest   []byte
	outer  byte // the bracket that closes the vector around all, or 0
	closed bool
	first  bool
}

// next returns the next form, without tags, and the line on which it begins.
// The form is valid until the next call. At the end the error is io.EOF.
func (f *formReader) next() (form []byte, line int64, err error) {
	for {
		c, err := f.space()
		if err != nil {
			if errors.Is(err, io.EOF) && f.outer != 0 && !f.closed {
				err = errCut
			}
			return nil, f.line, err
		}
		start := f.line
		switch {
		case f.closed:
			return nil, f.line, fmt.Errorf("%q stands after the end of the vector", c)
		case (c == '[' || c == '(') && f.first && f.outer == 0:
			f.outer = closing(c)
		case c == f.outer && c != 0:
			f.closed = true
		case c == '#':
			discard, err := f.tag()
			if err != nil {
				return nil, f.line, err
			}
			if discard {
				first := f.first
				f.first = false // a vector that is discarded is not the one around all
				if _, _, err := f.next(); err != nil {
					return nil, f.line, cut(err)
				}
				f.first = first
			}
		default:
			f.first = false
			if err := f.read(c); err != nil {
				return nil, start, err
			}
			return f.form, start, nil
		}
	}
}

// cut turns the end of the text into errCut.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return errCut
	}
	return err
}

func (f *formReader) byte() (byte, error) {
	c, err := f.r.ReadByte()
	if c == '\n' {
		f.line++
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF // a gzip stream that breaks off
	}
	return c, err
}

// space skips white space, commas and comments and returns the byte after them.
func (f *formReader) space() (byte, error) {
	for comment := false; ; {
		c, err := f.byte()
		switch {
		case err != nil:
			return 0, err
		case c == '\n':
			comment = false
		case c == ';':
			comment = true
		case !comment && !isSpace(c):
			return c, nil
		}
	}
}

// tag reads what follows '#' at top level: a tag's name, which is dropped, or
// the underscore that discards the next form.
func (f *formReader) tag() (discard bool, err error) {
	for n := 0; ; n++ {
		c, err := f.byte()
		if err != nil {
			return false, cut(err)
		}
		if n == 0 && c == '_' {
			return true, nil
		}
		if isSpace(c) || isOpening(c) {
			if n == 0 {
				return false, fmt.Errorf("a set or a nameless tag stands where a map is due")
			}
			if c == '\n' {
				f.line--
			}
			return false, f.r.UnreadByte()
		}
	}
}

// read reads the form that begins with c into f.form.
func (f *formReader) read(c byte) error {
	f.form, f.nest = f.form[:0], f.nest[:0]
	for {
		f.form = append(f.form, c)
		switch {
		case c == '"':
			if err := f.quoted(); err != nil {
				return err
			}
		case c == '\\':
			c, err := f.byte()
			if err != nil {
				return cut(err)
			}
			f.form = append(f.form, c)
		case c == ';':
			if err := f.comment(); err != nil {
				return err
			}
		case isOpening(c):
			f.nest = append(f.nest, closing(c))
		case isClosing(c):
			if len(f.nest) == 0 || f.nest[len(f.nest)-1] != c {
				return fmt.Errorf("%q closes nothing that is open", c)
			}
			f.nest = f.nest[:len(f.nest)-1]
		}
		if len(f.form) > maxLine {
			return fmt.Errorf("the form is longer than %d MiB", maxLine>>20)
		}
		if len(f.nest) == 0 && (isClosing(c) || c == '"') {
			return nil
		}
		next, err := f.byte()
		if err != nil {
			if errors.Is(err, io.EOF) && len(f.nest) == 0 {
				return nil // an atom may end with the text
			}
			return cut(err)
		}
		if len(f.nest) == 0 && (isSpace(next) || isClosing(next)) {
			if next == '\n' {
				f.line--
			}
			return f.r.UnreadByte()
		}
		c = next
	}
}

func (f *formReader) quoted() error {
	for {
		c, err := f.byte()
		if err != nil {
			return cut(err)
		}
		f.form = append(f.form, c)
		if c == '"' {
			return nil
		}
		if c == '\\' {
			if c, err = f.byte(); err != nil {
				return cut(err)
			}
			f.form = append(f.form, c)
		}
	}
}

// comment replaces the comment that has begun by a line break.
func (f *formReader) comment() error {
	f.form[len(f.form)-1] = '\n'
	for {
		c, err := f.byte()
		if err != nil {
			return cut(err)
		}
		if c == '\n' {
			return nil
		}
	}
}

func isSpace(c byte) bool {
	return c == ' ' || c == ',' || '\t' <= c && c <= '\r'
}
func isOpening(c byte) bool { return c == '{' || c == '[' || c == '(' }
func isClosing(c byte) bool { return c == '}' || c == ']' || c == ')' }

func closing(c byte) byte {
	switch c {
	case '{':
		return '}'
	case '[':
		return ']'
	}
	return ')'
}

// ednForm is the text of one form whose brackets are balanced, without tags.
type ednForm []byte

// elements returns the forms within a collection, or false if it is none. Tags
// are dropped and discarded forms left out. The result uses the given slice.
func (e ednForm) elements(into []ednForm) ([]ednForm, bool) {
	if len(e) > 0 && e[0] == '#' {
		e = e[1:] // a set
	}
	if len(e) < 2 || !isOpening(e[0]) || !isClosing(e[len(e)-1]) {
		return nil, false
	}
	rest := e[1 : len(e)-1]
	discards := 0
	for {
		form, after, isDiscard := rest.cut()
		if isDiscard {
			discards++
		} else if form == nil {
			return into, true
		} else if discards > 0 {
			discards--
		} else {
			into = append(into, form)
		}
		rest = after
	}
}

// cut takes the first form off a sequence of forms; nil at its end.
func (e ednForm) cut() (form, rest ednForm, discard bool) {
	i := 0
	for i < len(e) && isSpace(e[i]) {
		i++
	}
	if i+1 < len(e) && e[i] == '#' {
		switch c := e[i+1]; {
		case c == '_':
			return nil, e[i+2:], true
		case c == '"': // a regular expression
			n := e[i+1:].length()
			return e[i : i+1+n], e[i+1+n:], false
		case c == '#': // a symbolic number such as ##Inf
		case c != '{':
			j := i + 1
			for j < len(e) && !isSpace(e[j]) && !isOpening(e[j]) && e[j] != '"' {
				j++
			}
			return e[j:].cut()
		default:
			n := e[i+1:].length()
			return e[i : i+1+n], e[i+1+n:], false
		}
	}
	if i == len(e) {
		return nil, nil, false
	}
	n := e[i:].length()
	return e[i : i+n], e[i+n:], false
}

// length is the length of the first form of a text that does not begin with
// white space. It is at least 1.
func (e ednForm) length() int {
	depth := 0
	for i := 0; i < len(e); i++ {
		switch c := e[i]; {
		case (c == '"' || c == '\\') && depth == 0 && i > 0:
			return i // an atom ends where a string or a character begins
		case c == '"':
			for i++; i < len(e) && e[i] != '"'; i++ {
				if e[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(e))
			}
		case c == '\\':
			i++
		case isOpening(c):
			if depth == 0 && i > 0 {
				return i
			}
			depth++
		case isClosing(c):
			if depth--; depth <= 0 {
				return i + 1
			}
		case depth == 0 && i > 0 && isSpace(c):
			return i
		}
	}
	return len(e)
}

// integer reads an integer of 64 bits, with or without the N of a big one.
func (e ednForm) integer() (int64, bool) {
	if len(e) == 0 || e[0] != '-' && e[0] != '+' && (e[0] < '0' || e[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(string(e), "N"), 10, 64)
	return n, err == nil
}

// keyword returns the name of a keyword, without its colon.
func (e ednForm) keyword() (string, bool) {
	if len(e) < 2 || e[0] != ':' {
		return "", false
	}
	return string(e[1:]), true
}

// text returns the content of a string or the name of a keyword or symbol;
// of anything else its text.
func (e ednForm) text() string {
	if name, ok := e.keyword(); ok {
		return name
	}
	if n := len(e); n > 1 && e[0] == '"' && e[n-1] == '"' && bytes.IndexByte(e, '\\') < 0 && utf8.Valid(e) {
		return string(e[1 : n-1]) // nearly every string
	}
	if len(e) > 0 && e[0] == '"' {
		var s string
		if err := edn.Unmarshal(e, &s); err == nil {
			return s
		}
	}
	return string(e)
}

func (e ednForm) isNil() bool { return string(e) == "nil" }
