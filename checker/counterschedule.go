package checker

import (
	"cmp"
	priority "container/heap"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// scheduled decides a counter whose additions are all of one number, exactly,
// once the bounds are met: a read then says how many additions came before it.
//
// Sorted by that, groups of equal reads are walls between which a known number
// of additions must lie. Real time confines each addition to a run of
// consecutive rooms between the walls: behind every read that ended before it
// began, before every read that began after it ended. Additions are alike, so
// all that matters is how many are in each room: exactly so many, each within
// its run. That is a matching of a convex bipartite graph, which taking in each
// room the additions with the least last room finds if there is one (Glover,
// Maximum Matching in a Convex Bipartite Graph, 1967). If one addition ended
// before another began, the run of the one begins and ends no later than that
// of the other, so this never puts them in the wrong order if ties are broken
// by their ends. The last room, behind all reads, takes what is left, and all
// that need not have happened.
func (c *counterHistory) scheduled() bool {
	reads := slices.Clone(c.reads)
	slices.SortStableFunc(reads, func(a, b counterCall) int { return cmp.Compare(a.number/c.unit, b.number/c.unit) })
	var walls []wall
	links := make([]placement, len(reads))
	for i := range reads {
		r := &reads[i]
		count := r.number / c.unit
		if len(walls) == 0 || walls[len(walls)-1].count != count {
			walls = append(walls, wall{count, never, history.Infinity})
		}
		w := &walls[len(walls)-1]
		w.latest, w.earliest = max(w.latest, r.start), min(w.earliest, r.end)
		links[i] = placement{r.start, r.end, int32(len(walls)), 0}
	}
	fits := true
	misplaced(links, func(_, _ placement) { fits = false })
	if !fits || walls[0].count < 0 {
		return false
	}
	return c.fillRooms(walls)
}

// wall is a group of reads of one sum.
type wall struct {
	count    int64 // additions before it
	latest   int64 // start of its reads
	earliest int64 // end of its reads
}

// fillRooms puts the additions into the rooms before, between and behind the walls.
func (c *counterHistory) fillRooms(walls []wall) bool {
	// An addition is behind all walls up to the last with a read that ended
	// before it began, and before the first with a read that began after it ended.
	behind := make([]int64, len(walls)) // least end of this wall and those after it
	before := make([]int64, len(walls)) // greatest start of this wall and those before it
	for k := range walls {
		before[k] = walls[k].latest
		if k > 0 {
			before[k] = max(before[k], before[k-1])
		}
	}
	for k := len(walls) - 1; k >= 0; k-- {
		behind[k] = walls[k].earliest
		if k+1 < len(walls) {
			behind[k] = min(behind[k], behind[k+1])
		}
	}
	rooms := make([][]roomed, len(walls)+1)
	for i := range c.adds {
		a := &c.adds[i]
		first, _ := slices.BinarySearchFunc(behind, a.start, func(end, start int64) int {
			if end < start {
				return -1
			}
			return 1
		})
		last, _ := slices.BinarySearchFunc(before, a.end, func(start, end int64) int {
			if start <= end {
				return -1
			}
			return 1
		})
		if last < first {
			return false
		}
		rooms[first] = append(rooms[first], roomed{last, a.end})
	}
	var open roomQueue
	count := int64(0)
	for k := range walls {
		for _, a := range rooms[k] {
			priority.Push(&open, a)
		}
		for ; count < walls[k].count; count++ {
			if open.Len() == 0 || priority.Pop(&open).(roomed).last < k {
				return false
			}
		}
		if open.Len() > 0 && open[0].last <= k {
			return false // it had to be in this room at the latest, which is full
		}
	}
	return true
}

// roomed is an addition with the last room that it may be in.
type roomed struct {
	last int
	end  int64
}

type roomQueue []roomed

func (q roomQueue) Len() int { return len(q) }
func (q roomQueue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].last, q[j].last), cmp.Compare(q[i].end, q[j].end)) < 0
}
func (q roomQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *roomQueue) Push(x any)   { *q = append(*q, x.(roomed)) }
func (q *roomQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
