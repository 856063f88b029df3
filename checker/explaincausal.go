package checker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// chained tells a chain of operations in causal order, the last of which
// returned what it must not.
func (n narrator) chained() string {
	f := n.f
	if f.class == classThinAir {
		return fmt.Sprintf("%s, a value that nobody tried to write.", n.got(f.second))
	}
	var steps []string
	for i, p := range f.chain {
		if p == f.second && i == len(f.chain)-1 && f.class != classCyclic {
			break
		}
		steps = append(steps, n.step(i))
	}
	text := capital(strings.Join(steps, "; ")) + "."
	if f.class == classCyclic {
		return text + " Each of these came before the next, in its process or because it was read; so a value was read before it was written."
	}
	last := n.at(f.second)
	text += fmt.Sprintf(" Yet %s%s", n.again(len(f.chain)-1), n.result(f.second))
	switch {
	case f.versions:
		return text + fmt.Sprintf(", without the version of %s in its context.", n.value(f.newer))
	case f.class == classReturned && last.Output.Kind() == history.Nil:
		return text + ", although it had seen a value before."
	case f.class == classReturned:
		return text + ", although it knew that value before it saw the other."
	case last.Output.Kind() == history.Nil:
		return text + fmt.Sprintf(", although %s had been written before all that.", n.value(f.newer))
	}
	return text + fmt.Sprintf(", which %s had replaced.", n.value(f.newer))
}

// step tells one operation of the chain, with regard to those before it.
func (n narrator) step(i int) string {
	o := n.at(n.f.chain[i])
	who := n.again(i)
	at := fmt.Sprintf("%s at %s", n.through(n.f.chain[i]), clock(o.Start))
	outcome := ""
	if o.Type == history.Info {
		outcome = ", without learning what became of it"
	}
	switch o.F {
	case history.FRead:
		if i > 0 && n.returnedBy(n.f.chain[i-1], o) {
			return fmt.Sprintf("%sread that%s", who, at)
		}
		return who + n.result(n.f.chain[i])
	case history.FDelete:
		return fmt.Sprintf("%sdeleted %s%s%s", who, keyName(o.Key), at, outcome)
	case history.FCAS:
		expected, value, _ := casArguments(o.Input)
		return fmt.Sprintf("%schanged %s from %s to %s%s%s", who, keyName(o.Key), showValue(expected), showValue(value), at, outcome)
	}
	return fmt.Sprintf("%swrote %s to %s%s%s", who, showValue(o.Input), keyName(o.Key), at, outcome)
}

// again names the process of the chain's i-th operation: "then it", if it is
// that of the one before.
func (n narrator) again(i int) string {
	p := n.at(n.f.chain[i]).Process
	if i > 0 && n.at(n.f.chain[i-1]).Process == p {
		return "then it "
	}
	return fmt.Sprintf("process %d ", p)
}

// returnedBy says whether the read returned what the operation wrote.
func (n narrator) returnedBy(write int32, read *history.Operation) bool {
	w := n.at(write)
	if w.F != history.FWrite || w.Key != read.Key || w.Input.Kind() != history.Int {
		return false
	}
	if v, err := history.ParseVersions(read.Output); err == nil {
		n, _ := w.Input.Int()
		return len(v.Values) == 1 && v.Values[0] == n
	}
	return showValue(w.Input) == showValue(read.Output)
}

// showSiblings writes what a read of a register with siblings returned, for
// people: "1 and 2 (context n1:4 and n2:2)". Other values are shown as they are.
func showSiblings(value history.Value) string {
	v, err := history.ParseVersions(value)
	if err != nil {
		return showValue(value)
	}
	if len(v.Context) == 0 && len(v.Values) == 0 {
		return "no sibling (empty context)"
	}
	values, context := []string{}, []string{}
	for _, n := range v.Values {
		values = append(values, fmt.Sprint(n))
	}
	for node, counter := range v.Context {
		context = append(context, history.Dot{Node: node, Counter: counter}.String())
	}
	slices.Sort(context)
	if len(values) == 0 {
		values = []string{"no sibling"}
	}
	return fmt.Sprintf("%s (context %s)", list(values), list(context))
}

// value is what the operation wrote.
func (n narrator) value(p int32) string {
	o := n.at(p)
	if o.F == history.FCAS {
		_, value, _ := casArguments(o.Input)
		return showValue(value)
	}
	if o.F == history.FDelete {
		return "a delete"
	}
	return showValue(o.Input)
}

// siblings tells that a process missed a version that it had written or read.
func (n narrator) siblings() string {
	f := n.f
	if f.class == classOwnVersion {
		return fmt.Sprintf("%s; %s later %s, without its own version in the context.", n.wrote(f.newer), n.gap(f.newer, f.second), n.sameOr(f.newer, f.second))
	}
	return fmt.Sprintf("%s; %s later %s, whose context is without what the earlier read had returned.", n.got(f.first), n.gap(f.first, f.second), n.sameOr(f.first, f.second))
}
