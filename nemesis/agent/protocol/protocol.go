package protocol

import "encoding/json"

// Request is one line from the controller to an agent.
type Request struct {
	// ID is echoed in the Response. Requests are answered in any order.
	ID int64 `json:"id"`
	// Op is one of the Op constants.
	Op string `json:"op"`
	// Fault identifies the fault that the request belongs to. Each fault has
	// a rule set of its own, so that faults overlap safely and heal alone.
	Fault string `json:"fault,omitempty"`
	// LeaseMillis is after how many milliseconds the agent undoes the fault by
	// itself unless it was healed or renewed; 0 is no lease and is refused for faults.
	LeaseMillis int64 `json:"lease_ms,omitempty"`
	// Addresses are IPv4 addresses: of OpCut, whose packets to drop; of OpProbeSend, to whom to send.
	Addresses []string `json:"addresses,omitempty"`
	// Token names one probe.
	Token string `json:"token,omitempty"`
	// WaitMillis bounds how long OpProbeSeen waits, in milliseconds.
	WaitMillis int64 `json:"wait_ms,omitempty"`
	// Clock is the skew of OpClockSet.
	Clock *Clock `json:"clock,omitempty"`
	// Fast makes OpMend also destroy the node's established TCP connections
	// with the addresses that it frees, so that both sides reconnect at once
	// instead of waiting for TCP's retransmission timer, whose back-off grows
	// with the length of the cut (RFC 6298).
	Fast bool `json:"fast,omitempty"`
	// Restore makes OpEmpty put the Fault's copy into the directory.
	Restore bool `json:"restore,omitempty"`
	// Offset is where in a copy's archive OpCopyRead reads, and OpCopyWrite writes Data, in bytes.
	Offset int64  `json:"offset,omitempty"`
	Data   []byte `json:"data,omitempty"`
	// Last says that nothing comes after Data.
	Last bool `json:"last,omitempty"`
}

// The operations of an agent.
const (
	// OpHello answers with Capabilities.
	OpHello = "hello"
	// OpSpawn starts the node's process through the shim (the image's
	// entrypoint) unless it runs already; answers with Process. With Fault it
	// ends that fault's kill and starts the process when no other fault's kill
	// holds it down; without Fault it ends every kill. A process that starts
	// while a pause holds is stopped before its first instruction.
	OpSpawn = "spawn"
	// OpKill kills the whole session of the node's process with SIGKILL and
	// answers when the shim has reported its exit; with Process. With a lease,
	// the process is started again when it runs out. Without Fault it is a
	// plain kill: nothing starts the process again but OpSpawn.
	OpKill = "kill"
	// OpPause stops every process of the node's session (SIGSTOP); OpResume continues them. Both answer with Process.
	// OpPause answers when no thread of theirs can execute anything before it is
	// continued, or with an error. Pauses are counted by fault: a node runs again
	// when the last one is healed.
	OpPause  = "pause"
	OpResume = "resume"
	// OpProcess answers with Process: what the kernel says of the node's process now.
	OpProcess = "process"
	// OpCut drops every packet that comes from Addresses; OpMend ends what the Fault cut. Both answer with Cuts.
	OpCut  = "cut"
	OpMend = "mend"
	// OpProbeSend sends some datagrams with Token to the agents at Addresses, past the node's own traffic.
	OpProbeSend = "probe-send"
	// OpProbeSeen answers with Seen: from which of Addresses datagrams with
	// Token have arrived. It waits up to WaitMillis for all of them.
	OpProbeSeen = "probe-seen"
	// OpClockSet adds the fault's skew to the node's wall clock; OpClockClear
	// ends that fault's part. Both answer with ClockState.
	OpClockSet   = "clock-set"
	OpClockClear = "clock-clear"
	// OpRenew prolongs the lease of Fault.
	OpRenew = "renew"
	// OpReset undoes every fault at once: mends, resumes, clears the clock,
	// starts a process that a fault's kill holds down. Answers with Process.
	OpReset = "reset"
	// OpWipe kills the node's process, undoes every fault and empties the data
	// directory; the process stays down until OpSpawn. Answers with Process.
	OpWipe = "wipe"
	// OpCopy keeps a copy of the node's data directory as Fault's, until
	// the pod ends, and answers with Copied. The process is stopped meanwhile, so
	// that the copy is of one moment.
	OpCopy = "copy"
	// OpCopyRead answers with CopyPart: what the archive (tar) of Fault's copy has
	// at Offset. OpCopyWrite gives an agent the same part; the archive is Fault's
	// copy there when the Last has come, whereupon it answers with Copied. That is
	// how a copy comes from one node to another. Parts are read, and written, in order.
	OpCopyRead  = "copy-read"
	OpCopyWrite = "copy-write"
	// OpEmpty empties the data directory of a node that Fault's kill holds down,
	// and, with Restore, puts Fault's copy there; it answers with Emptied.
	// It is refused while the process may run.
	OpEmpty = "empty"
	// OpPing does nothing. An agent that hears nothing at all for
	// SilenceSeconds undoes every fault and exits, so that a controller whose
	// connection died without a word leaves nothing behind.
	OpPing = "ping"
)

