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

// HintStrategy says who keeps the hints of a coordinator; see hint_keepers.go.
type HintStrategy uint8

// The strategies.
const (
	HintStrategyCoordinator HintStrategy = iota
	// HintStrategyAny draws a node that seems up.
	HintStrategyAny
	// HintStrategyProximity prefers nodes of the home replica's data centre.
	HintStrategyProximity
	// HintStrategyConsistent takes the next node on the ring after the home replicas.
	HintStrategyConsistent
)

// Deletes says what a replica makes of a deletion; see tombstones.go.
type Deletes uint8

// The ways of deleting.
const (
	// DeletesTombstone stores a tombstone.
	DeletesTombstone Deletes = iota
	// DeletesPhysical removes the key and keeps nothing.
	DeletesPhysical
)

// Purge says when tombstones are removed; see tombstones.go.
type Purge uint8

// The rules of purging.
const (
	// PurgeGrace purges what is older than gc-grace, unless that is 0.
	PurgeGrace Purge = iota
	// PurgeRepaired purges of these only what anti-entropy has found on all home replicas.
	PurgeRepaired
	// PurgeReported purges what all home replicas are seen to hold, reap-after later.
	PurgeReported
)

var (
	deletesNames      = []string{DeletesTombstone: "tombstone", DeletesPhysical: "physical"}
	hintStrategyNames = []string{HintStrategyCoordinator: "coordinator", HintStrategyAny: "any", HintStrategyProximity: "proximity", HintStrategyConsistent: "consistent"}
	purgeNames        = []string{PurgeGrace: "grace", PurgeRepaired: "repaired", PurgeReported: "reported"}
)

// String returns the strategy as it is written in settings.
func (h HintStrategy) String() string { return enumName(hintStrategyNames, int(h)) }

// String returns the way as it is written in settings.
func (d Deletes) String() string { return enumName(deletesNames, int(d)) }

// String returns the rule as it is written in settings.
func (p Purge) String() string { return enumName(purgeNames, int(p)) }

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
	// Deletes and Purge: see their types.
	Deletes Deletes
	Purge   Purge
	// GCGrace is the age from which tombstones may be purged; 0: never.
	GCGrace int64
	// ReapAfter is how long after all replicas reported a tombstone it is purged, with PurgeReported.
	ReapAfter int64
	// RepairChance is how many of a hundred reads repair what they find (asynchronous and blocking repair).
	RepairChance int
	// HintWindow is the silence of a replica after which no more hints are kept for it, HintExpiry the age at which
	// hints are dropped, HintFlush the time between two writes of hints to the log; 0: no bound, and at once.
	HintWindow, HintExpiry, HintFlush int64
	// HintStrategy: see its type.
	HintStrategy HintStrategy
}

