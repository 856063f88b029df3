package plan

import (
	"maps"
	"slices"
)

// Clone returns a copy that shares no memory with the plan, so that either can
// be changed without the other. What is nil stays nil, so the two have equal
// bytes.
func (p *Plan) Clone() *Plan {
	c := *p
	c.Target.Settings = maps.Clone(p.Target.Settings)
	c.Workload.Settings = maps.Clone(p.Workload.Settings)
	c.Nemesis = slices.Clone(p.Nemesis)
	c.Schedule = slices.Clone(p.Schedule)
	for i := range c.Schedule {
		c.Schedule[i] = c.Schedule[i].Clone()
	}
	c.Operations = slices.Clone(p.Operations)
	for i := range c.Operations {
		c.Operations[i].Value = clonePointer(c.Operations[i].Value)
	}
	c.Surroundings = clonePointer(p.Surroundings)
	c.Claims = slices.Clone(p.Claims)
	c.Expect = slices.Clone(p.Expect)
	return &c
}

// Clone returns a copy that shares no memory with the fault.
func (f Fault) Clone() Fault {
	f.Targets = slices.Clone(f.Targets)
	f.Cuts = slices.Clone(f.Cuts)
	f.Clock = clonePointer(f.Clock)
	f.Network = clonePointer(f.Network)
	return f
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
