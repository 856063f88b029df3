package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// The shapes of what an operator does.
const (
	// Repair lets the targets compare all that they hold with the other replicas.
	Repair = "repair"
	// Snapshot takes a snapshot of the targets' disks, while they are in use.
	Snapshot = "snapshot"
	// Compact lets the targets rewrite their logs.
	Compact = "compact"
	// Join lets the targets join the ring, Leave lets them leave it.
	Join  = "join"
	Leave = "leave"
	// Replace lets the target take the place of the fault's peer, which is gone.
	Replace = "replace"
)

// Commands are the shapes of Operator, which are what operators can order.
var commands = []shape{
	{Repair, "the nodes compare all that they hold with the other replicas", 1, false},
	{Snapshot, "a snapshot of the disk is taken while it is in use", 1, false},
	{Compact, "the log is rewritten", 1, false},
	{Join, "the nodes join the ring", 2, false},
	{Leave, "the nodes leave the ring", 2, false},
	{Replace, "a node takes the place of another one, which is gone for good", 2, false},
}

// operatorKind is what people do to a running store. It is no failure; but it
// happens while there are some, and it has lost more data than disks have. The
// command is given when the fault begins; when it ends, one looks how far the
// node has come. A store that refuses a command has answered it: that is
// recorded, and is no reason to disbelieve the run.
func operatorKind() *kind {
	return &kind{
		name:     Operator,
		help:     "an operator's commands to nodes: repair, snapshot, compact, join, leave, replace; drawn only where it is asked for by name",
		named:    true,
		operator: true,
		shapes:   commands,
		steady:   process, // who is paused or down takes no command
		span: func(_ string, _ time.Duration, o ScheduleOptions) (time.Duration, time.Duration) {
			return o.Shortest, o.Longest
		},
		draw:     drawOperator,
		describe: describeOperator,
		check:    checkOperator,
		begin: func(n *Nemesis, f *plan.Fault) effect {
			return &operation{n: n, fault: f, targets: inOrder(n.nodes, f.Targets)}
		},
	}
}

// Commander gives commands to nodes.
type Commander interface {
	// Operate lets the node carry out the command, which is one of the shapes of
	// a fault of the kind Operator, with the peer if it has one, and returns what
	// the node answered, its refusal included. An error means that nobody knows.
	Operate(ctx context.Context, node, command, peer string) (answer string, err error)
}

// operation is an operator's command being carried out.
type operation struct {
	n       *Nemesis
	fault   *plan.Fault
	targets []string
	mu      sync.Mutex
	answers map[string]string
}

func (o *operation) leased() []string { return nil } // there is nothing to undo

func (o *operation) inject(ctx context.Context) error {
	return fan(o.targets, func(node string) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		answer, err := o.n.operator.Operate(ctx, node, o.fault.Shape, o.fault.Peer)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", node, o.fault.Shape, err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.answers == nil {
			o.answers = map[string]string{}
		}
		o.answers[node] = answer
		return nil
	})
}

// verify wants the answer of every node.
func (o *operation) verify(context.Context, time.Time) observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := observation{ok: true}
	var texts []string
	for _, node := range o.targets {
		answer, ok := o.answers[node]
		if !ok {
			seen.ok = false
			answer = "no answer"
		}
		texts = append(texts, node+": "+answer)
	}
	seen.text = strings.Join(texts, "; ")
	return seen
}

// heal does nothing: what was ordered is not taken back.
func (o *operation) heal(context.Context) error { return nil }

func (o *operation) healed(context.Context, time.Time) observation {
	return observation{ok: true, text: "the command is given; there is nothing to undo"}
}

func drawOperator(r *rand.Rand, nodes []string, _ bool, f *plan.Fault) {
	picked := shuffled(r, nodes)
	f.Targets = picked[:1:1]
	if f.Shape == Replace {
		f.Peer = picked[1]
	}
}

func describeOperator(_ []string, f *plan.Fault) string {
	who := strings.Join(f.Targets, " ")
	several := len(f.Targets) > 1
	verb := func(one, many string) string {
		if several {
			return who + " " + many
		}
		return who + " " + one
	}
	switch f.Shape {
	case Repair:
		return verb("is repaired", "are repaired")
	case Snapshot:
		return "a snapshot of " + who + " is taken"
	case Compact:
		return verb("compacts its log", "compact their logs")
	case Join:
		return verb("joins the ring", "join the ring")
	case Leave:
		return verb("leaves the ring", "leave the ring")
	case Replace:
		return verb("takes", "take") + " the place of " + f.Peer
	}
	return "an operator's command to " + who
}

func checkOperator(nodes []string, f *plan.Fault) error {
	if err := checkTargets(nodes, f); err != nil {
		return err
	}
	if f.Shape == "" {
		return errors.New("an operator's command without a shape: want repair, snapshot, compact, join, leave or replace")
	}
	if f.Shape == Replace && len(f.Targets) != 1 {
		return fmt.Errorf("%d nodes that take one place: want one target", len(f.Targets))
	}
	return checkPeer(f, Replace, "the node whose place is taken")
}

// checkPeer says whether a fault has a peer exactly if its shape needs one.
func checkPeer(f *plan.Fault, shape, what string) error {
	switch {
	case f.Shape == shape && f.Peer == "":
		return fmt.Errorf("%s without %q: name %s", shape, "peer", what)
	case f.Shape != shape && f.Peer != "":
		return fmt.Errorf("%q in a fault of the shape %s: only %s has it", "peer", f.Shape, shape)
	case slices.Contains(f.Targets, f.Peer):
		return fmt.Errorf("%s is its own peer: name another node", f.Peer)
	}
	return nil
}
