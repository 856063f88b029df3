package nemesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// NotHealedError says that a fault's end was not observed. It may still be in force.
type NotHealedError struct {
	// Fault is its ID; Description says what it did.
	Fault, Description string
	// Evidence says what was seen instead.
	Evidence string
}

// Error names the fault and what was seen.
func (e *NotHealedError) Error() string {
	return fmt.Sprintf("fault %s (%s) was not seen to heal: %s", e.Fault, e.Description, e.Evidence)
}

// NotInjectedError lists the faults of a schedule that were never begun, because the run was ended before.
type NotInjectedError struct{ Faults []string }

// Error lists the faults.
func (e *NotInjectedError) Error() string {
	return "the run ended before these faults were injected: " + strings.Join(e.Faults, " ")
}

// live takes one fault through its life: inject, verify, heal at end or when
// ctx ends, verify that.
func (n *Nemesis) live(ctx context.Context, f *plan.Fault, end time.Time) error {
	k := lookup(f.Kind)
	e := k.begin(n, f)
	description := k.describe(n.nodes, f)
	value := history.Fault{ID: f.ID, Kind: f.Kind, Shape: f.Shape, Description: description, Targets: f.Targets, Cuts: f.Cuts}
	n.enter(f, description)
	defer n.leave(f.ID)
	if err := n.record(history.FInject, history.Invoke, value, ""); err != nil {
		return err // a fault that the history does not show must not happen
	}
	renewals, stopRenewing := n.renew(ctx, f.ID, e.leased())
	recordError := n.inject(ctx, e, value, end)
	wait := end.Sub(n.timer.Now())
	if recordError == nil && wait > 0 {
		_ = n.timer.Sleep(ctx, wait) // ctx's end is a reason to heal now
	}
	stopRenewing()
	healError := n.heal(context.WithoutCancel(ctx), e, f, value, renewals)
	return errors.Join(recordError, healError)
}

// inject begins the fault, verifies it and records what was seen.
func (n *Nemesis) inject(ctx context.Context, e effect, value history.Fault, end time.Time) error {
	injectError := e.inject(ctx)
	seen := e.verify(ctx, later(end, n.timer.Now().Add(verifyAtLeast)))
	seen.ok, seen.text = seen.ok && injectError == nil, evidence(seen, injectError)
	return n.recordSeen(history.FInject, value, seen)
}

// heal ends the fault, again and again until its end was observed or the time for it is up.
func (n *Nemesis) heal(ctx context.Context, e effect, f *plan.Fault, value history.Fault, renewals *renewals) error {
	recordError := n.record(history.FHeal, history.Invoke, value, "")
	deadline := n.timer.Now().Add(n.healTimeout)
	var seen observation
	var healError error
	for tries := 1; ; tries++ {
		healError = e.heal(ctx)
		seen = e.healed(ctx, earlier(deadline, n.timer.Now().Add(healSlice)))
		if tries > 1 {
			seen.text += fmt.Sprintf(", try %d", tries)
		}
		if n.heldByOthers(f) {
			// It could not be seen now, and need not: the other fault ends in its own time.
			deadline = n.timer.Now().Add(n.healTimeout)
		}
		if seen.ok || !n.timer.Now().Before(deadline) || n.timer.Sleep(ctx, backOff(tries)) != nil {
			break
		}
	}
	if seen.ok {
		healError = nil // the end was seen: what went wrong on the way matters no more
	}
	seen.text = evidence(seen, healError) + renewals.problems()
	recorded := seen
	if nodes := n.expiredOn(f.ID); len(nodes) > 0 {
		// It was in force for a shorter time than the history would have it.
		recorded.ok = false
		recorded.text += ", its lease ran out on " + strings.Join(nodes, " ") + " before it was healed: the fault ended early"
	}
	recordError = errors.Join(recordError, n.recordSeen(history.FHeal, value, recorded))
	if !seen.ok {
		return errors.Join(recordError, &NotHealedError{Fault: f.ID, Description: value.Description, Evidence: seen.text})
	}
	return recordError
}

