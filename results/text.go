package results

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/refute-lab/refute/harness/history"
)

// clip cuts a text from outside to at most n runes and replaces what could
// confuse a terminal or a parser: control characters and invalid UTF-8.
func clip(s string, n int) string {
	clean := true
	for _, c := range s {
		if c == utf8.RuneError || unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			clean = false
			break
		}
	}
	if clean && len(s) <= n {
		return s
	}
	var b strings.Builder
	count := 0
	for _, c := range s {
		if count++; count > n {
			return b.String() + "…"
		}
		switch {
		case c == '\n' || c == '\t' || c == '\r':
			b.WriteByte(' ')
		case unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// wrap breaks a text into lines of at most width runes, between words where it can.
func wrap(s string, width int) []string {
	width = max(width, 10)
	var lines []string
	line, used := "", 0
	flush := func() {
		if used > 0 {
			lines = append(lines, line)
		}
		line, used = "", 0
	}
	for word := range strings.FieldsSeq(s) {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > width {
			flush()
		}
		for n > width { // a word longer than a line is cut
			runes := []rune(word)
			lines = append(lines, string(runes[:width]))
			word, n = string(runes[width:]), n-width
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	flush()
	return lines
}

// prefixed is the text with the word before it, or nothing at all.
func prefixed(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}

// firstSentence is the text up to the first full stop that ends a sentence.
func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}

// count writes a number with its noun: "1 fault", "2 faults".
func count(n int, noun string) string {
	return plural(n, noun, noun+"s")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes 12345 as "12,345".
func thousands(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// instant writes a time of the run: "12.034 s".
func instant(nanos int64) string {
	return strconv.FormatFloat(float64(nanos)/1e9, 'f', 3, 64) + " s"
}

// span writes a length of time with three significant digits: "4.21 ms".
func span(nanos int64) string {
	d := time.Duration(nanos)
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'g', 3, 64) + " s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(float64(d)/1e6, 'g', 3, 64) + " ms"
	case d >= time.Microsecond:
		return strconv.FormatFloat(float64(d)/1e3, 'g', 3, 64) + " µs"
	}
	return strconv.FormatInt(nanos, 10) + " ns"
}

// seconds writes how long a check took.
func seconds(s float64) string { return span(int64(s * 1e9)) }

// label is an operation in a few characters, for a picture: "w 5", "r → 4".
func (m *Moment) label() string {
	text := m.F
	switch m.F {
	case history.FRead:
		text = "r"
	case history.FWrite:
		text = "w"
	}
	if m.Input != "" {
		text += " " + m.Input
	}
	if m.Type == history.Ok && m.Output != "" && m.Output != m.Input {
		text += " → " + m.Output
	}
	switch m.Type {
	case history.Info:
		text += " ?"
	case history.Fail:
		text += " ✗"
	}
	return clip(text, 22)
}

// sentence is an operation in words: "read k1 → 4".
func (m *Moment) sentence() string {
	text := m.F
	if m.Key != "" {
		text += " " + m.Key
	}
	if m.Input != "" {
		text += " " + m.Input
	}
	if m.Type == history.Ok && m.Output != "" && m.Output != m.Input {
		text += " → " + m.Output
	}
	if m.Elements != "" {
		text += " (" + m.Elements + ")"
	}
	return text
}

// ending says when the operation ended, as far as its client knows.
func (m *Moment) ending() string {
	if m.Finish < 0 {
		return "never"
	}
	return instant(m.Finish)
}

// outcomeText is the outcome in words that need no legend.
func (m *Moment) outcomeText() string {
	switch {
	case m.Finish < 0:
		return "info (never completed)"
	case m.Type == history.Info && m.Error != "":
		return "info (unknown: " + m.Error + ")"
	case m.Type == history.Info:
		return "info (unknown)"
	case m.Type == history.Fail && m.Error != "":
		return "fail (" + m.Error + ")"
	}
	return m.Type.String()
}

// describe is one line on a fault: `partition majorities-ring f3 ({n1} | {n2 n3})`.
func (f Fault) describe() string {
	text := f.Fault
	if f.ID != "" {
		text += " " + f.ID
	}
	if f.Description != "" {
		text += fmt.Sprintf(" (%s)", f.Description)
	}
	return clip(text, 240)
}

// ended says when the fault was healed.
func (f Fault) ended() string {
	if f.End == nil {
		return "never healed"
	}
	return instant(*f.End)
}

// proof says whether the fault was seen to take effect and to end, and how.
func (f Fault) proof() string {
	if f.Verified {
		return "verified"
	}
	return "NOT VERIFIED"
}
