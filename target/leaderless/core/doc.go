// Package core is a node of a leaderless, Dynamo-style key-value store as a
// pure state machine: it is handed an event and the time and returns effects
// (send, persist, set a timer, reply). It starts no goroutine, reads no clock,
// opens no file and draws no random number that was not seeded.
//
// # Why
//
// The store exists to be broken: by partitions, pauses, kills and skewed
// clocks, in containers and in simulation. Both must run the very same code,
// and the simulation must give the same run for the same seed, bit for bit.
// So everything that differs between the two is outside: the driver (a server
// with sockets and a log, or a virtual world) owns the time, the network and
// the disk. It calls Boot once per start and then Step for each event, one at
// a time, and carries out the effects.
//
// What a driver owes the node:
//
//   - an incarnation number that is durable and greater at each start;
//   - the records of the log at each start, made durable first (see Boot);
//   - EventDurable for each Persist that is not Eager, once the record is as
//     durable as the fsync mode promises, in any order;
//   - timers, never early; those of a killed incarnation must not fire;
//   - messages, unaltered or not at all. Loss, delay, duplication and
//     reordering are all allowed.
//
// # What is in it
//
// Every mechanism is a setting, and a file of its own with the problem, the
// idea, the source and the price on top. A course could go through them in this
// order.
//
// Where keys are, and who answers for them:
//
//	ring.go         consistent hashing, virtual nodes, preference lists
//	topology.go     data centres: which node is where, home replicas of each
//	replica.go      storing cells; what may be acknowledged and shown, and when
//	coordinator.go  requests, what an error means; deadline.go, table.go: its open operations
//	forward.go      routing: requests handed on to a home replica; forward_messages.go
//	detector.go     the failure detector by time; phi.go: the φ-accrual one
//
// Quorums:
//
//	read.go, write.go  reads and writes
//	quorum.go       what a request demands; what is unavailable before anything is sent
//	level.go        consistency levels, what each demands, when two overlap
//	primaries.go    pr, pw, dw: home replicas and logs beside w and r
//	readset.go      whom a read asks; digest.go: digest reads; speculate.go: speculative retries
//	sloppy.go       sloppy quorums; any.go: the level ANY, a hint as an acknowledgement
//	fetch.go        writers that fetch the greatest timestamp first
//
// Versions and conflicts:
//
//	version.go      the order of versions, last write wins; order.go: ties
//	timestamp.go    times of versions, their unit; hybrid.go: hybrid logical clocks
//	arrival.go      overwriting on arrival
//	object.go       states that are more than one value; merge.go: what becomes of two states
//	vector.go       version vectors, their order, pruning
//	actor.go        who makes events, epochs; events.go: which a node remembers to have made
//	versioned.go    concurrent values side by side; siblings.go: what readers and the wire get
//	vectorclock.go, versionvector.go, dotted.go  three ways to tell siblings from what is out of date
//	context.go      causal contexts of clients
//	update.go       writes that one replica carries out first; versionedwrite.go, repetitions.go
//
// Data types:
//
//	dots.go         causal data types: dots, stores, joins
//	counter.go, orset.go, ormap.go  counters, observed-remove sets, maps of both
//	row.go          columns, last write wins in each
//	datatype.go, datatype_encoding.go, datatype_node.go  their common state, and nodes that serve it
//
// Repair and deletion:
//
//	repair.go       read repair: async, blocking, ABD write-back
//	hints.go        hinted handoff: keeping; handoff.go: delivering; hint_keepers.go, hint_age.go
//	merkle.go       hash trees; ranges.go: ranges of keys with the same home replicas
//	exchange.go     finding and exchanging what differs; exchange_messages.go
//	antientropy.go  anti-entropy: rounds, repairs on demand, throttling; antientropy_messages.go
//	tombstones.go   deletion: tombstones and when they are purged, physical deletes
//
// Membership:
//
//	membership.go   who is on the ring, the rings that follow from it, pending home replicas
//	gossip.go       spreading what the nodes say of themselves
//	change.go       join, leave, replace; epoch.go: quorums of two rings do not mix
//	stream.go       moving ranges; rejoin.go: repair before serving; members.go
//
// Consensus:
//
//	paxos.go        a replica's part: ballots, promises, commits; paxos_message.go
//	lightweight.go  compare-and-set, the coordinator's part; lightweight_propose.go
//	contention.go   overtaken by another ballot; serial.go: who takes part
//
// And around them:
//
//	message.go, encoding.go  messages between nodes and their encoding
//	record.go       records of the log
//	settings.go     the settings and their checks; settings_table.go and settings_*.go: the list
//	reply.go        what a client gets; for the evidence alone trips.go (round trips)
//	                and causalevidence.go (what a write knew and a read found)
//	inspect.go      dumps, pending work, digests, compaction
//	survey.go, views.go, counters.go, gauges.go  what operators see
//
// # What it promises, and what not
//
// With fsync=always, acknowledge=after-log, sloppy=off and a ring that is
// static or kept apart by epochs, three configurations keep a strong promise:
//
//   - repair=abd (which implies fetch) with w + r > n: each key is a
//     linearizable register under every fault but the loss of disks; with
//     rejoin=repair-first and w ≥ 2 it survives the loss of single disks, too.
//   - cas=paxos-v1 or paxos-v2 with read-level=serial and nothing but
//     compare-and-sets and serial reads on a key, with a ring that does not
//     change: a linearizable register with compare-and-set, under the same faults.
//   - resolver=dotted and actor-epochs=on, with quorums of any kind: no
//     acknowledged write is lost but to one whose writer had seen it. That is
//     causality, not linearizability: readers are shown siblings.
//
// Everything else is what real stores ship, and gives up something: last write
// wins with clocks loses acknowledged writes, sloppy quorums do not overlap,
// asynchronous repair lets two reads in a row go back in time, an early
// acknowledgement dies with the process, and so does a hint that was not
// logged. By default deletes leave tombstones for ever and nothing compares
// replicas in the background, so that a key that nobody reads and no hint
// covers stays divergent; anti-entropy, gc-grace and purge change that, each at
// its own risk. Package catalogue has a plan for each of the known ways to lose.
//
// # Determinism
//
// Maps are only looked up, or sorted before their order can show; arithmetic
// is in integers; there is no time, rand, maphash or formatting of pointers.
// Digest lets a test compare two runs.
package core
