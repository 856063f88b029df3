package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target/leaderless/server"
)

func TestPutGetDeleteThroughAnyNode(t *testing.T) {
	c := newCluster(t, 5, map[string]string{"n": "3", "w": "2", "r": "2", "fsync": "never"})
	for i := range c.nodes {
		key := fmt.Sprintf("key%d", i)
		put := c.put(i, key, "value\n\"1\" ü", "")
		require.Equal(t, http.StatusOK, put.status, put.text)
		require.NotEmpty(t, put.Version)
		for j := range c.nodes {
			get := c.get(j, key, "")
			require.Equal(t, http.StatusOK, get.status, get.text)
			assert.True(t, get.Found)
			assert.Equal(t, "value\n\"1\" ü", get.Value)
			assert.Equal(t, put.Version, get.Version)
		}
		deleted := c.do(i, http.MethodDelete, "/kv/"+key, "")
		require.Equal(t, http.StatusOK, deleted.status, deleted.text)
		get := c.get((i+1)%5, key, "?r=3")
		assert.False(t, get.Found)
		assert.Equal(t, http.StatusOK, get.status)
	}
	binary := c.put(0, "a/b c", string([]byte{0, 0xff, 0xfe}), "")
	require.Equal(t, http.StatusOK, binary.status, binary.text)
	assert.Equal(t, "AP/+", c.get(1, "a/b%20c", "").Base64)
}

func TestEvidenceHasTheFormOfTheHistory(t *testing.T) {
	c := newCluster(t, 5, map[string]string{"n": "3", "fsync": "never"})
	put := c.put(0, "key", "1", "?w=3")
	require.Equal(t, http.StatusOK, put.status, put.text)
	get := c.get(4, "key", "?r=3")
	require.Equal(t, http.StatusOK, get.status, get.text)
	home := c.status(0).PreferenceList
	require.Len(t, home, 3)
	for r, want := range map[*reply]struct{ coordinator, phase string }{&put: {"n1", "write"}, &get: {"n5", "read"}} {
		var strict struct{ Evidence history.Evidence }
		at := strings.Index(r.text, `{"coordinator"`)
		decoder := json.NewDecoder(strings.NewReader(`{"evidence":` + r.text[at:]))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&strict), r.text)
		e := strict.Evidence
		assert.Equal(t, want.coordinator, e.Coordinator)
		assert.Equal(t, []string{want.phase}, e.Phases)
		assert.Equal(t, 3, e.Required)
		assert.Equal(t, put.Version, e.Version)
		var nodes []string
		for _, replica := range e.Replicas {
			nodes = append(nodes, replica.Node)
			assert.True(t, replica.Answered && replica.Counted, r.text)
		}
		assert.Equal(t, home, nodes)
	}
	for _, replica := range get.Evidence.Replicas {
		assert.Equal(t, put.Version, replica.Version)
	}
}

