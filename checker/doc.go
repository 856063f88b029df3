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
// # Claims about what becomes of writes
//
// Each names one thing that goes wrong with writes, and says no more than what
// clients saw proves:
//
//   - no-lost-updates: a compare-and-set succeeds from a value from which
//     another one already had, or which an acknowledged write had certainly
//     replaced. A client that reads and then writes by two operations is
//     promised nothing.
//   - no-dirty-reads, no-phantom-values: what is read was written, and its
//     write did not certainly fail. What clients tried to write is known
//     completely, so this needs no order. That a write of unknown outcome was
//     read is counted (observed-indeterminate).
//   - no-resurrected-deletes: a value that was there before an acknowledged
//     delete, and was found to be gone after it, is not read again. To the other
//     claims a delete is a write of "not found".
//   - no-discarded-writes: of two writes that did not know of each other both
//     are in the final reads. Only stores that keep siblings promise it, so it is
//     judged by default only where a read returned several values.
//   - no-duplicates: no read of a set has an element twice.
//   - counter-bounds: a counter is at least what the acknowledged adds make it,
//     and at most what all adds that did not certainly fail could.
//   - row-atomicity: a row, which is a list of integers written as one value,
//     is not read as a mix of several. To the other claims it is a value.
//
// The acknowledged adds of a set are judged by no-lost-writes, those of a
// counter by counter-bounds, so that each loss is told once. A key whose
// values are integers and whose reads return lists keeps siblings: each read
// returns several values, which no-lost-writes, no-dirty-reads and
// no-phantom-values judge one by one; a register that is linearizable never
// does that. Report.Sets has the times after which elements were in all reads.
//
// # Replicas and validity
//
// Convergence compares the dumps of the replicas of each key, taken once the
// target was quiet. Report.Replicas is a census of the same dumps: which
// replica is behind, on how many keys. Versions are in the target's own notation;
// which of two states is newer follows from the history of the values, or is
// left open. bounded-siblings limits the versions that stand side by side, and
// Report.Siblings counts them. Validity judges the run, not the store: a fault that
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
package checker
