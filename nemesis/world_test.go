package nemesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// world is a cluster made of arithmetic: links, processes and clocks, with an
// agent on each node that keeps the protocol, leases too. Tests run it in a
// synctest bubble, where time is virtual. lie makes it break in chosen ways.
type world struct {
	mu    sync.Mutex
	nodes []string
	node  map[string]*worldNode
	// probes is who was heard: token → receiver → sender addresses.
	probes map[string]map[string]map[string]bool
	leases map[string]*time.Timer // node/fault
	calls  []protocol.Request
	// remote is by how much every node's clock differs from the controller's.
	remote time.Duration
	// latency is how long a request, and its answer, are under way.
	latency time.Duration
	// startup is how long a started process takes until it answers.
	startup time.Duration
	// lie may answer a request in the agent's place.
	lie func(node string, r protocol.Request) (answer any, lied bool, err error)
	// noLeases: the agents never heal by themselves.
	noLeases bool
	// deaf are directed links that lose packets although nobody cut them.
	deaf map[history.Cut]bool
}

type worldNode struct {
	pid, starts int
	exit        string
	started     time.Time
	cuts        map[string][]string // fault → sender addresses
	pauses      map[string]bool
	kills       map[string]bool
	skews       map[string]worldSkew
	files       int // in the data directory, of 100 bytes each
	copies      map[string]int
}

type worldSkew struct {
	protocol.Clock
	base time.Time
}

func newWorld(n int) *world {
	w := &world{nodes: plan.NodeNames(n), node: map[string]*worldNode{}, probes: map[string]map[string]map[string]bool{},
		leases: map[string]*time.Timer{}, latency: 200 * time.Microsecond, startup: 8 * time.Millisecond, deaf: map[history.Cut]bool{}}
	for i, name := range w.nodes {
		w.node[name] = &worldNode{pid: 17 + i, starts: 1, started: time.Now().Add(-time.Hour), cuts: map[string][]string{},
			pauses: map[string]bool{}, kills: map[string]bool{}, skews: map[string]worldSkew{}, copies: map[string]int{}}
	}
	return w
}

func (w *world) Nodes() []string { return w.nodes }

func (w *world) Address(node string) string { return "10.0.0." + strings.TrimPrefix(node, "n") }

func (w *world) name(address string) string { return "n" + strings.TrimPrefix(address, "10.0.0.") }

func (w *world) Call(ctx context.Context, node string, r protocol.Request) (protocol.Response, error) {
	if err := sleep(ctx, w.latency); err != nil {
		return protocol.Response{}, err
	}
	w.mu.Lock()
	w.calls = append(w.calls, r)
	w.mu.Unlock()
	var answer any
	var lied bool
	var err error
	if w.lie != nil {
		answer, lied, err = w.lie(node, r)
	}
	if !lied && err == nil {
		answer, err = w.carryOut(ctx, node, r)
	}
	if sleepError := sleep(ctx, w.latency); sleepError != nil {
		return protocol.Response{}, sleepError
	}
	if err != nil {
		return protocol.Response{Error: err.Error()}, nil
	}
	raw, err := json.Marshal(answer)
	return protocol.Response{Result: raw}, err
}

