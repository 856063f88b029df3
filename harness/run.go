package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

// Cluster is a set of running nodes, as a backend offers them. It is what the
// nemesis works on, and more.
type Cluster interface {
	nemesis.Cluster
	// Start brings every node's process up. It does not wait until they answer.
	Start(ctx context.Context) error
	// Capabilities asks the node's agent what it can do.
	Capabilities(ctx context.Context, node string) (protocol.Capabilities, error)
	// Endpoint is host:port of the node's client port, as the controller reaches it.
	Endpoint(node string) string
	// Crashes tells of processes that ended although nobody had asked for it.
	Crashes() <-chan Crash
	// Expired tells of faults whose lease ran out before they were healed.
	Expired() <-chan Expiry
	// Close removes everything. It must succeed in removing even after a failed Start.
	Close(ctx context.Context) error
}

// Crash is the end of a node's process that no fault of the run asked for.
type Crash struct {
	Node   string
	Status string
}

// Expiry is the end of a fault's lease on a node.
type Expiry struct {
	Node  string
	Fault string
}

// Observer is told how a run goes. Its methods may be called from several
// goroutines and must return at once.
type Observer interface {
	// Phase begins.
	Phase(name string)
	// Log is one line that is worth keeping.
	Log(format string, arguments ...any)
}

// Run is a plan that is being carried out.
type Run struct {
	plan     *plan.Plan
	system   target.System
	workload workloads.Workload
	config   workloads.Config
	cluster  Cluster
	recorder *Recorder
	nemesis  atomic.Pointer[nemesis.Nemesis]
	observer Observer
	// crashes counts the processes that ended by themselves.
	crashes atomic.Int64
	// Interrupt, when closed, ends the main phase early; the rest follows as usual.
	interrupt <-chan struct{}
}

// RunConfig is what a run needs beside its plan.
type RunConfig struct {
	Plan      *plan.Plan
	System    target.System
	Cluster   Cluster
	Recorder  *Recorder
	Observer  Observer
	Interrupt <-chan struct{}
}

// NewRun prepares a run. Nothing is started yet.
func NewRun(c RunConfig) (*Run, error) {
	workload, err := workloads.Lookup(c.Plan.Workload.Name)
	if err != nil {
		return nil, &UsageError{err}
	}
	r := &Run{plan: c.Plan, system: c.System, workload: workload, config: workloadConfig(c.Plan),
		cluster: c.Cluster, recorder: c.Recorder, observer: c.Observer, interrupt: c.Interrupt}
	return r, nil
}

// Status is what the live line shows.
type Status struct {
	Elapsed time.Duration
	Counts  Counts
	// Faults describes the faults in force.
	Faults []string
}

// Status returns the run's state of this moment.
func (r *Run) Status() Status {
	s := Status{Elapsed: r.recorder.Elapsed(), Counts: r.recorder.Counts()}
	if n := r.nemesis.Load(); n != nil {
		s.Faults = n.Active()
	}
	return s
}

// Execute carries the plan out on the cluster, which must not have been
// started. The history is complete when it returns, whatever it returns; the
// cluster is not closed.
func (r *Run) Execute(ctx context.Context) error {
	main, err := mainGenerator(r.plan, r.workload)
	if err != nil {
		return &UsageError{err}
	}
	r.observer.Phase("set up")
	began := time.Now()
	if err := r.cluster.Start(ctx); err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	if err := r.awaitReady(ctx); err != nil {
		return err
	}
	r.observer.Log("%d nodes are ready after %s", r.plan.Target.Nodes, time.Since(began).Round(time.Millisecond))
	if err := r.makeNemesis(ctx); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { r.watch(watching) })
	defer watcher.Wait()
	defer stopWatching()

	pool := newClients(r.recorder, r.workload, r.config, r.connect, time.Duration(r.plan.Limits.Operation))
	defer pool.closeAll()
	clientsDone, err := r.main(ctx, pool, main)
	if err != nil {
		return err
	}
	if err := r.heal(ctx); err != nil {
		return err
	}
	// Only now are the clients waited for: at most one operation's deadline.
	if err := <-clientsDone; err != nil {
		return err
	}
	r.quiet(ctx)
	r.dumps(ctx)
	if err := r.finals(ctx, pool); err != nil {
		return err
	}
	if err := r.recorder.Err(); err != nil {
		return fmt.Errorf("recording the history: %w", err)
	}
	return ctx.Err()
}

// awaitReady returns once every node answers a real request.
func (r *Run) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return r.eachNode(func(node string) error {
		if err := r.Ready(ctx, node); err != nil {
			return fmt.Errorf("%s did not become ready: %w; its output is in the run folder under nodes/", node, err)
		}
		return nil
	})
}

