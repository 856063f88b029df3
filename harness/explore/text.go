package explore

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
)

// textWidth is the longest line of running text, in columns.
const textWidth = 100

// The ANSI attributes, as package results has them.
const (
	ansiRed    = "\x1b[1;31m"
	ansiGreen  = "\x1b[32m"
	ansiYellow = "\x1b[33m"
	ansiBold   = "\x1b[1m"
	ansiReset  = "\x1b[0m"
)

// WriteText writes the summary for people: each claim with what the seeds say
// of it, a table of what was found, each finding as steps that a person can
// follow, and last what may be concluded. color asks for ANSI colours; the
// text says the same without them.
func (s *Summary) WriteText(w io.Writer, color bool) error {
	t := &text{color: color}
	t.claims(s)
	if len(s.Findings) > 0 {
		t.line("")
		t.findings(s)
	}
	for _, f := range s.Findings {
		t.line("")
		t.finding(f)
	}
	t.line("")
	t.conclusion(s)
	_, err := w.Write(t.out.Bytes())
	return err
}

// WriteText writes the finding for people: what it is, the steps of its best plan, and its files.
func (f *Finding) WriteText(w io.Writer, color bool) error {
	t := &text{color: color}
	t.finding(f)
	_, err := w.Write(t.out.Bytes())
	return err
}

type text struct {
	out   bytes.Buffer
	color bool
}

func (t *text) line(s string) { t.out.WriteString(s + "\n") }

func (t *text) paint(code, s string) string {
	if !t.color {
		return s
	}
	return code + s + ansiReset
}

// verdict is the word for it, in its colour.
func (t *text) verdict(v checker.Verdict) string {
	switch v {
	case checker.Refuted:
		return t.paint(ansiRed, "REFUTED")
	case checker.Holds:
		return t.paint(ansiGreen, "not refuted")
	}
	return t.paint(ansiYellow, "unknown")
}

