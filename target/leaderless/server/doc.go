// Package server runs one node of the leaderless store: it gives the pure state
// machine of package core a network, a disk and clocks.
//
// # The problem
//
// The core decides everything but can do nothing: it takes events and returns
// effects. A driver has to carry the effects out without adding behaviour of
// its own, since whatever it adds is invisible to a simulation of the same core.
// And it has to be quick to notice that the world is back in order: a test that
// heals a partition and then waits for half a minute, until TCP tries again,
// tests TCP.
//
// # The design
//
// One goroutine, the loop, owns the core, its timers and the log's appending
// side. All others hand it events through one inbox, of which it takes
// everything at once: under load one turn of the loop serves many events, and
// what they cause shares one write to the log, one fsync and one write to each
// peer.
//
// Between nodes there is one TCP connection for each direction of each pair, so
// that a node that can send but not receive is just that. What a peer can't
// take is dropped, because the core expects messages to get lost and a queue
// that outlives a partition would deliver a storm of stale ones. The core's
// heartbeats keep data in flight; TCP_USER_TIMEOUT makes the kernel give a
// connection up when that stays unacknowledged for a second. From then on the
// node dials again at least every 400 ms, so that it is heard again within half
// a second of a heal, instead of after TCP's own back-off, which reaches many
// seconds. A peer that is merely stopped (SIGSTOP) keeps its connections: its
// kernel acknowledges in its stead. Of several connections from one peer only
// the newest is listened to.
//
// Clocks: durations come from the monotonic clock alone, versions from the wall
// clock alone. A skewed wall clock must not shorten a timeout.
//
// The log's failure ends the node: a replica that doesn't know what is on its
// disk must not acknowledge anything any more.
//
// # The HTTP interface
//
//	PUT    /kv/KEY?w=2&n=3&timestamp=NANOSECONDS   the body is the value, as it is
//	GET    /kv/KEY?r=2&n=3
//	DELETE /kv/KEY?w=2&n=3
//	GET    /admin/status?key=KEY   what is pending, the clocks, the peers; with key its preference list
//	GET    /admin/dump             the replica's whole state, as a history.Dump
//
// Answers are JSON. A get answers 200 whether or not it found something; the
// field "found" tells. Errors are {"error", "code", "definite"}: 400 and 503 are
// definite, the operation has not happened and never will; 504 is not, it may
// have happened or may still do so. 413, 404 and 405 are definite too.
// "evidence" tells which replicas took part; its form is that of
// history.Evidence.
package server
