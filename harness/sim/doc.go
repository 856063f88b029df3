// Package sim runs plans in a world of its own: virtual time, a simulated
// network, disks and clocks, and the bundled store's own core as the nodes.
//
// # Why
//
// On containers a run takes as long as it takes, and what it finds it found by
// luck: the same seed gives the same faults and operations, but not the same
// order of messages. Here a minute takes milliseconds, every run of one plan
// is the same to the last bit, and so what was found can be replayed, cut down
// to a few steps and followed by a person. FoundationDB, TigerBeetle and
// others test themselves in this way; the difference is that here it is one
// backend of two: store, workloads, faults, history and checkers are the same
// as on containers, and a plan that was found here runs there too.
//
// # How
//
// One loop takes what happens next from a queue ordered by time, hands it to
// whom it concerns and puts what follows from it into the queue. No goroutine,
// no channel, no clock: goroutines would be scheduled differently in each run,
// even on one core, and cost ten times as much. The nodes are state machines
// (package core of the store) that are handed an event and return effects. The
// clients are workloads, whose plain code is performed again with each answer
// until it needs no further one (see caller).
//
//	world.go    loading and running plans
//	phase.go    main, heal, quiet, dumps, final reads, as on containers
//	worker.go   clients: when they ask, how long they wait; client.go: performing
//	host.go     machines: process, pause, crash, start, wall clock
//	network.go  delays, loss, duplication, cut links; disk.go: the log
//	fault.go    faults begin and end; lost.go: lost disks, operators' commands
//	queue.go    what is going to happen; random.go: draws by identity
//	record.go   the history; tracer.go: messages and replica states
//
// # Random choices
//
// Each has an identity: the seed of the surroundings, what is decided, on
// behalf of which request (worker, number of its operation, number of its
// call), and which of the messages it is. None is taken from a shared stream.
// Removing an operation or a fault from a plan therefore leaves every delay of
// all others as it was, without which shrinking would search in noise.
//
// # The model
//
// Delays are exponential above a floor, with a heavy tail, in integers (floats
// differ between architectures). Messages may be lost, duplicated and
// reordered; links may be cut one way, and drop or keep what is sent. A
// partition is between nodes: clients reach every node. A killed process loses
// its memory, a machine without power also what the disk had not synced, and
// of what it was just writing a part is there or not. A process that is
// stopped finds all that has come when it goes on. A full disk fails the next
// write, which ends the process, as it does that of the store's server.
//
// What this is not: the real network, kernel, disk or scheduler. A
// counterexample found here is one for this core under this model; whether
// real processes show it is for `refute run --plan FILE --on docker` to say.
//
// # Determinism
//
// Result.Hash covers everything that happened, in order, with times and
// contents, and the final state of every node. Tests compare it between runs,
// builds, garbage collector settings and architectures; equal verdicts alone
// would show nothing.
package sim
