package harness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/results"
)

// RepeatedFormat is the version of repetitions.json that this package writes.
const RepeatedFormat = 1

// RepeatedFile is the name of the file in the run folder that tells what all
// repetitions together have shown.
const RepeatedFile = "repetitions.json"

// RepeatedDocument is repetitions.json: what a plan's repetitions have shown,
// for programs. The counts of the plan's own repetitions stand in it directly.
type RepeatedDocument struct {
	// Format is the version of the file; see RepeatedFormat.
	Format int `json:"format"`
	// Verdict is Refuted if a claim was refuted in a repetition that is valid
	// and not in the control; Invalid if nothing can be concluded, because no
	// repetition is valid or the control was refuted too; else Unknown if a
	// claim stayed undecided, else Holds.
	Verdict checker.Verdict `json:"verdict"`
	// Statement is what may be said, a sentence each.
	Statement []string `json:"statement"`
	Series
	// Control is what the control has shown; nil if it was not performed.
	Control *Control `json:"control"`
	// Report is the report of the first repetition that refuted a claim,
	// relative to the run folder; empty if there is none.
	Report string `json:"report,omitempty"`
	// PlanSHA256 is the digest of the plan.
	PlanSHA256 string `json:"plan_sha256"`
}

// Control is what the control has shown.
type Control struct {
	// Kind is ControlSafeTarget, ControlNoFaults or ControlTwin.
	Kind string `json:"kind"`
	// Settings are those in which the control differs from the plan.
	Settings map[string]string `json:"settings,omitempty"`
	Series
}

// Series counts the repetitions of one plan by what became of them. Each
// counts once: Repetitions is the sum of Refuted, Holds, Unknown and Invalid.
type Series struct {
	// Asked is how many repetitions there were to be, Repetitions how many were performed.
	Asked       int `json:"asked"`
	Repetitions int `json:"repetitions"`
	Refuted     int `json:"refuted"`
	Holds       int `json:"holds"`
	Unknown     int `json:"unknown"`
	// Invalid repetitions have shown nothing: a fault was not verified, for
	// instance. They count for no claim, whatever they refuted.
	Invalid int `json:"invalid"`
	// Claims are the claims that were refuted, each with the number of
	// repetitions, in the order in which they first were.
	Claims []ClaimCount `json:"claims"`
	// Runs are the repetitions, in order.
	Runs []*Repetition `json:"runs"`
}

// ClaimCount says in how many repetitions a claim was refuted.
type ClaimCount struct {
	Claim   string `json:"claim"`
	Refuted int    `json:"refuted"`
	// Classes maps each class of anomaly to the number of repetitions that had it.
	Classes map[string]int `json:"classes"`
	// Causes maps the cause of each repetition's first witness to the number of
	// repetitions; where no cause could be derived it is checker.CauseUnknown.
	Causes map[string]int `json:"causes"`
}

// Repetition is one repetition as it was judged.
type Repetition struct {
	// Number counts from 1.
	Number int `json:"number"`
	// Folder has its plan, history and results; relative to the run folder.
	Folder string `json:"folder"`
	// Verdict is Invalid if it does not count, else the claims' verdicts merged.
	Verdict checker.Verdict `json:"verdict"`
	// Refuted are the claims that its history refutes, in the plan's order.
	Refuted []Refutation `json:"refuted,omitempty"`
	// Undecided are the claims that could not be decided.
	Undecided []string `json:"undecided,omitempty"`
	// Invalid lists why it does not count; empty if it does.
	Invalid []string `json:"invalid,omitempty"`
	// Reads are what the reads of the main phase returned, in the order of
	// their invocation, where the plan lists its operations.
	Reads string `json:"reads,omitempty"`
}

// Refutation is a claim with the classes of anomalies that refute it, in alphabetical order.
type Refutation struct {
	Claim   string   `json:"claim"`
	Classes []string `json:"classes"`
	// Cause is that of the first witness, by its name among checker.Causes, or checker.CauseUnknown.
	Cause string `json:"cause"`
}

// newRepetition says what a history of the plan has shown. crashes is how many
// processes ended by themselves.
func newRepetition(p *plan.Plan, report checker.Report, crashes int64) *Repetition {
	one := &Repetition{Verdict: checker.Holds, Invalid: unsound(p, report, crashes)}
	for _, c := range report.Claims {
		one.Verdict = checker.Merge(one.Verdict, c.Verdict)
		switch c.Verdict {
		case checker.Refuted:
			one.Refuted = append(one.Refuted, Refutation{Claim: c.Claim, Classes: classesOf(c), Cause: causeOf(c)})
		case checker.Unknown:
			one.Undecided = append(one.Undecided, c.Claim)
		}
	}
	if len(one.Invalid) > 0 {
		one.Verdict = checker.Invalid
	}
	return one
}

