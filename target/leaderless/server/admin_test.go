package server_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target/leaderless/server"
)

// admin makes a request of an operator and decodes the answer, of which no member may be unknown.
func (c *cluster) admin(i int, method, path string, into any) int {
	c.t.Helper()
	request, err := http.NewRequest(method, "http://"+c.clients[i]+path, nil)
	require.NoError(c.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(c.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.Less(c.t, response.StatusCode, 300, string(content))
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	decoder.DisallowUnknownFields()
	require.NoError(c.t, decoder.Decode(into), string(content))
	return response.StatusCode
}

func TestTheRingAndWhereKeysAre(t *testing.T) {
	c := newCluster(t, 5, map[string]string{"fsync": "never", "virtual-nodes": "8"})
	var ring server.Ring
	c.admin(0, http.MethodGet, "/admin/ring", &ring)
	require.Len(t, ring.Tokens, 40)
	require.Len(t, ring.Nodes, 5)
	whole := 0.0
	for i, n := range ring.Nodes {
		assert.Equal(t, c.peers[i].Name, n.Node)
		assert.Equal(t, 8, n.Tokens)
		assert.Positive(t, n.Share)
		whole += n.Share
	}
	assert.InDelta(t, 1, whole, 1e-9)
	for i := 1; i < len(ring.Tokens); i++ {
		assert.Less(t, ring.Tokens[i-1].Token, ring.Tokens[i].Token)
	}
	for _, key := range []string{"a", "b", "c/d", "ü"} {
		var p server.Preference
		c.admin(1, http.MethodGet, "/admin/preference/"+key, &p)
		assert.Equal(t, key, p.Key)
		assert.Len(t, p.Home, 3)
		assert.Len(t, p.Then, 2)
		// The first home replica is the owner of the first token at or behind the key.
		owner := ring.Tokens[0].Node
		for _, token := range ring.Tokens {
			if token.Token >= p.Position {
				owner = token.Node
				break
			}
		}
		assert.Equal(t, owner, p.Home[0], key)
		put := c.put(0, key, "v", "")
		require.Equal(t, http.StatusOK, put.status)
		var evidence []string
		for _, r := range put.Evidence.Replicas {
			evidence = append(evidence, r.Node)
		}
		assert.Equal(t, p.Home, evidence, "a put asks just these")
	}
	var p server.Preference
	c.admin(1, http.MethodGet, "/admin/preference/a?n=5", &p)
	assert.Len(t, p.Home, 5)
}

func TestVersionsOnEveryReplica(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"w": "2", "hints": "off", "repair": "blocking", "request-timeout": "300ms"})
	first := c.put(0, "key", "one", "?w=3")
	require.Equal(t, http.StatusOK, first.status)
	versions := func(i int) (v server.Versions) {
		c.admin(i, http.MethodGet, "/admin/versions/key", &v)
		require.Len(t, v.Replicas, 3)
		return v
	}
	v := versions(1)
	assert.True(t, v.Agree)
	for _, r := range v.Replicas {
		assert.True(t, r.Home && r.Answered)
		assert.Equal(t, first.Version, r.Version)
		assert.Equal(t, "one", *r.Value)
	}
	c.kill(2)
	v = versions(1)
	assert.False(t, v.Agree, "one did not answer")
	second := c.put(0, "key", string([]byte{0xff}), "")
	require.Equal(t, http.StatusOK, second.status)
	c.start(2)
	c.connected(1)
	c.eventually("an answer of all", func() bool {
		for _, r := range versions(1).Replicas {
			if !r.Answered {
				return false
			}
		}
		return true
	})
	for range 2 { // asking repairs nothing
		v = versions(1)
		assert.False(t, v.Agree)
		for _, r := range v.Replicas {
			if r.Node == "n3" {
				assert.Equal(t, first.Version, r.Version)
				assert.Equal(t, "one", *r.Value)
			} else {
				assert.Equal(t, second.Version, r.Version)
				assert.Nil(t, r.Value)
				assert.Equal(t, "/w==", r.ValueBase64)
			}
		}
	}
	require.Equal(t, http.StatusOK, c.do(0, http.MethodDelete, "/kv/key?w=3", "").status)
	v = versions(2)
	assert.True(t, v.Agree)
	assert.True(t, v.Replicas[0].Deleted)
}

