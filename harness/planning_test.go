package harness

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

func TestWhichClaimsAreChecked(t *testing.T) {
	claims := func(asked []string, workload string) ([]string, error) {
		p, _, err := NewPlan(Request{Target: leaderless.New(), Workload: workload, Nemesis: []string{}, Claims: asked})
		if err != nil {
			return nil, err
		}
		return p.Claims, nil
	}
	all, err := claims([]string{AllClaims}, "register")
	require.NoError(t, err)
	assert.Equal(t, workloads.Register{}.Claims(), all)

	byDefault, err := claims(nil, "register")
	require.NoError(t, err)
	assert.Subset(t, all, byDefault)
	assert.Less(t, len(byDefault), len(all), "the default is what the target claims")

	named, err := claims([]string{"monotonic-reads, linearizable"}, "register")
	require.NoError(t, err)
	assert.Equal(t, []string{"monotonic-reads", "linearizable"}, named)

	named, err = claims([]string{"no-dirty-reads"}, "register")
	require.NoError(t, err)
	assert.Equal(t, []string{"no-dirty-reads"}, named, "what not every run decides is checked where it is named")
	assert.NotContains(t, all, "no-dirty-reads")

	byDefault, err = claims(nil, "set")
	require.NoError(t, err)
	assert.Equal(t, []string{"no-lost-writes", "read-your-writes", "convergence"}, byDefault, "what the target claims, as far as any run of sets decides it")

	_, err = claims([]string{"all,linearizable"}, "register")
	require.ErrorContains(t, err, `unknown claim "all"`)
	_, err = claims([]string{"linearizable"}, "set")
	require.ErrorContains(t, err, "the workload set cannot decide the claim linearizable: it decides no-lost-writes, ")
	_, err = claims([]string{","}, "register")
	require.ErrorContains(t, err, "no claim to check")
}
