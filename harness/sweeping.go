package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/harness/sweep"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/results"
	"github.com/refute-lab/refute/target"
)

// The defaults of a sweep: its seeds are short, so that there may be many.
const (
	DefaultSweepSeeds = 200
	DefaultSweepTime  = 3 * time.Second
)

// DefaultSweepNemesis are the kinds of faults of a sweep that names none.
var DefaultSweepNemesis = []string{nemesis.Partition, nemesis.Pause, nemesis.Clock}

// DefaultSweepClaims are the columns of a sweep that names none.
var DefaultSweepClaims = []string{"linearizable", "no-stale-reads", "read-your-writes", "monotonic-reads", "no-lost-writes", "convergence"}

// DefaultSweepAxes are the rows of a sweep that names no setting with several
// values: the quorums of three and of five replicas, and all modes of repair.
func DefaultSweepAxes() []sweep.Axis {
	return []sweep.Axis{
		{Setting: "n", Values: []string{"3", "5"}},
		{Setting: "w", Values: []string{"1", "2", "3", "4", "5"}},
		{Setting: "r", Values: []string{"1", "2", "3", "4", "5"}},
		{Setting: "repair", Values: []string{"off", "async", "blocking", "abd"}},
	}
}

// Sweeping is a request for a sweep, and its surroundings.
type Sweeping struct {
	// Request is what all cells have in common; its seed is the first of each.
	Request
	// Axes are the settings with several values.
	Axes []sweep.Axis
	// Seeds is how many each cell is run with.
	Seeds uint64
	// Skew bounds the clocks' offsets; 0 is the default.
	Skew time.Duration
	// Workers is how many seeds are run at the same time; 0 is one on each core.
	Workers int
	// Out is the folder of the run folders.
	Out string
	// Progress, Terminal and Width are those of Reduction.
	Progress io.Writer
	Terminal bool
	Width    int
	// Interrupt, when closed, ends the sweep; what was found by then is the result.
	Interrupt <-chan struct{}
}

// Swept is what a sweep came to.
type Swept struct {
	Grid *sweep.Grid
	// Folder has the grid as summary.md, report.html and sweep.json.
	Folder string
}

// SweepFile is the name of the file in the run folder that holds the grid.
const SweepFile = "sweep.json"

// Sweep runs a grid of configurations in simulation and holds what is seen
// against what theory expects. Errors are *UsageError or *FailureError.
func Sweep(ctx context.Context, s Sweeping) (*Swept, error) {
	s.fill()
	if s.Seeds < 1 || s.Seeds > 10_000_000 {
		return nil, &UsageError{fmt.Errorf("%d seeds: want 1…10000000", s.Seeds)}
	}
	kinds, err := nemesis.ParseKinds(s.Nemesis)
	if err != nil {
		return nil, &UsageError{err}
	}
	if err := sim.Caps().AllowKinds(kinds); err != nil {
		return nil, &UsageError{err}
	}
	live := sweepLive{exploreLive: exploreLive{out: s.Progress, terminal: s.Terminal, width: s.Width}, began: time.Now(),
		title: fmt.Sprintf("sweeping with %d seeds a cell, from seed %d on", s.Seeds, s.Seed)}
	defer live.finish()
	defer debug.SetGCPercent(debug.SetGCPercent(exploreGCPercent))
	fixed, err := s.fixed()
	if err != nil {
		return nil, &UsageError{err}
	}
	grid, err := sweep.Run(ctx, sweep.Config{Axes: s.Axes, Fixed: fixed, Kinds: kinds, FirstSeed: s.Seed, Seeds: s.Seeds, Skew: s.Skew, Workers: s.Workers,
		Progress: live.progress, Interrupt: s.Interrupt, Plan: func(settings map[string]string) (*plan.Plan, target.System, error) {
			request := s.Request
			request.Settings = maps.Clone(s.Settings)
			if request.Settings == nil {
				request.Settings = map[string]string{}
			}
			maps.Copy(request.Settings, settings)
			p, system, err := newPlan(request)
			return p, system, err
		}})
	var defect *explore.DefectError
	var unsupported *sim.UnsupportedError
	switch {
	case errors.As(err, &unsupported):
		return nil, &UsageError{err}
	case errors.As(err, &defect):
		return nil, &FailureError{err}
	case err != nil:
		return nil, &UsageError{err}
	}
	swept := &Swept{Grid: grid}
	if err := swept.write(s.Out, s.Name); err != nil {
		return nil, &FailureError{fmt.Errorf("writing what was found: %w", err)}
	}
	return swept, nil
}

func (s *Sweeping) fill() {
	s.Backend = OnSim
	if s.Nemesis == nil {
		s.Nemesis = DefaultSweepNemesis
	}
	if s.Claims == nil {
		s.Claims = DefaultSweepClaims
	}
	if s.TimeLimit == 0 {
		s.TimeLimit = DefaultSweepTime
	}
	if s.Name == "" {
		s.Name = "sweep"
	}
	if len(s.Axes) == 0 {
		s.Axes = DefaultSweepAxes()
	}
}

// fixed are the settings of the profile and of the request that are no axis.
func (s *Sweeping) fixed() (map[string]string, error) {
	all, err := withProfile(s.Target, s.Profile, s.Settings)
	if err != nil {
		return nil, err
	}
	fixed := maps.Clone(all)
	for _, a := range s.Axes {
		delete(fixed, a.Setting)
	}
	return fixed, nil
}

// write writes the run folder.
func (s *Swept) write(root, name string) error {
	if root == "" {
		return nil
	}
	folder, err := results.Create(root, plan.SanitizeName(name), time.Now())
	if err != nil {
		return err
	}
	s.Folder = folder.Path
	for path, form := range map[string]func(io.Writer) error{
		filepath.Join(folder.Path, SweepFile): s.Grid.WriteJSON, folder.Summary(): s.Grid.WriteMarkdown, folder.Report(): s.Grid.WriteHTML,
	} {
		var text strings.Builder
		if err := form(&text); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// WriteText writes the grid for people.
func (s *Swept) WriteText(w io.Writer, colours bool) {
	_ = s.Grid.WriteText(w, colours) // stdout is gone: nobody to tell
	if s.Folder != "" {
		fmt.Fprintf(w, "\nReport:\n  %s\n", filepath.Join(s.Folder, results.ReportFile))
	}
}

// WriteJSON writes the grid as one JSON document.
func (s *Swept) WriteJSON(w io.Writer) error { return s.Grid.WriteJSON(w) }

// ExitCode is 0 if everything is as expected, 1 if a claim that must hold was
// refuted, 2 if an expected refutation was not seen or the sweep did not end.
func (s *Swept) ExitCode() int { return ExitCode(s.Grid.Verdict) }

// sweepLive shows how far a sweep is.
type sweepLive struct {
	exploreLive
	began time.Time
	title string
}

func (l *sweepLive) progress(p sweep.Progress) {
	if l.out == nil || p.Cell == "" {
		return
	}
	if l.title != "" {
		fmt.Fprintln(l.out, l.title)
		l.title = ""
	}
	line := fmt.Sprintf("cell %d of %d: %s, %d seeds", p.Cells+1, p.All, p.Cell, p.Seeds)
	if p.Disagreeing > 0 {
		line += fmt.Sprintf("; %d outcomes are not as expected", p.Disagreeing)
	}
	elapsed := time.Since(l.began)
	if !l.terminal {
		if elapsed-l.last >= plainInterval {
			l.last = elapsed
			fmt.Fprintln(l.out, line)
		}
		return
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", fitted(line, l.width))
	l.shown = true
}