func TestHintsSiblingsAndTrees(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"w": "2", "fsync": "never", "anti-entropy": "demand", "request-timeout": "200ms", "hint-retry": "50ms"})
	for _, key := range []string{"a", "b", "c"} {
		require.Equal(t, http.StatusOK, c.put(0, key, "v", "?w=3").status)
	}
	var trees [3]server.Trees
	for i := range trees {
		c.admin(i, http.MethodGet, "/admin/trees?leaves", &trees[i])
		require.Len(t, trees[i].Trees, 1, "n is the number of nodes: all keys have the same home replicas")
		tree := trees[i].Trees[0]
		assert.Equal(t, []string{"n1", "n2", "n3"}, tree.Members)
		assert.Equal(t, 3, tree.Keys)
		keys := 0
		for _, leaf := range tree.Leaves {
			keys += leaf.Keys
		}
		assert.Equal(t, 3, keys)
		assert.Len(t, tree.Peers, 2)
		assert.Equal(t, trees[0].Trees[0].Root, tree.Root)
		assert.Equal(t, trees[0].Trees[0].Leaves, tree.Leaves)
	}
	c.kill(2)
	put := c.put(0, "d", "v", "")
	require.Equal(t, http.StatusOK, put.status)
	var hints server.Hints
	c.eventually("a hint", func() bool {
		c.admin(0, http.MethodGet, "/admin/hints", &hints)
		return len(hints.Hints) > 0
	})
	require.Len(t, hints.Hints, 1)
	assert.Positive(t, hints.Hints[0].AgeSeconds)
	hints.Hints[0].AgeSeconds = 0
	assert.Equal(t, []server.HintView{{For: "n3", Key: "d", Version: put.Version}}, hints.Hints)
	assert.Positive(t, hints.OldestSeconds["n3"])
	assert.Positive(t, hints.LackingSeconds["n3"])
	assert.Equal(t, uint64(1), hints.Kept)
	c.start(2)
	c.eventually("its delivery", func() bool {
		hints = server.Hints{}
		c.admin(0, http.MethodGet, "/admin/hints", &hints)
		return hints.Delivered == 1
	})
	assert.Empty(t, hints.Hints)
	assert.Empty(t, hints.LackingSeconds)

	var begun server.Begun
	assert.Equal(t, http.StatusAccepted, c.admin(0, http.MethodPost, "/admin/repair", &begun))
	assert.True(t, begun.Begun)
	c.eventually("the repair's end", func() bool { return c.metrics(0).samples["leaderless_antientropy_repairs_total"] == 1 })
	var after server.Trees
	c.admin(0, http.MethodGet, "/admin/trees", &after)
	for _, p := range after.Trees[0].Peers {
		assert.True(t, p.Equal, "%+v", p)
	}
	assert.Empty(t, after.Trees[0].Leaves)

	var siblings server.Siblings
	c.admin(0, http.MethodGet, "/admin/siblings", &siblings)
	assert.Empty(t, siblings.Keys, "with last write wins no key can have several values")
}

func TestMembersJoinAndLeave(t *testing.T) {
	c := newCluster(t, 4, map[string]string{"n": "3", "members": "3", "ring": "gossip", "gossip-every": "50ms", "fsync": "never"})
	statuses := func(i int) map[string]string {
		var m server.Members
		c.admin(i, http.MethodGet, "/admin/members", &m)
		all := map[string]string{}
		for _, v := range m.Members {
			all[v.Node] = v.Status
		}
		return all
	}
	require.Equal(t, map[string]string{"n1": "normal", "n2": "normal", "n3": "normal", "n4": "spare"}, statuses(0))
	require.Equal(t, http.StatusOK, c.put(3, "key", "through a spare node", "").status)
	var begun server.Begun
	require.Equal(t, http.StatusAccepted, c.admin(3, http.MethodPost, "/admin/join", &begun))
	c.eventually("the ring of four on every node", func() bool {
		for i := range 4 {
			if statuses(i)["n4"] != "normal" {
				return false
			}
		}
		return true
	})
	assert.Equal(t, 1.0, c.metrics(0).samples["leaderless_member_status{node=n4}{status=normal}"])
	var ring server.Ring
	c.admin(1, http.MethodGet, "/admin/ring", &ring)
	assert.Len(t, ring.Nodes, 4)
	require.Equal(t, http.StatusAccepted, c.admin(0, http.MethodPost, "/admin/leave", &begun))
	c.eventually("the ring without n1", func() bool { return statuses(2)["n1"] == "left" })
	ring = server.Ring{}
	c.eventually("its tokens", func() bool {
		ring = server.Ring{}
		c.admin(2, http.MethodGet, "/admin/ring", &ring)
		return len(ring.Nodes) == 3
	})
	for i := 1; i < 4; i++ {
		assert.Equal(t, "through a spare node", c.get(i, "key", "?r=3").Value)
	}
}

