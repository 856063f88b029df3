package core

import "math"

// clock=hybrid: hybrid logical clocks (Kulkarni, Demirbas, Madappa, Avva and
// Leone, Logical Physical Clocks, OPODIS 2014).
//
// Last write wins by wall clocks loses writes that are not concurrent at all: a
// client reads what a node with a fast clock wrote, overwrites it through a
// node with a slow one, and its write, which came later and knew of the other,
// is the older one (the catalogue's item 12). A logical clock (Lamport 1978)
// never does that, but its numbers mean nothing to people. The hybrid is a wall
// clock that never falls behind what it has heard of: the next time is the
// node's clock or, if something greater was seen, one more than that. So
//
//   - if a write knew of another one, its time is greater;
//   - a time is at least the wall clock of the node that chose it, and ahead of it
//     by no more than the fastest clock of those that it heard from is.
//
// A time is nanoseconds since 1970 of which the lower 16 bits are the logical
// counter and the rest (units of 65.5 µs, rounded up) the physical part: the
// paper's 64-bit form (§6). 65,536 writes in one such unit without the clock
// moving would carry over into the physical part, which only makes it later.
//
// Causality has to travel to be kept. A node merges the time of every version
// that it sees in a message (a write, a repair, the answer to a read) and of the
// causal context that a client hands back; a client that writes through
// another node than it read from and hands back no context is not covered.
//
// The price: one node whose clock is a year ahead takes everybody with it. The
// paper's remedy, to ignore times beyond a bound, would here bring back the lost
// write, since the version itself can't be ignored.

// hybridUnit is the resolution of the physical part.
const hybridUnit = 1 << 16

// hybridNext returns the time of the next event where last is the greatest time
// that was given out or seen. False: there is no greater time.
func hybridNext(last, wall int64) (int64, bool) {
	physical := int64(math.MaxInt64)
	if wall <= math.MaxInt64-(hybridUnit-1) {
		physical = (wall + hybridUnit - 1) &^ (hybridUnit - 1)
	}
	if physical > last {
		return physical, physical != math.MaxInt64
	}
	return last + 1, last < math.MaxInt64-1
}
