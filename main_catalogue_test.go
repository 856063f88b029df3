package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/plan"
)

func TestCatalogueIsListed(t *testing.T) {
	code, out, errors := refute(t, "catalogue")
	require.Zero(t, code, errors)
	assert.Contains(t, out, "sloppy-quorum")
	code, out, errors = refute(t, "catalogue", "--json")
	require.Zero(t, code, errors)
	var items []struct {
		Number   int
		Missing  string
		Backends []string
		Why      string `json:"not_on_containers"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &items))
	assert.Len(t, items, 30)
	for _, i := range items {
		assert.Equal(t, i.Missing == "", len(i.Backends) > 0, "item %d", i.Number)
		assert.Equal(t, len(i.Backends) == 1, i.Why != "", "item %d", i.Number)
	}
}

func TestCatalogueShowsAnItem(t *testing.T) {
	code, out, errors := refute(t, "catalogue", "1", "--seeds", "3", "--out", t.TempDir())
	require.Zero(t, code, errors)
	assert.Contains(t, out, "no-stale-reads is refuted in 3 of 3 seeds, cause no-overlap in 3")
	assert.Contains(t, out, "with r=3 instead of 1: refuted in 0 of 3 seeds")

	code, out, errors = refute(t, "catalogue", "2", "--twin", "--seeds", "2", "--json", "--out", t.TempDir())
	require.Zero(t, code, errors)
	var shown map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	assert.NotContains(t, shown, "plan")
	assert.Contains(t, shown, "twin")
}

func TestCatalogueShowsAll(t *testing.T) {
	code, out, errors := refute(t, "catalogue", "all", "--seeds", "12")
	require.Zero(t, code, out+errors)
	assert.NotContains(t, out, "NOT AS DESCRIBED")
	assert.Contains(t, out, "failed-write-stays")
}

func TestCatalogueRefusesWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"99"}, "no item 99"},
		{[]string{"1", "2"}, "takes one item"},
		{[]string{"1", "--on", "moon"}, `--on "moon"`},
		{[]string{"1", "--repeat", "3"}, "--repeat goes with --on docker only"},
		{[]string{"1", "--on", "docker", "--seeds", "3"}, "--seeds goes with --on sim only"},
		{[]string{"1", "--seeds", "0"}, "0 seeds: want 1…"},
		{[]string{"4", "--twin"}, "has no twin"},
		{[]string{"26", "--on", "docker"}, "only the simulation can do it"},
	} {
		oneLine(t, c.want, append([]string{"catalogue"}, c.arguments...)...)
	}
}

// A profile's settings are in the plan, and --set comes before them.
func TestAProfileIsPartOfThePlan(t *testing.T) {
	out := t.TempDir()
	code, stdout, errors := refute(t, "run", "--on", "sim", "--profile", "riak", "--set", "r=3", "--time-limit", "1s", "--nemesis", "none", "--seed", "3", "--claims", "no-lost-writes", "--out", out, "--name", "profiled")
	require.Zero(t, code, stdout+errors)
	folders, err := filepath.Glob(filepath.Join(out, "profiled", "2*", "plan.json"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	p, err := plan.Load(folders[0])
	require.NoError(t, err)
	assert.Equal(t, "on", p.Target.Settings["sloppy"])
	assert.Equal(t, "never", p.Target.Settings["fsync"])
	assert.Equal(t, "2", p.Target.Settings["w"])
	assert.Equal(t, "3", p.Target.Settings["r"])

	code, stdout, errors = refute(t, "run", "--help")
	require.Zero(t, code, errors)
	assert.Contains(t, stdout, "Profiles of the target leaderless")
}
