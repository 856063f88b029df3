// Package nemesis makes things go wrong, on schedule, and proves that they did.
//
// # The problem
//
// A run under faults is worth what its faults are worth. Tools have cut links
// that stayed open, paused processes that ran on and skewed clocks that
// programs never read, and reported that the store had survived. Others have
// left a partition behind, or waited for a stuck client before they healed
// what kept it stuck. So a fault here is believed only when its effect was
// observed, its end too, and healing waits for nobody.
//
// # Faults are data
//
// A fault is a plan.Fault: a kind, a shape, its targets, and an interval of
// time. A schedule is a list of them, each independent of the others, so that
// any part of a schedule is a schedule, and the smallest one that still breaks
// a store can be searched for. Schedule draws one from a seed; plans may be
// written by hand, and Validate says what is wrong with them.
//
// Jepsen's nemesis is a sequence of operations instead ("start", "stop"), where
// one fault of a kind must end before the next begins. Intervals overlap: a
// clock goes wrong during a partition, and a node is killed during both. That
// is where stores break.
//
// # Two backends
//
// Power cuts, networks that lose or delay messages, disks that stall or are
// full and partitions that hold messages back are faults of the simulation
// only, which carries every kind out by itself: there, a fault is in force
// because the simulation says so, and nothing is to be verified. On containers
// a killed process loses nothing that it wrote, and the agents cut links but do
// no worse to them. Caps tells what a backend can do and refuses the rest by
// name; the rest of this page is about containers.
//
// Operators' commands and lost disks are made only where they are asked for by
// name. No store promises what it promised when a disk is lost, and a command
// that a store refuses (a node that is a member already joins) is an answer:
// what it was is in the evidence. On containers a disk that is lost is empty
// afterwards, or as it was once; that of another node is the simulation's.
//
// # The life of a fault
//
// inject → verify → heal → verify. All four are recorded in the history as two
// operations of the process "nemesis", named inject and heal, whose completion
// carries the evidence. It is ok if the effect was seen, and info if it was not:
// nobody knows then. A fault that was not verified makes no error here, because
// what it means for the run is decided by whoever reads the history.
//
// What counts as evidence:
//   - partition: datagrams between the agents in the nodes' own network
//     namespaces, over every directed link. The links that are cut must stay
//     silent and, as important, all others must answer.
//   - pause: the kernel shows every process of the node as stopped.
//   - kill: the process's exit report names the signal, and the process is gone;
//     afterwards a new process runs and has answered a real request.
//   - clock: the node's own clock, as the node tells it, read until the readings
//     contradict that the fault is absent (after healing: that it is in force).
//     A reading over the network is an interval as long as the round trip; no
//     other tolerance is needed than for clocks told in whole milliseconds.
//
// Faults overlap in their verification as well: what one sees, another may be
// changing. The books on links, processes and clocks note what every fault has
// done and count changes, so that an observation during a change is repeated
// and not believed.
//
// # Healing
//
// Each fault heals alone, by its own name, and nothing is flushed that others
// put there. Healing starts at the fault's end or when the run's context ends,
// whichever is first, on every node at once, with a deadline for each request;
// it is repeated until the end was observed, and a fault whose end was not is
// reported. HealAll does the same for everything, whoever made it. When the
// controller is dead there is nobody to do this: every injection carries a
// lease after which the agent undoes it, short, and renewed while the fault lasts.
//
// # Random schedules
//
// Thirty seconds are a dozen faults, and a test wants each kind and each shape
// among them, not eight pauses. So both are dealt from shuffled decks, and what
// matters most (a kill of a majority, a bump of half a second or more, a cut-off
// minority) is in every schedule in which its kind is. Each number is drawn
// for an identity (package plan's Draw), with integers alone: the same seed
// gives the same schedule everywhere.
//
// An exploration runs thousands of schedules, and wants them to differ. Swarm
// draws each seed its own few kinds, its own number of faults and its own
// habits. Its faults are short or long, weak or strong on a logarithmic scale,
// crashes often come together, and nothing is kept apart: the simulation counts
// the faults on each node, so that any overlap has a meaning. A schedule that
// finds something is made small afterwards; it need not be sparse.
//
// # Adding a kind
//
// A kind is a value: see kind in kind.go, and pause.go for the smallest one. One
// that only the simulation has lacks the part that carries it out, as power.go's.
package nemesis
