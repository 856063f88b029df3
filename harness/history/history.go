package history

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Type says what an event of a history is: the invocation of an operation or
// one of the three ways in which it can complete.
//
// The words and their meaning are Jepsen's (jepsen/src/jepsen/core.clj and
// the history library's Op): an operation whose client could not learn what
// became of it is info, never fail.
type Type uint8

// The four event types. The zero value is no valid type.
const (
	// Invoke: a process asked for the operation.
	Invoke Type = iota + 1
	// Ok: the operation certainly took effect, between its invocation and this completion.
	Ok
	// Fail: the operation certainly did not take effect and never will.
	Fail
	// Info: the operation may have taken effect, or may still do so at any later time.
	Info
)

// String returns the type as it stands in a history file: "invoke", "ok", "fail" or "info".
func (t Type) String() string {
	switch t {
	case Invoke:
		return "invoke"
	case Ok:
		return "ok"
	case Fail:
		return "fail"
	case Info:
		return "info"
	}
	return "Type(" + strconv.Itoa(int(t)) + ")"
}

// ParseType is the inverse of Type.String.
func ParseType(s string) (Type, error) {
	switch s {
	case "invoke":
		return Invoke, nil
	case "ok":
		return Ok, nil
	case "fail":
		return Fail, nil
	case "info":
		return Info, nil
	}
	return 0, fmt.Errorf("event type %q: want invoke, ok, fail or info", s)
}

// Process numbers a logical single-threaded client. Its worker is the number
// modulo the run's concurrency: after an Info completion the number is retired
// and the worker goes on as the old number plus the concurrency.
type Process int64

// Nemesis is the process under which faults and phases are recorded. It is
// written "nemesis" in files. Unlike a client's, its operations may overlap;
// they are paired by (F, Key).
const Nemesis Process = -1

// The operation names ("f") that are known to checkers. Nemesis operations use FInject, FHeal and FPhase.
const (
	// FRead reads Key: a register's Output is an Int or Nil (not found), a set's a List.
	FRead = "read"
	// FWrite writes the Int in Value to the register Key.
	FWrite = "write"
	// FCAS is a compare-and-set: Value is a List of two, expected and new.
	FCAS = "cas"
	// FDelete deletes the register Key: a read then finds nothing until it is written again. It has no Value.
	FDelete = "delete"
	// FAdd adds the Int in Value to the set Key (whose reads return a List), or
	// to the counter Key (whose reads return an Int).
	FAdd = "add"
	// FAppend appends the text in Value (a JSON string) to the text Key, whose reads return all of it.
	FAppend = "append"
	// FEnqueue and FDequeue put the Int in Value into the queue Key, and take
	// one out: the ok completion of FDequeue has it, or Nil if the queue was empty.
	FEnqueue = "enqueue"
	FDequeue = "dequeue"
	// FTransaction reads and writes several registers at one instant: Value is
	// a JSON list of [f, key, value], where f is "r" or "w" and the value of a
	// read is null in the invocation.
	FTransaction = "txn"
	// FDump is a replica's whole state, read after the target became quiet and
	// before the final reads; Node names the replica, the ok event's Value is a JSON Dump.
	FDump = "dump"
	// FInject and FHeal are the two ends of a fault; Key is the fault's identifier, Value a JSON Fault.
	FInject = "inject"
	FHeal   = "heal"
	// FPhase spans a phase of the run (Key: one of the Phase constants), from its invoke to its ok event.
	FPhase = "phase"
	// FCrash says that a node's process ended although no fault had asked for
	// it; Key is the node and a number, the completion is info and its error the exit status.
	FCrash = "crash"
)

// The phases of a run, as the Key of FPhase operations, in their order.
const (
	PhaseMain   = "main"        // clients and nemesis
	PhaseHeal   = "heal"        // every fault is healed
	PhaseQuiet  = "quiet"       // waiting until the target reports itself quiet
	PhaseDumps  = "dumps"       // replica dumps
	PhaseFinals = "final-reads" // every key is read on every node
)

// Kind says what a Value holds.
type Kind uint8

const (
	// Absent: there is no value at all (the field is missing in the file).
	Absent Kind = iota
	// Nil: JSON null. As a read's output it means "not found".
	Nil
	// Int: a signed 64-bit integer.
	Int
	// List: a list of integers.
	List
	// Raw: any other JSON, kept as it was.
	Raw
)

// Value is the argument or the result of an operation. It is small (24 bytes)
// because histories hold millions of them. The zero Value is Absent.
type Value struct {
	kind Kind
	num  int64
	ext  *extension
}

type extension struct {
	list []int64
	raw  json.RawMessage
}

// NilValue is JSON null: as a read's output, "not found".
func NilValue() Value { return Value{kind: Nil} }

// IntValue holds n.
func IntValue(n int64) Value { return Value{kind: Int, num: n} }

// ListValue holds the list, which must not be changed afterwards.
func ListValue(list []int64) Value { return Value{kind: List, ext: &extension{list: list}} }

