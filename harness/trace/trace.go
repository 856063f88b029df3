package trace

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
	// client is called "client" and the number of its worker: "client3".
	Node string `json:"node"`
	To   string `json:"to,omitempty"`
	// Arrived is when a message arrived, or when it would have; 0 if that was never decided.
	Arrived int64 `json:"arrived,omitempty"`
	Fate    Fate  `json:"fate,omitempty"`
	// Name is the message's kind, for instance "write", "written", "read-answer", "request", "reply".
	Name string `json:"name,omitempty"`
	Key  string `json:"key,omitempty"`
	// Found, Value and Version are what the message carries or the node holds;
	// Version is in the target's own notation and empty where there is none.
	Found   bool   `json:"found,omitempty"`
	Value   string `json:"value,omitempty"`
	Version string `json:"version,omitempty"`
}
