package sim

import (
	"context"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

var _ target.Versioned = (*caller)(nil)

// ReadVersions gets all values of a key.
func (c *caller) ReadVersions(_ context.Context, key string) (target.Versions, error) {
	return c.versions(&core.Request{Kind: core.RequestGet, Key: key})
}

// WriteVersion puts a value in the place of what the context covers.
func (c *caller) WriteVersion(_ context.Context, key string, value, causal []byte) (target.Versions, error) {
	return c.versions(&core.Request{Kind: core.RequestPut, Key: key, Value: value, Context: causal})
}

// DeleteVersion deletes what the context covers.
func (c *caller) DeleteVersion(_ context.Context, key string, causal []byte) (target.Versions, error) {
	return c.versions(&core.Request{Kind: core.RequestDelete, Key: key, Context: causal})
}

func (c *caller) versions(r *core.Request) (target.Versions, error) {
	a, err := c.call(r)
	if err != nil {
		return target.Versions{}, err
	}
	return leaderless.VersionsOf(c.settings, r.Kind == core.RequestGet, a.reply, a.evidence)
}
