package core

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Designing Data-Intensive Applications, figure 5-13: two clients, one replica.
func TestShoppingCartOfTheBook(t *testing.T) {
	s := newShelf(1, versioning{resolver: ResolverDotted})
	known := [3]Vector{}
	for i, c := range []struct {
		client int
		value  string
		want   string
	}{
		{1, "milk", "milk"},
		{2, "eggs", "eggs | milk"},
		{1, "milk, flour", "eggs | milk, flour"},
		{2, "eggs, milk, ham", "eggs, milk, ham | milk, flour"},
		{1, "milk, flour, eggs, bacon", "eggs, milk, ham | milk, flour, eggs, bacon"},
	} {
		_, problem := s.put(0, known[c.client], c.value)
		require.Equal(t, versionWritten, problem)
		assert.Equal(t, c.want, s.values(0), "write %d", i+1)
		known[c.client] = s.context(0)
		assert.Equal(t, uint64(i+1), known[c.client].Counter(Actor{}), "the version number that client %d is given", c.client)
	}
	dots := func() (all []string) {
		for _, v := range s.replicas[0].Siblings() {
			all = append(all, v.Dot.String())
		}
		return all
	}
	assert.Equal(t, []string{"0:4", "0:5"}, dots(), "the two values that are left were written as versions 4 and 5")
}

// The example of the authors of dotted version vector sets (dvvset.erl,
// sync_update_test): Mary and Peter write through one server, Peter knows of Mary's first.
func TestMaryAndPeter(t *testing.T) {
	s := newShelf(1, versioning{resolver: ResolverDotted})
	s.put(0, nil, "v1") // Mary
	peter := s.context(0)
	assert.Equal(t, "{0:1}", peter.String())
	s.put(0, nil, "v2") // Mary, without a context
	assert.Equal(t, "v1 | v2", s.values(0))
	s.put(0, peter, "v3")
	assert.Equal(t, "v2 | v3", s.values(0), "v3 is newer than v1 alone")
	assert.Equal(t, "{0:3}", s.context(0).String())
}

// Further examples of theirs (sync_test and update_test), by what is left of the values.
func TestExamplesOfDottedVersionVectorSets(t *testing.T) {
	s := newShelf(3, versioning{resolver: ResolverDotted})
	s.put(0, nil, "v1")
	first := s.context(0)
	s.put(0, first, "v2")
	second := s.context(0)
	assert.Equal(t, "v2", s.values(0))
	s.sync(1, 0)
	s.sync(2, 0)
	s.put(1, second, "v3")
	assert.Equal(t, "v3", s.values(1))
	assert.Equal(t, "{0:2 1:1}", s.context(1).String())
	s.put(2, first, "v4")
	assert.Equal(t, "v2 | v4", s.values(2), "its writer had seen v1 only")
	s.put(0, first, "v5")
	assert.Equal(t, "v2 | v5", s.values(0))
	s.sync(1, 2)
	assert.Equal(t, "v3 | v4", s.values(1), "v2 was replaced by v3, v4 was not")
	s.sync(1, 0)
	s.sync(0, 1)
	assert.Equal(t, "v3 | v4 | v5", s.values(1))
	assert.Equal(t, s.replicas[0], s.replicas[1])
}

// Two clients write in turns, each knowing of what was there before the other's last write.
func interleave(s *shelf, rounds int) {
	var known [2]Vector
	for i := range 2 * rounds {
		s.put(0, known[i%2], fmt.Sprint(i))
		known[i%2] = s.context(0)
	}
}

func TestSiblingExplosion(t *testing.T) {
	for _, c := range []struct {
		resolver Resolver
		want     int
	}{{ResolverVectorClock, 40}, {ResolverDotted, 2}, {ResolverVersionVector, 1}} {
		s := newShelf(1, versioning{resolver: c.resolver})
		interleave(s, 20)
		assert.Len(t, s.replicas[0].values, c.want, "%v", c.resolver)
	}
	bounded := newShelf(1, versioning{resolver: ResolverVectorClock, limit: 10})
	for i := range 10 {
		_, problem := bounded.put(0, nil, fmt.Sprint(i))
		require.Equal(t, versionWritten, problem)
	}
	_, problem := bounded.put(0, nil, "blind")
	assert.Equal(t, versionSiblings, problem)
	assert.Len(t, bounded.replicas[0].values, 10)
	_, problem = bounded.put(0, bounded.context(0), "resolved")
	assert.Equal(t, versionWritten, problem)
	assert.Equal(t, "resolved", bounded.values(0))
}

func TestBlindPutsAreSiblings(t *testing.T) {
	for _, resolver := range []Resolver{ResolverVectorClock, ResolverDotted} {
		s := newShelf(2, versioning{resolver: resolver})
		for i := range 5 {
			s.put(i%2, nil, fmt.Sprint(i))
		}
		s.sync(0, 1)
		assert.Equal(t, "0 | 1 | 2 | 3 | 4", s.values(0))
		s.siblings = SiblingsLastModified
		single := newShelf(2, s.versioning)
		for i := range 5 {
			single.put(i%2, nil, fmt.Sprint(i))
		}
		single.sync(0, 1)
		assert.Equal(t, "4", single.values(0))
		assert.Len(t, single.replicas[0].values, 1, "the others are not even kept")
	}
}

