package core

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

// versionRows are their rows of the table.
var versionRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*VersionSettings) check(*Settings) error { return nil }
