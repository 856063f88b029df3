package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/results"
	"github.com/refute-lab/refute/target"
)

// Repetitions is a plan that is to be performed again and again, and its control.
type Repetitions struct {
	Performance
	// Repetitions is how often the plan is performed: 1…MostRepetitions.
	Repetitions int
	// Controls is how often its control is; 0 stands for as often as the plan.
	Controls int
	// Twin, if not nil, is the control: a plan that differs in a setting. It is
	// performed in any case. By default the control is the target made safe, or
	// the plan without its faults, and performed if there is something to explain.
	Twin *Performance
}

// MostRepetitions is the greatest number of repetitions of a plan.
const MostRepetitions = 1000

// The folders of the two series, within the run folder.
const (
	repetitionsFolder = "repetitions"
	controlFolder     = "control"
)

// The kinds of controls.
const (
	// ControlSafeTarget is the same operations and faults against the target made safe (target.Controlled).
	ControlSafeTarget = "safe-target"
	// ControlNoFaults is the same operations against the same target without any fault.
	ControlNoFaults = "no-faults"
	// ControlTwin is the same operations and faults with a setting changed (Repetitions.Twin).
	ControlTwin = "twin"
)

// Repeat performs the plan again and again on one cluster, which is made as
// good as new between repetitions without starting a container, and judges
// each. If a claim was refuted it then does the same with the control. What it
// finds is in the run folder: repetitions/NN and control/NN with the plan, the
// history and the results of each, the whole report for the first that refutes
// a claim, and repetitions.json and summary.md for all of them.
//
// The first interrupt ends the repetition that is going on, which then does
// not count; what was found by then is the result. Errors are *UsageError or
// *FailureError, as Perform's.
func Repeat(ctx context.Context, r Repetitions) (*Repeated, error) {
	if err := r.fill(); err != nil {
		return nil, err
	}
	s, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	series := repeater{Repetitions: r, folder: s.folder, live: s.live,
		cluster: func(ctx context.Context, system target.System, nodes int, name, logs string) (reusable, error) {
			return s.cluster(ctx, system, nodes, "-"+name, logs)
		}}
	repeated, err := series.repeat(ctx)
	if err != nil {
		return nil, s.failure(err)
	}
	return repeated, nil
}

func (r *Repetitions) fill() error {
	if r.Plan.Backend != OnDocker {
		return &UsageError{fmt.Errorf("repetitions of a plan for %s: its outcome is the same each time; repeat it on containers with --on docker", r.Plan.Backend)}
	}
	if r.Controls == 0 {
		r.Controls = r.Repetitions
	}
	for _, n := range []int{r.Repetitions, r.Controls} {
		if n < 1 || n > MostRepetitions {
			return &UsageError{fmt.Errorf("%d repetitions: want 1…%d", n, MostRepetitions)}
		}
	}
	return nil
}

// reusable is a cluster that can be made as good as new.
type reusable interface {
	Cluster
	// Reset kills every node, undoes every fault, empties the data directories and starts the nodes again.
	Reset(ctx context.Context) error
}

// reused is a cluster of which every start but the first is a reset.
type reused struct {
	reusable
	started bool
}

// Start starts the nodes, as good as new each time.
func (c *reused) Start(ctx context.Context) error {
	if c.started {
		return c.Reset(ctx)
	}
	c.started = true
	return c.reusable.Start(ctx)
}

// repeater carries repetitions out.
type repeater struct {
	Repetitions
	folder *results.Folder
	live   *Live
	// cluster makes a cluster of the system's nodes. name tells it from the run's
	// other cluster; logs is the folder of the nodes' output.
	cluster func(ctx context.Context, system target.System, nodes int, name, logs string) (reusable, error)
	// report is the first repetition that has the whole report, relative to the folder.
	report string
}

func (r *repeater) repeat(ctx context.Context) (*Repeated, error) {
	document := &RepeatedDocument{Format: RepeatedFormat, PlanSHA256: r.Plan.SHA256(), Series: newSeries(r.Repetitions.Repetitions)}
	if err := r.series(ctx, repetitionsFolder, r.Performance, &document.Series); err != nil {
		return nil, err
	}
	// Where nothing was refuted there is nothing that the control could explain.
	if (document.Refuted > 0 || r.Twin != nil) && !interrupted(r.Interrupt) {
		if err := r.control(ctx, document); err != nil {
			return nil, err
		}
	}
	document.Report = r.report
	document.conclude(r.Plan.Claims)
	repeated := &Repeated{Folder: r.folder, Document: document, expect: r.Plan.Expect}
	for _, line := range document.Statement {
		r.live.logOnly(line)
	}
	if err := repeated.writeFiles(); err != nil {
		return nil, err
	}
	return repeated, nil
}

// control performs the control, if there is one that differs from what was performed.
func (r *repeater) control(ctx context.Context, document *RepeatedDocument) error {
	p := *r.Plan
	p.Expect = nil // what must happen to the plan must not happen here
	performance := r.Performance
	performance.Plan = &p
	control := &Control{Series: newSeries(r.Controls)}
	if r.Twin != nil {
		p = *r.Twin.Plan
		performance.System = r.Twin.System
		control.Kind, control.Settings = ControlTwin, changedSettings(allSettings(r.Plan), allSettings(&p))
		document.Control = control
		return r.series(ctx, controlFolder, performance, &control.Series)
	}
	safe, err := safeSystem(r.System)
	switch {
	case err != nil:
		return err
	case safe != nil:
		control.Kind, control.Settings = ControlSafeTarget, changedSettings(r.System.Settings(), safe.Settings())
		performance.System, p.Target.Settings = safe, safe.Settings()
	case len(p.Schedule) > 0:
		control.Kind, p.Schedule = ControlNoFaults, nil
	default:
		return nil // it would be the same once more
	}
	document.Control = control
	return r.series(ctx, controlFolder, performance, &control.Series)
}

