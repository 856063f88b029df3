package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/history"
)

// Target is a kind of system under test.
type Target interface {
	// Name is the target's name in the registry, for instance "leaderless".
	Name() string
	// Describe lists the settings that Configure knows, in the order in which help shows them.
	Describe() []Setting
	// Configure checks the settings (missing ones take their defaults) for a
	// cluster of the given number of nodes. Its errors name the setting, what
	// is wrong with it and what would be right.
	Configure(nodes int, settings map[string]string) (System, error)
}

// Setting describes one setting of a target, for help and messages.
type Setting struct {
	// Name is the key in `--set key=value`.
	Name string
	// Default is the value when it is not set.
	Default string
	// Values is what it may be, for people: "1…nodes", "off | async | blocking | abd".
	Values string
	// Help is one sentence.
	Help string
}

// System is a target in one configuration.
type System interface {
	// Settings returns every setting, defaults included.
	Settings() map[string]string
	// Claims returns the guarantees that this configuration is commonly held
	// to have, by their names in package checker: the default of --claims.
	Claims() []string
	// Node says how to run the named node as a container. peers are all nodes
	// of the cluster, the node itself included, in order.
	Node(name string, peers []Peer) (NodeSpec, error)
	// Connect returns a client of one node. It sends nothing yet.
	// address is host:port as seen by the controller.
	Connect(node, address string) (Client, error)
}

// Controlled is a system that knows what it would be if it were safe. A
// schedule of faults that refutes a claim of the system has shown something
// about the system only if the same schedule does not refute it of the control:
// else it is the schedule, the harness or the checker that is to blame.
type Controlled interface {
	System
	// Control returns the same target for as many nodes, configured so that its
	// claims are theorems. A system that is so already returns its like: one
	// with the same settings.
	Control() (System, error)
}

// Expected is what theory says of a claim.
type Expected string

// What theory may say.
const (
	// ExpectHolds: no run may refute the claim.
	ExpectHolds Expected = "holds"
	// ExpectRefuted: the faults that are made show it to be wrong, given enough runs.
	ExpectRefuted Expected = "refuted"
	// ExpectPossible: theory excludes neither, or does not speak of the configuration.
	ExpectPossible Expected = "possible"
)

// Expectation is what theory says of a claim, and why.
type Expectation struct {
	Expected Expected `json:"expected"`
	// Reason is one sentence.
	Reason string `json:"reason"`
}

// Theory is a system of which is known which claims hold in its configuration
// and which do not.
type Theory interface {
	System
	// Expect says what is to be expected of the claim under faults of the
	// given kinds, by their names in package nemesis.
	Expect(claim string, faults []string) Expectation
}

// Settling is a system that may need longer than usual, after the last fault
// and the last operation, until it says that it is quiet.
type Settling interface {
	System
	// SettleTime is how long to wait for that at most; 0 where the usual time will do.
	SettleTime() time.Duration
}

// Located is a system whose nodes may be in several data centres: links between
// those are slower, and are cut as a whole (see the partitions of that shape).
type Located interface {
	System
	// Datacenters returns the nodes of each data centre, called n1, n2, …; nil
	// where there is but one.
	Datacenters() [][]string
}

// DatacentersOf returns the nodes of each data centre of the system; nil where
// there is but one, or where the system knows none.
func DatacentersOf(s System) [][]string {
	if located, ok := s.(Located); ok {
		return located.Datacenters()
	}
	return nil
}

// Profiled is a target that can be configured as well-known real systems are.
type Profiled interface {
	Target
	// Profiles returns the profiles, each valid for clusters of three nodes or more.
	Profiles() []Profile
}

// Profile is a list of settings under a name.
type Profile struct {
	// Name is the name in --profile.
	Name string
	// Help is one sentence.
	Help string
	// Settings are what the profile sets; what it leaves out has the target's default.
	Settings []ProfileSetting
}

// ProfileSetting is one setting of a profile.
type ProfileSetting struct {
	Name, Value string
	// Source says where the real system's value is known from.
	Source string
}

