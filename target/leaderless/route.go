package leaderless

import (
	"slices"
	"sync"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// With routing=client a client knows the ring and asks one of the key's home
// replicas (see core.Settings.Route) instead of the node that it was made for,
// which would hand the request on to one. It knows the ring of the start and,
// of the nodes, the addresses of those for which this system has made a client
// before; without the address it asks its own node. It has no failure detector:
// where the replica does not answer, the request fails.

// addressBook has the addresses of nodes, for all clients of a system. Its zero value is empty.
type addressBook struct {
	mu        sync.Mutex
	addresses map[string]string
}

func (b *addressBook) add(node, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.addresses == nil {
		b.addresses = map[string]string{}
	}
	b.addresses[node] = address
}

// find returns the node's address; empty if it is not known.
func (b *addressBook) find(node string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addresses[node]
}

// route returns the connection to the node that a request for the key goes to.
func (c *client) route(key string) *connection {
	if c.book == nil {
		return &c.connection
	}
	own := slices.Index(c.settings.Nodes, c.connection.node)
	if own < 0 {
		return &c.connection
	}
	node := c.settings.Nodes[c.settings.Route(core.NodeID(own), key)]
	if node == c.connection.node {
		return &c.connection
	}
	address := c.book.find(node)
	if address == "" {
		return &c.connection
	}
	other := c.others[node]
	if other == nil || other.address != address {
		if other != nil {
			_ = other.close() // the node has moved
		}
		if c.others == nil {
			c.others = map[string]*connection{}
		}
		other = &connection{node: node, address: address}
		c.others[node] = other
	}
	return other
}
