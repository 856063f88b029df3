package results

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

// longExplanation is the length in bytes from which on a witness is told first
// without what each replica answered, which its table shows too.
const longExplanation = 600

func (v *viewer) claim(position int, c Claim) claimView {
	out := claimView{
		Anchor: fmt.Sprintf("claim-%d", position+1), Name: clip(c.Claim, 100), Word: c.word(), Found: "–",
		Checker: clip(c.Checker, 100), Took: seconds(c.Seconds), Verdict: c.Verdict, Vacuous: c.Vacuous && c.Verdict == checker.Unknown,
		Expected: c.Verdict == checker.Refuted && v.run.expects(c.Claim),
		Meaning:  meaning(c.Claim), Explanation: clip(c.Explanation, v.level.text),
	}
	if c.Verdict == checker.Refuted {
		out.Found = thousands(max(c.Found, len(c.Witnesses)))
	}
	var classes []string
	for _, class := range slices.Sorted(maps.Keys(c.Classes)) {
		classes = append(classes, clip(class, 60)+" "+thousands(c.Classes[class]))
	}
	if len(classes) > v.level.lists {
		classes = append(classes[:v.level.lists], "…")
	}
	if len(classes) > 0 {
		lead, sum := "Counted: ", 0
		for _, n := range c.Classes {
			sum += n
		}
		if c.Verdict == checker.Refuted && sum == c.Found {
			lead = "Found, by class: " // else it has what is no violation, too
		}
		out.Classes = lead + strings.Join(classes, ", ")
	}
	for i := range c.Witnesses {
		if i == v.level.witnesses {
			break
		}
		out.Witnesses = append(out.Witnesses, v.witness(position, i, c))
	}
	if more := max(c.Found, len(c.Witnesses)) - len(out.Witnesses); more > 0 && c.Verdict == checker.Refuted {
		out.More = plural(more, "more violation was found that is", "more violations were found that are") + " not shown here."
		if left := len(c.Witnesses) - len(out.Witnesses); left > 0 {
			out.More += " " + plural(left, "witness", "witnesses") + " of them: see " + DocumentFile + "."
		}
	}
	return out
}

func (v *viewer) witness(position, i int, c Claim) witnessView {
	v.number++
	info := c.detail(i)
	out := witnessView{Number: v.number, Title: witnessTitle(info)}
	if info.Explanation != c.Explanation {
		out.Explanation = clip(info.Explanation, v.level.text)
		if len(info.Explanation) > longExplanation && info.Summary != "" && info.Summary != info.Explanation {
			out.Explanation, out.Full = clip(info.Summary, v.level.text), out.Explanation
		}
	}
	out.Cause, out.Remedy = causeText(info), clip(info.Remedy, v.level.text)
	for _, id := range info.Faults {
		if f, ok := v.run.Document.fault(id); ok && len(out.Faults) < 20 {
			out.Faults = append(out.Faults, chip{f.class(), f.describe() + " · " + instant(f.Start) + " to " + f.ended() + " · " + f.proof()})
		}
	}
	scene := v.run.Scan.Scene(position, i)
	if scene == nil || len(scene.Witness) == 0 {
		out.Indexes = "Operations " + clip(strings.Trim(fmt.Sprint(c.Witnesses[i]), "[]"), 400) + " of the history."
		return out
	}
	if n := len(scene.Missing); n > 0 {
		out.Indexes = fmt.Sprintf("The history has no operation %s.", clip(strings.Trim(fmt.Sprint(scene.Missing), "[]"), 400))
	}
	out.Picture = scene.draw(v.run.Document.Faults, v.run.Scan.Crashes, v.level.around)
	if out.Picture.MoreFaults > 0 {
		v.cut("%s in the timeline of witness %d", count(out.Picture.MoreFaults, "fault"), out.Number)
	}
	if !v.explained {
		out.Picture.Legend, v.explained = true, true
	}
	v.diagram(&out, scene)
	for n, m := range scene.Witness {
		out.Operations = append(out.Operations, newOperationView(n+1, m))
	}
	out.Porcupine = v.porcupine(scene, info.Faults)
	v.view.HasPictures = v.view.HasPictures || out.Porcupine != ""
	return out
}

