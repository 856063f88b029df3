package main

import (
	"strconv"
	"strings"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

// broken makes a legal history and changes one to four things in it, after
// which it may be illegal.
func (g *generator) broken() []history.Operation {
	operations := g.legal()
	for range 1 + g.r.IntN(4) {
		g.change(&operations[g.r.IntN(len(operations))], operations)
	}
	sortByStart(operations)
	number(operations)
	return operations
}

// change changes an operation: what it saw, what became of it, or when it was.
func (g *generator) change(o *history.Operation, operations []history.Operation) {
	if g.r.IntN(4) == 0 {
		g.shorten(o)
		return
	}
	switch {
	case o.F == history.FRead && o.Type == history.Ok:
		o.Output = g.other(operations)
	case o.F == history.FCAS && o.Type == history.Fail && o.Error == "":
		if g.r.IntN(2) == 0 {
			o.Type = history.Ok
		} else if g.mix.told != nothing {
			o.Error = checker.MismatchError
		}
	case o.F == history.FCAS && o.Type == history.Fail:
		if o.Output.Kind() != history.Absent {
			// A store that names the expected value says no more than that it
			// found another, which not every mix is to have.
			if v := g.other(operations); v != expectedBy(o) || !g.mix.exact {
				o.Output = v
			}
		} else {
			o.Type, o.Error = history.Ok, ""
		}
	case o.F == history.FCAS && o.Type == history.Ok && g.mix.told != nothing && g.mix.told != value:
		o.Type, o.Error = history.Fail, checker.MismatchError
	case o.F == history.FCAS && o.Type == history.Ok:
		another := &operations[g.r.IntN(len(operations))]
		if another.F == history.FCAS && g.mix.values > 0 {
			o.Input = another.Input
		}
	case o.Type == history.Ok && g.r.IntN(3) == 0:
		o.Type, o.Output = history.Fail, history.Value{}
	case o.Type == history.Fail && g.r.IntN(3) == 0 && o.F != history.FRead:
		o.Type = history.Ok
	}
}

// expectedBy is what the compare-and-set expects.
func expectedBy(o *history.Operation) history.Value {
	if list := o.Input.List(); list != nil {
		return history.IntValue(list[0])
	}
	first, _, _ := strings.Cut(strings.Trim(string(o.Input.Raw()), "[]"), ",")
	if n, err := strconv.ParseInt(first, 10, 64); err == nil {
		return history.IntValue(n)
	}
	return history.NilValue()
}

// other is a value that some operation wrote or saw.
func (g *generator) other(operations []history.Operation) history.Value {
	o := &operations[g.r.IntN(len(operations))]
	switch {
	case o.F == history.FWrite:
		return o.Input
	case o.F == history.FRead && o.Type == history.Ok:
		return o.Output
	case o.Input.List() != nil:
		return history.IntValue(o.Input.List()[g.r.IntN(2)])
	case g.written > 0 && g.r.IntN(2) == 0:
		return history.IntValue(1 + g.r.Int64N(g.written))
	}
	return history.NilValue()
}

// shorten lets the operation begin later or end earlier.
func (g *generator) shorten(o *history.Operation) {
	if o.End == history.Infinity || o.End == o.Start {
		return
	}
	at := o.Start + g.r.Int64N(o.End-o.Start+1)
	if g.r.IntN(2) == 0 {
		o.Start = at
	} else {
		o.End = at
	}
}
