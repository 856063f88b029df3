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
// # The HTTP interface: keys
//
//	GET    /kv/KEY                  read
//	PUT    /kv/KEY                  write; the body is the value, as it is
//	DELETE /kv/KEY                  delete
//	PUT    /kv/KEY?if-absent        write if the key has no value (cas=paxos-v1, paxos-v2)
//	PUT    /kv/KEY?if-value=OLD     write if the key has exactly that value
//	PUT    /kv/KEY?if-anything      write in one order with the other compare-and-sets
//	POST   /kv/KEY/add?by=5&id=7    add to a counter; an addition with an id counts once (data-type=counter)
//	POST   /kv/KEY/insert           put the body into a set (data-type=or-set)
//	POST   /kv/KEY/remove           take the body out of a set
//	POST   /kv/KEY/assign?field=F   give the register F of a map the body (data-type=map);
//	                                add, insert and remove take a field, too
//	POST   /kv/KEY/drop?field=F     remove the member F of a map
//	POST   /kv/KEY/columns          write columns of a row, {"x":"1","y":"-1"} (data-type=row)
//
// DELETE takes the conditions, too. All take n, r and w, which override the
// settings for this request, and pr, pw, dw (primaries that must answer or
// acknowledge; replicas that must have it on disk) and level (one, quorum, all,
// local-quorum …; see core.Level), and writes timestamp=NANOSECONDS with
// timestamps=client. What goes together is the core's affair, and its error.
//
// Answers are JSON. A get answers 200 whether or not it found something; the
// field "found" tells. "value" is the value where there is exactly one
// ("value_base64" where it is not UTF-8): the number of a counter, a JSON array
// or object in a text for sets, maps and rows. Where a key can have several
// values at once, "siblings" has all of them, deleted ones included, each with the
// name of its write ("dot"), and "context" is what the write that is to take
// their place hands back in the header X-Causal-Context, as it is; the answer's
// own header of that name has the same. A write without it stands beside what is
// there. Riak answers several values with status 300; here it is 200, because
// the read did what it was asked for.
//
// A compare-and-set answers 200 whether or not its condition held; "applied" tells,
// and if not, "found" and "value" what was there instead.
//
// Errors are {"error", "code", "definite"}: 400 and 503 are definite, the
// operation has not happened and never will; 504 is not, it may have happened
// or may still do so. 413, 404 and 405 are definite too. "evidence" tells which
// replicas took part; its form is that of history.Evidence.
//
// # The HTTP interface: operators
//
//	GET    /metrics                 counters and gauges, as Prometheus reads them
//	GET    /admin/status?key=KEY    what is pending, the clocks, the peers; with key its preference list
//	GET    /admin/dump              the replica's whole state, as a history.Dump
//	GET    /admin/ring              the tokens and the nodes' shares
//	GET    /admin/members           all nodes as this one knows them: joining, normal, leaving, suspected …
//	GET    /admin/preference/KEY    the key's home replicas and stand-ins, with n for another n
//	GET    /admin/versions/KEY      what every node holds of the key; asks them all and repairs nothing
//	GET    /admin/hints             the hints that the node keeps, and for how long others have lacked something
//	GET    /admin/siblings?limit=10 how many keys have how many values, and those with the most
//	GET    /admin/trees?leaves      the hash trees of the node's ranges (anti-entropy)
//	GET    /admin/snapshot          the snapshots of the node's log, each checked
//	POST   /admin/snapshot?name=N   make one, while the node goes on
//	DELETE /admin/snapshot?name=N   remove one
//	POST   /admin/compact           replace the log by the node's present state
//	POST   /admin/repair            compare all ranges with all their replicas (anti-entropy)
//	POST   /admin/join, leave       become a member of the ring, or cease to be one
//	POST   /admin/replace?node=M    take the place of a member that is gone for good
//
// Commands that take time answer 202 as soon as they have begun, or an error if
// they can't; "pending" in the status tells when they are done. A snapshot is
// under DATA/snapshots; the node that is to be made of it is started with
// --restore and that directory, on an empty data directory.
package server