// classesOf lists the classes of the anomalies that refute a claim, in alphabetical order.
func classesOf(c checker.Result) []string {
	classes := slices.Collect(maps.Keys(c.Classes))
	for _, w := range c.Witnesses { // a search for linearizability may only have classes for what it shows
		classes = append(classes, w.Class)
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}

// causeOf is the cause of the claim's first witness.
func causeOf(c checker.Result) string {
	if len(c.Witnesses) == 0 {
		return checker.CauseUnknown
	}
	return cmp.Or(c.Witnesses[0].Cause, checker.CauseUnknown)
}

// unsound lists why the repetition is not what its plan says. That few
// operations succeeded is no reason: a plan that was made small may need one
// that fails, and the control is right to refuse what it cannot do safely.
func unsound(p *plan.Plan, report checker.Report, crashes int64) (reasons []string) {
	for _, planned := range p.Schedule {
		i := slices.IndexFunc(report.Faults, func(f checker.FaultInterval) bool { return f.ID == planned.ID })
		switch {
		case i < 0:
			reasons = append(reasons, fmt.Sprintf("fault %s (%s) was not injected", planned.ID, planned.Kind))
		case !report.Faults[i].Verified:
			f := &report.Faults[i]
			reasons = append(reasons, fmt.Sprintf("fault %s (%s) was not verified: %s", f.ID, cmp.Or(f.Description, f.Kind), f.Evidence))
		}
	}
	if crashes > 0 {
		reasons = append(reasons, "a node's process ended by itself: see the log")
	}
	if report.Stats.Ok == 0 {
		reasons = append(reasons, "no operation succeeded")
	}
	return reasons
}

// String is the outcome in one line.
func (o *Repetition) String() string {
	switch o.Verdict {
	case checker.Refuted:
		var claims []string
		for _, r := range o.Refuted {
			claims = append(claims, fmt.Sprintf("%s (%s)", r.Claim, strings.Join(r.Classes, ", ")))
		}
		return "refuted " + strings.Join(claims, ", ")
	case checker.Invalid:
		return "invalid: " + strings.Join(o.Invalid, "; ")
	case checker.Unknown:
		return "unknown: " + strings.Join(o.Undecided, ", ")
	}
	return string(o.Verdict)
}

func newSeries(asked int) Series {
	return Series{Asked: asked, Claims: []ClaimCount{}, Runs: []*Repetition{}}
}

func (s *Series) add(o *Repetition) {
	s.Repetitions++
	s.Runs = append(s.Runs, o)
	switch o.Verdict {
	case checker.Invalid:
		s.Invalid++
		return
	case checker.Refuted:
		s.Refuted++
	case checker.Unknown:
		s.Unknown++
	default:
		s.Holds++
	}
	for _, r := range o.Refuted {
		i := slices.IndexFunc(s.Claims, func(c ClaimCount) bool { return c.Claim == r.Claim })
		if i < 0 {
			i = len(s.Claims)
			s.Claims = append(s.Claims, ClaimCount{Claim: r.Claim, Classes: map[string]int{}, Causes: map[string]int{}})
		}
		s.Claims[i].Refuted++
		for _, class := range r.Classes {
			s.Claims[i].Classes[class]++
		}
		s.Claims[i].Causes[r.Cause]++
	}
}

// valid is how many repetitions count.
func (s *Series) valid() int { return s.Repetitions - s.Invalid }

// refuted is in how many repetitions the claim was refuted, with the classes.
func (s *Series) refuted(claim string) ClaimCount {
	for _, c := range s.Claims {
		if c.Claim == claim {
			return c
		}
	}
	return ClaimCount{Claim: claim}
}

// describe is the claim with the classes of what refuted it: "linearizable (stale-read)".
// Of several classes it says how often each was seen.
func (c ClaimCount) describe() string {
	var classes []string
	for _, class := range slices.Sorted(maps.Keys(c.Classes)) {
		if n := c.Classes[class]; n != c.Refuted || len(c.Classes) > 1 {
			class = fmt.Sprintf("%s in %d", class, n)
		}
		classes = append(classes, class)
	}
	if len(classes) == 0 {
		return c.Claim
	}
	return fmt.Sprintf("%s (%s)", c.Claim, strings.Join(classes, ", "))
}

// reproduced lists the claims that were refuted, and not in the control.
func (d *RepeatedDocument) reproduced() (claims []string) {
	for _, c := range d.Claims {
		if d.Control == nil || d.Control.refuted(c.Claim).Refuted == 0 {
			claims = append(claims, c.Claim)
		}
	}
	return claims
}

// conclude says what the counts allow to say of the claims.
func (d *RepeatedDocument) conclude(claims []string) {
	d.Statement = nil
	say := func(format string, arguments ...any) {
		d.Statement = append(d.Statement, fmt.Sprintf(format, arguments...))
	}
	for _, claim := range claims {
		switch c := d.refuted(claim); {
		case c.Refuted > 0:
			say("The schedule refuted %s in %d of %s; %s.", c.describe(), c.Refuted, repetitions(d.valid()), d.controlled(claim))
		case d.Control != nil && d.Control.refuted(claim).Refuted > 0:
			c = d.Control.refuted(claim)
			say("The schedule refuted %s in none of %s, but the control did, %s, in %d of %d.",
				claim, repetitions(d.valid()), c.describe(), c.Refuted, d.Control.valid())
		}
	}
	if d.Refuted == 0 && d.valid() > 0 {
		say("The schedule refuted no claim in %s.", repetitions(d.valid()))
	}
	d.sayWhatDoesNotCount(say)
	reproduced := d.reproduced()
	controlRefuted := d.Control != nil && d.Control.Refuted > 0
	switch {
	case d.Repetitions == 0:
		d.Verdict = checker.Invalid
		say("Nothing can be concluded: no repetition was completed.")
	case d.valid() == 0:
		d.Verdict = checker.Invalid
		say("Nothing can be concluded: every repetition was invalid.")
	case len(reproduced) > 0:
		d.Verdict = checker.Refuted
		if controlRefuted {
			say("Only of %s can anything be concluded: the control refuted the rest.", strings.Join(reproduced, ", "))
		}
	case controlRefuted:
		d.Verdict = checker.Invalid
		say("Nothing can be concluded: the control was refuted too, so that the harness, the checker or the control itself is to blame.")
	case d.Unknown > 0:
		d.Verdict = checker.Unknown
	default:
		d.Verdict = checker.Holds
	}
}

func (d *RepeatedDocument) sayWhatDoesNotCount(say func(string, ...any)) {
	if d.Unknown > 0 {
		say("In %s a claim stayed undecided.", repetitions(d.Unknown))
	}
	if d.Invalid > 0 {
		say("Not counted: %s, which %s invalid.", repetitions(d.Invalid), isAre(d.Invalid))
	}
	if c := d.Control; c != nil && c.Invalid > 0 && c.valid() > 0 {
		say("Not counted: %s of the control, which %s invalid.", repetitions(c.Invalid), isAre(c.Invalid))
	}
	if d.Repetitions < d.Asked {
		say("Only %d of %s were performed.", d.Repetitions, repetitions(d.Asked))
	}
	if c := d.Control; c != nil && c.Repetitions < c.Asked {
		say("Only %d of %s of the control were performed.", c.Repetitions, repetitions(c.Asked))
	}
}

// controlled says what the control has shown of a claim that was refuted.
func (d *RepeatedDocument) controlled(claim string) string {
	c := d.Control
	switch {
	case c == nil && d.Repetitions < d.Asked:
		return "the control was not performed"
	case c == nil:
		return "there is no control, since the plan has no faults to leave out and its target is not known to be any safer"
	case c.Repetitions == 0:
		return fmt.Sprintf("the control (%s) was not performed", c.describe())
	case c.valid() == 0:
		return fmt.Sprintf("the control (%s) says nothing, for each of its %s was invalid", c.describe(), repetitions(c.Repetitions))
	}
	return fmt.Sprintf("the control (%s) in %d of %d", c.describe(), c.refuted(claim).Refuted, c.valid())
}

func (c *Control) describe() string {
	if c.Kind == ControlNoFaults {
		return "the same operations without faults"
	}
	var settings []string
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		settings = append(settings, name+"="+c.Settings[name])
	}
	if c.Kind == ControlTwin {
		return "the same operations and faults with " + strings.Join(settings, " ")
	}
	return "the same operations and faults, the target made safe: " + strings.Join(settings, " ")
}

