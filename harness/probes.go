package harness

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
	"github.com/refute-lab/refute/target"
)

// Ready returns once the node answers a real request, or when ctx ends.
func (r *Run) Ready(ctx context.Context, node string) error {
	return r.poll(ctx, 2*time.Millisecond, func(ctx context.Context) (bool, error) {
		client, err := r.connect(node)
		if err != nil {
			return false, err
		}
		defer client.Close()
		return true, client.Ready(ctx)
	})
}

// Clock asks the node what time it is.
func (r *Run) Clock(ctx context.Context, node string) (time.Time, error) {
	client, err := r.connect(node)
	if err != nil {
		return time.Time{}, err
	}
	defer client.Close()
	clock, ok := client.(target.Clock)
	if !ok {
		return time.Time{}, fmt.Errorf("the target does not tell its nodes' wall clocks")
	}
	return clock.Clock(ctx)
}

// Operate gives the node an operator's command and returns what it answered.
func (r *Run) Operate(ctx context.Context, node, command, peer string) (string, error) {
	client, err := r.connect(node)
	if err != nil {
		return "", err
	}
	defer client.Close()
	operator, ok := client.(target.Operator)
	if !ok {
		return "", fmt.Errorf("the target takes no commands")
	}
	return operator.Operate(ctx, command, peer)
}

// makeNemesis asks every agent what it can do and refuses, by name and with
// the remedy, a fault that could not be made or not be verified.
func (r *Run) makeNemesis(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	environment := nemesis.Environment{Target: r.plan.Target.Name, Capabilities: map[string]protocol.Capabilities{}}
	for _, node := range r.cluster.Nodes() {
		capabilities, err := r.cluster.Capabilities(ctx, node)
		if err != nil {
			return fmt.Errorf("asking the agent of %s what it can do: %w", node, err)
		}
		environment.Capabilities[node] = capabilities
	}
	client, err := r.connect(r.cluster.Nodes()[0])
	if err != nil {
		return err
	}
	defer client.Close()
	_, environment.TargetClock = client.(target.Clock)
	_, environment.TargetOperator = client.(target.Operator)
	if err := nemesis.Available(environment, faultKinds(r.plan.Schedule)); err != nil {
		return &UsageError{err}
	}
	config := nemesis.Config{Cluster: r.cluster, Ready: r, Recorder: r.recorder}
	if environment.TargetClock {
		config.Clock = r
	}
	if environment.TargetOperator {
		config.Operator = r
	}
	r.nemesis.Store(nemesis.New(config))
	return nil
}

// faultKinds lists the kinds that the schedule has, each once; none if it is empty.
func faultKinds(schedule []plan.Fault) []string {
	kinds := []string{}
	for _, f := range schedule {
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	return kinds
}