// A node is restored from a snapshot that was made while it was written to, and
// holds what was acknowledged before the snapshot and nothing that came later.
func TestSnapshotAndRestore(t *testing.T) {
	c := newCluster(t, 1, map[string]string{"n": "1", "w": "1", "r": "1"})
	require.Equal(t, http.StatusOK, c.put(0, "before", "1", "").status)
	var begun server.Begun
	assert.Equal(t, http.StatusAccepted, c.admin(0, http.MethodPost, "/admin/compact", &begun))
	c.eventually("the compaction", func() bool { return c.metrics(0).samples["leaderless_log_compactions_total"] == 1 })
	require.Equal(t, http.StatusOK, c.put(0, "between", "2", "").status)
	var made server.Snapshot
	c.admin(0, http.MethodPost, "/admin/snapshot?name=monday", &made)
	assert.Equal(t, "monday", made.Name)
	assert.Equal(t, 2, made.Records)
	assert.Positive(t, made.Bytes)
	require.Equal(t, http.StatusOK, c.put(0, "after", "3", "").status)
	again := c.do(0, http.MethodPost, "/admin/snapshot?name=monday", "")
	assert.Equal(t, http.StatusServiceUnavailable, again.status)
	assert.Contains(t, again.Error, "exists already")
	var unnamed server.Snapshot
	c.admin(0, http.MethodPost, "/admin/snapshot", &unnamed)
	assert.Equal(t, "1-1", unnamed.Name)
	var list server.Snapshots
	c.admin(0, http.MethodGet, "/admin/snapshot", &list)
	assert.Equal(t, []server.Snapshot{unnamed, made}, list.Snapshots)
	var removed server.Snapshot
	c.admin(0, http.MethodDelete, "/admin/snapshot?name=1-1", &removed)
	list = server.Snapshots{}
	c.admin(0, http.MethodGet, "/admin/snapshot", &list)
	assert.Equal(t, []server.Snapshot{made}, list.Snapshots)

	// The disk is lost but for the snapshot, which was carried away.
	c.kill(0)
	elsewhere := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(elsewhere, "monday"), os.DirFS(made.Path)))
	require.NoError(t, os.RemoveAll(filepath.Join(c.dir, "n1")))
	restore := filepath.Join(elsewhere, "monday")
	for start := range 2 {
		c.startRestored(0, restore)
		assert.Equal(t, "1", c.get(0, "before", "").Value)
		assert.Equal(t, "2", c.get(0, "between", "").Value)
		assert.Equal(t, start == 1, c.get(0, "after", "").Found, "written again in the first life: the same flags do not take it back")
		require.Equal(t, http.StatusOK, c.put(0, "after", "4", "").status)
		assert.Greater(t, c.status(0).Incarnation, uint32(1<<16), "numbers of lives after the snapshot are skipped")
		c.kill(0)
	}
	assert.True(t, c.logs.contain("the log was restored"))
	assert.True(t, c.logs.contain("left as it is"))

	// A directory with another log is not overwritten.
	require.NoError(t, os.Remove(filepath.Join(c.dir, "n1", "restored")))
	_, err := server.Start(c.config(0, restore))
	require.ErrorContains(t, err, "has a log already")
}

func (c *cluster) config(i int, restore string) server.Config {
	return server.Config{
		Name: c.peers[i].Name, Peers: c.peers, Nodes: listen(c.t, c.peers[i].Address), Clients: listen(c.t, c.clients[i]),
		Data: filepath.Join(c.dir, c.peers[i].Name), Settings: c.settings, Restore: restore,
		Logger: slog.New(slog.NewTextHandler(&c.logs, nil)),
	}
}

func (c *cluster) startRestored(i int, restore string) {
	node, err := server.Start(c.config(i, restore))
	require.NoError(c.t, err)
	c.nodes[i] = node
}
