package core

import "fmt"

// Level is a consistency level: a name for how many replicas must answer a
// request, and in which data centres. It says the same as the numbers w and r,
// and more where there are several data centres.
//
// The problem. An application that talks of w and r has to know n, and with
// several data centres also how n is spread over them: w=4 of 6 may be all of
// the near data centre and one of the far one, or two and two. Cassandra lets
// each request name what it wants instead (db/ConsistencyLevel.java): ONE is
// the nearest that answers, QUORUM a majority of all replicas wherever they
// are, LOCAL_QUORUM a majority of those in the coordinator's own data centre,
// EACH_QUORUM such a majority in every one of them.
//
// What is promised. Two levels overlap when every set of replicas that
// satisfies the one has a replica in common with every set that satisfies the
// other. QUORUM overlaps with QUORUM, EACH_QUORUM with LOCAL_QUORUM (each
// majority of every data centre meets the majority of one), and ALL with
// everything. LOCAL_QUORUM overlaps with LOCAL_QUORUM only within one data
// centre: what was acknowledged in the one may be unknown in the other, for as
// long as the link between them is slow or cut.
//
// The price. What waits for a far data centre takes a round trip to it, and
// fails when it can't be reached.
type Level uint8

// The consistency levels. Each data centre has n replicas of a key, so that
// there are n times the number of data centres in all.
const (
	// LevelNumbers is no level: the numbers w and r say how many replicas, of any data centre.
	LevelNumbers Level = iota
	// LevelAny, for writes only: one replica, or a hint that the coordinator keeps.
	LevelAny
	// LevelOne, LevelTwo and LevelThree: that many replicas.
	LevelOne
	LevelTwo
	LevelThree
	// LevelQuorum is a majority of all replicas: ⌊(Σ n)/2⌋ + 1.
	LevelQuorum
	LevelAll
	// LevelLocalOne and LevelLocalQuorum: one replica, or ⌊n/2⌋ + 1, of the coordinator's data centre.
	LevelLocalOne
	LevelLocalQuorum
	// LevelEachQuorum is ⌊n/2⌋ + 1 in every data centre.
	LevelEachQuorum
	// LevelSerial and LevelLocalSerial, for reads only, ask for the result of
	// compare-and-set by consensus: among all replicas, or among those of the
	// coordinator's data centre.
	LevelSerial
	LevelLocalSerial
)

var levelNames = []string{
	LevelNumbers: "numbers", LevelAny: "any", LevelOne: "one", LevelTwo: "two", LevelThree: "three", LevelQuorum: "quorum", LevelAll: "all",
	LevelLocalOne: "local-one", LevelLocalQuorum: "local-quorum", LevelEachQuorum: "each-quorum", LevelSerial: "serial", LevelLocalSerial: "local-serial",
}

// String returns the level as it is written in settings.
func (l Level) String() string { return enumName(levelNames, int(l)) }

// ParseLevel returns the level of that name. ok is false if there is none.
func ParseLevel(name string) (l Level, ok bool) {
	for i, known := range levelNames {
		if known == name {
			return Level(i), true
		}
	}
	return 0, false
}

// Serial says that the level asks for the result of consensus.
func (l Level) Serial() bool { return l == LevelSerial || l == LevelLocalSerial }

// scope says which replicas' answers count, beside how many.
type scope uint8

const (
	scopeAll   scope = iota // any replica's
	scopeLocal              // those of the coordinator's data centre
	scopeEach               // equally many of every data centre
)

// demand is what has to answer before a phase is over.
type demand struct {
	// count is how many answers, of all data centres together.
	count int
	scope scope
}

// majority is the smallest number that is more than half of n.
func majority(n int) int { return n/2 + 1 }

// demand resolves the level where each of the data centres has n replicas. For
// LevelNumbers it is that number, of any replicas.
func (l Level) demand(number, n, datacenters int) demand {
	switch l {
	case LevelAny, LevelOne:
		return demand{1, scopeAll}
	case LevelTwo:
		return demand{2, scopeAll}
	case LevelThree:
		return demand{3, scopeAll}
	case LevelQuorum, LevelSerial:
		return demand{majority(n * datacenters), scopeAll}
	case LevelAll:
		return demand{n * datacenters, scopeAll}
	case LevelLocalOne:
		return demand{1, localScope(datacenters)}
	case LevelLocalQuorum, LevelLocalSerial:
		return demand{majority(n), localScope(datacenters)}
	case LevelEachQuorum:
		if datacenters == 1 {
			return demand{majority(n), scopeAll}
		}
		return demand{majority(n) * datacenters, scopeEach}
	}
	return demand{number, scopeAll}
}

// localScope: where there is one data centre, every replica is local.
func localScope(datacenters int) scope {
	if datacenters == 1 {
		return scopeAll
	}
	return scopeLocal
}

// perDatacenter is how many answers are needed of one data centre, and what
// they are taken from, as far as the demand tells data centres apart.
func (d demand) perDatacenter(datacenters int) int {
	if d.scope == scopeEach {
		return d.count / datacenters
	}
	return d.count
}

// available is how many replicas the answers can come from.
func (d demand) available(n, datacenters int) int {
	if d.scope == scopeLocal {
		return n
	}
	return n * datacenters
}

// levelProblem says why a level can't be what was asked for; empty: it can.
func levelProblem(l Level, write bool) string {
	switch {
	case int(l) >= len(levelNames):
		return fmt.Sprintf("level %d: there is no such consistency level", l)
	case write && l.Serial():
		return fmt.Sprintf("level %s for a write: it is a level of reads; a write that is decided by consensus is a compare-and-set", l)
	case !write && l == LevelAny:
		return "level any for a read: a hint can't answer a read; use one"
	}
	return ""
}

// Overlap says that whatever satisfies a write at one level and a read at
// another has a replica in common, where each data centre has n replicas and w
// and r are the numbers of LevelNumbers. local says that the two were
// coordinated in the same data centre. Stand-ins and hints are left out of
// account: with sloppy quorums, and at LevelAny, there is no such promise.
func Overlap(write Level, w int, read Level, r int, n, datacenters int, local bool) bool {
	if write == LevelAny {
		return false
	}
	a, b := write.demand(w, n, datacenters), read.demand(r, n, datacenters)
	// The worst case of two sets in one data centre: each has as few members
	// there as it may have. They can miss one another altogether exactly if
	// they can in every data centre.
	if a.scope == scopeAll && b.scope == scopeAll {
		return a.count+b.count > n*datacenters
	}
	if a.scope == scopeAll {
		a, b = b, a
	}
	per := a.perDatacenter(datacenters)
	switch {
	case b.scope == scopeAll && a.scope == scopeLocal:
		// b may be anywhere but in the per replicas that a has in its data centre.
		return per+b.count > n*datacenters
	case b.scope == scopeAll:
		return a.count+b.count > n*datacenters
	case a.scope == scopeLocal && b.scope == scopeLocal && !local:
		return false
	}
	return per+b.perDatacenter(datacenters) > n
}
