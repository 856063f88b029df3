// Package sweep runs a target in many configurations and says which claims
// hold where: expected, by theory, against observed, in simulation.
//
// # The problem
//
// "w + r > n" is what most people know of quorums. Which of the dozen claims
// it is worth, and what repair, fetches and clocks add or take away, fills
// chapters and is easy to get wrong, in prose and in code. A table of
// configurations by claims has room for all of it; but a table of what theory
// says is only another text, and one of what some runs have shown does not
// tell luck from law. Next to each other they check one another: an
// implementation that breaks a theorem shows, as does a theorem that is none.
//
// # The design
//
// A grid is the product of the values of some settings ([Axis]). What is no
// valid configuration (w > n) is left out. In each cell the same seeds are
// explored (package explore): each seed draws its own faults, network, load
// and clocks, and the cells differ in nothing but their settings. The target
// says what is to be expected of each claim, and why (target.Theory); a target
// without theory expects its own claims to hold, and nothing of the others.
//
// "Refuted" must be seen in at least one seed, "holds" in none. "Possible" is
// said where theory excludes neither, and agrees with whatever is seen.
//
// # Trade-offs
//
// Not to see an expected refutation may only mean that the seeds were too few
// or too tame: the outcome is "unknown" then, while a refuted theorem is a
// refutation. That a claim holds in all seeds is a bound on how many others may
// refute it, and no proof. All cells take the same number of seeds, however
// soon each is decided: numbers that are to be compared need equal trials.
package sweep
