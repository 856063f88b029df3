package plan

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/refute-lab/refute/harness/history"
)

// Format is the version of the plan file that this package writes.
const Format = 1

// Plan is everything that is needed to run again. It is saved as plan.json
// and its seed decides every choice that the flags leave open.
type Plan struct {
	// Format is the version of the file; see the constant of that name.
	Format int `json:"format"`
	// Name names the run folder; letters, digits, dot, dash and underscore.
	Name string `json:"name"`
	// Seed decides the schedule, the generated operations and every other random choice.
	Seed uint64 `json:"seed"`
	// Backend is "docker" or "sim".
	Backend string `json:"backend"`
	// Target is the system under test and its configuration.
	Target Target `json:"target"`
	// Workload is what the clients do.
	Workload Workload `json:"workload"`
	// Nemesis lists the kinds of faults that the schedule was drawn from.
	Nemesis []string `json:"nemesis"`
	// Schedule is the list of faults, ordered by At, then ID.
	Schedule []Fault `json:"schedule"`
	// Operations, if there are any, are all that the clients do in the main
	// phase, in the order of At; the workload's generator and rate then decide
	// nothing. A plan that has them is materialised: the seed is only where it
	// came from.
	Operations []Operation `json:"operations,omitempty"`
	// Surroundings is the network and the disks of a simulated run; nil are
	// the defaults. Containers have their own and ignore it.
	Surroundings *Surroundings `json:"surroundings,omitempty"`
	// Claims are the guarantees to be checked, by their names in package checker.
	Claims []string `json:"claims"`
	// Expect lists refutations that must happen, for instance "refuted:linearizable".
	Expect []string `json:"expect,omitempty"`
	// Limits bound the run's phases.
	Limits Limits `json:"limits"`
}

// Target is a system under test and its configuration.
type Target struct {
	// Name is the target's name in the registry, for instance "leaderless".
	Name string `json:"name"`
	// Nodes is the number of nodes, named n1, n2, … .
	Nodes int `json:"nodes"`
	// Settings are the target's settings, all of them, defaults included.
	Settings map[string]string `json:"settings"`
}

// Workload is what the clients do.
type Workload struct {
	// Name is the workload's name, for instance "register".
	Name string `json:"name"`
	// Concurrency is the number of workers; each has one process at a time.
	Concurrency int `json:"concurrency"`
	// Rate is the total number of operations a second that are attempted; 0 is as many as the clients can.
	Rate float64 `json:"rate"`
	// Settings are the workload's own settings, defaults included.
	Settings map[string]string `json:"settings,omitempty"`
}

// Operation is one operation of a materialised plan.
type Operation struct {
	// Worker is who asks, from 0, below the workload's concurrency.
	Worker int `json:"worker"`
	// Index is the operation's place among those that the worker was once
	// generated. Worker and Index name the operation: every random choice
	// that is made for it hangs on them, so that taking others away changes
	// nothing about it.
	Index int `json:"index"`
	// At is the earliest time of the invocation, from the start of the main
	// phase; a worker that is still waiting for an answer then asks later.
	At Duration `json:"at"`
	// F, Key and Value are those of the invocation; see package history.
	F     string `json:"f"`
	Key   string `json:"key,omitempty"`
	Value *int64 `json:"value,omitempty"`
	// Node is the node that is asked.
	Node string `json:"node"`
}

// Surroundings are the network and the disks of a simulated run. All times are
// means of distributions with a heavy tail; see package sim.
type Surroundings struct {
	// Seed decides every delay and every loss. 0 stands for the plan's seed.
	Seed uint64 `json:"seed,omitempty"`
	// Latency is the mean time of a message from one node to another, or between a client and a node.
	Latency Duration `json:"latency"`
	// Sync is the mean time until the disk has made a record durable.
	Sync Duration `json:"sync"`
	// LossPPM and DuplicatePPM are how many of a million messages are lost or arrive twice, without any fault.
	LossPPM      int64 `json:"loss_ppm,omitempty"`
	DuplicatePPM int64 `json:"duplicate_ppm,omitempty"`
	// WANLatency is what a message between two data centres of the target takes
	// in addition, and WANJitter the most that comes on top, drawn anew for each.
	WANLatency Duration `json:"wan_latency,omitempty"`
	WANJitter  Duration `json:"wan_jitter,omitempty"`
}