// RawValue holds any JSON text, which must be valid and must not be changed afterwards.
func RawValue(raw json.RawMessage) Value { return Value{kind: Raw, ext: &extension{raw: raw}} }

// Kind says what the value holds.
func (v Value) Kind() Kind { return v.kind }

// Int returns the integer of an Int value; ok is false for every other kind.
func (v Value) Int() (n int64, ok bool) { return v.num, v.kind == Int }

// List returns the integers of a List value, or nil for every other kind. It must not be changed.
func (v Value) List() []int64 {
	if v.kind != List {
		return nil
	}
	return v.ext.list
}

// Raw returns the JSON text of a Raw value, or nil for every other kind.
func (v Value) Raw() json.RawMessage {
	if v.kind != Raw {
		return nil
	}
	return v.ext.raw
}

// Event is one line of a history: an invocation or a completion.
type Event struct {
	// Index is the event's position in the history, from 0, without gaps.
	Index int64
	// Time is in nanoseconds since the run's start, on one monotonic clock.
	Time int64
	// Process is who did it.
	Process Process
	// Type is the event's type.
	Type Type
	// F is the operation's name: one of the F constants, or a target's own.
	F string
	// Key is the object that the operation is about; may be empty.
	Key string
	// Value is the argument (invoke) or the result (completion).
	Value Value
	// Error says why a Fail or Info completion is one; empty otherwise.
	Error string
	// Node is the node that the client spoke to; may be empty.
	Node string
	// Evidence is what the target told about the operation beside its result; may be nil.
	Evidence *Evidence
}

// Infinity is the End of an operation that has no definite completion.
const Infinity int64 = math.MaxInt64

// Operation is an invocation together with its completion. Its evidence stays
// in the file (see EvidenceReader), so that a million operations fit in memory.
type Operation struct {
	// Index is the index of the invocation, and the operation's name in witnesses.
	Index int64
	// Completion is the index of the completion, or -1 where the history ends before it.
	Completion int64
	// Start and End are the times of both, in nanoseconds since the run's
	// start. End is Infinity for Info and for an operation without completion.
	Start, End int64
	// Process, F, Key and Node are those of the events.
	Process Process
	F       string
	Key     string
	Node    string
	// Input is the invocation's value, Output the completion's.
	Input, Output Value
	// Error is the completion's.
	Error string
	// Type is Ok, Fail or Info; Info also where there is no completion.
	Type Type
}

// Evidence is what a target tells about one operation beside its result.
// Checkers never need it; explanations do.
type Evidence struct {
	// Coordinator is the node that carried the operation out for the client.
	Coordinator string `json:"coordinator,omitempty"`
	// Required is how many replicas had to answer (w for a write, r for a read).
	Required int `json:"required,omitempty"`
	// Version is the version that was written or returned, in the target's own notation.
	Version string `json:"version,omitempty"`
	// Timestamp is that version's time where the target orders versions by
	// wall clocks, in nanoseconds since 1970; 0 where it does not, or where
	// nothing was found.
	Timestamp int64 `json:"timestamp,omitempty"`
	// Took is how long the coordinator was at it by its own clock, from the
	// request to the reply, in nanoseconds; 0 where it does not tell.
	Took int64 `json:"took,omitempty"`
	// Counter is that version's place in the target's order where writers read
	// the greatest one and add to it, so that no clock decides; 0 where it is
	// not so, or where nothing was found. Never set together with Timestamp.
	Counter int64 `json:"counter,omitempty"`
	// Arrival says that the target has no order of versions: a replica keeps
	// what arrives last. Neither Timestamp nor Counter is set then.
	Arrival bool `json:"arrival,omitempty"`
	// Replicas lists every replica that was asked, in the order of the preference list.
	Replicas []ReplicaEvidence `json:"replicas,omitempty"`
	// Phases names what the coordinator did, in order, for instance "fetch",
	// "write", "write-back", or of a compare-and-set by consensus "prepare",
	// "propose", "commit".
	Phases []string `json:"phases,omitempty"`
	// Level is the consistency level that Required comes from, as Cassandra
	// names it ("local-quorum"); empty where it is a number, or the target has none.
	Level string `json:"level,omitempty"`
	// Hints lists the replicas for which a hint was written during the operation.
	Hints []string `json:"hints,omitempty"`
	// Grace is, of a deletion, for how long the target keeps its tombstone at
	// least, in nanoseconds; 0 where it keeps it for ever, or does not tell.
	Grace int64 `json:"grace,omitempty"`
	// Causal is what it knows of causality; nil where the target has no causal clocks.
	Causal *CausalEvidence `json:"causal,omitempty"`
	// Repeated is what the target told of earlier attempts at the same
	// operation, of which the client did not say that they are the same.
	Repeated []Evidence `json:"repeated,omitempty"`
}