func repetitions(n int) string {
	if n == 1 {
		return "1 repetition"
	}
	return fmt.Sprintf("%d repetitions", n)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// Repeated is what the repetitions of a plan have shown.
type Repeated struct {
	// Folder is the run folder.
	Folder *results.Folder
	// Document is repetitions.json.
	Document *RepeatedDocument
	// expect lists the refutations that must happen ("refuted:CLAIM").
	expect []string
}

// WriteText writes the outcome for people.
func (r *Repeated) WriteText(w io.Writer, colours bool) {
	verdict := string(r.Document.Verdict)
	if colours {
		verdict = colourOf(r.Document.Verdict) + verdict + "\x1b[0m"
	}
	fmt.Fprintln(w) // stdout is gone if this fails: nobody to tell
	for _, line := range r.Document.Statement {
		fmt.Fprintln(w, line)
	}
	for _, claim := range r.unmet() {
		fmt.Fprintf(w, "Expected: %s is refuted; it is not.\n", claim)
	}
	fmt.Fprintf(w, "\nVerdict: %s\n", verdict)
	if r.Document.Report != "" {
		fmt.Fprintf(w, "Report of the first refutation:\n  %s\n", filepath.Join(r.Folder.Path, filepath.FromSlash(r.Document.Report)))
	}
	fmt.Fprintf(w, "Run folder:\n  %s\n", r.Folder.Path)
}

// colourOf is the ANSI attribute of a verdict.
func colourOf(v checker.Verdict) string {
	switch v {
	case checker.Refuted, checker.Invalid:
		return "\x1b[1;31m"
	case checker.Unknown:
		return "\x1b[33m"
	}
	return "\x1b[32m"
}

// WriteJSON writes the outcome as one JSON document, the same as repetitions.json.
func (r *Repeated) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r.Document)
}

