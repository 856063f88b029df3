package nemesis

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// Environment is what decides which faults can be made and verified.
type Environment struct {
	// Capabilities is what each node's agent answered to hello, by node.
	Capabilities map[string]protocol.Capabilities
	// Target is the target's name, for messages.
	Target string
	// TargetClock says that the target's client tells its node's clock (target.Clock).
	TargetClock bool
	// TargetOperator says that the target's client takes commands (target.Operator).
	TargetOperator bool
}

// RefusedError says that a kind of fault is not available, why, and what to do about it.
type RefusedError struct {
	Kind string
	// Faults are the faults of a schedule that are refused, by their IDs; empty where a kind was asked for.
	Faults []string
	// Nodes are the nodes that cannot; empty where the reason is not a node's.
	Nodes  []string
	Reason string
	Remedy string
}

// Error names the kind, the reason and the remedy in one line.
func (e *RefusedError) Error() string {
	where, which := "", ""
	if len(e.Nodes) > 0 {
		where = " on " + strings.Join(e.Nodes, " ")
	}
	if len(e.Faults) > 0 {
		which = " (" + strings.Join(e.Faults, " ") + ")"
	}
	text := fmt.Sprintf("the nemesis %s%s is not available%s: %s", e.Kind, which, where, e.Reason)
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Available returns nil if every one of the kinds can be injected and
// verified on containers, else one *RefusedError for each that cannot, joined.
// A fault is never skipped silently: the caller refuses the run, or asks for
// other kinds. It knows kinds only: what a schedule's faults need beside, the
// backend's Caps tell.
func Available(e Environment, wanted []string) error {
	names, err := ParseKinds(wanted)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if err := e.refuse(lookup(name)); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (e Environment) refuse(k *kind) error {
	if k.simulation != "" {
		return refuseKind(k)
	}
	nodes := keysOf(e.Capabilities)
	if len(nodes) < k.fewest() {
		return &RefusedError{Kind: k.name, Reason: fmt.Sprintf("it needs at least %d nodes and there are %d", k.fewest(), len(nodes)),
			Remedy: fmt.Sprintf("use --nodes %d or more, or leave %s out of --nemesis", k.fewest(), k.name)}
	}
	if k.needsClock && !e.TargetClock {
		r := refuseClock()
		if e.Target != "" {
			r.Reason = fmt.Sprintf("the target %s does not tell its nodes' clocks, so that skew could not be verified", e.Target)
		}
		return r
	}
	if k.operator {
		if !e.TargetOperator {
			return refuseOperator(e.Target)
		}
		return nil // no agent takes part
	}
	// The reason of an agent carries its remedy already. Agents differ seldom: one message for those that agree.
	var reason string
	var unable []string
	for _, node := range nodes {
		why, known := e.Capabilities[node].Faults[k.name]
		if !known {
			why = fmt.Sprintf("its agent (%s) does not know this fault, which needs %s; remove the stale image with `refute clean`", e.Capabilities[node].Version, k.needs)
		}
		if why != "" && (reason == "" || why == reason) {
			reason = why
			unable = append(unable, node)
		}
	}
	if reason == "" {
		return nil
	}
	return &RefusedError{Kind: k.name, Nodes: unable, Reason: reason, Remedy: fmt.Sprintf("or leave %s out of --nemesis", k.name)}
}

func refuseOperator(target string) *RefusedError {
	if target == "" {
		target = "under test"
	}
	return &RefusedError{Kind: Operator, Reason: fmt.Sprintf("the target %s takes no commands", target),
		Remedy: "let its client implement target.Operator, or leave operator out of --nemesis"}
}

func refuseClock() *RefusedError {
	return &RefusedError{Kind: Clock, Reason: "the target does not tell its nodes' clocks, so that skew could not be verified",
		Remedy: "let its client implement target.Clock, or leave clock out of --nemesis"}
}

// ScheduleError says what is wrong with a fault of a schedule.
type ScheduleError struct {
	// Position is the fault's place in the list, from 1; ID may be empty.
	Position int
	ID       string
	Err      error
}

// Error names the fault and the mistake.
func (e *ScheduleError) Error() string {
	return fmt.Sprintf("schedule, fault %d (%q): %v", e.Position, e.ID, e.Err)
}

// Unwrap returns the mistake.
func (e *ScheduleError) Unwrap() error { return e.Err }

// Validate says what is wrong with a schedule for the given nodes, nil if
// nothing is. Faults of a plan may overlap in every way, also where those of a
// random schedule would not. The error is a *ScheduleError.
func Validate(schedule []plan.Fault, nodes []string) error {
	ids := map[string]bool{}
	for i := range schedule {
		f := &schedule[i]
		err := validate(f, nodes)
		if err == nil && ids[f.ID] {
			err = errors.New("another fault has the same id")
		}
		if err != nil {
			return &ScheduleError{Position: i + 1, ID: f.ID, Err: err}
		}
		ids[f.ID] = true
	}
	return nil
}

func validate(f *plan.Fault, nodes []string) error {
	if f.ID == "" {
		return errors.New("it has no id")
	}
	k := lookup(f.Kind)
	if k == nil {
		return &UnknownKindError{Name: f.Kind, Nearest: nearestKind(f.Kind)}
	}
	if f.Shape != "" && k.shape(f.Shape) == nil {
		var shapes []string
		for _, s := range k.shapes {
			shapes = append(shapes, s.name)
		}
		return fmt.Errorf("the shape %q is none of a %s's: want %s", f.Shape, k.name, strings.Join(shapes, ", "))
	}
	if f.At < 0 || f.Duration <= 0 {
		return fmt.Errorf("it starts at %s and lasts %s: want a start of 0s or later and a duration above 0s", f.At, f.Duration)
	}
	for _, node := range f.Targets {
		if !slices.Contains(nodes, node) {
			return fmt.Errorf("there is no node %q: want %s", node, strings.Join(nodes, ", "))
		}
	}
	if err := checkParticulars(f); err != nil {
		return err
	}
	return k.check(nodes, f)
}

// checkParticulars refuses what belongs to another kind: it would have no
// effect, and whoever wrote it believes that it has.
func checkParticulars(f *plan.Fault) error {
	for _, p := range []struct {
		given bool
		field string
		kinds []string
	}{
		{len(f.Cuts) > 0, "cuts", []string{Partition}}, {f.Hold, "hold", []string{Partition}}, {f.Clock != nil, "clock", []string{Clock}},
		{f.Network != nil, "network", []string{Network}}, {f.Delay != 0, "delay", []string{Disk}},
		{f.Peer != "", "peer", []string{Operator, DiskLoss}}, {f.SnapshotAge != 0, "snapshot_age", []string{DiskLoss}},
	} {
		if p.given && !slices.Contains(p.kinds, f.Kind) {
			return fmt.Errorf("%q in a fault of the kind %s: only the kind %s has it", p.field, f.Kind, strings.Join(p.kinds, " or "))
		}
	}
	return nil
}
