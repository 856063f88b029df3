package leaderless_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
)

// killInTheMiddle kills the only node of a cluster with SIGKILL while clients
// write, starts it again, and counts the acknowledged writes that are gone.
func killInTheMiddle(t *testing.T, settings map[string]string) (acknowledged, lost int) {
	const writers, before = 4, 200
	p := startProcesses(t, 1, settings)
	type result struct {
		key  string
		last int64
	}
	results := make(chan result, writers)
	progress := make(chan struct{}, 1<<20)
	for w := range writers {
		client := p.register(0)
		go func() {
			r := result{key: fmt.Sprintf("writer%d", w)}
			for value := int64(1); ; value++ {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				_, err := client.Write(ctx, fmt.Sprintf("%s-%d", r.key, value), value)
				cancel()
				if err != nil {
					results <- r
					return
				}
				r.last = value
				progress <- struct{}{}
			}
		}()
	}
	for range before {
		<-progress
	}
	p.kill(0)
	p.start(0)
	p.ready(0)
	client := p.client(0)
	require.NoError(t, client.Ready(within(t, patience)))
	dump, err := client.(target.Dumper).Dump(within(t, patience))
	require.NoError(t, err)
	there := map[string]string{}
	for _, e := range dump.Entries {
		there[e.Key] = e.Value
	}
	for range writers {
		r := <-results
		for value := int64(1); value <= r.last; value++ {
			acknowledged++
			if there[fmt.Sprintf("%s-%d", r.key, value)] != strconv.FormatInt(value, 10) {
				lost++
			}
		}
	}
	require.GreaterOrEqual(t, acknowledged, before)
	return acknowledged, lost
}

// A node that is killed at any moment comes back with every write that it
// acknowledged, whatever the fsync mode; unless it acknowledges before it logs.
func TestKillLosesNothingThatWasPromised(t *testing.T) {
	single := func(fsync, acknowledge string) map[string]string {
		return map[string]string{"n": "1", "w": "1", "r": "1", "fsync": fsync, "acknowledge": acknowledge}
	}
	for _, fsync := range []string{"always", "100ms", "never"} {
		t.Run(fsync, func(t *testing.T) {
			acknowledged, lost := killInTheMiddle(t, single(fsync, "after-log"))
			assert.Zero(t, lost, "of %d acknowledged", acknowledged)
		})
		t.Run(fsync+" with the planted bug", func(t *testing.T) {
			acknowledged, lost := killInTheMiddle(t, single(fsync, "before-log"))
			assert.Positive(t, lost, "of %d acknowledged", acknowledged)
		})
	}
}

func TestTerminationFlushesTheLog(t *testing.T) {
	p := startProcesses(t, 1, map[string]string{"n": "1", "w": "1", "r": "1", "fsync": "never", "acknowledge": "before-log"})
	client := p.register(0)
	for value := range int64(50) {
		_, err := client.Write(within(t, patience), "key", value)
		require.NoError(t, err)
	}
	require.NoError(t, p.running[0].Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.running[0].Wait(), "status 0")
	p.running[0] = nil
	p.start(0)
	p.ready(0)
	// The same client: its connection was closed while it was idle.
	reading, err := client.Read(within(t, patience), "key")
	require.NoError(t, err)
	assert.Equal(t, int64(49), reading.Value)
}

// A pause is no failure: a stopped node misses nothing but time.
func TestAStoppedNodeGoesOn(t *testing.T) {
	p := startProcesses(t, 3, map[string]string{"fsync": "never", "request-timeout": "2s"})
	p.meet()
	client := p.client(0)
	p.write(client, 1)
	p.stop(2)
	_, err := p.register(2).Write(within(t, enough), "key", 2)
	assert.Error(t, err)
	assert.False(t, target.IsDefinite(err), "the kernel took the request, the node may act on it later")
	p.write(client, 3)
	require.NoError(t, p.running[2].Process.Signal(syscall.SIGCONT))
	p.quiet()
	dumps := p.dumps()
	assert.Equal(t, dumps[0], dumps[2])
	assert.Contains(t, []string{"2", "3"}, dumps[2].Entries[0].Value)
}

func TestClockAndDump(t *testing.T) {
	p := startProcesses(t, 3, map[string]string{"fsync": "never", "w": "3"})
	p.meet()
	client := p.client(1)
	before := time.Now()
	clock, err := client.(target.Clock).Clock(within(t, patience))
	require.NoError(t, err)
	assert.True(t, !clock.Before(before.Round(0)) && !clock.After(time.Now().Round(0)))
	p.write(client, 5)
	reading, err := p.register(2).Read(within(t, patience), "key")
	require.NoError(t, err)
	assert.True(t, reading.Found)
	assert.Equal(t, int64(5), reading.Value)
	assert.Equal(t, "n3", reading.Evidence.Coordinator)
	p.quiet()
	for _, dump := range p.dumps() {
		require.Len(t, dump.Entries, 1)
		assert.Equal(t, "5", dump.Entries[0].Value)
		assert.Len(t, dump.Entries[0].Home, 3)
	}

	wrong, err := p.system.Connect("n1", p.clients[1])
	require.NoError(t, err)
	assert.ErrorContains(t, wrong.Ready(within(t, patience)), `node "n2" answers`)
}

func TestWrongUsageOfTheProgram(t *testing.T) {
	peers := "n1=127.0.0.1:1,n2=127.0.0.1:2,n3=127.0.0.1:3"
	for message, arguments := range map[string][]string{
		"--peers":                        {},
		"--name is missing":              {"--peers", peers},
		"--name n4 is not one of":        {"--peers", peers, "--name", "n4"},
		"--data is missing":              {"--peers", peers, "--name", "n1"},
		"w=4 > n=3":                      {"--peers", peers, "--name", "n1", "--data", "x", "--set", "w=4"},
		"w is set twice":                 {"--peers", peers, "--name", "n1", "--data", "x", "--set", "w=1", "--set", "w=2"},
		"flag provided but not defined":  {"--port", "1"},
		`unexpected argument "now"`:      {"now"},
		"the address of n1":              {"--peers", "n1=127.0.0.1", "--name", "n1"},
		`"n1" is not name=host:port`:     {"--peers", "n1", "--name", "n1"},
		`unknown setting "quorum"`:       {"--peers", peers, "--name", "n1", "--data", "x", "--set", "quorum=1"},
		"want setting=value":             {"--set", "w"},
		"fsync=sometimes: not a number ": {"--peers", peers, "--name", "n1", "--data", "x", "--set", "fsync=sometimes"},
	} {
		output, status := runProgram(arguments...)
		assert.Equal(t, 2, status, "%q: %s", arguments, output)
		assert.Contains(t, output, message)
		assert.Regexp(t, `\Aleaderless: [^\n]+\n\z`, output, "one line")
	}
	output, status := runProgram("--help")
	assert.Equal(t, 0, status)
	assert.Contains(t, output, "request-timeout")

	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o644))
	output, status = runProgram("--peers", "n1="+freeAddress(t, "127.0.0.1"), "--name", "n1", "--data", blocked,
		"--client-listen", freeAddress(t, "127.0.0.1"), "--set", "n=1", "--set", "w=1", "--set", "r=1")
	assert.Equal(t, 1, status, output)
	assert.Contains(t, output, blocked)
}
