package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSweepComparesTheoryWithTheStore(t *testing.T) {
	code, out, errors := refute(t, "sweep", "--set", "r=1,3", "--set", "w=1", "--claims", "no-stale-reads", "--nemesis", "partition", "--seeds", "20", "--json", "--out", t.TempDir())
	require.Zero(t, code, out+errors)
	var grid struct {
		Axes  []struct{ Setting string }
		Cells []struct {
			Values   []string
			Outcomes []struct {
				Expected string
				Refuted  int
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &grid))
	require.Len(t, grid.Cells, 2)
	assert.Equal(t, "refuted", grid.Cells[0].Outcomes[0].Expected)
	assert.Positive(t, grid.Cells[0].Outcomes[0].Refuted)
	assert.Equal(t, "holds", grid.Cells[1].Outcomes[0].Expected)
	assert.Contains(t, errors, "sweeping with 20 seeds a cell")

	// What is fixed is no axis of the default grid.
	code, out, errors = refute(t, "sweep", "--set", "n=1", "--set", "w=1", "--set", "r=1", "--claims", "linearizable", "--nemesis", "partition", "--seeds", "3", "--quiet", "--out", t.TempDir())
	require.Zero(t, code, out+errors)
	assert.Contains(t, out, "4 configurations, 3 seeds each from seed 1 on, faults partition, with n=1 r=1 w=1")
}

func TestWrongUsageOfSweep(t *testing.T) {
	for want, args := range map[string][]string{
		"distinct values":                  {"--set", "w=1,1"},
		"none of them empty":               {"--set", "w=1,"},
		"r=9 is in no configuration":       {"--set", "r=1,9"},
		"0 seeds: want 1":                  {"--seeds", "0"},
		"unknown setting \"reapir\"":       {"--set", "reapir=off,abd"},
		"every setting of the grid":        {"--set", "n=3", "--set", "w=1", "--set", "r=1", "--set", "repair=off"},
		"takes no arguments":               {"everything"},
		"a grid of more than 10000 cells":  {"--set", "keys=1,2,3,4,5,6,7,8,9,10", "--set", "writes=1,2,3,4,5,6,7,8,9,10", "--set", "r=1,2,3,4,5,6,7,8,9,10", "--set", "w=1,2,3,4,5,6,7,8,9,10", "--set", "n=3,4"},
		"the target leaderless has no pro": {"--profile", "x"},
	} {
		oneLine(t, want, append([]string{"sweep"}, args...)...)
	}
}
