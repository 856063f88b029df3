package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// The shapes of pauses, kills and power cuts: how many nodes they take.
const (
	One      = "one"
	Minority = "minority"
	Majority = "majority"
	All      = "all"
)

// process is the resource that pauses, kills and power cuts hold of a node.
const process = "process"

// drawTargets picks as many nodes as a pause's, a kill's or a power cut's shape says.
func drawTargets(r *rand.Rand, nodes []string, _ bool, f *plan.Fault) {
	n := len(nodes)
	k := 1
	switch f.Shape {
	case Minority:
		// More than one where that still is a minority, or it would be the shape "one".
		k = between(r, min(2, (n-1)/2), (n-1)/2)
	case Majority:
		k = between(r, majority(n), n-1)
	case All:
		k = n
	}
	f.Targets = inOrder(nodes, shuffled(r, nodes)[:k])
}

// spanOutage keeps outages of a majority short, because nothing can be
// observed of a cluster that never answers: one leaves room for another in
// what a run may have of them. Where several must be, each gets its share,
// and a pause one more.
func spanOutage(shape string, length time.Duration, o ScheduleOptions) (time.Duration, time.Duration) {
	if shape == Majority || shape == All {
		most := length/mostOutage - o.Shortest
		if o.outages > 1 {
			most = length / mostOutage / time.Duration(o.outages+1)
		}
		return o.Shortest, max(o.Shortest, min(o.Longest*3/5, most))
	}
	return o.Shortest, o.Longest
}

func describeTargets(verb string) func([]string, *plan.Fault) string {
	return func(_ []string, f *plan.Fault) string { return verb + " " + strings.Join(f.Targets, " ") }
}

func describePower(_ []string, f *plan.Fault) string {
	return "power of " + strings.Join(f.Targets, " ") + " cut"
}

func checkTargets(_ []string, f *plan.Fault) error {
	if len(f.Targets) == 0 {
		return errors.New("no targets: name the nodes")
	}
	return nil
}

// holds notes which faults keep which nodes' processes from running. A node
// runs again when the last fault lets go of it.
type holds struct {
	mu sync.Mutex
	by map[string]map[string]string // node → fault → kind
}

func newHolds() *holds { return &holds{by: map[string]map[string]string{}} }

func (h *holds) take(fault, kind string, nodes []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, node := range nodes {
		if h.by[node] == nil {
			h.by[node] = map[string]string{}
		}
		h.by[node][fault] = kind
	}
}

// release lets go of a node.
func (h *holds) release(fault, node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.by[node], fault)
}

// other returns a fault (the smallest) that holds the node and is not the
// given one, or "". kind restricts it to faults of that kind; "" is any.
func (h *holds) other(fault, kind, node string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	smallest := ""
	for id, k := range h.by[node] {
		if id != fault && (kind == "" || k == kind) && (smallest == "" || id < smallest) {
			smallest = id
		}
	}
	return smallest
}

// pollPause is how long to wait before the kernel or a node is asked again.
const pollPause = 5 * time.Millisecond

// observeProcesses polls the process of each node until judge is content
// with it or the time is up, and joins what was seen, in order.
func (n *Nemesis) observeProcesses(ctx context.Context, nodes []string, until time.Time,
	judge func(node string, p protocol.Process) (ok bool, text string)) observation {
	texts := make([]string, len(nodes))
	oks := make([]bool, len(nodes))
	var group sync.WaitGroup
	for i, node := range nodes {
		group.Go(func() {
			for {
				p, err := call[protocol.Process](ctx, n, node, protocol.Request{Op: protocol.OpProcess})
				if err != nil {
					texts[i] = err.Error() // names the node
				} else if oks[i], texts[i] = judge(node, p); oks[i] {
					return
				}
				if !n.timer.Now().Before(until) || n.timer.Sleep(ctx, pollPause) != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return joinObservations(oks, texts)
}

func joinObservations(oks []bool, texts []string) observation {
	o := observation{ok: true, text: strings.Join(texts, "; ")}
	for _, ok := range oks {
		o.ok = o.ok && ok
	}
	return o
}

// seenProcess describes what the kernel says of a node's process.
func seenProcess(p protocol.Process) string {
	if p.PID == 0 {
		if p.Exit != "" {
			return fmt.Sprintf("no process runs (%s)", p.Exit)
		}
		return "no process runs"
	}
	return fmt.Sprintf("state %s, pid %d", p.States, p.PID)
}
