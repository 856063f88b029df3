package sim

import (
	"context"
	"strconv"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// caller is the client that a workload is given. A workload's Perform is plain
// code that waits for answers; here nothing can wait. So it is performed
// again from the start with each answer that comes in: the calls whose answers
// are known return them at once, the first one that is new is noted as the
// request to send, and what Perform makes of the placeholder that it gets for
// it is thrown away. It needs of Perform what the simulation needs anyhow:
// that it depends on nothing but its arguments and the answers. Coroutines
// would do the same; they cost several times as much.
type caller struct {
	answers []answer
	next    int
	// asked says that there is a new call, and request what it is.
	asked   bool
	request core.Request
	// expired: the operation's time is over, and further calls fail at once.
	expired bool
}

var (
	_ target.Client   = (*caller)(nil)
	_ target.Register = (*caller)(nil)
)

// answer is how one call ended.
type answer struct {
	reading  target.Reading
	evidence *history.Evidence
	// reply is the node's own, but for plain reads and writes, of which the above says all.
	reply core.Reply
	err   error
}

var (
	errPending = &target.Error{Message: "the answer is not there yet"}
	errExpired = &target.Error{Message: "the operation's deadline is over"}
)

func (c *caller) begin(answers []answer, expired bool) {
	*c = caller{answers: answers, expired: expired}
}

// Ready is not part of an operation.
func (c *caller) Ready(context.Context) error { return errPending }

// Close is not part of an operation.
func (c *caller) Close() error { return nil }

// Read gets a key.
func (c *caller) Read(_ context.Context, key string) (target.Reading, error) {
	if a := c.call(&core.Request{Kind: core.RequestGet, Key: key}); a != nil {
		return a.reading, a.err
	}
	return target.Reading{}, c.placeholder()
}

// Write puts a value under a key.
func (c *caller) Write(_ context.Context, key string, value int64) (*history.Evidence, error) {
	if a := c.call(&core.Request{Kind: core.RequestPut, Key: key, Value: strconv.AppendInt(nil, value, 10)}); a != nil {
		return a.evidence, a.err
	}
	return nil, c.placeholder()
}

func (c *caller) placeholder() error {
	if c.expired {
		return errExpired
	}
	return errPending
}

// call returns the answer to the next call, or nil and notes it as new.
func (c *caller) call(r *core.Request) *answer {
	if c.next < len(c.answers) {
		c.next++
		return &c.answers[c.next-1]
	}
	if !c.asked && !c.expired {
		c.asked, c.request = true, *r
	}
	return nil
}

// answerOf is what a client makes of the node's reply.
func (w *World) answerOf(q *core.Request, node int, r *core.Reply) answer {
	var evidence *history.Evidence
	if w.options.Record != nil {
		evidence = leaderless.Evidence(&w.settings, core.NodeID(node), r)
	}
	var a answer
	switch {
	case q.Kind == core.RequestGet && r.Siblings == nil:
		a.reading, a.err = leaderless.Reading(w.nodes[node], q.Key, r, evidence)
	case simple(q):
		a.evidence, a.err = leaderless.Written(r, evidence)
	default:
		a.reply, a.evidence = *r, evidence
		if r.Status != core.StatusOK {
			_, a.err = leaderless.Written(r, evidence)
		}
	}
	return a
}
