package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// The kinds of faults, as they stand in plans and on the command line.
const (
	// Partition drops packets on some directed links between nodes.
	Partition = "partition"
	// Pause stops the processes of some nodes (SIGSTOP) and lets them continue.
	Pause = "pause"
	// Kill ends the processes of some nodes (SIGKILL) and starts them again.
	Kill = "kill"
	// Clock changes the wall clock that the processes of some nodes read.
	Clock = "clock"
	// Power ends the processes of some nodes, as Kill does, and loses what
	// their disks had not synced.
	Power = "power"
	// Network delays, loses or duplicates messages on the links of some nodes.
	Network = "network"
	// Disk makes the disks of some nodes slow, stall or fail.
	Disk = "disk"
	// Operator gives commands to nodes while they are at work.
	Operator = "operator"
	// DiskLoss ends the processes of some nodes, as Kill does, and starts them with another disk.
	DiskLoss = "disk-loss"
	// None stands for no fault at all in a list of kinds.
	None = "none"
)

// kind is one kind of fault as a value: how it is described, drawn for a
// random schedule, checked in a plan written by hand, and carried out. A new
// kind is one file with one of these and its line in kinds.
type kind struct {
	name string
	// help is one sentence for people.
	help string
	// shapes are the variants, the mildest first.
	shapes []shape
	// resource names what the fault holds of each of its targets while it
	// lasts ("process", "clock"). A random schedule never lets two faults hold
	// the same resource of a node at once. Empty: it holds nothing, and overlaps with anything.
	resource string
	// steady names a resource that must be free on each target around the
	// injection and the healing, because they could not be verified otherwise.
	steady string
	// needsClock: the fault is verified by the node's own clock.
	needsClock bool
	// needs names what the fault cannot do without, for a refusal by an agent that does not know it.
	needs string
	// simulation says why containers cannot do it, for kinds that only the
	// simulation has. Those have no begin. Empty for all others.
	simulation string
	// named: it is drawn only where it is asked for by name, never as one of all kinds.
	named bool
	// operator: it needs a target whose nodes take commands.
	operator bool
	// span returns the shortest and the longest duration in a random schedule of a run of the given length.
	span func(shape string, length time.Duration, o ScheduleOptions) (shortest, longest time.Duration)
	// draw fills in the shape's particulars: targets, cuts, clock, …. must asks
	// for a strong instance of a shape that has shape.must. The duration is set already.
	draw func(r *rand.Rand, nodes []string, must bool, f *plan.Fault)
	// describe is one line for people.
	describe func(nodes []string, f *plan.Fault) string
	// check says what is wrong with a fault of a plan; the ID, times and targets' names are right already.
	check func(nodes []string, f *plan.Fault) error
	// begin returns the fault's effect on the nemesis' cluster. Nothing happens yet. See simulation.
	begin func(n *Nemesis, f *plan.Fault) effect
}

// shape is a variant of a kind.
type shape struct {
	name string
	help string
	// nodes is the smallest cluster in which the shape makes sense.
	nodes int
	// must: a random schedule with faults of the kind has one of the shapes that are so marked.
	must bool
}

// effect is one fault being carried out. Its methods are called in the order
// inject, verify, (heal, healed)+, by one goroutine; heal and healed are
// called whatever the first two returned, and again until healed is satisfied.
type effect interface {
	// inject makes the fault happen. An error says what was refused, and where.
	inject(ctx context.Context) error
	// verify observes whether the fault is in force. It returns as soon as it
	// knows, and at until in any case.
	verify(ctx context.Context, until time.Time) observation
	// heal ends the fault. An error does not mean that it is still in force.
	heal(ctx context.Context) error
	// healed observes whether the fault is over; it returns as verify does.
	healed(ctx context.Context, until time.Time) observation
	// leased returns the nodes whose agents hold a lease of the fault.
	leased() []string
}

// observation is what was seen of a fault.
type observation struct {
	// ok: the expected was seen.
	ok bool
	// text says what was seen, for people.
	text string
	// offset is a clock's offset as the node's own clock showed it.
	offset time.Duration
}

// kinds returns every kind, in the order in which help shows them. It is a
// function because the kinds' functions come back to it.
func kinds() []*kind {
	return []*kind{partitionKind(), pauseKind(), killKind(), clockKind(), powerKind(), networkKind(), diskKind(), operatorKind(), diskLossKind()}
}

