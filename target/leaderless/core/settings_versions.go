package core

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// VersionSettings are the settings of versions and conflicts.
type VersionSettings struct {
	// Resolver, Siblings, Clock, TieBreak and ObsoletePuts: see their types.
	Resolver     Resolver
	Siblings     Siblings
	Clock        Clock
	TieBreak     TieBreak
	ObsoletePuts ObsoletePuts
	// TimestampUnit is the resolution of the timestamps of writes, in nanoseconds.
	TimestampUnit int64
	// PruneEntries, PruneEntriesMost, PruneYounger and PruneOlder say when
	// vectors lose entries; see pruning. PruneEntries 0: never.
	PruneEntries, PruneEntriesMost int
	PruneYounger, PruneOlder       int64
	// ActorEpochs lets a node that can't be sure of its last event begin a new epoch; see actor.go.
	ActorEpochs bool
	// SiblingLimit is the greatest number of siblings that a write may leave; 0: there is none.
	SiblingLimit int
}

// Resolver says what becomes of two values of one key.
type Resolver uint8

// The resolvers.
const (
	// ResolverLWW keeps the one with the greater version: last write wins.
	ResolverLWW Resolver = iota
	// ResolverArrival keeps the one that arrived last; see arrival.go.
	ResolverArrival
	// ResolverVectorClock, ResolverVersionVector and ResolverDotted keep
	// concurrent values; see versioned.go.
	ResolverVectorClock
	ResolverVersionVector
	ResolverDotted
)

// Siblings says what becomes of concurrent values.
type Siblings uint8

// What becomes of concurrent values.
const (
	// SiblingsKeep keeps them all.
	SiblingsKeep Siblings = iota
	// SiblingsLastModified keeps or shows the one with the greatest version; see versioned.go.
	SiblingsLastModified
)

// Clock says what the times of versions are made of.
type Clock uint8

// The clocks.
const (
	ClockWall Clock = iota
	// ClockHybrid is a wall clock that never falls behind what it heard of; see hybrid.go.
	ClockHybrid
)

// TieBreak says which of two writes with the same timestamp wins.
type TieBreak uint8

// The ways to break ties.
const (
	// TieBreakWriter goes by who wrote, as Version.Compare does.
	TieBreakWriter TieBreak = iota
	// TieBreakValue goes by what was written: see Cell.compareByValue.
	TieBreakValue
)

// ObsoletePuts says what a replica does with a put whose vector is not newer than what it holds.
type ObsoletePuts uint8

// What becomes of obsolete puts; see versionvector.go.
const (
	ObsoletePutsMerge ObsoletePuts = iota
	ObsoletePutsIgnore
	ObsoletePutsRefuse
)

var (
	resolverNames     = []string{ResolverLWW: "lww", ResolverArrival: "arrival", ResolverVectorClock: "vector-clock", ResolverVersionVector: "version-vector", ResolverDotted: "dotted"}
	siblingsNames     = []string{SiblingsKeep: "keep", SiblingsLastModified: "last-modified"}
	clockNames        = []string{ClockWall: "wall", ClockHybrid: "hybrid"}
	tieBreakNames     = []string{TieBreakWriter: "writer", TieBreakValue: "value"}
	obsoletePutsNames = []string{ObsoletePutsMerge: "merge", ObsoletePutsIgnore: "ignore", ObsoletePutsRefuse: "refuse"}
)

// String returns the resolver as it is written in settings.
func (r Resolver) String() string { return enumName(resolverNames, int(r)) }

// String returns the choice as it is written in settings.
func (s Siblings) String() string { return enumName(siblingsNames, int(s)) }

// String returns the clock as it is written in settings.
func (c Clock) String() string { return enumName(clockNames, int(c)) }

// String returns the way as it is written in settings.
func (t TieBreak) String() string { return enumName(tieBreakNames, int(t)) }

// String returns the choice as it is written in settings.
func (o ObsoletePuts) String() string { return enumName(obsoletePutsNames, int(o)) }