// The last modified value is shown, the others are kept where each has a vector of its own, until the next write.
func TestReadersOfVersionVectorsChoose(t *testing.T) {
	s := newShelf(2, versioning{resolver: ResolverVersionVector, siblings: SiblingsLastModified})
	s.put(0, nil, "older")
	s.put(1, nil, "newer")
	s.sync(0, 1)
	assert.Equal(t, "newer", s.values(0))
	assert.Len(t, s.replicas[0].values, 2)
	s.put(0, s.context(0), "next")
	assert.Equal(t, "next", s.values(0))
	assert.Len(t, s.replicas[0].values, 1)
}

// The catalogue's item 17: with room for two entries a third actor's write makes
// replicas forget that they had seen the first one's.
func TestPruningMakesFalseSiblings(t *testing.T) {
	for _, c := range []struct {
		prune pruning
		want  string
	}{{pruning{}, "v4"}, {pruning{small: 2, big: 2}, "v1 | v4"}} {
		for _, resolver := range []Resolver{ResolverVectorClock, ResolverDotted, ResolverVersionVector} {
			s := newShelf(5, versioning{resolver: resolver, prune: c.prune})
			s.put(0, nil, "v1")
			s.sync(4, 0) // a replica that hears of nothing more for a while
			s.put(1, s.context(0), "v2")
			s.put(2, s.context(1), "v3")
			s.put(3, s.context(2), "v4")
			assert.Equal(t, "v4", s.values(3))
			s.sync(3, 4)
			assert.Equal(t, c.want, s.values(3), "resolver %d, room for %d", resolver, c.prune.big)
		}
	}
}

// The catalogue's item 19: a replica loses its last write, and gives out its vector again.
func TestEqualVectorsOfDifferentValues(t *testing.T) {
	run := func(obsolete ObsoletePuts) *shelf {
		s := newShelf(2, versioning{resolver: ResolverVersionVector, obsolete: obsolete})
		s.put(0, nil, "v1")
		unsynced := s.replicas[0]
		context := s.context(0)
		s.put(0, context, "v2")
		s.sync(1, 0)
		s.replicas[0] = unsynced
		_, problem := s.put(0, context, "v3")
		require.Equal(t, versionWritten, problem)
		require.Equal(t, "{0:2}", s.context(0).String())
		require.Equal(t, "{0:2}", s.context(1).String())
		require.Equal(t, obsolete != ObsoletePutsMerge, s.replicas[1].Covers(s.replicas[0]), "the other replica has no use for it")
		for range 3 {
			s.sync(0, 1)
			s.sync(1, 0)
		}
		return s
	}
	s := run(ObsoletePutsIgnore)
	assert.Equal(t, "v3", s.values(0))
	assert.Equal(t, "v2", s.values(1), "no exchange ever mends it")
	s = run(ObsoletePutsMerge)
	assert.Equal(t, "v2 | v3", s.values(0))
	assert.Equal(t, "v2 | v3", s.values(1))

	s = newShelf(1, versioning{resolver: ResolverVersionVector, obsolete: ObsoletePutsIgnore})
	s.put(0, nil, "v1")
	_, problem := s.put(0, nil, "v2")
	assert.Equal(t, versionObsolete, problem, "a writer who has not read what is there")
}

// The catalogue's item 18, in the clocks alone.
func TestActorAmnesia(t *testing.T) {
	for _, resolver := range []Resolver{ResolverVectorClock, ResolverDotted} {
		s := newShelf(2, versioning{resolver: resolver})
		for range 5 {
			s.put(0, s.context(0), "old")
		}
		s.sync(1, 0)
		s.replicas[0] = nil
		s.put(0, nil, "new")
		assert.Equal(t, "new", s.values(0), "acknowledged")
		s.sync(0, 1)
		assert.Equal(t, "old", s.values(0), "and gone")
	}
}

func TestNumbersRunOut(t *testing.T) {
	for _, resolver := range []Resolver{ResolverVectorClock, ResolverDotted, ResolverVersionVector} {
		s := newShelf(1, versioning{resolver: resolver})
		_, problem := s.put(0, Vector{{Counter: 1<<63 - 1}}, "v")
		assert.Equal(t, versionExhausted, problem)
		_, problem = s.put(0, Vector{{Counter: 1<<64 - 1}}, "v")
		assert.Equal(t, versionExhausted, problem)
	}
}

func TestVersionsOfAnotherResolverGiveWay(t *testing.T) {
	a, b := newShelf(1, versioning{resolver: ResolverDotted}), newShelf(1, versioning{resolver: ResolverVectorClock})
	a.put(0, nil, "older")
	b.clock = 5
	b.put(0, nil, "newer")
	assert.Equal(t, Object(b.replicas[0]), a.replicas[0].Merge(b.replicas[0]))
	assert.Equal(t, Object(b.replicas[0]), b.replicas[0].Merge(a.replicas[0]))
	assert.Nil(t, objectDecoders[0])
}
