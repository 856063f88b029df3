package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var fiveNames = []string{"n1", "n2", "n3", "n4", "n5"}

func TestDefaults(t *testing.T) {
	s, err := ParseSettings(fiveNames, nil)
	require.NoError(t, err)
	assert.Equal(t, NewRing(fiveNames, 16), s.ring)
	assert.Equal(t, quorum{n: 3, homes: 3, w: 2, r: 2}, s.quorum)
	s.ring, s.quorum = nil, quorum{}
	assert.Equal(t, Settings{
		Nodes: fiveNames, N: 3, W: 2, R: 2, Repair: RepairAsync, Fetch: FetchAuto, Hints: true, HintLog: true, Fsync: FsyncAlways, VirtualNodes: 16,
		RepairSettings:     defaultRepairSettings,
		VersionSettings:    VersionSettings{TimestampUnit: 1, PruneYounger: 20e9, PruneOlder: 24 * 3600e9, ActorEpochs: true},
		QuorumSettings:     QuorumSettings{Datacenters: 1, FallbackAfter: 100e6, NotFoundOK: true},
		MembershipSettings: MembershipSettings{GossipEvery: 1e9, PhiThreshold: 8},
		RequestTimeout:     500e6, StandInAfter: 100e6, HintRetry: 200e6, HintLimit: 65536, Heartbeat: 100e6, SuspectAfter: 1e9,
	}, s)
	for _, d := range Describe() {
		assert.Equal(t, d.Default, s.Map()[d.Name], d.Name)
		assert.NotEmpty(t, d.Help, d.Name)
		assert.NotEmpty(t, d.Values, d.Name)
	}
}

func TestSettingsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
		s, err := ParseSettings(fiveNames, map[string]string{
			"n": string('0' + rune(n)), "w": string('0' + rune(rapid.IntRange(1, n).Draw(t, "w"))), "r": string('0' + rune(rapid.IntRange(1, n).Draw(t, "r"))),
			"repair": pick("repair", "off", "async", "blocking", "abd"), "fetch": pick("fetch", "auto", "on", "off"),
			"sloppy": pick("sloppy", "on", "off"), "hints": pick("hints", "on", "off"), "acknowledge": pick("acknowledge", "after-log", "before-log", "superseded-early"),
			"fsync": pick("fsync", "always", "never", "group:5ms", "group:1s", "1s", "1.5ms", "0.25s", "2m", "1h"), "virtual-nodes": pick("virtual-nodes", "1", "256"),
			"request-timeout": pick("request-timeout", "101ms", "1.000000001s", "1h"),
		})
		require.NoError(t, err)
		again, err := ParseSettings(s.Nodes, s.Map())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func TestWrongSettings(t *testing.T) {
	for name, c := range map[string]struct {
		given map[string]string
		want  string
	}{
		"w > n":           {map[string]string{"w": "4"}, "w=4 > n=3: a write can never be acknowledged by more replicas than it has; set w ≤ 3 or n ≥ 4"},
		"r > n":           {map[string]string{"r": "4"}, "r=4 > n=3: a read can never be answered by more replicas than there are; set r ≤ 3 or n ≥ 4"},
		"n > nodes":       {map[string]string{"n": "6"}, "n=6 > 5 nodes: every replica needs a node of its own; set n ≤ 5 or run at least 6 nodes"},
		"zero":            {map[string]string{"w": "0"}, "w=0: out of range; it may be 1 … n"},
		"no number":       {map[string]string{"r": "two"}, "r=two: not a whole number; it may be 1 … n"},
		"no choice":       {map[string]string{"repair": "sync"}, "repair=sync: no such choice; it may be off | async | blocking | abd"},
		"no switch":       {map[string]string{"sloppy": "true"}, "sloppy=true: neither on nor off; it may be on | off"},
		"unknown":         {map[string]string{"fsnyc": "always"}, `unknown setting "fsnyc": did you mean "fsync"?`},
		"another unknown": {map[string]string{"timeout": "1s"}, `unknown setting "timeout": did you mean "request-timeout"?`},
		"bad duration":    {map[string]string{"heartbeat": "100"}, "heartbeat=100: not a number with a unit"},
		"bad fraction":    {map[string]string{"heartbeat": "1.x5s"}, "heartbeat=1.x5s: not a number with a unit"},
		"bad group":       {map[string]string{"fsync": "group:"}, "fsync=group:: not a number with a unit (ms, s, m); it may be always | never | DURATION | group:DURATION"},
		"group of days":   {map[string]string{"fsync": "group:2d"}, "fsync=group:2d: too long"},
		"too long":        {map[string]string{"request-timeout": "100h"}, "request-timeout=100h: too long"},
		"too short":       {map[string]string{"request-timeout": "1us"}, "request-timeout=1us: out of range"},
		"bad fsync":       {map[string]string{"fsync": "sometimes"}, "fsync=sometimes: not a number with a unit (ms, s, m); it may be always | never | DURATION"},
		"two sources":     {map[string]string{"repair": "abd", "timestamps": "client"}, "the timestamp can come from the client or from the replicas, not from both"},
		"hasty detector":  {map[string]string{"suspect-after": "150ms"}, "suspect-after=150ms < 2 × heartbeat=100ms"},
		"no hints to log": {map[string]string{"hint-log": "off", "hints": "off"}, "hint-log=off with hints=off and sloppy=off: no node keeps any hint"},
		"late stand-ins":  {map[string]string{"sloppy": "on", "stand-in-after": "1s"}, "stand-in-after=1s ≥ request-timeout=500ms"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSettings(fiveNames, c.given)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	for _, nodes := range [][]string{nil, {"a", "a"}, {"a", ""}, make([]string, 256)} {
		_, err := ParseSettings(nodes, map[string]string{"n": "1", "w": "1", "r": "1"})
		require.Error(t, err)
	}
}

func TestFetchFollowsRepair(t *testing.T) {
	for _, c := range []struct {
		repair, fetch string
		want          bool
	}{{"abd", "auto", true}, {"abd", "off", false}, {"async", "auto", false}, {"off", "on", true}} {
		s, err := ParseSettings(fiveNames, map[string]string{"repair": c.repair, "fetch": c.fetch})
		require.NoError(t, err)
		assert.Equal(t, c.want, s.Fetches(), "%+v", c)
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1.5s")
	f.Add("100h")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		again, err := parseDuration(formatDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}
