package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// usedByTransactions are the registers that transactions read or write.
func (t *timeline) usedByTransactions() map[string]bool {
	used := map[string]bool{}
	for k := range t.keys {
		if t.keys[k].object != transactionObject {
			continue
		}
		for _, p := range t.keys[k].positions {
			o := &t.operations[p]
			if list, err := microOperations(o); err == nil {
				for _, m := range list {
					used[m.register] = true
				}
			}
		}
	}
	return used
}

// components are the objects that the transactions' registers fall into: those
// that no chain of transactions connects are independent of each other. An
// operation that cannot be understood may connect anything.
func (t *timeline) components() []keyOperations {
	var all []int32
	for k := range t.keys {
		if t.keys[k].object == transactionObject {
			all = append(all, t.keys[k].positions...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	numbers, parents, names := map[string]int{}, []int{}, []string{}
	root := func(i int) int {
		for parents[i] != i {
			parents[i] = parents[parents[i]]
			i = parents[i]
		}
		return i
	}
	first := make([]int, len(all)) // a register of each operation; -1: it has none
	for i, p := range all {
		list, err := microOperations(&t.operations[p])
		if err != nil {
			return []keyOperations{{name: t.operations[p].Key, object: transactionObject, positions: all}}
		}
		first[i] = -1
		for _, m := range list {
			n, found := numbers[m.register]
			if !found {
				n = len(parents)
				numbers[m.register] = n
				parents, names = append(parents, n), append(names, m.register)
			}
			if first[i] < 0 {
				first[i] = n
			}
			// The lesser number stays the root, so that the order is that of the history.
			a, b := root(first[i]), root(n)
			parents[max(a, b)] = min(a, b)
		}
	}
	byRoot := map[int]*keyOperations{}
	var out []*keyOperations
	members := make([][]string, len(names))
	for n, name := range names {
		members[root(n)] = append(members[root(n)], name)
	}
	for i, p := range all {
		if first[i] < 0 {
			continue
		}
		n := root(first[i])
		c := byRoot[n]
		if c == nil {
			c = &keyOperations{name: nameOf(members[n]), object: transactionObject}
			byRoot[n] = c
			out = append(out, c)
		}
		c.positions = append(c.positions, p)
	}
	list := make([]keyOperations, len(out))
	for i := range out {
		list[i] = *out[i]
	}
	return list
}

// nameOf names registers that are judged together: "x, y, z and 5 more".
func nameOf(registers []string) string {
	registers = slices.Clone(registers)
	slices.SortFunc(registers, cmp.Compare[string])
	const most = 4
	if len(registers) <= most {
		return strings.Join(registers, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(registers[:most-1], ", "), len(registers)-most+1)
}