func (w *world) carryOut(ctx context.Context, node string, r protocol.Request) (any, error) {
	if r.Op == protocol.OpProbeSeen {
		return w.seen(ctx, node, r), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.node[node]
	switch r.Op {
	case protocol.OpCut, protocol.OpPause, protocol.OpKill, protocol.OpClockSet:
		if r.LeaseMillis <= 0 {
			return nil, errors.New("a fault without a lease")
		}
		w.grant(node, r)
	case protocol.OpRenew:
		if w.leases[node+"/"+r.Fault] == nil {
			return nil, fmt.Errorf("fault %q has no lease here", r.Fault)
		}
		w.grant(node, r)
		return nil, nil
	case protocol.OpMend, protocol.OpResume, protocol.OpClockClear, protocol.OpSpawn:
		w.endLease(node, r.Fault)
	}
	switch r.Op {
	case protocol.OpCut:
		s.cuts[r.Fault] = r.Addresses
		return protocol.Cuts{}, nil
	case protocol.OpMend:
		delete(s.cuts, r.Fault)
		return protocol.Cuts{}, nil
	case protocol.OpPause:
		s.pauses[r.Fault] = true
	case protocol.OpResume:
		delete(s.pauses, r.Fault)
	case protocol.OpKill:
		s.kills[r.Fault] = true
		if s.pid != 0 {
			s.pid, s.exit = 0, "signal: killed"
		}
	case protocol.OpEmpty:
		if !s.kills[r.Fault] || s.pid != 0 {
			return nil, fmt.Errorf("the kill of fault %q does not hold the node down", r.Fault)
		}
		e := protocol.Emptied{Files: s.files, Bytes: int64(s.files) * 100}
		s.files = 0
		if r.Restore {
			s.files = s.copies[r.Fault]
			e.Restored = protocol.Copied{Files: s.files, Bytes: int64(s.files) * 100}
		}
		e.Left = s.files
		return e, nil
	case protocol.OpCopy:
		s.copies[r.Fault] = s.files
		return protocol.Copied{Files: s.files, Bytes: int64(s.files) * 100}, nil
	case protocol.OpCopyRead: // a part for each file, and an empty last one
		copied := s.copies[r.Fault]
		return protocol.CopyPart{Data: make([]byte, min(1, copied-int(r.Offset))), Last: int(r.Offset) == copied}, nil
	case protocol.OpCopyWrite:
		if r.Offset == 0 {
			s.copies[r.Fault] = 0
		}
		s.copies[r.Fault] += len(r.Data)
	case protocol.OpSpawn:
		delete(s.kills, r.Fault)
		if r.Fault == "" {
			clear(s.kills)
		}
		s.start()
	case protocol.OpReset:
		for fault := range w.node[node].faults() {
			w.undo(node, fault)
		}
	case protocol.OpClockSet:
		s.skews[r.Fault] = worldSkew{Clock: *r.Clock, base: time.Now()}
		return protocol.ClockState{Patched: true}, nil
	case protocol.OpClockClear:
		delete(s.skews, r.Fault)
		return protocol.ClockState{Patched: true}, nil
	case protocol.OpProbeSend:
		w.send(node, r)
		return nil, nil
	case protocol.OpProcess:
	default:
		return nil, fmt.Errorf("unknown operation %q", r.Op)
	}
	return s.process(), nil
}

func (s *worldNode) start() {
	if s.pid == 0 && len(s.kills) == 0 {
		s.starts++
		s.pid, s.started = 100+s.starts, time.Now()
	}
}

func (s *worldNode) process() protocol.Process {
	p := protocol.Process{PID: s.pid, Exit: s.exit, Starts: s.starts}
	if s.pid != 0 {
		p.States = "S"
		if len(s.pauses) > 0 {
			p.States = "TT"
		}
	}
	return p
}

func (s *worldNode) faults() map[string]bool {
	all := map[string]bool{}
	for fault := range s.cuts {
		all[fault] = true
	}
	for fault := range s.pauses {
		all[fault] = true
	}
	for fault := range s.kills {
		all[fault] = true
	}
	for fault := range s.skews {
		all[fault] = true
	}
	return all
}

func (w *world) grant(node string, r protocol.Request) {
	w.endLease(node, r.Fault)
	if w.noLeases {
		return
	}
	w.leases[node+"/"+r.Fault] = time.AfterFunc(time.Duration(r.LeaseMillis)*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.undo(node, r.Fault)
	})
}

func (w *world) endLease(node, fault string) {
	if timer := w.leases[node+"/"+fault]; timer != nil {
		timer.Stop()
		delete(w.leases, node+"/"+fault)
	}
}

func (w *world) undo(node, fault string) {
	w.endLease(node, fault)
	s := w.node[node]
	delete(s.cuts, fault)
	delete(s.pauses, fault)
	delete(s.skews, fault)
	delete(s.kills, fault)
	s.start()
}

func (w *world) send(from string, r protocol.Request) {
	for _, address := range r.Addresses {
		to := w.name(address)
		dropped := w.deaf[history.Cut{From: from, To: to}]
		for _, senders := range w.node[to].cuts {
			dropped = dropped || slices.Contains(senders, w.Address(from))
		}
		if dropped {
			continue
		}
		if w.probes[r.Token] == nil {
			w.probes[r.Token] = map[string]map[string]bool{}
		}
		if w.probes[r.Token][to] == nil {
			w.probes[r.Token][to] = map[string]bool{}
		}
		w.probes[r.Token][to][w.Address(from)] = true
	}
}

