package nemesis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

func killKind() *kind {
	return &kind{
		name:     Kill,
		help:     "kills the processes of nodes (SIGKILL) and starts them again after the fault's duration",
		needs:    "the pod to share the node's PID namespace",
		shapes:   outageShapes(),
		resource: process,
		span:     spanOutage,
		draw:     drawTargets,
		describe: describeTargets("kill"),
		check:    checkTargets,
		begin: func(n *Nemesis, f *plan.Fault) effect {
			return newKill(n, f)
		},
	}
}

func newKill(n *Nemesis, f *plan.Fault) *kill {
	return &kill{n: n, fault: f.ID, targets: inOrder(n.nodes, f.Targets),
		before: map[string]protocol.Process{}, spawned: map[string]time.Time{}}
}

// outageShapes are whom a kill or a power cut may hit.
func outageShapes() []shape {
	return []shape{
		{One, "one node", 1, false},
		{Minority, "fewer than half of the nodes", 3, false},
		{Majority, "more than half of the nodes", 3, true},
		{All, "every node", 1, true},
	}
}

// killedExit is how the shim reports the end of a process by SIGKILL.
const killedExit = "signal: killed"

// kill is the effect of one kill and the restart after it.
type kill struct {
	n       *Nemesis
	fault   string
	targets []string

	mu      sync.Mutex
	before  map[string]protocol.Process // each target before it was killed
	spawned map[string]time.Time        // when it was started again
}

func (k *kill) leased() []string { return k.targets }

func (k *kill) inject(ctx context.Context) error {
	k.n.holds.take(k.fault, Kill, k.targets)
	return fan(k.targets, func(node string) error {
		before, err := call[protocol.Process](ctx, k.n, node, protocol.Request{Op: protocol.OpProcess})
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.before[node] = before
		k.mu.Unlock()
		_, err = call[protocol.Process](ctx, k.n, node, protocol.Request{
			Op: protocol.OpKill, Fault: k.fault, LeaseMillis: k.n.leaseMillis(k.fault)})
		return err
	})
}

func (k *kill) verify(ctx context.Context, until time.Time) observation {
	until = earlier(until, k.n.timer.Now().Add(verifyTime))
	return k.n.observeProcesses(ctx, k.targets, until, func(node string, seen protocol.Process) (bool, string) {
		k.mu.Lock()
		before := k.before[node]
		k.mu.Unlock()
		switch {
		case seen.PID != 0:
			return false, fmt.Sprintf("%s: not killed, %s", node, seenProcess(seen))
		case before.PID == 0:
			// It was down before, so that an old exit report proves nothing of this kill.
			other := k.n.holds.other(k.fault, Kill, node)
			if other == "" {
				return false, fmt.Sprintf("%s: was down before it was killed (%s)", node, before.Exit)
			}
			return seen.Exit == killedExit, fmt.Sprintf("%s: %s, down already for %s", node, seen.Exit, other)
		}
		return seen.Exit == killedExit, fmt.Sprintf("%s: %s, pid %d gone", node, seen.Exit, before.PID)
	})
}

// heal starts every target again. The agents count kills by fault, so that a
// node which another kill holds down stays down until that one is healed too.
func (k *kill) heal(ctx context.Context) error {
	return fan(k.targets, func(node string) error {
		k.n.holds.release(k.fault, node)
		now, err := call[protocol.Process](ctx, k.n, node, protocol.Request{Op: protocol.OpProcess})
		if err == nil && now.PID == 0 {
			k.mu.Lock()
			if k.spawned[node].IsZero() {
				k.spawned[node] = k.n.timer.Now()
			}
			k.mu.Unlock()
		}
		_, err = call[protocol.Process](ctx, k.n, node, protocol.Request{Op: protocol.OpSpawn, Fault: k.fault})
		return err
	})
}

// healed wants a new process on every target, and a real request answered by it.
func (k *kill) healed(ctx context.Context, until time.Time) observation {
	texts := make([]string, len(k.targets))
	oks := make([]bool, len(k.targets))
	var group sync.WaitGroup
	for i, node := range k.targets {
		group.Go(func() { oks[i], texts[i] = k.restarted(ctx, node, until) })
	}
	group.Wait()
	return joinObservations(oks, texts)
}

func (k *kill) restarted(ctx context.Context, node string, until time.Time) (bool, string) {
	k.mu.Lock()
	before, spawned := k.before[node], k.spawned[node]
	k.mu.Unlock()
	o := k.n.observeProcesses(ctx, []string{node}, earlier(until, k.n.timer.Now().Add(verifyTime)),
		func(_ string, seen protocol.Process) (bool, string) {
			if other := k.n.holds.other(k.fault, Kill, node); other != "" {
				return true, fmt.Sprintf("%s: stays down for %s", node, other)
			}
			if seen.PID == 0 {
				return false, node + ": " + seenProcess(seen)
			}
			if before.PID != 0 && seen.PID == before.PID && seen.Starts == before.Starts {
				return true, fmt.Sprintf("%s: pid %d as before", node, seen.PID)
			}
			return true, fmt.Sprintf("%s: pid %d", node, seen.PID)
		})
	if !o.ok || k.n.holds.other(k.fault, Kill, node) != "" {
		return o.ok, o.text
	}
	if err := k.n.awaitReady(ctx, node, until); err != nil {
		return false, fmt.Sprintf("%s, not ready: %v", o.text, err)
	}
	if spawned.IsZero() {
		return true, o.text + ", ready; it ran before it was started again"
	}
	return true, fmt.Sprintf("%s ready after %s", o.text, shortDuration(k.n.timer.Now().Sub(spawned)))
}
