package nemesis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// HealAll ends every fault, whatever it is and whoever made it: it ends the
// schedule if Run is still at it, undoes everything on every node at once,
// starts processes that are down, and verifies that every link is open, every
// process runs and answers, and every clock is right again. It needs no
// client and waits for none; each of its steps has a deadline of its own. It
// returns what could not be healed, by node.
func (n *Nemesis) HealAll(ctx context.Context) error {
	n.endRuns(ctx)
	deadline := n.timer.Now().Add(n.healTimeout)
	errs := make(map[string]error)
	var linksOpen error
	for tries := 1; ; tries++ {
		linksOpen = nil
		for node, err := range n.healNodes(ctx) {
			errs[node] = err
		}
		if o := n.probe(ctx, earlier(deadline, n.timer.Now().Add(healSlice)), "heal-all", nil); !o.ok {
			linksOpen = fmt.Errorf("not every link is open again: %s", o.text)
		}
		failure := linksOpen
		for _, node := range n.nodes {
			failure = errors.Join(failure, errs[node])
		}
		if failure == nil || !n.timer.Now().Before(deadline) || n.timer.Sleep(ctx, backOff(tries)) != nil {
			return failure
		}
	}
}

// endRuns ends every schedule that is being carried out and waits until its faults are healed, or ctx ends.
func (n *Nemesis) endRuns(ctx context.Context) {
	n.mu.Lock()
	for _, cancel := range n.runs {
		cancel()
	}
	n.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		n.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// healNodes heals every node by itself, side by side. The result has every node.
func (n *Nemesis) healNodes(ctx context.Context) map[string]error {
	results := make([]error, len(n.nodes))
	position := map[string]int{}
	for i, node := range n.nodes {
		position[node] = i
	}
	_ = fan(n.nodes, func(node string) error {
		results[position[node]] = n.healNode(ctx, node)
		return nil
	})
	errs := map[string]error{}
	for i, node := range n.nodes {
		errs[node] = results[i]
	}
	return errs
}

func (n *Nemesis) healNode(ctx context.Context, node string) error {
	state, err := call[protocol.Process](ctx, n, node, protocol.Request{Op: protocol.OpReset})
	if err != nil {
		return err
	}
	if state.PID == 0 {
		if _, err = call[protocol.Process](ctx, n, node, protocol.Request{Op: protocol.OpSpawn}); err != nil {
			return err
		}
	}
	until := n.timer.Now().Add(healSlice)
	o := n.observeProcesses(ctx, []string{node}, until, func(_ string, p protocol.Process) (bool, string) {
		return p.PID != 0 && !strings.ContainsAny(p.States, "Tt"), seenProcess(p)
	})
	if !o.ok {
		return fmt.Errorf("%s: its process does not run: %s", node, o.text)
	}
	if err := n.awaitReady(ctx, node, until); err != nil {
		return fmt.Errorf("%s: it does not answer: %w", node, err)
	}
	if n.clock == nil {
		return nil
	}
	r, err := n.readClock(ctx, node, clockReadTimeout)
	if err != nil {
		return fmt.Errorf("%s: its clock cannot be read: %w", node, err)
	}
	if !r.offset.meets(span{}) {
		return fmt.Errorf("%s: its clock is still off by %s", node, signed(r.offset.middle()))
	}
	return nil
}