func lookup(name string) *kind {
	for _, k := range kinds() {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (k *kind) shape(name string) *shape {
	for i := range k.shapes {
		if k.shapes[i].name == name {
			return &k.shapes[i]
		}
	}
	return nil
}

// fewest returns the smallest number of nodes on which the kind has a shape.
func (k *kind) fewest() int {
	fewest := k.shapes[0].nodes
	for _, s := range k.shapes {
		fewest = min(fewest, s.nodes)
	}
	return fewest
}

// Description describes a kind of fault, for help.
type Description struct {
	Name string
	// Help is one sentence; it says so where only the simulation has the kind.
	Help   string
	Shapes []ShapeDescription
	// SimulationOnly: containers cannot do it; see ContainerCaps.
	SimulationOnly bool
	// Named: it is made only where it is asked for by name.
	Named bool
}

// ShapeDescription describes a shape of a kind, for help.
type ShapeDescription struct {
	Name string
	Help string
}

// Kinds describes every kind of fault and its shapes, in a fixed order.
func Kinds() []Description {
	var all []Description
	for _, k := range kinds() {
		d := Description{Name: k.name, Help: k.help, SimulationOnly: k.simulation != "", Named: k.named}
		if d.SimulationOnly {
			d.Help += " (simulation only)"
		}
		for _, s := range k.shapes {
			d.Shapes = append(d.Shapes, ShapeDescription{Name: s.name, Help: s.help})
		}
		all = append(all, d)
	}
	return all
}

// UnknownKindError says that a name is no kind of fault.
type UnknownKindError struct {
	Name string
	// Nearest is the kind that was probably meant; empty if none is near.
	Nearest string
}

// Error names the unknown, the nearest kind and all kinds.
func (e *UnknownKindError) Error() string {
	var known []string
	for _, k := range kinds() {
		known = append(known, k.name)
	}
	hint := ""
	if e.Nearest != "" {
		hint = fmt.Sprintf(" (did you mean %s?)", e.Nearest)
	}
	return fmt.Sprintf("unknown nemesis %q%s: want some of %s, or %s", e.Name, hint, strings.Join(known, ", "), None)
}

// ParseKinds checks a list of kinds, as given on the command line: names are
// trimmed, "none" and empty names add nothing, duplicates count once. The
// result is in the order of Kinds, never nil. The error is an *UnknownKindError.
func ParseKinds(names []string) ([]string, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		name = strings.TrimSpace(name)
		if name == "" || name == None {
			continue
		}
		if lookup(name) == nil {
			return nil, &UnknownKindError{Name: name, Nearest: nearestKind(name)}
		}
		wanted[name] = true
	}
	result := []string{}
	for _, k := range kinds() {
		if wanted[k.name] {
			result = append(result, k.name)
		}
	}
	return result, nil
}

// nearestKind returns the kind (or "none") to which the fewest edits lead, if
// they are no more than about a third of the name; else "".
func nearestKind(name string) string {
	candidates := []string{None}
	for _, k := range kinds() {
		candidates = append(candidates, k.name)
	}
	name = strings.ToLower(name)
	best, edits := "", 0
	for _, c := range candidates {
		if d := editDistance(name, c); best == "" || d < edits {
			best, edits = c, d
		}
	}
	// A name that continues a kind or is the start of one ("partitions",
	// "part") is near whatever its length.
	for _, c := range candidates {
		if len(name) >= 3 && (strings.HasPrefix(c, name) || strings.HasPrefix(name, c)) {
			return c
		}
	}
	if edits <= max(1, (len(best)+1)/3) {
		return best
	}
	return ""
}

// editDistance is Levenshtein's: insertions, deletions and substitutions of bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Describe returns one line for people about a fault on a cluster of the
// given nodes, for instance "{n1 n2} | {n3 n4 n5}", "kill n1 n3 n5" or "n4's disk stalls".
func Describe(nodes []string, f plan.Fault) string {
	k := lookup(f.Kind)
	if k == nil {
		return f.Kind + " " + strings.Join(f.Targets, " ")
	}
	return k.describe(nodes, &f)
}

// owned returns "n1's disk" or "the disks of n1 n2", and whether there are several.
func owned(nodes []string, thing string) (text string, several bool) {
	if len(nodes) == 1 {
		return nodes[0] + "'s " + thing, false
	}
	return "the " + thing + "s of " + strings.Join(nodes, " "), true
}

// inOrder returns the members of set in the order of nodes.
func inOrder(nodes, set []string) []string {
	var sorted []string
	for _, node := range nodes {
		if slices.Contains(set, node) {
			sorted = append(sorted, node)
		}
	}
	return sorted
}
