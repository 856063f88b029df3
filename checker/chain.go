package checker

// placement is an operation, or an element's first appearance, with its place in an
// order that the reads dictate: everything in a block comes before everything
// in the blocks with greater numbers. Within a block any order will do.
type placement struct {
	start, end int64
	block      int32
	// id is what it is, in the words of the caller.
	id int32
}

// misplaced calls yield for each placement that ended before one of an earlier
// block began, with the one of those that began last. The links must be in the
// order of their blocks.
//
// It decides whether an order by blocks agrees with real time. If no placement is
// misplaced, real time (an interval order, hence without cycles) and the
// blocks together have no cycle either: a cycle would have to come back from a
// later block to an earlier one by real time alone. So a linear order that
// extends both exists, and by Herlihy and Wing's definition that is all that is asked.
func misplaced(links []placement, yield func(earlier, later placement)) {
	latest, present := none, none // of the earlier blocks, and of the present one too
	for i := range links {
		if i > 0 && links[i].block != links[i-1].block {
			latest = present
		}
		if present == none || links[i].start > links[present].start {
			present = int32(i)
		}
		if latest != none && links[i].end < links[latest].start {
			yield(links[latest], links[i])
		}
	}
}
