package workloads

import (
	"context"
	"strconv"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
)

// Session is conversations: one client asks a question and adds a remark to it,
// under two keys; another reads the question and then writes an answer, under
// a third; the others read the answer, the remark and the question, in that
// order. Each key by itself may be in perfect order, and still somebody sees
// the answer without its question: writes that depend on one another go to
// different replicas, and nothing keeps them in order.
//
// Who asks, who answers and who watches is drawn anew for each burst of
// operations; some watch the conversation of the burst before.
type Session struct{}

// Name returns "session".
func (Session) Name() string { return "session" }

// Describe says what the workload does.
func (Session) Describe() string {
	return "questions, remarks and answers under different keys, and clients that read the answer first: answers without their questions"
}

// Settings lists what clients do for their session.
func (Session) Settings() []target.Setting { return []target.Setting{sessionSetting} }

// Claims are the claims about the order of what a session reads and writes.
func (Session) Claims() []string {
	return []string{"consistent-prefix", "writes-follow-reads", "monotonic-writes", "causal", "pram",
		"linearizable", "no-lost-writes", "no-stale-reads", "monotonic-reads", "convergence", "no-phantom-values"}
}

// Occasional are read-your-writes, for few read a key that they have written, and no-dirty-reads.
func (Session) Occasional() []string { return []string{"read-your-writes", "no-dirty-reads"} }

// DefaultRate is 300 operations a second: each conversation leaves three keys to be read in the end.
func (Session) DefaultRate() float64 { return 300 }

// The three keys of a conversation.
const (
	question = "q"
	remark   = "n"
	answer   = "a"
)

// step is one of the operations of a burst.
type step struct {
	f   string
	key string
}

var (
	asks    = []step{{history.FWrite, question}, {history.FWrite, remark}, {history.FRead, answer}, {history.FRead, question}, {history.FRead, remark}}
	answers = []step{{history.FRead, question}, {history.FRead, question}, {history.FWrite, answer}, {history.FRead, remark}, {history.FRead, question}}
	watches = []step{{history.FRead, answer}, {history.FRead, remark}, {history.FRead, question}, {history.FRead, answer}, {history.FRead, question}}
)

// Main returns the operations of the main phase.
func (Session) Main(c Config) (generator.Generator, error) {
	if _, err := c.session(); err != nil {
		return nil, err
	}
	node := c.clientNodes()
	return generator.Function(func(worker, index int) (generator.Operation, bool) {
		burst := index / generator.Together
		number, steps := burst, watches
		asker := int(plan.Draw(c.Seed, "session/asker", uint64(burst)) % uint64(c.Concurrency))
		switch distance := (worker - asker + c.Concurrency) % c.Concurrency; {
		case distance == 0:
			steps = asks
		case distance == 1:
			steps = answers
		case distance%3 == 2 && burst > 0:
			number-- // what is over by now
		}
		s := steps[index%generator.Together]
		op := generator.Operation{F: s.f, Key: s.key + strconv.Itoa(number), Node: node(worker, index)}
		if s.f == history.FWrite {
			op.Value = history.IntValue(c.unique(worker, index))
		}
		return op, true
	}), nil
}

// Finals returns reads of every key on every node, shared out among the workers.
func (Session) Finals(c Config, keys []string) generator.Generator { return c.readEach(keys) }

// Perform reads or writes one of the keys.
func (Session) Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome {
	return c.performRegister(ctx, m, client, op)
}
