package core

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/purity"
)

// The rules that make the core deterministic, checked on its source: equal
// verdicts of two runs would not show that they hold.
func TestCoreIsPure(t *testing.T) {
	violations, err := purity.Check(".", purity.Rules{
		Imports: []string{"bytes", "cmp", "encoding/binary", "errors", "fmt", "iter", "math", "math/bits", "slices", "strconv", "strings"},
		// These hide the order of the map by sorting.
		MapRanges: []string{"countKeys", "ParseSettings", "sortedKeys", "sortedSlots"},
	})
	require.NoError(t, err)
	assert.Empty(t, violations)
}
