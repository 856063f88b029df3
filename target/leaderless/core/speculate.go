package core

import "slices"

// Speculative retries. A read that asks no more replicas than it needs is as
// slow as the slowest of them, and one that is dead but not yet suspected makes
// it fail. So when an answer is long in coming, one more replica is asked, and
// the first that are enough decide (Dean and Barroso, The tail at scale, CACM
// 2013, "hedged requests"; Cassandra: speculative_retry, service/reads/
// AbstractReadExecutor.java). How long is long:
//
//   - always: one more is asked at once, and two of them for their cells.
//   - DURATION: after so long.
//   - p99: after the 99th percentile of how long this node's reads took of
//     late, so that one read in a hundred costs one message more. Until there
//     are measurements, half of request-timeout (as Cassandra's first guess).
//
// The price is the additional reads, which come when the cluster is slow.
// It is done once for each read, and only with read-set=level: with all
// everybody is asked anyhow, and preferred has a fallback of its own.

// The values of Settings.SpeculativeRetry beside a time in nanoseconds.
const (
	SpeculateOff    int64 = 0
	SpeculateAlways int64 = -1
	SpeculateP99    int64 = -2
)

// latencySamples is how many of the latest reads tell what is long, and
// latencyEvery after how many new ones that is worked out again.
const (
	latencySamples = 256
	latencyEvery   = 32
)

// readLatency are the times of the latest reads that were measured.
type readLatency struct {
	samples []int64 // a ring; nil until there is one
	count   int
	p99     int64 // 0: not known yet
}

// add notes how long a read took until its quorum was reached.
func (r *readLatency) add(took int64) {
	if r.samples == nil {
		r.samples = make([]int64, 0, latencySamples)
	}
	if len(r.samples) < latencySamples {
		r.samples = append(r.samples, took)
	} else {
		r.samples[r.count%latencySamples] = took
	}
	if r.count++; r.count%latencyEvery == 0 {
		sorted := slices.Clone(r.samples)
		slices.Sort(sorted)
		r.p99 = max(1, sorted[(len(sorted)*99+99)/100-1])
	}
}

// armSpeculation sets the time at which more replicas are asked.
func (n *Node) armSpeculation(op *operation) {
	after := n.settings.SpeculativeRetry
	switch {
	case n.settings.ReadSet == ReadPreferred:
		after = n.settings.FallbackAfter
	case n.settings.ReadSet != ReadLevel:
		return
	case after == SpeculateP99:
		after = n.settings.RequestTimeout / 2
		if p99 := n.coordinator.latency.p99; p99 != 0 {
			after = min(after, p99)
		}
	}
	if after > 0 {
		n.setDeadline(&n.coordinator.speculations, op, after)
	}
}

// speculate asks one more replica if the read still waits.
func (n *Node) speculate(op *operation) {
	if op.phase != phaseRead || !op.choosy {
		return
	}
	if n.settings.ReadSet == ReadPreferred {
		op.hurried = true // with those that have answered
		if n.readComplete(op) {
			n.readQuorum(op)
			return
		}
	} else if op.speculated {
		return
	}
	op.speculated = true
	l := n.nextLeg(op, op.counted < op.need)
	if l == nil {
		l = n.nextLeg(op, false)
	}
	if l == nil {
		return
	}
	if !op.hasWhole() { // it may be the cell itself that is long in coming
		op.whole = 0
	}
	n.askRead(op, l)
	if n.settings.ReadSet == ReadPreferred {
		n.armSpeculation(op)
	}
}
