package staleness

import "slices"

// worstRead is how stale the reads of one key were at the most, and the
// operations that show the read that missed the most versions.
type worstRead struct {
	versions   int
	age        int64
	operations []int64
}

// reads measures every read of the key.
//
// A write is definitely newer than the one whose value was read iff the latter
// was known before the former was invoked, and it definitely took effect
// before the read iff it was known before the read was invoked. In every order
// of the operations that respects real time it stands between the two.
func (m *Meter) reads(key string) (worst worstRead) {
	m.ends = m.ends[:0]
	anyStale := false
	for i := range m.operations {
		o := &m.operations[i]
		if o.Write {
			m.report.Writes++
			if !o.Unknown {
				m.ends = append(m.ends, o.End)
			}
			continue
		}
		if w := m.source(o); w != nil && w.firstKnown < o.Start {
			anyStale = true
		}
	}
	slices.Sort(m.ends)
	if anyStale {
		m.tree = resize(m.tree, len(m.writes)+1)
		clear(m.tree)
	}
	ended, taken := 0, 0
	for i := range m.operations {
		o := &m.operations[i]
		if o.Write {
			continue
		}
		m.report.Reads++
		w := m.source(o)
		if w == nil {
			m.report.Unexplained++
			continue
		}
		for ended < len(m.ends) && m.ends[ended] < o.Start {
			ended++
		}
		if ended > 0 {
			m.trend.add(o.Start-m.ends[ended-1], w.firstEnd >= o.Start)
		}
		if w.firstKnown >= o.Start {
			m.bins.add(0)
			continue
		}
		for taken < len(m.byKnown) && m.writes[m.byKnown[taken]].known < o.Start {
			m.count(m.byKnown[taken])
			taken++
		}
		versions := taken - m.before(w.newer)
		age := o.Start - w.firstKnown
		m.bins.add(versions)
		m.ages = append(m.ages, age)
		if versions > worst.versions {
			worst.versions, worst.operations = versions, m.proof(w, o)
			if versions > m.report.MostVersions.Versions {
				m.report.MostVersions = MostVersions{versions, key, worst.operations}
			}
		}
		worst.age = max(worst.age, age)
		if age > m.report.Oldest.Nanoseconds {
			m.report.Oldest = Duration{age, key, m.proof(w, o)}
		}
	}
	return worst
}

// source is the write whose value the read returned, or nil if no write explains it.
func (m *Meter) source(read *Operation) *write {
	if place := m.values[read.Value].place; place != none {
		return &m.writes[place]
	}
	return nil
}

// count adds the write at the place to the tree, a binary indexed one
// (Fenwick, A New Data Structure for Cumulative Frequency Tables, 1994).
func (m *Meter) count(place int32) {
	for i := int(place) + 1; i < len(m.tree); i += i & -i {
		m.tree[i]++
	}
}

// before is how many counted writes have a place lower than that.
func (m *Meter) before(place int32) int {
	n := 0
	for i := int(place); i > 0; i -= i & -i {
		n += int(m.tree[i])
	}
	return n
}

// proof names the operations that show that the read is stale: those from
// which its value was known, the newer write that was known first, and the read.
func (m *Meter) proof(source *write, read *Operation) []int64 {
	var list []int64
	add := func(w *write) {
		x := &m.values[w.value]
		if x.writer != none {
			list = append(list, m.operations[x.writer].Index)
		}
		if x.first != none && w.known == x.seen && w.known < w.end {
			list = append(list, m.operations[x.first].Index)
		}
	}
	add(source)
	for i := int(source.newer); i < len(m.writes); i++ {
		if m.writes[i].known == source.firstKnown {
			add(&m.writes[i])
			break
		}
	}
	return sortedSet(append(list, read.Index))
}

func sortedSet(list []int64) []int64 {
	slices.Sort(list)
	return slices.Compact(list)
}
