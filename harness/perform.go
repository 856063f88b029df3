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

// Perform runs the plan on its backend, judges what was recorded and writes
// the run folder. Errors are *UsageError (no engine, a fault that is not
// available) or *FailureError; whatever was recorded by then is in the folder.
func Perform(ctx context.Context, p Performance) (*Outcome, error) {
	if p.Plan.Backend == OnSim {
		return p.performSimulated(ctx)
	}
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := p.record(ctx, s); err != nil {
		return nil, s.failure(err)
	}
	return p.judge(ctx, s.folder, s.live)
}

// stage is where a plan is performed: the engine, the run folder and the log.
type stage struct {
	engine *docker.Engine
	folder *results.Folder
	log    *os.File
	live   *Live
}

// open makes the stage for a plan on containers. Without an engine it leaves nothing behind.
func (p *Performance) open(ctx context.Context) (_ *stage, err error) {
	s := &stage{}
	if s.engine, err = docker.Connect(ctx); err != nil {
		return nil, &UsageError{err}
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.folder, err = results.Create(p.Out, p.Plan.Name, time.Now()); err != nil {
		return nil, &FailureError{err}
	}
	if s.log, err = os.Create(s.folder.Log()); err != nil {
		return nil, &FailureError{err}
	}
	s.live = NewLive(p.Progress, s.log, p.Terminal, p.Width)
	s.live.Log("run folder: %s   seed: %d", s.folder.Path, p.Plan.Seed)
	if p.Plan.Surroundings != nil {
		s.live.Log("the plan's network and disk times are the simulation's only: containers have the real ones")
	}
	if err := p.Plan.Save(s.folder.Plan()); err != nil {
		return nil, &FailureError{err}
	}
	if removed, err := s.engine.Clean(ctx, docker.CleanOptions{}); err != nil {
		s.live.Log("removing what dead runs left: %v", err)
	} else if !removed.Empty() {
		s.live.Log("dead runs had left something behind: %s", removed)
	}
	return s, nil
}

func (s *stage) close() {
	if s.live != nil {
		s.live.Finish()
	}
	if s.log != nil {
		_ = s.log.Close() // what it should hold was shown as well
	}
	_ = s.engine.Close()
}

// failure is the error of something that went wrong on the stage.
func (s *stage) failure(err error) error {
	var usage *UsageError
	if errors.As(err, &usage) {
		return err
	}
	return &FailureError{fmt.Errorf("%w; what was recorded is in %s", err, s.folder.Path)}
}

// cluster makes a cluster of the system's nodes, whose output goes to the
// folder logs. suffix tells the clusters of one run folder apart.
func (s *stage) cluster(ctx context.Context, system target.System, nodes int, suffix, logs string) (*containers, error) {
	return newContainers(ctx, s.engine, system, docker.Options{
		Run:          filepath.Base(s.folder.Path) + suffix + fmt.Sprintf("-%d", os.Getpid()),
		Nodes:        plan.NodeNames(nodes),
		LogDirectory: logs,
		Log:          s.live.logOnly,
	})
}

// tearDown closes the cluster, even if the run's context is over: its containers must go all the same.
func tearDown(cluster Cluster) error {
	ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
	defer cancel()
	return cluster.Close(ctx)
}

// record carries the plan out. The history is closed and the containers are
// removed when it returns.
func (p *Performance) record(ctx context.Context, s *stage) (err error) {
	cluster, err := s.cluster(ctx, p.System, p.Plan.Target.Nodes, "", s.folder.Nodes())
	if err != nil {
		return err
	}
	defer func() {
		s.live.Phase("tear down")
		err = errors.Join(err, tearDown(cluster))
	}()
	_, err = p.carryOut(ctx, cluster, s.folder.History(), s.live, s.live.Log, s.live.Watch)
	return err
}

// carryOut carries the plan out on the cluster, up to and without its removal,
// and leaves the history in a file at the path. The log is told of faults, and
// watch follows the run's status until it is told to stop.
func (p *Performance) carryOut(ctx context.Context, cluster Cluster, path string, observer Observer,
	log func(string, ...any), watch func(stop <-chan struct{}, status func() Status)) (run *Run, err error) {
	writer, err := history.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, writer.Close()) }()
	recorder := NewRecorder(writer)
	recorder.OnFault = func(f string, fault history.Fault) { log("%s", describeFault(f, fault)) }
	run, err = NewRun(RunConfig{Plan: p.Plan, System: p.System, Cluster: cluster,
		Recorder: recorder, Observer: observer, Interrupt: p.Interrupt})
	if err != nil {
		return nil, err
	}
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); watch(stop, run.Status) }()
	defer func() { close(stop); <-watched }()
	return run, run.Execute(ctx)
}

// describeFault is the line of the log about a fault's injection or healing.
func describeFault(f string, fault history.Fault) string {
	proof := "verified"
	if !fault.Verified {
		proof = "NOT VERIFIED"
	}
	kind := fault.Kind + " "
	if strings.Contains(fault.Description, fault.Kind) {
		kind = "" // "kill n2" says it
	}
	return fmt.Sprintf("%-6s %s %s%s: %s: %s", f, fault.ID, kind, fault.Description, proof, fault.Evidence)
}

// judge decides the claims and writes the report.
func (p *Performance) judge(ctx context.Context, folder *results.Folder, live *Live) (*Outcome, error) {
	live.Phase("check")
	file, err := history.Open(folder.History())
	if err != nil {
		return nil, &FailureError{err}
	}
	defer file.Close()
	report, warnings, err := judge(ctx, file, p.Plan.Claims, p.Plan.Limits, trafficOptions(p.Plan), live.logOnly)
	if err != nil {
		return nil, &FailureError{err}
	}
	live.Phase("report")
	if p.Plan.Backend == OnSim {
		if err := p.traceWitnesses(ctx, folder, report, file); err != nil {
			return nil, &FailureError{err}
		}
	}
	run, err := results.Write(folder, report, results.Options{})
	if err != nil {
		return nil, &FailureError{fmt.Errorf("writing the report: %w", err)}
	}
	for _, w := range append(warnings, report.Warnings...) {
		live.Log("%s", w)
	}
	return &Outcome{Run: run, Report: report, Folder: folder.Path, Warnings: warnings, expect: p.Plan.Expect}, nil
}
