package harness

import (
	"slices"

	"github.com/refute-lab/refute/checker"
)

// expectations are the refutations that must happen, as "refuted:CLAIM".
type expectations []string

// claimVerdict is what was found of one claim.
type claimVerdict struct {
	claim   string
	verdict checker.Verdict
}

func (e expectations) has(claim string) bool { return slices.Contains(e, "refuted:"+claim) }

// unmet are the claims that should have been refuted and were not.
func (e expectations) unmet(claims []claimVerdict) (unmet []claimVerdict) {
	for _, c := range claims {
		if e.has(c.claim) && c.verdict != checker.Refuted {
			unmet = append(unmet, c)
		}
	}
	return unmet
}

// exitCode is that of the verdict where nothing was expected; else 1 if an
// expected refutation did not happen, and otherwise that of the other claims
// and of the rest, so that 0 means just what was expected.
func (e expectations) exitCode(verdict checker.Verdict, claims []claimVerdict, rest checker.Verdict) int {
	if len(e) == 0 {
		return ExitCode(verdict)
	}
	if len(e.unmet(claims)) > 0 {
		return 1
	}
	for _, c := range claims {
		if !e.has(c.claim) {
			rest = checker.Merge(rest, c.verdict)
		}
	}
	return ExitCode(rest)
}
