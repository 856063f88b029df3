package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target/leaderless/server"
)

// Data types, as a user with curl sees them.

func TestCountersOverHTTP(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"data-type": "counter", "fsync": "never"})
	for _, query := range []string{"", "?by=5", "?by=-2", "?by=10&id=77", "?by=10&id=77"} {
		r := c.do(0, http.MethodPost, "/kv/visits/add"+query, "")
		require.Equal(t, http.StatusOK, r.status, r.text)
	}
	get := c.get(1, "visits", "")
	assert.True(t, get.Found)
	assert.Equal(t, "14", get.Value, "the addition with an id counts once")
	assert.Equal(t, http.StatusBadRequest, c.put(0, "visits", "3", "").status)
}

func TestSetsOverHTTP(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"data-type": "or-set", "fsync": "never"})
	for _, element := range []string{"milk", "eggs", `"quoted"`} {
		r := c.do(0, http.MethodPost, "/kv/cart/insert", element)
		require.Equal(t, http.StatusOK, r.status, r.text)
	}
	get := c.get(1, "cart", "")
	var elements []string
	require.NoError(t, json.Unmarshal([]byte(get.Value), &elements))
	assert.ElementsMatch(t, []string{"milk", "eggs", `"quoted"`}, elements)
	require.NotEmpty(t, get.Context)
	assert.Equal(t, get.Context, get.header.Get("X-Causal-Context"))
	// What was inserted after the read is not removed by who has not seen it.
	require.Equal(t, http.StatusOK, c.do(2, http.MethodPost, "/kv/cart/insert", "milk").status)
	r := c.doWith(0, http.MethodPost, "/kv/cart/remove", "milk", get.Context)
	require.Equal(t, http.StatusOK, r.status, r.text)
	assert.Contains(t, c.get(1, "cart", "?r=3").Value, "milk")
	now := c.get(1, "cart", "?r=3")
	require.Equal(t, http.StatusOK, c.doWith(0, http.MethodPost, "/kv/cart/remove", "milk", now.Context).status)
	assert.NotContains(t, c.get(1, "cart", "?r=3").Value, "milk")

	for _, wrong := range []string{"%%%", "AAAA", now.Context[4:], "zzzz" + now.Context[4:]} {
		r := c.doWith(0, http.MethodPost, "/kv/cart/remove", "milk", wrong)
		assert.Equal(t, http.StatusBadRequest, r.status, "%q: %s", wrong, r.text)
		assert.Contains(t, r.Error, "ontext")
	}
	assert.Equal(t, http.StatusBadRequest, c.doWith(0, http.MethodGet, "/kv/cart", "", now.Context).status)
}

func TestMapsOverHTTP(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"data-type": "map", "fsync": "never"})
	for _, post := range [][2]string{{"assign?field=name", "Ann"}, {"add?field=visits&by=3", ""}, {"insert?field=tags", "new"}} {
		r := c.do(0, http.MethodPost, "/kv/user/"+post[0], post[1])
		require.Equal(t, http.StatusOK, r.status, r.text)
	}
	get := c.get(1, "user", "")
	assert.Contains(t, get.Value, "Ann")
	assert.Contains(t, get.Value, "3")
	assert.Contains(t, get.Value, "new")
	require.Equal(t, http.StatusOK, c.doWith(0, http.MethodPost, "/kv/user/drop?field=name", "", get.Context).status)
	assert.NotContains(t, c.get(1, "user", "?r=3").Value, "Ann")
	assert.Equal(t, http.StatusBadRequest, c.do(0, http.MethodPost, "/kv/user/add", "").status, "a member must be named")
}

