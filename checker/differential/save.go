package main

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// save writes the operations as a history that can be read again.
func save(path string, operations []history.Operation) error {
	type moment struct {
		at         int64
		completion bool
		operation  int
	}
	var moments []moment
	for i := range operations {
		moments = append(moments, moment{operations[i].Start, false, i})
		if operations[i].Type != history.Info {
			moments = append(moments, moment{operations[i].End, true, i})
		}
	}
	// Of one time the invocations first: such operations overlap. (A process that
	// goes on at the instant at which it got an answer is one too many, see below.)
	slices.SortStableFunc(moments, func(a, b moment) int {
		if c := cmp.Compare(a.at, b.at); c != 0 || a.completion == b.completion {
			return c
		}
		if a.completion {
			return 1
		}
		return -1
	})
	w, err := history.Create(path)
	if err != nil {
		return err
	}
	for n, m := range moments {
		o := &operations[m.operation]
		// Each operation gets a process of its own: to the order of a register it does not matter whose it is.
		e := history.Event{Index: int64(n), Time: m.at, Process: history.Process(m.operation), Type: history.Invoke, F: o.F, Key: o.Key, Value: o.Input}
		if m.completion {
			e.Type, e.Value, e.Error = o.Type, o.Output, o.Error
			if e.Value.Kind() == history.Absent {
				e.Value = o.Input
			}
		}
		if err := w.Append(&e); err != nil {
			_ = w.Close()
			return err
		}
	}
	return w.Close()
}
