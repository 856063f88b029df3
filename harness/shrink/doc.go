// Package shrink makes plans that refute a claim smaller, and then sturdier.
//
// # The problem
//
// A seed that refutes a claim comes with thousands of operations and a score
// of faults, of which three and one matter. Nobody can read the rest away, and
// it costs time whenever the plan is run. Once the plan is small it has another
// defect: it shows the anomaly under the one set of delays that it was found
// with, and hardly ever on real processes, whose delays are never those.
//
// # Shrinking
//
// [Shrink] looks for the smallest plan that still shows the same anomaly under
// the same seed of the surroundings. It leaves out what came after the anomaly
// and long before it, then keys, faults, clients and operations, ever smaller
// portions of them (delta debugging, Zeller and Hildebrandt 2002); then it
// weakens the faults that remain (fewer nodes and links, milder kinds, smaller
// offsets, shorter times) and closes the gaps in time. All of that is repeated
// until a whole round changes nothing, so at the end no single operation and no
// single fault can be left out. What is best to try first is what makes the
// plan cheap: a run of all operations takes fifty times as long as one of four.
//
// It works because every random choice of a run has an identity (package plan,
// Draw): without an operation all others meet the very delays that they met
// before. Operations therefore keep their worker and index.
//
// The oracle decides what "the same anomaly" is. It must insist on the claim
// and on the class of the anomaly, or the search slips to another, easier one.
// What comes after the main phase (healing, waiting, final reads) is no part of
// a plan and runs in full each time, so it cannot be squeezed until any store
// would fail.
//
// # Making it sturdy
//
// [Robustify] takes the small plan and looks for a neighbour that shows the
// anomaly under most other delays: with time between the edges of faults and
// the operations, since real faults take tens of milliseconds to come into
// force; with faults that last, clocks that are further off, nodes that are cut
// off completely; with a fault at all, where the small plan lives of a lucky
// delay. It climbs: variants that change several things at once come first,
// then single changes, each judged by a few trials and the best of them by
// more. Plans with less in them are preferred where the probability is the same.
//
// The probabilities that it reports are measured in trials that took no part in
// the choice, so that the choice does not flatter them. They are probabilities
// under the distribution from which the trials draw their surroundings, and say
// nothing certain about a real network.
//
// # Trade-offs
//
// The smallest plan found is a local minimum: nothing alone can be left out,
// yet a different plan might be smaller still. Oracles are far from monotone (leaving
// one operation out can hide an anomaly that leaving out two shows), and the
// search for all minima is exponential.
//
// Shrink is deterministic unless its time runs out. So is Robustify; its budget
// of trials is set so that it usually ends by itself.
//
// The package knows plans and nothing else. The kinds of faults are known to it
// by their names in plans only, so that it depends on no backend.
package shrink
