package checker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// causeExpectations are, for each golden history of the causes, the cause of
// the witness by claim: "" where the target told nothing.
func causeExpectations(t *testing.T) map[string]map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "causes", "causes-expect.json"))
	require.NoError(t, err)
	var all map[string]map[string]string
	require.NoError(t, json.Unmarshal(content, &all))
	return all
}

// TestGoldenCauses: each history's witnesses have the cause that is written beside it.
func TestGoldenCauses(t *testing.T) {
	shown := map[string]bool{}
	for name, want := range causeExpectations(t) {
		t.Run(name, func(t *testing.T) {
			file, err := history.OpenEvidence(goldenFile(t, name))
			require.NoError(t, err)
			defer file.Close()
			report := goldenReport(t, name, Options{Evidence: file.Lookup})
			many := goldenReport(t, name, Options{Evidence: file.Lookup, Evidences: func(completions []int64) map[int64]*history.Evidence {
				found, err := file.Read(t.Context(), completions)
				require.NoError(t, err)
				return found
			}})
			got := map[string]string{}
			for i, c := range report.Claims {
				if c.Verdict != Refuted {
					continue
				}
				w := c.Witnesses[0]
				got[c.Claim] = w.Cause
				shown[w.Cause] = true
				assert.Equal(t, w, many.Claims[i].Witnesses[0], "however the evidence is read")
				assert.Equal(t, w.Cause == "", w.Why == "")
				switch w.Cause {
				case "":
					assert.NotContains(t, w.Explanation, "Why:")
				case CauseUnknown:
					assert.Contains(t, w.Explanation, "Why: the cause is not determined, for "+w.Why+".")
				default:
					assert.Contains(t, w.Explanation, "Why: "+w.Why+" ("+w.Cause+").")
				}
				t.Logf("%s: %s", c.Claim, w.Summary)
			}
			assert.Equal(t, want, got)
		})
	}
	for _, c := range Causes() {
		if c.Name != CauseConcurrentWrites { // of a claim that lets no acknowledged write give way
			assert.True(t, shown[c.Name], "no golden history shows %s", c.Name)
		}
	}
}

// TestWithoutEvidenceNothingIsSaidOfCauses: a cause is never made up.
func TestWithoutEvidenceNothingIsSaidOfCauses(t *testing.T) {
	for name := range causeExpectations(t) {
		for _, c := range goldenReport(t, name, Options{}).Claims {
			for _, w := range c.Witnesses {
				assert.Empty(t, w.Cause, name)
				assert.Empty(t, w.Why, name)
			}
		}
	}
}

func TestTheCatalogueIsWhole(t *testing.T) {
	names := map[string]bool{CauseUnknown: true}
	for _, c := range Causes() {
		assert.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		for _, text := range []string{c.Description, c.Remedy} {
			assert.True(t, strings.HasSuffix(text, "."), text)
			assert.Greater(t, len(text), 40, text)
		}
		found, known := DescribeCause(c.Name)
		assert.True(t, known)
		assert.Equal(t, c, found)
	}
	_, known := DescribeCause(CauseUnknown)
	assert.False(t, known, "it has no remedy")
}