// main runs clients and nemesis side by side until the time is up, and
// returns without waiting for the clients' last operations.
func (r *Run) main(ctx context.Context, pool *clients, g generator.Generator) (<-chan error, error) {
	limit := time.Duration(r.plan.Limits.Time)
	r.observer.Phase(history.PhaseMain)
	stop, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	err := r.recorder.span(history.FPhase, history.PhaseMain, "", func() (any, error) {
		go func() {
			select {
			case <-r.interrupt:
				r.observer.Log("interrupted: ending the main phase early; interrupt again to leave at once")
				cancel()
			case <-stop.Done():
			}
		}()
		go func() {
			err := pool.run(stop, g, false)
			if err != nil {
				cancel() // the history cannot be written: end the phase
			}
			done <- err
		}()
		if err := r.nemesis.Load().Run(stop, r.plan.Schedule); err != nil {
			r.observer.Log("nemesis: %v", err)
		}
		<-stop.Done()
		return nil, nil
	})
	return done, err
}

func (r *Run) heal(ctx context.Context) error {
	r.observer.Phase(history.PhaseHeal)
	return r.recorder.span(history.FPhase, history.PhaseHeal, "", func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := r.nemesis.Load().HealAll(ctx); err != nil {
			r.observer.Log("healing: %v", err)
		}
		return nil, nil
	})
}

// quiet polls every node until all say that nothing is pending. That it did
// not get quiet in time is recorded with the phase, and the run goes on:
// what the target still owed then shows in its dumps and reads.
func (r *Run) quiet(ctx context.Context) {
	r.observer.Phase(history.PhaseQuiet)
	err := r.recorder.span(history.FPhase, history.PhaseQuiet, "", func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(r.plan.Limits.Quiet))
		defer cancel()
		return nil, r.eachNode(func(node string) error { return r.awaitQuiet(ctx, node) })
	})
	if err != nil {
		r.observer.Log("the target did not become quiet within %s: %v", r.plan.Limits.Quiet, err)
	}
}

func (r *Run) awaitQuiet(ctx context.Context, node string) error {
	pending := "no answer"
	err := r.poll(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, error) {
		client, err := r.connect(node)
		if err != nil {
			return false, err
		}
		defer client.Close()
		q, ok := client.(target.Quieter)
		if !ok {
			return true, nil // it has no work of its own that we could ask for
		}
		p, err := q.Pending(ctx)
		if err != nil {
			return false, err
		}
		pending = p.Description
		return p.Quiet, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %s (%w)", node, pending, err)
	}
	return nil
}

func (r *Run) dumps(ctx context.Context) {
	r.observer.Phase(history.PhaseDumps)
	err := r.recorder.span(history.FPhase, history.PhaseDumps, "", func() (any, error) {
		return nil, r.eachNode(func(node string) error {
			client, err := r.connect(node)
			if err != nil {
				return err
			}
			defer client.Close()
			dumper, ok := client.(target.Dumper)
			if !ok {
				return nil
			}
			return r.recorder.span(history.FDump, node, node, func() (any, error) {
				ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				return dumper.Dump(ctx)
			})
		})
	})
	if err != nil {
		r.observer.Log("reading the replicas' states: %v", err)
	}
}

func (r *Run) finals(ctx context.Context, pool *clients) error {
	r.observer.Phase(history.PhaseFinals)
	return r.recorder.span(history.FPhase, history.PhaseFinals, "", func() (any, error) {
		stop, cancel := context.WithTimeout(ctx, time.Duration(r.plan.Limits.Finals))
		defer cancel()
		reads := r.workload.Finals(r.config, r.recorder.Keys())
		err := pool.run(stop, reads, true)
		if err == nil && stop.Err() != nil {
			r.observer.Log("not every final read was done within %s", r.plan.Limits.Finals)
		}
		return nil, err
	})
}

// watch records processes that ended by themselves, which is no fault of ours,
// so that the checker makes the run invalid and names the node. It also tells
// the nemesis of leases that ran out.
func (r *Run) watch(ctx context.Context) {
	for number := 1; ; number++ {
		select {
		case crash, ok := <-r.cluster.Crashes():
			if !ok {
				return
			}
			r.crashes.Add(1)
			r.observer.Log("%s ended by itself: %s; its output is in the run folder under nodes/", crash.Node, crash.Status)
			key := fmt.Sprintf("%s#%d", crash.Node, number)
			_ = r.recorder.span(history.FCrash, key, crash.Node, func() (any, error) { return nil, errors.New(crash.Status) })
		case expiry, ok := <-r.cluster.Expired():
			if !ok {
				return
			}
			r.nemesis.Load().LeaseExpired(expiry.Fault, expiry.Node)
		case <-ctx.Done():
			return
		}
	}
}

// connect opens a client of the node.
func (r *Run) connect(node string) (target.Client, error) {
	return r.system.Connect(node, r.cluster.Endpoint(node))
}

// eachNode runs do for all nodes side by side and joins their errors in the nodes' order.
func (r *Run) eachNode(do func(node string) error) error {
	nodes := r.cluster.Nodes()
	errs := make([]error, len(nodes))
	var group sync.WaitGroup
	for i, node := range nodes {
		group.Go(func() { errs[i] = do(node) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// poll asks until the answer is yes or ctx ends; then it returns the last error, or ctx's.
func (r *Run) poll(ctx context.Context, pause time.Duration, ask func(ctx context.Context) (bool, error)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last error
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			if last == nil {
				last = ctx.Err()
			}
			return last
		}
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		yes, err := ask(attempt)
		cancel()
		if err == nil && yes {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		timer.Reset(pause)
	}
}
