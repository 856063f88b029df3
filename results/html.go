package results

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

// ReportMost is the size that report.html never exceeds, in bytes.
const ReportMost = 3 << 20

// picturesMost bounds Porcupine's pictures, all together, within ReportMost.
const picturesMost = 1200 << 10

//go:embed assets
var assets embed.FS

// asset returns an embedded file; that it exists is known when the program is built.
func asset(name string) string {
	content, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the embed directive lists the folder: only a wrong name here gets there
	}
	return string(content)
}

var page = template.Must(template.New("report").Parse(asset("report.html.tmpl")))

// Visualize draws the operations of a witness, and the faults of their time,
// as an HTML page of its own. checker.VisualizeWitness is one.
type Visualize func(operations []history.Operation, faults ...checker.FaultInterval) ([]byte, error)

// detail is how much of a run a page shows. A page that comes out too large
// is drawn again with less.
type detail struct {
	pictures  bool // Porcupine's
	around    bool // the operations beside the witness' own
	witnesses int  // drawn of each claim
	arrows    int  // of all space-time diagrams together
	faults    int
	plan      int // bytes
	sample    int // points by outcome; 0: all that are kept
	text      int // runes of one explanation
	lists     int // validity reasons, warnings, claims, rows of statistics
}

var details = []detail{
	{pictures: true, around: true, witnesses: 10, arrows: 2000, faults: 500, plan: 200 << 10, text: 4000, lists: 200},
	{around: true, witnesses: 5, arrows: 800, faults: 300, plan: 50 << 10, text: 2000, lists: 100},
	{witnesses: 2, arrows: 300, faults: 100, plan: 20 << 10, sample: 500, text: 1000, lists: 50},
	{witnesses: 1, faults: 20, sample: 100, text: 300, lists: 20},
}

// HTML returns report.html: one page without any reference to another file,
// of at most ReportMost bytes however long the history is. What had to be
// left out is said on the page. visualize may be nil: no pictures by Porcupine.
func HTML(run *Run, visualize Visualize) ([]byte, error) {
	for _, level := range details {
		out, err := renderHTML(run, visualize, level)
		if err != nil {
			return nil, err
		}
		if len(out) <= ReportMost {
			return out, nil
		}
	}
	return nil, errors.New("report.html: too large even without pictures; the numbers are in " + DocumentFile)
}

func renderHTML(run *Run, visualize Visualize, level detail) ([]byte, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, newView(run, visualize, level)); err != nil {
		return nil, fmt.Errorf("report.html: %w", err)
	}
	return b.Bytes(), nil
}
