package core

import (
	"errors"
	"fmt"
)

// AntiEntropy says when replicas are compared in the background; see antientropy.go.
type AntiEntropy uint8

// The modes of anti-entropy.
const (
	AntiEntropyOff AntiEntropy = iota
	// AntiEntropyScheduled compares every range with every replica of it again and again.
	AntiEntropyScheduled
	// AntiEntropyDemand compares when an operator asks for it (AdminRepair).
	AntiEntropyDemand
)

var antiEntropyNames = []string{AntiEntropyOff: "off", AntiEntropyScheduled: "scheduled", AntiEntropyDemand: "demand"}

// String returns the mode as it is written in settings.
func (a AntiEntropy) String() string { return enumName(antiEntropyNames, int(a)) }

// RepairSettings are the settings of repair, hints and deletion. Times are in nanoseconds.
type RepairSettings struct {
	// AntiEntropy: see its type.
	AntiEntropy AntiEntropy
	// AntiEntropyEvery is the time from the beginning of one round of comparisons to that of the next.
	AntiEntropyEvery int64
	// AntiEntropyDepth is the depth of the hash trees, which have 2^depth leaves.
	AntiEntropyDepth int
	// AntiEntropyRate is how many differing keys a node exchanges in a second at most.
	AntiEntropyRate int
}

// repairRows are their rows of the table.
var repairRows = []settingRow{
	choice("anti-entropy", "off", antiEntropyNames, "Whether replicas compare hash trees of what they hold and exchange what differs: never, all the time, or when an operator asks for it.",
		func(s *Settings) *AntiEntropy { return &s.AntiEntropy }),
	duration("anti-entropy-every", "15s", "With anti-entropy=scheduled, the time from one round of comparisons to the next.",
		func(s *Settings) *int64 { return &s.AntiEntropyEvery }),
	number("anti-entropy-depth", "10", "1 … 16", "The depth of the hash trees: each has 2^depth leaves.", maxTreeDepth,
		func(s *Settings) *int { return &s.AntiEntropyDepth }),
	number("anti-entropy-rate", "1000", "1 … 1000000", "Differing keys that a node exchanges in a second at most.", 1e6,
		func(s *Settings) *int { return &s.AntiEntropyRate }),
}

// check finds what is wrong between these settings and others.
func (r *RepairSettings) check(s *Settings) error {
	if r.AntiEntropy == AntiEntropyScheduled && r.AntiEntropyEvery <= s.RequestTimeout {
		return fmt.Errorf("anti-entropy-every=%s ≤ request-timeout=%s: a round would have to begin before one unanswered message of the last is given up; set anti-entropy-every > %s",
			formatDuration(r.AntiEntropyEvery), formatDuration(s.RequestTimeout), formatDuration(s.RequestTimeout))
	}
	if r.AntiEntropy != AntiEntropyOff && s.N < 2 {
		return errors.New("anti-entropy with n=1: a key has no second replica to compare with; set n ≥ 2 or anti-entropy=off")
	}
	return nil
}
