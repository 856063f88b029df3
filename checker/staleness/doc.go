// Package staleness measures how stale the reads of registers were, and
// predicts how stale they had to be.
//
// # The problem
//
// That a store returned a stale value says little: one read in a million that
// was three milliseconds behind is something else than every second read that
// was an hour behind. This package says how often, by how many versions and by
// how much time, and sets beside it what the latencies of the replicas let one
// expect (Probabilistically Bounded Staleness).
//
// # What is measured
//
// The history of a key is all there is: when operations began and ended, and
// what they wrote or returned. When a write really took effect nobody saw.
// So everything said of a single read is a lower bound: what holds in every
// order of the operations that respects real time.
//
//   - Of each read: how many newer versions it certainly missed, and for how
//     long its value had certainly been overwritten. A value is known from the
//     end of its acknowledged write or of the first read that returned it,
//     whichever is earlier. A write is definitely newer than a value if it was
//     invoked after that was known.
//   - k-atomicity: the least k such that every read returns one of the last k
//     values, in some order. To find it is not known to be easy; the answer
//     is a bracket, which is exact up to 2 and nearly always beyond.
//   - Δ: by how much all reads would have to begin earlier for the history to
//     be atomic (linearizable). Exact.
//   - Γ: by how much all operations would have to be stretched. Exact. Clocks
//     that disagree by no more than Γ could have caused all that is to be seen.
//   - t-visibility: the share of fresh reads by the time since the last
//     acknowledged write. Here a read is stale only if the newer write had been
//     acknowledged, since the prediction speaks of acknowledged writes.
//
// A history is atomic iff k = 1, iff Δ = 0, iff Γ = 0.
//
// # The prediction
//
// Bailis et al. (VLDB 2012) model a write to n replicas and a read that begins
// t after the write ended, by four latencies of each replica (WARS), and draw
// them at random. Nothing in the model looks at what was read: where measured
// and predicted agree, latency alone explains the staleness; where the
// measured is worse, something else is at work: lost messages, a replica that
// was down, a defect. Concurrent writes and repair are not in the model either.
//
// # Trade-offs
//
// A key with values that were written more than once cannot be measured, since
// its reads do not tell which write they saw. All measures of a key take
// O(n log n); those of atomic keys hardly more than the sorting. Only the
// search for k could take longer, and is bounded.
package staleness
