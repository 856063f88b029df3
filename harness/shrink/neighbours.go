package shrink

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

const millisecond = plan.Duration(time.Millisecond)

// mostNodes is how many nodes of a large cluster are tried as the victims of new faults.
const mostNodes = 8

// settled returns the plan with its marks at new times, with calm before the
// first and whole milliseconds between them, which is finer than any real
// cluster could follow. It is nil if a fault would last no time.
func settled(p *plan.Plan, marks []mark) *plan.Plan {
	marks = slices.Clone(marks)
	sortMarks(marks)
	marks = withGaps(marks, func(i int, length plan.Duration) plan.Duration {
		if i == 0 {
			length = max(length, calm)
		}
		return (length + millisecond - 1) / millisecond * millisecond
	})
	q := placed(p, marks)
	if q != nil {
		q.Limits.Time = lastMark(marks) + tail
	}
	return q
}

// timings returns variants of a plan that take more time: with everything in
// the same order, with all faults from the first operation to the last, and with
// all writes before all reads. (A read that was asked for before a write may have
// seen it nevertheless, when they were moments apart.)
func timings(p *plan.Plan) []*plan.Plan {
	marks := marksOf(p)
	variants := []*plan.Plan{settled(p, marks)}
	for _, least := range []struct{ edges, operations plan.Duration }{
		{clearance, 0}, {clearance, clearance / 3}, {2 * clearance, clearance}, {4 * clearance, 4 * clearance},
	} {
		variants = append(variants, settled(p, spread(marks, least.edges, least.operations)))
	}
	if reordered := writesFirst(p, marks); reordered != nil {
		for _, operations := range []plan.Duration{clearance / 3, clearance} {
			variants = append(variants, settled(p, spread(reordered, 2*clearance, operations)))
		}
	}
	if len(p.Schedule) == 0 {
		return variants
	}
	over := slices.Clone(marks)
	first, last := p.Operations[0].At, p.Operations[len(p.Operations)-1].At
	for i := range over {
		switch over[i].what {
		case begins:
			over[i].at = first
		case ends:
			over[i].at = last + 1
		}
	}
	sortMarks(over)
	for _, operations := range []plan.Duration{0, clearance / 3, clearance, 4 * clearance} {
		variants = append(variants, settled(p, spread(over, 2*clearance, operations)))
	}
	return variants
}

// writesFirst returns the marks such that the operations are asked for at the
// same times, but those that are no reads first; nil if they are so already.
func writesFirst(p *plan.Plan, marks []mark) []mark {
	var writes, reads []int
	sorted := true
	for i := range p.Operations {
		if p.Operations[i].F == history.FRead {
			reads = append(reads, i)
		} else {
			writes = append(writes, i)
			sorted = sorted && len(reads) == 0
		}
	}
	if sorted {
		return nil
	}
	order := append(writes, reads...)
	moved := slices.Clone(marks)
	next := 0
	for i := range moved {
		if moved[i].what == asks {
			moved[i].index = order[next]
			next++
		}
	}
	return moved
}

// spread returns the marks in the same order with at least that much time
// around the edges of faults, and between operations.
func spread(marks []mark, edges, operations plan.Duration) []mark {
	return withGaps(marks, func(i int, length plan.Duration) plan.Duration {
		switch {
		case i == 0:
			return length
		case marks[i].what == asks && marks[i-1].what == asks:
			return max(length, operations)
		case marks[i].what == asks || marks[i-1].what == asks, marks[i].what == ends && marks[i-1].what == begins:
			return max(length, edges)
		}
		return length
	})
}

// strongerAll returns variants in which all faults are stronger.
func (c *climb) strongerAll(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	for _, factor := range factors {
		q := *p
		faults := slices.Clone(p.Schedule)
		for i := range faults {
			faults[i] = strengthened(faults[i], factor)
		}
		setSchedule(&q, faults)
		variants = append(variants, &q)
	}
	for i := range p.Schedule {
		for _, f := range c.wider(p.Schedule[i]) {
			variants = append(variants, withFault(p, i, f))
		}
		switch f := p.Schedule[i].Clone(); f.Kind {
		case kill, power:
			f.Targets = slices.Clone(c.nodes)
			nameless(&f)
			variants = append(variants, withFault(p, i, f))
		}
	}
	return variants
}

// factors are by how much faults are made stronger; the last one reaches every bound.
var factors = []int64{2, 5, million}

// strengthened multiplies all numbers of a fault, up to their bounds.
func strengthened(f plan.Fault, factor int64) plan.Fault {
	for _, m := range magnitudesOf {
		if size := m.size(&f); size > 0 && size < m.most {
			f = m.scaled(f, min(m.most, size*min(factor, m.most/size+1)))
		}
	}
	return f
}

