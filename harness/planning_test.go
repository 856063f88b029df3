package harness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/plan"
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

func TestSlowLinksBetweenDatacenters(t *testing.T) {
	request := func(change func(*Request)) (*plan.Plan, error) {
		r := Request{Target: leaderless.New(), Backend: OnSim, Nodes: 6, Nemesis: []string{}, Settings: map[string]string{"datacenters": "2"}, Claims: []string{"linearizable"}}
		change(&r)
		p, _, err := NewPlan(r)
		return p, err
	}
	p, err := request(func(*Request) {})
	require.NoError(t, err)
	assert.Equal(t, plan.Duration(defaultWANLatency), p.Surroundings.WANLatency)
	assert.Equal(t, plan.Duration(defaultWANJitter), p.Surroundings.WANJitter)
	p, err = request(func(r *Request) { r.WANLatency, r.WANJitter = 70*time.Millisecond, -1 })
	require.NoError(t, err)
	assert.Equal(t, plan.Duration(70*time.Millisecond), p.Surroundings.WANLatency)
	assert.Zero(t, p.Surroundings.WANJitter)
	_, err = request(func(r *Request) { r.WANLatency, r.Settings = time.Millisecond, nil })
	require.ErrorContains(t, err, "the target has one data centre only")
	_, err = request(func(r *Request) { r.WANLatency, r.Backend = time.Millisecond, OnDocker })
	require.ErrorContains(t, err, "only the simulation can slow down the links between data centres")
	p.Backend = OnDocker
	require.ErrorContains(t, allowSchedule(p), "take wan_latency and wan_jitter out of the plan's surroundings")
	p, err = request(func(r *Request) { r.Settings = nil })
	require.NoError(t, err)
	assert.Zero(t, p.Surroundings.WANLatency)
}

// A store whose replicas are compared only every so often gets the time to say that they are equal.
func TestQuietWaitsForAntiEntropy(t *testing.T) {
	quiet := func(settings map[string]string) time.Duration {
		p, _, err := NewPlan(Request{Target: leaderless.New(), Backend: OnSim, Nodes: 5, Nemesis: []string{}, Settings: settings, Claims: []string{"linearizable"}})
		require.NoError(t, err)
		return time.Duration(p.Limits.Quiet)
	}
	assert.Equal(t, quietTimeout, quiet(nil))
	assert.Greater(t, quiet(map[string]string{"anti-entropy": "scheduled"}), 30*time.Second, "two rounds and more")
	assert.Greater(t, quiet(map[string]string{"anti-entropy": "scheduled", "anti-entropy-every": "1m"}), 2*time.Minute)
}

// A workload's data type comes before a profile, what was asked for before both.
func TestWorkloadsBringTheSettingsThatTheyNeed(t *testing.T) {
	settings := func(workload, profile string, asked map[string]string) map[string]string {
		p, _, err := NewPlan(Request{Target: leaderless.New(), Nodes: 5, Workload: workload, Profile: profile, Settings: asked,
			Claims: []string{AllClaims}, Concurrency: 5, Backend: OnSim, TimeLimit: 10 * time.Second, OperationTimeout: time.Second, Rate: -1})
		require.NoError(t, err)
		return p.Target.Settings
	}
	for _, profile := range []string{"", "riak", "cassandra", "voldemort", "dynamo"} {
		s := settings("counter", profile, nil)
		assert.Equal(t, "counter", s["data-type"], profile)
		assert.Equal(t, "lww", s["resolver"], profile)
	}
	assert.Equal(t, "50", settings("register", "riak", nil)["prune-entries"])
	assert.Equal(t, "version-vector", settings("cart", "voldemort", nil)["resolver"])
	assert.Equal(t, "dotted", settings("cart", "", nil)["resolver"])
	assert.Equal(t, "register", settings("counter", "", map[string]string{"data-type": "register"})["data-type"])
}
