package results

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
)

// backendSim is the plan's name for the simulation.
const backendSim = "sim"

// Run is a run as its files tell it: what every form of the report is drawn from.
type Run struct {
	// Folder is where the files are; nil for a history that was checked on
	// its own, outside any run folder.
	Folder *Folder
	// Plan is plan.json's; nil where there is none.
	Plan *plan.Plan
	// Document is results.json's; never nil.
	Document *Document
	// Scan is what was kept of the history; nil where it was not read.
	Scan *Scan
}

// name is the run's name, for titles.
func (run *Run) name() string {
	switch {
	case run.Folder != nil:
		return run.Folder.Name
	case run.Plan != nil && run.Plan.Name != "":
		return run.Plan.Name
	}
	return "history"
}

// simulated says whether the run was one of virtual time.
func (run *Run) simulated() bool { return run.Plan != nil && run.Plan.Backend == backendSim }

// took is the length of the main phase, in the words of the backend.
func (run *Run) took() string {
	text := fmt.Sprintf("%.1f s", run.Document.Stats.Seconds)
	if run.simulated() {
		text += " of virtual time"
	}
	return text
}

// position is the place of the claim in the document.
func (run *Run) position(claim string) int {
	for i, c := range run.Document.Claims {
		if c.Claim == claim {
			return i
		}
	}
	return -1
}

// causeText says of a derived cause what it is in general; empty where none was derived.
func causeText(w WitnessDetail) string {
	cause, found := checker.DescribeCause(w.Cause)
	if !found {
		return ""
	}
	return cause.Name + ". " + cause.Description
}

// witnessTitle is a witness in a few words: `stale-read on key k1, confirmed by Porcupine`.
func witnessTitle(w WitnessDetail) string {
	text := w.Class
	if text == "" {
		text = "anomaly"
	}
	if w.Key != "" {
		text += " on key " + clip(w.Key, 60)
	}
	if w.Confirmed {
		text += ", confirmed by Porcupine"
	}
	return text
}

// witnessLines shows the operations of a witness as a table of at most width
// columns, or by their indexes where the history was not read.
func (run *Run) witnessLines(claim, witness, width int) []string {
	scene := run.Scan.Scene(claim, witness)
	indexes := run.Document.Claims[claim].Witnesses[witness]
	if scene == nil || len(scene.Witness) == 0 {
		return wrap("operations "+strings.Trim(fmt.Sprint(indexes), "[]"), width)
	}
	rows := [][]string{{"operation", "process", "node", "started", "ended", "what", "outcome"}}
	for _, m := range scene.Witness {
		rows = append(rows, []string{
			fmt.Sprint(m.Index), fmt.Sprint(m.Process), m.Node, instant(m.Start), m.ending(), m.sentence(), m.outcomeText(),
		})
	}
	lines := table(rows, width)
	if len(scene.Witness) < len(indexes) {
		lines = append(lines, fmt.Sprintf("(%d of %s shown)", len(scene.Witness), count(len(indexes), "operation")))
	}
	return lines
}

// table lines columns up; the last two columns are cut where a line would be
// longer than width.
func table(rows [][]string, width int) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for i := len(widths) - 1; i >= 0 && total > width; i-- {
		least := max(utf8.RuneCountInString(rows[0][i]), 10)
		cut := min(total-width, max(widths[i]-least, 0))
		widths[i] -= cut
		total -= cut
	}
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if utf8.RuneCountInString(cell) > widths[i] {
				cell = clip(cell, widths[i]-1)
			}
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}
