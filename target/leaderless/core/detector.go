package core

import "math"

// detector is the failure detector: every node sends every other a heartbeat
// now and then and suspects those from which it has heard nothing, of any
// kind, for suspect-after or, with detector=phi, for so long that it is hardly
// possible any more (see phi.go). It is wrong at times, as every detector is in a
// network without bounds on delay (Chandra and Toueg, JACM 1996), so nothing
// that is safe may depend on it: it decides when a request is refused before
// it starts, when a stand-in is asked and when hints are sent.
//
// It measures with Now.Mono. A node that was itself stopped for a while has
// heard nobody in that time; that says nothing about the others, so such a gap
// is not held against them.
type detector struct {
	heardAt []int64
	// patience is, by node, the longest silence that is no reason to suspect it, in nanoseconds.
	patience []int64
	// arrivals are of the heartbeats, by node; nil with detector=timeout.
	arrivals []arrivals
	// nextTick is when the next heartbeat is due: how a node notices that it was stopped.
	nextTick int64
}

func (d *detector) start(n *Node) {
	both := make([]int64, 2*len(n.settings.Nodes))
	d.heardAt, d.patience = both[:len(n.settings.Nodes)], both[len(n.settings.Nodes):]
	if n.settings.Detector == DetectorPhi {
		d.arrivals = make([]arrivals, len(d.heardAt))
	}
	for i := range d.heardAt {
		d.heardAt[i], d.patience[i] = n.now.Mono, n.settings.SuspectAfter
		if d.arrivals != nil {
			d.learn(n, NodeID(i))
		}
	}
	d.heardAt[n.id] = math.MaxInt64 // nobody suspects himself
	d.arm(n)
}

func (d *detector) arm(n *Node) {
	if len(d.heardAt) < 2 {
		return
	}
	// A little jitter keeps the heartbeats of a cluster from marching in step.
	after := n.settings.Heartbeat - n.draw(n.settings.Heartbeat/8+1)
	d.nextTick = n.now.Mono + after
	n.setTimer(timerHeartbeat, after)
}

func (d *detector) tick(n *Node) {
	for i := range d.heardAt {
		if NodeID(i) != n.id {
			n.message(MessageHeartbeat, NodeID(i))
		}
	}
	d.arm(n)
}

// forgive leaves out of account a time in which this node itself stood still. It is called at every step.
func (d *detector) forgive(n *Node) {
	late := n.now.Mono - d.nextTick
	if late <= n.settings.SuspectAfter/2 || len(d.heardAt) < 2 {
		return
	}
	for i := range d.heardAt {
		if NodeID(i) == n.id {
			continue
		}
		d.heardAt[i] = min(d.heardAt[i]+late, n.now.Mono)
		if d.arrivals != nil && d.arrivals[i].last != 0 {
			d.arrivals[i].last = min(d.arrivals[i].last+late, n.now.Mono)
		}
	}
	d.nextTick = n.now.Mono
}

// heard notes a sign of life. A node that comes back gets its hints at once.
func (d *detector) heard(n *Node, from NodeID) {
	back := d.suspects(n, from, n.now.Mono)
	d.heardAt[from] = n.now.Mono
	if back {
		n.handOffNow(from)
	}
}

// beat notes a heartbeat of a node. Other signs of life are no samples: how
// often they come depends on what clients do.
func (d *detector) beat(n *Node, from NodeID) {
	if d.arrivals != nil {
		d.arrivals[from].heartbeat(n.now.Mono, 2*n.settings.Heartbeat)
		d.learn(n, from)
	}
}

// learn sets the patience with a node by its heartbeats.
func (d *detector) learn(n *Node, node NodeID) {
	d.patience[node] = patience(d.arrivals[node].mean(2*n.settings.Heartbeat), n.settings.PhiThreshold)
}

func (d *detector) suspects(n *Node, node NodeID, mono int64) bool {
	return mono-d.heardAt[node] > d.patience[node]
}

// digest adds what decides suspicions to a digest.
func (d *detector) digest(g *digest) {
	for i := range d.arrivals {
		g.add(uint64(d.arrivals[i].sum), uint64(len(d.arrivals[i].intervals)), uint64(d.arrivals[i].last), uint64(d.patience[i]))
	}
}
