// Package target says what a system must provide to be tested, and keeps the
// list of the systems that can be.
//
// # The problem
//
// A harness that knows one database can look into it; a harness for many must
// know as little as possible of each. What every system under test has in
// common is small: it consists of nodes, a node is a program that is started in
// a container, and a client speaks to one node. What it can do beyond that
// (hold registers, show a replica's state, say that it is quiet, tell its
// clock) differs.
//
// # The design
//
// A Target is a kind of system. Configure turns it, with checked settings and
// the number of nodes, into a System: a description of how to run each node
// (NodeSpec) and a factory of clients. A Client shows its abilities by the
// small interfaces that it implements, Register, Dumper, Quieter, Clock, and
// callers ask for them with a type assertion: a target without replica dumps
// is simply not dumped, and a clock fault on a target that can't tell its
// clock is refused, because it could not be verified. A System may know what it
// would be if it were safe (Controlled), which is what it is held against.
//
// Errors carry the one distinction on which every verdict hangs. A definite
// error means that the operation did not and never will take effect; anything
// else may have happened, or may still. A client therefore never retries on its
// own and never calls an error definite out of optimism: a write that is
// reported as failed but shows up later is a false alarm, a write that is
// reported once but made twice is another.
//
// The registry is filled by the program's main function, one Add for each
// target, rather than by init functions of imported packages: what a binary
// can test is then written down in one place, and a test can use a target
// without having all others linked in.
package target
