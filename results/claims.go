package results

import (
	"strings"

	"github.com/refute-lab/refute/checker"
)

// meaning says in one sentence, to someone new to the field, what a store
// promises with the claim; empty for a claim that this version does not know.
func meaning(claim string) string {
	for _, c := range checker.Claims() {
		if c.Name == claim {
			return c.Description
		}
	}
	return ""
}

// verdictWord is the verdict as shown to people.
func verdictWord(v checker.Verdict) string {
	switch v {
	case checker.Refuted:
		return "REFUTED"
	case checker.Invalid:
		return "INVALID"
	}
	return string(v)
}

// word is the verdict on a claim as shown to people: that there was nothing to
// check is no failure to check it.
func (c *Claim) word() string {
	if c.Vacuous && c.Verdict == checker.Unknown {
		return "nothing to check"
	}
	return verdictWord(c.Verdict)
}

// verdictMeaning explains the verdict of a run in one sentence.
func verdictMeaning(d *Document) string {
	counts := map[checker.Verdict]int{}
	vacuous := 0
	for _, c := range d.Claims {
		counts[c.Verdict]++
		if c.Vacuous && c.Verdict == checker.Unknown {
			vacuous++
		}
	}
	switch d.Verdict {
	case checker.Refuted:
		witness := "; a witness for each is below."
		if counts[checker.Refuted] == 1 {
			witness = "; a witness is below."
		}
		return "The history contradicts " + outOf(counts[checker.Refuted], len(d.Claims)) + witness +
			undecided(counts[checker.Unknown]-vacuous, vacuous, len(d.Claims))
	case checker.Invalid:
		return "The run cannot be judged: " + count(len(d.Validity), "reason") + " below. No claim passed."
	case checker.Unknown:
		return strings.TrimSpace(undecided(counts[checker.Unknown]-vacuous, vacuous, len(d.Claims)) + " None was refuted.")
	}
	return "No claim was refuted by this history. That is no proof: another run may refute it."
}

// undecided says of how many claims nothing is known, and why.
func undecided(unknown, vacuous, claims int) (text string) {
	if unknown > 0 {
		text += " " + capital(outOf(unknown, claims)) + " could not be decided."
	}
	if vacuous > 0 {
		text += " For " + outOf(vacuous, claims) + " there was nothing to check."
	}
	return text
}

// validityMeaning says what an invalid run is still good for.
func validityMeaning(d *Document) string {
	if d.Verdict == checker.Refuted {
		return "The refutations stand, for a witness needs no more than itself; but a claim that was not refuted was not put to the test as planned."
	}
	return "It cannot be judged: a claim that was not refuted was not put to the test as planned."
}

func outOf(n, of int) string {
	if n == of && of == 1 {
		return "the claim"
	}
	return thousands(n) + " of " + count(of, "claim")
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// expectedRefutations are the claims that the plan says must be refuted.
func expectedRefutations(expect []string) map[string]bool {
	out := map[string]bool{}
	for _, e := range expect {
		if claim, ok := strings.CutPrefix(e, "refuted:"); ok {
			out[claim] = true
		}
	}
	return out
}
