package leaderless

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
)

var update = flag.Bool("update", false, "write PROFILES.md anew")

func profile(t *testing.T, name string) map[string]string {
	t.Helper()
	p, err := target.FindProfile(Target{}, name)
	require.NoError(t, err)
	return p.Map()
}

// Each profile is a valid configuration, and each of its settings is in force in it.
func TestProfilesAreValid(t *testing.T) {
	for _, p := range (Target{}).Profiles() {
		for _, nodes := range []int{3, 5, 9} {
			system, err := Target{}.Configure(nodes, p.Map())
			require.NoError(t, err, p.Name)
			for name, value := range p.Map() {
				assert.Equal(t, value, system.Settings()[name], "%s: %s", p.Name, name)
			}
		}
		names := map[string]bool{}
		for _, s := range p.Settings {
			assert.False(t, names[s.Name], "%s sets %s twice", p.Name, s.Name)
			names[s.Name] = true
			assert.NotEmpty(t, s.Source, "%s: %s", p.Name, s.Name)
		}
	}
}

// The real systems write their defaults in units of their own: what the
// sources say, converted, is what the profiles say.
func TestProfilesFollowTheSources(t *testing.T) {
	const (
		gcGraceSeconds         = 864000 // schema/TableParams.java
		maxHintWindowMillis    = 10800000
		hintsFlushPeriodMillis = 10000
		commitlogSyncMillis    = 10000
		gossipMillis           = 1000
		youngVclockSeconds     = 20
		oldVclockSeconds       = 86400
		deleteModeMillis       = 3000
		antiEntropyTickMillis  = 15000
	)
	for _, c := range []struct {
		profile, setting string
		want             time.Duration
	}{
		{"cassandra", "gc-grace", gcGraceSeconds * time.Second},
		{"cassandra", "hint-window", maxHintWindowMillis * time.Millisecond},
		{"cassandra", "hint-flush", hintsFlushPeriodMillis * time.Millisecond},
		{"cassandra", "fsync", commitlogSyncMillis * time.Millisecond},
		{"cassandra", "gossip-every", gossipMillis * time.Millisecond},
		{"cassandra", "timestamp-unit", time.Microsecond},
		{"dynamo", "gossip-every", time.Second},
		{"riak", "prune-younger", youngVclockSeconds * time.Second},
		{"riak", "prune-older", oldVclockSeconds * time.Second},
		{"riak", "reap-after", deleteModeMillis * time.Millisecond},
		{"riak", "anti-entropy-every", antiEntropyTickMillis * time.Millisecond},
	} {
		assert.Equal(t, c.want, parsed(t, profile(t, c.profile)[c.setting]), "%s: %s", c.profile, c.setting)
	}
	for _, c := range []struct{ profile, setting, want string }{
		{"cassandra", "virtual-nodes", "16"}, {"cassandra", "phi-threshold", "8"}, {"cassandra", "repair", "blocking"}, {"cassandra", "sloppy", "off"},
		{"cassandra", "speculative-retry", "p99"}, {"cassandra", "cas", "paxos-v1"}, {"cassandra", "tie-break", "value"},
		{"riak", "prune-entries", "50"}, {"riak", "sibling-limit", "100"}, {"riak", "sloppy", "on"}, {"riak", "notfound-ok", "on"}, {"riak", "fsync", "never"},
		{"dynamo", "prune-entries", "10"}, {"dynamo", "sloppy", "on"}, {"dynamo", "n", "3"}, {"dynamo", "w", "2"}, {"dynamo", "r", "2"},
		{"voldemort", "prune-entries", "0"}, {"voldemort", "deletes", "physical"}, {"voldemort", "hints", "off"}, {"voldemort", "obsolete-puts", "ignore"},
		{"voldemort", "anti-entropy", "off"}, {"voldemort", "actor-epochs", "off"}, {"voldemort", "routing", "client"},
	} {
		assert.Equal(t, c.want, profile(t, c.profile)[c.setting], "%s: %s", c.profile, c.setting)
	}
}

func parsed(t *testing.T, text string) time.Duration {
	t.Helper()
	days := time.Duration(1)
	if len(text) > 1 && text[len(text)-1] == 'd' {
		text, days = text[:len(text)-1]+"h", 24
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d * days
}

// PROFILES.md is what the table says; go test -run TestProfilesAreWrittenDown -update writes it.
func TestProfilesAreWrittenDown(t *testing.T) {
	const file = "PROFILES.md"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(ProfilesMarkdown()), 0o644))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, ProfilesMarkdown(), string(text), "write it anew with -update")
}

func TestAnUnknownProfileIsRefusedByName(t *testing.T) {
	_, err := target.FindProfile(Target{}, "riack")
	assert.EqualError(t, err, `the target leaderless has no profile "riack": it has dynamo, cassandra, riak, voldemort`)
}
