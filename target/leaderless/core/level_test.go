package core

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The definitions, as the documentation of Cassandra has them: what each level
// asks of a keyspace with that many replicas in each data centre.
func TestLevelsAskForWhatTheyAreDefinedAs(t *testing.T) {
	for _, c := range []struct {
		level          Level
		n, datacenters int
		want           demand
		perDatacenter  int
	}{
		{LevelAny, 3, 1, demand{1, scopeAll}, 1},
		{LevelOne, 3, 1, demand{1, scopeAll}, 1},
		{LevelTwo, 3, 1, demand{2, scopeAll}, 2},
		{LevelThree, 3, 1, demand{3, scopeAll}, 3},
		{LevelQuorum, 1, 1, demand{1, scopeAll}, 1},
		{LevelQuorum, 2, 1, demand{2, scopeAll}, 2},
		{LevelQuorum, 3, 1, demand{2, scopeAll}, 2},
		{LevelQuorum, 4, 1, demand{3, scopeAll}, 3},
		{LevelQuorum, 5, 1, demand{3, scopeAll}, 3},
		{LevelQuorum, 3, 2, demand{4, scopeAll}, 4}, // ⌊6/2⌋ + 1
		{LevelQuorum, 3, 3, demand{5, scopeAll}, 5}, // ⌊9/2⌋ + 1
		{LevelQuorum, 2, 2, demand{3, scopeAll}, 3},
		{LevelAll, 3, 2, demand{6, scopeAll}, 6},
		{LevelLocalOne, 3, 2, demand{1, scopeLocal}, 1},
		{LevelLocalOne, 3, 1, demand{1, scopeAll}, 1},
		{LevelLocalQuorum, 3, 2, demand{2, scopeLocal}, 2},
		{LevelLocalQuorum, 5, 3, demand{3, scopeLocal}, 3},
		{LevelLocalQuorum, 3, 1, demand{2, scopeAll}, 2},
		{LevelEachQuorum, 3, 2, demand{4, scopeEach}, 2},
		{LevelEachQuorum, 3, 3, demand{6, scopeEach}, 2},
		{LevelEachQuorum, 2, 2, demand{4, scopeEach}, 2},
		{LevelEachQuorum, 3, 1, demand{2, scopeAll}, 2},
		{LevelSerial, 3, 2, demand{4, scopeAll}, 4},
		{LevelLocalSerial, 3, 2, demand{2, scopeLocal}, 2},
		{LevelNumbers, 3, 2, demand{5, scopeAll}, 5},
	} {
		got := c.level.demand(5, c.n, c.datacenters)
		assert.Equal(t, c.want, got, "%s of n=%d in %d data centres", c.level, c.n, c.datacenters)
		assert.Equal(t, c.perDatacenter, got.perDatacenter(c.datacenters), "%s of n=%d in %d data centres", c.level, c.n, c.datacenters)
	}
}

func TestLevelNames(t *testing.T) {
	for i := range levelNames {
		l, ok := ParseLevel(Level(i).String())
		require.True(t, ok)
		require.Equal(t, Level(i), l)
	}
	_, ok := ParseLevel("most")
	assert.False(t, ok)
	assert.Equal(t, "200", Level(200).String())
}

func TestLevelsThatMakeNoSense(t *testing.T) {
	assert.Contains(t, levelProblem(LevelAny, false), "a hint can't answer a read")
	assert.Contains(t, levelProblem(LevelSerial, true), "it is a level of reads")
	assert.Contains(t, levelProblem(LevelLocalSerial, true), "it is a level of reads")
	assert.Contains(t, levelProblem(Level(12), true), "no such consistency level")
	for l := LevelNumbers; l <= LevelLocalSerial; l++ {
		assert.Equal(t, l == LevelAny, levelProblem(l, false) != "", l)
		assert.Equal(t, l.Serial(), levelProblem(l, true) != "", l)
	}
}

// satisfied says by the definition whether the set of replicas, n bits for
// each data centre, satisfies the level of a coordinator in data centre own.
func satisfied(l Level, number int, set uint, n, datacenters, own int) bool {
	in := func(dc int) int { return bits.OnesCount(set >> (dc * n) & (1<<n - 1)) }
	total := bits.OnesCount(set)
	switch l {
	case LevelNumbers:
		return total >= number
	case LevelOne:
		return total >= 1
	case LevelTwo:
		return total >= 2
	case LevelThree:
		return total >= 3
	case LevelQuorum, LevelSerial:
		return 2*total > n*datacenters
	case LevelAll:
		return total == n*datacenters
	case LevelLocalOne:
		return in(own) >= 1
	case LevelLocalQuorum, LevelLocalSerial:
		return 2*in(own) > n
	case LevelEachQuorum:
		for dc := range datacenters {
			if 2*in(dc) <= n {
				return false
			}
		}
		return true
	}
	panic("no such level")
}

// Overlap is arithmetic; the definition looks at every set of replicas.
func TestOverlapIsThatOfEveryTwoSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, datacenters := rapid.IntRange(1, 4).Draw(t, "n"), rapid.IntRange(1, 3).Draw(t, "data centres")
		levels := rapid.SampledFrom([]Level{LevelNumbers, LevelOne, LevelTwo, LevelThree, LevelQuorum, LevelAll, LevelLocalOne, LevelLocalQuorum, LevelEachQuorum, LevelSerial, LevelLocalSerial})
		write, read := levels.Draw(t, "write"), levels.Draw(t, "read")
		number := rapid.IntRange(1, n*datacenters)
		w, r := number.Draw(t, "w"), number.Draw(t, "r")
		writer, reader := 0, 0
		local := rapid.Bool().Draw(t, "local")
		if !local {
			if datacenters == 1 {
				t.Skip("one data centre only")
			}
			reader = 1
		}
		all := uint(1)<<(n*datacenters) - 1
		if !satisfied(write, w, all, n, datacenters, writer) || !satisfied(read, r, all, n, datacenters, reader) {
			t.Skip("more replicas than there are")
		}
		want := true
		for set := range all + 1 {
			// Whatever satisfies a level still does with more replicas, so the rest is the best chance to miss the set.
			if satisfied(write, w, set, n, datacenters, writer) && satisfied(read, r, all&^set, n, datacenters, reader) {
				want = false
			}
		}
		require.Equal(t, want, Overlap(write, w, read, r, n, datacenters, local))
	})
}

func TestOverlapOfTheUsualPairs(t *testing.T) {
	overlap := func(write, read Level, local bool) bool { return Overlap(write, 1, read, 1, 3, 2, local) }
	assert.True(t, overlap(LevelQuorum, LevelQuorum, false))
	assert.True(t, overlap(LevelLocalQuorum, LevelLocalQuorum, true))
	assert.False(t, overlap(LevelLocalQuorum, LevelLocalQuorum, false), "item 29 of the catalogue")
	assert.True(t, overlap(LevelEachQuorum, LevelLocalQuorum, false))
	assert.True(t, overlap(LevelAll, LevelLocalOne, false))
	assert.False(t, overlap(LevelLocalQuorum, LevelQuorum, true))
	assert.False(t, overlap(LevelAny, LevelAll, true), "a hint is on no replica")
}
