// Command agent is the program that injects faults into one node of a cluster.
//
// It is the first process of the node's pod: a container of our own that owns
// the network namespace, the PID namespace, the address and the published port.
// The node itself runs from any image in a second container that joins the two
// namespaces. So the agent can filter the node's packets and signal its processes
// without the node's image knowing of it, and what it did outlives the node's
// crashes. (A sidecar that joined the node's namespaces would vanish with the
// node, and could not even stop it: a namespace's first process ignores SIGSTOP
// and SIGKILL from inside.)
//
// # Ways to run it
//
//	agent [-data DIR] [-control DIR] [-clock=false]   the agent proper
//	agent shim -- COMMAND…                            the node's first process, see package process
//	agent hold -- COMMAND…                            stop, then become COMMAND when continued
//	agent idle                                        do nothing: a node for trying faults out
//	agent clock-exec -page FILE -- COMMAND…           become COMMAND with a skewed clock, see package clock
//
// The agent is controlled by lines of JSON on its standard input and answers on
// its standard output, as package protocol says; diagnostics go to its standard
// error. When its input ends, when nothing at all was said to it for
// protocol.SilenceSeconds, or on SIGTERM it undoes every fault and exits, which
// ends the PID namespace and with it the node: nothing outlives the controller.
//
// # Trade-offs
//
// Requests about the network, the processes and the clock are carried out in
// three lanes, in order within a lane: a kill that waits for the kernel does not
// delay a partition. Every fault carries a lease and is undone by the agent itself
// when it runs out, so a controller that hangs cannot stretch a fault.
//
// The program is static and small because it is copied to every node; it imports
// nothing of the controller.
package main
