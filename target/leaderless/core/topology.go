package core

import "strconv"

// Data centres. A cluster may be spread over several places, so that it
// survives the loss of one and is near to all its users. The links within a
// place are fast and seldom cut; those between places are slow, and are cut
// now and then.
//
// Every data centre has n replicas of each key of its own, as with Cassandra's
// NetworkTopologyStrategy (locator/NetworkTopologyStrategy.java): the walk
// around the ring takes the first n nodes of each data centre that it meets,
// whatever nodes of others stand in between. One ring holds them all. What
// remains of the walk are the stand-ins; one of those stands in only for a home
// replica of its own data centre, so that a sloppy quorum stays where it was.
// (Dynamo §4.6 builds one preference list over all data centres instead, Riak
// keeps separate clusters that copy from one another.)
//
// Nodes belong to data centres in blocks, in the order of Settings.Nodes: of
// six nodes and two data centres, n1 to n3 are dc1 and n4 to n6 are dc2. Where
// the nodes can't be shared out equally, sizes differ by one at most. A
// coordinator, and the client that asks it, belong to the coordinator's data
// centre; that is what "local" means.
//
// The price is a copy of everything in every data centre, and for each write
// the traffic to all of them. How long a request waits for the far ones is its
// level's to say (see Level).

// Datacenter returns the data centre of the node, from 0.
func (s *Settings) Datacenter(node NodeID) int {
	return datacenterOf(node, len(s.Nodes), s.Datacenters)
}

// DatacenterName is how a data centre is called: dc1 is the first.
func DatacenterName(datacenter int) string { return "dc" + strconv.Itoa(datacenter+1) }

// apart says that the nodes are in different data centres.
func (n *Node) apart(a, b NodeID) bool {
	s := n.ring.spread
	return s != nil && s.of[a] != s.of[b]
}

// datacenterOf puts as many nodes into each data centre as into any other, give or take one.
func datacenterOf(node NodeID, nodes, datacenters int) int {
	if datacenters <= 1 {
		return 0
	}
	return int(node) * datacenters / nodes
}

// spread is how the nodes of a ring are spread over data centres. Of a ring
// that holds only some of the nodes of the settings it knows those alone.
type spread struct {
	// of is the data centre of each node, sizes the number of the ring's nodes in each.
	of    []uint8
	sizes []int
	// replicas is the n for which orders has all orders of the ring, home replicas first.
	replicas int
	orders   []NodeID
}

// spreadOver makes the ring one of several data centres with n home replicas
// in each. nodes is the number of all nodes of the settings.
func (r *Ring) spreadOver(datacenters, n, nodes int) {
	if datacenters <= 1 || len(r.tokens) == 0 {
		return
	}
	s := &spread{of: make([]uint8, nodes), sizes: make([]int, datacenters), replicas: n, orders: make([]NodeID, len(r.orders))}
	for i := range s.of {
		s.of[i] = uint8(datacenterOf(NodeID(i), nodes, datacenters))
	}
	for _, node := range r.orders[:r.nodes] {
		s.sizes[s.of[node]]++
	}
	for i := range r.tokens {
		at := i * r.nodes
		s.place(s.orders[at:at:at+r.nodes], r.orders[at:][:r.nodes], n)
	}
	r.spread = s
}

// place appends all nodes of the walk to order: first the n home replicas of
// each data centre as the walk meets them, then the others.
func (s *spread) place(order, walk []NodeID, n int) []NodeID {
	var met [MaxNodes]int
	for _, node := range walk {
		if dc := s.of[node]; met[dc] < n {
			met[dc]++
			order = append(order, node)
		}
	}
	clear(met[:])
	for _, node := range walk {
		if dc := s.of[node]; met[dc] < n {
			met[dc]++
		} else {
			order = append(order, node)
		}
	}
	return order
}

// homes is how many home replicas a key has where each data centre has n.
func (s *spread) homes(n int) (homes int) {
	for _, size := range s.sizes {
		homes += min(n, size)
	}
	return homes
}

// placed returns all nodes of the ring in the order in which they are
// responsible for the key where each data centre has n home replicas: those,
// and how many there are, then the stand-ins. The order must not be changed.
func (r *Ring) placed(key string, n int) (order []NodeID, homes int) {
	order = r.Order(key)
	s := r.spread
	if s == nil {
		return order, max(0, min(n, len(order)))
	}
	n = max(0, n)
	if n == s.replicas {
		return s.orders[r.token(key)*r.nodes:][:r.nodes:r.nodes], s.homes(n)
	}
	return s.place(make([]NodeID, 0, len(order)), order, n), s.homes(n)
}

// smallestDatacenter is how many nodes the data centre with the fewest has.
func smallestDatacenter(nodes, datacenters int) int { return nodes / datacenters }
