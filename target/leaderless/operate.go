package leaderless

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/refute-lab/refute/target"
)

var _ target.Operator = (*client)(nil)

// Operate gives the node an operator's command: POST /admin/COMMAND.
func (c *client) Operate(ctx context.Context, command, peer string) (string, error) {
	path := "/admin/" + url.PathEscape(command)
	if peer != "" {
		path += "?node=" + url.QueryEscape(peer)
	}
	code, content, failure := c.connection.do(ctx, http.MethodPost, []byte(path), "", nil)
	if failure != nil {
		return "", failure
	}
	var said struct {
		Error string `json:"error"`
	}
	switch {
	case code < 300:
		return "has begun", nil
	case json.Unmarshal(content, &said) != nil || said.Error == "":
		return "", &target.Error{Message: fmt.Sprintf("node %s: POST %s: status %d: %s", c.connection.node, path, code, content)}
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed:
		// It is no refusal of a store that does not know the command at all.
		return "", &target.Error{Definite: true, Message: fmt.Sprintf("node %s: POST %s: %s", c.connection.node, path, said.Error)}
	}
	return "refused: " + said.Error, nil
}
