package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target/leaderless/server"
)

// Whatever mechanism writes records of its own: after its log was compacted and
// it was killed, a node holds what it held, and goes on as if nothing had been.
func TestCompactionKeepsEveryKindOfRecord(t *testing.T) {
	type step func(c *cluster)
	request := func(method, path, body string) step {
		return func(c *cluster) {
			r := c.do(0, method, path, body)
			require.Equal(c.t, http.StatusOK, r.status, "%s %s: %s", method, path, r.text)
		}
	}
	for name, test := range map[string]struct {
		settings map[string]string
		nodes    int
		before   []step
		after    func(t *testing.T, c *cluster)
	}{
		"cells and tombstones": {
			before: []step{request("PUT", "/kv/a?w=3", "1"), request("PUT", "/kv/b?w=3", "2"), request("DELETE", "/kv/a?w=3", "")},
			after: func(t *testing.T, c *cluster) {
				assert.False(t, c.get(1, "a", "").Found)
				assert.Equal(t, "2", c.get(1, "b", "").Value)
			},
		},
		"hints": {
			settings: map[string]string{"request-timeout": "200ms"},
			before: []step{
				func(c *cluster) { c.kill(2) }, request("PUT", "/kv/a?w=2", "missed"),
				func(c *cluster) { c.eventually("a hint", func() bool { return c.status(0).Pending.Hints == 1 }) },
			},
			after: func(t *testing.T, c *cluster) {
				c.eventually("its delivery", func() bool { return len(c.dump(2).Entries) == 1 })
			},
		},
		"purged tombstones": {
			settings: map[string]string{"deletes": "tombstone", "gc-grace": "50ms"},
			before: []step{
				request("PUT", "/kv/a?w=3", "1"), request("DELETE", "/kv/a?w=3", ""), request("PUT", "/kv/b?w=3", "2"),
				func(c *cluster) { c.eventually("the purge", func() bool { return len(c.dump(0).Entries) == 1 }) },
			},
			after: func(t *testing.T, c *cluster) { assert.False(t, c.get(0, "a", "?r=1").Found) },
		},
		"siblings and epochs": {
			settings: map[string]string{"resolver": "dotted", "actor-epochs": "on"},
			before:   []step{request("PUT", "/kv/a?w=3", "1"), request("PUT", "/kv/a?w=3", "2"), request("PUT", "/kv/b?w=3", "3")},
			after: func(t *testing.T, c *cluster) {
				get := c.get(1, "a", "?r=3")
				require.Len(t, get.Siblings, 2)
				r := c.doWith(1, http.MethodPut, "/kv/a?w=3", "both", get.Context)
				require.Equal(t, http.StatusOK, r.status, r.text)
				assert.Len(t, c.get(0, "a", "?r=3").Siblings, 1)
			},
		},
		"counters": {
			settings: map[string]string{"data-type": "counter"},
			before:   []step{request("POST", "/kv/a/add?by=3&id=9&w=3", ""), request("POST", "/kv/a/add?by=4&w=3", "")},
			after: func(t *testing.T, c *cluster) {
				r := c.do(0, http.MethodPost, "/kv/a/add?by=3&id=9&w=3", "")
				require.Equal(t, http.StatusOK, r.status, r.text)
				assert.Equal(t, "7", c.get(1, "a", "?r=3").Value, "and the operation is still known to be done")
			},
		},
		"sets": {
			settings: map[string]string{"data-type": "or-set"},
			before:   []step{request("POST", "/kv/a/insert?w=3", "x"), request("POST", "/kv/a/insert?w=3", "y"), request("POST", "/kv/a/remove?w=3", "x")},
			after:    func(t *testing.T, c *cluster) { assert.Equal(t, `["y"]`, c.get(1, "a", "?r=3").Value) },
		},
		"rows": {
			settings: map[string]string{"data-type": "row"},
			before:   []step{request("POST", "/kv/a/columns?w=3", `{"x":"1","y":"2"}`), request("POST", "/kv/a/columns?w=3", `{"x":"3"}`)},
			after:    func(t *testing.T, c *cluster) { assert.JSONEq(t, `{"x":"3","y":"2"}`, c.get(1, "a", "?r=3").Value) },
		},
		"promises and proposals": {
			settings: map[string]string{"cas": "paxos-v2"},
			before:   []step{request("PUT", "/kv/a?if-absent", "1"), request("PUT", "/kv/a?if-value=1", "2")},
			after: func(t *testing.T, c *cluster) {
				r := c.put(1, "a", "3", "?if-value=1")
				require.Equal(t, http.StatusOK, r.status, r.text)
				assert.False(t, *r.Applied)
				assert.Equal(t, "2", r.Value)
				assert.True(t, *c.put(2, "a", "3", "?if-value=2").Applied)
			},
		},
		"members": {
			settings: map[string]string{"members": "3", "ring": "gossip", "gossip-every": "50ms"},
			nodes:    4,
			before: []step{request("PUT", "/kv/a?w=3", "1"), func(c *cluster) {
				var begun server.Begun
				c.admin(3, http.MethodPost, "/admin/join", &begun)
				c.eventually("the ring of four", func() bool {
					var ring server.Ring
					c.admin(0, http.MethodGet, "/admin/ring", &ring)
					return len(ring.Nodes) == 4 && c.status(3).Quiet
				})
			}},
			after: func(t *testing.T, c *cluster) {
				var ring server.Ring
				c.admin(0, http.MethodGet, "/admin/ring", &ring)
				assert.Len(t, ring.Nodes, 4)
				assert.Equal(t, "1", c.get(0, "a", "").Value)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{"fsync": "never", "repair": "off"}
			for k, v := range test.settings {
				settings[k] = v
			}
			c := newCluster(t, max(test.nodes, 3), settings)
			for _, s := range test.before {
				s(c)
			}
			var dumps []history.Dump
			for i := range c.nodes {
				if c.nodes[i] == nil {
					dumps = append(dumps, history.Dump{})
					continue
				}
				compactions := c.metrics(i).samples["leaderless_log_compactions_total"]
				var begun server.Begun
				c.admin(i, http.MethodPost, "/admin/compact", &begun)
				c.eventually("the compaction", func() bool { return c.metrics(i).samples["leaderless_log_compactions_total"] > compactions })
				dumps = append(dumps, c.dump(i))
			}
			compacted := 0
			for i := range c.nodes {
				if c.nodes[i] == nil {
					continue
				}
				c.kill(i)
				c.start(i)
				compacted++
				dump := c.dump(i)
				assert.Equal(t, dumps[i].Entries, dump.Entries, "n%d", i+1)
				assert.Equal(t, dumps[i].Hints, dump.Hints, "n%d", i+1)
			}
			require.Positive(t, compacted)
			for i := range c.nodes {
				if c.nodes[i] == nil {
					c.start(i)
				}
			}
			for i := range c.nodes {
				c.connected(i)
			}
			c.eventually("a node that knows that the others are up", func() bool {
				return c.do(0, http.MethodGet, fmt.Sprintf("/kv/%s?r=3", "unused"), "").status == http.StatusOK
			})
			test.after(t, c)
		})
	}
}
