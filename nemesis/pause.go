package nemesis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

func pauseKind() *kind {
	return &kind{
		name:  Pause,
		help:  "stops the processes of nodes (SIGSTOP); afterwards they go on as if no time had passed",
		needs: "the pod to share the node's PID namespace",
		shapes: []shape{
			{One, "one node", 1, false},
			{Minority, "fewer than half of the nodes", 3, false},
			{Majority, "more than half of the nodes", 3, false},
		},
		resource: process,
		span:     spanOutage,
		draw:     drawTargets,
		describe: describeTargets("pause"),
		check:    checkTargets,
		begin: func(n *Nemesis, f *plan.Fault) effect {
			return &pause{n: n, fault: f.ID, targets: inOrder(n.nodes, f.Targets)}
		},
	}
}

// pause is the effect of one pause.
type pause struct {
	n       *Nemesis
	fault   string
	targets []string
}

// verifyTime is how long the kernel is given to show a stop or an end that it was asked for.
const verifyTime = time.Second

func (p *pause) leased() []string { return p.targets }

func (p *pause) inject(ctx context.Context) error {
	p.n.holds.take(p.fault, Pause, p.targets)
	return fan(p.targets, func(node string) error {
		_, err := call[protocol.Process](ctx, p.n, node, protocol.Request{
			Op: protocol.OpPause, Fault: p.fault, LeaseMillis: p.n.leaseMillis(p.fault)})
		return err
	})
}

func (p *pause) verify(ctx context.Context, until time.Time) observation {
	until = earlier(until, p.n.timer.Now().Add(verifyTime))
	return p.n.observeProcesses(ctx, p.targets, until, func(node string, seen protocol.Process) (bool, string) {
		return stopped(seen), node + ": " + seenProcess(seen)
	})
}

func (p *pause) heal(ctx context.Context) error {
	return fan(p.targets, func(node string) error {
		_, err := call[protocol.Process](ctx, p.n, node, protocol.Request{Op: protocol.OpResume, Fault: p.fault})
		p.n.holds.release(p.fault, node)
		return err
	})
}

func (p *pause) healed(ctx context.Context, until time.Time) observation {
	return p.n.observeProcesses(ctx, p.targets, until, func(node string, seen protocol.Process) (bool, string) {
		text := node + ": " + seenProcess(seen)
		if other := p.n.holds.other(p.fault, Pause, node); other != "" {
			return true, fmt.Sprintf("%s, stays paused for %s", text, other)
		}
		if other := p.n.holds.other(p.fault, Kill, node); other != "" && seen.PID == 0 {
			return true, fmt.Sprintf("%s, down for %s", text, other)
		}
		return seen.PID != 0 && !strings.ContainsAny(seen.States, "Tt"), text
	})
}

// stopped says that every process is stopped (T; t under a tracer, which the
// clock's wrapper is), or dead and not yet collected.
func stopped(p protocol.Process) bool {
	return p.PID != 0 && strings.ContainsAny(p.States, "Tt") && strings.Trim(p.States, "TtZX") == ""
}