func TestWrongRequestsAreDefiniteErrors(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"fsync": "never"})
	for _, test := range []struct {
		method, path, body string
		status             int
		message            string
	}{
		{"GET", "/kv/", "", 400, "the key is empty"},
		{"GET", "/kv/k?r=4", "", 400, "r=4 > n=3"},
		{"PUT", "/kv/k?w=4", "1", 400, "w=4 > n=3"},
		{"PUT", "/kv/k?n=4", "1", 400, "n=4 > 3 nodes"},
		{"PUT", "/kv/k?w=0", "1", 400, "w=0: want 1…"},
		{"PUT", "/kv/k?w=two", "1", 400, "w=two: want 1…"},
		{"PUT", "/kv/k?w=1&w=2", "1", 400, "w is given 2 times"},
		{"PUT", "/kv/k?quorum=1", "1", 400, `unknown parameter "quorum": known are n, r, w, pr, pw, dw, level, timestamp, if-value, if-absent, if-anything, by, id, field`},
		{"PUT", "/kv/k?timestamp=5", "1", 400, "timestamps=client"},
		{"GET", "/kv/k?timestamp=5", "", 400, "timestamp=5"},
		{"PUT", "/kv/k?%zz", "1", 400, "the query"},
		{"GET", "/kv/" + strings.Repeat("k", 5000), "", 400, "a key of 5000 bytes"},
		{"PUT", "/kv/k", strings.Repeat("v", 1<<20+1), 413, "a value of 1048577 bytes"},
		{"PATCH", "/kv/k", "1", 405, "want GET, PUT, DELETE or POST"},
		{"POST", "/kv/k", "1", 400, "with one of the operations add, insert"},
		{"POST", "/kv/k/double", "1", 400, `no operation "double": known are add, insert`},
		{"POST", "/kv//add", "", 400, "the key is empty"},
		{"POST", "/kv/k/add", "5", 400, "a body, which this operation has no use for"},
		{"POST", "/kv/k/add?by=x", "", 400, "by=x: want a whole number"},
		{"POST", "/kv/k/add?id=0", "", 400, "id=0: want a number"},
		{"POST", "/kv/k/insert?by=1", "1", 400, "with the operation add only"},
		{"POST", "/kv/k/columns", "[]", 400, "the columns: no JSON object"},
		{"POST", "/kv/k/columns", `{"x":1,"x":2}`, 400, `column "x" comes twice`},
		{"POST", "/kv/k/columns", `{"x":[]}`, 400, `column "x" is neither a text nor a number`},
		{"POST", "/kv/k/add?if-absent", "", 400, "want it with PUT or DELETE only"},
		{"POST", "/kv/k/add", "", 400, "set data-type"},
		{"PUT", "/kv/k?field=x", "1", 400, "with POST only"},
		{"PUT", "/kv/k?if-absent=no", "1", 400, "want it without a value, or true"},
		{"PUT", "/kv/k?if-absent&if-value=1", "1", 400, "there is another condition already"},
		{"PUT", "/kv/k?if-value=1", "1", 400, "cas=off"},
		{"GET", "/kv/k?if-absent", "", 400, "want it with PUT or DELETE only"},
		{"GET", "/kv/k?level=most", "", 400, "level=most: want a consistency level"},
		{"PUT", "/admin/dump", "1", 405, "want GET"},
		{"GET", "/admin/repair", "", 405, "want POST"},
		{"GET", "/admin/dump/more", "", 404, "no such path"},
		{"GET", "/admin/versions/", "", 400, "want /admin/versions/KEY"},
		{"GET", "/admin/versions", "", 404, "no such path"},
		{"GET", "/admin/dump?key=k", "", 400, `unknown parameter "key": known are []`},
		{"GET", "/admin/status?key=k&key=l", "", 400, "key is given 2 times"},
		{"GET", "/admin/preference/k?n=0", "", 400, "n=0: want 1…255"},
		{"GET", "/admin/siblings?limit=-1", "", 400, "limit=-1: want 0…10000"},
		{"GET", "/admin/trees?leaves=no", "", 400, "leaves=no: want"},
		{"POST", "/admin/replace?node=n9", "", 400, "node=n9: want the name of the node whose place this one takes, one of n1, n2, n3"},
		{"POST", "/admin/repair", "", 400, "anti-entropy=off"},
		{"POST", "/admin/snapshot?name=../x", "", 400, "name=../x: want 1…64 letters"},
		{"DELETE", "/admin/snapshot?name=none", "", 404, "no snapshot none"},
		{"POST", "/metrics", "", 405, "want GET"},
		{"GET", "/", "", 404, "no such path"},
	} {
		r := c.do(0, test.method, test.path, test.body)
		assert.Equal(t, test.status, r.status, "%s %s: %s", test.method, test.path, r.text)
		assert.Contains(t, r.Error, test.message, test.path)
		assert.NotEmpty(t, r.Code, test.path)
		if assert.NotNil(t, r.Definite, test.path) {
			assert.True(t, *r.Definite, test.path)
		}
		assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	}
	assert.Empty(t, c.dump(0).Entries, "nothing was written")
}

