package harness

import (
	"maps"
	"slices"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

// shareSettings tells the target's settings from the workload's by their
// names. A name that both have is about both, as the number of data centres.
func shareSettings(given map[string]string, under target.Target, w workloads.Workload) (forTarget, forWorkload map[string]string) {
	forTarget, forWorkload = map[string]string{}, map[string]string{}
	ofWorkload, both := map[string]bool{}, map[string]bool{}
	for _, s := range under.Describe() {
		both[s.Name] = true
	}
	for _, s := range w.Settings() {
		ofWorkload[s.Name] = true
	}
	for name, value := range given {
		if ofWorkload[name] {
			forWorkload[name] = value
		}
		if !ofWorkload[name] || both[name] {
			forTarget[name] = value // the target refuses what it does not know, by name
		}
	}
	return forTarget, forWorkload
}

// withDataType adds to those given, where the workload needs a data type, that
// and the defaults of all that is about plain registers, so that it comes before a profile.
func withDataType(under target.Target, w workloads.Workload, settings, given map[string]string) map[string]string {
	needer, ok := w.(workloads.Needer)
	if !ok {
		return given
	}
	kind, needed := needer.Needs(settings)[workloads.DataType]
	if _, asked := given[workloads.DataType]; !needed || asked {
		return given
	}
	out := maps.Clone(given)
	if out == nil {
		out = map[string]string{}
	}
	for _, s := range under.Describe() {
		_, asked := given[s.Name]
		switch {
		case s.Name == workloads.DataType:
			out[s.Name] = kind
		case !asked && slices.Contains(workloads.OfRegisters(), s.Name):
			out[s.Name] = s.Default
		}
	}
	return out
}

// withNeeds adds the settings of the target that the workload needs, as far as
// the target has them, to those given, which come first.
func withNeeds(under target.Target, w workloads.Workload, settings, given map[string]string) map[string]string {
	needer, ok := w.(workloads.Needer)
	if !ok {
		return given
	}
	out, needs := maps.Clone(given), needer.Needs(settings)
	if out == nil {
		out = map[string]string{}
	}
	for _, s := range under.Describe() {
		if value, needed := needs[s.Name]; needed {
			if _, asked := given[s.Name]; !asked {
				out[s.Name] = value
			}
		}
	}
	return out
}

// withProfile adds the settings of the target's profile, if one is named, to
// those given, which come first.
func withProfile(under target.Target, profile string, given map[string]string) (map[string]string, error) {
	if profile == "" {
		return given, nil
	}
	p, err := target.FindProfile(under, profile)
	if err != nil {
		return nil, err
	}
	settings := p.Map()
	maps.Copy(settings, given)
	return settings, nil
}
