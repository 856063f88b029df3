package results

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScratch(t *testing.T) {
	s := newSynthetic(20000, "")
	root := os.Getenv("REFUTE_SCRATCH")
	require.NoError(t, os.RemoveAll(root))
	f := s.folder(t, root)
	run, err := Write(f, s.report(), Options{Version: "v0"})
	require.NoError(t, err)
	require.NoError(t, Summary(os.Stdout, run, TextOptions{Color: true}))
	_ = filepath.Join
}
