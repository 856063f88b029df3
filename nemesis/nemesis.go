package nemesis

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// Cluster is the cluster whose nodes suffer.
type Cluster interface {
	// Nodes returns the nodes' names, in order.
	Nodes() []string
	// Address returns the node's IPv4 address on the cluster's network.
	Address(node string) string
	// Call sends a request to the node's agent and waits for its response. It
	// gives the request its ID. It must return when ctx ends, and it may be
	// called from many goroutines.
	Call(ctx context.Context, node string, request protocol.Request) (protocol.Response, error)
}

// Ready makes real requests of nodes.
type Ready interface {
	// Ready makes one real request and returns nil once the node has answered it.
	Ready(ctx context.Context, node string) error
}

// ClockReader reads the nodes' own clocks.
type ClockReader interface {
	// Clock asks the node for its wall clock, which is read between the call and its return.
	Clock(ctx context.Context, node string) (time.Time, error)
}

// Recorder puts events into the history.
type Recorder interface {
	// Record gives the event its index and its time, appends it and returns it.
	Record(history.Event) (history.Event, error)
}

// Timer is the time by which a nemesis works.
type Timer interface {
	// Now is the current time, with a monotonic reading if there is one.
	Now() time.Time
	// Sleep returns nil after d, or ctx's error when that ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config is what a nemesis works with.
type Config struct {
	Cluster  Cluster
	Ready    Ready
	Recorder Recorder
	// Clock is nil where the target does not tell its clock; clock faults are refused then.
	Clock ClockReader
	// Operator is nil where the target takes no commands; they are refused then.
	Operator Commander
	// Timer is nil for the real time.
	Timer Timer
	// HealTimeout bounds how long a fault may take to heal, from the first try
	// until the end was observed; kills include the time until the node is
	// ready. 0 is 15 s.
	HealTimeout time.Duration
}

// Nemesis carries schedules of faults out. Its methods may be called by several goroutines.
type Nemesis struct {
	cluster     Cluster
	ready       Ready
	recorder    Recorder
	clock       ClockReader
	operator    Commander
	timer       Timer
	healTimeout time.Duration

	nodes  []string
	links  *links
	holds  *holds
	clocks *clocks

	mu       sync.Mutex
	active   []activeFault
	lifetime map[string]time.Duration // of the faults that are in force or about to be
	expired  map[string][]string      // nodes on which the lease of such a fault ran out
	copied   map[string]error         // of faults whose snapshots were tried: what went wrong
	runs     map[int]context.CancelFunc
	number   int
	running  sync.WaitGroup
}

type activeFault struct{ id, description string }

const (
	// callTimeout bounds one request to an agent.
	callTimeout = 5 * time.Second
	// leaseMargin is how much longer than its fault a lease is: healing may be late by that.
	leaseMargin = 3 * time.Second
	// longestLease bounds how long a fault outlives its controller; leases of
	// longer faults are renewed every renewEvery.
	longestLease = 8 * time.Second
	renewEvery   = 2 * time.Second
	// verifyAtLeast is how long verification may take even if the fault is shorter; it then lasts longer.
	verifyAtLeast = time.Second
	// healPause is the time between the first two tries to heal.
	healPause          = 100 * time.Millisecond
	defaultHealTimeout = 15 * time.Second
	// healSlice is how long the end of a fault is looked for before it is healed again.
	healSlice = 3 * time.Second
)

// New returns a nemesis. Cluster, Ready and Recorder must be set.
func New(c Config) *Nemesis {
	n := &Nemesis{cluster: c.Cluster, ready: c.Ready, recorder: c.Recorder, clock: c.Clock, operator: c.Operator, timer: c.Timer,
		healTimeout: c.HealTimeout, nodes: c.Cluster.Nodes(), links: newLinks(), holds: newHolds(), clocks: newClocks(),
		lifetime: map[string]time.Duration{}, expired: map[string][]string{}, copied: map[string]error{}, runs: map[int]context.CancelFunc{}}
	if n.timer == nil {
		n.timer = realTime{}
	}
	if n.healTimeout == 0 {
		n.healTimeout = defaultHealTimeout
	}
	return n
}

// Active describes the faults that are in force, in the order of their injection.
func (n *Nemesis) Active() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	descriptions := make([]string, len(n.active))
	for i, a := range n.active {
		descriptions[i] = a.description
	}
	return descriptions
}

// Run carries the schedule out; times count from the call. It returns when
// every fault is healed: at the schedule's end, or soon after ctx's, from
// which on no fault is injected and all are healed at once. It records an
// inject and a heal operation for each fault that it began.
//
// A fault that could not be verified is recorded so, and is no error. The
// error is a *NotHealedError for each fault that would not heal, a
// *NotInjectedError if ctx ended before every fault was begun, what Validate,
// the recorder or ContainerCaps say, or several of these joined.
func (n *Nemesis) Run(ctx context.Context, schedule []plan.Fault) error {
	if err := Validate(schedule, n.nodes); err != nil {
		return err
	}
	if err := ContainerCaps().AllowSchedule(schedule); err != nil {
		return err
	}
	var clockNodes []string
	for _, f := range schedule {
		if lookup(f.Kind).needsClock {
			clockNodes = append(clockNodes, f.Targets...)
		}
	}
	if len(clockNodes) > 0 && n.clock == nil {
		return refuseClock()
	}
	if n.operator == nil && slices.ContainsFunc(schedule, func(f plan.Fault) bool { return lookup(f.Kind).operator }) {
		return refuseOperator("")
	}
	ctx, finish := n.beginRun(ctx)
	defer finish()
	start := n.timer.Now()
	n.measureBaselines(ctx, inOrder(n.nodes, clockNodes))
	errs := make([]error, len(schedule))
	begun := make([]bool, len(schedule))
	var group sync.WaitGroup
	for i := range schedule {
		group.Go(func() {
			f := schedule[i]
			if f.SnapshotAge > 0 {
				at := start.Add(time.Duration(max(0, f.At-f.SnapshotAge)))
				if n.timer.Sleep(ctx, at.Sub(n.timer.Now())) != nil || ctx.Err() != nil {
					return
				}
				n.copyDisks(ctx, &f)
			}
			if n.timer.Sleep(ctx, start.Add(time.Duration(f.At)).Sub(n.timer.Now())) != nil || ctx.Err() != nil {
				return
			}
			begun[i] = true
			errs[i] = n.live(ctx, &f, start.Add(time.Duration(f.At+f.Duration)))
		})
	}
	group.Wait()
	var missing []string
	for i, f := range schedule {
		if !begun[i] {
			missing = append(missing, f.ID)
		}
	}
	if len(missing) > 0 {
		errs = append(errs, &NotInjectedError{Faults: missing})
	}
	return errors.Join(errs...)
}

// beginRun makes the run known to HealAll; finish must be called at its end.
func (n *Nemesis) beginRun(ctx context.Context) (_ context.Context, finish func()) {
	ctx, cancel := context.WithCancel(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	number := n.number
	n.runs[number] = cancel
	n.running.Add(1)
	return ctx, func() {
		cancel()
		n.mu.Lock()
		delete(n.runs, number)
		n.mu.Unlock()
		n.running.Done()
	}
}