// wider returns partitions that cut more than the one that is given: both ways
// instead of one, all links of a node instead of some.
func (c *climb) wider(f plan.Fault) []plan.Fault {
	if f.Kind != partition {
		return nil
	}
	var both []history.Cut
	for _, cut := range f.Cuts {
		both = append(both, cut, history.Cut{From: cut.To, To: cut.From})
	}
	variants := []plan.Fault{c.moreCuts(f, both)}
	for _, node := range touched(f.Cuts) {
		variants = append(variants, c.moreCuts(f, isolation([]string{node}, c.nodes)))
	}
	return variants
}

// moreCuts returns the partition with further cuts, each of them once, in the order of the nodes.
func (c *climb) moreCuts(f plan.Fault, more []history.Cut) plan.Fault {
	f = f.Clone()
	for _, cut := range more {
		if !slices.Contains(f.Cuts, cut) {
			f.Cuts = append(f.Cuts, cut)
		}
	}
	place := func(node string) int { return slices.Index(c.nodes, node) }
	slices.SortFunc(f.Cuts, func(a, b history.Cut) int {
		return cmp.Or(cmp.Compare(place(a.From), place(b.From)), cmp.Compare(place(a.To), place(b.To)))
	})
	nameless(&f)
	return f
}

// bridged returns variants with one more fault each, which begins before and
// ends after everything else: a node that is cut off, deaf or mute, a pair of
// nodes that don't hear each other, a node that is paused.
func (c *climb) bridged(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	add := func(f plan.Fault) { variants = append(variants, bridge(p, f)) }
	victims := c.victims(p)
	for _, node := range victims {
		around := isolation([]string{node}, c.nodes)
		for _, cuts := range [][]history.Cut{
			around,
			only(around, func(c *history.Cut) bool { return c.To == node }),
			only(around, func(c *history.Cut) bool { return c.From == node }),
		} {
			if len(cuts) > 0 {
				add(plan.Fault{Kind: partition, Targets: []string{node}, Cuts: cuts})
			}
		}
	}
	for i, a := range victims {
		for _, b := range victims[i+1:] {
			add(plan.Fault{Kind: partition, Targets: []string{a}, Cuts: []history.Cut{{From: a, To: b}, {From: b, To: a}}})
		}
	}
	for _, node := range victims {
		add(plan.Fault{Kind: pause, Targets: []string{node}})
	}
	return variants
}

// bridge returns the plan with a further fault that begins before and ends after everything else.
func bridge(p *plan.Plan, f plan.Fault) *plan.Plan {
	f.ID, f.Duration = freshID(p), lastMark(marksOf(p))+1
	q := *p
	setSchedule(&q, append(slices.Clone(p.Schedule), f))
	return &q
}

// halfway returns variants in which a node that is asked to write reaches, or
// is heard by, one other node alone for as long as there are operations, and a
// read that asks that other node. So a write gets halfway and stays there: some
// readers see it and others do not.
func (c *climb) halfway(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	var done []string
	for _, write := range p.Operations {
		if write.F == history.FRead || slices.Contains(done, write.Node) {
			continue
		}
		done = append(done, write.Node)
		around := isolation([]string{write.Node}, c.nodes)
		for _, partner := range c.victims(p) {
			if partner == write.Node {
				continue
			}
			both := only(around, func(c *history.Cut) bool { return c.From != partner && c.To != partner })
			mute := only(both, func(c *history.Cut) bool { return c.From == write.Node })
			for _, cuts := range [][]history.Cut{mute, both} {
				if len(cuts) == 0 {
					continue
				}
				q := bridge(p, plan.Fault{Kind: partition, Targets: []string{write.Node}, Cuts: cuts})
				variants = append(variants, q)
				for i := range q.Operations {
					if o := &q.Operations[i]; o.F == history.FRead && o.Node != partner {
						variants = append(variants, asking(q, i, partner))
					}
				}
			}
		}
	}
	return variants
}

// asking returns the plan with its i-th operation asked of another node.
func asking(p *plan.Plan, i int, node string) *plan.Plan {
	operations := slices.Clone(p.Operations)
	operations[i].Node = node
	return withOperations(p, operations)
}

// victims returns the nodes for new faults: those that the plan names first,
// then others, as long as there are not too many.
func (c *climb) victims(p *plan.Plan) []string {
	var nodes []string
	add := func(names ...string) {
		for _, name := range names {
			if len(nodes) < mostNodes && !slices.Contains(nodes, name) {
				nodes = append(nodes, name)
			}
		}
	}
	for i := range p.Operations {
		add(p.Operations[i].Node)
	}
	for i := range p.Schedule {
		add(p.Schedule[i].Targets...)
		add(touched(p.Schedule[i].Cuts)...)
	}
	add(c.nodes...)
	return nodes
}

// freshID returns an identifier that no fault of the plan has.
func freshID(p *plan.Plan) string {
	ids := faultIDs(p)
	for n := len(ids) + 1; ; n++ {
		if id := "f" + strconv.Itoa(n); !slices.Contains(ids, id) {
			return id
		}
	}
}

// withFault returns the plan with another i-th fault.
func withFault(p *plan.Plan, i int, f plan.Fault) *plan.Plan {
	q := *p
	faults := slices.Clone(p.Schedule)
	faults[i] = f
	setSchedule(&q, faults)
	return &q
}

