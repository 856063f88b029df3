package leaderless

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/target"
)

var theoryClaims = []string{claimLinearizable, claimNoStaleReads, claimReadYourWrites, claimMonotonicReads, claimNoLostWrites, claimConvergence}

func theoryOf(t require.TestingT, settings map[string]string) target.Theory {
	system, err := Target{}.Configure(5, settings)
	require.NoError(t, err)
	return system.(target.Theory)
}

// What the literature says of n, w, r and repair.
func TestTheoryKnowsTheTextbook(t *testing.T) {
	calm, skewed := []string{"partition", "pause"}, []string{"partition", "pause", "clock"}
	for _, c := range []struct {
		name     string
		settings map[string]string
		faults   []string
		want     string // of theoryClaims, h(olds), r(efuted), p(ossible)
	}{
		{"ABD", map[string]string{"repair": "abd"}, skewed, "hhhhhh"},
		{"ABD without overlap", map[string]string{"repair": "abd", "w": "1"}, skewed, "rrrrph"},
		{"ABD by clocks", map[string]string{"repair": "abd", "fetch": "off"}, skewed, "rrrprh"},
		{"ABD by clocks that are right", map[string]string{"repair": "abd", "fetch": "off"}, calm, "hhhhhh"},
		{"Fig. 9-6", nil, calm, "rhhrhh"},
		{"Fig. 9-6, and skewed clocks", nil, skewed, "rrrrrh"},
		{"fetches alone", map[string]string{"fetch": "on"}, skewed, "rpprph"},
		{"blocking repair of overlapping reads", map[string]string{"repair": "blocking"}, calm, "hhhhhh"},
		{"blocking repair of single reads", map[string]string{"repair": "blocking", "w": "3", "r": "1"}, calm, "rhhrhh"},
		{"blocking repair with writes anywhere", map[string]string{"repair": "blocking", "w": "1"}, calm, "rrrhph"},
		{"blocking repair and skewed clocks", map[string]string{"repair": "blocking"}, skewed, "rrrprh"},
		{"reads of all", map[string]string{"w": "1", "r": "3", "repair": "off"}, calm, "hhhhhh"},
		{"reads of one", map[string]string{"w": "1", "r": "1"}, calm, "rrrrph"},
		{"no faults", nil, []string{"pause"}, "phhphh"},
		{"killed coordinators", map[string]string{"repair": "abd"}, []string{"kill", "partition"}, "hhhhhp"},
		{"nothing repairs", map[string]string{"repair": "off", "hints": "off"}, calm, "rhhrhr"},
		{"comparing repairs", map[string]string{"repair": "off", "hints": "off", "anti-entropy": "scheduled"}, []string{"kill", "partition"}, "rhhrhh"},
		{"an operator would", map[string]string{"repair": "off", "hints": "off", "anti-entropy": "demand"}, calm, "rhhrhr"},
		{"only reads repair", map[string]string{"hints": "off"}, calm, "rhhrhp"},
		{"out of reach: sloppy quorums", map[string]string{"repair": "abd", "sloppy": "on"}, calm, "pppppp"},
		{"out of reach: acknowledged early", map[string]string{"repair": "abd", "acknowledge": "before-log"}, calm, "pppppp"},
		{"out of reach: a fault of tomorrow", map[string]string{"repair": "abd"}, []string{"meteorite"}, "pppppp"},
	} {
		system := theoryOf(t, c.settings)
		got := ""
		for _, claim := range theoryClaims {
			e := system.Expect(claim, c.faults)
			assert.NotEmpty(t, e.Reason)
			got += string(e.Expected)[:1]
		}
		assert.Equal(t, c.want, got, c.name)
	}
}

// More faults make no claim true, and stronger claims hold only where weaker ones do.
func TestTheoryIsConsistent(t *testing.T) {
	kinds := []string{"partition", "pause", "kill", "clock", "power", "network", "disk"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		system := theoryOf(t, map[string]string{"n": strconv.Itoa(n), "w": strconv.Itoa(rapid.IntRange(1, n).Draw(t, "w")), "r": strconv.Itoa(rapid.IntRange(1, n).Draw(t, "r")),
			"repair": rapid.SampledFrom([]string{"off", "async", "blocking", "abd"}).Draw(t, "repair"), "fetch": rapid.SampledFrom([]string{"auto", "on", "off"}).Draw(t, "fetch"),
			"hints": rapid.SampledFrom([]string{"on", "off"}).Draw(t, "hints")})
		few := rapid.SliceOfDistinct(rapid.SampledFrom(kinds), rapid.ID[string]).Draw(t, "faults")
		more := slices.Concat(few, []string{rapid.SampledFrom(kinds).Draw(t, "another")})
		for _, claim := range theoryClaims {
			before, after := system.Expect(claim, few).Expected, system.Expect(claim, more).Expected
			if after == target.ExpectHolds {
				assert.Equal(t, target.ExpectHolds, before, claim)
			}
			if before == target.ExpectRefuted {
				assert.Equal(t, target.ExpectRefuted, after, claim)
			}
		}
		if system.Expect(claimLinearizable, few).Expected == target.ExpectHolds {
			for _, weaker := range theoryClaims[1:5] {
				assert.Equal(t, target.ExpectHolds, system.Expect(weaker, few).Expected, weaker)
			}
		}
	})
}
