package leaderless

import (
	"slices"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// The claims about what is more than the newest value of a key, by their names in package checker.
const (
	claimCounterBounds    = "counter-bounds"
	claimRowAtomicity     = "row-atomicity"
	claimNoResurrection   = "no-resurrected-deletes"
	claimNoDiscardedWrite = "no-discarded-writes"
	claimBoundedSiblings  = "bounded-siblings"
	claimNoLostUpdates    = "no-lost-updates"
)

// objectClaims returns what the configuration is held to where a key is more
// than its newest value; nil where it is not. Convergence is claimed only with
// anti-entropy: an update that was not answered in time may stay with the one
// replica that has carried it out, until somebody reads.
func (s *system) objectClaims() []string {
	var claims []string
	overlap := s.settings.Overlaps()
	switch {
	case s.settings.DataType == core.DataTypeCounter:
		claims = append(claims, claimCounterBounds)
	case s.settings.DataType == core.DataTypeSet, s.settings.DataType == core.DataTypeMap:
		claims = append(claims, claimNoResurrection, claimNoLostWrites)
	case s.settings.DataType == core.DataTypeRow:
		return append(s.registerClaims(), claimRowAtomicity)
	case s.settings.Resolver >= core.ResolverVectorClock:
		claims = append(claims, claimNoLostWrites, claimBoundedSiblings)
		if s.settings.Siblings == core.SiblingsKeep {
			claims = append(claims, claimNoDiscardedWrite)
		}
	case s.settings.CAS != core.CASOff:
		return append(s.registerClaims(), claimNoLostUpdates)
	default:
		return nil
	}
	if !overlap {
		claims = slices.DeleteFunc(claims, func(c string) bool { return c == claimCounterBounds || c == claimNoResurrection })
	}
	if s.settings.AntiEntropy == core.AntiEntropyScheduled {
		claims = append(claims, claimConvergence)
	}
	return claims
}
