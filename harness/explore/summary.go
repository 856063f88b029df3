package explore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/plan"
)

// Ending is why no further seed was begun.
type Ending string

// The endings.
const (
	EndedByRefutation Ending = "refutation"
	EndedBySeeds      Ending = "seeds"
	EndedByBudget     Ending = "budget"
	EndedByInterrupt  Ending = "interrupt"
	// EndedByError: Run returned an error beside the summary.
	EndedByError Ending = "error"
)

// Summary is what an exploration came to.
type Summary struct {
	// Verdict is Refuted with a finding, Unknown where a seed left a claim
	// undecided or none could decide it, else Holds: not refuted by these seeds.
	Verdict checker.Verdict `json:"verdict"`
	// Statement says in a sentence what may be concluded of all claims together.
	Statement string `json:"statement"`
	// FirstSeed and Seeds are which seeds count: so many from the first on, without a gap.
	FirstSeed uint64 `json:"first_seed"`
	Seeds     uint64 `json:"seeds"`
	// Ending is why there were no more.
	Ending Ending `json:"ending"`
	// Failing is how many of the seeds refuted a claim, Doubtful how many
	// refuted none but left one undecided.
	Failing  uint64 `json:"failing"`
	Doubtful uint64 `json:"doubtful"`
	// Rate is that of failing seeds.
	Rate Rate `json:"rate"`
	// Claims are in the order of the base plan.
	Claims []ClaimSummary `json:"claims"`
	// Findings are in the order of their first seeds, then of the claims, then of the classes.
	Findings []*Finding `json:"findings"`
	// Operations of clients, Events and Virtual time of all seeds that count.
	Operations int64         `json:"operations"`
	Events     int64         `json:"events"`
	Virtual    plan.Duration `json:"virtual"`
	// Explored is how long exploring took, Elapsed with the shrinking.
	Explored            plan.Duration `json:"explored"`
	Elapsed             plan.Duration `json:"elapsed"`
	SeedsPerSecond      float64       `json:"seeds_per_second"`
	OperationsPerSecond float64       `json:"operations_per_second"`
}

// ClaimSummary is what an exploration says of one claim.
type ClaimSummary struct {
	Claim   string          `json:"claim"`
	Verdict checker.Verdict `json:"verdict"`
	// Failing seeds refuted it, Undecided ones left it undecided, and in
	// Vacuous ones there was nothing to check.
	Failing   uint64 `json:"failing"`
	Undecided uint64 `json:"undecided"`
	Vacuous   uint64 `json:"vacuous"`
	// Rate is that of failing seeds among all that decided the claim.
	Rate Rate `json:"rate"`
}

// Finding is one class of violations of one claim.
type Finding struct {
	Claim string `json:"claim"`
	// Class names the anomaly, for instance "stale-read"; see package checker.
	Class string `json:"class"`
	// Key is the key that it was seen on.
	Key string `json:"key,omitempty"`
	// Seed is the first that shows it, Seeds how many do and Rate how
	// frequent that is. Only the first is judged in full; the others were
	// counted as they were screened.
	Seed  uint64 `json:"seed"`
	Seeds uint64 `json:"seeds"`
	Rate  Rate   `json:"rate"`
	// Plan is the plan of Seed as it was drawn, Hash that of its run.
	Plan *plan.Plan `json:"plan"`
	Hash string     `json:"hash"`
	// Original is the size of Plan with its operations written out; zero where nothing was shrunk.
	Original Size `json:"original"`
	// Minimal is the smallest plan that was found; nil where nothing was
	// shrunk. Robust, where it was asked for and there is one, is a variant of
	// it that fails under most other networks too.
	Minimal *Reduced `json:"minimal,omitempty"`
	Robust  *Reduced `json:"robust,omitempty"`
	// Files are paths for people, of what the caller wrote down about the finding; Run leaves it empty.
	Files []string `json:"files,omitempty"`
}

// Best returns the plan that shows the finding best: the robust one, else the
// smallest one, else that of the seed.
func (f *Finding) Best() *plan.Plan {
	switch {
	case f.Robust != nil:
		return f.Robust.Plan
	case f.Minimal != nil:
		return f.Minimal.Plan
	}
	return f.Plan
}

