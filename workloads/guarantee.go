package workloads

import (
	"context"
	"fmt"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// What a client can do by itself for its session, where the store promises
// nothing (Terry et al., Session Guarantees, 1994, put both into the client's
// library). A store that answers reads from one replica may show a client an
// older value than it has read or written before. Two remedies, and their price:
//
//   - floor: the client remembers the greatest version of each key that it has
//     read or written, and asks again until it is shown one that is no older. It
//     reads its own writes and never goes back, on whatever node it asks; a read
//     that finds no such replica in time fails.
//   - sticky: the client stays on one node. If that answers from its own copy
//     (it is a home replica of the key, and r is 1), the client sees one replica
//     only, which does not go back. Its own writes it sees there only if that
//     copy is among those that acknowledged them, which w=1 alone does not say:
//     another replica may be quicker. When the node is gone, so are the
//     client's operations.

// sessionSetting is the setting of it.
var sessionSetting = target.Setting{Name: "session", Default: "none", Values: "none | floor | sticky",
	Help: "what clients do for their own session: nothing, ask again until what they are shown is no older than what they knew, or stay on one node"}

func (c Config) session() (string, error) { return c.choice("session", "none", "floor", "sticky") }

// clientNodes says which node a worker asks: see generator.Nodes. With
// session=sticky each worker has one node for the whole run.
func (c Config) clientNodes() func(worker, index int) string {
	if c.Settings["session"] == "sticky" {
		return func(worker, _ int) string { return c.Nodes[worker%len(c.Nodes)] }
	}
	return generator.Nodes(c.Nodes, c.Seed)
}

// mostReads is how often a client reads, with session=floor, before it gives up.
const mostReads = 100

// performRegister reads or writes a register, as the session's setting says.
func (c Config) performRegister(ctx context.Context, m *Memory, client target.Client, op generator.Operation) Outcome {
	register, ok := client.(target.Register)
	if !ok {
		return Outcome{Type: history.Fail, Error: "the target has no registers: choose another workload"}
	}
	if c.floor {
		ordered, ok := client.(target.Ordered)
		if !ok {
			return Outcome{Type: history.Fail, Error: "the target does not tell the order of its versions: set session=none"}
		}
		return performOrdered(ctx, m, ordered, op)
	}
	switch op.F {
	case history.FRead:
		reading, err := register.Read(ctx, op.Key)
		if err != nil {
			return failed(err, true)
		}
		return Outcome{Type: history.Ok, Value: valueRead(reading), Evidence: reading.Evidence}
	case history.FWrite:
		value, _ := op.Value.Int()
		evidence, err := register.Write(ctx, op.Key, value)
		if err != nil {
			return failed(err, false)
		}
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: evidence}
	}
	return unknownOperation(op)
}

// unknownOperation is the outcome of an operation that a workload does not have.
func unknownOperation(op generator.Operation) Outcome {
	return Outcome{Type: history.Fail, Error: "this workload has no operation " + op.F}
}

// performOrdered holds reads to the greatest version that the client knows of.
func performOrdered(ctx context.Context, m *Memory, client target.Ordered, op generator.Operation) Outcome {
	floor := m.Known(op.Key).Order
	switch op.F {
	case history.FRead:
		for range mostReads {
			reading, order, err := client.ReadOrdered(ctx, op.Key)
			if err != nil {
				return failed(err, true)
			}
			if order >= floor {
				m.Note(op.Key, Known{Order: order})
				return Outcome{Type: history.Ok, Value: valueRead(reading), Evidence: reading.Evidence}
			}
		}
		return Outcome{Type: history.Fail, Error: fmt.Sprintf("%d reads in a row returned something older than what the client had read or written", mostReads)}
	case history.FWrite:
		value, _ := op.Value.Int()
		order, evidence, err := client.WriteOrdered(ctx, op.Key, value)
		if err != nil {
			return failed(err, false)
		}
		m.Note(op.Key, Known{Order: max(order, floor)})
		return Outcome{Type: history.Ok, Value: op.Value, Evidence: evidence}
	}
	return unknownOperation(op)
}
