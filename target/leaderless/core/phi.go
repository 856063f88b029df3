package core

import "math/bits"

// The φ-accrual failure detector (Hayashibara, Défago, Yared and Katayama, SRDS
// 2004). A timeout answers yes or no, and whoever sets it must know the
// network. An accrual detector outputs a level of suspicion instead: with
// P(t) the probability that a node which is alive stays silent for longer than t,
//
//	φ(t) = −log₁₀ P(t)
//
// so that φ = 1 is wrong once in ten times, φ = 8 once in a hundred million.
// P is learnt from the intervals between the heartbeats that came: on a slow
// network the same φ takes longer to reach.
//
// The paper assumes that the intervals are normally distributed. Cassandra
// (FailureDetector.java, CASSANDRA-2597) assumes that they are exponentially
// distributed, which has a heavier tail and needs the mean alone; so does this one:
//
//	P(t) = exp(−t / mean)   and   φ(t) = t / (mean · ln 10)
//
// As there, the mean is that of the last 1000 intervals, begins with twice the
// heartbeat's own interval, and leaves out intervals that are longer than that:
// a node that was away for an hour must not be given hours the next time.
//
// What it costs: a node whose heartbeats come very regularly is still given
// φ·ln 10 ≈ 18 mean intervals, longer than a well-chosen timeout would; and the
// learnt mean follows a network that gets worse only as fast as heartbeats come.
//
// The arithmetic is in integers of 64 bits, with products of 128, so that every
// machine suspects the same node at the same nanosecond.
type arrivals struct {
	intervals []int64 // nanoseconds; a ring once it has arrivalWindow of them
	next      int
	sum       int64
	// last is when the last heartbeat came; 0: none has.
	last int64
}

// arrivalWindow is how many intervals the mean is taken of; as Cassandra's SAMPLE_SIZE.
const arrivalWindow = 1000

// heartbeat notes a heartbeat. Intervals longer than longest are left out.
func (a *arrivals) heartbeat(mono, longest int64) {
	if a.last != 0 && mono-a.last <= longest {
		a.note(max(mono-a.last, 1))
	} else if a.last == 0 && len(a.intervals) == 0 {
		a.note(longest)
	}
	a.last = mono
}

func (a *arrivals) note(interval int64) {
	if len(a.intervals) < arrivalWindow {
		a.intervals = append(a.intervals, interval)
		a.sum += interval
		return
	}
	a.sum += interval - a.intervals[a.next]
	a.intervals[a.next] = interval
	a.next = (a.next + 1) % arrivalWindow
}

// mean is the mean interval in nanoseconds; first, if there is none yet.
func (a *arrivals) mean(first int64) int64 {
	if len(a.intervals) == 0 {
		return first
	}
	return max(a.sum/int64(len(a.intervals)), 1)
}

const (
	// phiUnit is what φ is told in parts of: a millionth.
	phiUnit = 1_000_000
	// log10e is log₁₀ e in parts of 10⁹.
	log10e     = 434_294_482
	log10eUnit = 1_000_000_000
	// phiMost stands for every φ that is greater.
	phiMost = int64(1) << 62
)

// phi returns the suspicion after a silence, in millionths, rounded down.
// silence and mean are nanoseconds; mean is above zero.
func phi(silence, mean int64) int64 {
	if silence <= 0 {
		return 0
	}
	// silence · log10e · phiUnit / (mean · log10eUnit), the units cancelled.
	high, low := bits.Mul64(uint64(silence), log10e)
	divisor := uint64(mean)
	if high >= divisor {
		return phiMost // the quotient does not fit, so φ is beyond any threshold
	}
	quotient, _ := bits.Div64(high, low, divisor)
	if quotient /= log10eUnit / phiUnit; quotient > uint64(phiMost) {
		return phiMost
	}
	return int64(quotient)
}

// patience returns the longest silence, in nanoseconds, after which φ is not
// above the threshold yet: phi solved for the silence, so that a suspicion
// costs one comparison. mean is above zero.
func patience(mean int64, threshold int) int64 {
	// φ is above it from silence · log10e / mean ≥ first on.
	first := (uint64(threshold)*phiUnit + 1) * (log10eUnit / phiUnit)
	high, low := bits.Mul64(first, uint64(mean))
	if high >= log10e {
		return phiMost
	}
	quotient, rest := bits.Div64(high, low, log10e)
	if rest > 0 {
		quotient++
	}
	if quotient > uint64(phiMost) {
		return phiMost
	}
	return int64(quotient) - 1
}
