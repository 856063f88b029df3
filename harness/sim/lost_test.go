package sim_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
)

const millisecond = plan.Duration(time.Millisecond)

// early leaves the writes of the first 300 ms: the values 1 to 30.
func early(p *plan.Plan) { p.Operations = p.Operations[:30] }

func lost(shape string) plan.Fault {
	return plan.Fault{Kind: nemesis.DiskLoss, Shape: shape, Targets: []string{"n2"}, At: 500 * millisecond, Duration: 200 * millisecond}
}

// told is what the nemesis recorded of a fault's begin or end.
func told(t *testing.T, operations []history.Operation, f, id string) history.Fault {
	t.Helper()
	for _, o := range operations {
		if o.F == f && o.Key == id {
			var fault history.Fault
			require.NoError(t, json.Unmarshal(o.Output.Raw(), &fault))
			return fault
		}
	}
	require.Failf(t, "not recorded", "%s of %s", f, id)
	return history.Fault{}
}

func TestALostDiskIsEmptyAfterwards(t *testing.T) {
	_, r := written(t, nil, early)
	require.Equal(t, "30", dumpOf(t, r, "n2"), "the control")
	_, r = written(t, nil, early, lost(nemesis.Wipe))
	assert.Empty(t, dumpOf(t, r, "n2"))
	assert.Equal(t, "30", dumpOf(t, r, "n3"))
	fault := told(t, r.Operations, history.FInject, "f1")
	assert.True(t, fault.Verified)
	assert.Equal(t, "n2's disk had 30 records and has 0", fault.Evidence)
	assert.Equal(t, "n2's disk is lost, and empty afterwards", fault.Description)
}

func TestALostDiskIsRestored(t *testing.T) {
	f := lost(nemesis.RestoreSnapshot)
	f.SnapshotAge = 350 * millisecond
	_, r := written(t, nil, early, f)
	value, err := strconv.Atoi(dumpOf(t, r, "n2"))
	require.NoError(t, err)
	assert.True(t, 12 <= value && value <= 15, "as at 150 ms: %d", value)

	// n3 was cut off from 100 ms on: n2 rebuilt from it has what was written by then.
	f = lost(nemesis.RestoreFrom)
	f.Peer = "n3"
	cut := plan.Fault{Kind: nemesis.Partition, At: 100 * millisecond, Duration: 390 * millisecond,
		Cuts: nemesis.SplitCuts([]string{"n3"}, []string{"n1", "n2", "n4", "n5"})}
	_, r = written(t, nil, early, cut, f)
	assert.Equal(t, dumpOf(t, r, "n3"), dumpOf(t, r, "n2"))
	value, err = strconv.Atoi(dumpOf(t, r, "n2"))
	require.NoError(t, err)
	assert.True(t, 7 <= value && value <= 10, "as at 100 ms: %d", value)
}

// The remedy: a node asks the others before it serves.
func TestALostDiskIsRepairedFirst(t *testing.T) {
	for _, shape := range []string{nemesis.Wipe, nemesis.RestoreFrom} {
		f := lost(shape)
		if shape == nemesis.RestoreFrom {
			f.Peer = "n3"
		}
		_, r := written(t, map[string]string{"rejoin": "repair-first"}, early, f)
		assert.Equal(t, "30", dumpOf(t, r, "n2"))
	}
}

// A node joins, one leaves, and what was written moves along.
func TestOperatorsChangeTheRing(t *testing.T) {
	for _, ring := range []string{"gossip", "epochs"} {
		t.Run(ring, func(t *testing.T) {
			command := func(shape, node, peer string, at plan.Duration) plan.Fault {
				return plan.Fault{Kind: nemesis.Operator, Shape: shape, Targets: []string{node}, Peer: peer, At: at, Duration: 300 * millisecond}
			}
			_, r := written(t, map[string]string{"n": "3", "w": "2", "r": "2", "members": "4", "ring": ring, "gossip-every": "20ms", "heartbeat": "10ms"}, early,
				command(nemesis.Join, "n5", "", 400*millisecond),
				command(nemesis.Leave, "n1", "", 900*millisecond),
				command(nemesis.Join, "n3", "", 1300*millisecond),
				command(nemesis.Compact, "n2", "", 1400*millisecond),
				command(nemesis.Snapshot, "n2", "", 1500*millisecond),
			)
			assert.Equal(t, "n5 has begun", told(t, r.Operations, history.FInject, "f1").Evidence)
			assert.Equal(t, "n5 is normal", told(t, r.Operations, history.FHeal, "f1").Evidence)
			assert.Equal(t, "n1 has begun", told(t, r.Operations, history.FInject, "f2").Evidence)
			assert.Equal(t, "n1 is left", told(t, r.Operations, history.FHeal, "f2").Evidence)
			refused := told(t, r.Operations, history.FInject, "f3")
			assert.Equal(t, "n3 refused: node n3 is normal", refused.Evidence)
			assert.True(t, refused.Verified, "it has answered")
			// All replicas hold the value, those that gained it too; n1 keeps what it no longer answers for.
			homes := map[string]bool{}
			for _, o := range r.Operations {
				if o.F == history.FDump && o.Node != "" && o.Output.Raw() != nil {
					var dump history.Dump
					require.NoError(t, json.Unmarshal(o.Output.Raw(), &dump))
					for _, e := range dump.Entries {
						for _, home := range e.Home {
							homes[home] = true
						}
					}
				}
			}
			require.Len(t, homes, 3, "all know the same ring")
			assert.NotContains(t, homes, "n1")
			for home := range homes {
				assert.Equal(t, "30", dumpOf(t, r, home), home)
			}
		})
	}
}