// maxVectorLimit bounds the limits on the entries of vectors.
const maxVectorLimit = 4096

// versionRows are their rows of the table.
var versionRows = []settingRow{
	choice("resolver", "lww", resolverNames, "What becomes of two values of a key: the greater timestamp wins, the last to arrive wins, or concurrent ones are kept as siblings (told apart by one vector for the key, by one for each value, or by dotted version vectors).",
		func(s *Settings) *Resolver { return &s.Resolver }),
	choice("siblings", "keep", siblingsNames, "With a resolver that tells concurrent values apart, whether they are kept or only the last modified one is.",
		func(s *Settings) *Siblings { return &s.Siblings }),
	choice("clock", "wall", clockNames, "What timestamps are made of: the wall clock, or a hybrid logical clock that never falls behind what it heard of.",
		func(s *Settings) *Clock { return &s.Clock }),
	choice("tie-break", "writer", tieBreakNames, "Which of two writes with one timestamp wins: by the node that coordinated them, or by what was written (a delete, else the larger value, as in Cassandra).",
		func(s *Settings) *TieBreak { return &s.TieBreak }),
	{Setting{"timestamp-unit", "1ns", "1ns … 1s, for instance 1us", "The resolution of timestamps; with a coarse one two nodes can choose the same."},
		func(s *Settings, text string) (err error) {
			s.TimestampUnit, err = parseDurationWithin(text, 1, 1e9)
			return err
		},
		func(s *Settings) string { return formatDuration(s.TimestampUnit) }},
	{Setting{"prune-entries", "0", "0 | ENTRIES | ENTRIES-MOST, for instance 50 or 10-20", "Entries of a vector clock up to which nothing is pruned, and beyond which the oldest always are (unless they are younger than prune-younger); 0: never prune."},
		parsePruneEntries, formatPruneEntries},
	longDuration("prune-younger", "20s", "Entries of a vector clock that are younger are never pruned.", func(s *Settings) *int64 { return &s.PruneYounger }),
	longDuration("prune-older", "1d", "With prune-entries=ENTRIES-MOST, entries that are older are pruned from clocks of more than ENTRIES.", func(s *Settings) *int64 { return &s.PruneOlder }),
	onOff("actor-epochs", "on", "Whether a node that may have forgotten its last event of a key counts on under a new name; off is unsafe: it gives out the same event twice.",
		func(s *Settings) *bool { return &s.ActorEpochs }),
	choice("obsolete-puts", "merge", obsoletePutsNames, "With resolver=version-vector, what becomes of a put whose vector is not newer than what a replica holds: it is made newer or kept beside it, or the coordinating replica answers with an error and the refusal of the others counts as success (ignore) or not at all (refuse).",
		func(s *Settings) *ObsoletePuts { return &s.ObsoletePuts }),
	count("sibling-limit", "0", "0 … 1000000", "Siblings that a write may leave at most, else it is refused; 0: any number.", 1e6, func(s *Settings) *int { return &s.SiblingLimit }),
}

func parsePruneEntries(s *Settings, text string) error {
	small, most, both := strings.Cut(text, "-")
	if !both {
		most = small
	}
	a, err := strconv.ParseUint(small, 10, 32)
	b, err2 := strconv.ParseUint(most, 10, 32)
	switch {
	case err != nil || err2 != nil:
		return errors.New("neither a whole number nor two with a dash between them")
	case a > b:
		return errors.New("the first number is the greater one")
	case b > maxVectorLimit:
		return errors.New("out of range: vectors have at most " + strconv.Itoa(maxVectorLimit) + " entries")
	case a == 0 && b > 0:
		return errors.New("a vector of no entry tells nothing: the first number is at least 1")
	}
	s.PruneEntries, s.PruneEntriesMost = int(a), int(b)
	return nil
}

