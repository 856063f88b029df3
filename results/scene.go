package results

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/refute-lab/refute/harness/history"
)

// nearest keeps the n moments that are closest to one of the witness', in order.
func nearest(around, witness []*Moment, n int) []*Moment {
	distance := func(m *Moment) int64 {
		least := int64(1) << 62
		for _, w := range witness {
			least = min(least, max(w.Index-m.Index, m.Index-w.Index))
		}
		return least
	}
	if n >= len(around) {
		return around
	}
	kept := slices.Clone(around)
	slices.SortStableFunc(kept, func(a, b *Moment) int { return cmp.Compare(distance(a), distance(b)) })
	kept = kept[:n]
	slices.SortFunc(kept, func(a, b *Moment) int { return cmp.Compare(a.Index, b.Index) })
	return kept
}

// elements says of each read of a set which of the witness' added elements it has.
func (s *Scene) elements() {
	var added []int64
	for _, m := range s.Witness {
		if n, ok := m.operation.Input.Int(); ok && m.F == history.FAdd {
			added = append(added, n)
		}
	}
	for _, m := range s.Witness {
		if m.F != history.FRead || m.operation.Output.Kind() != history.List {
			continue
		}
		for i, n := range added {
			word := "lacks "
			if slices.Contains(m.operation.Output.List(), n) {
				word = "contains "
			}
			if i > 0 {
				m.Elements += ", "
			}
			m.Elements += word + strconv.FormatInt(n, 10)
		}
		m.Elements = clip(m.Elements, 300)
	}
}

// valueText writes a value for people, within bounds.
func valueText(v history.Value) string {
	switch v.Kind() {
	case history.Absent:
		return ""
	case history.Nil:
		return "nil"
	case history.Int:
		n, _ := v.Int()
		return strconv.FormatInt(n, 10)
	case history.List:
		list := v.List()
		if len(list) > 6 {
			return fmt.Sprintf("%d elements", len(list))
		}
		return clip(fmt.Sprint(list), 200)
	}
	return clip(string(v.Raw()), 200)
}
