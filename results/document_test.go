package results

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/refute-lab/refute/checker"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDocumentCarriesCounts: what became of elements, replicas and siblings is
// in results.json and comes back from it; a history without them has none.
func TestDocumentCarriesCounts(t *testing.T) {
	report := checker.Report{
		Verdict:  checker.Holds,
		Sets:     &checker.SetTimeline{Sets: 1, Stable: 2, StableLatency: map[string]float64{"max": 3}},
		Replicas: &checker.Census{Keys: 4, Divergent: 1, Behind: map[int]int{0: 3, 2: 1}, Nodes: []checker.NodeCensus{{Node: "n1", Keys: 4, Newest: 4}}},
		Siblings: &checker.SiblingCounts{Bound: 100, Maximum: 5, Histogram: map[int]int{1: 3, 5: 1}},
	}
	path := filepath.Join(t.TempDir(), "results.json")
	require.NoError(t, NewDocument(report).WriteFile(path))
	d, err := ReadDocument(path)
	require.NoError(t, err)
	assert.Equal(t, report.Sets, d.Sets)
	assert.Equal(t, report.Replicas, d.Replicas)
	assert.Equal(t, report.Siblings, d.Siblings)

	content, err := NewDocument(checker.Report{Verdict: checker.Holds}).Encode()
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(content, &fields))
	for _, name := range []string{"sets", "replicas", "siblings"} {
		assert.NotContains(t, fields, name)
	}
}
