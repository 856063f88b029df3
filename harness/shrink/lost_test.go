package shrink

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
)

// A disk that was restored is first tried as one that is empty, and a lost disk
// as a mere kill; whatever is tried may stand in a plan.
func TestLostDisksBecomeSimpler(t *testing.T) {
	nodes := plan.NodeNames(3)
	base := plan.Fault{ID: "f1", Kind: diskLoss, Targets: []string{"n2"}, At: plan.Duration(time.Second), Duration: plan.Duration(time.Second)}
	require.Equal(t, nemesis.DiskLoss, diskLoss)
	require.Equal(t, nemesis.Wipe, wipe)
	tried := func(f plan.Fault) (kinds []string) {
		require.NoError(t, nemesis.Validate([]plan.Fault{f}, nodes))
		for _, simpler := range simplerFaults(f, nodes) {
			assert.NoError(t, nemesis.Validate([]plan.Fault{simpler}, nodes))
			kinds = append(kinds, simpler.Kind+" "+simpler.Shape)
		}
		return kinds
	}
	old, copied, empty := base, base, base
	old.Shape, old.SnapshotAge = nemesis.RestoreSnapshot, plan.Duration(time.Second)
	copied.Shape, copied.Peer = nemesis.RestoreFrom, "n3"
	empty.Shape = nemesis.Wipe
	assert.Equal(t, []string{"kill ", "disk-loss wipe"}, tried(old))
	assert.Equal(t, []string{"kill ", "disk-loss wipe"}, tried(copied))
	assert.Equal(t, []string{"kill "}, tried(empty))

	younger := old
	younger.SnapshotAge /= 2
	assert.NotEqual(t, appendPlan(nil, &plan.Plan{Schedule: []plan.Fault{old}}), appendPlan(nil, &plan.Plan{Schedule: []plan.Fault{younger}}), "they are told apart")
}
