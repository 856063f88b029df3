package leaderless

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// client speaks to one node; see the package's documentation.
type client struct {
	connection connection
	settings   *core.Settings
	// others are the connections to the nodes that the client asks instead of
	// its own, as far as the book has their addresses; with routing=client only.
	book   *addressBook
	others map[string]*connection
	// stamps: writes carry this machine's time.
	stamps bool
	path   []byte
	value  []byte
}

var (
	_ target.Client           = (*client)(nil)
	_ target.Register         = (*client)(nil)
	_ target.Ordered          = (*client)(nil)
	_ target.Deleter          = (*client)(nil)
	_ target.CompareAndSetter = (*client)(nil)
	_ target.Counter          = (*client)(nil)
	_ target.Set              = (*client)(nil)
	_ target.Versioned        = (*client)(nil)
	_ target.Row              = (*client)(nil)
	_ target.Dumper           = (*client)(nil)
	_ target.Quieter          = (*client)(nil)
	_ target.Clock            = (*client)(nil)
)

func newClient(node, address string, settings *core.Settings) *client {
	return &client{connection: connection{node: node, address: address}, settings: settings, stamps: settings.Timestamps == core.TimestampsClient}
}

// Ready asks for the node's status.
func (c *client) Ready(ctx context.Context) error {
	_, err := c.status(ctx)
	return err
}

// Close closes the connection.
func (c *client) Close() error {
	err := c.connection.close()
	for _, other := range c.others {
		err = errors.Join(err, other.close())
	}
	return err
}

// call is a request for a key.
type call struct {
	method, key string
	// operation is what comes behind the key's path, with the slash; query what
	// comes behind the question mark.
	operation, query string
	causal           []byte
	body             []byte
}

// do makes a request for a key and returns the node's reply: the same that a
// simulation has at hand. An error is that there is none. Those of a get are
// definite: a read changes nothing.
func (c *client) do(ctx context.Context, q *call) (*core.Reply, *history.Evidence, *target.Error) {
	c.path = append(append(c.path[:0], "/kv/"...), url.PathEscape(q.key)...)
	c.path = append(c.path, q.operation...)
	separator := byte('?')
	if q.query != "" {
		c.path = append(append(c.path, separator), q.query...)
		separator = '&'
	}
	if c.stamps && q.method != http.MethodGet {
		c.path = append(append(c.path, separator), "timestamp="...)
		c.path = strconv.AppendInt(c.path, time.Now().UnixNano(), 10)
	}
	header := ""
	if len(q.causal) > 0 {
		header = "X-Causal-Context: " + base64.StdEncoding.EncodeToString(q.causal) + "\r\n"
	}
	connection := c.route(q.key)
	status, content, err := connection.do(ctx, q.method, c.path, header, q.body)
	var r *core.Reply
	var evidence *history.Evidence
	if err == nil {
		var problem error
		if r, evidence, problem = c.parse(status, content); problem != nil {
			err = &target.Error{Message: fmt.Sprintf("node %s answered %d with something that is not its JSON: %v", connection.node, status, problem)}
		}
	}
	if err != nil {
		err.Definite = err.Definite || q.method == http.MethodGet
		return nil, nil, err
	}
	return r, evidence, nil
}

// change makes a request of which only matters whether it was done.
func (c *client) change(ctx context.Context, q *call) (*history.Evidence, error) {
	r, evidence, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	return Written(r, evidence)
}

// Read gets the key.
func (c *client) Read(ctx context.Context, key string) (target.Reading, error) {
	r, evidence, err := c.do(ctx, &call{method: http.MethodGet, key: key})
	if err != nil {
		return target.Reading{}, err
	}
	return Reading(c.connection.node, key, r, evidence)
}

// Write puts the value under the key.
func (c *client) Write(ctx context.Context, key string, value int64) (*history.Evidence, error) {
	c.value = strconv.AppendInt(c.value[:0], value, 10)
	return c.change(ctx, &call{method: http.MethodPut, key: key, body: c.value})
}

// Dump returns the replica's whole state.
func (c *client) Dump(ctx context.Context) (history.Dump, error) {
	var dump history.Dump
	err := c.admin(ctx, "/admin/dump", &dump)
	return dump, err
}

// status is what of GET /admin/status a client needs.
type status struct {
	Node    string `json:"node"`
	WallNS  int64  `json:"wall_ns"`
	Quiet   bool   `json:"quiet"`
	Pending struct {
		Description string `json:"description"`
	} `json:"pending"`
}

// Pending says what the node still has to do.
func (c *client) Pending(ctx context.Context) (target.Pending, error) {
	s, err := c.status(ctx)
	return target.Pending{Quiet: s.Quiet, Description: s.Pending.Description}, err
}

// Clock returns the node's wall clock.
func (c *client) Clock(ctx context.Context) (time.Time, error) {
	s, err := c.status(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, s.WallNS), nil
}

func (c *client) status(ctx context.Context) (status, error) {
	var s status
	if err := c.admin(ctx, "/admin/status", &s); err != nil {
		return status{}, err
	}
	if s.Node != c.connection.node {
		return status{}, &target.Error{Definite: true, Message: fmt.Sprintf("node %q answers at %s, where %q should be", s.Node, c.connection.address, c.connection.node)}
	}
	return s, nil
}

// admin gets a path and decodes the answer. Its errors are definite.
func (c *client) admin(ctx context.Context, path string, into any) error {
	code, content, err := c.connection.do(ctx, http.MethodGet, []byte(path), "", nil)
	if err != nil {
		err.Definite = true
		return err
	}
	if code != http.StatusOK {
		return &target.Error{Definite: true, Message: fmt.Sprintf("node %s: GET %s: status %d: %s", c.connection.node, path, code, content)}
	}
	if problem := json.Unmarshal(content, into); problem != nil {
		return &target.Error{Definite: true, Message: fmt.Sprintf("node %s: GET %s: %v", c.connection.node, path, problem)}
	}
	return nil
}
