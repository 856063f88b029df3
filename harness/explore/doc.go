// Package explore runs many seeds of a simulated run until a claim is refuted,
// and makes of what it finds a plan that a person can follow.
//
// # The problem
//
// A simulated run takes milliseconds, but each shows one course of events
// only. Which faults, traffic and delays bring an anomaly out nobody knows
// beforehand, and more of the same finds less and less. What is found is a
// run of thousands of operations, of which three matter.
//
// # A swarm of seeds
//
// Each seed draws a world of its own ([Draw]): which kinds of faults there are
// at all, how slow the network is, how many clients there are, how many keys.
// Runs that have everything in common measure are alike; runs that lack
// something reach what that would have masked (Groce, Zhang, Eide, Chen and
// Regehr, Swarm Testing, ISSTA 2012). The system under test is never drawn.
// The plan of a seed is complete: it can be run by itself and gives the same run.
//
// # Workers and order
//
// Seeds are run by several workers, each with a world of its own, and taken
// into account in order. The outcome is that of one worker: of each claim and class
// the finding is that of the lowest seed, and without KeepGoing the lowest
// failing seed is the last that counts. What workers had begun beyond it is thrown away.
//
// # Before a finding counts
//
// Seeds are judged by checker.Screener, which is quick. The first seed of
// each claim and class is run a second time, which must be the same run to the
// last bit, and judged by checker.Check in full, which must agree. If not, the
// error says so ([DefectError]): results of a tool that contradicts itself are
// worth nothing. A claim that the screener cannot decide for a seed is
// decided by checker.Check. If that cannot either, the seed is doubtful, and
// with doubtful seeds and no refutation the verdict is unknown.
//
// # Shrinking
//
// The operations of the seed's plan are written out, the plan is shrunk
// (package shrink) as long as it shows the same class of violation of the same
// claim, and the result is run twice more in new worlds and judged in full. A
// smallest plan often lives of one lucky delay. How often it fails under other
// networks is measured by trials ([Perturb]) and stands beside it, and
// Robustify looks for a variant that does so nearly always.
//
// # What may be concluded
//
// A finding is a counterexample for this core under the simulator's model,
// repeatable bit for bit. Findings in k of N seeds have Wilson's interval;
// where the first failure ended the exploration, the number of seeds is what
// was left to chance and the exact interval of the geometric distribution is
// given. None in N seeds bounds how many seeds fail under the distribution
// that they are drawn from, by 1 − 0.05^(1/N) at 95 %. It says nothing of other
// distributions, and nothing of real networks and disks.
//
// # Trade-offs
//
// Only first findings are judged in full; the number of seeds that show a
// finding is the screener's. The budget is looked at between seeds and depends
// on the clock, so which seeds count then differs from run to run; what each of
// them shows does not.
package explore
