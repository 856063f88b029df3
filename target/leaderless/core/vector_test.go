package core

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// vectorOf makes a vector of pairs: the counters of actors 0, 1, …; 0 is no entry.
func vectorOf(counters ...uint64) (v Vector) {
	for i, c := range counters {
		if c > 0 {
			v = append(v, VectorEntry{Actor: Actor{Node: NodeID(i)}, Counter: c})
		}
	}
	return v
}

func drawVector(t *rapid.T, label string) Vector {
	return vectorOf(rapid.SliceOfN(rapid.Uint64Range(0, 3), 0, 5).Draw(t, label)...)
}

func TestVectorsStandForSetsOfEvents(t *testing.T) {
	events := func(v Vector) map[Dot]bool {
		all := map[Dot]bool{}
		for _, e := range v {
			for c := uint64(1); c <= e.Counter; c++ {
				all[Dot{e.Actor, c}] = true
			}
		}
		return all
	}
	subset := func(a, b map[Dot]bool) bool {
		for e := range a {
			if !b[e] {
				return false
			}
		}
		return true
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawVector(t, "a"), drawVector(t, "b"), drawVector(t, "c")
		x, y := events(a), events(b)
		require.Equal(t, subset(y, x), a.Descends(b))
		want := OrderConcurrent
		switch {
		case subset(x, y) && subset(y, x):
			want = OrderEqual
		case subset(y, x):
			want = OrderAfter
		case subset(x, y):
			want = OrderBefore
		}
		require.Equal(t, want, a.Order(b))
		both := events(a.Merge(b))
		require.True(t, subset(x, both) && subset(y, both) && len(both) <= len(x)+len(y))
		for e := range both {
			require.True(t, x[e] || y[e], "%v is in neither", e)
			require.Equal(t, x[e], a.Has(e))
		}
		require.Equal(t, a.Merge(b), b.Merge(a))
		require.Equal(t, a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
		require.Equal(t, len(a), len(a.Merge(a)))
		d := decoder{rest: a.appendTo(nil)}
		require.Equal(t, a, d.vector())
		require.NoError(t, d.end())
	})
}

func TestVectorWithAnEvent(t *testing.T) {
	v := vectorOf(0, 2)
	w := v.with(Dot{Actor{Node: 0}, 1}, 7)
	assert.Equal(t, "{0:1 1:2}", w.String())
	assert.Equal(t, int64(7), w[0].Time)
	assert.Equal(t, "{0:1 1:3}", w.with(Dot{Actor{Node: 1}, 3}, 8).String())
	assert.Equal(t, "{0:1 1:2}", w.with(Dot{Actor{Node: 1}, 1}, 8).String(), "an event of the past adds nothing")
	assert.Equal(t, "{1:2}", v.String(), "the vector itself is never changed")
	assert.Equal(t, "3/2.1", Actor{3, 2<<32 | 1}.String())
}

// The examples of Riak's own tests (vclock.erl, prune_*_test), in nanoseconds.
func TestPruning(t *testing.T) {
	const now, second = int64(1e18), int64(1e9)
	at := func(ages ...int64) (v Vector) {
		for i, age := range ages {
			v = append(v, VectorEntry{Actor{Node: NodeID(i + 1)}, uint64(i + 1), now - age*second})
		}
		return v
	}
	for name, c := range map[string]struct {
		prune pruning
		from  Vector
		want  string
	}{
		"never":              {pruning{}, at(1e6, 1e6, 1e6), "{1:1 2:2 3:3}"},
		"small":              {pruning{4, 4, 0, 0}, at(32e6, 32e6, 32e6), "{1:1 2:2 3:3}"},
		"young":              {pruning{1, 1, 1000 * second, 0}, at(1, 1, 1), "{1:1 2:2 3:3}"},
		"big":                {pruning{1, 2, second, 100000 * second}, at(1000, 1000, 1000), "{2:2 3:3}"},
		"old":                {pruning{1, 2, second, 10000 * second}, at(1000, 100000, 100000), "{1:1}"},
		"the oldest first":   {pruning{2, 2, 20 * second, 86400 * second}, at(30, 50, 40), "{1:1 3:3}"},
		"a clock set ahead":  {pruning{1, 1, 20 * second, 86400 * second}, at(-100, 40), "{1:1}"},
		"younger than allow": {pruning{1, 1, 20 * second, 86400 * second}, at(5, 10), "{1:1 2:2}"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, c.from.prune(&c.prune, now).String())
		})
	}
	assert.Equal(t, int64(math.MaxInt64), elapsed(math.MinInt64, math.MaxInt64))
}

