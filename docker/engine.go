package docker

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
)

// connectFor bounds how long an engine may take to answer the first request.
const connectFor = 10 * time.Second

// Engine is a connection with a container engine. Its methods may be called by
// several goroutines.
type Engine struct {
	client   client.APIClient
	provider *testcontainers.DockerProvider
	version  types.Version

	images images
}

// discard swallows testcontainers' own chatter.
type discard struct{}

func (discard) Printf(string, ...any) {}

// preparation is done once: testcontainers reads its environment only once.
var preparation sync.Once

// Connect finds the engine that DOCKER_HOST names, or the one at the usual
// places. The error is an *EngineError.
func Connect(ctx context.Context) (*Engine, error) {
	preparation.Do(func() {
		// The reaper needs an image from a registry; see the package's documentation.
		_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	})
	ctx, cancel := context.WithTimeout(ctx, connectFor)
	defer cancel()
	address := os.Getenv("DOCKER_HOST")
	if address == "" {
		address = client.DefaultDockerHost
	}
	if err := ping(ctx); err != nil && os.Getenv("DOCKER_HOST") != "" {
		return nil, &EngineError{Address: address, Err: err}
	}
	provider, err := newProvider(ctx)
	if err != nil {
		return nil, &EngineError{Address: address, Err: err}
	}
	e := &Engine{client: provider.Client(), provider: provider}
	if e.version, err = e.client.ServerVersion(ctx); err != nil {
		return nil, &EngineError{Address: e.client.DaemonHost(), Err: err}
	}
	if e.version.Os != "linux" {
		return nil, &EngineError{Address: e.client.DaemonHost(), Err: fmt.Errorf("it runs %s containers: switch it to Linux containers", e.version.Os)}
	}
	return e, nil
}

// Close releases the connections; what runs keeps running.
func (e *Engine) Close() error { return e.client.Close() }

// Architecture is the engine's, as GOARCH names it.
func (e *Engine) Architecture() string { return e.version.Arch }

// ping asks the engine of the environment whether it is there.
func ping(ctx context.Context) error {
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Ping(ctx)
	return err
}

// newProvider makes testcontainers look for the engine. It panics where it finds
// none and takes no context, hence the goroutine.
func newProvider(ctx context.Context) (*testcontainers.DockerProvider, error) {
	type answer struct {
		provider *testcontainers.DockerProvider
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: fmt.Errorf("%v", p)}
			}
			answers <- a
		}()
		a.provider, a.err = testcontainers.NewDockerProvider(
			testcontainers.WithLogger(discard{}),
			testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge))
	}()
	select {
	case a := <-answers:
		return a.provider, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
