package server_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

	for _, wrong := range []string{"%%%", "AAAA", now.Context[1:], "A" + now.Context[1:]} {
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
