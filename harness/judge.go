package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/results"
)

// FailureError says that the harness itself failed: neither the user's input
// nor the system under test is at fault. The command ends with exit code 255.
type FailureError struct{ Err error }

// Error returns the message of the cause.
func (e *FailureError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FailureError) Unwrap() error { return e.Err }

// ExitCode is the exit code of a verdict: 0 holds, 1 refuted, 2 unknown, 3 invalid.
func ExitCode(v checker.Verdict) int {
	switch v {
	case checker.Holds:
		return 0
	case checker.Refuted:
		return 1
	case checker.Invalid:
		return 3
	}
	return 2
}

// Outcome is a judged history.
type Outcome struct {
	// Run is what the forms of the report are drawn from.
	Run *results.Run
	// Report is what the checkers said.
	Report checker.Report
	// Folder is the run folder; empty for a history that was only checked.
	Folder string
	// Warnings are about the history file: a torn last line, for instance.
	Warnings []string
	// expect lists the refutations that must happen ("refuted:CLAIM").
	expect expectations
}

// WriteText writes the verdict for people.
func (o *Outcome) WriteText(w io.Writer, colours bool) {
	_ = results.Summary(w, o.Run, results.TextOptions{Color: colours}) // stdout is gone: nobody to tell
	for _, line := range o.unmet() {
		fmt.Fprintln(w, line)
	}
}

// WriteJSON writes the verdict as one JSON document, the same as results.json.
func (o *Outcome) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(o.Run.Document)
}

// ExitCode is that of the verdict. Where refutations were expected, it is 0
// if exactly these claims were refuted and nothing else was amiss, and 1 if
// one of them was not.
func (o *Outcome) ExitCode() int {
	rest := checker.Holds
	if len(o.Report.Validity) > 0 {
		rest = checker.Invalid
	}
	return o.expect.exitCode(o.Report.Verdict, o.verdicts(), rest)
}

func (o *Outcome) verdicts() []claimVerdict {
	var all []claimVerdict
	for _, c := range o.Report.Claims {
		all = append(all, claimVerdict{c.Claim, c.Verdict})
	}
	return all
}

// unmet says, a line each, which expected refutations did not happen.
func (o *Outcome) unmet() []string {
	var lines []string
	for _, c := range o.expect.unmet(o.verdicts()) {
		lines = append(lines, fmt.Sprintf("expected: %s is refuted; it is not: %s", c.claim, c.verdict))
	}
	return lines
}

// longHistory is from how many operations on a history is surveyed in its file
// instead of being read into memory. Shorter ones take less time than they
// are worth thinking about, and get second opinions on what was decided.
const longHistory = 250_000

// judge decides the claims from the history file alone. With no claims named
// it decides all that the operations allow. o says how much traffic makes a run
// valid; what else it holds is set here.
func judge(ctx context.Context, file *history.File, claims []string, limits plan.Limits, o checker.Options, progress func(string)) (checker.Report, []string, error) {
	count, err := file.Count(ctx)
	if err != nil {
		return checker.Report{}, nil, err
	}
	survey := count >= longHistory
	if survey && checker.FitsInMemory(count, limits.CheckMemory) {
		// What a claim needs in memory is better read at once.
		survey = !checker.NeedsWhole(orAll(claims))
	}
	return judgeBy(ctx, file, survey, claims, limits, o, progress)
}

// orAll returns the claims, or all that there are if none is named.
func orAll(claims []string) []string {
	if len(claims) > 0 {
		return claims
	}
	for _, c := range checker.Claims() {
		claims = append(claims, c.Name)
	}
	return claims
}

// withoutWhole separates the claims that need the whole history in memory from the others.
func withoutWhole(claims []string) (kept, left []string) {
	for _, c := range claims {
		if checker.NeedsWhole([]string{c}) {
			left = append(left, c)
		} else {
			kept = append(kept, c)
		}
	}
	return kept, left
}

// judgeBy is judge by a survey of the file, or else from memory.
func judgeBy(ctx context.Context, file *history.File, survey bool, claims []string, limits plan.Limits, o checker.Options, progress func(string)) (checker.Report, []string, error) {
	// A million operations are the greater part of the heap and all alive: let
	// the collector not wait until as much garbage lies beside them.
	defer debug.SetGCPercent(debug.SetGCPercent(40))
	var read readHistory
	var err error
	if survey {
		read, err = checker.TakeSurvey(ctx, file.Source)
	} else {
		var whole wholeHistory
		whole, _, err = file.ReadAll(ctx)
		read = whole
	}
	if err != nil {
		return checker.Report{}, nil, err
	}
	summary := file.Summary()
	var warnings []string
	for _, w := range summary.Warnings {
		warnings = append(warnings, w.String())
	}
	if len(claims) == 0 {
		claims = defaultClaims(read, summary.Format)
		if survey && !checker.FitsInMemory(summary.Operations, limits.CheckMemory) {
			var left []string
			if claims, left = withoutWhole(claims); len(left) > 0 {
				warnings = append(warnings, fmt.Sprintf("not checked, since they need the whole history in memory: %s; --memory gives more, --claims asks for them by name", strings.Join(left, ", ")))
			}
		}
	}
	if len(claims) == 0 {
		return checker.Report{}, warnings, errors.New("the history holds no operations that any checker understands: want reads and writes (or adds, or cas)")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(limits.Check))
	defer cancel()
	evidence := file.Evidence()
	o.Claims, o.Memory, o.Evidence, o.Progress = claims, limits.CheckMemory, evidence.Lookup, progress
	o.Evidences = func(completions []int64) map[int64]*history.Evidence {
		found, err := evidence.Read(ctx, completions)
		if err != nil {
			return nil // it is looked up one by one, and Lookup says what it cannot read
		}
		return found
	}
	report, err := read.Check(ctx, o)
	return report, warnings, err
}

// readHistory is a history that can be judged: one in memory, or a survey.
type readHistory interface {
	Applicable() []string
	HasPhase(name string) bool
	Check(ctx context.Context, o checker.Options) (checker.Report, error)
}

// wholeHistory is a history in memory.
type wholeHistory []history.Operation

// Applicable lists the claims that speak of the operations.
func (w wholeHistory) Applicable() []string { return checker.Applicable(w) }

// HasPhase says whether the history has the phase.
func (w wholeHistory) HasPhase(name string) bool {
	return slices.ContainsFunc(w, func(o history.Operation) bool {
		return o.Process == history.Nemesis && o.F == history.FPhase && o.Key == name
	})
}

// Check decides the claims.
func (w wholeHistory) Check(ctx context.Context, o checker.Options) (checker.Report, error) {
	return checker.Check(ctx, w, o)
}
