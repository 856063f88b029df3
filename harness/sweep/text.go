package sweep

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/target"
)

// short is an outcome in a cell of a table: what is expected, and in how many
// seeds the claim was refuted. An outcome that is not as expected is marked.
func (o *Outcome) short(seeds uint64) string {
	var text string
	switch {
	case o.Refuted > 0:
		text = fmt.Sprintf("refuted %d", o.Refuted)
	case o.Undecided == seeds:
		text = "undecided"
	default:
		text = "holds"
	}
	switch {
	case !o.Agrees:
		return text + " ≠ " + string(o.Expected)
	case o.Expected == target.ExpectPossible:
		return "(" + text + ")"
	}
	return text
}

// WriteText writes the grid as a table, for people and pipes.
func (g *Grid) WriteText(w io.Writer, colours bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nExpected against observed: %s.\n", g.what())
	b.WriteString("refuted K: in K seeds, as expected · holds: in none, as expected · (…): theory says neither · X ≠ Y: X was seen, Y expected\n\n")
	header := append([]string{}, names(g.Axes)...)
	header = append(header, g.Claims...)
	rows := [][]string{header}
	for i := range g.Cells {
		c := &g.Cells[i]
		row := slices.Clone(c.Values)
		for j := range c.Outcomes {
			row = append(row, c.Outcomes[j].short(c.Seeds))
		}
		rows = append(rows, row)
	}
	widths := make([]int, len(header))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for k, row := range rows {
		var line strings.Builder
		for i, text := range row {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+2)
			line.WriteString(coloured(text, colours && k > 0 && i >= len(g.Axes)) + padding)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	b.WriteByte('\n')
	for _, line := range g.Statement() {
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func coloured(text string, colours bool) string {
	switch {
	case !colours:
		return text
	case strings.Contains(text, "≠"):
		return "\x1b[1;31m" + text + "\x1b[0m"
	case strings.HasPrefix(text, "refuted"):
		return "\x1b[33m" + text + "\x1b[0m"
	case text == "holds":
		return "\x1b[32m" + text + "\x1b[0m"
	}
	return text
}

// Statement is what may be said of the grid, a sentence each.
func (g *Grid) Statement() []string {
	var lines []string
	for _, why := range slices.Sorted(maps.Keys(g.LeftOut)) {
		lines = append(lines, fmt.Sprintf("Left out: %s, for %s.", plural(g.LeftOut[why], "combination"), why))
	}
	for i := range g.Cells {
		c := &g.Cells[i]
		if c.Seeds < g.Seeds {
			lines = append(lines, fmt.Sprintf("Interrupted: %s has %d of %d seeds.", c.Name, c.Seeds, g.Seeds))
		}
		for j := range c.Outcomes {
			switch o := &c.Outcomes[j]; {
			case o.Agrees:
			case o.Refuted > 0:
				lines = append(lines, fmt.Sprintf("%s: %s is refuted in %d of %d seeds (%s, the first is seed %d), although %s.",
					c.Name, g.Claims[j], o.Refuted, c.Seeds, o.Class, o.Seed, o.Reason))
			case o.Expected == target.ExpectHolds:
				lines = append(lines, fmt.Sprintf("%s: %s could not be decided in any seed.", c.Name, g.Claims[j]))
			default:
				lines = append(lines, fmt.Sprintf("%s: %s is refuted in none of %d seeds, although %s; more seeds may show it.", c.Name, g.Claims[j], c.Seeds, o.Reason))
			}
		}
	}
	switch g.Verdict {
	case checker.Holds:
		lines = append(lines, fmt.Sprintf("All %d outcomes are as expected.", g.Agreeing))
	case checker.Refuted:
		lines = append(lines, fmt.Sprintf("%d of %d outcomes are not as expected: what must hold was refuted.", g.Disagreeing, g.Agreeing+g.Disagreeing))
	default:
		lines = append(lines, fmt.Sprintf("%d of %d outcomes are as expected; nothing that must hold was refuted.", g.Agreeing, g.Agreeing+g.Disagreeing))
	}
	return lines
}

// WriteJSON writes the grid as one JSON document.
func (g *Grid) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(g)
}

// WriteMarkdown writes the grid as a Markdown table.
func (g *Grid) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# refute sweep: %s\n\n%s.\n\n", g.Verdict, g.what())
	b.WriteString("| " + strings.Join(append(names(g.Axes), g.Claims...), " | ") + " |\n|" + strings.Repeat("---|", len(g.Axes)+len(g.Claims)) + "\n")
	for i := range g.Cells {
		c := &g.Cells[i]
		b.WriteString("| " + strings.Join(c.Values, " | "))
		for j := range c.Outcomes {
			text := c.Outcomes[j].short(c.Seeds)
			if !c.Outcomes[j].Agrees {
				text = "**" + text + "**"
			}
			b.WriteString(" | " + text)
		}
		b.WriteString(" |\n")
	}
	b.WriteByte('\n')
	for _, line := range g.Statement() {
		b.WriteString(line + "\n\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// page is the grid as one self-contained HTML file; each outcome's reason is its title.
var page = template.Must(template.New("sweep").Funcs(template.FuncMap{
	"short": func(o Outcome, seeds uint64) string { return o.short(seeds) },
	"class": func(o Outcome) string {
		switch {
		case !o.Agrees:
			return "differs"
		case o.Refuted > 0:
			return "refuted"
		case o.Expected == target.ExpectHolds:
			return "holds"
		}
		return "possible"
	},
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>refute sweep: {{.Grid.Verdict}}</title>
<style>
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#1d2129;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border:1px solid #d5d9e0;text-align:left}
thead th{position:sticky;top:0;background:#f3f5f8}
td.refuted{background:#fdf0d5}td.holds{background:#e3f4e6}td.possible{color:#5b6470}td.differs{background:#f8d0d0;font-weight:600}
</style></head><body>
<h1>Expected against observed: {{.Grid.Verdict}}</h1>
<p>{{.What}}. Point at an outcome for what theory says of it.</p>
<p>refuted K: in K seeds, as expected · holds: in none, as expected · (…): theory says neither · X ≠ Y: X was seen, Y expected</p>
<table><thead><tr>{{range .Grid.Axes}}<th>{{.Setting}}</th>{{end}}{{range .Grid.Claims}}<th>{{.}}</th>{{end}}</tr></thead><tbody>
{{range .Grid.Cells}}{{$seeds := .Seeds}}<tr>{{range .Values}}<th>{{.}}</th>{{end}}{{range .Outcomes}}<td class="{{class .}}" title="expected: {{.Expected}}; {{.Reason}}">{{short . $seeds}}</td>{{end}}</tr>
{{end}}</tbody></table>
{{range .Grid.Statement}}<p>{{.}}</p>
{{end}}</body></html>
`))

// WriteHTML writes the grid as one self-contained HTML file.
func (g *Grid) WriteHTML(w io.Writer) error {
	return page.Execute(w, struct {
		Grid *Grid
		What string
	}{g, g.what()})
}

func names(axes []Axis) []string {
	all := make([]string, len(axes))
	for i := range axes {
		all[i] = axes[i].Setting
	}
	return all
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// what says what was run.
func (g *Grid) what() string {
	text := fmt.Sprintf("%s, %s each from seed %d on, faults %s", plural(len(g.Cells), "configuration"), plural(int(g.Seeds), "seed"), g.FirstSeed, orNone(g.Nemesis))
	if len(g.Fixed) > 0 {
		var fixed []string
		for _, name := range slices.Sorted(maps.Keys(g.Fixed)) {
			fixed = append(fixed, name+"="+g.Fixed[name])
		}
		text += ", with " + strings.Join(fixed, " ")
	}
	return text + fmt.Sprintf("; %s", time.Duration(g.Elapsed).Round(time.Second/10))
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
