package core

// AntiEntropyGauge is what a node knows of anti-entropy since its start.
type AntiEntropyGauge struct {
	// Rounds of scheduled comparisons and Repairs that an operator asked for, completed.
	Rounds, Repairs uint64
	// Compared are the comparisons of one range with one peer that were
	// completed, Abandoned those that were not: the peer did not answer, or had another ring.
	Compared, Abandoned uint64
	// Exchanged are the differing keys of which both sides got what they lacked.
	Exchanged uint64
	// Repairing: a repair that an operator asked for is under way.
	Repairing bool
	// Unequal are the pairs of a range and a peer not known to be equal now.
	Unequal int
	// Divergent has, by node, the keys that differed in the latest comparison
	// of each range with that node, all ranges together.
	Divergent []uint64
}

// AntiEntropy returns the gauges of anti-entropy; all are 0 with anti-entropy=off.
func (n *Node) AntiEntropy() AntiEntropyGauge {
	g := n.entropy.gauge
	g.Repairing = n.entropy.demanded
	g.Divergent = make([]uint64, len(n.settings.Nodes))
	for _, k := range n.currentRanges().ranges {
		for i := range k.peers {
			p := &k.peers[i]
			g.Divergent[p.node] += p.different
			if !k.equal(p) {
				g.Unequal++
			}
		}
	}
	return g
}

// comparisons counts what anti-entropy still has to do: what is left of the
// repair that an operator asked for and, on schedule, every pair of a range
// and a replica that has not been found equal since the last change.
func (n *Node) comparisons() int {
	a := &n.entropy
	left := 0
	if a.demanded {
		left = len(a.queue) + len(a.again)
		if a.active != nil {
			left++
		}
	}
	if n.settings.AntiEntropy == AntiEntropyScheduled {
		left += n.AntiEntropy().Unequal
	}
	return left
}

// TombstoneGauge is what a node knows of its tombstones.
type TombstoneGauge struct {
	// Kept are those that may be purged some time, Reaping the purges that were ordered and wait for reap-after.
	Kept, Reaping int
	// Purged counts the keys that were removed for good since the node's start, physical deletes included.
	Purged uint64
}

// Tombstones returns the gauges of tombstones; Kept is 0 where they are kept for ever.
func (n *Node) Tombstones() TombstoneGauge {
	t := &n.tombstones
	return TombstoneGauge{Kept: len(t.found), Reaping: len(t.reaps), Purged: t.purged}
}

// HintGauge is what became of hints beside being delivered, since the node's start.
type HintGauge struct {
	// Refused were not kept because of hint-window, Expired were dropped
	// undelivered because of their age, PassedOn were taken over by another node (hint-strategy).
	Refused, Expired, PassedOn uint64
	// Unflushed are kept in memory only until the next flush.
	Unflushed int
}

// HintLosses returns the gauges of hints that were not delivered by this node.
func (n *Node) HintLosses() HintGauge {
	h := &n.hints
	return HintGauge{Refused: h.refused, Expired: h.expired, PassedOn: h.passedOn, Unflushed: len(h.unflushed)}
}
