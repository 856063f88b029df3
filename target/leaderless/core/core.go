package core

// NodeID is a node's position in Settings.Nodes.
type NodeID uint8

// Now is the pair of clocks of a node, in nanoseconds. Mono never goes back
// and measures durations (timers, timeouts); Wall is what the node believes
// the time of day to be, may be skewed and may jump. Only versions use Wall.
type Now struct {
	Mono int64
	Wall int64
}

// Version orders the values of a key: by Time, then Node, then Incarnation,
// then Sequence. The first two are the "(timestamp, node)" of last write wins;
// the other two make a version unique even when a node that was killed in the
// middle of a write chooses the same timestamp again after its restart.
// The zero Version is older than every other and means "never written".
type Version struct {
	// Time is nanoseconds of a wall clock (the coordinator's or the client's)
	// or, for writers that fetch first, one more than the greatest that was fetched.
	Time int64
	// Node coordinated the write.
	Node NodeID
	// Incarnation counts the starts of Node.
	Incarnation uint32
	// Sequence numbers the writes of one incarnation.
	Sequence uint32
}

// Cell is what a replica stores under a key.
type Cell struct {
	Version   Version
	Value     []byte // never changed once it is in a cell
	Tombstone bool   // the key was deleted by the write of that version
	// Object is the key's state where it is more than that; nil with last write
	// wins. Version is then the greatest one in it, and Value and Tombstone are empty.
	Object Object
}

// EventKind says what an Event is.
type EventKind uint8

// The kinds of events.
const (
	// EventMessage is a message from another node.
	EventMessage EventKind = iota + 1
	// EventRequest is a request of a client to this node.
	EventRequest
	// EventTimer is a timer that this node had set; ID is its identifier.
	EventTimer
	// EventDurable says that the Persist effect of that ID is as durable as the fsync mode promises.
	EventDurable
	// EventAdmin is a command of an operator to this node.
	EventAdmin
)

// Event is one thing that happens to a node.
type Event struct {
	Kind    EventKind
	Message *Message
	Request *Request
	Admin   *Admin
	ID      uint64
}

// RequestKind says what a client wants.
type RequestKind uint8

// The kinds of client requests.
const (
	RequestGet RequestKind = iota + 1
	RequestPut
	RequestDelete
	// RequestUpdate applies Operand to the key's data type.
	RequestUpdate
	// RequestCompareAndSet writes Value if Condition holds; see lightweight.go.
	RequestCompareAndSet

	lastRequestKind = RequestCompareAndSet
)

// Request is what a client asks a node, which becomes the coordinator.
type Request struct {
	// ID is chosen by the driver and comes back in the Reply, and in
	// Message.Origin; a driver that reads the latter starts at 1.
	ID   uint64
	Kind RequestKind
	Key  string
	// Value is what RequestPut writes. The node keeps it: it must not be changed afterwards.
	Value []byte
	// N, R, W override the settings for this request; 0 leaves them.
	N, R, W int
	// Level, PR, PW and DW, too; see level.go. 0 leaves them.
	Level      Level
	PR, PW, DW int
	// Context is the causal context of the read that a write follows; nil for a blind write.
	Context []byte
	// Operand is what RequestUpdate does.
	Operand *Operand
	// Condition is what RequestCompareAndSet asks for; nil is ConditionNone. If it
	// holds, Value is written or, with the Operand OperandDrop, the key is deleted.
	Condition *Condition
	// Timestamp, in nanoseconds, is the client's choice when the settings
	// take timestamps from clients; 0 otherwise.
	Timestamp int64

	// relay is whose request it is, if another node handed it on.
	relay *relay
}

// Operand is one operation on a data type.
type Operand struct {
	Kind OperandKind
	// Field is the member of a map that it is about; empty for the key itself.
	Field string
	// Element is what is added to or removed from a set, or the value of a register.
	Element []byte
	// By is how much is added to a counter; negative to subtract.
	By int64
	// ID, if not 0, names an addition to a counter: done twice under one ID it
	// counts once, within the bounds that counter.go tells.
	ID uint64
	// Columns are what OperandColumns writes.
	Columns []Column
}

// OperandKind says what an Operand does.
type OperandKind uint8

// The kinds of operands.
const (
	// OperandAdd adds By to a counter.
	OperandAdd OperandKind = iota + 1
	// OperandInsert and OperandRemove put Element into a set or take it out.
	OperandInsert
	OperandRemove
	// OperandAssign gives a member of a map that is a register the value Element.
	OperandAssign
	// OperandDrop removes the member Field of a map.
	OperandDrop
	// OperandColumns writes several columns of a row under one version.
	OperandColumns

	lastOperandKind = OperandColumns
)

// Condition is what must hold for a compare-and-set to write.
type Condition struct {
	Kind ConditionKind
	// Value is what must be there, for ConditionEqual.
	Value []byte
}

// ConditionKind says what a Condition asks for.
type ConditionKind uint8

// The kinds of conditions.
const (
	// ConditionNone holds always: the write is ordered with other
	// compare-and-sets but depends on nothing.
	ConditionNone ConditionKind = iota
	// ConditionEqual holds if the key has exactly that value.
	ConditionEqual
	// ConditionAbsent holds if the key has no value.
	ConditionAbsent

	lastConditionKind = ConditionAbsent
)

// Admin is a command of an operator. The node answers with a Reply of that ID
// as soon as it has begun, or says why it can't; Pending tells when it is done.
type Admin struct {
	ID   uint64
	Kind AdminKind
	// Node is the one that the command is about: that which leaves, or is replaced.
	Node NodeID
	// Key is the one that AdminVersions is about.
	Key string
}

// AdminKind says what an operator wants.
type AdminKind uint8