// safeSystem returns the system made safe, or nil if it does not know how or is so already.
func safeSystem(system target.System) (target.System, error) {
	controlled, ok := system.(target.Controlled)
	if !ok {
		return nil, nil
	}
	safe, err := controlled.Control()
	if err != nil {
		return nil, err
	}
	if len(changedSettings(system.Settings(), safe.Settings())) == 0 {
		return nil, nil
	}
	return safe, nil
}

// allSettings are the plan's settings of the target and of the workload, whose names differ.
func allSettings(p *plan.Plan) map[string]string {
	all := maps.Clone(p.Target.Settings)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, p.Workload.Settings)
	return all
}

// changedSettings returns those of the settings that differ from what they were.
func changedSettings(before, after map[string]string) map[string]string {
	changed := map[string]string{}
	for name, value := range after {
		if before[name] != value {
			changed[name] = value
		}
	}
	return changed
}

// series performs the plan as often as out asks for, on one cluster. name is
// the folder of its repetitions.
func (r *repeater) series(ctx context.Context, name string, p Performance, out *Series) (err error) {
	logs, prefix := r.folder.Nodes(), ""
	if name == controlFolder {
		logs, prefix = filepath.Join(r.folder.Path, name, results.NodesFolder), "control "
	}
	cluster, err := r.cluster(ctx, p.System, p.Plan.Target.Nodes, name, logs)
	if err != nil {
		return err
	}
	defer func() {
		r.live.step(prefix + "tear down")
		err = errors.Join(err, tearDown(cluster))
	}()
	warm := &reused{reusable: cluster}
	for number := 1; number <= out.Asked; number++ {
		where := path.Join(name, fmt.Sprintf("%0*d", max(2, len(fmt.Sprint(out.Asked))), number))
		title := fmt.Sprintf("%s%d/%d", prefix, number, out.Asked)
		one, err := r.one(ctx, where, title, p, warm)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if interrupted(r.Interrupt) {
			r.live.Log("%s was interrupted and does not count; no other is begun", title)
			return nil
		}
		one.Number, one.Folder = number, where
		out.add(one)
		r.live.Log("%s %s", title, one)
	}
	return nil
}

// interrupted says whether the channel is closed.
func interrupted(interrupt <-chan struct{}) bool {
	select {
	case <-interrupt:
		return true
	default:
		return false
	}
}

// one is one repetition: it is carried out, judged and written down.
func (r *repeater) one(ctx context.Context, where, title string, p Performance, cluster Cluster) (*Repetition, error) {
	folder := &results.Folder{Path: filepath.Join(r.folder.Path, filepath.FromSlash(where)), Name: r.folder.Name, Timestamp: path.Base(where)}
	if err := os.MkdirAll(folder.Path, 0o755); err != nil {
		return nil, err
	}
	if err := p.Plan.Save(folder.Plan()); err != nil {
		return nil, err
	}
	observer := repetitionObserver{live: r.live, title: title}
	run, err := p.carryOut(ctx, cluster, folder.History(), observer, observer.Log, r.watch)
	if err != nil {
		return nil, err
	}
	observer.Phase("check")
	file, err := history.Open(folder.History())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	report, warnings, err := judge(ctx, file, p.Plan.Claims, p.Plan.Limits, trafficOptions(p.Plan), nil)
	if err != nil {
		return nil, err
	}
	for _, w := range append(warnings, report.Warnings...) {
		observer.Log("%s", w)
	}
	one := newRepetition(p.Plan, report, run.crashes.Load())
	if len(p.Plan.Operations) > 0 {
		operations, _, err := file.ReadAll(ctx)
		if err != nil {
			return nil, err
		}
		one.Reads = mainReads(operations)
	}
	if one.Verdict == checker.Refuted && r.report == "" {
		r.report = path.Join(where, results.ReportFile)
		_, err = results.Write(folder, report, results.Options{})
	} else {
		document := results.NewDocument(report)
		document.PlanSHA256, document.HistorySHA256 = p.Plan.SHA256(), file.Summary().SHA256
		err = document.WriteFile(folder.Document())
	}
	if err != nil {
		return nil, fmt.Errorf("writing what was found: %w", err)
	}
	return one, nil
}

// watch shows the live line on a terminal. Elsewhere each repetition's outcome is line enough.
func (r *repeater) watch(stop <-chan struct{}, status func() Status) {
	if r.Terminal {
		r.live.Watch(stop, status)
	}
}

// repetitionObserver keeps what a repetition has to say in the log file, from
// where it can be looked up; people are told of its outcome.
type repetitionObserver struct {
	live  *Live
	title string
}

// Phase begins.
func (o repetitionObserver) Phase(name string) { o.live.step(o.title + ": " + name) }

// Log is one line that is worth keeping.
func (o repetitionObserver) Log(format string, arguments ...any) {
	o.live.logOnly(o.title + ": " + fmt.Sprintf(format, arguments...))
}
