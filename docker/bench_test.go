package docker

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// benchmarkNodes is the size of the clusters that are measured.
const benchmarkNodes = 5

// BenchmarkClusterStart measures a cluster from nothing until every node has
// answered a request; images exist already.
func BenchmarkClusterStart(b *testing.B) {
	e := engine(b)
	_, err := e.programImage(b.Context(), testProgram)
	require.NoError(b, err)
	_, err = e.agentImage(b.Context())
	require.NoError(b, err)
	for b.Loop() {
		c, err := e.NewCluster(b.Context(), Options{Run: runName("bench"), Nodes: nodeNames(benchmarkNodes)})
		require.NoError(b, err)
		require.NoError(b, c.Start(b.Context(), testSpecs(c.Nodes())))
		for _, n := range c.Nodes() {
			ready(b, c, n)
		}
		b.StopTimer()
		require.NoError(b, c.Close(context.Background()))
		b.StartTimer()
	}
}

// BenchmarkClusterClose measures the way back.
func BenchmarkClusterClose(b *testing.B) {
	e := engine(b)
	for b.Loop() {
		b.StopTimer()
		c, err := e.NewCluster(b.Context(), Options{Run: runName("bench"), Nodes: nodeNames(benchmarkNodes)})
		require.NoError(b, err)
		require.NoError(b, c.Start(b.Context(), testSpecs(c.Nodes())))
		b.StartTimer()
		require.NoError(b, c.Close(context.Background()))
	}
}

// BenchmarkBareContainers is what BenchmarkClusterStart is compared with: the
// same programs on the same kind of network, one plain container each, all at once.
func BenchmarkBareContainers(b *testing.B) {
	e := engine(b)
	image, err := e.programImage(b.Context(), testProgram)
	require.NoError(b, err)
	for b.Loop() {
		bare := startBare(b, e, image)
		b.StopTimer()
		require.NoError(b, bare.Close(context.Background()))
		b.StartTimer()
	}
}

// startBare starts the containers by the engine's plain calls. The cluster only
// lends its network, its names and its clean-up.
func startBare(b *testing.B, e *Engine, image string) *Cluster {
	c, err := e.NewCluster(b.Context(), Options{Run: runName("bare"), Nodes: nodeNames(benchmarkNodes)})
	require.NoError(b, err)
	ids := make(chan string, benchmarkNodes)
	err = c.each(func(n *node) error {
		port := nat.Port("8080/tcp")
		r, err := e.client.ContainerCreate(b.Context(),
			&container.Config{Image: image, Hostname: n.name, Env: []string{"DATA=/tmp"}, Labels: c.labels(roleNode, n.name), ExposedPorts: nat.PortSet{port: {}}},
			&container.HostConfig{NetworkMode: container.NetworkMode(c.networkName()), PortBindings: nat.PortMap{port: {{HostIP: "127.0.0.1"}}}},
			&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
				c.networkName(): {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.address.String()}}}},
			nil, c.nodeName(n.name))
		if err != nil {
			return err
		}
		ids <- r.ID
		if err := e.client.ContainerStart(b.Context(), r.ID, container.StartOptions{}); err != nil {
			return err
		}
		inspected, err := e.client.ContainerInspect(b.Context(), r.ID)
		if err != nil {
			return err
		}
		binding := inspected.NetworkSettings.Ports[port][0]
		n.endpoint = net.JoinHostPort(binding.HostIP, binding.HostPort)
		return nil
	})
	require.NoError(b, err)
	for _, n := range c.Nodes() {
		ready(b, c, n)
	}
	b.StopTimer()
	for range benchmarkNodes {
		require.NoError(b, e.client.ContainerRemove(b.Context(), <-ids, container.RemoveOptions{Force: true}))
	}
	b.StartTimer()
	return c
}

// BenchmarkPartition measures a partition of five nodes into two and three,
// applied and healed, as the controller sees it.
func BenchmarkPartition(b *testing.B) {
	c := start(b, engine(b), testSpecs(nodeNames(benchmarkNodes))...)
	side := map[string]int{"n1": 1, "n2": 1}
	others := map[string][]string{}
	for _, n := range c.Nodes() {
		for _, m := range c.Nodes() {
			if side[n] != side[m] {
				others[n] = append(others[n], c.Address(m))
			}
		}
	}
	apply := func(op string) {
		require.NoError(b, c.each(func(n *node) error {
			_, err := c.Call(b.Context(), n.name, within("f1", protocol.Request{Op: op, Addresses: others[n.name]}))
			return err
		}))
	}
	for _, half := range []struct{ name, timed, other string }{{"apply", protocol.OpCut, protocol.OpMend}, {"heal", protocol.OpMend, protocol.OpCut}} {
		b.Run(half.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				apply(half.other)
				b.StartTimer()
				apply(half.timed)
			}
		})
	}
}

// BenchmarkReset measures a warm reset, until every node has answered again.
func BenchmarkReset(b *testing.B) {
	c := start(b, engine(b), testSpecs(nodeNames(benchmarkNodes))...)
	for b.Loop() {
		require.NoError(b, c.Reset(b.Context()))
		for _, n := range c.Nodes() {
			ready(b, c, n)
		}
	}
}

// BenchmarkKillRestart measures one node from the kill until it answers again.
func BenchmarkKillRestart(b *testing.B) {
	c := start(b, engine(b), testSpec("n1"))
	for b.Loop() {
		_, err := c.Call(b.Context(), "n1", protocol.Request{Op: protocol.OpKill})
		require.NoError(b, err)
		_, err = c.Call(b.Context(), "n1", protocol.Request{Op: protocol.OpSpawn})
		require.NoError(b, err)
		ready(b, c, "n1")
	}
}

// BenchmarkPing measures the channel alone.
func BenchmarkPing(b *testing.B) {
	c := start(b, engine(b), testSpec("n1"))
	for b.Loop() {
		_, err := c.Call(b.Context(), "n1", protocol.Request{Op: protocol.OpPing})
		require.NoError(b, err)
	}
}

// BenchmarkImageLoad measures loading an image that the engine does not have.
func BenchmarkImageLoad(b *testing.B) {
	e := engine(b)
	var loaded []string
	for i := 0; b.Loop(); i++ {
		reference, err := e.ensure(b.Context(), content{
			name: "bench", architecture: e.Architecture(), entrypoint: []string{"/none"},
			files: []file{{name: "salt", mode: 0o644, data: fmt.Append(make([]byte, 5<<20), i, time.Now())}},
		})
		require.NoError(b, err)
		loaded = append(loaded, reference)
	}
	for _, reference := range loaded {
		removeImage(b, e, reference)
	}
}
