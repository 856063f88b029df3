package harness

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// bothWays judges the history in memory and by a survey, and requires that they say the same.
func bothWays(t *testing.T, path string, claims []string) checker.Report {
	t.Helper()
	limits := plan.Limits{Check: plan.Duration(time.Minute), CheckMemory: checkMemory}
	var reports [2]checker.Report
	var warned [2][]string
	for way := range reports {
		file, err := history.Open(path)
		require.NoError(t, err)
		reports[way], warned[way], err = judgeBy(t.Context(), file, way == 1, claims, limits, checker.Options{}, nil)
		require.NoError(t, err)
		require.Len(t, file.Summary().SHA256, 64)
		require.NoError(t, file.Close())
		for i := range reports[way].Claims {
			c := &reports[way].Claims[i]
			c.Seconds = 0
			if c.Claim == checker.Linearizable && reports[way].Stats.Operations <= 100_000 {
				c.Checker = "" // a survey asks for no second opinions, which decide this name in short histories
			}
		}
	}
	require.Equal(t, reports[0], reports[1], path)
	require.Equal(t, warned[0], warned[1], path)
	return reports[1]
}

// TestASurveyOfAFileSaysWhatMemorySays, of the checker's golden histories, by
// the claims that each is held to by default, with evidence in the witnesses.
func TestASurveyOfAFileSaysWhatMemorySays(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "checker", "testdata", "*", "*.jsonl"))
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	verdicts := map[checker.Verdict]int{}
	for _, path := range files {
		verdicts[bothWays(t, path, nil).Verdict]++
	}
	require.Greater(t, verdicts[checker.Refuted], 10)
	require.Greater(t, verdicts[checker.Holds]+verdicts[checker.Unknown], 5)
}

// TestASurveyOfALongFile, and of the same with a read that is wrong.
func TestASurveyOfALongFile(t *testing.T) {
	claims := []string{checker.Linearizable, checker.NoLostWrites, checker.NoStaleReads, checker.ReadYourWrites, checker.MonotonicReads}
	path := filepath.Join(t.TempDir(), "history.jsonl")
	generated{operations: 120_000, keys: 40, clients: 30, unknown: 10, evidence: true, seed: 3}.write(t, path)
	require.Equal(t, checker.Holds, bothWays(t, path, claims).Verdict)
	spoilOneRead(t, path)
	report := bothWays(t, path, claims)
	require.Equal(t, checker.Refuted, report.Verdict)
	require.Contains(t, report.Claims[0].Witnesses[0].Explanation, "coordinated by n1", "the evidence is found")
}

// spoilOneRead makes a late read of some key return the key's first value.
func spoilOneRead(t *testing.T, path string) {
	t.Helper()
	operations, _, err := history.ReadFile(t.Context(), path)
	require.NoError(t, err)
	spoiled := int64(-1)
	var first history.Value
	for _, o := range operations[len(operations)/2:] {
		if o.Key == "r7" && o.F == history.FRead && o.Type == history.Ok {
			spoiled = o.Completion
			break
		}
	}
	require.Positive(t, spoiled)
	for _, o := range operations {
		if o.Key == "r7" && o.F == history.FWrite && o.Type == history.Ok {
			first = o.Input
			break
		}
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	decoder := history.Decoder{Evidence: true}
	var out []byte
	for start, index := 0, int64(0); start < len(text); index++ {
		end := start
		for text[end] != '\n' {
			end++
		}
		if index != spoiled {
			out = append(out, text[start:end+1]...)
		} else {
			var e history.Event
			require.NoError(t, decoder.Decode(text[start:end], &e))
			e.Value = first
			out = history.AppendEvent(out, &e)
		}
		start = end + 1
	}
	require.NoError(t, os.WriteFile(path, out, 0o644))
}
