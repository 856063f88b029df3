// Package purity finds in the source of a package what would make it behave
// differently from run to run.
//
// A simulation can be replayed only if nothing in it depends on the scheduler,
// the clock, the order of a map or the rounding of a processor. Tests that run
// it twice show some such dependences, by luck; the source shows all of those
// that have a syntax. What has none (a pointer that is formatted, a hash with
// a random seed) is kept out by the list of imports.
package purity
