package docker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClusterStartsAndAnswers(t *testing.T) {
	c := start(t, engine(t), testSpecs(nodeNames(3))...)
	for _, n := range c.Nodes() {
		who, err := get(c, n, "/who")
		require.NoError(t, err)
		require.Contains(t, who, n+" uid=65532")
		_, err = get(c, n, "/write?v=hello")
		require.NoError(t, err)
		addresses, err := get(c, n, "/addresses")
		require.NoError(t, err)
		require.Contains(t, addresses, c.Address(n)+"/24")
		require.NotContains(t, addresses, ":", "there must be no IPv6 past the filter")
	}
	_, err := get(c, "n1", "/dial?address=n3:8080")
	require.NoError(t, err)
}