// The kinds of commands.
const (
	// AdminRepair compares all ranges of this node with all their replicas.
	AdminRepair AdminKind = iota + 1
	// AdminJoin makes this node a member of the ring.
	AdminJoin
	// AdminLeave lets this node hand its ranges over and leave the ring.
	AdminLeave
	// AdminReplace lets this node take the place of Node, which is gone for good.
	AdminReplace

	// AdminVersions asks every node what it holds of Key; the Reply, which comes when
	// they have answered or the time is over, has it in Survey.
	AdminVersions
)

// ReplyStatus says how a request ended.
type ReplyStatus uint8

// The outcomes of a request.
const (
	// StatusOK: done as the quorum demands.
	StatusOK ReplyStatus = iota + 1
	// StatusDefinite: certainly not done and never will be (nothing was sent to any replica).
	StatusDefinite
	// StatusIndeterminate: may have been done, or may still be.
	StatusIndeterminate
)

// Reply answers a Request.
type Reply struct {
	ID     uint64
	Status ReplyStatus
	// Code is a stable word for programs: "unavailable", "timeout", "bad-request" …; empty for StatusOK.
	Code string
	// Message says what went wrong, for people; empty for StatusOK.
	Message string
	// Found and Cell are the result of a get; Cell.Version also that of a put.
	Found bool
	Cell  Cell
	// Siblings are all the values that a get found, and Context what a client
	// hands back with the write that takes their place; nil with last write
	// wins, where Cell says it all. A put of such a key tells the same of its
	// outcome as far as the replica that coordinated it knew.
	Siblings []Sibling
	Context  []byte
	// Applied says that the condition of a compare-and-set held and the value
	// was written. If not, Found and Cell are what was there instead.
	Applied bool
	// Survey answers AdminVersions: the key's home replicas in order, then the other nodes.
	Survey []Held
	// Evidence is who did what.
	Evidence Evidence

	// relay is whose reply it is, if another node handed the request on.
	relay *relay
}

// Evidence is what the coordinator knows about one request's course.
type Evidence struct {
	// Required is the quorum: r or w, as used for this request.
	Required int
	// Coordinator is who carried the request out where it was Forwarded; else
	// the node that replies.
	Coordinator NodeID
	Forwarded   bool
	// Replicas are those that were asked, in the order of the preference list.
	Replicas []ReplicaEvidence
	// Phases are the steps taken, in order: "fetch", "update", "write", "read",
	// "write-back", "repair", and of compare-and-sets "prepare", "propose", "commit".
	Phases []string
	// Level is the consistency level that Required comes from; LevelNumbers where it is a number.
	Level Level
	// Hints are the nodes for which a hint was written before the reply.
	Hints []NodeID
	// Took is the time from the request to the reply, in nanoseconds of
	// Now.Mono, at least one.
	Took int64
	// Grace is, of a deletion, for how long its tombstone is kept at least, in
	// nanoseconds; 0: for ever.
	Grace int64
	// Causal is what causal clocks say of it; nil where keys have none.
	Causal *CausalEvidence
}

// ReplicaEvidence is one replica's part in a request.
type ReplicaEvidence struct {
	Node NodeID
	// Answered before the reply, and Counted toward the quorum.
	Answered, Counted bool
	// Version is what it returned to a get or a fetch.
	Version Version
	// RoundTrip is how long the replica took to answer the coordinator in the
	// latest other request of this kind (a read for a get, else a write) whose
	// answer had come by the reply, in nanoseconds of Now.Mono; 0 if there was none.
	RoundTrip int64
	// Repaired says that it acknowledged a write-back or a blocking repair of
	// this get before the reply.
	Repaired bool
	// Fetched says that it answered the fetch of this put in time for the
	// version to be chosen after its answer, which is Version.
	Fetched bool
	// StandsIn says that the node was asked in place of HintFor (sloppy quorum).
	StandsIn bool
	HintFor  NodeID
}

// Timer asks for an EventTimer with that ID, After nanoseconds of Now.Mono later.
type Timer struct {
	ID    uint64
	After int64
}

// Persist asks the driver to append a record to the durable log. The driver
// answers with EventDurable{ID} once the fsync mode's promise for it holds.
// Records are opaque to the driver and come back, in order, in Boot.
type Persist struct {
	ID     uint64
	Record []byte
	// Eager says that the core does not wait for EventDurable before it acts
	// on the record (it acknowledged before the log was written): a driver
	// may then keep it in a buffer in its own memory for a while, which is
	// what a store that acknowledges early does.
	Eager bool
}

// Effects is what a node wants from the world after one step. It is reused
// from step to step: the driver must have consumed it before the next one.
// The slices within messages, replies and records may be kept but not changed:
// values are shared with the node's own cells.
type Effects struct {
	Messages []Message
	Replies  []Reply
	Timers   []Timer
	Persist  []Persist
}

// Reset empties the effects and keeps their memory, but nothing that they pointed to.
func (e *Effects) Reset() {
	release(e.Messages)
	for i := range e.Replies {
		r := &e.Replies[i]
		r.Code, r.Message, r.Cell.Value, r.Cell.Object, r.Siblings, r.Context, r.Survey, r.Evidence = "", "", nil, nil, nil, nil, nil, Evidence{}
	}
	for i := range e.Persist {
		e.Persist[i].Record = nil
	}
	e.Messages, e.Replies, e.Timers, e.Persist = e.Messages[:0], e.Replies[:0], e.Timers[:0], e.Persist[:0]
}

// release drops what the messages point to. That is enough for memory that will
// be overwritten, and faster than to clear it.
func release(messages []Message) {
	for i := range messages {
		m := &messages[i]
		m.Key, m.Cell.Value = "", nil
		if m.Cell.Object != nil || m.Body != nil {
			m.Cell.Object, m.Body = nil, nil
		}
	}
}
