// Package harness is the controller: it makes a plan of what the user asks
// for, carries it out against a real cluster and leaves a history behind.
//
// # The phases of a run
//
// set up → main (clients and nemesis) → heal → quiet → dumps → final reads →
// tear down. What was seen is judged afterwards, from the history file alone
// (package checker), so that a recorded run can be judged again at any time.
//
//   - Main: workers perform the workload's operations while the nemesis
//     carries out the plan's schedule of faults.
//   - Heal: every fault is ended and its end observed. Healing never waits
//     for clients: a client may be waiting for just the node that is stopped.
//   - Quiet: the target is asked until it says that it has no work of its own
//     left, hints to deliver or repairs to make; at most for a while.
//   - Dumps: each replica's state, before any read can repair it.
//   - Final reads: every key on every node, each repeated until it succeeds.
//
// # Time and order
//
// One goroutine a worker, one recorder for all of them. The recorder alone
// gives events their index and time, from one monotonic clock, and writes
// each event to disk as it happens: whatever way the controller ends, the
// history up to that moment is there. Clients are never given a phase's
// deadline, only their own, so that the end of a phase does not turn
// operations into failures.
//
// # Materialised plans
//
// A plan that lists its operations leaves nothing to a generator: each worker
// asks for its own in the order of their times, none before its time, and that
// is all of the main phase. Such a plan is small, often three operations and
// one fault, so that a run of it is not judged by how much traffic there was.
// One that a simulation has found and made small runs on containers too, as
// far as its faults can be made there; their network and disks are the real ones.
//
// # Repetitions and the control
//
// A real cluster does not do the same twice, and whether a schedule meets its
// anomaly hangs on milliseconds. So one run says little about a plan that is to
// reproduce something. [Repeat] performs it many times on one cluster, which
// is wiped in between rather than started anew, and then the control: the same
// operations and faults against the target made safe (target.Controlled), or,
// where no safer form is known, the same operations without the faults. What
// may be said afterwards is a count: refuted in k of n repetitions, the control
// in 0 of n. Repetitions that were not what the plan says, for instance because
// a fault was not verified, are in neither n. If the control is refuted as
// well, then the anomaly is not the target's doing and nothing is concluded.
// The control is performed only where there is a refutation to be explained.
//
// # Recorded histories
//
// [CheckAll] judges histories again, or for the first time if another tool
// recorded them: several at a time, as far as cores and memory go, each shown
// in the order of the arguments as soon as it is final. One that can't be read
// is told and listed, and keeps no other from being checked. Since the heap is
// shared, a search that gave up in company is made again alone.
//
// # Whatever way the controller ends
//
// Faults carry leases in the agents and containers die with the connection to
// the controller (package docker), so a killed controller leaves nothing
// broken behind; what remains of it is removed by the next run.
package harness
