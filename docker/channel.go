package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

const (
	// callFor bounds a request whose context has no deadline.
	callFor = 60 * time.Second
	// longestAnswer bounds a line of an agent, in bytes.
	longestAnswer = 1 << 20
)

// channel is the conversation with one agent, over the engine's attach stream.
type channel struct {
	node   string
	stream types.HijackedResponse
	event  func(protocol.Event)

	writing sync.Mutex // held while a line is written

	mu      sync.Mutex
	next    int64
	waiting map[int64]chan protocol.Response
	err     error // why the channel ended
	ended   chan struct{}
}

// newChannel reads the stream until it ends. event is called for each unasked
// line and must not block; diagnostics get what the agent writes to its standard error.
func newChannel(node string, stream types.HijackedResponse, event func(protocol.Event), diagnostics io.Writer) *channel {
	c := &channel{node: node, stream: stream, event: event, waiting: map[int64]chan protocol.Response{}, ended: make(chan struct{})}
	go func() {
		_, err := stdcopy.StdCopy(&lineWriter{line: c.line}, diagnostics, stream.Reader)
		if err == nil {
			err = errors.New("its pod ended")
		}
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		close(c.ended)
	}()
	return c
}

// call sends a request and waits for its answer.
func (c *channel) call(ctx context.Context, r protocol.Request) (protocol.Response, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callFor)
		defer cancel()
	}
	answer := make(chan protocol.Response, 1)
	c.mu.Lock()
	c.next++
	r.ID = c.next
	c.waiting[r.ID] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, r.ID)
		c.mu.Unlock()
	}()
	if err := c.send(r); err != nil {
		return protocol.Response{}, err
	}
	select {
	case response := <-answer:
		if response.Error != "" {
			return response, &AgentError{Node: c.node, Op: r.Op, Message: response.Error}
		}
		return response, nil
	case <-c.ended:
		return protocol.Response{}, &LostError{Node: c.node, Err: c.reason()}
	case <-ctx.Done():
		return protocol.Response{}, fmt.Errorf("node %s: %s: the agent does not answer: %w", c.node, r.Op, ctx.Err())
	}
}

// send writes one line. A request without ID gets no answer that anybody waits for.
func (c *channel) send(r protocol.Request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("node %s: %s: %w", c.node, r.Op, err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if _, err := c.stream.Conn.Write(append(line, '\n')); err != nil {
		return &LostError{Node: c.node, Err: err}
	}
	return nil
}

func (c *channel) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// line takes one line of the agent's.
func (c *channel) line(text []byte) {
	var m struct {
		protocol.Response
		protocol.Event
		// Both have a field of this name; this one, being shallower, is set.
		EventName string `json:"event"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		c.event(protocol.Event{Event: protocol.EventGone, Status: fmt.Sprintf("the agent said %q, which is no message", text)})
		return
	}
	if m.EventName != "" {
		m.Event.Event = m.EventName
		c.event(m.Event)
		return
	}
	c.mu.Lock()
	answer := c.waiting[m.ID]
	c.mu.Unlock()
	if answer != nil {
		answer <- m.Response
	}
}

// hangUp ends the agent's input: it undoes every fault and exits.
func (c *channel) hangUp() { _ = c.stream.CloseWrite() }

// close drops the connection.
func (c *channel) close() { c.stream.Close() }

// lineWriter cuts what is written into lines.
type lineWriter struct {
	line func([]byte)
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		if len(w.rest) > 0 {
			w.line(append(w.rest, p[:i]...))
			w.rest = nil
		} else {
			w.line(p[:i])
		}
		p = p[i+1:]
	}
	if len(w.rest)+len(p) > longestAnswer {
		return 0, fmt.Errorf("a line is longer than %d bytes", longestAnswer)
	}
	w.rest = append(w.rest, p...)
	return n, nil
}