func TestHybridClock(t *testing.T) {
	next := func(last, wall int64) int64 {
		time, ok := hybridNext(last, wall)
		require.True(t, ok)
		return time
	}
	assert.Equal(t, int64(2*hybridUnit), next(0, hybridUnit+1), "rounded up to the unit")
	assert.Equal(t, int64(2*hybridUnit+1), next(2*hybridUnit, hybridUnit+2), "the logical counter")
	assert.Equal(t, int64(9*hybridUnit+1), next(9*hybridUnit, hybridUnit), "what was seen is ahead of the clock")
	_, ok := hybridNext(math.MaxInt64-1, 5)
	assert.False(t, ok)
	_, ok = hybridNext(5, math.MaxInt64)
	assert.False(t, ok)
}

// The properties of the paper: time grows along causality, is never behind the
// physical clock where it was made, and ahead of it only as far as some clock
// that it may have heard of is.
func TestHybridClockProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 3
		var last [nodes]int64
		skew := [nodes]int64{0, rapid.Int64Range(-1e9, 1e9).Draw(t, "skew"), rapid.Int64Range(-1e9, 1e9).Draw(t, "skew")}
		fastest := max(skew[0], skew[1], skew[2])
		now := int64(1e15)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			// The clock stands still now and then, as coarse ones do.
			now += rapid.SampledFrom([]int64{0, 0, 1, 1000, 1e6}).Draw(t, "passes")
			i, j := rapid.IntRange(0, nodes-1).Draw(t, "at"), rapid.IntRange(0, nodes-1).Draw(t, "hears of")
			last[i] = max(last[i], last[j]) // a message
			wall := now + skew[i]
			time, ok := hybridNext(last[i], wall)
			require.True(t, ok)
			require.Greater(t, time, last[i], "later than everything it knows of")
			require.GreaterOrEqual(t, time, wall)
			require.Less(t, time-(now+fastest), int64(2*hybridUnit), "no further ahead than the fastest clock")
			last[i] = time
		}
	})
}

func TestContextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Context{Seen: drawVector(t, "seen"), Time: rapid.Int64Range(0, math.MaxInt64).Draw(t, "time")}
		for i := range c.Seen {
			c.Seen[i].Actor.Epoch = rapid.Uint64().Draw(t, "epoch")
			c.Seen[i].Time = rapid.Int64().Draw(t, "when")
		}
		b := c.Encode()
		back, err := ParseContext(b)
		require.NoError(t, err)
		require.Equal(t, c, back)
		if len(b) == 0 {
			return
		}
		damaged := append([]byte{}, b...)
		damaged[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		_, err = ParseContext(damaged)
		require.ErrorIs(t, err, ErrContext)
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); cut > 0 {
			_, err = ParseContext(b[:cut])
			require.ErrorIs(t, err, ErrContext)
		}
	})
	_, err := ParseContext(make([]byte, MaxContextBytes+1))
	assert.ErrorContains(t, err, "contexts have at most")
	_, err = ParseContext([]byte("hello"))
	assert.ErrorContains(t, err, "hand back what the latest read gave, unaltered")
}

func FuzzParseContext(f *testing.F) {
	c := Context{Seen: vectorOf(1, 2, 3), Time: 5}
	f.Add(c.Encode())
	f.Add([]byte{contextFormat, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseContext(b)
		if err != nil {
			require.ErrorIs(t, err, ErrContext)
			return
		}
		again, err := ParseContext(c.Encode())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func FuzzDecodeVersions(f *testing.F) {
	s := versioning{resolver: ResolverVersionVector}
	v, _ := s.write(nil, &versionWrite{value: versionedValue{version: Version{Time: 1, Incarnation: 1, Sequence: 1}, value: []byte("x")}})
	f.Add(v.appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder{rest: b}
		o := d.versions()
		if !d.ok() {
			return
		}
		again := decoder{rest: o.appendTo(nil)}
		require.Equal(t, o, again.versions())
		o.Merge(o)
		o.Siblings()
		o.Context()
	})
}
