// Package plan holds everything that is needed to run again: the seed, the
// target and its configuration, the workload, the schedule of faults and the
// limits, and the file (plan.json) in which it is kept.
//
// # The problem
//
// A run that shows a bug is worth little if it can't be repeated, varied and
// made smaller. So nothing that shapes a run may be left to chance or to the
// flags of the day: the plan is complete before the run begins, and the run
// reads nothing else.
//
// # The schedule is data
//
// A fault is an interval with a target, not a step of a script. Any subset of
// a schedule is a schedule, which is what shrinking needs: it leaves faults
// out and looks whether the claim still falls.
//
// # Randomness has identities
//
// The same need rules the random choices. With one shared generator, leaving
// one operation out would shift every later draw, and the smaller run would
// have nothing to do with the larger one. Here every draw has an identity
// instead (the seed, what it is for, whom it is for) and its number is a hash
// of that: see Draw and NewRand. The price is a hash for each draw, about two
// nanoseconds a word, and that identities must be chosen with care: two draws
// with one identity are the same number.
//
// # The file
//
// The text is canonical: equal plans have equal bytes, and the SHA-256 that
// results.json names is that of the file. Unknown fields are refused, since a
// misspelt one would silently keep its default. A later version of the format
// has another number and is refused by it. Validate checks what can be checked
// without knowing any target, workload or fault; the names of those are
// judged where they are looked up.
package plan