// SilenceSeconds is how long an agent lives without a line from its controller.
const SilenceSeconds = 30

// The kinds of fault in Capabilities.Faults; FaultFastHeal is the Fast of OpMend.
const (
	FaultPartition = "partition"
	FaultPause     = "pause"
	FaultKill      = "kill"
	FaultClock     = "clock"
	FaultDiskLoss  = "disk-loss"
	FaultFastHeal  = "fast-heal"
)

// The kinds of Event.
const (
	// EventExit: the node's process exited.
	EventExit = "exit"
	// EventLease: a lease ran out and its fault was undone; Status tells what failed, if anything.
	EventLease = "lease"
	// EventGone: the agent, or the node's container, is gone; Status tells why.
	EventGone = "gone"
)

// Response is one line from an agent to the controller.
type Response struct {
	ID int64 `json:"id"`
	// Error is empty when the request was carried out.
	Error string `json:"error,omitempty"`
	// Micros is how long it took inside the agent, in microseconds.
	Micros int64 `json:"us"`
	// Result is one of the types below, as the operation says.
	Result json.RawMessage `json:"result,omitempty"`
}

// Event is a line that an agent sends unasked (it has no ID): the node's process
// exited, or a lease ran out.
type Event struct {
	// Event is one of the Event constants.
	Event string `json:"event"`
	// Fault is whose lease ran out.
	Fault string `json:"fault,omitempty"`
	// Status describes the exit: "signal: killed", "exit status 1".
	Status string `json:"status,omitempty"`
	// Expected says that the exit was asked for (OpKill).
	Expected bool `json:"expected,omitempty"`
}

// Capabilities is what the kernel and the container allow this agent.
type Capabilities struct {
	// Version is a digest of the agent's program, to detect a stale image.
	Version string `json:"version"`
	// Faults maps each kind of fault to "" (available) or to the reason why it is not, with the remedy.
	Faults map[string]string `json:"faults"`
}

// Process is what the kernel says of the node's process.
type Process struct {
	// PID is in the pod's PID namespace; 0 when none runs.
	PID int `json:"pid"`
	// States are the states of all processes of the session, as in /proc/PID/stat
	// (R, S, D, T, Z …; t is a stop under a tracer), one letter each: T, t or Z
	// only if no thread of the process is in another state.
	States string `json:"states"`
	// Exit describes the last exit, if there was one.
	Exit string `json:"exit,omitempty"`
	// Starts counts how often it was started.
	Starts int `json:"starts"`
}

// Emptied is what OpEmpty found and what it left.
type Emptied struct {
	// Files and Bytes were in the data directory, in all its folders.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Left is how many entries it has now.
	Left int `json:"left"`
	// Restored is what was put there.
	Restored Copied `json:"restored"`
}

// Copied is a copy of a data directory.
type Copied struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// CopyPartSize is the greatest size of a part of an archive, in bytes; as text it fits into a line.
const CopyPartSize = 256 << 10

// CopyPart is a part of the archive of a copy.
type CopyPart struct {
	Data []byte `json:"data"`
	// Last says that nothing comes after it.
	Last bool `json:"last"`
}

// Cuts is the state of the packet filter after OpCut or OpMend.
type Cuts struct {
	// Addresses are all addresses whose packets are dropped now, by any fault, in order.
	Addresses []string `json:"addresses"`
	// Dropped counts the packets that were dropped since the agent started.
	Dropped uint64 `json:"dropped"`
	// Destroyed is how many TCP connections a Fast OpMend destroyed.
	Destroyed int `json:"destroyed,omitempty"`
}

// Seen answers OpProbeSeen.
type Seen struct {
	Addresses []string `json:"addresses"`
}

// Clock is a change of the wall clock. skewed = real + OffsetNanos +
// (real−now)·RatePPM/10⁶ + (DeltaNanos during every even PeriodNanos since now).
type Clock struct {
	OffsetNanos int64 `json:"offset_ns,omitempty"`
	RatePPM     int64 `json:"rate_ppm,omitempty"`
	PeriodNanos int64 `json:"period_ns,omitempty"`
	DeltaNanos  int64 `json:"delta_ns,omitempty"`
}

// ClockState is what the agent's arithmetic says of the node's clock now.
type ClockState struct {
	// OffsetNanos is skewed − real at this moment.
	OffsetNanos int64 `json:"offset_ns"`
	// Patched says that the running process was started under the wrapper.
	Patched bool `json:"patched"`
}