// paragraph writes running text, broken between words.
func (t *text) paragraph(indent, s string) {
	line := indent
	for word := range strings.FieldsSeq(s) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth && line != indent {
			t.line(line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	t.line(line)
}

// table aligns the columns. paint, if not nil, is asked for each cell below the head.
func (t *text) table(rows [][]string, paint func(row, column int, cell string) string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for r, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			shown := cell
			if paint != nil && r > 0 {
				shown = paint(r-1, i, cell)
			}
			line.WriteString(shown)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		t.line(strings.TrimRight(line.String(), " "))
	}
}

func (t *text) claims(s *Summary) {
	rows := [][]string{{"claim", "verdict", "failing seeds", "at 95 %"}}
	for _, c := range s.Claims {
		failing := thousands(c.Failing) + " of " + thousands(c.Rate.Trials)
		if c.Undecided > 0 {
			failing += ", " + thousands(c.Undecided) + " undecided"
		}
		if c.Vacuous > 0 {
			failing += ", " + thousands(c.Vacuous) + " without anything to check"
		}
		rows = append(rows, []string{c.Claim, (&text{}).verdict(c.Verdict), failing, s.bound(c)})
	}
	t.table(rows, func(row, column int, cell string) string {
		if column != 1 {
			return cell
		}
		return t.verdict(s.Claims[row].Verdict)
	})
}

// bound is what the seeds say about how often a claim falls.
func (s *Summary) bound(c ClaimSummary) string {
	switch {
	case c.Rate.Trials == 0:
		return "-"
	case c.Failing > 0:
		return c.Rate.interval()
	case s.Ending == EndedByRefutation:
		// The seeds ended because of another claim: their number says little about this one.
		return "-"
	}
	return "at most " + percent(c.Rate.High) + " %"
}

func (t *text) findings(s *Summary) {
	rows := [][]string{{"claim", "class", "first seed", "seeds", "shrunk to", "under other networks"}}
	for _, f := range s.Findings {
		row := []string{f.Claim, f.Class, fmt.Sprint(f.Seed), thousands(f.Seeds) + " of " + thousands(s.Seeds), "-", "-"}
		if f.Minimal != nil {
			row[4] = f.Minimal.Size.String()
			row[5] = f.Minimal.Rate.short()
		}
		if f.Robust != nil {
			row[5] += " → " + f.Robust.Rate.short()
		}
		rows = append(rows, row)
	}
	t.table(rows, nil)
}

// short writes "96 of 100".
func (r Rate) short() string {
	if r.Trials == 0 {
		return "not tried"
	}
	return thousands(r.Failing) + " of " + thousands(r.Trials)
}

func (t *text) finding(f *Finding) {
	t.line(t.paint(ansiRed, f.Claim+": "+f.Class) + fmt.Sprintf(", seed %d", f.Seed))
	if m := f.Minimal; m != nil {
		how := fmt.Sprintf("Shrunk from %s to %s in %s, %s.", f.Original, m.Size, count(m.Runs, "run"), span(time.Duration(m.Elapsed)))
		if !m.Complete {
			how += " The time for shrinking was over before the search was."
		}
		t.paragraph("  ", how)
		t.reduced(m)
		if r := f.Robust; r != nil {
			t.line("")
			t.paragraph("  ", fmt.Sprintf("A sturdier variant (%s in %s, %s):", r.Size, count(r.Runs, "run"), span(time.Duration(r.Elapsed))))
			t.reduced(r)
		}
	} else {
		t.paragraph("  ", fmt.Sprintf("Not shrunk: %s, %s of main phase, %s.", count(f.Plan.Workload.Concurrency, "client"),
			span(time.Duration(f.Plan.Limits.Time)), count(len(f.Plan.Schedule), "fault")))
	}
	for _, path := range f.Files {
		t.line("  " + t.paint(ansiBold, path))
	}
}

func (t *text) reduced(r *Reduced) {
	for _, line := range stepLines(r.Steps) {
		t.line("    " + line)
	}
	if r.Explanation != "" {
		t.paragraph("  ", "Seen: "+r.Explanation)
	}
	if r.Rate.Trials > 0 {
		t.paragraph("  ", fmt.Sprintf("Under %s other networks it fails %s (%s at 95 %%).", thousands(r.Rate.Trials), times(r.Rate.Failing), r.Rate.interval()))
	}
}

// stepLines writes the steps one below the other, their times aligned. Times
// have microseconds where milliseconds would not tell two of them apart.
func stepLines(steps []Step) []string {
	digits := 3
	for i := 1; i < len(steps); i++ {
		a, b := steps[i-1].At, steps[i].At
		if a != b && seconds(a, 3) == seconds(b, 3) {
			digits = 6
		}
	}
	width := 0
	for _, s := range steps {
		width = max(width, len(seconds(s.At, digits)))
	}
	lines := make([]string, len(steps))
	for i, s := range steps {
		lines[i] = fmt.Sprintf("%*s s  %s", width, seconds(s.At, digits), s.Text)
	}
	return lines
}

func seconds(d plan.Duration, digits int) string {
	return fmt.Sprintf("%.*f", digits, time.Duration(d).Seconds())
}

// times writes how often something happened.
func times(n uint64) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return thousands(n) + " times"
}

func (t *text) conclusion(s *Summary) {
	t.paragraph("", fmt.Sprintf("%s, %s operations, %s of virtual time in %s: %s seeds/s, %s operations/s. %s",
		plural(s.Seeds, "seed"), short(float64(s.Operations)), long(time.Duration(s.Virtual)), span(time.Duration(s.Explored)),
		short(s.SeedsPerSecond), short(s.OperationsPerSecond), ended(s.Ending)))
	t.line("Verdict: " + t.verdict(s.Verdict))
	t.paragraph("", s.Statement)
}

// ended says why there were no more seeds, if that is not plain.
func ended(e Ending) string {
	switch e {
	case EndedByBudget:
		return "The time was over."
	case EndedByInterrupt:
		return "It was interrupted."
	case EndedByError:
		return "An error ended it."
	}
	return ""
}

// long writes a length of time that may be hours: "16.7 h", "43.2 min".
func long(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%.3g h", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%.3g min", d.Minutes())
	}
	return span(d)
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}
