package workloads

import (
	"context"
	"fmt"
	"strconv"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Datacenters reads and writes registers as the register workload does, with
// clients that belong to a data centre each and ask its nodes only. What the
// clients of one centre write those of the other read, at the same keys: with
// levels that wait for the own centre alone they are told old values for as
// long as the link between the centres is slow or cut.
//
// The nodes are divided as the store divides them: into blocks of equal size, in order.
type Datacenters struct{}

// Name returns "datacenters".
func (Datacenters) Name() string { return "datacenters" }

// Describe says what the workload does.
func (Datacenters) Describe() string {
	return "reads and writes of shared registers by clients that ask the nodes of their own data centre only: what levels that stay in one centre give up"
}

// Settings lists the number of data centres beside those of the register workload.
func (Datacenters) Settings() []target.Setting {
	return append([]target.Setting{
		{Name: "datacenters", Default: "2", Values: "1…nodes", Help: "data centres, of as many nodes each; give the store the same number"},
	}, Register{}.Settings()...)
}

// Needs are as many data centres of the store.
func (Datacenters) Needs(settings map[string]string) map[string]string {
	return map[string]string{"datacenters": settings["datacenters"]}
}

// Claims are those of registers.
func (Datacenters) Claims() []string { return Register{}.Claims() }

// Occasional is that of registers.
func (Datacenters) Occasional() []string { return Register{}.Occasional() }

// DefaultRate is 500 operations a second.
func (Datacenters) DefaultRate() float64 { return 500 }

// LeastClients is one in each data centre.
func (Datacenters) LeastClients(settings map[string]string) int {
	n, _ := strconv.Atoi(settings["datacenters"])
	return n
}

// Main returns the operations of the main phase. A worker's centre is its
// number by that of the centres; within it some stay on a node and some roam.
func (Datacenters) Main(c Config) (generator.Generator, error) {
	centers, err := c.number("datacenters", 1)
	if err != nil {
		return nil, err
	}
	if len(c.Nodes)%centers != 0 {
		return nil, fmt.Errorf("workload setting datacenters=%d: %d nodes cannot be divided by it; set --nodes to a multiple", centers, len(c.Nodes))
	}
	if c.Concurrency < centers {
		return nil, fmt.Errorf("workload setting datacenters=%d: each needs a client, and there are %d; set --concurrency to at least %d", centers, c.Concurrency, centers)
	}
	if _, err := c.session(); err != nil {
		return nil, err
	}
	size := len(c.Nodes) / centers
	return c.readsAndWrites("datacenters", "r", func(worker, index int) string {
		own := c.Nodes[worker%centers*size:][:size]
		within := worker / centers
		if within%2 == 0 || c.Settings["session"] == "sticky" {
			return own[within/2%size]
		}
		return own[plan.Draw(c.Seed, "datacenters/node", uint64(worker), uint64(index))%uint64(size)]
	})
}

// Finals returns reads of every key on every node, of whatever centre.
func (Datacenters) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// Perform reads or writes the register.
func (Datacenters) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	switch op.F {
	case history.FRead, history.FWrite:
		return c.performRegister(ctx, m, client, op)
	}
	return unknownOperation(op)
}
