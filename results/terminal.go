package results

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/refute-lab/refute/checker"
)

// TextOptions say how Summary writes.
type TextOptions struct {
	// Color asks for ANSI colours. The text says the same without them.
	Color bool
	// Width is the longest line, in columns, from 72 to 100; 0 is 100.
	Width int
}

// summaryWidth is the widest line that still fits terminals and CI logs.
const summaryWidth = 100

// summaryLeast is the narrowest line that has room for a witness' table.
const summaryLeast = 72

// Summary writes the last lines of a run: each claim with its verdict, then
// for each refuted one what was seen, why, and by which operations; why an
// undecided one is undecided; what makes the run invalid; where the report is.
// Paths stand on lines of their own and are never
// broken; a long command is continued as a shell allows.
func Summary(w io.Writer, run *Run, options TextOptions) error {
	width := options.Width
	if width <= 0 {
		width = summaryWidth
	}
	t := &terminal{run: run, width: min(max(width, summaryLeast), summaryWidth), color: options.Color}
	t.validity()
	t.claims()
	for i, c := range run.Document.Claims {
		t.claim(i, c)
	}
	t.faults()
	t.verdict()
	t.paths()
	_, err := w.Write(t.out.Bytes())
	return err
}

type terminal struct {
	run   *Run
	out   bytes.Buffer
	width int
	color bool
}

// The ANSI attributes of the verdicts, and of what is set back or forward.
const (
	ansiRed    = "\x1b[1;31m"
	ansiGreen  = "\x1b[32m"
	ansiYellow = "\x1b[33m"
	ansiBold   = "\x1b[1m"
	ansiReset  = "\x1b[0m"
)

func (t *terminal) paint(code, s string) string {
	if !t.color || code == "" {
		return s
	}
	return code + s + ansiReset
}

func verdictColor(v checker.Verdict) string {
	switch v {
	case checker.Refuted, checker.Invalid:
		return ansiRed
	case checker.Unknown:
		return ansiYellow
	}
	return ansiGreen
}

func (t *terminal) line(s string) { t.out.WriteString(s + "\n") }

func (t *terminal) paragraph(indent, s string) {
	for _, line := range wrap(clip(s, 4000), t.width-len(indent)) {
		t.line(indent + line)
	}
}

func (t *terminal) list(items []string) {
	for _, item := range items {
		for i, line := range wrap(clip(item, 2000), t.width-4) {
			lead := "    "
			if i == 0 {
				lead = "  - "
			}
			t.line(lead + line)
		}
	}
}

func (t *terminal) validity() {
	d := t.run.Document
	if len(d.Validity) > 0 {
		t.line(t.paint(ansiRed, "This run is INVALID:"))
		t.list(d.Validity)
		t.paragraph("  ", validityMeaning(d))
		t.line("")
	}
	if len(d.Warnings) > 0 {
		t.line(t.paint(ansiYellow, "Take note:"))
		t.list(d.Warnings)
		t.line("")
	}
}

func (t *terminal) claims() {
	rows := [][]string{{"claim", "verdict", "violations", "checked in", "checked by"}}
	for _, c := range t.run.Document.Claims {
		found := "-"
		if c.Verdict == checker.Refuted {
			found = thousands(max(c.Found, len(c.Witnesses)))
		}
		rows = append(rows, []string{clip(c.Claim, 30), c.word(), found, seconds(c.Seconds), clip(c.Checker, 40)})
	}
	if len(rows) == 1 {
		t.line("No claim was checked.")
		return
	}
	for i, line := range table(rows, t.width) {
		if i > 0 {
			// Only the verdict's column may be painted: a claim's name can hold the same word.
			word := rows[i][1]
			at := len(line) - len(strings.TrimLeft(line[len(rows[i][0]):], " "))
			line = line[:at] + strings.Replace(line[at:], word, t.paint(verdictColor(t.run.Document.Claims[i-1].Verdict), word), 1)
		}
		t.line(line)
	}
}

// claim explains a claim that did not hold.
func (t *terminal) claim(position int, c Claim) {
	if c.Verdict == checker.Holds {
		return
	}
	t.line("")
	head := clip(c.Claim, 60) + ": " + c.word()
	if c.Verdict == checker.Refuted && t.run.expects(c.Claim) {
		head += ", as expected"
	}
	t.line(t.paint(verdictColor(c.Verdict), head))
	if text := meaning(c.Claim); text != "" {
		t.paragraph("  ", "The claim: "+text)
	}
	lead := "Why: "
	switch {
	case c.Verdict == checker.Refuted:
		lead = "Seen: "
	case c.Vacuous:
		lead = "" // it says itself that there was nothing to check
	}
	t.paragraph("  ", lead+c.Explanation)
	if len(c.Witnesses) == 0 {
		return
	}
	t.line("")
	t.witness(position, c)
	if n := max(c.Found, len(c.Witnesses)) - 1; n > 0 {
		t.paragraph("  ", "and "+count(n, "more violation")+" of this claim, in the report.")
	}
}

// witness tells the claim's first witness.
func (t *terminal) witness(position int, c Claim) {
	detail := c.detail(0)
	if earlier := t.toldBefore(position); earlier != "" {
		t.paragraph("  ", "Witness: "+witnessTitle(detail)+": the operations shown under "+clip(earlier, 60)+".")
		return
	}
	t.paragraph("  ", "Witness: "+witnessTitle(detail))
	if detail.Explanation != c.Explanation {
		t.paragraph("  ", detail.Explanation)
	}
	t.paragraph("  ", prefixed("Cause: ", causeText(detail)))
	t.paragraph("  ", prefixed("Remedy: ", detail.Remedy))
	for _, line := range t.run.witnessLines(position, 0, t.width-4) {
		t.line("    " + line)
	}
	for _, id := range detail.Faults {
		if f, ok := t.run.Document.fault(id); ok {
			t.paragraph("  ", "In force: "+f.describe()+", "+instant(f.Start)+" to "+f.ended()+", "+f.proof())
		}
	}
}

