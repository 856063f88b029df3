package harness

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
)

var kvVerdict = regexp.MustCompile(`checkKv\(t, "([^"]+)", (true|false), true\)`)

// The key-value logs of Porcupine: get, put and append of texts.
func TestThePublicKeyValueHistories(t *testing.T) {
	folder := porcupineModule(t)
	want := map[string]checker.Verdict{}
	for name, verdict := range corpusVerdicts(t, folder, kvVerdict) {
		want[name+".txt"] = verdict
	}
	require.Len(t, want, 6)
	checkCorpus(t, filepath.Join(folder, "test_data", "kv"), want)
}
