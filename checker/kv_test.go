package checker

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var kvLine = regexp.MustCompile(`^\{:process (\d+), :type :(invoke|ok|info|fail), :f :(get|put|append), :key "(.*)", :value (nil|".*")\}$`)

// kvHistory reads a history of Porcupine's kv tests: texts that are appended to.
// The place of a line is its time.
func kvHistory(t *testing.T, path string) []history.Operation {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	names := map[string]string{"get": history.FRead, "put": history.FWrite, "append": history.FAppend}
	open := map[string]int{}
	var all []simulated
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := int64(0); lines.Scan(); n++ {
		m := kvLine.FindStringSubmatch(lines.Text())
		require.NotNil(t, m, lines.Text())
		value := history.NilValue()
		if m[5] != "nil" {
			value = history.RawValue(json.RawMessage(m[5]))
		}
		if m[2] == "invoke" {
			process, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			open[m[1]] = len(all)
			all = append(all, simulated{Operation: history.Operation{Start: n, End: history.Infinity, Process: history.Process(process), F: names[m[3]], Key: m[4], Input: value, Type: history.Info}})
			continue
		}
		o := &all[open[m[1]]]
		o.End, o.Output, o.Type = n, value, history.Ok
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, all)
	return order(all)
}

// TestKVCorpus gives the histories that Porcupine is tested with the verdicts
// in their names.
func TestKVCorpus(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine").Output()
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "test_data", "kv", "*.txt"))
	require.NoError(t, err)
	require.Len(t, paths, 6)
	for _, path := range paths {
		for _, model := range []string{"", ModelText} {
			t.Run(filepath.Base(path)+" "+model, func(t *testing.T) {
				operations := kvHistory(t, path)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}, Model: model})
				require.NoError(t, err)
				c := report.Claims[0]
				want := Holds
				if strings.Contains(path, "-bad") {
					want = Refuted
				}
				require.Equal(t, want, c.Verdict, c.Explanation)
				t.Logf("%s %s (%.3f s)", c.Checker, c.Explanation, c.Seconds)
				for _, w := range c.Witnesses {
					t.Log(w.Key, w.Class, len(w.Operations), w.Explanation)
					assert.True(t, w.Confirmed)
					assert.LessOrEqual(t, len(w.Operations), 6)
				}
			})
		}
	}
}
