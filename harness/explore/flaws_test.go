package explore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/nemesis"
)

// Every way in which the store is known to break its claims, by configuration
// or by a flaw planted on purpose, is found within some seeds, by the class it
// belongs to, and shrunk to a few steps.
func TestEveryKnownFlawIsFoundAndShrunk(t *testing.T) {
	majority := func(more ...string) map[string]string {
		settings := map[string]string{"n": "5", "w": "3", "r": "3"}
		for i := 0; i < len(more); i += 2 {
			settings[more[i]] = more[i+1]
		}
		return settings
	}
	clock := []string{nemesis.Clock}
	for name, c := range map[string]struct {
		settings map[string]string
		kinds    []string
		skew     time.Duration
		claim    string
		class    string
		seeds    uint64
	}{
		"no overlap, r=1 w=1":              {map[string]string{"w": "1", "r": "1"}, everyKind, 0, checker.NoStaleReads, "stale-read", 20},
		"stale read under skew":            {nil, clock, 50 * time.Millisecond, checker.NoStaleReads, "stale-read", 100},
		"lost write under skew":            {nil, clock, 50 * time.Millisecond, checker.NoLostWrites, "lost-sequential", 400},
		"inversion without repair":         {majority("fetch", "on", "repair", "off"), everyKind, 0, checker.Linearizable, "new-old-inversion", 100},
		"inversion with async repair":      {majority("fetch", "on", "repair", "async"), everyKind, 0, checker.Linearizable, "new-old-inversion", 100},
		"sloppy quorums do not overlap":    {map[string]string{"sloppy": "on"}, []string{nemesis.Partition, nemesis.Pause}, 0, checker.NoStaleReads, "stale-read", 100},
		"acknowledged before synced":       {majority("repair", "abd", "fsync", "never"), []string{nemesis.Power, nemesis.Partition}, 0, checker.NoStaleReads, "stale-read", 400},
		"acknowledged before logged":       {majority("repair", "abd", "acknowledge", "before-log"), []string{nemesis.Kill, nemesis.Power}, 0, checker.NoStaleReads, "stale-read", 400},
		"superseded, successor not synced": {majority("repair", "abd", "acknowledge", "superseded-early"), everyKind, 0, checker.NoStaleReads, "stale-read", 400},
		"a hint dies with its keeper":      {map[string]string{"n": "2", "w": "1", "r": "2", "sloppy": "on", "hint-log": "off"}, []string{nemesis.Partition, nemesis.Kill, nemesis.Pause}, 0, checker.NoLostWrites, "lost-sequential", 400},
		"blocking repair under skew":       {majority("repair", "blocking"), clock, 50 * time.Millisecond, checker.NoStaleReads, "stale-read", 100},
	} {
		t.Run(name, func(t *testing.T) {
			p, system := setUp(t, c.settings, c.claim)
			s, err := explore.Run(t.Context(), explore.Config{Base: p, System: system, Kinds: c.kinds, FirstSeed: 1, Seeds: c.seeds,
				Draw: explore.DrawOptions{Skew: c.skew}})
			require.NoError(t, err)
			require.Equal(t, checker.Refuted, s.Verdict, s.Statement)
			var found *explore.Finding
			for _, f := range s.Findings {
				if f.Class == c.class {
					found = f
				}
			}
			require.NotNil(t, found, "found another class first: %+v", s.Findings[0])
			require.NotNil(t, found.Minimal)
			assert.LessOrEqual(t, found.Minimal.Operations, 8)
			assert.LessOrEqual(t, found.Minimal.Faults, 4)
			t.Logf("seed %d of %d: %s, %d runs", found.Seed, c.seeds, found.Minimal.Size, found.Minimal.Runs)
		})
	}
}