// backOff is the time before the next try to heal: it doubles, up to a second.
func backOff(tries int) time.Duration {
	return min(healPause<<min(tries-1, 10), time.Second)
}

// heldByOthers says whether another fault keeps the process of a target from answering.
func (n *Nemesis) heldByOthers(f *plan.Fault) bool {
	for _, node := range f.Targets {
		if n.holds.other(f.ID, "", node) != "" {
			return true
		}
	}
	return false
}

// recordSeen records the completion of an inject or heal operation: ok if it
// was verified, else info, because then nobody knows.
func (n *Nemesis) recordSeen(f string, value history.Fault, seen observation) error {
	value.Verified, value.Evidence, value.Offset = seen.ok, seen.text, int64(seen.offset)
	if value.Verified {
		return n.record(f, history.Ok, value, "")
	}
	return n.record(f, history.Info, value, "not verified: "+value.Evidence)
}

// evidence is what went wrong, in one line, and what was seen.
func evidence(seen observation, failure error) string {
	if failure == nil {
		return seen.text
	}
	return strings.ReplaceAll(failure.Error(), "\n", "; ") + "; " + seen.text
}

func (n *Nemesis) record(f string, t history.Type, value history.Fault, failure string) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("recording fault %s: %w", value.ID, err)
	}
	_, err = n.recorder.Record(history.Event{Process: history.Nemesis, Type: t, F: f, Key: value.ID,
		Value: history.RawValue(raw), Error: failure})
	if err != nil {
		return fmt.Errorf("recording fault %s: %w", value.ID, err)
	}
	return nil
}

func (n *Nemesis) enter(f *plan.Fault, description string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.active = append(n.active, activeFault{f.ID, description})
	n.lifetime[f.ID] = time.Duration(f.Duration)
}

func (n *Nemesis) leave(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.lifetime, id)
	delete(n.expired, id)
	for i, a := range n.active {
		if a.id == id {
			n.active = append(n.active[:i:i], n.active[i+1:]...)
			return
		}
	}
}

// LeaseExpired tells the nemesis that the agent of the node undid the fault by
// itself because its lease had run out. The fault's healing is then recorded
// as not verified, for it did not last as long as it should have.
func (n *Nemesis) LeaseExpired(fault, node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, active := n.lifetime[fault]; active && !slices.Contains(n.expired[fault], node) {
		n.expired[fault] = append(n.expired[fault], node)
	}
}

// expiredOn lists the nodes whose lease of the fault ran out, in order.
func (n *Nemesis) expiredOn(fault string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(slices.Values(n.expired[fault]))
}

// leaseMillis is the lease of the fault, in milliseconds.
func (n *Nemesis) leaseMillis(fault string) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return min(n.lifetime[fault]+leaseMargin, longestLease).Milliseconds()
}

// renewals keeps a fault's leases and remembers what went wrong with them.
type renewals struct {
	mu     sync.Mutex
	failed map[string]bool
}

// problems is for the evidence of the healing: a lease that could not be
// renewed means that the fault may have ended before its time.
func (r *renewals) problems() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failed) == 0 {
		return ""
	}
	return ", lease not renewed: " + strings.Join(inOrderOf(r.failed), ", ")
}

// renew prolongs the leases of the fault on the nodes until stop is called.
func (n *Nemesis) renew(ctx context.Context, fault string, nodes []string) (r *renewals, stop func()) {
	r = &renewals{failed: map[string]bool{}}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() {
		for n.timer.Sleep(ctx, renewEvery) == nil {
			_ = fan(nodes, func(node string) error {
				_, err := call[struct{}](ctx, n, node, protocol.Request{Op: protocol.OpRenew, Fault: fault, LeaseMillis: n.leaseMillis(fault)})
				if err != nil && ctx.Err() == nil {
					r.mu.Lock()
					r.failed[err.Error()] = true
					r.mu.Unlock()
				}
				return err
			})
		}
	})
	return r, func() {
		cancel()
		group.Wait()
	}
}
