package nemesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// call sends a request to a node's agent and decodes the result. Errors name the node and the operation.
func call[Result any](ctx context.Context, n *Nemesis, node string, r protocol.Request) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout+time.Duration(r.WaitMillis)*time.Millisecond)
	defer cancel()
	var result Result
	response, err := n.cluster.Call(ctx, node, r)
	if err == nil && response.Error != "" {
		err = errors.New(response.Error)
	}
	if err == nil && len(response.Result) > 0 {
		err = json.Unmarshal(response.Result, &result)
	}
	if err != nil {
		return result, fmt.Errorf("%s: %s: %w", node, r.Op, err)
	}
	return result, nil
}

// awaitReady polls the node with real requests until it answers one.
func (n *Nemesis) awaitReady(ctx context.Context, node string, until time.Time) error {
	for {
		left := max(50*time.Millisecond, min(time.Second, until.Sub(n.timer.Now())))
		attempt, cancel := context.WithTimeout(ctx, left)
		err := n.ready.Ready(attempt, node)
		cancel()
		if err == nil {
			return nil
		}
		if !n.timer.Now().Before(until) || n.timer.Sleep(ctx, pollPause) != nil {
			return err
		}
	}
}

func (n *Nemesis) addresses(nodes []string) []string {
	addresses := make([]string, len(nodes))
	for i, node := range nodes {
		addresses[i] = n.cluster.Address(node)
	}
	return addresses
}

// nodeAt returns the node with the address, or the address where there is none.
func (n *Nemesis) nodeAt(address string) string {
	for _, node := range n.nodes {
		if n.cluster.Address(node) == address {
			return node
		}
	}
	return address
}

// fan does something for all nodes side by side and joins the errors in the nodes' order.
func fan(nodes []string, do func(node string) error) error {
	errs := make([]error, len(nodes))
	var group sync.WaitGroup
	for i, node := range nodes {
		group.Go(func() { errs[i] = do(node) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// realTime is the Timer of the world.
type realTime struct{}

func (realTime) Now() time.Time { return time.Now() }

func (realTime) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// keysOf returns the keys in order.
func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func inOrderOf(set map[string]bool) []string { return keysOf(set) }

// between draws from low…high, both included.
func between(r *rand.Rand, low, high int) int { return low + r.IntN(high-low+1) }

// shortDuration rounds to three digits or so.
func shortDuration(d time.Duration) string {
	switch abs := d.Abs(); {
	case abs >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case abs >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case abs >= 100*time.Microsecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// signed is shortDuration with a sign.
func signed(d time.Duration) string {
	if d < 0 {
		return "-" + shortDuration(-d)
	}
	return "+" + shortDuration(d)
}