func formatPruneEntries(s *Settings) string {
	text := strconv.Itoa(s.PruneEntries)
	if s.PruneEntriesMost != s.PruneEntries {
		text += "-" + strconv.Itoa(s.PruneEntriesMost)
	}
	return text
}

// keepsSiblings says that the resolver tells concurrent values apart.
func (v *VersionSettings) keepsSiblings() bool { return v.Resolver >= ResolverVectorClock }

// check finds what is wrong between these settings and others.
func (v *VersionSettings) check(s *Settings) error {
	needsVectors := func(setting string) error {
		return fmt.Errorf("%s with resolver=%s: it is about concurrent values, which this resolver does not tell apart; set resolver=dotted, version-vector or vector-clock, or leave %s out",
			setting, v.Resolver, setting)
	}
	siblings := v.keepsSiblings()
	switch {
	case v.Resolver != ResolverLWW && s.DataType != DataTypeRegister:
		return fmt.Errorf("resolver=%s with data-type=%s: such a key is joined by the rules of its type, not of a resolver; set resolver=lww or data-type=register", v.Resolver, s.DataType)
	case v.Resolver == ResolverArrival && s.AntiEntropy != AntiEntropyOff:
		return fmt.Errorf("resolver=arrival with anti-entropy=%s: nothing tells which of two values replicas should agree on; set anti-entropy=off or another resolver", s.AntiEntropy)
	case v.Siblings != SiblingsKeep && !siblings:
		return needsVectors("siblings=" + v.Siblings.String())
	case v.PruneEntries > 0 && !siblings:
		return needsVectors("prune-entries=" + formatPruneEntries(s))
	case v.SiblingLimit > 0 && !siblings:
		return needsVectors("sibling-limit=" + strconv.Itoa(v.SiblingLimit))
	case v.SiblingLimit > 0 && v.Siblings == SiblingsLastModified:
		return fmt.Errorf("sibling-limit=%d with siblings=last-modified: there are no siblings to limit; set siblings=keep or sibling-limit=0", v.SiblingLimit)
	case v.ObsoletePuts != ObsoletePutsMerge && v.Resolver != ResolverVersionVector:
		return fmt.Errorf("obsolete-puts=%s with resolver=%s: only a vector for each value can make a put obsolete; set resolver=version-vector or obsolete-puts=merge", v.ObsoletePuts, v.Resolver)
	case siblings && s.Fetches():
		return fmt.Errorf("resolver=%s with writers that fetch (fetch=%s, repair=%s): causality and not a timestamp orders these writes; set fetch=off and a repair other than abd, or resolver=lww",
			v.Resolver, fetchNames[s.Fetch], repairNames[s.Repair])
	case siblings && s.Repair == RepairABD:
		return fmt.Errorf("resolver=%s with repair=abd: a register with one newest value is what ABD gives, and siblings are none; set repair=blocking or resolver=lww", v.Resolver)
	case v.Resolver == ResolverArrival && (s.Repair == RepairABD || s.Fetches()):
		return fmt.Errorf("resolver=arrival with repair=%s, fetch=%s: whoever overwrites on arrival looks at no timestamp; set repair=off, async or blocking and fetch=off, or resolver=lww", repairNames[s.Repair], fetchNames[s.Fetch])
	case v.Clock == ClockHybrid && s.Fetches():
		return fmt.Errorf("clock=hybrid with writers that fetch (fetch=%s, repair=%s): they look at no clock; set clock=wall or fetch=off", fetchNames[s.Fetch], repairNames[s.Repair])
	case v.Clock == ClockHybrid && s.Timestamps == TimestampsClient:
		return errors.New("clock=hybrid with timestamps=client: the time comes from the client, not from the node's clock; set timestamps=coordinator or clock=wall")
	case v.Clock == ClockHybrid && v.TimestampUnit != 1:
		return fmt.Errorf("clock=hybrid with timestamp-unit=%s: it counts in the smallest digits, which that unit leaves out; set timestamp-unit=1ns or clock=wall", formatDuration(v.TimestampUnit))
	}
	return nil
}
