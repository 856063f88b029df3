package checker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// explain puts a finding into words: what was seen, what the target told about
// those operations, which faults were in force. It says only what follows
// from the history and the evidence; why is the cause as far as it was derived
// from them, never a supposed one. The summary leaves out what each replica answered.
func explain(t *timeline, f finding, why string, o Options) (explanation, summary string) {
	if f.text != "" {
		text := sentences(f.text, why)
		return text, text
	}
	n := narrator{t: t, f: f, o: o}
	story, timestamps, faults := n.story(), "", n.faults()
	parts := []string{story, why}
	if o.Evidence != nil {
		for _, p := range f.positions[:min(len(f.positions), 6)] {
			parts = append(parts, n.evidence(p))
		}
		if !strings.Contains(why, CauseClockSkew) { // which says it already
			timestamps = n.timestamps()
		}
	}
	return sentences(append(parts, timestamps, faults)...), sentences(story, why, timestamps, faults)
}

// sentences joins those that are not empty.
func sentences(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

type narrator struct {
	t *timeline
	f finding
	o Options
}

func (n narrator) at(p int32) *history.Operation { return &n.t.operations[p] }

// story tells what the clients saw.
func (n narrator) story() string {
	f := n.f
	if f.told != "" {
		return f.told
	}
	if text := n.objectStory(); text != "" {
		return text
	}
	switch {
	case f.chain != nil:
		return n.chained()
	case f.versions:
		return n.siblings()
	}
	switch f.class {
	case classStale, classStaleSwap, classOwnWrite, classMissing:
		return n.overtaken()
	case classInversion:
		return n.inversion()
	case classReturned:
		return n.returned()
	case classSequential, classVanished:
		return fmt.Sprintf("%s. The final reads return %s: %s.%s", n.wrote(f.newer),
			map[string]string{classSequential: "certainly older values only", classVanished: "nothing at all"}[f.class], lower(n.got(f.second)), n.whyOlder())
	case classLostElement:
		return fmt.Sprintf("%s. %s, and no read that began later shows it.", n.known(), n.got(f.second))
	case classPhantom:
		return fmt.Sprintf("%s, a value that nobody wrote.", n.got(f.second))
	case classFailed:
		return fmt.Sprintf("%s, although the write of that value by process %d%s had certainly failed%s.", n.got(f.second),
			n.at(f.older).Process, n.through(f.older), reason(n.at(f.older).Error))
	case classFuture:
		return fmt.Sprintf("%s, yet that value's write was only invoked at %s, by process %d.", n.got(f.second),
			clock(n.at(f.older).Start), n.at(f.older).Process)
	}
	return n.pattern() + strings.Join(n.calls(), "; ") + "."
}

// pattern says what is wrong with operations that have a list of their own for a story.
func (n narrator) pattern() string {
	switch n.f.class {
	case classFork:
		return "Two compare-and-sets found the same value, which was written only once, and both replaced it: "
	case classCycle:
		return "These compare-and-sets made their values from one another in a circle, so that none can have been the first: "
	case classPinned:
		return "A compare-and-set did not find the value that it expected, although that value was certainly there for all of its time: "
	case classDeleted:
		return "The register was found to hold nothing although it certainly held a value then, and no delete explains it: "
	}
	return "No order of these operations explains what they returned: "
}

// calls are the operations of the finding, the first twelve of them.
func (n narrator) calls() []string {
	f := n.f
	lines := make([]string, 0, len(f.positions))
	for _, p := range f.positions[:min(len(f.positions), 12)] {
		lines = append(lines, n.call(p))
	}
	if more := len(f.positions) - len(lines); more > 0 {
		lines = append(lines, plural(more, "further operation"))
	}
	return lines
}

// overtaken: a write was acknowledged, and a later read does not show it.
func (n narrator) overtaken() string {
	f := n.f
	if f.first != none { // a read showed the element of a set
		return fmt.Sprintf("%s; %s later %s.", n.known(), n.gap(f.first, f.second), lower(n.got(f.second)))
	}
	text := fmt.Sprintf("%s; %s later %s", n.wrote(f.newer), n.gap(f.newer, f.second), n.sameOr(f.newer, f.second))
	return text + "." + n.whyOlder()
}

func (n narrator) inversion() string {
	f := n.f
	text := fmt.Sprintf("%s, ending at %s; %s later %s", n.got(f.first), clock(n.at(f.first).End), n.gap(f.first, f.second), n.sameOr(f.first, f.second))
	return text + "." + n.whyOlder()
}

func (n narrator) returned() string {
	f := n.f
	between := none
	for _, p := range f.positions {
		if o := n.at(p); o.F == history.FRead && p != f.first && p != f.second {
			between = p
		}
	}
	if between == none {
		return n.inversion()
	}
	return fmt.Sprintf("%s; then %s; then %s again, although each value was written only once.", n.got(f.first), n.sameOr(f.first, between), n.sameOr(between, f.second))
}

// whyOlder says why the value read second is certainly older than the one
// that should have been read.
func (n narrator) whyOlder() string {
	f := n.f
	if f.newer == none || f.older == none {
		return ""
	}
	late := n.at(f.second)
	seen := late.Output
	if late.F == history.FCAS && late.Type == history.Ok {
		seen, _, _ = casArguments(late.Input)
	}
	if seen.Kind() == history.List || seen.Kind() == history.Absent {
		return ""
	}
	value := showValue(seen)
	begin := clock(n.at(f.newer).Start)
	switch {
	case seen.Kind() == history.Nil:
		return ""
	case f.shown != none:
		return fmt.Sprintf(" %s was the older value: process %d had read it by %s, before the newer one's write was invoked at %s.",
			value, n.at(f.shown).Process, clock(n.at(f.shown).End), begin)
	case f.older != none && n.at(f.older).End != history.Infinity:
		return fmt.Sprintf(" %s was the older value: its write by process %d%s had been acknowledged at %s, before the newer one's was invoked at %s.",
			value, n.at(f.older).Process, n.through(f.older), clock(n.at(f.older).End), begin)
	}
	return ""
}

// wrote: "Process 3 wrote 417 to r12 through n2 and got ok at 8.113 s".
func (n narrator) wrote(p int32) string {
	o := n.at(p)
	verb := fmt.Sprintf("wrote %s to %s", showValue(o.Input), keyName(o.Key))
	switch o.F {
	case history.FAdd:
		verb = fmt.Sprintf("added %s to %s", showValue(o.Input), keyName(o.Key))
	case history.FDelete:
		verb = "deleted " + keyName(o.Key)
	case history.FCAS:
		expected, value, _ := casArguments(o.Input)
		verb = fmt.Sprintf("changed %s from %s to %s", keyName(o.Key), showValue(expected), showValue(value))
	}
	if o.Type != history.Ok {
		return fmt.Sprintf("Process %d tried to do this%s at %s: %s; whether it did is unknown", o.Process, n.through(p), clock(o.Start), describeShort(o))
	}
	return fmt.Sprintf("Process %d %s%s and got ok at %s", o.Process, verb, n.through(p), clock(o.End))
}

// known: how an element of a set was known to be in it.
func (n narrator) known() string {
	if n.f.first == none {
		return n.wrote(n.f.newer)
	}
	o := n.at(n.f.first)
	return fmt.Sprintf("Process %d read %s%s with element %d in it, ending at %s", o.Process, keyName(o.Key), n.through(n.f.first), n.f.element, clock(o.End))
}

// got: "Process 5 read r12 through n4 and got 391".
func (n narrator) got(p int32) string {
	o := n.at(p)
	return fmt.Sprintf("Process %d %s", o.Process, n.result(p))
}

func (n narrator) result(p int32) string {
	o := n.at(p)
	switch {
	case o.F == history.FCAS && o.Type == history.Fail:
		return fmt.Sprintf("tried %s on %s%s at %s and was told that it holds %s", describeShort(o), keyName(o.Key), n.through(p), clock(o.Start), orNothing(o.Output))
	case o.F == history.FCAS && o.Type != history.Ok:
		return fmt.Sprintf("tried %s on %s%s at %s, which took effect, as was seen later", describeShort(o), keyName(o.Key), n.through(p), clock(o.Start))
	case o.F == history.FCAS:
		return fmt.Sprintf("carried out %s on %s%s at %s", describeShort(o), keyName(o.Key), n.through(p), clock(o.Start))
	case o.Output.Kind() == history.List && n.isElement():
		if slices.Contains(o.Output.List(), n.f.element) {
			return fmt.Sprintf("read %s%s at %s with element %d in it", keyName(o.Key), n.through(p), clock(o.Start), n.f.element)
		}
		return fmt.Sprintf("read %s%s at %s without element %d in it", keyName(o.Key), n.through(p), clock(o.Start), n.f.element)
	case o.Output.Kind() == history.Raw:
		return fmt.Sprintf("read %s%s at %s and got %s", keyName(o.Key), n.through(p), clock(o.Start), showSiblings(o.Output))
	case o.Output.Kind() == history.Nil:
		return fmt.Sprintf("read %s%s at %s and found nothing", keyName(o.Key), n.through(p), clock(o.Start))
	}
	return fmt.Sprintf("read %s%s at %s and got %s", keyName(o.Key), n.through(p), clock(o.Start), showValue(o.Output))
}

// orNothing is a value that was found.
func orNothing(v history.Value) string {
	if v.Kind() == history.Nil {
		return "nothing"
	}
	return showValue(v)
}

// isElement says whether the finding is about an element of a set.
func (n narrator) isElement() bool {
	return n.f.newer != none && n.at(n.f.newer).F == history.FAdd
}

// sameOr is got, but names the process of the other operation as the same.
func (n narrator) sameOr(other, p int32) string {
	if n.at(other).Process == n.at(p).Process {
		return "the same process " + n.result(p)
	}
	return lower(n.got(p))
}

// call is an operation of a witness whose pattern has no name.
func (n narrator) call(p int32) string {
	o := n.at(p)
	end := "never ended for certain"
	if o.End != history.Infinity {
		end = "to " + clock(o.End)
	}
	return fmt.Sprintf("process %d %s%s from %s %s", o.Process, describeShort(o), n.through(p), clock(o.Start), end)
}

func (n narrator) through(p int32) string {
	if node := n.at(p).Node; node != "" {
		return " through " + node
	}
	return ""
}

// gap is the time between the end of one operation and the start of another.
func (n narrator) gap(a, b int32) string { return milliseconds(n.at(b).Start - n.at(a).End) }

// evidence tells what the target said about the operation.
func (n narrator) evidence(p int32) string {
	o := n.at(p)
	if o.Completion < 0 {
		return ""
	}
	e := n.o.Evidence(o.Completion)
	if e == nil || len(e.Replicas) == 0 {
		return ""
	}
	if o.F == history.FRead {
		return readEvidence(o, e)
	}
	return writeEvidence(o, e)
}

func readEvidence(o *history.Operation, e *history.Evidence) string {
	var answers []string
	for _, r := range e.Replicas {
		said := "version " + r.Version
		switch {
		case !r.Answered:
			said = "not answered by then"
		case r.Version == "":
			said = "not found"
		}
		if r.HintFor != "" {
			said = "standing in for " + r.HintFor + ", " + said
		}
		answers = append(answers, fmt.Sprintf("%s (%s)", r.Node, said))
	}
	return fmt.Sprintf("The read by process %d at %s%s asked %s%s.", o.Process, clock(o.Start), coordinator(e), list(answers), required("r", e))
}

func writeEvidence(o *history.Operation, e *history.Evidence) string {
	var acknowledged, silent []string
	for _, r := range e.Replicas {
		name := r.Node
		if r.HintFor != "" {
			name += " (standing in for " + r.HintFor + ")"
		}
		if r.Answered {
			acknowledged = append(acknowledged, name)
		} else {
			silent = append(silent, name)
		}
	}
	text := fmt.Sprintf("The %s of %s%s was acknowledged by %s%s", o.F, showValue(o.Input), coordinator(e), orNobody(acknowledged), required("w", e))
	if e.Version != "" {
		text += " with version " + e.Version
	}
	if len(silent) > 0 {
		text += "; not yet by " + list(silent)
	}
	if len(e.Hints) > 0 {
		text += "; hints were left for " + list(e.Hints)
	}
	return text + "."
}

// timestamps tells when the target's own order contradicts real time: the
// newer write carries the lower timestamp, so that a store in which the last
// write wins threw the newer value away. Both timestamps are the target's own
// word; nothing is said where they agree with real time.
func (n narrator) timestamps() string {
	f := n.f
	if f.newer == none || f.older == none {
		return ""
	}
	newer, older := n.timestampOf(f.newer), n.timestampOf(f.older)
	if newer == 0 || older == 0 || newer >= older {
		return ""
	}
	return fmt.Sprintf("By the nodes' clocks the order was the reverse: the later write of %s carries a timestamp %s lower than the earlier write of %s, and where the last write wins the greater timestamp stays.",
		showValue(n.at(f.newer).Input), milliseconds(older-newer), showValue(n.at(f.older).Input))
}

func (n narrator) timestampOf(p int32) int64 {
	o := n.at(p)
	if o.Completion < 0 || o.F == history.FRead {
		return 0
	}
	if e := n.o.Evidence(o.Completion); e != nil && e.Causal == nil { // no clock orders siblings
		return e.Timestamp
	}
	return 0
}

func coordinator(e *history.Evidence) string {
	if e.Coordinator == "" {
		return ""
	}
	return ", coordinated by " + e.Coordinator + ","
}

func required(letter string, e *history.Evidence) string {
	if e.Required == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s=%d)", letter, e.Required)
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return list(names)
}

