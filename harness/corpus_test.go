package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
)

// porcupineModule is the folder of Porcupine's module, which carries public
// histories and, in its tests, their verdicts. It is there whenever this
// package compiles, since the checkers use it.
func porcupineModule(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// corpusVerdicts are the verdicts of Porcupine's own tests, by the number or
// the name in the pattern's first group; its second is true for legal.
func corpusVerdicts(t *testing.T, folder string, pattern *regexp.Regexp) map[string]checker.Verdict {
	t.Helper()
	tests, err := os.ReadFile(filepath.Join(folder, "porcupine_test.go"))
	require.NoError(t, err)
	verdicts := map[string]checker.Verdict{}
	for _, m := range pattern.FindAllStringSubmatch(string(tests), -1) {
		verdicts[m[1]] = map[string]checker.Verdict{"true": checker.Holds, "false": checker.Refuted}[m[2]]
	}
	return verdicts
}

// checkCorpus checks every history in the folder, the way `refute check FOLDER`
// does, and compares each with the verdict of its name.
func checkCorpus(t *testing.T, folder string, want map[string]checker.Verdict) {
	t.Helper()
	got := map[string]checker.Verdict{}
	refuted := 0
	all, err := CheckAll(t.Context(), Checking{Paths: []string{folder}, Timeout: time.Minute}, func(c *Checked) {
		if !assert.NoError(t, c.Err, c.Path) {
			return
		}
		claims := c.Outcome.Report.Claims
		if !assert.Len(t, claims, 1, c.Path) {
			return
		}
		assert.Equal(t, checker.Linearizable, claims[0].Claim, c.Path)
		got[filepath.Base(c.Path)] = c.Outcome.Report.Verdict
		if claims[0].Verdict == checker.Refuted {
			refuted++
			assert.NotEmpty(t, claims[0].Witnesses, c.Path)
		}
	})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Positive(t, refuted)
	assert.Equal(t, 1, all.ExitCode())
}

var etcdVerdict = regexp.MustCompile(`checkJepsen\(t, (\d+), (true|false)\)`)

// Recordings of Jepsen's etcd test, which Porcupine took from
// github.com/ahorn/linearizability-checker. In number 95 the cluster did not start.
func TestThePublicHistoriesOfEtcd(t *testing.T) {
	folder := porcupineModule(t)
	want := map[string]checker.Verdict{}
	for number, verdict := range corpusVerdicts(t, folder, etcdVerdict) {
		want[fmt.Sprintf("etcd_%03s.log", number)] = verdict
	}
	require.Len(t, want, 102)
	checkCorpus(t, filepath.Join(folder, "test_data", "jepsen"), want)
}
