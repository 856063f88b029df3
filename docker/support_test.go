package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

const testProgram = "docker/testdata/talker"

var runs atomic.Int64

// engine connects, or skips the test when no engine answers.
func engine(t testing.TB) *Engine {
	t.Helper()
	e, err := Connect(t.Context())
	if missing := (*EngineError)(nil); errors.As(err, &missing) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func runName(what string) string {
	return fmt.Sprintf("test-%s-%d-%d", what, os.Getpid(), runs.Add(1))
}

func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	return names
}

// testSpec is a node of the test's own program.
func testSpec(name string) Spec {
	return Spec{Node: name, Program: testProgram, Environment: []string{"DATA=/var/lib/node"}, ClientPort: 8080, DataDirectory: "/var/lib/node"}
}

func testSpecs(names []string) []Spec {
	specs := make([]Spec, len(names))
	for i, n := range names {
		specs[i] = testSpec(n)
	}
	return specs
}

// start makes a cluster of the given nodes that is closed with the test.
func start(t testing.TB, e *Engine, specs ...Spec) *Cluster {
	t.Helper()
	var names []string
	for _, s := range specs {
		names = append(names, s.Node)
	}
	c, err := e.NewCluster(t.Context(), Options{Run: runName("cluster"), Nodes: names, LogDirectory: t.TempDir(), Log: func(s string) { t.Log(s) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.Background())) })
	require.NoError(t, c.Start(t.Context(), specs))
	for _, n := range names {
		ready(t, c, n)
	}
	return c
}

// patience bounds every wait for what must happen; silence is how long nothing
// must happen until it passes for never.
const (
	patience = 30 * time.Second
	silence  = 2 * time.Second
)

// get asks a node; the status is part of the error.
func get(c *Cluster, node, path string) (string, error) { return getWithin(patience, c, node, path) }

func getWithin(limit time.Duration, c *Cluster, node, path string) (string, error) {
	client := &http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + c.Endpoint(node) + path)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	text := strings.TrimSpace(string(b))
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, text)
	}
	return text, err
}

// ready waits until the node answers.
func ready(t testing.TB, c *Cluster, node string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err = getWithin(silence, c, node, "/ready"); err == nil {
			return
		}
		<-time.After(2 * time.Millisecond)
	}
	require.NoError(t, err, "%s does not get ready", node)
}

func call[T any](t testing.TB, c *Cluster, node string, r protocol.Request) T {
	t.Helper()
	result, err := ask[T](t.Context(), c, node, r)
	require.NoError(t, err)
	return result
}

// within is a fault with a lease that outlasts the test.
func within(fault string, r protocol.Request) protocol.Request {
	r.Fault, r.LeaseMillis = fault, 60_000
	return r
}

// removeImage removes an image that a test made.
func removeImage(t testing.TB, e *Engine, reference string) {
	t.Helper()
	_, err := e.client.ImageRemove(context.Background(), reference, image.RemoveOptions{Force: true})
	require.NoError(t, err)
}
