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
// # Whatever way the controller ends
//
// Faults carry leases in the agents and containers die with the connection to
// the controller (package docker), so a killed controller leaves nothing
// broken behind; what remains of it is removed by the next run.
package harness
