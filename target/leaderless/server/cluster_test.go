package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target/leaderless/server"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// cluster is some real nodes in this process, on the loopback interface.
type cluster struct {
	t        *testing.T
	dir      string
	settings map[string]string
	peers    []server.Peer
	clients  []string // addresses
	nodes    []*server.Server
	compact  int64
	logs     logs
}

// logs collects what the nodes log.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) contain(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// newCluster starts n nodes, n1, n2, …, which know each other.
func newCluster(t *testing.T, n int, settings map[string]string) *cluster {
	return startCluster(t, n, settings, 0)
}

func startCluster(t *testing.T, n int, settings map[string]string, compact int64) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), settings: settings, nodes: make([]*server.Server, n), compact: compact}
	var nodes, clients []net.Listener
	for i := range n {
		nodes, clients = append(nodes, listen(t, "127.0.0.1:0")), append(clients, listen(t, "127.0.0.1:0"))
		c.peers = append(c.peers, server.Peer{Name: fmt.Sprintf("n%d", i+1), Address: nodes[i].Addr().String()})
		c.clients = append(c.clients, clients[i].Addr().String())
	}
	for i := range n {
		c.startWith(i, nodes[i], clients[i])
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			if c.nodes[i] != nil {
				require.NoError(t, c.nodes[i].Close())
			}
		}
	})
	for i := range n {
		c.connected(i)
	}
	return c
}

func listen(t *testing.T, address string) net.Listener {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	return l
}

func (c *cluster) startWith(i int, nodes, clients net.Listener) {
	node, err := server.Start(server.Config{
		Name: c.peers[i].Name, Peers: c.peers, Nodes: nodes, Clients: clients,
		Data: filepath.Join(c.dir, c.peers[i].Name), Settings: c.settings, CompactAt: c.compact,
		Logger: slog.New(slog.NewTextHandler(&c.logs, nil)),
	})
	require.NoError(c.t, err)
	c.nodes[i] = node
}

// start starts a node again, on its old addresses and directory.
func (c *cluster) start(i int) {
	c.startWith(i, listen(c.t, c.peers[i].Address), listen(c.t, c.clients[i]))
}

// kill ends a node without warning.
func (c *cluster) kill(i int) {
	c.nodes[i].Kill()
	c.nodes[i] = nil
}

// connected waits until the node has a connection to every other that runs.
func (c *cluster) connected(i int) {
	c.eventually("connections of "+c.peers[i].Name, func() bool {
		status := c.status(i)
		for _, p := range status.Peers {
			for j := range c.nodes {
				if c.peers[j].Name == p.Name && c.nodes[j] != nil && !p.Connected {
					return false
				}
			}
		}
		return true
	})
}

// eventually waits for a condition that no event tells of.
func (c *cluster) eventually(what string, condition func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for !condition() {
		require.True(c.t, time.Now().Before(deadline), "waited in vain for %s", what)
		time.Sleep(5 * time.Millisecond)
	}
}

// reply is an answer to a request for a key.
type reply struct {
	status   int
	header   http.Header
	text     string
	Found    bool
	Value    string
	Base64   string `json:"value_base64"`
	Version  string
	Error    string
	Code     string
	Definite *bool
	Evidence *history.Evidence
	Context  string
	Applied  *bool
	Siblings []sibling
}

// sibling is one of several values.
type sibling struct {
	Value, Dot, Version string
	Deleted             bool
}

// do makes a request as curl would.
func (c *cluster) do(i int, method, path, body string) reply {
	c.t.Helper()
	return c.doWith(i, method, path, body, "")
}

// doWith makes a request with a causal context.
func (c *cluster) doWith(i int, method, path, body, causal string) reply {
	c.t.Helper()
	request, err := http.NewRequest(method, "http://"+c.clients[i]+path, strings.NewReader(body))
	require.NoError(c.t, err)
	if causal != "" {
		request.Header.Set("X-Causal-Context", causal)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(c.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	r := reply{status: response.StatusCode, header: response.Header, text: string(content)}
	require.NoError(c.t, json.Unmarshal(content, &r), r.text)
	return r
}

func (c *cluster) put(i int, key, value, query string) reply {
	c.t.Helper()
	return c.do(i, http.MethodPut, "/kv/"+key+query, value)
}

func (c *cluster) get(i int, key, query string) reply {
	c.t.Helper()
	return c.do(i, http.MethodGet, "/kv/"+key+query, "")
}

func (c *cluster) status(i int) server.Status {
	c.t.Helper()
	response, err := http.Get("http://" + c.clients[i] + "/admin/status?key=key")
	require.NoError(c.t, err)
	defer response.Body.Close()
	var status server.Status
	require.NoError(c.t, json.NewDecoder(response.Body).Decode(&status))
	return status
}

func (c *cluster) dump(i int) history.Dump {
	c.t.Helper()
	response, err := http.Get("http://" + c.clients[i] + "/admin/dump")
	require.NoError(c.t, err)
	defer response.Body.Close()
	var dump history.Dump
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	require.NoError(c.t, decoder.Decode(&dump))
	return dump
}
