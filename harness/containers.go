package harness

import (
	"context"
	"fmt"
	"sync"

	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
	"github.com/refute-lab/refute/target"
)

// containers is a Cluster of containers.
type containers struct {
	*docker.Cluster
	system  target.System
	crashes chan Crash
	expired chan Expiry
	closed  chan struct{}
	once    sync.Once
}

// newContainers makes the cluster's network and knows its addresses; no node is started yet.
func newContainers(ctx context.Context, engine *docker.Engine, system target.System, o docker.Options) (*containers, error) {
	cluster, err := engine.NewCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &containers{Cluster: cluster, system: system, crashes: make(chan Crash), expired: make(chan Expiry), closed: make(chan struct{})}
	go c.forward(o.Log)
	return c, nil
}

// Start brings all nodes up side by side.
func (c *containers) Start(ctx context.Context) error {
	var peers []target.Peer
	for _, node := range c.Nodes() {
		peers = append(peers, target.Peer{Name: node, Address: c.Address(node)})
	}
	var specs []docker.Spec
	for _, node := range c.Nodes() {
		spec, err := c.system.Node(node, peers)
		if err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
		specs = append(specs, docker.Spec{Node: node, Image: spec.Image, Program: spec.Program,
			Entrypoint: spec.Entrypoint, Command: spec.Command, Environment: spec.Environment,
			ClientPort: spec.ClientPort, DataDirectory: spec.DataDirectory})
	}
	return c.Cluster.Start(ctx, specs)
}

// Close removes everything.
func (c *containers) Close(ctx context.Context) error {
	c.once.Do(func() { close(c.closed) })
	return c.Cluster.Close(ctx)
}

// Crashes tells of processes that ended although nobody had asked for it.
func (c *containers) Crashes() <-chan Crash { return c.crashes }

// Expired tells of faults whose lease ran out before they were healed.
func (c *containers) Expired() <-chan Expiry { return c.expired }

// forward sorts the agents' unasked messages: unexpected exits are crashes,
// a lease that ran out is worth a line in the log.
func (c *containers) forward(log func(string)) {
	defer close(c.crashes)
	defer close(c.expired)
	for e := range c.Events() {
		switch {
		case e.Event.Event == protocol.EventExit && !e.Event.Expected:
			select {
			case c.crashes <- Crash{Node: e.Node, Status: e.Event.Status}:
			case <-c.closed: // nobody listens any more
			}
		case e.Event.Event == protocol.EventLease:
			log(fmt.Sprintf("%s: the lease of %s ran out before it was healed: the agent undid the fault by itself", e.Node, e.Event.Fault))
			select {
			case c.expired <- Expiry{Node: e.Node, Fault: e.Event.Fault}:
			case <-c.closed:
			}
		}
	}
}
