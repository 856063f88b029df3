package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

const (
	// shimFor bounds how long a started node's container may take to greet its agent.
	shimFor = 30 * time.Second
	// podData is where the pod sees the node's data directory, to empty it.
	podData = "/data"
)

// node is one member of the cluster.
type node struct {
	name    string
	address netip.Addr

	spec     Spec
	argv     []string // what the image, or the specification, runs
	image    string
	pod      testcontainers.Container
	member   testcontainers.Container
	channel  *channel
	log      *nodeLog
	logEnded <-chan struct{}
	endpoint string
}

// Start starts the nodes, all at once: the pod, the node's container and, when
// every container runs, every node's process. There must be one specification
// for each node. That the nodes answer is for the caller to wait for. After an
// error, call Close.
func (c *Cluster) Start(ctx context.Context, specs []Spec) error {
	if err := c.assign(specs); err != nil {
		return err
	}
	var agentImage string
	var g errgroup.Group
	g.Go(func() (err error) {
		agentImage, err = c.engine.agentImage(ctx)
		return err
	})
	g.Go(func() error { return c.each(func(n *node) error { return c.resolve(ctx, n) }) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := c.each(func(n *node) error { return c.startContainers(ctx, n, agentImage) }); err != nil {
		return err
	}
	c.startHeartbeats()
	return c.each(func(n *node) error {
		if _, err := n.channel.call(ctx, protocol.Request{Op: protocol.OpSpawn}); err != nil {
			return &NodeError{Node: n.name, Doing: "start its process", Err: err, Log: n.log.lastWords()}
		}
		return nil
	})
}

// assign gives each node its specification.
func (c *Cluster) assign(specs []Spec) error {
	for _, s := range specs {
		n := c.nodes[s.Node]
		switch {
		case n == nil:
			return fmt.Errorf("a specification for node %q, which the cluster does not have", s.Node)
		case n.spec.Node != "":
			return fmt.Errorf("node %s has two specifications, or was started before", s.Node)
		case s.Image == "" && s.Program == "":
			return fmt.Errorf("node %s: the specification has neither an image nor a program", s.Node)
		case s.ClientPort < 0 || s.ClientPort > 65535:
			return fmt.Errorf("node %s: the client port is %d: want 1 to 65535, or 0 for none", s.Node, s.ClientPort)
		case s.DataDirectory != "" && s.DataDirectory[0] != '/':
			return fmt.Errorf("node %s: the data directory %q is no absolute path", s.Node, s.DataDirectory)
		}
		n.spec = s
	}
	for _, name := range c.options.Nodes {
		if c.nodes[name].spec.Node == "" {
			return fmt.Errorf("node %s has no specification", name)
		}
	}
	return nil
}

// resolve finds the node's image and what it runs.
func (c *Cluster) resolve(ctx context.Context, n *node) error {
	var err error
	if n.spec.Image != "" {
		n.image, err = c.engine.existing(ctx, n.spec.Image)
	} else {
		n.image, err = c.engine.programImage(ctx, n.spec.Program)
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", n.name, err)
	}
	entrypoint, command := n.spec.Entrypoint, n.spec.Command
	if len(entrypoint) == 0 {
		inspected, err := c.engine.client.ImageInspect(ctx, n.image)
		if err != nil {
			return fmt.Errorf("node %s: %w", n.name, &ImageError{Reference: n.image, Err: err})
		}
		if inspected.Config != nil {
			entrypoint = inspected.Config.Entrypoint
			if len(command) == 0 {
				command = inspected.Config.Cmd
			}
		}
	}
	n.argv = append(append([]string{}, entrypoint...), command...)
	if len(n.argv) == 0 {
		return fmt.Errorf("node %s: the image %s has no entrypoint and no command: give one in the specification", n.name, n.image)
	}
	return nil
}

// startContainers starts the pod and the node's container, up to the shim's greeting.
func (c *Cluster) startContainers(ctx context.Context, n *node, agentImage string) error {
	var err error
	if n.log, err = openLog(c.options.LogDirectory, n.name); err != nil {
		return err
	}
	fail := func(doing string, err error) error {
		return &NodeError{Node: n.name, Doing: doing, Err: err, Log: n.log.lastWords()}
	}
	if n.pod, err = c.engine.provider.CreateContainer(ctx, c.podRequest(n, agentImage)); err != nil {
		return fail("create the pod", err)
	}
	var g errgroup.Group
	g.Go(func() error {
		if err := c.attachAgent(ctx, n); err != nil {
			return fail("attach to the pod", err)
		}
		if err := n.pod.Start(ctx); err != nil {
			return fail("start the pod", err)
		}
		return nil
	})
	g.Go(func() error { // creating needs the pod's existence only
		var err error
		if n.member, err = c.engine.provider.CreateContainer(ctx, c.memberRequest(n)); err != nil {
			return fail("create the node's container", err)
		}
		stream, err := c.engine.client.ContainerAttach(ctx, n.member.GetContainerID(), container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
		if err != nil {
			return fail("attach to the node's container", err)
		}
		n.logEnded = n.log.follow(stream)
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	g.Go(func() error {
		endpoint, err := c.publishedPort(ctx, n)
		if err != nil {
			return fail("find the published port", err)
		}
		n.endpoint = endpoint
		return nil
	})
	g.Go(func() error {
		if err := n.member.Start(ctx); err != nil {
			return fail("start the node's container", err)
		}
		hello := protocol.Request{Op: protocol.OpHello, WaitMillis: shimFor.Milliseconds()}
		if _, err := n.channel.call(ctx, hello); err != nil {
			return fail("wait for the node's container", err)
		}
		return nil
	})
	return g.Wait()
}

// attachAgent opens the channel to the pod's agent, before it starts.
func (c *Cluster) attachAgent(ctx context.Context, n *node) error {
	stream, err := c.engine.client.ContainerAttach(ctx, n.pod.GetContainerID(), container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	event := func(e protocol.Event) { c.events.put(NodeEvent{Node: n.name, Event: e}) }
	n.channel = newChannel(n.name, stream, event, &lineWriter{line: func(line []byte) { c.log("%s: %s", n.name, line) }})
	return nil
}

// podRequest describes the pod: our agent with the namespaces, the address and the port.
func (c *Cluster) podRequest(n *node, agentImage string) testcontainers.ContainerRequest {
	command := []string{"-control", controlDirectory}
	mounts := []mount.Mount{c.volume(n, roleControl, controlDirectory, false)}
	if n.spec.DataDirectory != "" {
		command = append(command, "-data", podData)
		mounts = append(mounts, c.volume(n, roleData, podData, false))
	}
	if n.spec.RealClock {
		command = append(command, "-clock=false")
	}
	var exposed []string
	bindings := nat.PortMap{}
	if n.spec.ClientPort != 0 {
		port := nat.Port(strconv.Itoa(n.spec.ClientPort) + "/tcp")
		exposed = []string{string(port)}
		bindings[port] = []nat.PortBinding{{HostIP: "127.0.0.1"}}
	}
	return testcontainers.ContainerRequest{
		Name: c.podName(n.name), Image: agentImage, Cmd: command, Labels: c.labels(rolePod, n.name), ExposedPorts: exposed,
		ConfigModifier: func(config *container.Config) {
			config.Hostname = n.name
			// The engine closes the agent's input when this process is gone.
			config.OpenStdin, config.StdinOnce, config.AttachStdin = true, true, true
			config.AttachStdout, config.AttachStderr = true, true
		},
		HostConfigModifier: func(config *container.HostConfig) {
			config.NetworkMode = container.NetworkMode(c.networkName())
			config.AutoRemove = true
			config.PortBindings = bindings
			config.Mounts = mounts
			config.CapDrop = []string{"ALL"}
			// The network for the filter; the rest to signal any user's
			// processes and to hand over and empty any user's data directory.
			config.CapAdd = []string{"NET_ADMIN", "KILL", "CHOWN", "DAC_OVERRIDE", "FOWNER"}
			config.LogConfig = container.LogConfig{Type: "none"} // attached to
		},
		EndpointSettingsModifier: func(endpoints map[string]*network.EndpointSettings) {
			endpoints[c.networkName()] = &network.EndpointSettings{
				Aliases: []string{n.name}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.address.String()},
			}
		},
	}
}

// memberRequest describes the node's own container.
func (c *Cluster) memberRequest(n *node) testcontainers.ContainerRequest {
	// The pod's image brought the agent's program into this volume.
	mounts := []mount.Mount{c.volume(n, roleControl, controlDirectory, true)}
	if n.spec.DataDirectory != "" {
		mounts = append(mounts, c.volume(n, roleData, n.spec.DataDirectory, false))
	}
	pod := "container:" + n.pod.GetContainerID()
	return testcontainers.ContainerRequest{
		Name: c.nodeName(n.name), Image: n.image, Labels: c.labels(roleNode, n.name),
		Entrypoint: append([]string{agentPath, "shim", "--"}, n.argv...),
		ConfigModifier: func(config *container.Config) {
			config.Env = n.spec.Environment
			config.AttachStdout, config.AttachStderr = true, true
		},
		HostConfigModifier: func(config *container.HostConfig) {
			config.NetworkMode = container.NetworkMode(pod)
			config.PidMode = container.PidMode(pod)
			config.AutoRemove = true
			config.Mounts = mounts
			config.LogConfig = container.LogConfig{Type: "none"} // attached to
		},
	}
}

// volume describes a named volume, which the engine makes when it does not exist.
// It must have a name: anonymous volumes have no labels to be found by.
func (c *Cluster) volume(n *node, role, target string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: c.volumeName(n.name, role), Target: target, ReadOnly: readOnly,
		VolumeOptions: &mount.VolumeOptions{Labels: c.labels(role, n.name)},
	}
}

// publishedPort returns where the engine published the node's client port.
func (c *Cluster) publishedPort(ctx context.Context, n *node) (string, error) {
	if n.spec.ClientPort == 0 {
		return "", nil
	}
	inspected, err := c.engine.client.ContainerInspect(ctx, n.pod.GetContainerID())
	if err != nil {
		return "", err
	}
	port := nat.Port(strconv.Itoa(n.spec.ClientPort) + "/tcp")
	if inspected.NetworkSettings == nil || len(inspected.NetworkSettings.Ports[port]) == 0 {
		return "", errors.New("the engine did not publish " + string(port))
	}
	b := inspected.NetworkSettings.Ports[port][0]
	return net.JoinHostPort(b.HostIP, b.HostPort), nil
}