// withOperations returns the plan with other operations, in the order of their times.
func withOperations(p *plan.Plan, operations []plan.Operation) *plan.Plan {
	q := *p
	slices.SortStableFunc(operations, func(a, b plan.Operation) int { return cmp.Compare(a.At, b.At) })
	q.Operations = operations
	return &q
}

// neighbours returns the plans that differ from one in a single thing.
func (c *climb) neighbours(p *plan.Plan) []*plan.Plan {
	variants := smaller(p)
	variants = append(variants, timings(p)...)
	variants = append(variants, shifted(p)...)
	changes := c.otherFaults(p)
	changes = append(changes, c.otherOperations(p)...)
	for _, q := range changes {
		variants = append(variants, settled(q, marksOf(q)))
	}
	for _, q := range c.bridged(p) {
		variants = append(variants, settled(q, spread(marksOf(q), clearance, 0)))
	}
	return variants
}

// smaller returns the plans with one operation, fault, node or link less.
func smaller(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	for i := range p.Schedule {
		q := *p
		setSchedule(&q, slices.Delete(slices.Clone(p.Schedule), i, i+1))
		variants = append(variants, &q)
	}
	for i := range p.Operations {
		if len(p.Operations) > 1 {
			variants = append(variants, withOperations(p, slices.Delete(slices.Clone(p.Operations), i, i+1)))
		}
	}
	for i := range p.Schedule {
		f := p.Schedule[i]
		for j := range f.Targets {
			if f.Kind != partition && len(f.Targets) > 1 {
				less := f.Clone()
				less.Targets = slices.Delete(less.Targets, j, j+1)
				nameless(&less)
				variants = append(variants, withFault(p, i, less))
			}
		}
		for _, gone := range f.Cuts {
			// A link's two directions go together, or both remain.
			rest := only(f.Cuts, func(c *history.Cut) bool {
				return *c != gone && *c != history.Cut{From: gone.To, To: gone.From}
			})
			if len(rest) > 0 {
				variants = append(variants, withFault(p, i, cutTo(f, rest)))
			}
		}
	}
	return variants
}

// shifted returns the plans with one gap changed, or one edge of a fault moved past its neighbour or to the end of all.
func shifted(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	marks := marksOf(p)
	for i := 1; i < len(marks); i++ {
		length := gap(marks, i)
		for _, other := range []plan.Duration{length / 2, length * 2, length * 4, 0, clearance / 3, clearance, 4 * clearance} {
			if other != length {
				variants = append(variants, settled(p, withGap(marks, i, other)))
			}
		}
	}
	move := func(i int, at plan.Duration) {
		moved := slices.Clone(marks)
		moved[i].at = at
		variants = append(variants, settled(p, moved))
	}
	for i, m := range marks {
		if m.what == asks {
			continue
		}
		if i > 0 {
			move(i, marks[i-1].at-clearance)
		}
		if i < len(marks)-1 {
			move(i, marks[i+1].at+clearance)
		}
		if m.what == begins {
			move(i, marks[0].at-clearance)
		} else {
			move(i, lastMark(marks)+clearance)
		}
	}
	return variants
}

// otherFaults returns the plans with one fault stronger, wider or on a node more.
func (c *climb) otherFaults(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	for i := range p.Schedule {
		f := p.Schedule[i]
		for _, factor := range factors {
			variants = append(variants, withFault(p, i, strengthened(f, factor)))
		}
		for _, wide := range c.wider(f) {
			variants = append(variants, withFault(p, i, wide))
		}
		victims := c.victims(p)
		for j, node := range victims {
			if f.Kind == partition {
				for _, other := range victims[j+1:] {
					variants = append(variants, withFault(p, i, c.moreCuts(f, []history.Cut{{From: node, To: other}, {From: other, To: node}})))
				}
				continue
			}
			if !slices.Contains(f.Targets, node) {
				more := f.Clone()
				more.Targets = append(more.Targets, node)
				nameless(&more)
				variants = append(variants, withFault(p, i, more))
			}
		}
	}
	return variants
}

// repeatAfter is how long after a read it is repeated.
const repeatAfter = 50 * millisecond

// otherOperations returns the plans with one read repeated, or one operation asked of another node.
func (c *climb) otherOperations(p *plan.Plan) []*plan.Plan {
	var variants []*plan.Plan
	for i, o := range p.Operations {
		if o.F == history.FRead && len(p.Operations) < c.most {
			again := o
			again.At += repeatAfter
			for j := range p.Operations {
				if p.Operations[j].Worker == o.Worker {
					again.Index = max(again.Index, p.Operations[j].Index+1)
				}
			}
			variants = append(variants, withOperations(p, append(slices.Clone(p.Operations), again)))
		}
		for _, node := range c.victims(p) {
			if node != o.Node {
				variants = append(variants, asking(p, i, node))
			}
		}
	}
	return variants
}
