package leaderless_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// Real nodes hand requests on to home replicas; clients with routing=client
// ask these themselves. In every case a home replica coordinates.
func TestHomeReplicasCoordinate(t *testing.T) {
	for _, routing := range []string{"replica", "client"} {
		t.Run(routing, func(t *testing.T) {
			p := startProcesses(t, 4, map[string]string{"n": "2", "w": "2", "r": "2", "routing": routing})
			p.meet()
			var names []string
			var clients []target.Register
			for i := range 4 {
				names = append(names, fmt.Sprintf("n%d", i+1))
				clients = append(clients, p.register(i))
			}
			ring := core.NewRing(names, 16)
			ctx := within(t, 20*time.Second)
			for k := range 12 {
				key := fmt.Sprintf("key%d", k)
				for i, client := range clients {
					evidence, err := client.Write(ctx, key, int64(10*k+i))
					require.NoError(t, err)
					var homes []string
					for _, home := range ring.PreferenceList(key, 2) {
						homes = append(homes, names[home])
					}
					require.Contains(t, homes, evidence.Coordinator)
					require.Len(t, evidence.Replicas, 2)
					reading, err := clients[(i+1)%4].Read(ctx, key)
					require.NoError(t, err)
					assert.Equal(t, int64(10*k+i), reading.Value)
					require.Contains(t, homes, reading.Evidence.Coordinator)
				}
			}
		})
	}
}

// Two data centres of real nodes: what a level counted is in its evidence.
func TestLevelsOfRealNodes(t *testing.T) {
	p := startProcesses(t, 4, map[string]string{"n": "2", "datacenters": "2", "write-level": "each-quorum", "read-level": "local-quorum"})
	p.meet()
	ctx := within(t, 20*time.Second)
	evidence, err := p.register(0).Write(ctx, "k", 5)
	require.NoError(t, err)
	assert.Equal(t, 4, evidence.Required)
	assert.Equal(t, "each-quorum", evidence.Level)
	reading, err := p.register(3).Read(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, int64(5), reading.Value)
	assert.Equal(t, 2, reading.Evidence.Required)
	for _, r := range reading.Evidence.Replicas {
		assert.Equal(t, r.Datacenter == "dc2", r.Counted, "%+v", r)
	}
}
