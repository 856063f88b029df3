package workloads

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// Workload is what the clients of a run do.
type Workload interface {
	// Name is the name in --workload, for instance "register".
	Name() string
	// Describe says in one sentence what the workload does and shows.
	Describe() string
	// Settings lists the workload's own settings, in the order in which help shows them.
	Settings() []target.Setting
	// Claims are the claims that every history of this workload can decide, but
	// for runs in which hardly anything succeeded.
	Claims() []string
	// Occasional are further claims, about which a healthy run may have nothing
	// to check. They are decided where they are asked for by name.
	Occasional() []string
	// DefaultRate is the total rate, in operations a second, when none is asked for.
	DefaultRate() float64
	// Main returns the operations of the main phase. It refuses settings that make no sense.
	Main(c Config) (generator.Generator, error)
	// Finals returns the reads of the last phase, given every key that the main phase named, in order.
	Finals(c Config, keys []string) generator.Generator
	// Perform carries one operation out. It returns when ctx ends at the
	// latest. It depends on nothing but its arguments and the client's answers,
	// and changes nothing but by notes in the memory: see Memory.
	Perform(ctx context.Context, c Config, m *Memory, client target.Client, op generator.Operation) Outcome
}

// Preparer is a workload of which some operations depend on what their client
// has learnt.
type Preparer interface {
	Workload
	// Prepare completes an operation that was generated, before it is invoked:
	// a compare-and-set that was generated with its new value alone gets the
	// one that the client expects. It must not note anything.
	Prepare(c Config, m *Memory, op generator.Operation) generator.Operation
}

// Needer is a workload that a target can serve only with some settings.
type Needer interface {
	Workload
	// Needs returns settings of the target, given those of the workload. They
	// are used where the target has such settings and nothing else is asked for.
	Needs(settings map[string]string) map[string]string
}

// Crowded is a workload of which a number of clients is the least that makes sense.
type Crowded interface {
	Workload
	// LeastClients returns that number, given the workload's settings.
	LeastClients(settings map[string]string) int
}

// DataType is the setting of a target that says what every key is, and
// OfRegisters are those that are about plain registers alone: a profile's have
// no meaning where a workload needs another data type.
const DataType = "data-type"

// OfRegisters: see DataType.
func OfRegisters() []string {
	return []string{"resolver", "siblings", "obsolete-puts", "prune-entries", "prune-younger", "prune-older", "sibling-limit", "cas"}
}

// Config is what a workload's generator depends on.
type Config struct {
	Seed        uint64
	Nodes       []string
	Concurrency int
	// Settings are the workload's settings, defaults included.
	Settings map[string]string

	// floor: session=floor, which is asked for at every operation.
	floor bool
}

// NewConfig returns the configuration of a run. The settings are the
// workload's, defaults included; they must not be changed afterwards.
func NewConfig(seed uint64, nodes []string, concurrency int, settings map[string]string) Config {
	return Config{Seed: seed, Nodes: nodes, Concurrency: concurrency, Settings: settings, floor: settings["session"] == "floor"}
}

// Outcome is how an operation ended, as its completion event tells it.
type Outcome struct {
	// Type is Ok, Fail or Info.
	Type     history.Type
	Value    history.Value
	Error    string
	Evidence *history.Evidence
}

// All returns the workloads, ordered by name.
func All() []Workload {
	return []Workload{Cart{}, CAS{}, Counter{}, Datacenters{}, Delete{}, Register{}, Row{}, Session{}, Set{}, Siblings{}}
}

// Lookup returns the workload of that name. The error lists the known ones.
func Lookup(name string) (Workload, error) {
	var names []string
	for _, w := range All() {
		if w.Name() == name {
			return w, nil
		}
		names = append(names, w.Name())
	}
	return nil, fmt.Errorf("unknown workload %q: this version has %s", name, strings.Join(names, ", "))
}

// Resolve fills in the defaults of the workload's settings and refuses unknown ones.
func Resolve(w Workload, settings map[string]string) (map[string]string, error) {
	out := map[string]string{}
	known := map[string]bool{}
	var names []string
	for _, s := range w.Settings() {
		out[s.Name] = s.Default
		known[s.Name] = true
		names = append(names, s.Name)
	}
	given := make([]string, 0, len(settings))
	for name := range settings {
		given = append(given, name)
	}
	sort.Strings(given)
	for _, name := range given {
		if !known[name] {
			return nil, fmt.Errorf("the workload %s has no setting %q: it has %s", w.Name(), name, strings.Join(names, ", "))
		}
		out[name] = settings[name]
	}
	return out, nil
}

// number reads a setting that must be a whole number of at least least.
func (c Config) number(name string, least int) (int, error) {
	n, err := strconv.Atoi(c.Settings[name])
	if err != nil || n < least {
		return 0, fmt.Errorf("workload setting %s=%q: want a whole number of at least %d", name, c.Settings[name], least)
	}
	return n, nil
}

// failed turns the error of a client call into an outcome. idempotent says
// that the operation has no effect (a read), so that an error always means
// that nothing happened.
func failed(err error, idempotent bool) Outcome {
	out := Outcome{Type: history.Info, Error: err.Error()}
	e, plain := err.(*target.Error) // mostly it is one, and looking for it deeper would cost an allocation
	if !plain {
		errors.As(err, &e)
	}
	if idempotent || e != nil && e.Definite {
		out.Type = history.Fail
	}
	if e != nil {
		out.Evidence = e.Evidence
	}
	return out
}