// Map returns the profile's settings as Configure takes them.
func (p *Profile) Map() map[string]string {
	m := make(map[string]string, len(p.Settings))
	for _, s := range p.Settings {
		m[s.Name] = s.Value
	}
	return m
}

// FindProfile returns a target's profile by its name. The error lists those there are.
func FindProfile(t Target, name string) (Profile, error) {
	profiled, ok := t.(Profiled)
	if !ok {
		return Profile{}, fmt.Errorf("the target %s has no profiles: set its settings one by one", t.Name())
	}
	var known []string
	for _, p := range profiled.Profiles() {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return Profile{}, fmt.Errorf("the target %s has no profile %q: it has %s", t.Name(), name, strings.Join(known, ", "))
}

// Peer is a member of the cluster as the other members see it.
type Peer struct {
	Name    string
	Address string // IP address on the cluster's network
}

// NodeSpec says how one node is run as a container.
type NodeSpec struct {
	// Image is the reference of an image that the engine has. Empty: an image
	// is made from Program alone.
	Image string
	// Program is the Go package, within this module, of a static program that
	// is the whole image; used when Image is empty.
	Program string
	// Entrypoint and Command override the image's own when not empty.
	Entrypoint []string
	Command    []string
	// Environment is a list of NAME=value.
	Environment []string
	// ClientPort is the TCP port that clients speak to.
	ClientPort int
	// DataDirectory is where the node keeps its durable data: a volume is mounted there. Empty: none.
	DataDirectory string
}

// Client speaks to one node. It is used by one goroutine at a time. What else
// it can do it shows by implementing Register, Dumper, Clock … .
type Client interface {
	// Ready makes one real request and returns nil once the node answers it.
	Ready(ctx context.Context) error
	// Close releases the connections.
	Close() error
}

// Register is a client of a store of registers, one under each key.
type Register interface {
	// Read returns the value of the key. Errors are *Error where the target said what they mean.
	Read(ctx context.Context, key string) (Reading, error)
	// Write replaces the value of the key. The evidence may come with an error too (see Error).
	Write(ctx context.Context, key string, value int64) (*history.Evidence, error)
}

// Deleter is a client of a store of which keys can be deleted.
type Deleter interface {
	// Delete removes the key, whether or not it is there.
	Delete(ctx context.Context, key string) (*history.Evidence, error)
}

// CompareAndSetter is a client of a store that writes a register on a condition.
type CompareAndSetter interface {
	// CompareAndSet replaces the value old by new, or sets new where there is
	// no value if old is nil. Not swapped without an error means that the
	// condition certainly did not hold and nothing was written.
	CompareAndSet(ctx context.Context, key string, old *int64, new int64) (Swap, error)
}

// Swap is how a compare-and-set ended.
type Swap struct {
	// Swapped says that the condition held and the new value was written.
	Swapped bool
	// Actual is what was there instead, if the target tells.
	Actual Reading
	// Evidence may be nil.
	Evidence *history.Evidence
}

// Counter is a client of a store of counters.
type Counter interface {
	// Count returns the counter's value; 0 where there is none.
	Count(ctx context.Context, key string) (Reading, error)
	// Add adds to the counter. An operation that is repeated under the same
	// id, not 0, counts once where the target can tell.
	Add(ctx context.Context, key string, delta int64, id uint64) (*history.Evidence, error)
}

// Set is a client of a store of sets.
type Set interface {
	// Elements returns the whole set.
	Elements(ctx context.Context, key string) (Elements, error)
	// Insert puts an element into the set.
	Insert(ctx context.Context, key string, element int64) (*history.Evidence, error)
	// Remove takes an element out, as far as the context covers its insertions:
	// that of an earlier Elements, or nil for what the node happens to know of.
	Remove(ctx context.Context, key string, element int64, causal []byte) (*history.Evidence, error)
}

// Elements is a set as a client was told.
type Elements struct {
	// Values are the elements in ascending order.
	Values []int64
	// Context is opaque: what a removal of what was read hands back. Nil where the target has none.
	Context []byte
	// Evidence may be nil.
	Evidence *history.Evidence
}

// Versioned is a client of a store that keeps concurrent values side by side.
type Versioned interface {
	// ReadVersions returns all values of the key.
	ReadVersions(ctx context.Context, key string) (Versions, error)
	// WriteVersion writes a value that takes the place of what the context
	// covers: that of an earlier read, or nil for a blind write. What it
	// returns are the versions after the write as far as the node knew, with
	// Own as the dot of the write itself.
	WriteVersion(ctx context.Context, key string, value []byte, causal []byte) (Versions, error)
	// DeleteVersion deletes what the context covers.
	DeleteVersion(ctx context.Context, key string, causal []byte) (Versions, error)
}

// Versions are the concurrent values of a key.
type Versions struct {
	// Values are the siblings and Dots the names of their writes, in the same order.
	Values [][]byte
	Dots   []history.Dot
	// Own is the dot of the write that this answers; zero for a read.
	Own history.Dot
	// Context is opaque: what the next write hands back. Counters is the same for checkers: see history.Versions.
	Context  []byte
	Counters map[string]int64
	// Evidence may be nil.
	Evidence *history.Evidence
}

// Row is a client of a store whose keys have columns.
type Row interface {
	// ReadRow returns the columns of the key that have a value.
	ReadRow(ctx context.Context, key string) (map[string]int64, *history.Evidence, error)
	// WriteRow writes the columns, all at once as far as the store can.
	WriteRow(ctx context.Context, key string, columns map[string]int64) (*history.Evidence, error)
}

// Ordered is a client of a store of registers whose versions of a key have one
// order, as with last write wins, so that a client can tell whether it was
// shown something older than what it knew of.
type Ordered interface {
	// ReadOrdered is Register.Read, with the version of what was found: ""
	// where the key was never written. Orders of one key compare as texts do.
	ReadOrdered(ctx context.Context, key string) (Reading, string, error)
	// WriteOrdered is Register.Write, with the version that was written.
	WriteOrdered(ctx context.Context, key string, value int64) (string, *history.Evidence, error)
}

// Reading is what a read found.
type Reading struct {
	// Value is the value if Found.
	Value int64
	Found bool
	// Beside are further values that stand side by side with it, where the
	// target keeps concurrent ones.
	Beside []int64
	// Evidence may be nil.
	Evidence *history.Evidence
}

// Dumper is a client of a target whose replicas can be read one by one.
type Dumper interface {
	// Dump returns the whole state of the client's node, without asking any other node.
	Dump(ctx context.Context) (history.Dump, error)
}

// Pending is what a node still has to do before it is quiet.
type Pending struct {
	// Quiet is true when nothing is pending.
	Quiet bool
	// Description says what is pending, for people: "3 hints, 1 repair".
	Description string
}

// Quieter is a client of a target that knows whether it still has work of its
// own: hints to deliver, repairs to make.
type Quieter interface {
	Pending(ctx context.Context) (Pending, error)
}

// Clock is a client of a target that tells its node's wall clock; without it
// a clock fault cannot be verified and is refused.
type Clock interface {
	// Clock returns the node's wall clock, read between the request's sending and its answer.
	Clock(ctx context.Context) (time.Time, error)
}

// Operator is a client of a target whose nodes take an operator's commands:
// repair, snapshot, compact, join, leave, replace. Without it such faults are refused.
type Operator interface {
	// Operate gives the node a command. peer is the node whose place it takes,
	// for replace, and empty otherwise. What it returns is what the node
	// answered, also where it refused; an error means that nobody knows.
	Operate(ctx context.Context, command, peer string) (answer string, err error)
}

// Error is an error whose meaning for the operation is known.
type Error struct {
	// Definite: the operation certainly did not and will not take effect.
	Definite bool
	// Message says what went wrong.
	Message string
	// Evidence is what the target told in spite of the error; may be nil.
	Evidence *history.Evidence
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// IsDefinite says whether err certainly means that the operation did not and
// will not take effect. An error that says nothing about it is not definite.
func IsDefinite(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Definite
}
