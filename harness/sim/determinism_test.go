package sim_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/purity"
)

// The source of the simulation, held against the same rules as the store's core.
func TestTheSimulationIsPure(t *testing.T) {
	violations, err := purity.Check(".", purity.Rules{
		Imports: []string{"context", "encoding/json", "fmt", "maps", "math/bits", "slices", "strconv", "time",
			"github.com/refute-lab/refute/harness/generator", "github.com/refute-lab/refute/harness/history",
			"github.com/refute-lab/refute/harness/plan", "github.com/refute-lab/refute/harness/trace",
			"github.com/refute-lab/refute/nemesis", "github.com/refute-lab/refute/target",
			"github.com/refute-lab/refute/target/leaderless", "github.com/refute-lab/refute/target/leaderless/core",
			"github.com/refute-lab/refute/workloads"},
		// The rate of a plan, which the generator divides by in integers.
		Floats:    []string{"Load", "Materialise"},
		Forbidden: []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Tick"},
	})
	require.NoError(t, err)
	assert.Empty(t, violations)
}

// hashes builds the program of testdata/hashes and runs it.
func hashes(t *testing.T, seeds string, build, environment []string, toRun ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "hashes")
	command := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", program}, build...), "./testdata/hashes")...)
	command.Env = append(append(os.Environ(), "CGO_ENABLED=0"), environment...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	command = exec.CommandContext(t.Context(), program, seeds)
	command.Env = append(os.Environ(), toRun...)
	var problems strings.Builder
	command.Stderr = &problems
	output, err = command.Output()
	require.NoError(t, err, problems.String())
	return string(output)
}

// Every event of every run is the same whatever the runtime does and whatever
// the program was compiled for. That the verdicts are equal would not show it.
func TestHashesAgreeBetweenBuildsAndRuntimes(t *testing.T) {
	const seeds = "200"
	want := hashes(t, seeds, nil, nil)
	require.Equal(t, 200, strings.Count(want, "\n"))
	variants := map[string]struct{ build, environment, toRun []string }{
		"again":                      {},
		"one processor, hard GC":     {toRun: []string{"GOMAXPROCS=1", "GOGC=5"}},
		"no asynchronous preemption": {toRun: []string{"GODEBUG=asyncpreemptoff=1"}},
		"no optimisation":            {build: []string{"-gcflags=all=-N -l"}},
	}
	if runtime.GOARCH == "amd64" && runtime.GOOS == "linux" {
		variants["386"] = struct{ build, environment, toRun []string }{environment: []string{"GOARCH=386"}}
	}
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, want, hashes(t, seeds, v.build, v.environment, v.toRun...))
		})
	}
}

// A single loop over a map, planted where clients are told to begin, changes the hashes
// from one run to the next: the hash sees what verdicts would not.
func TestAPlantedMapRangeChangesTheHash(t *testing.T) {
	source, err := os.ReadFile("phase.go")
	require.NoError(t, err)
	const loop = "\tfor i := range w.workers {\n\t\tw.wake(0, happensTurn, i)\n\t}\n"
	require.Equal(t, 1, strings.Count(string(source), loop), "where the flaw is planted")
	planted := strings.Replace(string(source), loop,
		"\tall := map[int]bool{}\n\tfor i := range w.workers {\n\t\tall[i] = true\n\t}\n\tfor i := range all {\n\t\tw.wake(0, happensTurn, i)\n\t}\n", 1)
	folder := t.TempDir()
	replacement := filepath.Join(folder, "phase.go")
	require.NoError(t, os.WriteFile(replacement, []byte(planted), 0o644))
	original, err := filepath.Abs("phase.go")
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: replacement}})
	require.NoError(t, err)
	list := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o644))
	build := []string{"-overlay", list}
	assert.NotEqual(t, hashes(t, "5", build, nil), hashes(t, "5", build, nil))
}
