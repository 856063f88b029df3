package core

// Level is a consistency level: which replicas must answer, in words instead of numbers.
type Level uint8

// The levels, by Cassandra's names.
const (
	// LevelNumbers leaves it to w and r.
	LevelNumbers Level = iota
	// LevelAny is content with a hint; for writes alone.
	LevelAny
	LevelOne
	LevelTwo
	LevelThree
	LevelQuorum
	LevelAll
	LevelLocalOne
	LevelLocalQuorum
	LevelEachQuorum
	// LevelSerial and LevelLocalSerial read what compare-and-sets have decided.
	LevelSerial
	LevelLocalSerial
)

var levelNames = []string{
	LevelNumbers: "numbers", LevelAny: "any", LevelOne: "one", LevelTwo: "two", LevelThree: "three", LevelQuorum: "quorum", LevelAll: "all",
	LevelLocalOne: "local-one", LevelLocalQuorum: "local-quorum", LevelEachQuorum: "each-quorum", LevelSerial: "serial", LevelLocalSerial: "local-serial",
}

// String returns the level as it is written in settings.
func (l Level) String() string { return enumName(levelNames, int(l)) }
