// Package process starts, stops, kills and pauses a node's processes, and says
// what the kernel thinks of them.
//
// # Two halves
//
// The agent is the first process of the pod, a container that owns the network
// and PID namespaces. The node runs in a container of its own, with its own image,
// user and capabilities, that joins these namespaces. Its first process is the
// Shim: it connects to the agent's Supervisor, waits, and starts the image's own
// entrypoint on command, as often as it is told to, and reports each exit. So a
// killed node starts again in milliseconds, in the same container, with the same
// files and addresses, and the faults on its network never notice.
//
// The two meet at an abstract Unix socket, which belongs to the network namespace
// that only they and the node share. The supervisor accepts one connection and
// then closes the door: the node's own processes start later.
//
// # Whose processes
//
// A node is every process in the PID namespace except the agent, the shim, the
// agent's helpers, and what an engine's exec brought in from outside. The entrypoint
// gets a session of its own, but programs that daemonize leave it, so ancestry
// decides and not the session. When the entrypoint's process exits the rest of
// the node is killed, as in any container.
//
// # Pauses and kills
//
// Both are held by faults and counted by them: a node runs again when the last
// pause is healed, and is started again when the last kill is. A killed process
// may be a paused one. A process that starts while a pause holds is stopped before
// it executes the entrypoint.
//
// A signal is a request and not a fact: SIGSTOP to a namespace's first process is
// silently discarded, a process in an uninterruptible wait stops late, a process
// may fork between two signals, one that waits for its vfork child is deaf, and a
// traced one looks stopped whenever it waits for its tracer. Therefore each operation
// ends only when /proc says that it has happened, for every thread of every
// process, or fails by name.
//
// Of a traced process /proc says it only if the tracer has stopped too. So a pause
// stops the clock's helper, after the node and for as long as the node. The price:
// should the kernel kill a process of a paused node, as when memory runs out, its
// exit is reported only when the pause ends.
package process
