// Package protocol is what the controller and the agent in each node's pod say
// to each other: JSON, one message a line, over the agent's stdin and stdout.
//
// The channel is the container engine's own attach stream. It needs no port,
// works on a remote engine, is not affected by the partitions that it orders,
// and ends by itself when the controller dies: the agent then reads EOF, undoes
// every fault and exits (a dead man's switch).
//
// Every fault has an identity and a lease. The identity makes overlapping
// faults compose: each has its own share of the packet filter, of the pauses
// and of the clock, and heals alone. The lease makes them end: a fault that was
// neither healed nor renewed in time is undone by the agent itself.
//
// The package is shared by both sides and therefore depends on neither.
package protocol
