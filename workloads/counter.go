package workloads

import (
	"context"
	"errors"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Counter adds to counters and reads them. An acknowledged addition that is
// missing from a sum was lost, an addition too many was counted twice: both
// come from how clients and store share the work.
//
//   - how=crdt: the store adds (data-type=counter). Nothing is lost.
//   - how=read-modify-write: the client reads a register, adds and writes it
//     back. Of two that do so at once one is lost.
//
// A client whose addition was not answered does not know whether it was made.
// With retry=blind it asks again, and what was made is made twice; with
// retry=identified it asks again under the same identifier, which a store that
// remembers identifiers counts once.
type Counter struct{}

// Name returns "counter".
func (Counter) Name() string { return "counter" }

// Describe says what the workload does.
func (Counter) Describe() string {
	return "additions to counters, by the store or by clients that read and write back, and reads: lost and repeated additions"
}

// Settings lists the number of counters and how clients add.
func (Counter) Settings() []target.Setting {
	return []target.Setting{
		{Name: "keys", Default: "3", Values: "1…", Help: "counters in use at a time"},
		{Name: "operations-per-key", Default: "300", Values: "10…", Help: "operations on a counter, all clients together, before a new one is begun"},
		{Name: "adds", Default: "40", Values: "1…99", Help: "additions among the operations, in percent"},
		{Name: "decrements", Default: "0", Values: "0…100", Help: "additions of −1 instead of 1, in percent"},
		{Name: "how", Default: "crdt", Values: "crdt | read-modify-write", Help: "who adds: the store, or the client, which reads a register and writes the sum back"},
		{Name: "retry", Default: "none", Values: "none | blind | identified", Help: "what a client does about an addition that was not answered: give up, ask again, or ask again under the same identifier"},
	}
}

// Needs says which data type of the store the setting how is about.
func (Counter) Needs(settings map[string]string) map[string]string {
	if settings["how"] == "crdt" {
		return map[string]string{"data-type": "counter"}
	}
	return nil
}

// Claims are the claims that histories of counters can decide.
func (Counter) Claims() []string { return []string{"counter-bounds", "convergence"} }

// Occasional is linearizable: no counter of the bundled store is, and it takes long to decide with decrements.
func (Counter) Occasional() []string { return []string{"linearizable"} }

// DefaultRate is 300 operations a second.
func (Counter) DefaultRate() float64 { return 300 }

// Main returns the operations of the main phase.
func (Counter) Main(c Config) (generator.Generator, error) {
	keys, err := c.crowd("counter", "n")
	if err != nil {
		return nil, err
	}
	adds, err := c.percent("adds", 1, 99)
	if err != nil {
		return nil, err
	}
	decrements, err := c.percent("decrements", 0, 100)
	if err != nil {
		return nil, err
	}
	how, err := c.choice("how", "crdt", "read-modify-write")
	if err != nil {
		return nil, err
	}
	retry, err := c.choice("retry", "none", "blind", "identified")
	if err != nil {
		return nil, err
	}
	if how != "crdt" && retry == "identified" {
		return nil, errors.New("workload settings retry=identified and how=read-modify-write: a register remembers no identifiers; set retry=blind or how=crdt")
	}
	node := generator.Nodes(c.Nodes, c.Seed)
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		op := generator.Operation{F: history.FRead, Key: keys.key(worker, index), Node: node(worker, index)}
		if plan.Draw(c.Seed, "counter/add", uint64(worker), uint64(index))%100 < adds {
			op.F, op.Value = history.FAdd, history.IntValue(1)
			if plan.Draw(c.Seed, "counter/sign", uint64(worker), uint64(index))%100 < decrements {
				op.Value = history.IntValue(-1)
			}
		}
		return op, true
	}), nil
}

// Finals returns reads of every counter on every node.
func (Counter) Finals(c Config, keys []string) generator.Generator { return c.readAll(keys) }

// attempts is how often an addition is asked for at most.
const attempts = 4

// Perform reads the counter or adds to it.
func (Counter) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	add, read := adderOf(c, m, client)
	if add == nil {
		return Outcome{Type: history.Fail, Error: "the target has no counters: set how=read-modify-write, or choose another workload"}
	}
	switch op.F {
	case history.FRead:
		reading, err := read(ctx, op.Key)
		if err != nil {
			return failed(err, true)
		}
		return Outcome{Type: history.Ok, Value: history.IntValue(reading.Value), Evidence: reading.Evidence}
	case history.FAdd:
		by, _ := op.Value.Int()
		perhaps := false // an attempt may have been made
		var earlier []history.Evidence
		for attempt := 1; ; attempt++ {
			evidence, err := add(ctx, op.Key, by)
			if err == nil {
				return Outcome{Type: history.Ok, Value: op.Value, Evidence: repeating(evidence, earlier)}
			}
			perhaps = perhaps || !target.IsDefinite(err)
			if !perhaps || c.Settings["retry"] == "none" || attempt == attempts || ctx.Err() != nil {
				out := failed(err, false)
				if perhaps {
					out.Type = history.Info
				}
				out.Evidence = repeating(out.Evidence, earlier)
				return out
			}
			// Under the same identifier, or after reading again, it is no second addition for the store.
			if told := failed(err, false).Evidence; told != nil && c.Settings["retry"] == "blind" && c.Settings["how"] == "crdt" {
				earlier = append(earlier, *told)
			}
		}
	}
	return unknownOperation(op)
}

// repeating is the evidence with that of earlier attempts; evidence itself is not changed.
func repeating(evidence *history.Evidence, earlier []history.Evidence) *history.Evidence {
	if len(earlier) == 0 {
		return evidence
	}
	all := history.Evidence{}
	if evidence != nil {
		all = *evidence
	}
	all.Repeated = earlier
	return &all
}

// adderOf returns how this client adds to a counter and reads it; nil if it cannot.
func adderOf(c Config, m *Memory, client target.Client) (
	add func(ctx context.Context, key string, by int64) (*history.Evidence, error),
	read func(ctx context.Context, key string) (target.Reading, error),
) {
	if c.Settings["how"] != "crdt" {
		register, ok := client.(target.Register)
		if !ok {
			return nil, nil
		}
		return func(ctx context.Context, key string, by int64) (*history.Evidence, error) {
			reading, err := register.Read(ctx, key)
			if err != nil {
				return reading.Evidence, &target.Error{Definite: true, Message: "reading what to add to: " + err.Error()}
			}
			return register.Write(ctx, key, reading.Value+by)
		}, register.Read
	}
	counter, ok := client.(target.Counter)
	if !ok {
		return nil, nil
	}
	id := uint64(0)
	if c.Settings["retry"] == "identified" {
		id = m.Operation()
	}
	return func(ctx context.Context, key string, by int64) (*history.Evidence, error) {
		return counter.Add(ctx, key, by, id)
	}, counter.Count
}
