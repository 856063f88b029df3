package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/results"
)

// unreadable stands in the table in the place of a verdict.
const unreadable = "unreadable"

// checkedDocument is a history's verdict for programs: results.json with the file's name.
type checkedDocument struct {
	File string `json:"file"`
	// Error says why there is no verdict, or what could not be written.
	Error string `json:"error,omitempty"`
	*results.Document
}

// WriteJSON writes the verdict as one JSON document: that of results.json, with
// the path as "file", and "error" where something could not be read or written.
// On one line, if that is asked for.
func (c *Checked) WriteJSON(w io.Writer, oneLine bool) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if !oneLine {
		encoder.SetIndent("", "  ")
	}
	d := checkedDocument{File: c.Path}
	if c.Err != nil {
		d.Error = c.Err.Error()
	}
	if c.Outcome != nil {
		d.Document = c.Outcome.Run.Document
	}
	return encoder.Encode(d)
}

// CheckedAll is what became of many histories: a line for each.
type CheckedAll struct {
	// Several says that there may have been more than one history.
	Several bool

	rows   []checkedRow
	worst  checker.Verdict
	broken bool
}

type checkedRow struct {
	path, verdict    string
	operations, keys string
	refuted          []string
	seconds          float64
}

// add takes a history into the table and the exit code.
func (a *CheckedAll) add(c *Checked) {
	row := checkedRow{path: c.Path, verdict: unreadable, operations: "-", keys: "-", seconds: c.Seconds}
	if o := c.Outcome; o != nil {
		row.verdict = string(o.Report.Verdict)
		row.operations, row.keys = fmt.Sprint(o.Report.Stats.Operations), fmt.Sprint(o.Report.Stats.Keys)
		for _, r := range o.Report.Claims {
			if r.Verdict == checker.Refuted {
				row.refuted = append(row.refuted, r.Claim)
			}
		}
		a.note(o.Report.Verdict)
	}
	switch {
	case c.Err == errInterrupted:
		row.verdict = "not checked"
		a.note(checker.Unknown)
	case c.Err != nil:
		a.broken = true
	}
	a.rows = append(a.rows, row)
}

func (a *CheckedAll) note(v checker.Verdict) {
	if a.worst == "" {
		a.worst = v
	}
	a.worst = checker.Merge(a.worst, v)
}

// Unusable says that a history could not be read, or not be written in another
// form, and that no claim was refuted, which would matter more.
func (a *CheckedAll) Unusable() bool { return a.broken && a.worst != checker.Refuted }

// ExitCode is that of the worst verdict, if there is any: 1 before 3 before 2.
func (a *CheckedAll) ExitCode() int {
	if a.worst == "" {
		return ExitCode(checker.Unknown)
	}
	return ExitCode(a.worst)
}

// WriteTable writes a line for each history: verdict, size, refuted claims, time.
func (a *CheckedAll) WriteTable(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	folder, title := a.folder(), "file"
	if folder != "" {
		title += " in " + printable(folder)
	}
	fmt.Fprintln(table, title+"\tverdict\toperations\tkeys\trefuted\tseconds")
	for _, r := range a.rows {
		refuted := strings.Join(r.refuted, ", ")
		if refuted == "" {
			refuted = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.3g\n", printable(strings.TrimPrefix(r.path, folder)), r.verdict, r.operations, r.keys, refuted, r.seconds)
	}
	_ = table.Flush() // stdout is gone: nobody to tell
}

// folder is what the paths have in common, up to a slash.
func (a *CheckedAll) folder() string {
	if len(a.rows) < 2 {
		return ""
	}
	common := a.rows[0].path
	for _, r := range a.rows {
		for !strings.HasPrefix(r.path, common) {
			common = common[:len(common)-1]
		}
	}
	if common = common[:strings.LastIndexByte(common, filepath.Separator)+1]; len(common) == 1 {
		return "" // the root says nothing
	}
	return common
}

// printable replaces what a file's name could do to a terminal or to the table.
func printable(path string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, path)
}
