package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
)

// DefaultExploreTime is the longest main phase, in virtual time, of the seeds
// of an exploration that names none.
const DefaultExploreTime = time.Minute

// exploreGCPercent is the garbage collector's setting (GOGC) while many short runs are made.
const exploreGCPercent = 800

// Exploration is a request for many runs in simulation, and its surroundings.
type Exploration struct {
	// Request is what all seeds have in common; its seed is the first. Its
	// backend is always the simulation, its nemesis the kinds that seeds draw
	// from: nil for all that the simulation can do or, with Robustify, for all
	// that containers can do, too.
	Request
	// Seeds and Budget bound the exploration; 0 is no bound. One of them must be set.
	Seeds  uint64
	Budget time.Duration
	// Workers is how many seeds are run at the same time; 0 is one on each core.
	Workers int
	// KeepGoing goes on after the first refutation.
	KeepGoing bool
	// Skew bounds the clocks' offsets; 0 is the default.
	Skew time.Duration
	Reduction
}

// Reduction says what is made of findings, and where it is written.
type Reduction struct {
	// ShrinkBudget is the longest time for one finding; 0 is the default, negative shrinks nothing.
	ShrinkBudget time.Duration
	// Robustify also looks for a variant that fails under most other networks.
	Robustify bool
	// Out is the folder of the run folders.
	Out string
	// Progress is where the live line goes; nil for silence. Terminal says
	// that it can rewrite its line, which is Width columns long.
	Progress io.Writer
	Terminal bool
	Width    int
	// Interrupt, when closed, ends the exploration; what was found is still shrunk.
	Interrupt <-chan struct{}
}

// Explored is what an exploration came to.
type Explored struct {
	Summary *explore.Summary
	// Expect lists the refutations that must happen.
	expect expectations
}

// Explore runs seeds in simulation until a claim is refuted or the bounds are
// reached, shrinks what it finds and writes a run folder for each finding.
// Errors are *UsageError or *FailureError; whatever was found by then is in
// the result, which is nil only if nothing was run.
func Explore(ctx context.Context, e Exploration) (*Explored, error) {
	if e.Seeds == 0 && e.Budget == 0 {
		return nil, &UsageError{errors.New("an exploration without bounds would never end: give --seeds or --budget")}
	}
	e.Backend = OnSim
	if e.Nemesis == nil {
		e.Nemesis = sim.Caps().Kinds()
		if e.Robustify {
			e.Nemesis = nemesis.ContainerCaps().Kinds()
		}
	}
	if e.TimeLimit == 0 {
		e.TimeLimit = DefaultExploreTime
	}
	base, system, err := NewPlan(e.Request)
	if err != nil {
		return nil, err
	}
	if s := base.Surroundings; s != nil && e.WANLatency == 0 && e.WANJitter == 0 {
		s.WANLatency, s.WANJitter = 0, 0 // each seed draws its own
	}
	if e.Progress != nil {
		fmt.Fprintf(e.Progress, "exploring from seed %d on\n", e.Seed)
	}
	live := e.live()
	// Runs leave little garbage and keep little: collecting it seldom costs nothing.
	defer debug.SetGCPercent(debug.SetGCPercent(exploreGCPercent))
	summary, err := explore.Run(ctx, explore.Config{Base: base, System: system, Kinds: base.Nemesis, FirstSeed: e.Seed,
		Seeds: e.Seeds, Budget: e.Budget, Workers: e.Workers, KeepGoing: e.KeepGoing, ShrinkBudget: e.ShrinkBudget,
		Robustify: e.Robustify, Draw: explore.DrawOptions{Skew: e.Skew, NoHold: e.Robustify, Datacenters: target.DatacentersOf(system)}, Progress: live.progress, Interrupt: e.Interrupt})
	return e.finish(ctx, live, base, system, summary, err)
}

// Shrink runs the plan of a file in simulation, and shrinks what it shows.
// Errors are *UsageError, also where it shows nothing, or *FailureError.
func Shrink(ctx context.Context, path string, r Reduction) (*Explored, error) {
	p, system, err := LoadPlan(path, OnSim)
	if err != nil {
		return nil, err
	}
	live := r.live()
	defer debug.SetGCPercent(debug.SetGCPercent(exploreGCPercent))
	summary, err := explore.Examine(ctx, p, explore.Config{System: system, ShrinkBudget: r.ShrinkBudget, Robustify: r.Robustify,
		Progress: live.progress, Interrupt: r.Interrupt})
	if err == nil && len(summary.Findings) == 0 {
		live.finish()
		return nil, &UsageError{fmt.Errorf("%s: in simulation this plan refutes none of its claims, so that there is nothing to shrink: look for a seed that does with `refute explore`", path)}
	}
	return r.finish(ctx, live, p, system, summary, err)
}

