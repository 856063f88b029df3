package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/results"
	"github.com/refute-lab/refute/target"
)

// Performance is a plan and the surroundings in which it is performed.
type Performance struct {
	Plan   *plan.Plan
	System target.System
	// Out is the folder of the run folders.
	Out string
	// Progress is where the live line goes; nil for silence. Terminal says
	// that it can rewrite its line, which is Width columns long.
	Progress io.Writer
	Terminal bool
	Width    int
	// Interrupt, when closed, ends the main phase early; the rest follows as usual.
	Interrupt <-chan struct{}
}

// teardownTimeout bounds the removal of a run's containers.
const teardownTimeout = 30 * time.Second

// Perform runs the plan on containers, judges what was recorded and writes
// the run folder. Errors are *UsageError (no engine, a fault that is not
// available) or *FailureError; whatever was recorded by then is in the folder.
func Perform(ctx context.Context, p Performance) (*Outcome, error) {
	// First of all, without leaving anything behind: is there an engine?
	engine, err := docker.Connect(ctx)
	if err != nil {
		return nil, &UsageError{err}
	}
	defer engine.Close()
	folder, err := results.Create(p.Out, p.Plan.Name, time.Now())
	if err != nil {
		return nil, &FailureError{err}
	}
	log, err := os.Create(folder.Log())
	if err != nil {
		return nil, &FailureError{err}
	}
	defer log.Close()
	live := NewLive(p.Progress, log, p.Terminal, p.Width)
	defer live.Finish()
	live.Log("run folder: %s   seed: %d", folder.Path, p.Plan.Seed)
	if err := p.Plan.Save(folder.Plan()); err != nil {
		return nil, &FailureError{err}
	}
	if err := p.record(ctx, engine, folder, live); err != nil {
		var usage *UsageError
		if errors.As(err, &usage) {
			return nil, err
		}
		return nil, &FailureError{fmt.Errorf("%w; what was recorded is in %s", err, folder.Path)}
	}
	return p.judge(ctx, folder, live)
}

// record carries the plan out. The history is closed and the containers are
// removed when it returns.
func (p *Performance) record(ctx context.Context, engine *docker.Engine, folder *results.Folder, live *Live) (err error) {
	if removed, err := engine.Clean(ctx, docker.CleanOptions{}); err != nil {
		live.Log("removing what dead runs left: %v", err)
	} else if !removed.Empty() {
		live.Log("dead runs had left something behind: %s", removed)
	}
	writer, err := history.Create(folder.History())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	cluster, err := newContainers(ctx, engine, p.System, docker.Options{
		Run:          filepath.Base(folder.Path) + fmt.Sprintf("-%d", os.Getpid()),
		Nodes:        plan.NodeNames(p.Plan.Target.Nodes),
		LogDirectory: folder.Nodes(),
		Log:          live.logOnly,
	})
	if err != nil {
		return err
	}
	defer func() {
		live.Phase("tear down")
		// The run's context may be over; its containers must go all the same.
		ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
		defer cancel()
		err = errors.Join(err, cluster.Close(ctx))
	}()
	recorder := NewRecorder(writer)
	recorder.OnFault = func(f string, fault history.Fault) {
		proof := "verified"
		if !fault.Verified {
			proof = "NOT VERIFIED"
		}
		kind := fault.Kind + " "
		if strings.Contains(fault.Description, fault.Kind) {
			kind = "" // "kill n2" says it
		}
		live.Log("%-6s %s %s%s: %s: %s", f, fault.ID, kind, fault.Description, proof, fault.Evidence)
	}
	run, err := NewRun(RunConfig{Plan: p.Plan, System: p.System, Cluster: cluster,
		Recorder: recorder, Observer: live, Interrupt: p.Interrupt})
	if err != nil {
		return err
	}
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); live.Watch(stop, run.Status) }()
	defer func() { close(stop); <-watched }()
	return run.Execute(ctx)
}

// judge decides the claims and writes the report.
func (p *Performance) judge(ctx context.Context, folder *results.Folder, live *Live) (*Outcome, error) {
	live.Phase("check")
	file, err := history.Open(folder.History())
	if err != nil {
		return nil, &FailureError{err}
	}
	defer file.Close()
	report, warnings, err := judge(ctx, file, p.Plan.Claims, p.Plan.Limits, live.logOnly)
	if err != nil {
		return nil, &FailureError{err}
	}
	live.Phase("report")
	run, err := results.Write(folder, report, results.Options{})
	if err != nil {
		return nil, &FailureError{fmt.Errorf("writing the report: %w", err)}
	}
	for _, w := range append(warnings, report.Warnings...) {
		live.Log("%s", w)
	}
	return &Outcome{Run: run, Report: report, Warnings: warnings, expect: p.Plan.Expect}, nil
}