// summary puts together what is known. err is the error that Run returns beside it.
func (e *exploration) summary(ctx context.Context, err error) *Summary {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &Summary{FirstSeed: e.config.FirstSeed, Seeds: e.collected, Ending: e.ending, Failing: e.failing, Doubtful: e.doubtful,
		Operations: e.operations, Events: e.events, Virtual: plan.Duration(e.virtual),
		Explored: plan.Duration(e.explored), Elapsed: plan.Duration(e.config.now().Sub(e.began)),
		Claims: []ClaimSummary{}, Findings: []*Finding{}}
	switch {
	case err != nil:
		s.Ending = EndedByError
	case s.Ending != EndedByRefutation && ctx.Err() != nil:
		s.Ending = EndedByInterrupt
	}
	s.SeedsPerSecond = perSecond(int64(s.Seeds), time.Duration(s.Explored))
	s.OperationsPerSecond = perSecond(s.Operations, time.Duration(s.Explored))
	var verdicts []checker.Verdict
	for i, claim := range e.claims {
		c := ClaimSummary{Claim: claim, Failing: e.refuting[i], Undecided: e.undecided[i], Vacuous: e.vacuous[i], Verdict: checker.Holds}
		decided := s.Seeds - c.Undecided - c.Vacuous
		c.Rate = s.rate(c.Failing, decided)
		switch {
		case c.Failing > 0:
			c.Verdict = checker.Refuted
		case c.Undecided > 0 || decided == 0:
			c.Verdict = checker.Unknown
		}
		verdicts = append(verdicts, c.Verdict)
		s.Claims = append(s.Claims, c)
	}
	s.Verdict = checker.Merge(verdicts...)
	s.Rate = s.rate(s.Failing, s.Seeds-s.Doubtful)
	for _, f := range e.findings {
		f.Rate = s.rate(f.Seeds, s.Seeds)
		s.Findings = append(s.Findings, f)
	}
	slices.SortStableFunc(s.Findings, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Seed, b.Seed),
			cmp.Compare(slices.Index(e.claims, a.Claim), slices.Index(e.claims, b.Claim)), cmp.Compare(a.Class, b.Class))
	})
	s.Statement = s.statement()
	if e.config.only != nil {
		s.Statement = fmt.Sprintf("The plan shows %s.", count(len(s.Findings), "kind")+" of violations")
	}
	return s
}

// rate is that of failing seeds, with the interval that belongs to how the exploration ended.
func (s *Summary) rate(failing, seeds uint64) Rate {
	switch {
	case failing == 0:
		return noneOf(seeds)
	case s.Ending == EndedByRefutation:
		return firstOf(seeds)
	}
	return wilson(failing, seeds)
}

// statement is what may be said of the seeds, and no more.
func (s *Summary) statement() string {
	under := "of the seeds under this distribution"
	switch {
	case s.Seeds == 0:
		return "No seed was explored: nothing can be said."
	case s.Failing > 0 && s.Ending == EndedByRefutation && s.Seeds == 1:
		return "The first seed refutes a claim: at 95 %, at least " + percent(s.Rate.Low) + " % " + under + " do."
	case s.Failing > 0 && s.Ending == EndedByRefutation:
		return fmt.Sprintf("The %s seed is the first that refutes a claim: at 95 %%, %s %s do (the exact interval for the first failure).",
			ordinal(s.Seeds), s.Rate.interval(), under)
	case s.Failing > 0:
		return fmt.Sprintf("%s of %s seeds refute a claim: at 95 %%, %s %s do (Wilson's interval).",
			thousands(s.Failing), thousands(s.Rate.Trials), s.Rate.interval(), under)
	case s.Rate.Trials == 0:
		return "No seed could be decided: nothing can be said."
	}
	text := fmt.Sprintf("0 of %s seeds refute a claim: at 95 %%, at most %s %% %s do (1 − 0.05^(1/N), exact).",
		thousands(s.Rate.Trials), percent(s.Rate.High), under)
	if s.Doubtful > 0 {
		text += " " + plural(s.Doubtful, "further seed") + " could not be decided."
	}
	return text
}

// WriteJSON writes the summary as one JSON document.
func (s *Summary) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(s); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

// ordinal writes 3 as "3rd".
func ordinal(n uint64) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return thousands(n) + suffix
}
