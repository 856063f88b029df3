package plan_test

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/plan"
)

// Plans must mean the same in every version: these numbers may never change.
func TestDrawsNeverChange(t *testing.T) {
	assert.Equal(t, uint64(0x238275bc38fcbe91), plan.Draw(0, ""))
	assert.Equal(t, uint64(0xc57f1c145b55fb5c), plan.Draw(42, "generator.key", 3, 7))
	assert.Equal(t, uint64(0xb7d751e881b2d28b), plan.NewRand(42, "schedule", 1).Uint64())
}

func TestDrawsOfDifferentIdentitiesDiffer(t *testing.T) {
	seen := make(map[uint64]string)
	check := func(identity string, n uint64) {
		require.Empty(t, seen[n], "%s has the number of another identity", identity)
		seen[n] = identity
	}
	for seed := range uint64(50) {
		for _, domain := range []string{"", "a", "b", "ab", "a\x00", "generator", "generator.key", "generator.value"} {
			check(fmt.Sprint(seed, domain), plan.Draw(seed, domain))
			for id := range uint64(20) {
				check(fmt.Sprint(seed, domain, id), plan.Draw(seed, domain, id))
				check(fmt.Sprint(seed, domain, id, 0), plan.Draw(seed, domain, id, 0))
				check(fmt.Sprint(seed, domain, 0, id+1), plan.Draw(seed, domain, 0, id+1))
				check(fmt.Sprint(seed, domain, id, ^id), plan.Draw(seed, domain, id, ^id))
			}
		}
	}
}

// Changing any single bit of an identity changes about half of the bits of its number.
func TestDrawMixes(t *testing.T) {
	const samples = 500
	for bit := range 64 {
		var bySeed, byID int
		for i := range uint64(samples) {
			base := plan.Draw(i, "mix", i)
			bySeed += bits.OnesCount64(base ^ plan.Draw(i^1<<bit, "mix", i))
			byID += bits.OnesCount64(base ^ plan.Draw(i, "mix", i^1<<bit))
		}
		assert.InDelta(t, 32, float64(bySeed)/samples, 1.5, "bit %d of the seed", bit)
		assert.InDelta(t, 32, float64(byID)/samples, 1.5, "bit %d of an identifier", bit)
	}
}

// Numbers of consecutive identities are uniform: 100,000 of them over 100
// boxes have a χ² with 99 degrees of freedom, which exceeds 180 once in a million.
func TestDrawIsUniform(t *testing.T) {
	var boxes [100]float64
	for i := range uint64(100_000) {
		boxes[plan.Draw(1, "uniform", i/100, i%100)%100]++
	}
	var chi float64
	for _, n := range boxes {
		chi += (n - 1000) * (n - 1000) / 1000
	}
	assert.Less(t, chi, 180.0)
	assert.Greater(t, chi, 45.0, "nor may they be too even")
}

func TestRandOfAnIdentityStandsAlone(t *testing.T) {
	a, b := plan.NewRand(1, "x", 1), plan.NewRand(1, "x", 1)
	other := plan.NewRand(1, "x", 2)
	for range 100 {
		other.Uint64()
		require.Equal(t, a.Uint64(), b.Uint64())
	}
	assert.NotEqual(t, plan.NewRand(1, "x", 1).Perm(20), plan.NewRand(1, "x", 2).Perm(20))
}

func TestNodeNames(t *testing.T) {
	assert.Equal(t, []string{"n1", "n2", "n3"}, plan.NodeNames(3))
	assert.Empty(t, plan.NodeNames(0))
	assert.Empty(t, plan.NodeNames(-1))
}

func ExampleDraw() {
	// Which of three keys the 7th operation of process 2 is about. Leaving out
	// any other operation does not change it.
	keys := []string{"x", "y", "z"}
	fmt.Println(keys[plan.Draw(42, "generator.key", 2, 7)%3])
	// Output: z
}

func BenchmarkDraw(b *testing.B) {
	b.ReportAllocs()
	var sum uint64
	for i := 0; b.Loop(); i++ {
		sum += plan.Draw(42, "generator.key", 3, uint64(i))
	}
	_ = sum
}