func TestRowsOverHTTP(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"data-type": "row", "fsync": "never"})
	r := c.do(0, http.MethodPost, "/kv/row/columns", `{"x": "1", "y": -1}`)
	require.Equal(t, http.StatusOK, r.status, r.text)
	require.Equal(t, http.StatusOK, c.do(1, http.MethodPost, "/kv/row/columns", `{"y": 2}`).status)
	assert.JSONEq(t, `{"x":"1","y":"2"}`, c.get(2, "row", "").Value)
	require.Equal(t, http.StatusOK, c.do(1, http.MethodDelete, "/kv/row", "").status)
	assert.False(t, c.get(2, "row", "").Found)
}

// Two shoppers with one cart (DDIA Fig. 5-13), by hand: blind writes stand side
// by side until somebody writes what takes the place of both.
func TestSiblingsOverHTTP(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"resolver": "dotted", "fsync": "never", "r": "3", "w": "3"})
	first := c.put(0, "cart", "milk", "")
	require.Equal(t, http.StatusOK, first.status, first.text)
	require.NotEmpty(t, first.Context)
	assert.Equal(t, first.Context, first.header.Get("X-Causal-Context"))
	second := c.put(1, "cart", "eggs", "")
	require.Equal(t, http.StatusOK, second.status, second.text)
	get := c.get(2, "cart", "")
	require.Len(t, get.Siblings, 2, get.text)
	assert.True(t, get.Found)
	assert.NotContains(t, get.text[:strings.Index(get.text, `"siblings"`)], `"value"`, "there is no single value")
	dots := map[string]bool{}
	for _, s := range get.Siblings {
		assert.Contains(t, []string{"milk", "eggs"}, s.Value)
		assert.Regexp(t, `^n[1-3](/\d+\.\d+)?:\d+$`, s.Dot)
		dots[s.Dot] = true
	}
	assert.Len(t, dots, 2)
	var siblings server.Siblings
	c.admin(0, http.MethodGet, "/admin/siblings", &siblings)
	assert.Equal(t, map[string]int{"2": 1}, siblings.Keys)
	assert.Equal(t, []server.SiblingsOf{{Key: "cart", Siblings: 2}}, siblings.Most)
	assert.Equal(t, 1.0, c.metrics(0).samples["leaderless_sibling_keys{siblings=2}"])
	var versions server.Versions
	c.admin(0, http.MethodGet, "/admin/versions/cart", &versions)
	assert.True(t, versions.Agree)
	assert.Len(t, versions.Replicas[0].Siblings, 2)

	merged := c.doWith(2, http.MethodPut, "/kv/cart", "milk, eggs", get.Context)
	require.Equal(t, http.StatusOK, merged.status, merged.text)
	get = c.get(0, "cart", "")
	require.Len(t, get.Siblings, 1)
	assert.Equal(t, "milk, eggs", get.Value)
	// The first shopper still has the old context: what has been seen is replaced, what has not stays.
	late := c.doWith(1, http.MethodPut, "/kv/cart", "flour", first.Context)
	require.Equal(t, http.StatusOK, late.status, late.text)
	assert.Len(t, c.get(0, "cart", "").Siblings, 2)
	get = c.get(0, "cart", "")
	require.Equal(t, http.StatusOK, c.doWith(0, http.MethodDelete, "/kv/cart", "", get.Context).status)
	assert.False(t, c.get(1, "cart", "").Found)

	var dump = c.dump(0)
	require.Len(t, dump.Entries, 1)

	for name, wrong := range map[string]string{"cut": get.Context[:len(get.Context)-4], "altered": "AAAA" + get.Context[4:], "no base64": "!"} {
		r := c.doWith(0, http.MethodPut, "/kv/cart", "x", wrong)
		assert.Equal(t, http.StatusBadRequest, r.status, "%s: %s", name, r.text)
		assert.True(t, *r.Definite)
	}
	assert.False(t, c.get(1, "cart", "").Found, "a write with a broken context was not made")
	twice, err := http.NewRequest(http.MethodPut, "http://"+c.clients[0]+"/kv/cart", strings.NewReader("x"))
	require.NoError(t, err)
	twice.Header["X-Causal-Context"] = []string{get.Context, get.Context}
	response, err := http.DefaultClient.Do(twice)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
}

