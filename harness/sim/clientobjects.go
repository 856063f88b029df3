package sim

import (
	"context"
	"strconv"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// What a client can do beside reading and writing plain registers. Whether the
// store does it hangs on its settings; it says so itself if it does not.
var (
	_ target.Client           = (*caller)(nil)
	_ target.Register         = (*caller)(nil)
	_ target.Ordered          = (*caller)(nil)
	_ target.Deleter          = (*caller)(nil)
	_ target.CompareAndSetter = (*caller)(nil)
	_ target.Counter          = (*caller)(nil)
	_ target.Set              = (*caller)(nil)
	_ target.Row              = (*caller)(nil)
)

// ReadOrdered gets a key and its version.
func (c *caller) ReadOrdered(ctx context.Context, key string) (target.Reading, string, error) {
	i := c.next
	reading, err := c.Read(ctx, key)
	if err != nil {
		return reading, "", err
	}
	return reading, leaderless.Order(c.answers[i].reply.Cell.Version), nil
}

// WriteOrdered puts a value under a key and returns its version.
func (c *caller) WriteOrdered(ctx context.Context, key string, value int64) (string, *history.Evidence, error) {
	i := c.next
	evidence, err := c.Write(ctx, key, value)
	if err != nil {
		return "", evidence, err
	}
	return leaderless.Order(c.answers[i].reply.Cell.Version), evidence, nil
}

// Delete deletes a key.
func (c *caller) Delete(_ context.Context, key string) (*history.Evidence, error) {
	return c.change(&core.Request{Kind: core.RequestDelete, Key: key})
}

// CompareAndSet writes a value on a condition.
func (c *caller) CompareAndSet(_ context.Context, key string, old *int64, new int64) (target.Swap, error) {
	condition := &core.Condition{Kind: core.ConditionAbsent}
	if old != nil {
		condition.Kind, condition.Value = core.ConditionEqual, strconv.AppendInt(nil, *old, 10)
	}
	a, err := c.call(&core.Request{Kind: core.RequestCompareAndSet, Key: key, Value: strconv.AppendInt(nil, new, 10), Condition: condition})
	if err != nil {
		return target.Swap{}, err
	}
	return leaderless.SwapOf(c.node, key, a.reply, a.evidence)
}

// Count reads a counter.
func (c *caller) Count(ctx context.Context, key string) (target.Reading, error) {
	return c.Read(ctx, key)
}

// Add adds to a counter.
func (c *caller) Add(_ context.Context, key string, delta int64, id uint64) (*history.Evidence, error) {
	return c.change(&core.Request{Kind: core.RequestUpdate, Key: key, Operand: &core.Operand{Kind: core.OperandAdd, By: delta, ID: id}})
}

// Elements reads a set.
func (c *caller) Elements(_ context.Context, key string) (target.Elements, error) {
	a, err := c.get(key)
	if err != nil {
		return target.Elements{}, err
	}
	return leaderless.ElementsOf(c.node, key, a.reply, a.evidence)
}

// Insert puts an element into a set.
func (c *caller) Insert(_ context.Context, key string, element int64) (*history.Evidence, error) {
	return c.change(&core.Request{Kind: core.RequestUpdate, Key: key,
		Operand: &core.Operand{Kind: core.OperandInsert, Element: leaderless.FormatElement(element)}})
}

// Remove takes an element out of a set.
func (c *caller) Remove(_ context.Context, key string, element int64, causal []byte) (*history.Evidence, error) {
	return c.change(&core.Request{Kind: core.RequestUpdate, Key: key, Context: causal,
		Operand: &core.Operand{Kind: core.OperandRemove, Element: leaderless.FormatElement(element)}})
}

// ReadRow reads the columns of a row.
func (c *caller) ReadRow(_ context.Context, key string) (map[string]int64, *history.Evidence, error) {
	a, err := c.get(key)
	if err != nil {
		return nil, nil, err
	}
	columns, err := leaderless.ColumnsOf(c.node, key, a.reply, a.evidence)
	return columns, a.evidence, err
}

// WriteRow writes columns of a row.
func (c *caller) WriteRow(_ context.Context, key string, columns map[string]int64) (*history.Evidence, error) {
	return c.change(&core.Request{Kind: core.RequestUpdate, Key: key,
		Operand: &core.Operand{Kind: core.OperandColumns, Columns: leaderless.RowColumns(columns)}})
}
