package results

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/refute-lab/refute/checker"
)

// The bounds of summary.md: GitHub refuses job summaries over a megabyte.
const (
	markdownWitnesses = 3   // shown of each claim
	markdownFaults    = 100 // shown at all
)

// Markdown returns summary.md: the verdicts, the witnesses, the faults with
// their verification and how to run it again, for a CI job's page.
func Markdown(run *Run) []byte {
	var b bytes.Buffer
	d := run.Document
	fmt.Fprintf(&b, "# refute: %s %s\n\n", md(run.name()), badge(d.Verdict))
	fmt.Fprintf(&b, "%s\n", md(verdictMeaning(d)))
	if len(d.Validity) > 0 {
		fmt.Fprintf(&b, "\n## This run is invalid\n\n%s\n\n", md(validityMeaning(d)))
		for _, v := range d.Validity {
			fmt.Fprintf(&b, "- %s\n", md(clip(v, 1000)))
		}
	}
	if len(d.Warnings) > 0 {
		b.WriteString("\n## Take note\n\n")
		for _, v := range d.Warnings {
			fmt.Fprintf(&b, "- %s\n", md(clip(v, 1000)))
		}
	}
	b.WriteString("\n## Claims\n\n| claim | verdict | violations | checked by | seconds |\n|---|---|---:|---|---:|\n")
	for _, c := range d.Claims {
		found := "–"
		if c.Verdict == checker.Refuted {
			found = thousands(max(c.Found, len(c.Witnesses)))
		}
		word := c.badge()
		if c.Verdict == checker.Refuted && run.expects(c.Claim) {
			word += " (expected)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f |\n", md(c.Claim), word, found, md(c.Checker), c.Seconds)
	}
	for i, c := range d.Claims {
		run.markdownClaim(&b, i, c)
	}
	markdownStaleness(&b, d)
	markdownSets(&b, d)
	markdownReplicas(&b, d)
	markdownSiblings(&b, d)
	markdownFaultTable(&b, d)
	took := run.took()
	if run.simulated() {
		took += ", in simulation"
	}
	fmt.Fprintf(&b, "\n## Traffic\n\n%s operations in %s: %s ok, %s info (outcome unknown), %s fail, on %s.\n",
		thousands(d.Stats.Operations), took, thousands(d.Stats.Ok), thousands(d.Stats.Info), thousands(d.Stats.Fail), count(d.Stats.Keys, "key"))
	run.markdownCommands(&b)
	return b.Bytes()
}

func (run *Run) markdownClaim(b *bytes.Buffer, position int, c Claim) {
	fmt.Fprintf(b, "\n### %s: %s\n\n", md(c.Claim), c.word())
	if text := meaning(c.Claim); text != "" {
		fmt.Fprintf(b, "*%s*\n\n", md(text))
	}
	fmt.Fprintf(b, "%s\n", md(clip(c.Explanation, 4000)))
	for i, indexes := range c.Witnesses {
		if i == markdownWitnesses {
			fmt.Fprintf(b, "\n%s more in `%s`.\n", plural(len(c.Witnesses)-i, "witness", "witnesses"), DocumentFile)
			break
		}
		detail := c.detail(i)
		fmt.Fprintf(b, "\n**Witness %d**: %s\n\n", i+1, md(witnessTitle(detail)))
		if detail.Explanation != "" && detail.Explanation != c.Explanation {
			fmt.Fprintf(b, "%s\n\n", md(clip(detail.Explanation, 2000)))
		}
		if cause := causeText(detail); cause != "" {
			fmt.Fprintf(b, "**Cause**: %s\n\n", md(clip(cause, 1000)))
		}
		if detail.Remedy != "" {
			fmt.Fprintf(b, "**Remedy**: %s\n\n", md(clip(detail.Remedy, 1000)))
		}
		scene := run.Scan.Scene(position, i)
		if scene == nil || len(scene.Witness) == 0 {
			fmt.Fprintf(b, "Operations %s.\n", strings.Trim(fmt.Sprint(indexes), "[]"))
		} else {
			b.WriteString("| operation | process | node | started | ended | what | outcome |\n|---:|---:|---|---:|---:|---|---|\n")
			for _, m := range scene.Witness {
				fmt.Fprintf(b, "| %d | %d | %s | %s | %s | %s | %s |\n", m.Index, m.Process, md(m.Node),
					instant(m.Start), m.ending(), md(clip(m.sentence(), 200)), md(clip(m.outcomeText(), 200)))
			}
		}
		if len(detail.Faults) > 0 {
			fmt.Fprintf(b, "\nFaults in force: %s.\n", md(strings.Join(detail.Faults, ", ")))
		}
	}
}

func markdownFaultTable(b *bytes.Buffer, d *Document) {
	b.WriteString("\n## Faults\n\n")
	if len(d.Faults) == 0 {
		b.WriteString("None.\n")
		return
	}
	b.WriteString("| id | fault | start | end | verified | evidence |\n|---|---|---:|---:|---|---|\n")
	for i, f := range d.Faults {
		if i == markdownFaults {
			fmt.Fprintf(b, "\n%s more in `%s`.\n", count(len(d.Faults)-i, "fault"), DocumentFile)
			break
		}
		verified := "yes"
		if !f.Verified {
			verified = "**no**"
		}
		what := f.Fault
		if f.Description != "" {
			what += ": " + f.Description
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", md(clip(f.ID, 40)), md(clip(what, 300)),
			instant(f.Start), f.ended(), verified, md(clip(f.Evidence, 500)))
	}
}

func (run *Run) markdownCommands(b *bytes.Buffer) {
	b.WriteString("\n## Again\n\n")
	d := run.Document
	if d.Command != "" {
		fmt.Fprintf(b, "The same seed and settings:\n\n%s", codeBlock(d.Command))
	}
	if run.Folder != nil {
		fmt.Fprintf(b, "\nThe very same plan, and the recorded history judged again:\n\n%s",
			codeBlock(replayCommand(run.Folder)+"\n"+checkCommand(run.Folder, d)))
	}
	if d.PlanSHA256 != "" || d.HistorySHA256 != "" {
		fmt.Fprintf(b, "\nplan `%.12s`, history `%.12s` (SHA-256).\n", orNone(d.PlanSHA256), orNone(d.HistorySHA256))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// codeBlock fences the text with more backquotes than it has in a row.
func codeBlock(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + "sh\n" + s + "\n" + fence + "\n"
}

// badge is the verdict with a sign, so that it is found at a glance and read without colours.
func badge(v checker.Verdict) string {
	switch v {
	case checker.Refuted:
		return "❌ **refuted**"
	case checker.Invalid:
		return "⚠️ **invalid**"
	case checker.Unknown:
		return "❔ unknown"
	}
	return "✅ holds"
}

// badge is the verdict on a claim with its sign.
func (c *Claim) badge() string {
	if word := c.word(); word != verdictWord(c.Verdict) {
		return "➖ " + word
	}
	return badge(c.Verdict)
}

// md escapes what Markdown and its HTML would take for markup, also inside a table.
func md(s string) string {
	var b strings.Builder
	for _, c := range clip(s, 8000) {
		switch c {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '\\', '`', '*', '_', '[', ']', '|', '#', '~':
			b.WriteByte('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
