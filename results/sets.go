package results

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/refute-lab/refute/checker"
)

// setsView is the report's section on what became of the elements of sets.
type setsView struct {
	Lead     string
	Measures []measureView
	Late     []lateView
}

// lateView is an element that appeared late.
type lateView struct{ Element, Set, Late, Known, Lacking string }

// inMilliseconds writes a time that is given in milliseconds.
func inMilliseconds(ms float64) string {
	if ms == 0 {
		return "0"
	}
	return span(int64(ms * 1e6))
}

// latencyText is the quantiles of a latency in milliseconds.
func latencyText(q map[string]float64) string {
	if len(q) == 0 {
		return ""
	}
	return fmt.Sprintf("p50 %s · p95 %s · p99 %s · max %s", inMilliseconds(q["p50"]), inMilliseconds(q["p95"]), inMilliseconds(q["p99"]), inMilliseconds(q["max"]))
}

// setsLine says in one line what became of the elements.
func setsLine(s *checker.SetTimeline) string {
	lost := "none was lost"
	if s.Lost > 0 {
		lost = plural(s.Lost, "was", "were") + " lost"
	}
	late := "none appeared late"
	if s.Stale > 0 {
		late = fmt.Sprintf("%s appeared late, by up to %s", thousands(s.Stale), inMilliseconds(s.StableLatency["max"]))
	}
	text := fmt.Sprintf("Sets: of %s in %s %s acknowledged; %s, %s", count(s.Attempted, "element"), count(s.Sets, "set"),
		plural(s.Acknowledged, "was", "were"), lost, late)
	for _, more := range []struct {
		n    int
		text string
	}{{s.NeverRead, "never read"}, {s.Unexpected, "never added"}, {s.Duplicated, "read twice in one read"}} {
		if more.n > 0 {
			text += fmt.Sprintf(", %s %s", thousands(more.n), more.text)
		}
	}
	return text + "."
}

// setsMeasures are the measures, each with a sentence on what it means. What
// is an exception is left out where there is none.
func setsMeasures(s *checker.SetTimeline) []measureView {
	list := []measureView{
		{"elements", fmt.Sprintf("%s acknowledged of %s", thousands(s.Acknowledged), thousands(s.Attempted)), "",
			"An element is known once its add was acknowledged or a read showed it."},
		{"stable", thousands(s.Stable), latencyText(s.StableLatency),
			"In every read from some moment on. The times: how long after an element was known a read still began that lacked it."},
		{"late", thousands(s.Stale), "", "Known, yet missing from a read that began afterwards, and there again later."},
		{"lost", thousands(s.Lost), latencyText(s.LostLatency),
			"Known, and missing from the last reads. The times: how long after it was known it was still seen."},
	}
	for _, exception := range []struct {
		name    string
		n       int
		meaning string
	}{
		{"never read", s.NeverRead, "Acknowledged, but no read began late enough to tell."},
		{"turned up", s.Recovered, "Their adds were not acknowledged, yet they were read: a failure without an answer may have happened."},
		{"unexpected", s.Unexpected, "Read, although nobody can have added them."},
		{"duplicated", s.Duplicated, "More than once in one read."},
	} {
		if exception.n > 0 {
			list = append(list, measureView{exception.name, thousands(exception.n), "", exception.meaning})
		}
	}
	return list
}

func (v *viewer) sets() {
	s := v.run.Document.Sets
	if s == nil || s.Attempted+s.Unexpected == 0 {
		return
	}
	out := &setsView{Lead: capital(strings.TrimPrefix(setsLine(s), "Sets: ")), Measures: setsMeasures(s)}
	v.view.Sets = out
	for _, e := range s.WorstStale {
		out.Late = append(out.Late, lateView{fmt.Sprint(e.Element), clip(e.Key, 60), inMilliseconds(e.Milliseconds), fmt.Sprint(e.Known), fmt.Sprint(e.Lacking)})
	}
}

// markdownSets writes the section of summary.md.
func markdownSets(b *bytes.Buffer, d *Document) {
	s := d.Sets
	if s == nil || s.Attempted+s.Unexpected == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Sets\n\n%s\n\n", md(capital(strings.TrimPrefix(setsLine(s), "Sets: "))))
	b.WriteString("| measure | this run | what it means |\n|---|---|---|\n")
	for _, m := range setsMeasures(s) {
		value := m.Value
		if m.Shown != "" {
			value += " (" + m.Shown + ")"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", md(m.Name), md(value), md(m.Meaning))
	}
	if len(s.WorstStale) == 0 {
		return
	}
	b.WriteString("\n| element | set | late by | known by operation | missing from operation |\n|---:|---|---:|---:|---:|\n")
	for _, e := range s.WorstStale {
		fmt.Fprintf(b, "| %d | %s | %s | %d | %d |\n", e.Element, md(clip(e.Key, 60)), inMilliseconds(e.Milliseconds), e.Known, e.Lacking)
	}
}
