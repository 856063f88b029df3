package checker

import (
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The naive definitions: each looks at all tuples of operations.

func valueText(v history.Value) string { return showValue(v) }

// writtenBy is the value that the operation writes, if it writes at all.
func writtenBy(o *history.Operation) (value string, writes bool) {
	switch o.F {
	case history.FWrite:
		return valueText(o.Input), true
	case history.FDelete:
		return valueText(history.NilValue()), true
	case history.FCAS:
		expected, v, _ := casArguments(o.Input)
		if o.Type != history.Fail && valueText(expected) == valueText(v) {
			return "", false // it changes nothing
		}
		return valueText(v), true
	}
	return "", false
}

// whatItFound is the value that the operation certainly found, if any.
func whatItFound(o *history.Operation) (value string, found bool) {
	switch {
	case o.F == history.FCAS && o.Type == history.Fail && o.Error == MismatchError && o.Output.Kind() != history.Absent:
		v, _, _ := casArguments(o.Input)
		return valueText(o.Output), valueText(v) != valueText(o.Output) // else it contradicts itself
	case o.Type != history.Ok:
	case o.F == history.FRead:
		return valueText(o.Output), true
	case o.F == history.FCAS:
		v, _, _ := casArguments(o.Input)
		return valueText(v), true
	}
	return "", false
}

const nothing = "not found"

// naiveWriters are the operations that may have written the value.
func naiveWriters(all []history.Operation, value string) (writers []history.Operation) {
	for i := range all {
		if v, writes := writtenBy(&all[i]); writes && v == value && all[i].Type != history.Fail {
			writers = append(writers, all[i])
		}
	}
	return writers
}

// naiveKnown is when the value was certainly there; Infinity if that cannot be said.
func naiveKnown(all []history.Operation, value string) int64 {
	writers := naiveWriters(all, value)
	if value == nothing {
		at := never
		for _, w := range writers {
			at = max(at, w.End)
		}
		return at
	}
	if len(writers) != 1 {
		return history.Infinity
	}
	at := writers[0].End
	for i := range all {
		if v, found := whatItFound(&all[i]); found && v == value {
			at = min(at, all[i].End)
		}
	}
	if at < writers[0].Start {
		return history.Infinity
	}
	return at
}

// naiveLostUpdates counts the compare-and-sets that refute no-lost-updates, by class.
func naiveLostUpdates(all []history.Operation) map[string]int {
	out := map[string]int{}
	update := func(o *history.Operation) bool {
		_, writes := writtenBy(o)
		return o.F == history.FCAS && o.Type == history.Ok && writes
	}
	for i := range all {
		c := &all[i]
		if !update(c) {
			continue
		}
		value, _ := whatItFound(c)
		writers := len(naiveWriters(all, value))
		once := writers == 1
		if value == nothing {
			once = writers == 0
		}
		fork := slices.ContainsFunc(all[:i], func(o history.Operation) bool {
			v, _ := whatItFound(&o)
			return update(&o) && v == value
		})
		stale := slices.ContainsFunc(all, func(m history.Operation) bool {
			_, writes := writtenBy(&m)
			return writes && m.Type == history.Ok && naiveKnown(all, value) < m.Start && m.End < c.Start
		})
		switch {
		case once && fork:
			out[classUpdateFork]++
		case stale:
			out[classUpdateOverwritten]++
		}
	}
	return out
}

// naiveResurrections counts the reads of deleted values, by class.
func naiveResurrections(all []history.Operation) map[string]int {
	out := map[string]int{}
	for i := range all {
		again := &all[i]
		value, found := whatItFound(again)
		if again.F != history.FRead || !found || value == nothing {
			continue
		}
		known := naiveKnown(all, value)
		seen, stale := false, false
		for _, d := range all {
			if v, writes := writtenBy(&d); !writes || v != nothing || d.Type != history.Ok || d.Start <= known {
				continue
			}
			stale = stale || d.End < again.Start
			for _, a := range all {
				if v, ok := whatItFound(&a); ok && a.F == history.FRead && v == nothing && d.End < a.Start && a.End < again.Start {
					seen = true
				}
			}
		}
		if seen {
			out[classResurrected]++
		} else if stale {
			out[classStaleDelete]++
		}
	}
	return out
}

// naiveOrigins counts what was found although it certainly failed, and although nobody tried to write it.
func naiveOrigins(all []history.Operation) (dirty, phantom int) {
	for i := range all {
		value, found := whatItFound(&all[i])
		if !found || value == nothing || len(naiveWriters(all, value)) > 0 {
			continue
		}
		if slices.ContainsFunc(all, func(o history.Operation) bool {
			v, writes := writtenBy(&o)
			return writes && v == value
		}) {
			dirty++
		} else {
			phantom++
		}
	}
	return dirty, phantom
}
