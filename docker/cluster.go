package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// heartbeat is how often each agent hears from the controller when there is nothing else to say.
const heartbeat = time.Second

// Options describe a cluster.
type Options struct {
	// Run is the run's unique name; letters, digits, dot, dash and underscore.
	Run string
	// Nodes are the names of the nodes, in order; they are also their host names.
	Nodes []string
	// LogDirectory is where NODE.log is written for each node; empty: nowhere.
	LogDirectory string
	// Log is told what may interest somebody who looks for a fault in the
	// backend itself; may be nil. It is called from several goroutines.
	Log func(string)
}

// Spec says how one node is run as a container.
type Spec struct {
	// Node is its name, one of Options.Nodes.
	Node string
	// Image is the reference of an image that the engine has. Empty: an image
	// is made from Program alone.
	Image string
	// Program is the Go package, within this module, of a static program that
	// is the whole image; used when Image is empty.
	Program string
	// Entrypoint and Command override the image's own when not empty, as docker
	// run does: an Entrypoint makes the image's command void.
	Entrypoint []string
	Command    []string
	// Environment is a list of NAME=value.
	Environment []string
	// ClientPort is the TCP port that clients speak to; 0 publishes none.
	ClientPort int
	// DataDirectory is where the node keeps its durable data: a volume is
	// mounted there, and Reset empties it. Empty: none.
	DataDirectory string
	// RealClock starts the node without the wrapper that makes its clock
	// skewable; clock faults are then refused.
	RealClock bool
}

// Cluster is a set of nodes on a network of their own. Its methods may be called
// by several goroutines, but Start, Reset and Close one after another.
type Cluster struct {
	engine  *Engine
	options Options
	created time.Time
	owner   string
	events  *queue

	networkID string
	subnet    netip.Prefix
	nodes     map[string]*node

	stop  context.CancelFunc // of the heartbeats
	beats sync.WaitGroup
	close sync.Once
}

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// NewCluster makes the cluster's network and gives each node its address.
// Nothing runs yet. Close removes it again.
func (e *Engine) NewCluster(ctx context.Context, o Options) (*Cluster, error) {
	if !nameForm.MatchString(o.Run) {
		return nil, fmt.Errorf("the run's name %q: want letters, digits, dot, dash and underscore", o.Run)
	}
	if len(o.Nodes) == 0 || len(o.Nodes) > MostNodes {
		return nil, fmt.Errorf("a cluster of %d nodes: want 1 to %d", len(o.Nodes), MostNodes)
	}
	o.Nodes = slices.Clone(o.Nodes)
	c := &Cluster{engine: e, options: o, created: time.Now(), owner: owner(), events: newQueue(), nodes: map[string]*node{}}
	for _, name := range o.Nodes {
		if !nameForm.MatchString(name) || c.nodes[name] != nil {
			c.events.close()
			return nil, fmt.Errorf("the node's name %q: want letters, digits, dot, dash and underscore, and no two alike", name)
		}
		c.nodes[name] = &node{name: name}
	}
	if err := c.createNetwork(ctx); err != nil {
		c.events.close()
		return nil, err
	}
	for i, name := range o.Nodes {
		c.nodes[name].address = host(c.subnet, firstHost+i)
	}
	return c, nil
}

// Nodes returns the nodes' names in order.
func (c *Cluster) Nodes() []string { return slices.Clone(c.options.Nodes) }

// Address returns the node's IP address on the cluster's network; empty for an unknown node.
func (c *Cluster) Address(node string) string {
	if n := c.nodes[node]; n != nil {
		return n.address.String()
	}
	return ""
}

// Endpoint returns host:port at which the controller reaches the node's
// ClientPort; empty before Start, and for a node that has none.
func (c *Cluster) Endpoint(node string) string {
	if n := c.nodes[node]; n != nil {
		return n.endpoint
	}
	return ""
}

// Events returns what agents say unasked: exits, leases that ran out, and that an
// agent or a node's container is gone. It is closed by Close. Events wait without
// limit for whoever reads them.
func (c *Cluster) Events() <-chan NodeEvent { return c.events.out }

// Call sends a request to the node's agent and returns its answer. An answer
// that says that the request failed is returned with an *AgentError; a
// *LostError says that the agent is gone.
func (c *Cluster) Call(ctx context.Context, node string, r protocol.Request) (protocol.Response, error) {
	n := c.nodes[node]
	if n == nil || n.channel == nil {
		return protocol.Response{}, fmt.Errorf("node %q: %s: it is not started", node, r.Op)
	}
	return n.channel.call(ctx, r)
}

// Capabilities asks the node's agent which faults it can inject.
func (c *Cluster) Capabilities(ctx context.Context, node string) (protocol.Capabilities, error) {
	response, err := c.Call(ctx, node, protocol.Request{Op: protocol.OpHello})
	if err != nil {
		return protocol.Capabilities{}, err
	}
	var capabilities protocol.Capabilities
	if err := json.Unmarshal(response.Result, &capabilities); err != nil {
		return protocol.Capabilities{}, fmt.Errorf("node %s: hello: %w", node, err)
	}
	return capabilities, nil
}

// Reset makes the running cluster as good as new without starting a container:
// it kills every node, undoes every fault, empties the data directories, and
// only when all nodes are done starts them again. That a node answers again is
// for the caller to wait for.
func (c *Cluster) Reset(ctx context.Context) error {
	if err := c.all(ctx, protocol.Request{Op: protocol.OpWipe}); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if err := c.all(ctx, protocol.Request{Op: protocol.OpSpawn}); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// all sends the same request to every agent at once.
func (c *Cluster) all(ctx context.Context, r protocol.Request) error {
	return c.each(func(n *node) error {
		if n.channel == nil {
			return fmt.Errorf("node %s: %s: it is not started", n.name, r.Op)
		}
		_, err := n.channel.call(ctx, r)
		return err
	})
}

// each does something with every node at once and joins the errors in the nodes' order.
func (c *Cluster) each(do func(*node) error) error {
	errs := make([]error, len(c.options.Nodes))
	var g errgroup.Group
	for i, name := range c.options.Nodes {
		g.Go(func() error {
			errs[i] = do(c.nodes[name])
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// startHeartbeats lets every agent know, every second, that the controller lives.
func (c *Cluster) startHeartbeats() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for _, name := range c.options.Nodes {
		n := c.nodes[name]
		c.beats.Go(func() {
			ticker := time.NewTicker(heartbeat)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					if n.channel.send(protocol.Request{Op: protocol.OpPing}) != nil {
						return // the channel's end is reported by its reader
					}
				case <-n.channel.ended:
					if ctx.Err() == nil {
						c.events.put(NodeEvent{Node: n.name, Event: protocol.Event{Event: protocol.EventGone, Status: oneLine(n.channel.reason())}})
					}
					return
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

func (c *Cluster) log(format string, args ...any) {
	if c.options.Log != nil {
		c.options.Log(strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (c *Cluster) networkName() string { return "refute-" + c.options.Run }

func (c *Cluster) podName(node string) string { return "refute-" + c.options.Run + "-" + node + "-pod" }

func (c *Cluster) nodeName(node string) string { return "refute-" + c.options.Run + "-" + node }

func (c *Cluster) volumeName(node, role string) string {
	return "refute-" + c.options.Run + "-" + node + "-" + role
}
