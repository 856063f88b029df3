package leaderless_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
)

func TestClaims(t *testing.T) {
	common := []string{"linearizable", "no-lost-writes", "read-your-writes", "monotonic-reads", "no-resurrected-deletes", "convergence"}
	register := common[:5]
	for _, test := range []struct {
		settings map[string]string
		claims   []string
	}{
		{nil, common},
		{map[string]string{"n": "5", "w": "3", "r": "3"}, common},
		{map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}, register},
		{map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "fetch": "off"}, register},
		{map[string]string{"n": "5", "w": "1", "r": "1"}, []string{"convergence", "no-lost-writes"}},
		{map[string]string{"n": "5", "w": "1", "r": "1", "hints": "off", "repair": "off", "anti-entropy": "scheduled"}, []string{"convergence", "no-lost-writes"}},
		{map[string]string{"n": "5", "w": "1", "r": "1", "repair": "abd"}, []string{"convergence", "no-lost-writes"}},
		{map[string]string{"w": "1", "r": "1", "hints": "off", "repair": "off"}, []string{"no-lost-writes"}},
		{map[string]string{"data-type": "counter"}, []string{"counter-bounds"}},
		{map[string]string{"data-type": "counter", "anti-entropy": "scheduled"}, []string{"counter-bounds", "convergence"}},
		{map[string]string{"data-type": "counter", "w": "1", "r": "1"}, []string{}},
		{map[string]string{"data-type": "or-set"}, []string{"no-resurrected-deletes", "no-lost-writes"}},
		{map[string]string{"data-type": "row"}, append(common[:6:6], "row-atomicity")},
		{map[string]string{"resolver": "dotted"}, []string{"no-lost-writes", "bounded-siblings", "no-discarded-writes"}},
		{map[string]string{"resolver": "dotted", "siblings": "last-modified"}, []string{"no-lost-writes", "bounded-siblings"}},
		{map[string]string{"cas": "paxos-v2"}, append(common[:6:6], "no-lost-updates")},
	} {
		system, err := leaderless.New().Configure(5, test.settings)
		require.NoError(t, err)
		assert.Equal(t, test.claims, system.Claims(), "%v", test.settings)
	}
}

func TestConfigureExplainsWhatIsWrong(t *testing.T) {
	for message, settings := range map[string]map[string]string{
		"w=4 > n=3":                      {"w": "4"},
		"n=6 > 5 nodes":                  {"n": "6"},
		`unknown setting "wx"`:           {"wx": "1"},
		"off | async | blocking | abd":   {"repair": "sometimes"},
		"timestamps=client with writers": {"timestamps": "client", "repair": "abd"},
	} {
		_, err := leaderless.New().Configure(5, settings)
		assert.ErrorContains(t, err, message)
	}
	_, err := leaderless.New().Configure(0, nil)
	assert.Error(t, err)
	_, err = leaderless.New().Configure(-1, nil)
	assert.Error(t, err)
}

func TestNodeSpecRunsTheProgram(t *testing.T) {
	system, err := leaderless.New().Configure(3, map[string]string{"w": "3"})
	require.NoError(t, err)
	peers := []target.Peer{{Name: "a", Address: "10.0.0.1"}, {Name: "b", Address: "10.0.0.2"}, {Name: "c", Address: "10.0.0.3"}}
	spec, err := system.Node("b", peers)
	require.NoError(t, err)
	assert.Equal(t, "github.com/refute-lab/refute/target/leaderless/cmd/leaderless", spec.Program)
	assert.Equal(t, 8080, spec.ClientPort)
	assert.Equal(t, "/data", spec.DataDirectory)
	assert.Empty(t, spec.Image)
	assert.Equal(t, []string{"--name", "b", "--peers", "a=10.0.0.1:7000,b=10.0.0.2:7000,c=10.0.0.3:7000"}, spec.Command[:4])
	assert.Contains(t, spec.Command, "w=3")
	assert.Contains(t, spec.Command, "request-timeout=500ms", "defaults are passed on, so that a plan means the same in every release")

	_, err = system.Node("d", peers)
	assert.ErrorContains(t, err, "node d is not among the peers")
	_, err = system.Node("a", peers[:2])
	assert.ErrorContains(t, err, "2 peers, but the system is configured for 3 nodes")
	_, err = system.Connect("a", "nowhere")
	assert.ErrorContains(t, err, "connect to a")
}

func TestDescribeListsTheSettings(t *testing.T) {
	settings := leaderless.New().Describe()
	require.NotEmpty(t, settings)
	system, err := leaderless.New().Configure(5, nil)
	require.NoError(t, err)
	assert.Len(t, system.Settings(), len(settings))
	for _, s := range settings {
		assert.Equal(t, s.Default, system.Settings()[s.Name], s.Name)
		assert.NotEmpty(t, s.Help)
		assert.NotEmpty(t, s.Values)
	}
}

func ExampleTarget() {
	system, err := leaderless.New().Configure(5, map[string]string{"w": "3", "r": "3", "n": "5", "repair": "abd"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(system.Claims())

	// Nothing listens at this address, so the write certainly did not happen.
	client, err := system.Connect("n1", "127.0.0.1:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.(target.Register).Write(context.Background(), "key", 1)
	fmt.Println(target.IsDefinite(err))
	// Output:
	// [linearizable no-lost-writes read-your-writes monotonic-reads no-resurrected-deletes]
	// true
}
