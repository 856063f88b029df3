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
// Every mechanism is a file of its own, with the theory and its price on top:
//
//	ring.go         consistent hashing, virtual nodes, preference lists
//	version.go      the order of versions, last write wins
//	replica.go      storing cells; what may be acknowledged and shown, and when
//	coordinator.go  requests, quorums, what an error means
//	deadline.go     how long operations wait, with one timer for all of them
//	table.go        finding what is open by its number
//	read.go         reads
//	write.go        writes, timestamps from clocks
//	fetch.go        writers that fetch the greatest timestamp first
//	repair.go       read repair: async, blocking, ABD write-back
//	sloppy.go       sloppy quorums
//	hints.go        hinted handoff: keeping; handoff.go: delivering
//	detector.go     the failure detector
//	trips.go        round trips, for the evidence alone
//	message.go      messages between nodes and their encoding
//	record.go       records of the log
//	settings.go     the settings and their checks; settings_table.go: the list
//	inspect.go      dumps, pending work, digests, compaction
//
// # What it promises, and what not
//
// Only one configuration is a linearizable register under every fault but the
// loss of disks: repair=abd (which implies fetch) with w + r > n,
// acknowledge=after-log, sloppy=off and fsync=always. Everything else is what
// real stores ship, and gives up something: last write wins with clocks loses
// acknowledged writes, sloppy quorums do not overlap, asynchronous repair lets
// two reads in a row go back in time, an early acknowledgement dies with the
// process, and so does a hint that was not logged. Conflicting writes are never
// kept side by side (no version vectors yet), deletes leave tombstones for
// ever, and nothing compares replicas in the background: a key that nobody
// reads and no hint covers stays divergent.
//
// # Determinism
//
// Maps are only looked up, or sorted before their order can show; arithmetic
// is in integers; there is no time, rand, maphash or formatting of pointers.
// Digest lets a test compare two runs.
package core
