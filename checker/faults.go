package checker

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// faultIntervals pairs injections and heals by the fault's identifier. A
// fault without a completed heal is taken to last to the end of the history.
func faultIntervals(operations []history.Operation, last int64) []FaultInterval {
	var faults []FaultInterval
	open := map[string]int{}
	for i := range operations {
		o := &operations[i]
		if o.Process != history.Nemesis {
			continue
		}
		switch o.F {
		case history.FInject:
			f := FaultInterval{Fault: faultOf(o), Start: o.Start, End: last}
			f.ID = o.Key
			f.Fault.Verified = o.Type == history.Ok && f.Fault.Verified
			if f.Fault.Verified {
				f.inForce = o.End
			}
			open[o.Key] = len(faults)
			faults = append(faults, f)
		case history.FHeal:
			k, found := open[o.Key]
			if !found {
				continue
			}
			f := &faults[k]
			healed := faultOf(o)
			if o.Completion >= 0 && o.End != history.Infinity {
				f.End = o.End
			}
			f.Verified = f.Fault.Verified && o.Type == history.Ok && healed.Verified
			if healed.Evidence != "" && healed.Evidence != f.Evidence {
				if f.Evidence != "" {
					f.Evidence += "; "
				}
				f.Evidence += "healed: " + healed.Evidence
			}
		}
	}
	slices.SortStableFunc(faults, func(a, b FaultInterval) int { return cmp.Compare(a.Start, b.Start) })
	return faults
}

// faultOf is the fault of a nemesis operation: as its completion tells it, or as its invocation does.
func faultOf(o *history.Operation) history.Fault {
	var f history.Fault
	for _, v := range []history.Value{o.Output, o.Input} {
		if raw := v.Raw(); raw != nil && json.Unmarshal(raw, &f) == nil {
			if o.Completion < 0 {
				f.Verified = false
			}
			return f
		}
		f = history.Fault{}
	}
	return f
}

// inForce returns the faults that overlap the time of at least one of the
// operations. An operation that never ended counts at its invocation only.
func inForce(faults []FaultInterval, operations []history.Operation, positions []int32) []*FaultInterval {
	var found []*FaultInterval
	for k := range faults {
		f := &faults[k]
		for _, p := range positions {
			o := &operations[p]
			end := o.End
			if end == history.Infinity {
				end = o.Start
			}
			if f.Start <= end && o.Start <= f.End {
				found = append(found, f)
				break
			}
		}
	}
	return found
}
