package core

// What an operator sees. DDIA (ch. 5, "Monitoring staleness") observes that a
// leaderless store has no replication lag to plot: there is no leader whose
// position the followers could be behind, and a store with read repair alone may
// have values of any age. So every node counts what it notices by the way: that
// replicas answered a read differently and by how much, that a replica missed a
// write and how long it took until it had it, what the background work found.
// Nothing is asked of other nodes for it, and nothing depends on it; the counts
// begin anew with each start of the node.
//
// Two measures of staleness, neither of which a client would give:
//
//   - Lag: of a replica that answered a read with less than another did, how
//     much earlier its version was written, by the clocks that stamp versions. It
//     is sampled by reads: cold keys are not in it.
//   - Convergence: how long this node kept hints for another one, from the first
//     to the delivery of the last. It ends when there is nothing left that this
//     node knows the other to lack, which others may know better.

// Counters are what a node has counted since its start.
type Counters struct {
	// HintsKept counts hints, each time that one is kept or a newer write is
	// merged into it. HintsDelivered were acknowledged by their
	// home replica. Of those that were not see HintGauge and Pending.HintsDropped.
	HintsKept, HintsDelivered uint64
	// HandoffsReceived are hints that others delivered to this node.
	HandoffsReceived uint64
	// Reads counts those that had their quorum, DivergentReads those of them
	// whose counted answers differed.
	Reads, DivergentReads uint64
	// ReadRepairs are cells that reads sent to replicas that had less, ABD write-backs included.
	ReadRepairs uint64
	// Lag is of replicas that answered reads, in nanoseconds between versions;
	// always empty where versions have no clock's time (see Settings.Fetches).
	Lag Histogram
	// Convergence is of nodes for which hints were kept, in nanoseconds of Now.Mono.
	Convergence Histogram
}

// Gauges are what a node sees of itself at one moment.
type Gauges struct {
	Counters
	// Keys are those that this replica holds, Tombstones those of them that are deleted.
	Keys, Tombstones int
	// Siblings counts the keys with objects by how many values they have: Siblings[i] of them have
	// i, the last one that many or more. All 0 with last write wins.
	Siblings [16]int
	// HintsFor are the hints that are kept, by the node that they are for.
	HintsFor []int
	// LackingFor is how long this node has known that another lacks something, by node, in nanoseconds; 0
	// where it knows of nothing.
	LackingFor []int64
	// HintAge is the age of the oldest hint, by node, in nanoseconds of the wall clock; 0 where there is none.
	HintAge []int64
	// Pending is what the node still has to do.
	Pending Pending
}

// LagBounds are the upper bounds of the parts of every Histogram, in nanoseconds; a last part has no bound.
var LagBounds = [...]int64{1e6, 3e6, 10e6, 30e6, 100e6, 300e6, 1e9, 3e9, 10e9, 60e9, 600e9, 3600e9, 24 * 3600e9}

// Histogram counts durations by size.
type Histogram struct {
	// Parts[i] are those up to LagBounds[i] and above the one before; the last those above all bounds.
	Parts [len(LagBounds) + 1]uint64
	// Sum is that of all durations, in nanoseconds; Count is how many there were.
	Sum   int64
	Count uint64
}

// observe counts a duration.
func (h *Histogram) observe(nanoseconds int64) {
	part := 0
	for part < len(LagBounds) && nanoseconds > LagBounds[part] {
		part++
	}
	h.Parts[part]++
	h.Count++
	h.Sum += nanoseconds
}

// Gauges looks at everything that the node holds: it takes time in proportion to its keys.
func (n *Node) Gauges(now Now) Gauges {
	g := Gauges{Counters: n.counters, Keys: len(n.replica.slots), Pending: n.Pending()}
	n.countKeys(&g)
	g.HintsFor, g.LackingFor, g.HintAge = make([]int, len(n.hints.queues)), make([]int64, len(n.hints.queues)), make([]int64, len(n.hints.queues))
	for i := range n.hints.queues {
		if q := &n.hints.queues[i]; q.length > 0 {
			g.HintsFor[i], g.LackingFor[i] = q.length, max(now.Mono-q.since, 1)
			if kept := n.hintKeptAt(q.first); kept != 0 {
				g.HintAge[i] = max(now.Wall-kept, 1)
			}
		}
	}
	return g
}

// countKeys adds the keys up; the order of the map cannot show in sums.
func (n *Node) countKeys(g *Gauges) {
	for _, s := range n.replica.slots {
		switch o := s.durable.Object; {
		case s.durable.Version.IsZero():
			g.Keys--
		case o != nil:
			siblings := len(o.Siblings())
			g.Siblings[min(siblings, len(g.Siblings)-1)]++
			if siblings == 0 {
				g.Tombstones++
			}
		case s.durable.Tombstone:
			g.Tombstones++
		}
	}
}

// noteRead counts what a read's quorum shows.
func (n *Node) noteRead(op *operation) {
	n.counters.Reads++
	divergent := false
	for i := range op.legs {
		l := &op.legs[i]
		if l.is(legCounted) && (l.version != op.cell.Version || l.object != nil && !n.legCovers(l, &op.cell)) {
			divergent = true
			n.noteLag(l, &op.cell)
		}
	}
	if divergent {
		n.counters.DivergentReads++
	}
}

// noteLag counts by how much a replica was behind what others answered.
func (n *Node) noteLag(l *leg, newest *Cell) {
	if !n.settings.Fetches() && !l.version.IsZero() {
		n.counters.Lag.observe(max(newest.Version.Time-l.version.Time, 0))
	}
}
