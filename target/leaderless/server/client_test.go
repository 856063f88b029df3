package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
)

// connect returns the target's own client of a node, as runs on containers use it.
func connect[T any](c *cluster, i int) T {
	c.t.Helper()
	system, err := leaderless.New().Configure(len(c.peers), c.settings)
	require.NoError(c.t, err)
	client, err := system.Connect(c.peers[i].Name, c.clients[i])
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = client.Close() })
	able, ok := client.(T)
	require.True(c.t, ok)
	return able
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Every ability of the client, on nodes with sockets and a log.
func TestTheClientOnRealNodes(t *testing.T) {
	all := func(extra ...string) map[string]string {
		settings := map[string]string{"w": "3", "r": "3", "fsync": "never"}
		for i := 0; i < len(extra); i += 2 {
			settings[extra[i]] = extra[i+1]
		}
		return settings
	}
	t.Run("register", func(t *testing.T) {
		c, ctx := newCluster(t, 3, all("cas", "paxos-v2")), within(t)
		type register interface {
			target.Ordered
			target.Deleter
			target.CompareAndSetter
		}
		a, b := connect[register](c, 0), connect[register](c, 1)
		first, _, err := a.WriteOrdered(ctx, "k", 1)
		require.NoError(t, err)
		second, evidence, err := a.WriteOrdered(ctx, "k", 2)
		require.NoError(t, err)
		assert.Less(t, first, second)
		assert.Equal(t, second, leaderless.ParseOrder(evidence.Version))
		reading, order, err := b.ReadOrdered(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, int64(2), reading.Value)
		assert.Equal(t, second, order)
		_, err = b.Delete(ctx, "k")
		require.NoError(t, err)
		reading, _, err = a.ReadOrdered(ctx, "k")
		require.NoError(t, err)
		assert.False(t, reading.Found)
		old := int64(7)
		for _, step := range []struct {
			old     *int64
			swapped bool
		}{{&old, false}, {nil, true}, {nil, false}, {&old, true}} {
			swap, err := b.CompareAndSet(ctx, "lock", step.old, 7)
			require.NoError(t, err)
			assert.Equal(t, step.swapped, swap.Swapped)
		}
	})
	t.Run("counter", func(t *testing.T) {
		c, ctx := newCluster(t, 3, all("data-type", "counter")), within(t)
		counter := connect[target.Counter](c, 2)
		for range 2 {
			_, err := counter.Add(ctx, "k", 5, 11)
			require.NoError(t, err)
		}
		_, err := counter.Add(ctx, "k", -2, 0)
		require.NoError(t, err)
		reading, err := connect[target.Counter](c, 0).Count(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, int64(3), reading.Value)
	})
	t.Run("set", func(t *testing.T) {
		c, ctx := newCluster(t, 3, all("data-type", "or-set")), within(t)
		set := connect[target.Set](c, 0)
		for element := range int64(3) {
			_, err := set.Insert(ctx, "k", -element)
			require.NoError(t, err)
		}
		elements, err := set.Elements(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, []int64{-2, -1, 0}, elements.Values)
		_, err = set.Remove(ctx, "k", -1, elements.Context)
		require.NoError(t, err)
		elements, err = connect[target.Set](c, 1).Elements(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, []int64{-2, 0}, elements.Values)
	})
	t.Run("row", func(t *testing.T) {
		c, ctx := newCluster(t, 3, all("data-type", "row")), within(t)
		row := connect[target.Row](c, 0)
		_, err := row.WriteRow(ctx, "k", map[string]int64{"x": 4, "y": -4})
		require.NoError(t, err)
		columns, _, err := connect[target.Row](c, 2).ReadRow(ctx, "k")
		require.NoError(t, err)
		assert.Equal(t, map[string]int64{"x": 4, "y": -4}, columns)
	})
	t.Run("versions", func(t *testing.T) {
		c, ctx := newCluster(t, 3, all("resolver", "dotted")), within(t)
		a, b := connect[target.Versioned](c, 0), connect[target.Versioned](c, 1)
		one, err := a.WriteVersion(ctx, "k", []byte("1"), nil)
		require.NoError(t, err)
		assert.NotZero(t, one.Own.Counter)
		two, err := b.WriteVersion(ctx, "k", []byte("2"), nil)
		require.NoError(t, err)
		assert.NotEqual(t, one.Own, two.Own)
		read, err := a.ReadVersions(ctx, "k")
		require.NoError(t, err)
		assert.ElementsMatch(t, [][]byte{[]byte("1"), []byte("2")}, read.Values)
		assert.Contains(t, read.Dots, one.Own)
		assert.Equal(t, one.Own.Counter, read.Counters[one.Own.Node])
		three, err := b.WriteVersion(ctx, "k", []byte("3"), read.Context)
		require.NoError(t, err)
		assert.Equal(t, [][]byte{[]byte("3")}, three.Values)
		_, err = a.DeleteVersion(ctx, "k", three.Context)
		require.NoError(t, err)
		read, err = b.ReadVersions(ctx, "k")
		require.NoError(t, err)
		assert.Empty(t, read.Values)
		_, err = a.WriteVersion(ctx, "k", []byte("4"), []byte("no context"))
		require.ErrorContains(t, err, "context")
		assert.True(t, target.IsDefinite(err))
	})
}
