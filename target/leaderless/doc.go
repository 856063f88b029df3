// Package leaderless is the target for the bundled store: a leaderless
// replicated key-value store in the manner of Amazon's Dynamo (DeCandia et al.,
// SOSP 2007), whose settings choose among the mechanisms that real stores have.
//
// Target describes the store and how to run a node of it; System.Connect gives
// clients, which are registers of 64-bit integers, written in decimal, and can
// also dump a replica, tell what is pending and read the node's clock.
//
// # Claims
//
// What a run tests by default is what the configuration is commonly held to
// guarantee, which is not always what it does guarantee; the difference is what
// the project is about.
//
//   - repair=abd with w+r > n: linearizable, no-lost-writes, read-your-writes,
//     monotonic-reads, no-resurrected-deletes. This is the register of Attiya, Bar-Noy and Dolev (JACM
//     1995), for which the first is a theorem, and the others follow from it.
//   - any other w+r > n: the same and convergence. Quorums that overlap are
//     widely taken for strong consistency.
//   - w+r ≤ n: convergence and no-lost-writes. This is eventual consistency as
//     it is advertised: reads may be stale, but what was acknowledged is there
//     in the end, everywhere. Without hints, read repair and scheduled
//     anti-entropy nothing makes replicas converge, so that convergence is not
//     claimed then.
//
// # Looking at a node
//
// Every node has an HTTP interface for people with curl and for Prometheus: keys
// under /kv, what operators look at and command under /admin, counts of all that
// a node notices of staleness, hints, repair, messages and its log under
// /metrics. Package server documents each path.
//
// # The client
//
// A client has one HTTP/1.1 connection and no goroutine of its own. It writes
// requests itself and lets net/http parse the answers: http.Client costs two
// more goroutine switches an operation and repeats requests by itself when a
// connection turns out to be broken, which would turn one write into two. This
// client never repeats anything. It looks at an idle connection before it uses
// it, so that a node's restart while it was idle costs a new connection rather
// than an operation of unknown outcome.
//
// Errors of a write are definite where the node says so, where no connection
// could be made, and where the request could not be handed to the kernel to its
// end, because a node does nothing with a part of a request. Every other error
// of a write is indeterminate. A read that fails has no effect, so that all
// errors of reads are definite.
package leaderless