// toldBefore names the earlier claim whose first witness is the same, told in
// the same words; empty if there is none.
func (t *terminal) toldBefore(position int) string {
	claims := t.run.Document.Claims
	c := &claims[position]
	for i := range claims[:position] {
		earlier := &claims[i]
		if earlier.Verdict == checker.Refuted && len(earlier.Witnesses) > 0 && slices.Equal(earlier.Witnesses[0], c.Witnesses[0]) &&
			earlier.detail(0).Explanation == c.detail(0).Explanation {
			return earlier.Claim
		}
	}
	return ""
}

// expects says whether the plan wants the claim to be refuted.
func (run *Run) expects(claim string) bool {
	return run.Plan != nil && expectedRefutations(run.Plan.Expect)[claim]
}

func (t *terminal) faults() {
	d := t.run.Document
	verified := 0
	for _, f := range d.Faults {
		if f.Verified {
			verified++
		}
	}
	t.line("")
	where := ""
	if t.run.simulated() {
		where = " in simulation (" + t.run.took() + ")"
	}
	text := thousands(d.Stats.Operations) + " operations" + where + ": " + thousands(d.Stats.Ok) + " ok, " + thousands(d.Stats.Info) +
		" info (outcome unknown), " + thousands(d.Stats.Fail) + " fail; "
	switch {
	case len(d.Faults) == 0:
		text += "no faults"
	case verified == len(d.Faults):
		text += count(len(d.Faults), "fault") + ", each verified"
	default:
		text += count(len(d.Faults), "fault") + ", of which " + thousands(len(d.Faults)-verified) + " NOT VERIFIED"
	}
	t.paragraph("", text+".")
	if d.measured() {
		for _, sentence := range stalenessSentences(d.Staleness) {
			t.paragraph("", sentence)
		}
	}
	if d.Sets != nil {
		t.paragraph("", setsLine(d.Sets))
	}
	t.paragraph("", replicasLine(d.Replicas))
	if d.Siblings != nil && d.Siblings.Several > 0 {
		t.paragraph("", siblingsLine(d.Siblings))
	}
}

func (t *terminal) verdict() {
	d := t.run.Document
	text := "Verdict: " + verdictWord(d.Verdict)
	t.line(t.paint(verdictColor(d.Verdict), text))
	if d.Verdict == checker.Holds || d.Verdict == checker.Unknown {
		t.paragraph("", verdictMeaning(d))
	}
	if lead, summary := inShort(d); summary != "" {
		t.paragraph("", lead+": "+summary)
	}
}

// inShort tells the most telling refutation again in a few lines, because the
// last lines are what is read first: a write that is gone before one that
// was missed for a while, and both before what only a checker can see.
func inShort(d *Document) (lead, summary string) {
	leads := []struct{ claim, lead string }{
		{checker.NoLostWrites, "An acknowledged write was lost"},
		{checker.NoResurrectedDeletes, "A deleted value came back"},
		{checker.NoLostUpdates, "An acknowledged update was overwritten unseen"},
		{checker.CounterBounds, "A counter lost an add, or made one twice"},
		{checker.NoDiscardedWrites, "Of two concurrent writes one was thrown away"},
		{checker.RowAtomicity, "A row was read in parts"},
		{checker.NoDirtyReads, "A read returned what had certainly failed"},
		{checker.NoPhantomValues, "A read returned what nobody wrote"},
		{checker.NoDuplicates, "A set holds an element twice"},
		{checker.ReadYourWrites, "A client did not see its own acknowledged write"},
		{checker.NoStaleReads, "A read returned what had been overwritten before"},
		{checker.MonotonicReads, "A client went back in time"},
		{checker.MonotonicWrites, "A client's write was seen without an earlier one of it"},
		{checker.WritesFollowReads, "A write was seen without what its writer had read"},
		{checker.ConsistentPrefix, "An answer was seen without its question"},
		{checker.PRAM, "A client saw the writes of others out of order"},
		{checker.Causal, "What came before was missing"},
		{checker.Linearizable, "No single copy could have answered so"},
		{checker.Convergence, "Replicas disagree for good"},
		{checker.BoundedSiblings, "Too many versions of a key stand side by side"},
	}
	for _, l := range leads {
		for i := range d.Claims {
			if c := &d.Claims[i]; c.Claim == l.claim && c.Verdict == checker.Refuted && len(c.WitnessDetails) > 0 {
				return l.lead, c.WitnessDetails[0].Summary
			}
		}
	}
	return "", ""
}

func (t *terminal) paths() {
	if t.run.Folder == nil {
		return
	}
	width := 0
	rows := [][2]string{
		{"report", t.run.Folder.Report()},
		{"again", replayCommand(t.run.Folder)},
		{"recheck", checkCommand(t.run.Folder, t.run.Document)},
	}
	for _, r := range rows {
		width = max(width, utf8.RuneCountInString(r[0]))
	}
	for _, r := range rows {
		lead := strings.Repeat(" ", width+2)
		text := r[1]
		if width+2+utf8.RuneCountInString(text) > t.width {
			// A shell joins the lines again when they are pasted.
			text = strings.ReplaceAll(text, " --", " \\\n"+lead+"  --")
		}
		t.line(t.paint(ansiBold, r[0]) + lead[len(r[0]):] + text)
	}
}
