package nemesis

import (
	"errors"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/plan"
)

// Caps are the faults that a backend can make. What a certain machine lacks
// is known only when it was asked: see Available.
type Caps struct {
	kinds []string
	holds bool
}

// SimulationCaps returns what the simulation can do: everything.
func SimulationCaps() Caps {
	c := Caps{holds: true}
	for _, k := range kinds() {
		c.kinds = append(c.kinds, k.name)
	}
	return c
}

// ContainerCaps returns what can be done to nodes in containers.
func ContainerCaps() Caps {
	var c Caps
	for _, k := range kinds() {
		if k.simulation == "" {
			c.kinds = append(c.kinds, k.name)
		}
	}
	return c
}

// Kinds returns the kinds of faults, in the order of the function Kinds, but
// for those that are made only where they are asked for by name.
func (c Caps) Kinds() []string {
	return slices.DeleteFunc(slices.Clone(c.kinds), func(name string) bool { return lookup(name).named })
}

// Holds says whether the links of a partition can keep what is sent until it ends (plan.Fault.Hold).
func (c Caps) Holds() bool { return c.holds }

// AllowKinds returns nil if the backend can make faults of all the kinds, else
// a *RefusedError for each that it cannot, joined. Names are taken as
// ParseKinds does, with its error.
func (c Caps) AllowKinds(names []string) error {
	wanted, err := ParseKinds(names)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range wanted {
		if !slices.Contains(c.kinds, name) {
			errs = append(errs, refuseKind(lookup(name)))
		}
	}
	return errors.Join(errs...)
}

// AllowSchedule returns nil if the backend can make all faults of a schedule,
// else a *RefusedError for each kind that it cannot make, joined, which names
// the faults. Kinds that do not exist are an *UnknownKindError.
func (c Caps) AllowSchedule(schedule []plan.Fault) error {
	byKind := map[string][]string{}
	var holding []string
	for i := range schedule {
		f := &schedule[i]
		switch {
		case slices.Contains(c.kinds, f.Kind):
			if f.Hold && !c.holds {
				holding = append(holding, f.ID)
			}
		case lookup(f.Kind) == nil:
			return &UnknownKindError{Name: f.Kind, Nearest: nearestKind(f.Kind)}
		default:
			byKind[f.Kind] = append(byKind[f.Kind], f.ID)
		}
	}
	var errs []error
	if len(holding) > 0 {
		errs = append(errs, &RefusedError{Kind: Partition, Faults: holding,
			Reason: "only the simulation can hold messages back (on containers the agents drop packets and cannot keep them)",
			Remedy: `use --on sim, or take "hold" out of the plan's schedule`})
	}
	for _, k := range kinds() {
		if faults := byKind[k.name]; len(faults) > 0 {
			r := refuseKind(k)
			r.Faults, r.Remedy = faults, "use --on sim, or take "+strings.Join(faults, " ")+" out of the plan's schedule"
			errs = append(errs, r)
		}
	}
	return errors.Join(errs...)
}

func refuseKind(k *kind) *RefusedError {
	return &RefusedError{Kind: k.name, Reason: "only the simulation can do it (" + k.simulation + ")",
		Remedy: "use --on sim, or leave " + k.name + " out of --nemesis"}
}