// diagram draws what a simulated run's trace tells of the witness, as long as the page has room.
func (v *viewer) diagram(out *witnessView, scene *Scene) {
	if scene.Traced == nil {
		return
	}
	room := v.level.arrows - v.arrows
	out.Diagram = scene.diagram(v.run.Document.Faults, room)
	if out.Diagram == nil {
		if room <= 0 {
			v.undrawn++
		}
		return
	}
	v.arrows += len(out.Diagram.Arrows)
	if !v.followed {
		out.Diagram.Legend, v.followed = true, true
	}
}

// porcupine returns Porcupine's page of the witness, or nothing where there
// is none or no room for it.
func (v *viewer) porcupine(scene *Scene, faults []string) string {
	if v.visualize == nil {
		return ""
	}
	if !v.level.pictures {
		v.dropped++
		return ""
	}
	operations := make([]history.Operation, 0, len(scene.Witness))
	for _, m := range scene.Witness {
		operations = append(operations, *m.operation)
	}
	content, err := v.visualize(operations, v.intervals(scene, faults)...)
	if err != nil {
		return "" // not every claim's witness can be drawn by a checker of linearizability
	}
	text := string(content)
	size := len(template.HTMLEscapeString(text))
	if v.pictures+size > picturesMost {
		v.dropped++
		return ""
	}
	v.pictures += size
	return text
}

// intervals are the named faults in the checkers' form.
func (v *viewer) intervals(scene *Scene, ids []string) []checker.FaultInterval {
	first, last := scene.Witness[0].Start, int64(0)
	for _, m := range scene.Witness {
		last = max(last, m.Start, m.Finish)
	}
	var out []checker.FaultInterval
	for _, f := range overlapping(v.run.Document.Faults, first, last) {
		if !slices.Contains(ids, f.ID) {
			continue
		}
		kind, shape, _ := strings.Cut(f.Fault, " ")
		interval := checker.FaultInterval{
			Fault: history.Fault{ID: f.ID, Kind: kind, Shape: shape, Description: f.Description, Targets: f.Targets, Evidence: f.Evidence},
			Start: f.Start, End: last + 1, Verified: f.Verified,
		}
		if f.End != nil {
			interval.End = *f.End
		}
		out = append(out, interval)
	}
	return out
}

func newOperationView(number int, m *Moment) operationView {
	out := operationView{
		Number: number, Index: m.Index, Process: m.Process, What: m.sentence(), Node: m.Node, Class: m.Type.String(),
		Error: m.Error, Start: instant(m.Start), End: m.ending(),
	}
	if m.Finish >= 0 {
		out.Took = "after " + span(m.Finish-m.Start)
	}
	e := m.Evidence
	if e == nil {
		return out
	}
	out.Coordinator, out.Version = clip(e.Coordinator, 60), clip(e.Version, 80)
	if e.Required > 0 {
		out.Needed = plural(e.Required, "answer needed", "answers needed")
	}
	out.Phases = clip(strings.Join(e.Phases, ", "), 100)
	if len(e.Hints) > 0 {
		out.Hints = "hints written for " + clip(strings.Join(e.Hints, ", "), 100)
	}
	for i, r := range e.Replicas {
		if i == 20 {
			out.Replicas = append(out.Replicas, replicaView{Text: count(len(e.Replicas)-i, "more replica")})
			break
		}
		out.Replicas = append(out.Replicas, newReplicaView(r, m.F == history.FRead))
	}
	return out
}

func newReplicaView(r history.ReplicaEvidence, read bool) replicaView {
	text := clip(r.Node, 40)
	if r.HintFor != "" {
		text += " (for " + clip(r.HintFor, 40) + ")"
	}
	switch {
	case r.Counted:
		text += ": ✓ counted"
	case r.Answered:
		text += ": answered, not counted"
	default:
		text += ": – not answered by then"
	}
	switch {
	case r.Version != "":
		text += ", had " + clip(r.Version, 60)
	case r.Answered && read:
		text += ", had nothing"
	}
	return replicaView{r.Counted, text}
}