// finish writes the run folders of what was found.
func (r *Reduction) finish(ctx context.Context, live *exploreLive, base *plan.Plan, system target.System, summary *explore.Summary, err error) (*Explored, error) {
	defer live.finish()
	if summary == nil {
		var unsupported *sim.UnsupportedError
		if errors.As(err, &unsupported) {
			return nil, &UsageError{err}
		}
		return nil, &FailureError{err}
	}
	out := &Explored{Summary: summary, expect: base.Expect}
	// The first finding comes last, so that results/runs/latest points to it.
	for _, finding := range slices.Backward(summary.Findings) {
		if writeError := r.write(ctx, finding, system); writeError != nil {
			err = errors.Join(err, fmt.Errorf("writing down %s (%s): %w", finding.Claim, finding.Class, writeError))
		}
	}
	if err != nil {
		return out, &FailureError{err}
	}
	return out, nil
}

// The files of a finding's folder beside those of every run: the plan that was
// found, before it was shrunk, and its sturdier variant.
const (
	originalPlan = "original.json"
	robustPlan   = "robust.json"
)

// write runs the finding's smallest plan once more, into a run folder of its own.
func (r *Reduction) write(ctx context.Context, f *explore.Finding, system target.System) error {
	p := f.Plan
	if f.Minimal != nil {
		p = f.Minimal.Plan
	}
	p = p.Clone()
	if !strings.HasSuffix(p.Name, "-"+f.Class) { // a finding that is shrunk once more keeps its name
		p.Name = plan.SanitizeName(p.Name + "-" + f.Class)
	}
	p.Expect = nil
	outcome, err := Perform(ctx, Performance{Plan: p, System: system, Out: r.Out, Interrupt: r.Interrupt})
	if err != nil {
		return err
	}
	folder := outcome.Folder
	f.Files = append(f.Files, filepath.Join(folder, "report.html"), filepath.Join(folder, "plan.json"))
	if err := f.Plan.Save(filepath.Join(folder, originalPlan)); err != nil {
		return err
	}
	f.Files = append(f.Files, filepath.Join(folder, originalPlan))
	if f.Robust == nil {
		return nil
	}
	f.Files = append(f.Files, filepath.Join(folder, robustPlan))
	return f.Robust.Plan.Save(filepath.Join(folder, robustPlan))
}

// WriteText writes it for people.
func (e *Explored) WriteText(w io.Writer, colours bool) {
	_ = e.Summary.WriteText(w, colours) // stdout is gone: nobody to tell
	for _, c := range e.expect.unmet(e.verdicts()) {
		fmt.Fprintf(w, "expected: %s is refuted; it is not\n", c.claim)
	}
}

// WriteJSON writes it as one JSON document.
func (e *Explored) WriteJSON(w io.Writer) error { return e.Summary.WriteJSON(w) }

// ExitCode is that of the verdict, as a run's; see Outcome.ExitCode.
func (e *Explored) ExitCode() int {
	return e.expect.exitCode(e.Summary.Verdict, e.verdicts(), checker.Holds)
}

func (e *Explored) verdicts() []claimVerdict {
	var all []claimVerdict
	for _, c := range e.Summary.Claims {
		all = append(all, claimVerdict{c.Claim, c.Verdict})
	}
	return all
}

// exploreLive shows how an exploration goes: one line that is rewritten on a
// terminal, otherwise a line every few seconds.
type exploreLive struct {
	out      io.Writer
	terminal bool
	width    int
	last     time.Duration
	shown    bool
}

// plainInterval is the time between two lines where none can be rewritten.
const plainInterval = 5 * time.Second

func (r *Reduction) live() *exploreLive {
	return &exploreLive{out: r.Progress, terminal: r.Terminal, width: r.Width}
}

func (l *exploreLive) progress(p explore.Progress) {
	if l.out == nil {
		return
	}
	line := p.String()
	if !l.terminal {
		if p.Elapsed-l.last >= plainInterval {
			l.last = p.Elapsed
			fmt.Fprintln(l.out, line)
		}
		return
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", fitted(line, l.width))
	l.shown = true
}

func (l *exploreLive) finish() {
	if l.out != nil && l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.shown = false
	}
}
