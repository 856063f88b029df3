package purity_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/purity"
)

func TestEachViolationIsFound(t *testing.T) {
	rules := purity.Rules{Imports: []string{"time", "fmt"}, Forbidden: []string{"time.Now"}, MapRanges: []string{"sorted"}, Floats: []string{"handsOn"}}
	clean := `func sorted(m map[int]int) int { n := 0; for range m { n++ }; return n }`
	for name, c := range map[string]struct{ text, want string }{
		"nothing":    {`import "time"` + "\n" + clean + "\nfunc f(d time.Duration) time.Duration { return 2 * d }", ""},
		"goroutine":  {clean + "\nfunc f() { go f() }", "goroutines and channels"},
		"channel":    {clean + "\nvar c chan int", "goroutines and channels"},
		"map":        {clean + "\nfunc f(m map[string]int) { for range m {} }", "f ranges over a map"},
		"named map":  {clean + "\ntype m map[string]int\nfunc f(x m) { for range x {} }", "f ranges over a map"},
		"clock":      {`import "time"` + "\n" + clean + "\nfunc f() time.Time { return time.Now() }", "uses time.Now"},
		"import":     {`import "math/rand"` + "\n" + clean + "\nvar n = rand.Int()", "imports math/rand"},
		"float":      {clean + "\nfunc f(x float64) int { return int(x * 2) }", "floating point"},
		"handed on":  {clean + "\nfunc handsOn(x float64) float64 { return x }", ""},
		"constant":   {clean + "\nconst third = 1.0 / 3\nvar n = int64(third * 9)", ""},
		"stale list": {"func sorted() {}", "sorted no longer ranges over a map"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(folder, "a.go"), []byte("package a\n\n"+c.text+"\n"), 0o644))
			found, err := purity.Check(folder, rules)
			require.NoError(t, err)
			if c.want == "" {
				assert.Empty(t, found)
				return
			}
			assert.Contains(t, strings.Join(found, "\n"), c.want)
		})
	}
}

func TestNothingToCheckIsAnError(t *testing.T) {
	_, err := purity.Check(t.TempDir(), purity.Rules{})
	assert.ErrorContains(t, err, "nothing was checked")
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.go"), []byte("package a\nfunc f() int { return \"\" }\n"), 0o644))
	_, err = purity.Check(folder, purity.Rules{})
	assert.Error(t, err)
}