// Raw bytes on the wire, as a program without an HTTP library would send them:
// two requests in one packet, a chunked value, and a request that is cut.
func TestRawHTTP(t *testing.T) {
	c := newCluster(t, 1, map[string]string{"n": "1", "w": "1", "r": "1", "fsync": "never"})
	conn, err := net.Dial("tcp", c.clients[0])
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = conn.Write([]byte("PUT /kv/x HTTP/1.1\r\nHost: n1\r\nContent-Length: 2\r\n\r\n17GET /kv/x HTTP/1.1\r\nHost: n1\r\n\r\n" +
		"PUT /kv/y HTTP/1.1\r\nHost: n1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"))
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	for _, want := range []string{`{"version":"`, `{"found":true,"value":"17",`, `{"version":"`} {
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, 200, response.StatusCode)
		assert.True(t, strings.HasPrefix(string(body), want), string(body))
	}
	assert.Equal(t, "abcd", c.get(0, "y", "").Value)

	cut, err := net.Dial("tcp", c.clients[0])
	require.NoError(t, err)
	_, err = cut.Write([]byte("PUT /kv/cut HTTP/1.1\r\nHost: n1\r\nContent-Length: 10\r\n\r\n12345"))
	require.NoError(t, err)
	require.NoError(t, cut.(*net.TCPConn).CloseWrite())
	_, err = bufio.NewReader(cut).ReadString('\n')
	require.NoError(t, err, "it is answered")
	require.NoError(t, cut.Close())
	assert.False(t, c.get(0, "cut", "").Found, "half a request must not be acted upon")
}

func TestQuorumsWithStoppedNodes(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"fsync": "never", "request-timeout": "300ms", "suspect-after": "600ms", "repair": "off"})
	require.Equal(t, 200, c.put(0, "key", "1", "?w=3").status)
	c.kill(2)

	// Not suspected yet: the coordinator tries, and can't know.
	failed := c.put(0, "key", "2", "?w=3")
	assert.Equal(t, http.StatusGatewayTimeout, failed.status, failed.text)
	assert.Equal(t, "timeout", failed.Code)
	require.NotNil(t, failed.Definite)
	assert.False(t, *failed.Definite)
	require.NotNil(t, failed.Evidence)
	assert.Equal(t, []string{"n3"}, failed.Evidence.Hints)
	assert.Equal(t, "2", c.get(1, "key", "").Value, "it was done all the same, on the two that are up")

	require.Equal(t, 200, c.put(1, "key", "3", "?w=2").status)
	assert.Equal(t, "3", c.get(0, "key", "?r=2").Value)
	c.eventually("suspicion", func() bool { return slices.Contains(c.status(0).Suspected, "n3") })
	for _, r := range []reply{c.put(0, "key", "4", "?w=3"), c.get(0, "key", "?r=3")} {
		assert.Equal(t, http.StatusServiceUnavailable, r.status, r.text)
		assert.Equal(t, "unavailable", r.Code)
		require.NotNil(t, r.Definite)
		assert.True(t, *r.Definite)
	}
	assert.Equal(t, "3", c.get(0, "key", "").Value, "a definite error has no effect")
}

func TestHintsAreDeliveredWhenANodeComesBack(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"fsync": "never", "repair": "off", "hint-retry": "50ms"})
	c.kill(2)
	for i := range 20 {
		require.Equal(t, 200, c.put(i%2, fmt.Sprintf("key%02d", i), strconv.Itoa(i), "").status)
	}
	c.eventually("hints", func() bool { return c.status(0).Pending.Hints+c.status(1).Pending.Hints == 20 })
	status := c.status(0)
	assert.False(t, status.Quiet)
	assert.Equal(t, fmt.Sprintf("%d hints", status.Pending.Hints), status.Pending.Description)

	c.start(2)
	c.eventually("quiet", func() bool { return c.status(0).Quiet && c.status(1).Quiet && c.status(2).Quiet })
	dumps := []history.Dump{c.dump(0), c.dump(1), c.dump(2)}
	require.Len(t, dumps[2].Entries, 20)
	assert.Equal(t, []history.DumpHint{}, dumps[0].Hints, "told, and none")
	assert.Equal(t, dumps[0], dumps[1])
	assert.Equal(t, dumps[0], dumps[2])
	assert.Equal(t, "nothing", c.status(0).Pending.Description)
}

// A node that is killed has the hints it kept if it logs them, and else not.
func TestHintsAndAKill(t *testing.T) {
	for _, test := range []struct {
		log  string
		kept int
	}{{"on", 5}, {"off", 0}} {
		t.Run("hint-log="+test.log, func(t *testing.T) {
			c := newCluster(t, 3, map[string]string{"fsync": "never", "hint-log": test.log})
			c.kill(2)
			for i := range 5 {
				require.Equal(t, 200, c.put(0, fmt.Sprintf("key%d", i), "1", "").status)
			}
			c.eventually("hints", func() bool { return c.status(0).Pending.Hints == 5 })
			c.kill(0)
			c.start(0)
			assert.Equal(t, test.kept, c.status(0).Pending.Hints)
			assert.Len(t, c.dump(0).Entries, 5, "its own cells are logged as ever")
		})
	}
}