// Limits bound a run.
type Limits struct {
	// Time is the length of the main phase.
	Time Duration `json:"time"`
	// Operation is the deadline of one client call.
	Operation Duration `json:"operation"`
	// Quiet is the longest wait for the target to report itself quiet.
	Quiet Duration `json:"quiet"`
	// Finals is the longest time that the final reads may take.
	Finals Duration `json:"finals"`
	// Check is the longest time that the checkers may take, all together.
	Check Duration `json:"check"`
	// CheckMemory is the heap, in bytes, past which a checker answers unknown.
	CheckMemory int64 `json:"check_memory"`
	// Siblings is how many versions of a key may stand side by side under the
	// claim bounded-siblings; 0 is the checker's default.
	Siblings int `json:"siblings,omitempty"`
}

// Fault is one thing that goes wrong, as data. A schedule is a list of
// independent intervals, so that any subset of it is a schedule too.
type Fault struct {
	// ID names the fault in the history, for instance "f3".
	ID string `json:"id"`
	// Kind is the fault's kind, one of package nemesis' constants, for instance "partition".
	Kind string `json:"kind"`
	// Shape is the variant of the kind, for instance "majorities-ring" or "drift".
	Shape string `json:"shape,omitempty"`
	// Targets are the nodes that are affected; for a partition, those of the smaller side, for description only.
	Targets []string `json:"targets,omitempty"`
	// Cuts are the directed links that a partition drops.
	Cuts []history.Cut `json:"cuts,omitempty"`
	// At is when it starts, from the start of the main phase.
	At Duration `json:"at"`
	// Duration is how long it lasts. A kill is followed by a restart after it.
	Duration Duration `json:"duration"`
	// Hold says that the links of a partition keep what is sent and deliver it
	// when the fault ends, as connections do that survive it, instead of dropping it.
	Hold bool `json:"hold,omitempty"`
	// Clock is what a clock fault does; nil for other kinds.
	Clock *Clock `json:"clock,omitempty"`
	// Network is what a network fault does; nil for other kinds.
	Network *Network `json:"network,omitempty"`
	// Delay is by how much a slow disk is slower at each record; 0 for other faults.
	Delay Duration `json:"delay,omitempty"`
	// Peer is another node that the fault needs: whose disk is copied, or whose
	// place an operator lets the target take. Empty for most.
	Peer string `json:"peer,omitempty"`
	// SnapshotAge is how long before the fault the snapshot was taken from which
	// a lost disk is restored, at the start of the main phase at the earliest; 0 for other faults.
	SnapshotAge Duration `json:"snapshot_age,omitempty"`
}

// Network is what a network fault does to every link from or to its targets.
type Network struct {
	// LossPPM and DuplicatePPM are how many of a million messages are lost or arrive twice.
	LossPPM      int64 `json:"loss_ppm,omitempty"`
	DuplicatePPM int64 `json:"duplicate_ppm,omitempty"`
	// Delay is added to every message; Jitter is the most that is added on
	// top, drawn anew for each message, so that they overtake each other.
	Delay  Duration `json:"delay,omitempty"`
	Jitter Duration `json:"jitter,omitempty"`
}

// Clock is a change of a node's wall clock:
// skewed = real + Offset + (real−start)·RatePPM/10⁶ + (Delta during every even Period since the start).
type Clock struct {
	Offset  Duration `json:"offset,omitempty"`
	RatePPM int64    `json:"rate_ppm,omitempty"`
	Period  Duration `json:"period,omitempty"`
	Delta   Duration `json:"delta,omitempty"`
}

// Duration is a time.Duration that is written as text ("1.5s") in files.
type Duration time.Duration

// String returns it as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes it as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads text as time.ParseDuration does, or a number of nanoseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var n int64
	if err := json.Unmarshal(b, &n); err == nil {
		*d = Duration(n)
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("duration %s: want text such as \"1.5s\"", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration %q: want text such as \"1.5s\"", s)
	}
	*d = Duration(v)
	return nil
}