// CausalEvidence is what a target with causal clocks told of an operation. An
// actor is who numbers its writes of a key, by whatever name the target gives it.
type CausalEvidence struct {
	// Clocks says how the target tells siblings from what is out of date:
	// "vector-clock" (one vector for the key), "version-vector" (one for each
	// value) or "dotted" (one for the key, and a dot for each value).
	Clocks string `json:"clocks"`
	// Context is, of a write, what its writer said to have seen: for each actor
	// how many of its writes. Empty where it said nothing; nil for a read.
	Context map[string]int64 `json:"context,omitzero"`
	// Clock is, of a write, the vector that its value got, or where the key has
	// only one, that of the key after the write.
	Clock map[string]int64 `json:"clock,omitempty"`
	// Dot is, of a write, its own number: "ACTOR:NUMBER".
	Dot string `json:"dot,omitempty"`
	// Versions are, of a read, all that it found side by side, those of
	// tombstones included, as in Evidence.Version.
	Versions []string `json:"versions,omitempty"`
}

// ReplicaEvidence is one replica's part in an operation.
type ReplicaEvidence struct {
	// Node is the replica.
	Node string `json:"node"`
	// Answered says that its answer arrived before the coordinator replied.
	Answered bool `json:"answered"`
	// Counted says that the answer counted toward Required.
	Counted bool `json:"counted,omitempty"`
	// Version is the version that it returned (a read, or the fetch of a write); empty for not found.
	Version string `json:"version,omitempty"`
	// HintFor is the home replica for which this node stood in (sloppy quorum).
	HintFor string `json:"hint_for,omitempty"`
	// Datacenter is the node's data centre; empty where there is one only, or the target does not tell.
	Datacenter string `json:"datacenter,omitempty"`
	// RoundTrip is how long, in nanoseconds, the replica took to answer the
	// coordinator the last time before, in another operation of the same kind
	// (those that answer before the reply would only be the quick ones); 0
	// where the target does not tell.
	RoundTrip int64 `json:"round_trip,omitempty"`
	// Repaired says that it was written to by this read, and acknowledged
	// that, before the coordinator replied: it holds what the read returned.
	Repaired bool `json:"repaired,omitempty"`
	// Fetched says that it told the version it had before this write, and that
	// the new version was chosen after it. Version is that version then.
	Fetched bool `json:"fetched,omitempty"`
}

// Fault is the Value of FInject and FHeal operations: what was done, to whom, and the proof.
type Fault struct {
	// ID is the fault's identifier in the plan, as in the operation's Key.
	ID string `json:"id"`
	// Kind and Shape are those of the plan's fault, for instance "partition" and "majorities-ring".
	Kind  string `json:"kind"`
	Shape string `json:"shape,omitempty"`
	// Description is one line for people, for instance "{n1 n2} | {n3 n4 n5}".
	Description string `json:"description"`
	// Targets are the nodes that are affected.
	Targets []string `json:"targets,omitempty"`
	// Cuts are the directed links that are cut.
	Cuts []Cut `json:"cuts,omitempty"`
	// Verified says that the effect (FInject) or its end (FHeal) was observed; only completions have it.
	Verified bool `json:"verified"`
	// Evidence says what was observed.
	Evidence string `json:"evidence,omitempty"`
	// Offset is a clock fault's offset in nanoseconds, as the node's own clock showed it.
	Offset int64 `json:"offset,omitempty"`
}

// Cut is a directed link: what From sends to To is dropped.
type Cut struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Dump is the ok Value of an FDump operation: the state of one replica.
type Dump struct {
	Entries []DumpEntry `json:"entries"`
	// Hints are the writes that the replica keeps for others; nil where the
	// target does not tell, empty where it keeps none.
	Hints []DumpHint `json:"hints,omitzero"`
}

// DumpHint is a write that a replica keeps for one of the key's home replicas.
type DumpHint struct {
	Key string `json:"key"`
	// Version is in the target's own notation.
	Version string `json:"version"`
	// For is the home replica.
	For string `json:"for"`
}

// DumpEntry is one key on one replica.
type DumpEntry struct {
	Key string `json:"key"`
	// Version is in the target's own notation; two replicas agree on a key iff Version and Value are equal.
	Version string `json:"version"`
	// Value is the stored value as text; empty for a tombstone.
	Value string `json:"value,omitempty"`
	// Tombstone says that the key is deleted.
	Tombstone bool `json:"tombstone,omitempty"`
	// Home lists the replicas that should hold the key (its preference list).
	Home []string `json:"home"`
	// Siblings are the versions that the replica keeps beside the first, where
	// the target keeps concurrent writes; two replicas agree iff they hold the same ones.
	Siblings []DumpSibling `json:"siblings,omitempty"`
}

// DumpSibling is a further version of a key on one replica. Its fields are those of DumpEntry.
type DumpSibling struct {
	Version   string `json:"version"`
	Value     string `json:"value,omitempty"`
	Tombstone bool   `json:"tombstone,omitempty"`
}