func TestCompareAndSetOverHTTP(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"cas": "paxos-v2", "fsync": "never"})
	swap := func(node int, query, value string) reply {
		r := c.put(node, "lock", value, query)
		require.Equal(t, http.StatusOK, r.status, r.text)
		require.NotNil(t, r.Applied, r.text)
		return r
	}
	assert.True(t, *swap(0, "?if-absent", "ann").Applied)
	refused := swap(1, "?if-absent", "bob")
	assert.False(t, *refused.Applied)
	assert.True(t, refused.Found)
	assert.Equal(t, "ann", refused.Value)
	assert.False(t, *swap(1, "?if-value=bob", "bob").Applied)
	assert.True(t, *swap(2, "?if-value=ann", "bob").Applied)
	assert.Equal(t, "bob", c.get(0, "lock", "?level=serial").Value)
	assert.True(t, *swap(0, "?if-anything=true", "with space & ampersand").Applied)
	assert.True(t, *swap(0, "?if-value=with%20space+%26%20ampersand", "eve").Applied)
	gone := c.do(1, http.MethodDelete, "/kv/lock?if-value=bob", "")
	require.Equal(t, http.StatusOK, gone.status, gone.text)
	assert.False(t, *gone.Applied)
	gone = c.do(1, http.MethodDelete, "/kv/lock?if-value=eve", "")
	require.Equal(t, http.StatusOK, gone.status, gone.text)
	assert.True(t, *gone.Applied)
	assert.False(t, c.get(0, "lock", "?level=serial").Found)
	absent := swap(2, "?if-value=eve", "x")
	assert.False(t, *absent.Applied)
	assert.False(t, absent.Found)
	s := c.metrics(1)
	assert.Equal(t, 4.0, s.samples["leaderless_requests_total{kind=compare-and-set}{outcome=ok}"])
	assert.Equal(t, 3.0, s.samples["leaderless_compare_and_set_not_applied_total"])
}

func TestLevelsOverHTTP(t *testing.T) {
	c := newCluster(t, 4, map[string]string{"n": "3", "fsync": "never"})
	for level, required := range map[string]int{"one": 1, "two": 2, "three": 3, "quorum": 2, "all": 3, "local-one": 1, "local-quorum": 2, "each-quorum": 2} {
		put := c.put(0, "key", "v", "?level="+level)
		require.Equal(t, http.StatusOK, put.status, put.text)
		assert.Equal(t, required, put.Evidence.Required, level)
	}
}

func TestPrimariesOverHTTP(t *testing.T) {
	c := newCluster(t, 4, map[string]string{"n": "3", "request-timeout": "300ms", "sloppy": "on", "stand-in-after": "50ms"})
	require.Equal(t, http.StatusOK, c.put(0, "key", "v", "?pw=3&dw=3").status)
	require.Equal(t, http.StatusOK, c.get(0, "key", "?pr=3").status)
	var p server.Preference
	c.admin(0, http.MethodGet, "/admin/preference/key", &p)
	down, other := -1, -1
	for i := range c.peers {
		switch c.peers[i].Name {
		case p.Home[2]:
			down = i
		case p.Home[0]:
			other = i
		}
	}
	c.kill(down)
	// A stand-in is enough for a sloppy quorum of three, but it is no primary.
	c.eventually("a sloppy quorum", func() bool { return c.put(other, "key", "w", "?w=3").status == http.StatusOK })
	put := c.put(other, "key", "x", "?w=2&pw=3")
	assert.NotEqual(t, http.StatusOK, put.status, put.text)
	assert.NotEqual(t, http.StatusOK, c.get(other, "key", "?pr=3").status)
	assert.Equal(t, http.StatusOK, c.get(other, "key", "?pr=2").status)
}
