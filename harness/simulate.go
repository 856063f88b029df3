package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/harness/trace"
	"github.com/refute-lab/refute/results"
)

// The backends, as in plans and after --on.
const (
	OnDocker = "docker"
	OnSim    = "sim"
	// OnAuto is docker where an engine answers, else sim; of a plan file, the backend that it names.
	OnAuto = "auto"
)

// ChooseBackend turns what was asked for into a backend: "docker" or "sim".
// why says how auto was decided; it is empty otherwise. Errors are *UsageError.
func ChooseBackend(ctx context.Context, on string) (backend, why string, err error) {
	switch on {
	case OnDocker, OnSim:
		return on, "", nil
	case OnAuto:
		engine, err := docker.Connect(ctx)
		if err != nil {
			return OnSim, "no Docker engine answers: running in the simulation (--on docker says what is missing)", nil
		}
		_ = engine.Close() // it was only asked
		return OnDocker, "a Docker engine answers: running on containers", nil
	}
	return "", "", &UsageError{fmt.Errorf("--on %q: want auto, docker or sim", on)}
}

// performSimulated runs the plan in the simulation, judges what was recorded
// and writes the run folder, as Perform does on containers.
func (p *Performance) performSimulated(ctx context.Context) (*Outcome, error) {
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
	live.Log("run folder: %s   seed: %d   in the simulation", folder.Path, p.Plan.Seed)
	if err := p.Plan.Save(folder.Plan()); err != nil {
		return nil, &FailureError{err}
	}
	if err := p.simulate(ctx, folder, live); err != nil {
		var unsupported *sim.UnsupportedError
		if errors.As(err, &unsupported) {
			return nil, &UsageError{err}
		}
		return nil, &FailureError{fmt.Errorf("%w; what was recorded is in %s", err, folder.Path)}
	}
	return p.judge(ctx, folder, live)
}

// simulate records the run's history.
func (p *Performance) simulate(ctx context.Context, folder *results.Folder, live *Live) (err error) {
	writer, err := history.Create(folder.History())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.Interrupt:
			cancel(errors.New("interrupted"))
		case <-ctx.Done():
		}
	}()
	var watched simulated
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); live.Watch(stop, watched.status) }()
	defer func() { close(stop); <-done }()
	began := time.Now()
	result, err := sim.Run(ctx, p.Plan, p.System, sim.Options{Record: func(e *history.Event) error {
		watched.count(e)
		if e.Process == history.Nemesis {
			logNemesis(live, e)
		}
		return writer.Append(e)
	}})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return err
	}
	took := time.Since(began)
	live.Log("%s of virtual time in %s: %d operations, %d events, trace hash %016x",
		result.Virtual.Round(time.Millisecond), took.Round(time.Millisecond), result.Clients, result.Events, result.Hash)
	return nil
}

// simulated is the state of a simulated run for the live line.
type simulated struct {
	now                       atomic.Int64
	invoked, ok, failed, info atomic.Int64
}

func (s *simulated) count(e *history.Event) {
	s.now.Store(e.Time)
	if e.Process == history.Nemesis {
		return
	}
	switch e.Type {
	case history.Invoke:
		s.invoked.Add(1)
	case history.Ok:
		s.ok.Add(1)
	case history.Fail:
		s.failed.Add(1)
	case history.Info:
		s.info.Add(1)
	}
}

func (s *simulated) status() Status {
	return Status{Elapsed: time.Duration(s.now.Load()), Counts: Counts{Invoked: int(s.invoked.Load()), Ok: int(s.ok.Load()),
		Fail: int(s.failed.Load()), Info: int(s.info.Load())}}
}

// logNemesis puts phases and faults into the log, as a run on containers does.
func logNemesis(live *Live, e *history.Event) {
	at := time.Duration(e.Time).Round(time.Millisecond)
	switch {
	case e.F == history.FPhase && e.Type == history.Invoke:
		live.logOnly(fmt.Sprintf("phase %s at %s of virtual time", e.Key, at))
	case (e.F == history.FInject || e.F == history.FHeal) && e.Type != history.Invoke:
		var fault history.Fault
		if json.Unmarshal(e.Value.Raw(), &fault) == nil {
			live.Log("%8.3f s  %s", time.Duration(e.Time).Seconds(), describeFault(e.F, fault))
		}
	}
}

// Around a witness, this much of the trace is kept.
const (
	traceBefore = 250 * time.Millisecond
	traceAfter  = 50 * time.Millisecond
)

// traceWitnesses runs the plan once more and keeps, of all messages and
// replica states, those that explain the witnesses.
func (p *Performance) traceWitnesses(ctx context.Context, folder *results.Folder, report checker.Report, file *history.File) error {
	operations := map[int64]history.Operation{}
	for _, claim := range report.Claims {
		for _, witness := range claim.Witnesses {
			for _, index := range witness.Operations {
				operations[index] = history.Operation{}
			}
		}
	}
	if len(operations) == 0 {
		return nil
	}
	if _, err := file.Operations(ctx, func(o *history.Operation) bool {
		if _, wanted := operations[o.Index]; wanted {
			operations[o.Index] = *o
		}
		return true
	}); err != nil {
		return err
	}
	var windows []trace.Window
	for _, claim := range report.Claims {
		for _, witness := range claim.Witnesses {
			windows = append(windows, windowOf(witness, operations))
		}
	}
	collector := trace.NewCollector(windows...)
	var keys []string
	for _, window := range windows {
		keys = append(keys, window.Key)
	}
	slices.Sort(keys)
	if _, err := sim.Run(ctx, p.Plan, p.System, sim.Options{Trace: collector.Add, TraceKeys: slices.Compact(keys)}); err != nil {
		return fmt.Errorf("running the plan again for its trace: %w", err)
	}
	return trace.WriteFile(folder.Trace(), collector.Events())
}

// windowOf is the time around a witness, given its operations.
func windowOf(witness checker.Witness, operations map[int64]history.Operation) trace.Window {
	w := trace.Window{Key: witness.Key, Operations: witness.Operations}
	first := true
	for _, index := range witness.Operations {
		o := operations[index]
		end := o.End
		if end == history.Infinity {
			end = o.Start
		}
		if first || o.Start-int64(traceBefore) < w.From {
			w.From = o.Start - int64(traceBefore)
		}
		if first || end+int64(traceAfter) > w.To {
			w.To = end + int64(traceAfter)
		}
		first = false
	}
	return w
}
