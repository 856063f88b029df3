package harness

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

// connector opens a client of a node.
type connector func(node string) (target.Client, error)

// clients are the logical single-threaded clients of a run. Each worker has
// one process at a time and, to every node it asks, a connection of its own.
type clients struct {
	recorder *Recorder
	workload workloads.Workload
	config   workloads.Config
	connect  connector
	deadline time.Duration // of one operation
	workers  []*worker
}

type worker struct {
	number  int
	process history.Process
	memory  workloads.Memory
	open    map[string]target.Client
}

func newClients(r *Recorder, w workloads.Workload, c workloads.Config, connect connector, deadline time.Duration) *clients {
	all := &clients{recorder: r, workload: w, config: c, connect: connect, deadline: deadline}
	for i := range c.Concurrency {
		all.workers = append(all.workers, &worker{number: i, process: history.Process(i), open: map[string]target.Client{}})
	}
	return all
}

// run lets every worker perform its sequence until it ends or stop is done.
// Operations that are on their way when stop ends keep their own deadline, so
// run returns at most one deadline later. Only a failure to record is an error.
func (c *clients) run(stop context.Context, g generator.Generator, retry bool) error {
	start := time.Now()
	var group sync.WaitGroup
	errs := make([]error, len(c.workers))
	for i, w := range c.workers {
		group.Go(func() { errs[i] = c.work(stop, start, w, g, retry) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *clients) work(stop context.Context, start time.Time, w *worker, g generator.Generator, retry bool) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for index := 0; ; index++ {
		op, more := g.Operation(w.number, index)
		if !more {
			return nil
		}
		for attempt := 0; ; attempt++ {
			due := op.At
			if attempt > 0 { // a final read that failed is tried again, without haste
				due = time.Since(start) + min(20*time.Millisecond<<min(attempt, 5), 500*time.Millisecond)
			}
			if !waitUntil(stop, timer, start.Add(due)) {
				return nil
			}
			outcome, err := c.perform(w, index, op)
			if err != nil {
				return err
			}
			if !retry || outcome == history.Ok {
				break
			}
		}
	}
}

// waitUntil returns true at the time, or false as soon as stop is done.
func waitUntil(stop context.Context, timer *time.Timer, at time.Time) bool {
	if wait := time.Until(at); wait > 0 {
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-stop.Done():
		}
	}
	return stop.Err() == nil
}

// perform records the invocation, carries the operation out and records how
// it ended. An info ends the process: the worker goes on under the next number.
func (c *clients) perform(w *worker, index int, op generator.Operation) (history.Type, error) {
	w.memory.Begin(w.number, index)
	if p, ok := c.workload.(workloads.Preparer); ok {
		op = p.Prepare(c.config, &w.memory, op)
	}
	e := history.Event{Process: w.process, Type: history.Invoke, F: op.F, Key: op.Key, Value: op.Value, Node: op.Node}
	if _, err := c.recorder.Record(e); err != nil {
		return 0, err
	}
	outcome := c.ask(w, op)
	e.Type, e.Value, e.Error, e.Evidence = outcome.Type, outcome.Value, outcome.Error, outcome.Evidence
	if _, err := c.recorder.Record(e); err != nil {
		return 0, err
	}
	if outcome.Type != history.Ok {
		w.close(op.Node) // the connection may still carry the late answer
	}
	w.memory.Keep()
	if outcome.Type == history.Info {
		w.process += history.Process(len(c.workers))
		w.memory.Forget()
	}
	return outcome.Type, nil
}

// ask carries the operation out. It never panics: a client's panic is info,
// because nobody knows what it had sent by then.
func (c *clients) ask(w *worker, op generator.Operation) (out workloads.Outcome) {
	// The deadline does not hang on the phase: an operation is never cut short by the run's end.
	ctx, cancel := context.WithTimeout(context.Background(), c.deadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			out = workloads.Outcome{Type: history.Info, Error: fmt.Sprintf("the client panicked: %v", p)}
		}
	}()
	client := w.open[op.Node]
	if client == nil {
		var err error
		if client, err = c.connect(op.Node); err != nil {
			return workloads.Outcome{Type: history.Fail, Error: err.Error()} // nothing was sent
		}
		w.open[op.Node] = client
	}
	return c.workload.Perform(ctx, c.config, &w.memory, client, op)
}

func (w *worker) close(node string) {
	if client := w.open[node]; client != nil {
		_ = client.Close() // the connection is given up either way
		delete(w.open, node)
	}
}

func (c *clients) closeAll() {
	for _, w := range c.workers {
		for _, node := range c.config.Nodes {
			w.close(node)
		}
	}
}
