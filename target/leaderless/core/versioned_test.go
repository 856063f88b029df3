package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// shelf is one key on several replicas, without a network: writes, exchanges and reads by hand.
type shelf struct {
	versioning
	replicas []*versions
	clock    uint32
	// skew is added to the time of the next write.
	skew int64
}

func newShelf(replicas int, s versioning) *shelf {
	return &shelf{versioning: s, replicas: make([]*versions, replicas)}
}

// put writes through a replica with a context and returns the version.
func (s *shelf) put(at int, context Vector, value string) (Version, versionProblem) {
	s.clock++
	v := Version{Time: int64(s.clock)*1e9 + s.skew, Node: NodeID(at), Incarnation: 1, Sequence: s.clock}
	out, problem := s.write(s.replicas[at], &versionWrite{actor: Actor{Node: NodeID(at)}, context: context, value: versionedValue{version: v, value: []byte(value)}})
	if problem == versionWritten {
		s.replicas[at] = out
	}
	return v, problem
}

// sync lets one replica hear of all that another one holds.
func (s *shelf) sync(to, from int) {
	switch {
	case s.replicas[from] == nil:
	case s.replicas[to] == nil:
		s.replicas[to] = s.replicas[from]
	default:
		s.replicas[to] = s.replicas[to].Merge(s.replicas[from]).(*versions)
	}
}

func (s *shelf) context(at int) Vector {
	if s.replicas[at] == nil {
		return nil
	}
	c, err := ParseContext(s.replicas[at].Context())
	if err != nil {
		panic(err)
	}
	return c.Seen
}

// values are the siblings in alphabetic order.
func (s *shelf) values(at int) string {
	if s.replicas[at] == nil {
		return ""
	}
	var all []string
	for _, v := range s.replicas[at].Siblings() {
		all = append(all, string(v.Value))
	}
	slices.Sort(all)
	return strings.Join(all, " | ")
}

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

// history is what the store should do, told by sets of events: what each
// replica knows of, and what each write's writer had seen.
type causalHistory struct {
	known []map[Version]bool
	seen  map[Version]map[Version]bool
}

func unite(a, b map[Version]bool) map[Version]bool {
	all := map[Version]bool{}
	for e := range a {
		all[e] = true
	}
	for e := range b {
		all[e] = true
	}
	return all
}

// current are the events that nothing known at the replica was written in the knowledge of.
func (h *causalHistory) current(at int) map[Version]bool {
	left := map[Version]bool{}
	for e := range h.known[at] {
		replaced := false
		for f := range h.known[at] {
			replaced = replaced || h.seen[f][e]
		}
		if !replaced {
			left[e] = true
		}
	}
	return left
}

// walk lets clients and replicas do random things and calls check after each.
func walk(t *rapid.T, s *shelf, check func(h *causalHistory, at int)) {
	n := len(s.replicas)
	h := &causalHistory{known: make([]map[Version]bool, n), seen: map[Version]map[Version]bool{}}
	type reading struct {
		context Vector
		seen    map[Version]bool
	}
	readings := []reading{{}}
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		at := rapid.IntRange(0, n-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"put", "put", "sync", "sync", "read"}).Draw(t, "what") {
		case "put":
			r := rapid.SampledFrom(readings).Draw(t, "after")
			v, problem := s.put(at, r.context, "v")
			if problem != versionWritten {
				continue
			}
			h.seen[v] = r.seen
			h.known[at] = unite(h.known[at], r.seen)
			h.known[at][v] = true
		case "sync":
			from := rapid.IntRange(0, n-1).Draw(t, "from")
			s.sync(at, from)
			h.known[at] = unite(h.known[at], h.known[from])
		case "read":
			if s.replicas[at] != nil {
				readings = append(readings, reading{s.context(at), unite(h.known[at], nil)})
			}
		}
		if s.replicas[at] != nil {
			check(h, at)
		}
	}
}

func held(v *versions) map[Version]bool {
	all := map[Version]bool{}
	for i := range v.values {
		all[v.values[i].version] = true
	}
	return all
}

func TestDottedSiblingsAreTheMaximalEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(3, versioning{resolver: ResolverDotted})
		walk(t, s, func(h *causalHistory, at int) {
			require.Equal(t, h.current(at), held(s.replicas[at]))
			events := 0
			for _, e := range s.replicas[at].clock {
				events += int(e.Counter)
			}
			require.Equal(t, len(h.known[at]), events, "the vector stands for what is known, and nothing else")
		})
	})
}

func TestVectorClocksLoseNothingButKeepTooMuch(t *testing.T) {
	more := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(3, versioning{resolver: ResolverVectorClock})
		walk(t, s, func(h *causalHistory, at int) {
			kept := held(s.replicas[at])
			for e := range h.current(at) {
				require.True(t, kept[e], "%v was replaced by nothing", e)
			}
			if len(kept) > len(h.current(at)) {
				more++
			}
		})
	})
	assert.Positive(t, more, "false siblings")
}

func TestVersionVectorsLoseOnlyWhatWentThroughTheSameReplica(t *testing.T) {
	lost := 0
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(3, versioning{resolver: ResolverVersionVector, obsolete: ObsoletePutsMerge})
		walk(t, s, func(h *causalHistory, at int) {
			kept := held(s.replicas[at])
			for e := range h.current(at) {
				if kept[e] {
					continue
				}
				lost++
				after := false
				for f := range h.known[at] {
					after = after || f.Node == e.Node && f.Sequence > e.Sequence
				}
				require.True(t, after, "%v is gone, and no later write went through its replica", e)
			}
			for e := range kept {
				require.True(t, h.current(at)[e], "%v stays though it was replaced", e)
			}
		})
	})
	assert.Positive(t, lost, "lost updates")
}

// Replicas of the exact resolver that heard of the same writes hold the same, in whatever order they heard.
func TestMergesAreJoins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(3, versioning{resolver: rapid.SampledFrom([]Resolver{ResolverDotted, ResolverVersionVector}).Draw(t, "resolver")})
		walk(t, s, func(*causalHistory, int) {})
		var all []*versions
		for _, v := range s.replicas {
			if v != nil {
				all = append(all, v)
			}
		}
		draw := func(label string) *versions { return all[rapid.IntRange(0, len(all)-1).Draw(t, label)] }
		if len(all) == 0 {
			return
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		require.True(t, a.Merge(b).(*versions).same(b.Merge(a).(*versions)), "commutative")
		require.True(t, a.Merge(b).Merge(c).(*versions).same(a.Merge(b.Merge(c)).(*versions)), "associative")
		require.True(t, a.Merge(a) == Object(a), "idempotent")
		require.True(t, a.Merge(b).Covers(a) && a.Merge(b).Covers(b), "an upper bound")
		d := decoder{rest: a.appendTo(nil)}
		require.Equal(t, Object(a), d.versions())
		require.NoError(t, d.end())
	})
}

// The others are none, but replicas that keep exchanging end up the same all the same.
func TestExchangesConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(3, versioning{
			resolver: rapid.SampledFrom([]Resolver{ResolverVectorClock, ResolverDotted, ResolverVersionVector}).Draw(t, "resolver"),
			siblings: rapid.SampledFrom([]Siblings{SiblingsKeep, SiblingsLastModified}).Draw(t, "siblings"),
			prune:    rapid.SampledFrom([]pruning{{}, {1, 1, 0, 0}, {2, 2, 0, 0}}).Draw(t, "prune"),
		})
		s.skew = rapid.Int64Range(-5e9, 5e9).Draw(t, "skew")
		walk(t, s, func(_ *causalHistory, at int) {
			require.NotEmpty(t, s.replicas[at].values, "a key that was written holds something")
		})
		for range 3 {
			for i := range s.replicas {
				for k := range s.replicas {
					s.sync(i, k)
				}
			}
		}
		for i := range s.replicas {
			require.Equal(t, s.values(0), s.values(i))
			if s.replicas[i] != nil {
				require.Equal(t, held(s.replicas[0]), held(s.replicas[i]))
				require.True(t, s.replicas[0].Covers(s.replicas[i]))
			}
		}
	})
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
