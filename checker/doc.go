// Package checker decides which consistency claims a history refutes, and
// shows the smallest part of the history that does.
//
// # The problem
//
// A history is what the clients of a store saw: operations with the time of
// their invocation and of their completion, on one clock. An operation whose
// client never learnt what became of it may have taken effect at any later
// time. A checker that treats such an operation as failed, or as done, accuses
// correct stores; so does one that forgets an operation that was still under
// way. Everything here is built so that it never refutes a history that a
// correct store could have produced: each reduction states why it changes no
// verdict, each witness refutes the claim by itself, and where the answer
// would take too long it is Unknown, with the reason. A claim for which there
// was nothing to check is Unknown too.
//
// # Linearizability
//
// Herlihy and Wing (Linearizability, TOPLAS 1990): there is a total order of
// the operations that a single copy could have gone through, and each
// operation takes effect between its invocation and its completion. It is
// local: a history has it iff each object's does, so keys are decided one by
// one. Deciding it is NP-hard in general, but where every written value is
// different (which the workloads take care of) it takes O(n log n): Gibbons and
// Korach (Testing Shared Memories, SIAM Journal on Computing 1997) compare the
// zones of time that the operations on each value pin down. The way of a key:
//
//  1. Reads that no order explains: of a value that nobody wrote, whose write
//     certainly failed, or whose write was invoked only after the read.
//  2. The zones. A conflict refutes.
//  3. No conflict: an order is built from the zones and replayed step by step
//     against the definition. If that succeeds, it is a proof by itself.
//  4. Porcupine decides keys without such a proof (repeated values,
//     compare-and-set with mismatches or tangled chains) and gives a second
//     opinion on every key of moderate size in a history of moderate length. It gets a prepared history (see
//     prepare) and a model that counts observers (see countingModel), a share
//     of the time, and a bound on memory.
//
// Witnesses are made from the two values in conflict and then by taking out
// operations as long as the rest is still illegal, by the same steps. Taking
// out is subject to a rule that keeps each such set a refutation by itself: see
// shrinker. Porcupine confirms the witness that is shown.
//
// # Claims about reads, and lost writes
//
// The definitions follow Terry et al. (Session Guarantees for Weakly
// Consistent Replicated Data, PDIS 1994) and Viotti and Vukolić (Consistency
// in Non-Transactional Distributed Storage Systems, ACM Computing Surveys
// 2016), made decidable from what clients saw by one relation. A value is known
// from the end of its acknowledged write or of the first read that returns it,
// whichever is earlier. It is provably older than a write w iff it is the
// initial value or was known before w was invoked.
//
//   - no-stale-reads: no read returns a value provably older than an
//     acknowledged write that ended before the read began.
//   - read-your-writes: nor one provably older than the reader's own
//     acknowledged write. A session is a process up to its first indeterminate operation.
//   - monotonic-reads: nor one provably older than what the same process read
//     before; nor a value it had read before, if it read another in between.
//   - no-lost-writes: for each last acknowledged write of a register, some final
//     read returns it or a value that is not provably older. An acknowledged
//     write that gave way to a concurrent one is counted
//     (discarded-concurrent) but refutes nothing: a register may order
//     concurrent writes as it likes.
//
// Linearizability implies all four, so they never accuse a linearizable
// history; they exist because each names what a client would notice, and
// because they take a few nanoseconds an operation. They see less than a
// checker that knew the store's versions: a value whose place is uncertain is
// passed over.
//
// Sets are grow-only and judged element by element, after Jepsen's set-full:
// an element is lost if it was known, and a read that began after that, and
// after every read that shows it, lacks it.
//
// # Convergence and validity
//
// Convergence compares the dumps of the replicas of each key, taken once the
// target was quiet. Validity judges the run, not the store: a fault that
// nobody saw take effect, an idle run or a kind of operation that never
// succeeded make a verdict worthless, unless a claim was refuted all the same.
//
// # Screening
//
// An exploration judges thousands of simulated histories, nearly all of which
// refute nothing. For them a Screener answers whether Check would refute a
// claim, and by which class of violation, in some tens of nanoseconds an
// operation. It is made of the same definitions; it is fast by what it leaves out:
//
//   - No order is built for a register of reads and writes of different values
//     without a conflict: by Gibbons and Korach's theorem there is one. The
//     tests hold the theorem's implementation against replay and Porcupine.
//   - A register found linearizable is not examined for the claims that
//     linearizability implies.
//   - Where Porcupine would be needed the claim is in doubt, and Check decides.
//   - It makes no witness and no explanation. Only the class of a conflict of
//     zones is that of its smallest witness, which then has to be made; that
//     costs some microseconds a key.
//   - It reuses all its memory.
//
// # Memory
//
// The caller's million operations are not copied: each checker walks one key
// at a time through a slice of 32-bit positions and reuses its storage.
//
// A longer history need not be in memory at all. A Survey walks through it once,
// as it lies in its file, and keeps of each register five numbers a written
// value: when its write was invoked and acknowledged, when the first read of it
// ended and the last began. These give the value's zone, and the zones decide
// (see Linearizability) as long as the key has nothing but reads and writes of
// different integers. A register found linearizable violates none of the weaker
// claims, which follow from it; for them the walk only counts what their
// verdict tells, and it can count in passing, because operations come in order
// of invocation and with their completions: whatever ended before a read began
// was invoked before it, and has been seen. So have all earlier operations of
// the read's session.
//
// What is left are keys with a contradiction, with repeated values or with
// operations of other kinds. Their operations are loaded by a second walk and
// judged by the checkers as they are; findings are the same, to the word, as
// if all had been in memory. A claim says of itself whether it can do with
// that (claim.surveyed); one that cannot has the whole history loaded. What
// would take more memory than Options.Memory is Unknown, with the amounts.
//
// What a walk is not made for (a process that goes on after an unknown outcome,
// a phase that begins after its operations, a fault injected twice) sends the
// history to memory as a whole. Harness histories have none of it.
package checker