func (w *world) seen(ctx context.Context, node string, r protocol.Request) protocol.Seen {
	until := time.Now().Add(time.Duration(r.WaitMillis) * time.Millisecond)
	for {
		var found []string
		w.mu.Lock()
		for _, address := range r.Addresses {
			if w.probes[r.Token][node][address] {
				found = append(found, address)
			}
		}
		w.mu.Unlock()
		if len(found) == len(r.Addresses) || !time.Now().Before(until) || sleep(ctx, time.Millisecond) != nil {
			return protocol.Seen{Addresses: found}
		}
	}
}

// answer waits as a client of the node's process would.
func (w *world) answer(ctx context.Context, node string) error {
	for {
		if err := sleep(ctx, w.latency); err != nil {
			return err
		}
		w.mu.Lock()
		s := w.node[node]
		running := s.pid != 0 && time.Since(s.started) >= w.startup
		paused := len(s.pauses) > 0
		w.mu.Unlock()
		if !running {
			return errors.New("connection refused")
		}
		if !paused {
			return nil
		}
	}
}

func (w *world) Ready(ctx context.Context, node string) error { return w.answer(ctx, node) }

func (w *world) Clock(ctx context.Context, node string) (time.Time, error) {
	if err := w.answer(ctx, node); err != nil {
		return time.Time{}, err
	}
	w.mu.Lock()
	told := time.Now().Add(w.remote).Add(w.skew(node))
	w.mu.Unlock()
	return told.Round(0), sleep(ctx, w.latency)
}

// skew is the protocol's formula, summed over the faults. w.mu is held.
func (w *world) skew(node string) time.Duration {
	var sum time.Duration
	for _, s := range w.node[node].skews {
		elapsed := time.Since(s.base)
		sum += time.Duration(s.OffsetNanos) + time.Duration(float64(elapsed)*float64(s.RatePPM)/1e6)
		if s.PeriodNanos > 0 && (int64(elapsed)/s.PeriodNanos)%2 == 0 {
			sum += time.Duration(s.DeltaNanos)
		}
	}
	return sum
}

// harm lists what is still wrong with the world.
func (w *world) harm() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	harm := []string{}
	for _, node := range w.nodes {
		for fault := range w.node[node].faults() {
			harm = append(harm, node+": "+fault)
		}
		if w.node[node].pid == 0 {
			harm = append(harm, node+": down")
		}
	}
	return harm
}

func (w *world) count(op string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.calls {
		if r.Op == op {
			n++
		}
	}
	return n
}

// ignore makes the agents answer the operation as if they had carried it out.
func ignore(op string) func(*world) {
	return func(w *world) {
		w.lie = func(node string, r protocol.Request) (any, bool, error) {
			if r.Op != op {
				return nil, false, nil
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.node[node].process(), true, nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error { return realTime{}.Sleep(ctx, d) }

// tape is a Recorder in memory.
type tape struct {
	mu      sync.Mutex
	started time.Time
	events  []history.Event
	err     error
}

func (t *tape) Record(e history.Event) (history.Event, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return e, t.err
	}
	e.Index, e.Time = int64(len(t.events)), int64(time.Since(t.started))
	t.events = append(t.events, e)
	return e, nil
}

// of returns the two events of a fault's injection or healing, and the completion's value.
func (t *tape) of(tb testing.TB, f, fault string) (invoke, completion history.Event, value history.Fault) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []history.Event
	for _, e := range t.events {
		if e.F == f && e.Key == fault {
			found = append(found, e)
		}
	}
	require.Lenf(tb, found, 2, "%s of %s: an invocation and a completion", f, fault)
	require.Equal(tb, history.Invoke, found[0].Type)
	require.Equal(tb, history.Nemesis, found[0].Process)
	require.NoError(tb, json.Unmarshal(found[1].Value.Raw(), &value))
	require.Equal(tb, value.Verified, found[1].Type == history.Ok, "ok exactly if verified, else info: %+v", value)
	return found[0], found[1], value
}

// bench is a nemesis on a world.
type bench struct {
	*world
	tape    *tape
	nemesis *Nemesis
}

func newBench(n int, changes ...func(*world)) *bench {
	w := newWorld(n)
	for _, change := range changes {
		change(w)
	}
	t := &tape{started: time.Now()}
	return &bench{world: w, tape: t, nemesis: New(Config{Cluster: w, Ready: w, Clock: w, Recorder: t})}
}

// ms and s make the schedules of tests short to write.
func ms(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Millisecond) }
func s(n int) plan.Duration  { return ms(1000 * n) }
