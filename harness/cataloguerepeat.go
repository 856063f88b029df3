package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/target/leaderless/catalogue"
)

// ItemRepeated is what became of an item of the catalogue on containers.
type ItemRepeated struct {
	ItemName
	// Plan counts the plan's repetitions, Twin its twin's; Twin is nil where
	// there is none, or where it was not performed.
	Plan *Series `json:"plan"`
	Twin *Series `json:"twin,omitempty"`
	// Problems say, a sentence each, in what way the item did not show what it
	// says. Empty: it did.
	Problems []string `json:"problems"`
	// Folder is the run folder; Report the report of the first repetition that
	// refuted a claim, empty if there is none.
	Folder string `json:"folder"`
	Report string `json:"report,omitempty"`

	item catalogue.Item
	code int // the exit code that the worst of the problems asks for
}

// RepeatItem performs an item's plan again and again on containers, then as
// often its twin, and says whether they show what the catalogue says. The run
// folder is that of Repeat. Errors are *UsageError, also for faults that
// containers cannot make, or *FailureError.
func RepeatItem(ctx context.Context, item catalogue.Item, r Repetitions) (*ItemRepeated, error) {
	performed, twin, err := ItemPlans(item, OnDocker)
	if err != nil {
		return nil, err
	}
	r.Plan, r.System, r.Twin = performed.Plan, performed.System, twin
	repeated, err := Repeat(ctx, r)
	if err != nil {
		return nil, err
	}
	shown := &ItemRepeated{ItemName: nameOf(item), Plan: &repeated.Document.Series, Problems: []string{},
		Folder: repeated.Folder.Path, item: item}
	if repeated.Document.Report != "" {
		shown.Report = filepath.Join(shown.Folder, filepath.FromSlash(repeated.Document.Report))
	}
	if twin != nil && repeated.Document.Control != nil {
		shown.Twin = &repeated.Document.Control.Series
	}
	shown.judge()
	return shown, nil
}

// problem notes in what way the item is not as described, with the exit code
// that it asks for. What is wrong (1) outweighs what could not be seen (3), and
// that what stayed undecided (2).
func (s *ItemRepeated) problem(code int, format string, arguments ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, arguments...))
	weight := map[int]int{0: 0, 2: 1, 3: 2, 1: 3}
	if weight[code] > weight[s.code] {
		s.code = code
	}
}

// judge notes in what way the item did not show what it says.
func (s *ItemRepeated) judge() {
	if s.judgeSeries("plan", s.Plan, s.item.Reads) {
		valid, c := s.Plan.valid(), s.Plan.refuted(s.Claim)
		switch undecided := s.Plan.undecided(s.Claim); {
		case s.Legal && c.Refuted > 0:
			s.problem(1, "what is legal was refuted in %d of %s", c.Refuted, repetitions(valid))
		case !s.Legal && 2*c.Refuted <= valid:
			s.problem(1, "the plan refutes %s in %d of %s only", s.Claim, c.Refuted, repetitions(valid))
		case undecided > 0:
			s.problem(2, "in %d of %s of the plan %s stayed undecided", undecided, repetitions(valid), s.Claim)
		}
		for _, cause := range slices.Sorted(maps.Keys(c.Causes)) {
			if cause != cmp.Or(s.Cause, checker.CauseUnknown) {
				s.problem(1, "in %s the cause is %q", repetitions(c.Causes[cause]), cause)
			}
		}
		for _, claim := range s.item.Holds {
			if n := s.Plan.refuted(claim).Refuted + s.Plan.undecided(claim); n > 0 {
				s.problem(1, "%s does not hold in %s of the plan", claim, repetitions(n))
			}
		}
	}
	if !s.item.HasTwin() {
		return
	}
	if s.Twin == nil {
		s.problem(3, "the twin was not performed")
		return
	}
	if s.judgeSeries("twin", s.Twin, s.item.TwinReads) {
		valid := s.Twin.valid()
		switch undecided := s.Twin.undecided(s.Claim); {
		case s.Twin.refuted(s.Claim).Refuted > 0:
			s.problem(1, "the twin refutes %s in %d of %s", s.Claim, s.Twin.refuted(s.Claim).Refuted, repetitions(valid))
		case 2*undecided > valid:
			s.problem(2, "in %d of %s of the twin %s stayed undecided", undecided, repetitions(valid), s.Claim)
		}
	}
}

