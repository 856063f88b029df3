package leaderless

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// client speaks to one node; see the package's documentation.
type client struct {
	connection connection
	// stamps: writes carry this machine's time.
	stamps bool
	path   []byte
	value  []byte
}

var (
	_ target.Client   = (*client)(nil)
	_ target.Register = (*client)(nil)
	_ target.Dumper   = (*client)(nil)
	_ target.Quieter  = (*client)(nil)
	_ target.Clock    = (*client)(nil)
)

func newClient(node, address string, stamps bool) *client {
	return &client{connection: connection{node: node, address: address}, stamps: stamps}
}

// answer is every answer to a request for a key.
type answer struct {
	Found    bool              `json:"found"`
	Value    *string           `json:"value"`
	Error    string            `json:"error"`
	Code     string            `json:"code"`
	Definite bool              `json:"definite"`
	Evidence *history.Evidence `json:"evidence"`
}

// Ready asks for the node's status.
func (c *client) Ready(ctx context.Context) error {
	_, err := c.status(ctx)
	return err
}

// Close closes the connection.
func (c *client) Close() error { return c.connection.close() }

// Read gets the key. All its errors are definite: a read changes nothing.
func (c *client) Read(ctx context.Context, key string) (target.Reading, error) {
	a, err := c.request(ctx, http.MethodGet, key, nil)
	if err != nil {
		err.Definite = true
		return target.Reading{}, err
	}
	reading := target.Reading{Found: a.Found, Evidence: a.Evidence}
	if !a.Found {
		return reading, nil
	}
	text := ""
	if a.Value != nil {
		text = *a.Value
	}
	value, problem := strconv.ParseInt(text, 10, 64)
	if problem != nil {
		return target.Reading{}, notANumber(c.connection.node, key, text, a.Evidence)
	}
	reading.Value = value
	return reading, nil
}

// Write puts the value under the key.
func (c *client) Write(ctx context.Context, key string, value int64) (*history.Evidence, error) {
	c.value = strconv.AppendInt(c.value[:0], value, 10)
	a, err := c.request(ctx, http.MethodPut, key, c.value)
	if err != nil {
		return err.Evidence, err
	}
	return a.Evidence, nil
}

// request makes a request for a key. Its result is either an answer or an
// error, never a typed nil in an error interface: callers check the pointer.
func (c *client) request(ctx context.Context, method, key string, body []byte) (*answer, *target.Error) {
	c.path = append(append(c.path[:0], "/kv/"...), url.PathEscape(key)...)
	if c.stamps && method != http.MethodGet {
		c.path = strconv.AppendInt(append(c.path, "?timestamp="...), time.Now().UnixNano(), 10)
	}
	status, content, err := c.connection.do(ctx, method, c.path, body)
	if err != nil {
		return nil, err
	}
	var a answer
	if problem := json.Unmarshal(content, &a); problem != nil {
		return nil, &target.Error{Message: fmt.Sprintf("node %s answered %d with something that is not its JSON: %v", c.connection.node, status, problem)}
	}
	if status != http.StatusOK {
		return nil, &target.Error{Definite: a.Definite, Evidence: a.Evidence, Message: failure(a.Code, a.Error)}
	}
	return &a, nil
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
	code, content, err := c.connection.do(ctx, http.MethodGet, []byte(path), nil)
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
