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
	node string
	// settings are the store's.
	settings *core.Settings
	answers  []answer
	next     int
	// asked says that there is a new call, and request what it is.
	asked   bool
	request core.Request
	// expired: the operation's time is over, and further calls fail at once.
	expired bool
}

// answer is how one call ended. What a client makes of the reply is made of it
// once, when it is first asked for.
type answer struct {
	reply    *core.Reply
	evidence *history.Evidence
	// letter is the place of the reply in World.replies, which is kept until
	// the operation is over; meaningless without a reply.
	letter uint32
	// err is why there is no reply.
	err error
	// made says that reading and problem are what a plain read makes of the reply.
	made    bool
	reading target.Reading
	problem error
}

var (
	errPending = &target.Error{Message: "the answer is not there yet"}
	errExpired = &target.Error{Message: "the operation's deadline is over"}
)

func (c *caller) begin(node string, answers []answer, expired bool) {
	// The request keeps what it was: it counts only when asked says so.
	c.node, c.answers, c.next, c.asked, c.expired = node, answers, 0, false, expired
}

// Ready is not part of an operation.
func (c *caller) Ready(context.Context) error { return errPending }

// Close is not part of an operation.
func (c *caller) Close() error { return nil }

// Read gets a key.
func (c *caller) Read(_ context.Context, key string) (target.Reading, error) {
	a, err := c.get(key)
	if err != nil {
		return target.Reading{}, err
	}
	if !a.made {
		a.made = true
		a.reading, a.problem = leaderless.Reading(c.node, key, a.reply, a.evidence)
	}
	return a.reading, a.problem
}

// Write puts a value under a key.
func (c *caller) Write(_ context.Context, key string, value int64) (*history.Evidence, error) {
	r := core.Request{Kind: core.RequestPut, Key: key}
	if c.fresh() {
		r.Value = strconv.AppendInt(nil, value, 10)
	}
	return c.change(&r)
}

// fresh says that the next call is one that was not made before: only then it
// matters what it asks for.
func (c *caller) fresh() bool { return c.next >= len(c.answers) && !c.asked && !c.expired }

// get makes the request of a plain read.
func (c *caller) get(key string) (*answer, error) {
	if c.fresh() {
		return c.call(&core.Request{Kind: core.RequestGet, Key: key})
	}
	return c.call(nil)
}

// change makes a request whose reply only says that it was done.
func (c *caller) change(r *core.Request) (*history.Evidence, error) {
	a, err := c.call(r)
	if err != nil {
		return nil, err
	}
	return leaderless.Written(a.reply, a.evidence)
}

// call returns the answer to the next call. Without one it is the call's
// error: that there will be none, or that it is not there yet, and then the
// call is noted as new.
func (c *caller) call(r *core.Request) (*answer, error) {
	if c.next < len(c.answers) {
		a := &c.answers[c.next]
		c.next++
		return a, a.err
	}
	if c.expired {
		return nil, errExpired
	}
	if !c.asked {
		c.asked, c.request = true, *r
	}
	return nil, errPending
}

// answerOf is the answer that a client has in a node's reply, which is at that
// place in World.replies. A pointer to it stays good when the store grows: the
// place is nobody else's until it is released.
func (w *World) answerOf(node int, letter uint32) answer {
	r := &w.replies.items[letter].reply
	a := answer{reply: r, letter: letter}
	if w.options.Record != nil {
		a.evidence = leaderless.Evidence(&w.settings, core.NodeID(node), r)
	}
	return a
}