// judgeSeries judges what any series must be: there, valid, and with the reads
// that the item tells of in most repetitions. It says whether there is more to judge.
func (s *ItemRepeated) judgeSeries(name string, series *Series, reads string) bool {
	if series.Repetitions < series.Asked {
		s.problem(2, "only %d of %s of the %s were performed", series.Repetitions, repetitions(series.Asked), name)
	}
	valid := series.valid()
	if series.Repetitions > 0 && valid == 0 {
		s.problem(3, "every repetition of the %s is invalid: %s", name, strings.Join(series.Runs[0].Invalid, "; "))
	}
	if valid == 0 {
		return false
	}
	returned := 0
	for _, one := range series.Runs {
		if one.Verdict != checker.Invalid && one.Reads == reads {
			returned++
		}
	}
	if reads != "" && 2*returned <= valid {
		s.problem(1, "in %d of %s only do the reads of the %s return %s", returned, repetitions(valid), name, reads)
	}
	return true
}

// undecided is in how many valid repetitions the claim was neither refuted nor found to hold.
func (s *Series) undecided(claim string) (count int) {
	for _, one := range s.Runs {
		if one.Verdict != checker.Invalid && slices.Contains(one.Undecided, claim) {
			count++
		}
	}
	return count
}

// WriteText tells what was shown, for people.
func (s *ItemRepeated) WriteText(w io.Writer, _ bool) {
	fmt.Fprintf(w, "\n%d. %s\n\n%s\n\n", s.Number, s.Title, wrapped(s.item.Story, "   ", 100)) // stdout is gone if this fails: nobody to tell
	c := s.Plan.refuted(s.Claim)
	fmt.Fprintf(w, "   plan    %s is refuted in %d of %s", s.Claim, c.Refuted, s.Plan.describe())
	switch {
	case s.Legal && c.Refuted > 0:
		fmt.Fprintf(w, ", as it must not be")
	case s.Legal:
		fmt.Fprintf(w, "; the reads return %s", s.item.Reads)
	case s.Cause != "" && c.Refuted > 0:
		fmt.Fprintf(w, ", cause %s in %d", s.Cause, c.Causes[s.Cause])
	}
	fmt.Fprintln(w)
	for _, other := range s.Plan.Claims {
		if other.Claim != s.Claim {
			fmt.Fprintf(w, "           %s is refuted in %d\n", other.Claim, other.Refuted)
		}
	}
	if s.Report != "" {
		fmt.Fprintf(w, "           %s\n", s.Report)
	}
	if s.Twin != nil {
		fmt.Fprintf(w, "   twin    with %s=%s instead of %s: refuted in %d of %s", s.Setting, s.TwinValue, s.PlanValue, s.Twin.refuted(s.Claim).Refuted, s.Twin.describe())
		if s.Legal {
			fmt.Fprintf(w, "; the reads return %s", s.item.TwinReads)
		}
		fmt.Fprintf(w, "\n%s\n   price   %s\n", wrapped(s.item.Remedy, "           ", 100), s.item.Cost)
	}
	fmt.Fprintf(w, "   source  %s\n   folder  %s\n", s.item.Source, s.Folder)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "   NOT AS DESCRIBED: %s\n", p)
	}
}

// describe is how many repetitions count, and how many do not.
func (s *Series) describe() string {
	text := repetitions(s.valid())
	if s.Invalid > 0 {
		text += fmt.Sprintf(" (%d more %s invalid and do not count)", s.Invalid, isAre(s.Invalid))
		if s.Invalid == 1 {
			text = strings.Replace(text, "do not count", "does not count", 1)
		}
	}
	return text
}

// WriteJSON writes it as one JSON document.
func (s *ItemRepeated) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}

// ExitCode is 0 if the item showed what it says; 1 if it did not; 3 if nothing
// can be said, since the repetitions are invalid; 2 if all that is missing is
// that something stayed undecided.
func (s *ItemRepeated) ExitCode() int { return s.code }

// Line tells the outcome in one line.
func (s *ItemRepeated) Line() string {
	text := fmt.Sprintf("plan refuted in %d of %d", s.Plan.refuted(s.Claim).Refuted, s.Plan.valid())
	if s.Twin != nil {
		text += fmt.Sprintf(", %s=%s in %d of %d", s.Setting, s.TwinValue, s.Twin.refuted(s.Claim).Refuted, s.Twin.valid())
	}
	verdict := "as described"
	if len(s.Problems) > 0 {
		verdict = "NOT AS DESCRIBED: " + strings.Join(s.Problems, "; ")
	}
	return fmt.Sprintf("%3d  %-36s %-22s %-60s %s", s.Number, s.Name, s.Claim, text, verdict)
}