// Every fsync mode survives a kill of all nodes with everything that was
// acknowledged; the planted acknowledgement before the log does not.
func TestKillAllAndRestart(t *testing.T) {
	for _, test := range []struct {
		fsync, acknowledge string
		kept               bool
	}{
		{"always", "after-log", true}, {"always", "superseded-early", true}, {"50ms", "after-log", true}, {"never", "after-log", true},
		{"always", "before-log", false}, {"never", "before-log", false},
	} {
		t.Run(test.fsync+" "+test.acknowledge, func(t *testing.T) {
			c := newCluster(t, 3, map[string]string{"fsync": test.fsync, "acknowledge": test.acknowledge, "w": "3"})
			const count = 10
			for i := range count {
				require.Equal(t, 200, c.put(i%3, fmt.Sprintf("key%d", i), strconv.Itoa(i), "").status)
			}
			for i := range c.nodes {
				c.kill(i)
			}
			for i := range c.nodes {
				c.start(i)
			}
			found := 0
			for i := range c.nodes {
				assert.Equal(t, uint32(2), c.status(i).Incarnation)
				found += len(c.dump(i).Entries)
			}
			if test.kept {
				assert.Equal(t, 3*count, found)
			} else {
				assert.Less(t, found, 3*count, "the planted bug is invisible")
			}
		})
	}
}

func TestCompactionKeepsTheState(t *testing.T) {
	c := startCluster(t, 1, map[string]string{"n": "1", "w": "1", "r": "1", "fsync": "never"}, 20_000)
	for i := range 2000 {
		require.Equal(t, 200, c.put(0, fmt.Sprintf("key%d", i%50), strconv.Itoa(i), "").status)
	}
	c.eventually("a compaction", func() bool { return c.status(0).Log.Compactions > 0 })
	before := c.dump(0)
	require.Len(t, before.Entries, 50)
	c.kill(0)
	c.start(0)
	assert.Equal(t, before, c.dump(0))
	assert.Less(t, c.status(0).Recovered.Records, 2000, "the snapshot stands for many records")
}

func TestManyClientsAtOnce(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"fsync": "always"})
	var group sync.WaitGroup
	for client := range 12 {
		group.Go(func() {
			for i := range 25 {
				key, value := fmt.Sprintf("key%d", client), strconv.Itoa(i)
				if r := c.put(client%3, key, value, ""); !assert.Equal(t, 200, r.status, r.text) {
					return
				}
				if r := c.get((client+1)%3, key, ""); !assert.Equal(t, value, r.Value, r.text) {
					return
				}
			}
		})
	}
	group.Wait()
	status := c.status(0)
	assert.Less(t, status.Log.Syncs, status.Log.Records, "appends share fsyncs")
}

func TestStatusTellsTheNode(t *testing.T) {
	before := time.Now().UnixNano()
	c := newCluster(t, 3, map[string]string{"fsync": "never", "w": "3"})
	status := c.status(1)
	after := time.Now().UnixNano()
	assert.Equal(t, "n2", status.Node)
	assert.Equal(t, uint32(1), status.Incarnation)
	assert.True(t, before <= status.WallNanoseconds && status.WallNanoseconds <= after)
	assert.Positive(t, status.MonotonicNanoseconds)
	assert.Equal(t, "3", status.Settings["w"])
	assert.Equal(t, "2", status.Settings["r"], "defaults included")
	assert.Len(t, status.PreferenceList, 3)
	assert.Len(t, status.Peers, 2)
	assert.Empty(t, status.Suspected)
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	start := func(config server.Config) error {
		config.Clients, config.Nodes, config.Data = listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0"), t.TempDir()
		_, err := server.Start(config)
		_, clientsErr := config.Clients.Accept()
		assert.ErrorIs(t, clientsErr, net.ErrClosed, "the listeners are closed")
		return err
	}
	peers := []server.Peer{{Name: "a", Address: "127.0.0.1:1"}}
	assert.ErrorContains(t, start(server.Config{Name: "b", Peers: peers}), `node "b" is not among the peers ["a"]`)
	assert.ErrorContains(t, start(server.Config{Name: "a", Peers: peers}), "n=3 > 1 nodes")
	assert.ErrorContains(t, start(server.Config{Name: "a", Peers: peers, Settings: map[string]string{"nn": "1"}}), `unknown setting "nn"`)
}
