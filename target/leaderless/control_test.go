package leaderless_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
)

// TestTheControlIsSafeWhateverTheSystemIs draws every setting that may be unsafe.
func TestTheControlIsSafeWhateverTheSystemIs(t *testing.T) {
	defaults := map[string]string{}
	for _, s := range leaderless.New().Describe() {
		defaults[s.Name] = s.Default
	}
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 9).Draw(t, "nodes")
		n := rapid.IntRange(1, nodes).Draw(t, "n")
		one := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
		given := map[string]string{
			"n": strconv.Itoa(n), "w": strconv.Itoa(rapid.IntRange(1, n).Draw(t, "w")), "r": strconv.Itoa(rapid.IntRange(1, n).Draw(t, "r")),
			"repair": one("repair", "off", "async", "blocking"), "fetch": one("fetch", "auto", "off"),
			"timestamps": one("timestamps", "coordinator", "client"), "sloppy": one("sloppy", "on", "off"), "hints": one("hints", "on", "off"),
			"fsync": one("fsync", "always", "never", "1s"), "acknowledge": one("acknowledge", "after-log", "before-log"),
			"heartbeat": one("heartbeat", "50ms", "200ms"), "request-timeout": one("request-timeout", "300ms", "2s"),
		}
		system, err := leaderless.New().Configure(nodes, given)
		require.NoError(t, err)
		control, err := system.(target.Controlled).Control()
		require.NoError(t, err)
		got, majority := control.Settings(), strconv.Itoa(n/2+1)
		for name, value := range got {
			switch name {
			case "w", "r":
				assert.Equal(t, majority, value, name)
			case "repair":
				assert.Equal(t, "abd", value)
			case "n", "virtual-nodes", "request-timeout", "stand-in-after", "hint-retry", "hint-limit", "heartbeat", "suspect-after":
				assert.Equal(t, system.Settings()[name], value, "%s has nothing to do with safety", name)
			default:
				assert.Equal(t, defaults[name], value, "%s is as safe as by default", name)
			}
		}
		assert.Contains(t, control.Claims(), "linearizable")
		again, err := control.(target.Controlled).Control()
		require.NoError(t, err)
		assert.Equal(t, got, again.Settings(), "the control of a control is itself")
	})
}
