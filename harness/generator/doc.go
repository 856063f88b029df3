// Package generator decides which operations the clients of a run ask for.
//
// # The problem
//
// A run must be repeatable: two runs with the same seed should ask the same
// things in the same order, although the answers, and with them the timing,
// differ each time. A generator that hands operations to whichever client is
// free next cannot promise that: a slow reply shifts everything that follows.
//
// # The design
//
// A [Generator] is a pure function: the i-th operation of a worker depends on
// the seed, the worker and i alone, never on the clock or on the outcome of
// another operation. Every random choice inside is drawn by identity (package
// plan, Draw), so taking one operation away leaves all others as they were;
// that is what lets a failing plan be shrunk.
//
// A worker is a client's place in the run. Its process number changes when an
// operation ends in info (see package history); its sequence of operations
// goes on. "The same operations a process" is therefore to be read by worker:
// the process number modulo the concurrency.
//
// Each operation has a time before which it must not be asked for ([Pace]).
// Workers that fall behind, because their node does not answer, catch up
// without waiting. So the workers stay together although nobody synchronises
// them, and they work on the same keys at the same time, which is where
// anomalies are.
//
// # The trade-off
//
// A generator that cannot see outcomes cannot react to them ("read what was
// just acknowledged"). In exchange for that a recorded seed is worth
// something. At rate 0 there is no pacing: workers run as fast as they can
// and drift apart in their sequences.
package generator
