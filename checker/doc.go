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
// different (which the workloads take care of) it takes O(n log n). The way of
// a key:
//
//  1. Reads that no order explains: of a value that nobody wrote, whose write
//     certainly failed, or whose write was invoked only after the read.
//  2. Gibbons and Korach (Testing Shared Memories, SIAM Journal on Computing
//  1997. compare the zones of time that the operations on each value pin
//     down: two that exclude each other refute, and if there are none, there is
//     an order. Values that compare-and-sets made from one another are one block
//     with one zone; two compare-and-sets that took effect on one value, or a
//     circle of them, refute (see blocks).
//  3. A delete writes not-found, which is there several times then. A sweep over
//     time finds a place for each delete and each read of not-found, or that
//     there is none (see sweep).
//  4. A compare-and-set that failed and says what it found is an observation of
//     that value; one that does not observed "not the expected value". Where that
//     was certainly there, it refutes; else some orders are tried.
//  5. No conflict: the order that follows from the zones or the sweep is replayed
//     step by step against the definition. If that succeeds, it is a proof by itself.
//  6. What is left takes a search (Wing and Gong 1993, Lowe 2017): values that were
//     written several times, conditional deletes of unknown outcome, mismatches
//     that no order tried explains. It gets a prepared history (see prepare), a share of
//     the time, and a bound on memory; what it cannot decide in them is Unknown, with
//     what made it hard.
//  7. Porcupine gives a second opinion on every key of moderate size in a
//     history of moderate length, by a model that counts observers (see
//     countingModel) where that can be. It shares no step with the others.
//
// A definition of the history's that matters here: an operation that failed
// tells nothing, but for a compare-and-set with the error "mismatch".
//
// Witnesses are made from what is in conflict, or, where a search found the
// history illegal, from what came last, and then by taking out operations as long
// as the rest is still illegal, by the same steps. Taking out is subject to a
// rule that keeps each such set a refutation by itself: see shrinker. Porcupine
// confirms the witness that is shown. A finding's class is that of its witness;
// beside those of reads there are stale-cas, cas-fork, cas-cycle, cas-mismatch and
// not-found-unexplained.
//
// The argument of 2 to 4 is held against the search and Porcupine by the command
// checker/differential, on as many small random histories as one has time for.
//
// # Objects that are no plain registers
//
// Sets, counters, queues, texts and registers under transactions are decided
// too, each by itself (see Models; the kind of a key is found out from its
// operations). What can be decided without a search is, by ways that are exact
// where their conditions hold:
//
//   - set: the reads must form a chain by inclusion; then the order is one of
//     blocks, which agrees with real time or does not. See setOrder.
//   - counter to which always the same number is added: additions are jobs to be
//     scheduled between the reads. See counterHistory.
//   - queue of different elements: the four patterns of Henzinger, Sezgin and
//     Vafeiadis (Aspect-Oriented Linearizability Proofs, CONCUR 2013), without
//     their VOrd for a queue that promises no order. See queueHistory.
//   - text of different pieces: the reads after each write form a chain by
//     beginnings, and the chains are to each other as a register's values are. See textOrder.
//
// All else is left to Porcupine, with a deterministic model for each kind: an
// operation of unknown outcome never returns and is always possible, so that
// an order without it is one with it at the end. An unknown dequeue of an
// unordered queue, which might have taken any element, is put off until a
// dequeue finds the queue empty (see bagModel). Patterns that refute without
// being exact come first: bounds of a counter's reads, values that nobody
// wrote, torn reads.
//
// Of an object as of a register, a witness must refute by itself. Which
// operations may be taken out of a legal history and leave one is a rule of
// each kind: see objectHistory.without, which the tests hold against the
// definition. Of sets and texts a witness speaks only of the elements that are
// added in it.
//
// A history without a plan is held to linearizability by default for all of
// these but sets: see linearizableApplies.
//
// # Claims about reads, and lost writes
//
// The definitions follow Terry et al. (Session Guarantees for Weakly
// Consistent Replicated Data, PDIS 1994) and Viotti and Vukolić (Consistency
// in Non-Transactional Distributed Storage Systems, ACM Computing Surveys
// 2016), made decidable from what clients saw by one relation. A value is known
// from the end of its acknowledged write or of the first read that returns it,
// whichever is earlier. It is provably older than a write w iff it is the
// initial value or was known before w was invoked. Not-found is the initial value
// only as long as nothing (perhaps) deletes: after that, a read of it is older
// than w iff all deletes that began before the read ended had ended when w was
// invoked. A value is older than the compare-and-set that replaced it, too.
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
// # Session guarantees and causality
//
// These claims look at the order of each session and at which write each read
// returned, never at the clock, so that a store may show states as old as it
// likes. A session is a process up to and including its first indeterminate
// operation. The causal order is (session order ∪ reads-from)⁺. A read violates a
// claim if it returns the state before a write w that the reader must have
// seen: the initial state, or a write that is older than w. What is older, and
// what must have been seen, is the claim's:
//
//   - monotonic-writes: the reader had read a write of another session; the
//     earlier writes of that session must have been seen, and are ordered as there.
//   - writes-follow-reads: the reader had read w2; what w2's session had read
//     before it must have been seen, and is older than w2; and so on by further
//     steps of that kind, not by what a session had only written.
//   - consistent-prefix: the reader had read w2; all writes before w2 in the
//     causal order must have been seen: no answer without its question. This is
//     the guarantee for one who reads one key after the other (Kleppmann,
//     Designing Data-Intensive Applications, 2017, chapter 5). Terry's
//     (Replicated Data Consistency Explained Through Baseball, CACM 2013) lets
//     each read go back to an older prefix, and reads of one key at a time can
//     not refute that. It refutes more than the two claims above together:
//     chains that mix both kinds of steps.
//   - pram: pipelined RAM (Lipton and Sandberg, 1988): each process sees the
//     writes of all in one sequence that keeps the order of each. Refuted by
//     the state before a write that the session has written itself, or that
//     comes up to a write which it has read, in that one's session; by a value that
//     the session knew before its last access of the key, if that was of
//     another value; by a value that nobody tried to write.
//   - causal: causal consistency (CC) as Bouajjani, Enea, Guerraoui and Hamza
//     define it (On Verifying Causal Consistency, POPL 2017), by their bad
//     patterns: CyclicCO, ThinAirRead, WriteCOInitRead, WriteCORead. If every
//     value is written once, there is one of them iff the history is not CC. Their
//     stronger variants, causal memory and causal convergence, are not
//     decided: for CC a process may see concurrent writes in one order and
//     then in the other, which pram forbids. So causal and pram do not imply
//     each other; causal implies the first three, and all but that of pram.
//
// The first two are those of Terry et al. (1994) and of Viotti and Vukolić
// (so|W→W ⊆ ar; vis;so|R→W ⊆ ar) as far as a client can tell: it does not see
// which replica answered, so a session that saw w2 is held to keep what came
// with it. Only what each claim itself promises makes a write older for it; a
// store that promises monotonic writes alone is not accused of an order that
// follows from reads. Read-your-writes and monotonic-reads are older and use
// real time (see above); causal does not imply them.
//
// A write that was never acknowledged and was read has happened, as the last
// of its session; unread it is ignored, as are failed reads and reads of values
// written twice. A value whose only writes certainly failed is left to
// linearizable. Not found is the initial state where nothing may have been
// deleted, and else says nothing; a delete overwrites as a write does. A
// compare-and-set that succeeded is a read followed by a write. Sets, counters
// and queues are left to other claims.
//
// All of it is near-linear. The events are visited in a topological order (see
// causalWalk) with vector clocks in shared pages (causalClock); each write is
// entered once as an overwriter of those writes of its key that come before it
// and are not overwritten by another such write, so that a read need only
// look at the overwriters of what it returned. Memory grows with the
// operations, by about a hundred bytes each, and with (sessions at work) ×
// (writes that will still be read), by four bytes; 150 to 350 MB for a million
// operations of 10 to 100 clients. Past Options.Memory the verdict is Unknown. Each witness is
// a shortest chain of sessions and reads, made smaller as long as it still
// violates the claim by its plain definition (causalDefinition), which has to
// agree.
//
// Registers with siblings return what they hold as dots with a context
// (history.Versions). There a read is in the wrong if a write that it must
// have seen is not in the context that it returned; values are not compared.
// Read-your-writes, monotonic-reads and the five claims above speak of them;
// the other claims pass such keys over.
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
// # Causes
//
// A witness says what clients saw. Why the store let it happen follows, often,
// from what it told about these operations: which replicas acknowledged, which
// were asked, what versions they had. The causes are the known limits of
// leaderless stores (see Causes, with what rules each of them out); derive.go
// has the rules and the few premises from which each is a proof. What it needs
// of the store is a version for each operation, what each replica answered, an
// order of the versions (a timestamp, a counter, or a read that chose), stand-ins
// marked as such, and the hints in the dumps. Where a store tells nothing, nothing
// is said; where it tells too little, the cause is not determined, and what is
// missing is named. Evidence never changes a verdict.
//
// # Screening
//
// An exploration judges thousands of simulated histories, nearly all of which
// refute nothing. For them a Screener answers whether Check would refute a
// claim, and by which class of violation, in some tens of nanoseconds an
// operation. It is made of the same definitions; it is fast by what it leaves out:
//
//   - No order is replayed for a register of different values without a
//     conflict: by Gibbons and Korach's theorem, and what blocks and the sweep
//     make of it, there is one. The tests hold that against replay, search and Porcupine.
//   - A register found linearizable is not examined for the claims that
//     linearizability implies.
//   - Where a search would be needed the claim is in doubt, and Check decides.
//   - It makes no witness and no explanation. Only the class of a conflict of
//     zones is that of its smallest witness, which then has to be made; that
//     costs some microseconds a key.
//   - It reuses all its memory.
//
// # Staleness
//
// Beside the verdicts a Report says how stale the reads of plain registers
// were: package staleness has the measures, this one decides which keys can be
// measured and takes the replicas' latencies from the evidence for the
// prediction. It decides no claim. A read can be stale there and refute nothing
// here: no-stale-reads wants an acknowledged write, while for a measure it is
// enough that another read had returned the newer value.
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
