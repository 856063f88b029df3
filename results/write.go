package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
)

// Options are what a run's files do not tell.
type Options struct {
	// Version is the version of refute, for the record; may be empty.
	Version string
	// Command is the command line that runs the same again. Empty: the one
	// that CommandLine makes of the plan.
	Command string
	// Visualize draws a witness; nil is checker.VisualizeWitness.
	Visualize Visualize
}

// Write writes the outcome of a run into its folder, which has the plan and
// the history already: results.json, then, from the files alone,
// report.html, junit.xml and summary.md. Each file is replaced atomically.
// The run that it returns is what Summary prints.
//
// The history is read once more from the disk, with a memory that does not
// depend on its length.
func Write(folder *Folder, report checker.Report, options Options) (*Run, error) {
	d := NewDocument(report)
	d.Version, d.Command = options.Version, options.Command
	p, err := readPlan(folder)
	if err != nil {
		return nil, err
	}
	if d.Command == "" && p != nil {
		d.Command = CommandLine(p)
	}
	if d.PlanSHA256, err = digest(folder.Plan()); err != nil {
		return nil, err
	}
	if d.HistorySHA256, err = digest(folder.History()); err != nil {
		return nil, err
	}
	if err := d.WriteFile(folder.Document()); err != nil {
		return nil, err
	}
	return Draw(folder, options)
}

// Load reads a run folder: results.json, and plan.json, history.jsonl and
// trace.jsonl where they are there.
func Load(folder *Folder) (*Run, error) {
	d, err := ReadDocument(folder.Document())
	if err != nil {
		return nil, err
	}
	run := &Run{Folder: folder, Document: d}
	if run.Plan, err = readPlan(folder); err != nil {
		return nil, err
	}
	run.Scan, err = ScanFile(d, folder.History())
	if errors.Is(err, fs.ErrNotExist) {
		return run, nil
	}
	if err != nil {
		return nil, err
	}
	if err := run.Scan.readTrace(folder.Trace()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return run, nil
}

// Draw writes report.html, junit.xml and summary.md of a folder that has a
// results.json, for instance again after an update of refute.
func Draw(folder *Folder, options Options) (*Run, error) {
	run, err := Load(folder)
	if err != nil {
		return nil, err
	}
	visualize := options.Visualize
	if visualize == nil {
		visualize = checker.VisualizeWitness
	}
	html, err := HTML(run, visualize)
	if err != nil {
		return nil, err
	}
	junit, err := JUnit(run)
	if err != nil {
		return nil, err
	}
	for _, file := range []struct {
		path    string
		content []byte
	}{
		{folder.Report(), html},
		{folder.JUnit(), junit},
		{folder.Summary(), Markdown(run)},
	} {
		if err := writeAtomically(file.path, file.content); err != nil {
			return nil, err
		}
	}
	return run, nil
}

// readPlan returns the folder's plan, or nil where there is none.
func readPlan(folder *Folder) (*plan.Plan, error) {
	content, err := os.ReadFile(folder.Plan())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p := &plan.Plan{}
	if err := json.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("plan %s: %w", folder.Plan(), err)
	}
	return p, nil
}
