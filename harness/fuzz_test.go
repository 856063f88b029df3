package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
)

// FuzzCheckFile: whatever a file holds, `refute check` of it for every claim
// ends with a verdict or with one line that blames the file; and no checker
// panics, which would show as an explanation that says so.
func FuzzCheckFile(f *testing.F) {
	for _, pattern := range []string{"../checker/testdata/*/*.jsonl", "history/testdata/good/*", "history/testdata/bad/*"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	// Dumps of replicas in many forms.
	for _, dump := range []string{`null`, `{}`, `[]`, `{"entries":[{"key":"x","version":"1","home":["n1"]},{"key":"x"}]}`, `{"entries":{"x":1}}`, `{"entries":[null]}`} {
		f.Add([]byte(`{"index":0,"time":0,"process":"nemesis","type":"invoke","f":"dump","key":"n1","node":"n1"}
{"index":1,"time":1,"process":"nemesis","type":"ok","f":"dump","key":"n1","node":"n1","value":` + dump + "}\n"))
	}
	var names []string
	for _, c := range checker.Claims() {
		names = append(names, c.Name)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "history")
		require.NoError(t, os.WriteFile(path, text, 0o644))
		outcome, err := CheckFile(t.Context(), path, names, time.Second)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			var usage *UsageError
			require.True(t, errors.As(err, &usage), "%v", err)
			return
		}
		for _, r := range outcome.Report.Claims {
			require.NotContains(t, r.Explanation, "The checker failed")
			require.NotEmpty(t, r.Explanation)
			require.Equal(t, r.Verdict == checker.Refuted, len(r.Witnesses) > 0)
		}
		var shown strings.Builder
		outcome.WriteText(&shown, false)
		require.Contains(t, shown.String(), "Verdict: ")
		require.NoError(t, outcome.WriteJSON(&shown))
	})
}