// list: "n1, n2 and n3".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// faults tells which faults were in force during the operations.
func (n narrator) faults() string {
	found := inForce(n.t.faults, n.t.operations, n.f.positions)
	if len(found) == 0 {
		if !n.t.isRun() {
			return ""
		}
		return "No fault was in force during these operations."
	}
	var names []string
	for _, f := range found {
		name := f.ID + " (" + f.describe()
		if f.Offset != 0 && len(f.Targets) == 1 {
			name += fmt.Sprintf("; the clock of %s was %s %s", f.Targets[0], milliseconds(max(f.Offset, -f.Offset)), aheadOrBehind(f.Offset))
		}
		names = append(names, name+")")
	}
	noun := "fault"
	if len(names) > 1 {
		noun = "faults"
	}
	return fmt.Sprintf("In force during these operations: %s %s.", noun, list(names))
}

func aheadOrBehind(offset int64) string {
	if offset > 0 {
		return "ahead"
	}
	return "behind"
}

func reason(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func keyName(key string) string {
	if key == "" {
		return "the register"
	}
	return key
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// clock is a time since the run's start.
func clock(nanoseconds int64) string { return fmt.Sprintf("%.3f s", seconds(nanoseconds)) }

// milliseconds is a duration, in the unit that suits it.
func milliseconds(nanoseconds int64) string {
	switch {
	case nanoseconds >= 10_000_000_000:
		return fmt.Sprintf("%.0f s", seconds(nanoseconds))
	case nanoseconds >= 1_000_000_000:
		return fmt.Sprintf("%.1f s", seconds(nanoseconds))
	case nanoseconds >= 10_000_000:
		return fmt.Sprintf("%.0f ms", float64(nanoseconds)/1e6)
	case nanoseconds >= 1_000_000:
		return fmt.Sprintf("%.3g ms", float64(nanoseconds)/1e6)
	case nanoseconds >= 1_000:
		return fmt.Sprintf("%.3g µs", float64(nanoseconds)/1e3)
	}
	return fmt.Sprintf("%d ns", nanoseconds)
}
