package results

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/refute-lab/refute/checker"
)

// siblingsView is the report's section on versions that stood side by side.
type siblingsView struct {
	Lead  string
	Bars  []barView
	Worst []siblingView
}

// barView is a bar of a histogram; Width is in percent of the widest, on a
// scale of orders of magnitude.
type barView struct {
	Name, Count string
	Width       int
}

type siblingView struct{ Key, Versions, Where string }

// siblingsLine says in one line how many versions stood side by side.
func siblingsLine(s *checker.SiblingCounts) string {
	if s.Several == 0 {
		return "Siblings: no key had more than one version at a time."
	}
	text := fmt.Sprintf("Siblings: %s of %s had several versions side by side, %s at most; the bound is %s",
		thousands(s.Several), count(s.Keys, "key"), thousands(s.Maximum), thousands(s.Bound))
	if s.Many > 0 {
		text += fmt.Sprintf("; %s had more than 25, from which on Riak warns", thousands(s.Many))
	}
	return text + "."
}

// siblingsLegend says what siblings are.
const siblingsLegend = "Versions of a key that were written concurrently and wait for a client to merge them. Each key counts with the most that one replica or read showed; the more there are, the slower the key."

// siblingWhere says what showed the versions.
func siblingWhere(k checker.KeySiblings) string {
	if k.Node == "" {
		return fmt.Sprintf("in a read, operation %d", k.Operation)
	}
	return fmt.Sprintf("on %s, operation %d", clip(k.Node, 40), k.Operation)
}

func (v *viewer) siblings() {
	s := v.run.Document.Siblings
	if s == nil {
		return
	}
	out := &siblingsView{Lead: capital(strings.TrimPrefix(siblingsLine(s), "Siblings: "))}
	v.view.Siblings = out
	if s.Several == 0 {
		return
	}
	versions := slices.Sorted(maps.Keys(s.Histogram))
	most := 1
	for _, n := range versions {
		most = max(most, s.Histogram[n])
	}
	for i, n := range versions {
		if i == v.level.lists {
			v.cut("%s of the siblings' histogram", plural(len(versions)-i, "bar", "bars"))
			break
		}
		out.Bars = append(out.Bars, barView{thousands(n), thousands(s.Histogram[n]), logarithmic(s.Histogram[n], most)})
	}
	for _, k := range s.Worst {
		out.Worst = append(out.Worst, siblingView{clip(k.Key, 100), thousands(k.Versions), siblingWhere(k)})
	}
}

// logarithmic is the width of a bar in percent, on a scale of orders of magnitude.
func logarithmic(n, most int) int {
	return max(int(100*math.Log1p(float64(n))/math.Log1p(float64(most))), 1)
}

// markdownSiblings writes the section of summary.md.
func markdownSiblings(b *bytes.Buffer, d *Document) {
	s := d.Siblings
	if s == nil {
		return
	}
	fmt.Fprintf(b, "\n## Siblings\n\n%s\n", md(capital(strings.TrimPrefix(siblingsLine(s), "Siblings: "))))
	if len(s.Worst) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n\n| key | versions | where |\n|---|---:|---|\n", siblingsLegend)
	for _, k := range s.Worst {
		fmt.Fprintf(b, "| %s | %s | %s |\n", md(clip(k.Key, 100)), thousands(k.Versions), md(siblingWhere(k)))
	}
}
