package leaderless

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// What a client can do beside reading and writing plain registers. Whether the
// store does it hangs on its settings; it says so itself if it does not.

// ReadOrdered gets a key and its version.
func (c *client) ReadOrdered(ctx context.Context, key string) (target.Reading, string, error) {
	r, evidence, err := c.do(ctx, &call{method: http.MethodGet, key: key})
	if err != nil {
		return target.Reading{}, "", err
	}
	reading, problem := Reading(c.connection.node, key, r, evidence)
	if problem != nil {
		return reading, "", problem
	}
	return reading, Order(r.Cell.Version), nil
}

// WriteOrdered puts a value under a key and returns its version.
func (c *client) WriteOrdered(ctx context.Context, key string, value int64) (string, *history.Evidence, error) {
	c.value = strconv.AppendInt(c.value[:0], value, 10)
	r, evidence, err := c.do(ctx, &call{method: http.MethodPut, key: key, body: c.value})
	if err != nil {
		return "", nil, err
	}
	evidence, problem := Written(r, evidence)
	if problem != nil {
		return "", evidence, problem
	}
	return Order(r.Cell.Version), evidence, nil
}

// Delete deletes a key.
func (c *client) Delete(ctx context.Context, key string) (*history.Evidence, error) {
	return c.change(ctx, &call{method: http.MethodDelete, key: key})
}

// CompareAndSet writes a value on a condition.
func (c *client) CompareAndSet(ctx context.Context, key string, old *int64, new int64) (target.Swap, error) {
	q := call{method: http.MethodPut, key: key, query: "if-absent", body: strconv.AppendInt(nil, new, 10)}
	if old != nil {
		q.query = "if-value=" + strconv.FormatInt(*old, 10)
	}
	r, evidence, err := c.do(ctx, &q)
	if err != nil {
		return target.Swap{}, err
	}
	return SwapOf(c.connection.node, key, r, evidence)
}

// Count reads a counter.
func (c *client) Count(ctx context.Context, key string) (target.Reading, error) {
	return c.Read(ctx, key)
}

// Add adds to a counter.
func (c *client) Add(ctx context.Context, key string, delta int64, id uint64) (*history.Evidence, error) {
	query := "by=" + strconv.FormatInt(delta, 10)
	if id != 0 {
		query += "&id=" + strconv.FormatUint(id, 10)
	}
	return c.change(ctx, &call{method: http.MethodPost, key: key, operation: "/add", query: query})
}

// Elements reads a set.
func (c *client) Elements(ctx context.Context, key string) (target.Elements, error) {
	r, evidence, err := c.do(ctx, &call{method: http.MethodGet, key: key})
	if err != nil {
		return target.Elements{}, err
	}
	return ElementsOf(c.connection.node, key, r, evidence)
}

// Insert puts an element into a set.
func (c *client) Insert(ctx context.Context, key string, element int64) (*history.Evidence, error) {
	return c.change(ctx, &call{method: http.MethodPost, key: key, operation: "/insert", body: FormatElement(element)})
}

// Remove takes an element out of a set.
func (c *client) Remove(ctx context.Context, key string, element int64, causal []byte) (*history.Evidence, error) {
	return c.change(ctx, &call{method: http.MethodPost, key: key, operation: "/remove", causal: causal, body: FormatElement(element)})
}

// ReadVersions gets all values of a key.
func (c *client) ReadVersions(ctx context.Context, key string) (target.Versions, error) {
	return c.versions(ctx, &call{method: http.MethodGet, key: key})
}

// WriteVersion puts a value in the place of what the context covers.
func (c *client) WriteVersion(ctx context.Context, key string, value, causal []byte) (target.Versions, error) {
	return c.versions(ctx, &call{method: http.MethodPut, key: key, body: value, causal: causal})
}

// DeleteVersion deletes what the context covers.
func (c *client) DeleteVersion(ctx context.Context, key string, causal []byte) (target.Versions, error) {
	return c.versions(ctx, &call{method: http.MethodDelete, key: key, causal: causal})
}

func (c *client) versions(ctx context.Context, q *call) (target.Versions, error) {
	r, evidence, err := c.do(ctx, q)
	if err != nil {
		return target.Versions{}, err
	}
	return VersionsOf(c.settings, q.method == http.MethodGet, r, evidence)
}

// ReadRow reads the columns of a row.
func (c *client) ReadRow(ctx context.Context, key string) (map[string]int64, *history.Evidence, error) {
	r, evidence, err := c.do(ctx, &call{method: http.MethodGet, key: key})
	if err != nil {
		return nil, nil, err
	}
	columns, problem := ColumnsOf(c.connection.node, key, r, evidence)
	return columns, evidence, problem
}

// WriteRow writes columns of a row.
func (c *client) WriteRow(ctx context.Context, key string, columns map[string]int64) (*history.Evidence, error) {
	texts := make(map[string]string, len(columns))
	for _, column := range RowColumns(columns) {
		texts[column.Name] = string(column.Value)
	}
	body, err := json.Marshal(texts)
	if err != nil {
		return nil, &target.Error{Definite: true, Message: err.Error()}
	}
	return c.change(ctx, &call{method: http.MethodPost, key: key, operation: "/columns", body: body})
}
