// Package catalogue holds the thirty known limits of leaderless stores, each
// as a plan that anybody can run: a few operations and faults that refute a
// claim of the bundled store, and beside it a twin, the same plan with one
// setting changed, that does not.
//
// # The problem
//
// That quorums need not overlap, that the last write to win need not be the
// last, that a deleted value can come back: books, papers and bug trackers
// tell of it, mostly as prose. Prose can't be run, leaves open which setting
// it depends on, and is hard to tell from folklore. A random search finds such
// anomalies, but shows each amid thousands of operations and with whatever
// settings it was started with.
//
// # The design
//
// Each item is a folder: plan.json, written by hand to be read, and twin.json.
// Item says what they show: the claim that falls, the cause that the evidence
// must prove (a name of package checker's Causes), the one setting in which
// the twin differs, what that costs, and where the anomaly is known from. The
// tests hold the texts to the files: a twin differs from its plan in exactly
// that setting, the plan refutes exactly that claim with that cause, for nearly
// every draw of network and disk delays, and the twin refutes it for none.
//
// The plans keep to a convention. The five nodes are n1 to n5; the key x, of
// which most of them speak, has its home replicas, A, B and C in the
// literature, on n1, n2 and n3, so that n4 and n5 are the spare nodes D and E.
// The first fault begins after a second and operations keep away from its
// edges, so that real clusters can follow where their faults can be made.
//
// Two items refute nothing. A write that is concurrent with a read may show or
// not, and a write that timed out may happen late: what looks like an anomaly
// is legal, and a checker that reports it is wrong. They are here for that.
//
// # Trade-offs
//
// A plan fixes the schedule, not the delays, so that an item is no proof for
// one network only; a few of the plans depend on what a disk had written when
// the power went, and refute for most seeds instead of all. A twin that holds
// proves nothing either (no run does): it shows that this schedule does not
// refute the claim any more, with that price paid.
package catalogue
