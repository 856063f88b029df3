package leaderless

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// What theory says of the store's claims, so that a sweep over configurations
// can be held against it. Each case is an argument about the order of
// versions: a replica's version only grows, so all depends on whether an
// operation asks a replica that has what it must not miss, and on whether a
// later write has the greater version.
//
//   - overlap (w + r > n): a read or a fetch asks a replica of every write that
//     was acknowledged before it began.
//   - kept reads: what a read has returned, every later read asks for at a
//     replica that has it. A read that writes back to w replicas sees to that
//     if w + r > n (ABD), one that repairs the r replicas it asked if 2r > n
//     (blocking), and one that asks all n has it from all of them.
//   - right order: a write is given a greater version than every one that was
//     acknowledged or read before it began. Clocks do that as long as they
//     agree; a fetch does it whatever the clocks say, for acknowledged writes if
//     quorums overlap, and for those that were merely read if reads are kept.
//
// Overlap, kept reads and right order together make a linearizable register.
// A claim that theory calls refuted falls for want of one of them; that takes
// faults that let replicas miss a write, or clocks that go wrong.
//
// The arguments are made for the store as its paper describes it: strict
// quorums, last write wins, every acknowledgement durable. A configuration that
// changes anything else is out of their reach, and then nothing is expected.

// The kinds of faults that theory speaks of, by their names in package
// nemesis, which targets do not import.
const (
	faultPartition = "partition"
	faultPause     = "pause"
	faultKill      = "kill"
	faultClock     = "clock"
	faultPower     = "power"
	faultNetwork   = "network"
	faultDisk      = "disk"
)

// theorized are the settings whose values the arguments take into account, and
// those, times mostly, that change nothing about them.
var theorized = []string{
	"n", "w", "r", "repair", "fetch", "hints",
	"virtual-nodes", "request-timeout", "hint-retry", "hint-limit", "heartbeat", "suspect-after", "detector", "phi-threshold",
	"anti-entropy", "anti-entropy-every", "anti-entropy-depth", "anti-entropy-rate", "reap-after",
}

// theory is a configuration under faults, as the arguments see it.
type theory struct {
	settings *core.Settings
	// apart: replicas can miss messages. skewed: clocks can disagree. crashes: processes can end.
	apart, skewed, crashes bool
	overlap                bool
	keptReads              bool
	rightOrder             bool
}

// Expect says what theory has to say of a claim.
func (s *system) Expect(claim string, faults []string) target.Expectation {
	if reason := s.untheorized(faults); reason != "" {
		return target.Expectation{Expected: target.ExpectPossible, Reason: reason}
	}
	has := func(kinds ...string) bool {
		return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(faults, k) })
	}
	c := &s.settings
	t := theory{settings: c, apart: has(faultPartition, faultNetwork), skewed: has(faultClock), crashes: has(faultKill, faultPower, faultDisk)}
	t.overlap = c.W+c.R > c.N
	t.keptReads = c.R == c.N || c.Repair == core.RepairBlocking && 2*c.R > c.N || c.Repair == core.RepairABD && t.overlap
	t.rightOrder = !t.skewed && !c.Fetches() || c.Fetches() && t.overlap && t.keptReads
	switch claim {
	case claimLinearizable:
		return t.linearizable()
	case claimNoStaleReads, claimReadYourWrites:
		return t.fresh()
	case claimMonotonicReads:
		return t.monotonic()
	case claimNoLostWrites:
		return t.kept()
	case claimConvergence:
		return t.converging()
	}
	return possible("theory is not asked about this claim here")
}

// untheorized says what puts the configuration out of the arguments' reach.
func (s *system) untheorized(faults []string) string {
	for _, f := range faults {
		if !slices.Contains([]string{faultPartition, faultPause, faultKill, faultClock, faultPower, faultNetwork, faultDisk}, f) {
			return fmt.Sprintf("the arguments do not speak of %s faults", f)
		}
	}
	for _, d := range core.Describe() {
		if value := s.text[d.Name]; value != d.Default && !slices.Contains(theorized, d.Name) {
			return fmt.Sprintf("the arguments do not speak of %s=%s", d.Name, value)
		}
	}
	return ""
}

func holds(reason string) target.Expectation {
	return target.Expectation{Expected: target.ExpectHolds, Reason: reason}
}

func refuted(reason string) target.Expectation {
	return target.Expectation{Expected: target.ExpectRefuted, Reason: reason}
}

func possible(reason string) target.Expectation {
	return target.Expectation{Expected: target.ExpectPossible, Reason: reason}
}

// unless says refuted if the faults that it takes are made.
func unless(made bool, reason string) target.Expectation {
	if made {
		return refuted(reason)
	}
	return possible(reason + ", but the faults that show it are not made")
}

const (
	reasonApart = "w + r ≤ n: a read need not ask any replica that acknowledged the write"
	reasonSkew  = "clocks that disagree give a later write the lower timestamp, and it loses"
)

func (t *theory) linearizable() target.Expectation {
	switch {
	case t.overlap && t.keptReads && t.rightOrder:
		return holds("quorums overlap, what a read returned every later read finds, and later writes have greater versions")
	case !t.overlap:
		return unless(t.apart, reasonApart)
	case t.skewed && !t.settings.Fetches():
		return refuted(reasonSkew)
	}
	return unless(t.apart, "a read may return a write that has reached few replicas, and a later read ask others")
}

func (t *theory) fresh() target.Expectation {
	switch {
	case t.overlap && t.rightOrder:
		return holds("a read asks a replica of every acknowledged write, and what is older has the lower version")
	case !t.overlap:
		return unless(t.apart, reasonApart)
	case t.skewed && !t.settings.Fetches():
		return refuted(reasonSkew)
	}
	return possible("a fetch need not see a version that was read, but never acknowledged")
}

func (t *theory) monotonic() target.Expectation {
	switch {
	case t.keptReads && t.rightOrder:
		return holds("what a read returned every later read finds, and older values have lower versions")
	case t.keptReads:
		return possible("what a read returned every later read finds, but an older value may have the greater version")
	}
	return unless(t.apart, "a later read may ask replicas that the value has not reached")
}

func (t *theory) kept() target.Expectation {
	switch {
	case t.overlap && t.rightOrder:
		return holds("the final reads ask a replica of every acknowledged write, and only later writes have greater versions")
	case t.skewed && !t.settings.Fetches():
		return refuted(reasonSkew)
	case !t.overlap && t.settings.Fetches():
		return possible("a fetch need not ask any replica that has the greatest version, so that a later write may have a lower one")
	}
	return possible("nothing makes a final read ask a replica that has the write")
}

func (t *theory) converging() target.Expectation {
	switch {
	case t.settings.AntiEntropy == core.AntiEntropyScheduled:
		return holds("every replica is compared with every other in the end, and what differs is exchanged")
	case !t.settings.Hints && t.settings.Repair == core.RepairOff && t.settings.W < t.settings.N:
		return unless(t.apart, "nothing brings a write to a replica that has missed it")
	case t.settings.Hints && !t.crashes:
		return holds("whoever coordinated a write delivers it to every replica in the end")
	case t.settings.Hints:
		return possible("a coordinator that is killed has kept no hint yet of the write it was at")
	}
	return possible("repair reaches the keys that are read")
}