// ExitCode is that of the verdict. Where refutations were expected, it is 0
// if exactly these claims were refuted and the control was not, and 1 if one
// of them was not.
func (r *Repeated) ExitCode() int {
	code := ExitCode(r.Document.Verdict)
	if len(r.expect) == 0 || r.Document.Verdict == checker.Invalid {
		return code
	}
	if len(r.unmet()) > 0 {
		return 1
	}
	for _, claim := range r.Document.reproduced() {
		if !slices.Contains(r.expect, "refuted:"+claim) {
			return 1
		}
	}
	return 0
}

// unmet lists the expected claims that were not refuted, or in the control too.
func (r *Repeated) unmet() (claims []string) {
	for _, e := range r.expect {
		if claim := strings.TrimPrefix(e, "refuted:"); !slices.Contains(r.Document.reproduced(), claim) {
			claims = append(claims, claim)
		}
	}
	return claims
}

// writeFiles writes repetitions.json, summary.md and, where the file system
// has links, report.html as a link to the first report.
func (r *Repeated) writeFiles() error {
	var text bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		return fmt.Errorf("write %s: %w", RepeatedFile, err)
	}
	if err := os.WriteFile(filepath.Join(r.Folder.Path, RepeatedFile), text.Bytes(), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(r.Folder.Summary(), r.markdown(), 0o644); err != nil {
		return err
	}
	if r.Document.Report != "" {
		_ = os.Symlink(filepath.FromSlash(r.Document.Report), r.Folder.Report()) // summary.md names it as well
	}
	return nil
}

// markdown returns summary.md.
func (r *Repeated) markdown() []byte {
	var b bytes.Buffer
	d := r.Document
	fmt.Fprintf(&b, "# refute: %s, repeated: %s\n\n", r.Folder.Name, d.Verdict)
	for _, line := range d.Statement {
		fmt.Fprintf(&b, "%s\n\n", line)
	}
	if d.Report != "" {
		fmt.Fprintf(&b, "The first refutation: [%s](%s)\n\n", d.Report, d.Report)
	}
	b.WriteString("| repetition | outcome |\n|---|---|\n")
	rows := func(s *Series) {
		for _, o := range s.Runs {
			fmt.Fprintf(&b, "| [%s](%s) | %s |\n", o.Folder, o.Folder, strings.ReplaceAll(o.String(), "|", "\\|"))
		}
	}
	rows(&d.Series)
	if d.Control != nil {
		rows(&d.Control.Series)
	}
	return b.Bytes()
}