// repairRows are their rows of the table.
var repairRows = []settingRow{
	count("repair-chance", "100", "0 … 100", "How many of a hundred reads repair the stale replicas that they find (repair=async or blocking).", 100,
		func(s *Settings) *int { return &s.RepairChance }),
	longDuration("hint-window", "0s", "How long a replica may be silent before no more hints are kept for it; 0s: for ever.",
		func(s *Settings) *int64 { return &s.HintWindow }),
	longDuration("hint-expiry", "0s", "The age at which hints are dropped undelivered; 0s: never (but with gc-grace at that age).",
		func(s *Settings) *int64 { return &s.HintExpiry }),
	longDuration("hint-flush", "0s", "How often hints are written to the log, without waiting for it; 0s: each at once, and it is kept when the log has it.",
		func(s *Settings) *int64 { return &s.HintFlush }),
	choice("hint-strategy", "coordinator", hintStrategyNames, "Who keeps the hints of a coordinator: itself, a random node, the next one in the replica's data centre, or the next one on the ring.",
		func(s *Settings) *HintStrategy { return &s.HintStrategy }),
	choice("anti-entropy", "off", antiEntropyNames, "Whether replicas compare hash trees of what they hold and exchange what differs: never, all the time, or when an operator asks for it.",
		func(s *Settings) *AntiEntropy { return &s.AntiEntropy }),
	duration("anti-entropy-every", "15s", "With anti-entropy=scheduled, the time from one round of comparisons to the next.",
		func(s *Settings) *int64 { return &s.AntiEntropyEvery }),
	number("anti-entropy-depth", "10", "1 … 16", "The depth of the hash trees: each has 2^depth leaves.", maxTreeDepth,
		func(s *Settings) *int { return &s.AntiEntropyDepth }),
	number("anti-entropy-rate", "1000", "1 … 1000000", "Differing keys that a node exchanges in a second at most.", 1e6,
		func(s *Settings) *int { return &s.AntiEntropyRate }),
	choice("deletes", "tombstone", deletesNames, "What a replica makes of a deletion: a tombstone, or nothing at all, which one replica that missed it undoes.",
		func(s *Settings) *Deletes { return &s.Deletes }),
	longDuration("gc-grace", "0s", "The age from which tombstones may be purged; 0s: they are kept for ever.",
		func(s *Settings) *int64 { return &s.GCGrace }),
	choice("purge", "grace", purgeNames, "Which tombstones are purged: all that are older than gc-grace, of these only what anti-entropy has found on all home replicas, or what all home replicas have reported, reap-after later.",
		func(s *Settings) *Purge { return &s.Purge }),
	longDuration("reap-after", "3s", "With purge=reported, how long after all home replicas reported a tombstone it is purged.",
		func(s *Settings) *int64 { return &s.ReapAfter }),
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
	if err := r.checkHints(s); err != nil {
		return err
	}
	return r.checkDeletes(s)
}

func (r *RepairSettings) checkHints(s *Settings) error {
	switch {
	case r.RepairChance < 100 && s.Repair == RepairABD:
		return fmt.Errorf("repair-chance=%d with repair=abd: a read that does not write back may be followed by an older one, which is what abd is to exclude; set repair-chance=100 or another repair", r.RepairChance)
	case r.RepairChance < 100 && s.Repair == RepairOff:
		return fmt.Errorf("repair-chance=%d with repair=off: no read repairs anything; leave repair-chance out or set repair=async", r.RepairChance)
	case r.HintFlush > 0 && !s.HintLog:
		return fmt.Errorf("hint-flush=%s with hint-log=off: hints are never written; leave hint-flush out or set hint-log=on", formatDuration(r.HintFlush))
	case !s.Hints && (r.HintWindow > 0 || r.HintStrategy != HintStrategyCoordinator):
		return errors.New("hint-window or hint-strategy with hints=off: coordinators keep no hints; leave them out or set hints=on")
	}
	return nil
}

func (r *RepairSettings) checkDeletes(s *Settings) error {
	switch {
	case r.Deletes == DeletesPhysical && (r.Purge != PurgeGrace || r.GCGrace > 0):
		return errors.New("deletes=physical with purge or gc-grace: there are no tombstones to purge; leave purge and gc-grace out, or set deletes=tombstone")
	case r.Purge == PurgeReported && r.GCGrace > 0:
		return errors.New("purge=reported with gc-grace: the age of a tombstone does not matter then; leave gc-grace out (reap-after is how long it waits), or set purge=grace or purge=repaired")
	case r.Purge == PurgeRepaired && r.GCGrace == 0:
		return errors.New("purge=repaired with gc-grace=0s, which keeps tombstones for ever: set gc-grace to the age from which they may be purged")
	case r.Purge == PurgeRepaired && r.AntiEntropy == AntiEntropyOff:
		return errors.New("purge=repaired with anti-entropy=off: nothing finds out what all replicas have; set anti-entropy=scheduled or demand")
	case r.GCGrace > 0 && s.Fetches():
		return fmt.Errorf("gc-grace=%s with writers that fetch (fetch=%s, repair=%s): their versions are counts, not times, so a tombstone has no age; set gc-grace=0s or fetch=off",
			formatDuration(r.GCGrace), fetchNames[s.Fetch], repairNames[s.Repair])
	}
	return nil
}
