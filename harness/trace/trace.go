package trace

import (
	"fmt"
	"strconv"
	"strings"
)

// Fate says what became of a message.
type Fate string

// The fates of messages.
const (
	// Delivered: it arrived and was handed to the receiver.
	Delivered Fate = "delivered"
	// Cut: the link was cut by a partition.
	Cut Fate = "cut"
	// Lost: the network lost it.
	Lost Fate = "lost"
	// Dead: the receiver was down when it arrived.
	Dead Fate = "dead"
)

// Kind says what an Event tells.
type Kind string

// The kinds of events.
const (
	// Message is a message from one node to another, or between a client and a
	// node: a request, which has the kind's name "request", or its "reply".
	Message Kind = "message"
	// State says that from Time on the node answers reads of Key with Value.
	State Kind = "state"
	// Down and Up say that the node's process ended and started.
	Down Kind = "down"
	Up   Kind = "up"
)

// Event is one line of a trace.
type Event struct {
	Kind Kind `json:"kind"`
	// Time is when it happened, in nanoseconds since the run's start: the
	// sending of a message, the change of a state.
	Time int64 `json:"time"`
	// Operation is the index of the invocation in the history on whose behalf
	// it happened, or -1 (a hint that is handed over, a restart).
	Operation int64 `json:"operation"`
	// Node is where it happened; a message's receiver's name is in To. A
	// client is called "client" and the number of its worker: "client3"; see Client.
	Node string `json:"node"`
	To   string `json:"to,omitempty"`
	// Arrived is when a message arrived, or when it would have; 0 if that was never decided.
	Arrived int64 `json:"arrived,omitempty"`
	// Fate is what became of a message; empty if it was still under way when the run ended.
	Fate Fate `json:"fate,omitempty"`
	// Name is the message's kind, for instance "write", "written", "read-answer", "request", "reply".
	Name string `json:"name,omitempty"`
	Key  string `json:"key,omitempty"`
	// Found, Value and Version are what the message carries or the node holds;
	// Version is in the target's own notation and empty where there is none.
	Found   bool   `json:"found,omitempty"`
	Value   string `json:"value,omitempty"`
	Version string `json:"version,omitempty"`
}

// clientPrefix begins the names of clients.
const clientPrefix = "client"

// Client is the name of a worker's client in traces: "client3".
func Client(worker int) string { return clientPrefix + strconv.Itoa(worker) }

// Worker is the inverse of Client; ok is false for a node's name.
func Worker(name string) (worker int, ok bool) {
	digits, found := strings.CutPrefix(name, clientPrefix)
	if !found {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 0 && Client(n) == name
}

// Validate says whether the event is one that a trace may hold. The error
// names the field and what it should be.
func (e *Event) Validate() error {
	if e.Time < 0 {
		return fmt.Errorf("time %d: want nanoseconds since the run's start", e.Time)
	}
	if e.Node == "" {
		return fmt.Errorf("node is missing: want where it happened")
	}
	switch e.Kind {
	case Message:
		return e.validateMessage()
	case State, Down, Up:
		if e.To != "" || e.Fate != "" || e.Arrived != 0 {
			return fmt.Errorf("kind %q with to, fate or arrived: only messages have them", e.Kind)
		}
		return nil
	}
	return fmt.Errorf("kind %q: want %s, %s, %s or %s", e.Kind, Message, State, Down, Up)
}

func (e *Event) validateMessage() error {
	switch {
	case e.To == "":
		return fmt.Errorf("to is missing: a message has a receiver")
	case e.Name == "":
		return fmt.Errorf("name is missing: want the message's kind, for instance %q", "write")
	case e.Arrived != 0 && e.Arrived < e.Time:
		return fmt.Errorf("arrived %d: want no time before the sending at %d", e.Arrived, e.Time)
	}
	switch e.Fate {
	case Delivered, Dead:
		if e.Arrived < e.Time {
			return fmt.Errorf("arrived is missing: a message that is %s has reached its receiver", e.Fate)
		}
	case Cut, Lost, "":
	default:
		return fmt.Errorf("fate %q: want %s, %s, %s, %s or none", e.Fate, Delivered, Cut, Lost, Dead)
	}
	return nil
}
