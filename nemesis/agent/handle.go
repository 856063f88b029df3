package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/refute-lab/refute/nemesis/agent/filter"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// lane carries out requests one after another.
type lane chan protocol.Request

// lanes are the requests' queues: see the package's documentation.
type lanes struct {
	agent                   *agent
	network, process, clock lane
}

func (a *agent) lanes() lanes {
	l := lanes{agent: a, network: make(lane, 64), process: make(lane, 64), clock: make(lane, 64)}
	for _, queue := range []lane{l.network, l.process, l.clock} {
		go func() {
			for r := range queue {
				a.serve(r)
			}
		}()
	}
	return l
}

// take hands the request to its lane. Those that only wait get a goroutine of their own.
func (l lanes) take(r protocol.Request) {
	switch r.Op {
	case protocol.OpCut, protocol.OpMend, protocol.OpProbeSend:
		l.network <- r
	case protocol.OpSpawn, protocol.OpKill, protocol.OpPause, protocol.OpResume, protocol.OpWipe, protocol.OpCopy, protocol.OpCopyRead, protocol.OpCopyWrite, protocol.OpEmpty, protocol.OpReset:
		l.process <- r
	case protocol.OpClockSet, protocol.OpClockClear:
		l.clock <- r
	default:
		go l.agent.serve(r)
	}
}

// serve carries out one request and answers it.
func (a *agent) serve(r protocol.Request) {
	began := time.Now()
	result, err := a.handle(r)
	response := protocol.Response{ID: r.ID}
	if err == nil && result != nil {
		response.Result, err = json.Marshal(result)
	}
	if err != nil {
		response.Error = err.Error()
	}
	response.Micros = time.Since(began).Microseconds()
	a.out.send(response)
}

func (a *agent) handle(r protocol.Request) (any, error) {
	ctx := context.Background()
	switch r.Op {
	case protocol.OpPing:
		return nil, nil
	case protocol.OpHello:
		return a.hello(r)
	case protocol.OpSpawn:
		if r.Fault != "" {
			defer a.leases.End(r.Fault)
		}
		return a.node.Spawn(ctx, r.Fault)
	case protocol.OpKill:
		if r.Fault == "" {
			return a.node.Kill(ctx, "")
		}
		return fault(a, r, protocol.FaultKill, func() (protocol.Process, error) { return a.node.Kill(ctx, r.Fault) })
	case protocol.OpPause:
		return fault(a, r, protocol.FaultPause, func() (protocol.Process, error) { return a.node.Pause(ctx, r.Fault) })
	case protocol.OpResume:
		p, err := a.node.Resume(ctx, r.Fault)
		return healed(a, r, p, err)
	case protocol.OpProcess:
		return a.node.State()
	case protocol.OpCut:
		return fault(a, r, protocol.FaultPartition, func() (protocol.Cuts, error) { return a.cut(r) })
	case protocol.OpMend:
		c, err := a.mend(r)
		return healed(a, r, c, err)
	case protocol.OpProbeSend:
		as, err := addresses(r.Addresses)
		if err != nil {
			return nil, err
		}
		return nil, a.probes.Send(r.Token, as)
	case protocol.OpProbeSeen:
		return a.seen(ctx, r)
	case protocol.OpClockSet:
		return fault(a, r, protocol.FaultClock, func() (protocol.ClockState, error) { return a.setClock(r) })
	case protocol.OpClockClear:
		if a.clocks == nil {
			return nil, errors.New(a.refusals[protocol.FaultClock])
		}
		a.clocks.clear(r.Fault)
		return healed(a, r, a.clockState(), nil)
	case protocol.OpRenew:
		if r.LeaseMillis <= 0 {
			return nil, errors.New("renew: the lease is missing")
		}
		return nil, a.leases.Renew(r.Fault, time.Duration(r.LeaseMillis)*time.Millisecond)
	case protocol.OpReset:
		if err := errors.Join(a.heal(), a.node.ReleaseAll(ctx)); err != nil {
			return nil, err
		}
		return a.node.State()
	case protocol.OpCopy:
		return a.copy(ctx, r)
	case protocol.OpCopyRead:
		return a.copyRead(r)
	case protocol.OpCopyWrite:
		return a.copyWrite(r)
	case protocol.OpEmpty:
		return a.empty(r)
	case protocol.OpWipe:
		a.leases.EndAll()
		return a.node.Clear(ctx, func() error { return errors.Join(a.heal(), a.wipe()) })
	}
	return nil, fmt.Errorf("unknown operation %q: the controller and the agent are of different versions", r.Op)
}

// fault carries out what begins a fault: it must have an identity and a lease
// and be possible here. The lease is granted first, so that a fault that is half
// made when something hangs ends too.
func fault[T any](a *agent, r protocol.Request, kind string, begin func() (T, error)) (any, error) {
	if r.Fault == "" || r.LeaseMillis <= 0 {
		return nil, fmt.Errorf("%s: a fault needs an identity and a lease", r.Op)
	}
	if refusal := a.refusal(kind); refusal != "" {
		return nil, fmt.Errorf("%s: %s", r.Op, refusal)
	}
	held := a.leases.Holds(r.Fault)
	a.leases.Grant(r.Fault, time.Duration(r.LeaseMillis)*time.Millisecond)
	result, err := begin()
	if err == nil && !a.leases.Holds(r.Fault) {
		// What undid it may have been quicker than what made it.
		err = errors.Join(fmt.Errorf("%s: the lease of %d ms ran out, or all was reset, while the fault began", r.Op, r.LeaseMillis), a.undo(r.Fault))
	}
	if err != nil {
		if !held {
			a.leases.End(r.Fault)
		}
		return nil, err
	}
	return result, nil
}

