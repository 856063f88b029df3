package docker

import (
	"sync"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// NodeEvent is what an agent said unasked, or what became of it.
type NodeEvent struct {
	// Node is the node's name.
	Node string
	protocol.Event
}

// queue passes events on without ever making their source wait: the source is
// the reader of an agent's answers.
type queue struct {
	out  chan NodeEvent
	done chan struct{}
	wake chan struct{}

	mu     sync.Mutex
	events []NodeEvent
}

func newQueue() *queue {
	q := &queue{out: make(chan NodeEvent), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go q.run()
	return q
}

func (q *queue) put(e NodeEvent) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run closes out when the queue is closed; what nobody took by then is dropped.
func (q *queue) run() {
	defer close(q.out)
	for {
		q.mu.Lock()
		events := q.events
		q.events = nil
		q.mu.Unlock()
		for _, e := range events {
			select {
			case q.out <- e:
			case <-q.done:
				return
			}
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-q.wake:
		case <-q.done:
			return
		}
	}
}

func (q *queue) close() { close(q.done) }
