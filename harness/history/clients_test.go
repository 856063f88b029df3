package history

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestClientTableIsAMap, whatever the numbers of the processes.
func TestClientTableIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var table clientTable
	want := map[Process]pairState{}
	draw := func() Process {
		switch r.IntN(3) {
		case 0:
			return Process(r.IntN(40))
		case 1:
			return Process(r.IntN(3_000))
		}
		return Process(r.Int64N(50) << 50)
	}
	for n := range int64(20_000) {
		p := draw()
		old, known := want[p]
		got := table.get(p)
		require.Equal(t, known, got != nil)
		switch {
		case known && old.retired:
			require.Equal(t, old, *got)
		case known:
			require.Equal(t, old, *got)
			if r.IntN(3) == 0 {
				got.completion, got.open, got.slot = n, false, 0
				table.retire(p)
				old.completion, old.open, old.slot, old.retired = n, false, 0, true
				want[p] = old
			}
		default:
			s := pairState{open: true, invocation: n, slot: n, f: strconv.Itoa(r.IntN(5)), key: strconv.Itoa(r.IntN(5))}
			*table.add(p, n) = s
			want[p] = s
		}
	}
	require.Greater(t, len(table.retired), 1000)
	require.NotEmpty(t, table.sparse)
	require.Less(t, len(table.names), 26)
}