// healed ends the lease of a fault that was undone.
func healed[T any](a *agent, r protocol.Request, result T, err error) (any, error) {
	if err != nil {
		return nil, err // the lease will try again
	}
	a.leases.End(r.Fault)
	return result, nil
}

func (a *agent) refusal(kind string) string {
	if refusal := a.refusals[kind]; refusal != "" {
		return refusal
	}
	switch kind {
	case protocol.FaultDiskLoss:
		if a.options.data == "" || a.options.control == "" {
			return "the node has no data directory of its own: give its specification one"
		}
		return a.node.SignalRefusal()
	case protocol.FaultPause, protocol.FaultKill:
		return a.node.SignalRefusal()
	case protocol.FaultClock:
		return a.node.ClockRefusal()
	}
	return ""
}

func (a *agent) hello(r protocol.Request) (protocol.Capabilities, error) {
	if r.WaitMillis > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.WaitMillis)*time.Millisecond)
		defer cancel()
		if err := a.node.Wait(ctx); err != nil {
			return protocol.Capabilities{}, err
		}
	}
	c := protocol.Capabilities{Version: a.version, Faults: map[string]string{}}
	for _, kind := range []string{protocol.FaultPartition, protocol.FaultFastHeal, protocol.FaultPause, protocol.FaultKill, protocol.FaultClock, protocol.FaultDiskLoss} {
		c.Faults[kind] = a.refusal(kind)
	}
	return c, nil
}

func (a *agent) cut(r protocol.Request) (protocol.Cuts, error) {
	as, err := addresses(r.Addresses)
	if err != nil {
		return protocol.Cuts{}, err
	}
	if err := a.filter.Cut(r.Fault, as); err != nil {
		return protocol.Cuts{}, err
	}
	return a.cuts(0)
}

func (a *agent) mend(r protocol.Request) (protocol.Cuts, error) {
	if a.filter == nil {
		return protocol.Cuts{}, errors.New(a.refusals[protocol.FaultPartition])
	}
	freed, err := a.filter.Mend(r.Fault)
	if err != nil {
		return protocol.Cuts{}, err
	}
	destroyed := 0
	if r.Fast {
		if refusal := a.refusals[protocol.FaultFastHeal]; refusal != "" {
			return protocol.Cuts{}, errors.New(refusal)
		}
		if destroyed, err = filter.Destroy(freed); err != nil {
			return protocol.Cuts{}, err
		}
	}
	return a.cuts(destroyed)
}

// cuts reports what the kernel has, not what was asked for.
func (a *agent) cuts(destroyed int) (protocol.Cuts, error) {
	installed, err := a.filter.Installed()
	if err != nil {
		return protocol.Cuts{}, err
	}
	dropped, err := a.filter.Dropped()
	if err != nil {
		return protocol.Cuts{}, err
	}
	return protocol.Cuts{Addresses: texts(installed), Dropped: dropped, Destroyed: destroyed}, nil
}

func (a *agent) seen(ctx context.Context, r protocol.Request) (protocol.Seen, error) {
	as, err := addresses(r.Addresses)
	if err != nil {
		return protocol.Seen{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.WaitMillis)*time.Millisecond)
	defer cancel()
	return protocol.Seen{Addresses: texts(a.probes.Seen(ctx, r.Token, as))}, nil
}

func (a *agent) setClock(r protocol.Request) (protocol.ClockState, error) {
	if r.Clock == nil {
		return protocol.ClockState{}, errors.New("clock-set: the clock is missing")
	}
	state, err := a.node.State()
	if err != nil {
		return protocol.ClockState{}, err
	}
	if state.PID != 0 && !a.node.Wrapped() {
		return protocol.ClockState{}, errors.New("the running process was not started under the clock's wrapper: kill and spawn it")
	}
	if err := a.clocks.set(r.Fault, *r.Clock); err != nil {
		return protocol.ClockState{}, err
	}
	return a.clockState(), nil
}

func (a *agent) clockState() protocol.ClockState {
	return protocol.ClockState{OffsetNanos: int64(a.clocks.offset()), Patched: a.node.Wrapped()}
}

// heal undoes every fault of the network and the clock and forgets all leases.
func (a *agent) heal() error {
	a.leases.EndAll()
	if a.clocks != nil {
		a.clocks.clearAll()
	}
	if a.filter == nil {
		return nil
	}
	return a.filter.MendAll()
}

// wipe empties the data directory and keeps the directory itself, with its owner.
func (a *agent) wipe() error {
	if a.options.data == "" {
		return nil
	}
	entries, err := os.ReadDir(a.options.data)
	if err != nil {
		return fmt.Errorf("empty the data directory: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(a.options.data, e.Name())); err != nil {
			return fmt.Errorf("empty the data directory: %w", err)
		}
	}
	return nil
}

func addresses(texts []string) ([]netip.Addr, error) {
	as := make([]netip.Addr, len(texts))
	for i, t := range texts {
		a, err := netip.ParseAddr(t)
		if err != nil || !a.Is4() {
			return nil, fmt.Errorf("%q is no IPv4 address", t)
		}
		as[i] = a
	}
	return as, nil
}

func texts(as []netip.Addr) []string {
	ts := make([]string, len(as))
	for i, a := range as {
		ts[i] = a.String()
	}
	return ts
}
