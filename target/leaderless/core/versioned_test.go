package core

import (
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

// causalHistory is what the store should do, told by sets of events: what each
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
