package catalogue

// quorumItems are those about quorums and timing, memberships and data centres
// included: what a read may miss although nothing is lost.
func quorumItems() []Item {
	return []Item{
		{
			Number: 1, Name: "quorums-that-do-not-overlap", Title: "w + r ≤ n: a read misses an acknowledged write",
			Story: "n=3, w=1, r=1. The coordinator n4 can't reach n2 and n3 and has its write acknowledged by n1 alone. " +
				"A later read through n3 is answered by n3 itself, with the old value.",
			Claim: "no-stale-reads", Cause: "no-overlap",
			Setting: "r", Plan: "1", Twin: "3",
			Remedy: "With w + r > n every read asks a replica that acknowledged the write.",
			Cost:   "latency, and reads fail when one replica is down",
			Source: "Dynamo (SOSP 2007) §4.5; Designing Data-Intensive Applications p. 179",
		},
		{
			Number: 2, Name: "sloppy-quorum", Title: "a sloppy quorum need not overlap with any other",
			Story: "n=3, w=2, r=2, sloppy=on. The partition {n4 n5} | {n1 n2 n3} cuts all home replicas off a client's side; " +
				"n4 and n5 stand in for them and acknowledge its write. A read on the other side is answered by the home replicas, with the old value, and so is the writer itself when it moves there; " +
				"once the partition is over the stand-ins hand the write over, and the new value is read.",
			Claim: "linearizable", Cause: "sloppy-quorum",
			Setting: "pw", Plan: "0", Twin: "2",
			Remedy: "With pw=2 at least two home replicas must acknowledge, so that quorums overlap again; sloppy=off does the same for all requests.",
			Cost:   "the write fails during the partition",
			Source: "Dynamo §4.6; Riak's pr and pw; Designing Data-Intensive Applications p. 183",
		},
		{
			Number: 3, Name: "read-during-a-write", Title: "a newer value is read, then an older one (Fig. 9-6)",
			Story: "n=3, w=3, r=2. A write has reached n1 and nobody else yet. One client reads through n1 and gets the new value; " +
				"after that another one is answered by n2 and n3 and gets the old value. The quorums overlap, but the write was not complete. " +
				"Asynchronous repair comes too late: n1 waits with it for the answer of n2, which is paused, and then n1 is paused itself.",
			Claim: "linearizable", Cause: "write-concurrent-with-read",
			Setting: "repair", Plan: "async", Twin: "abd",
			Remedy: "A read writes the value back to w replicas before it returns it (Attiya, Bar-Noy, Dolev): the first client gets its answer when n2 and n3 have the value as well.",
			Cost:   "a second round trip for such reads; repair after the reply does not help",
			Source: "Designing Data-Intensive Applications Fig. 9-6",
		},
		{
			Number: 4, Name: "write-concurrent-with-reads", Title: "a read during a write may return either value",
			Story: "As the one before, with the two reads the other way round: the old value is read while the write is on its way, then the new one. " +
				"That is legal for the strongest of claims, and a checker that reports it is wrong: the negative control.",
			Claim: "linearizable", Legal: true,
			Reads:  "1 2",
			Source: "Lamport, “On interprocess communication” (1986): regular registers",
		},
		{
			Number: 5, Name: "failed-write-stays", Title: "a failed write is not rolled back",
			Story: "n=3, w=2, r=2, no hints. A write reaches n1; the disks of n2 and n3 are full, their processes end on it, and the write fails. Nothing undoes it on n1: " +
				"when all three are up again a client that is answered by n1 and another replica reads the value of the failed write, " +
				"and the same client, answered by n2 and n3, reads the old one after that.",
			Claim: "monotonic-reads", Cause: "failed-write-not-rolled-back",
			Setting: "repair", Plan: "off", Twin: "blocking",
			Remedy: "Blocking repair brings the value to the replicas that a read asked before it returns it, so that it is not unread again.",
			Cost:   "a round trip for such reads, and the failed write's value is installed: only consensus makes it all or nothing",
			Source: "Designing Data-Intensive Applications p. 181; CASSANDRA-10726",
		},
		{
			Number: 6, Name: "failed-write-arrives-late", Title: "a write that timed out takes effect seconds later",
			Story: "The coordinator n4 reaches none of the home replicas and its write times out. It has kept hints: when the partition is over they are delivered, " +
				"and the value of the “failed” write appears. A timeout says neither yes nor no, so this is legal; a client that took it for a failure and moved on is in for a surprise.",
			Claim: "linearizable", Legal: true,
			Setting: "hints", Plan: "on", Twin: "off",
			Reads: "1 2", TwinReads: "1 1",
			Remedy: "Without hints this write never arrives. What helps in general is to make writes idempotent and repeat them, or to fence late ones off.",
			Cost:   "replicas that missed an acknowledged write stay behind until somebody reads",
			Source: "Cassandra: WriteTimeoutException, for which a hint is stored all the same",
		},
		{
			Number: 7, Name: "restored-from-a-stale-replica", Title: "a replica that is restored from a stale one breaks a quorum",
			Story: "n=3, w=2, r=2. A write is acknowledged by n1 and n2 and does not reach n3. Then n2 loses its disk, and an operator rebuilds it from n3's. " +
				"A read by quorum is answered by n2 and n3: the old value, although w + r > n.",
			Claim: "no-stale-reads", Cause: "replica-lost-its-data",
			Setting: "rejoin", Plan: "serve", Twin: "repair-first",
			Remedy: "A node that starts asks the other replicas for what its disk may lack before it answers reads.",
			Cost:   "a slow return after every restart",
			Source: "Dynamo §4.7; Cassandra's replace_address and nodetool rebuild",
		},
		{
			Number: 8, Name: "session-moves", Title: "with r=1 a client reads its own write, and then does not",
			Story: "n=3, w=2, r=1, no hints. A client's write is acknowledged by n1 and n2; n3 has not got it. The client reads through n1 and finds what it wrote; " +
				"its next read goes through n3, which answers by itself, with the old value: neither its own write nor what it has just read.",
			Claim: "read-your-writes", Cause: "session-moved",
			Setting: "session", Plan: "none", Twin: "floor",
			Remedy: "The client remembers the newest version that it has written or read, and asks again until it gets nothing older. A client that stays with one replica (session=sticky) reads its own writes, too, " +
				"and with r > n − w every read meets every acknowledged write.",
			Cost:   "more reads, and none succeeds while all replicas that can be reached are behind",
			Source: "Terry et al., “Session guarantees for weakly consistent replicated data” (PDIS 1994)",
		},
		{
			Number: 9, Name: "answer-without-its-question", Title: "an observer sees the answer and not the question",
			Story: "n=3, w=1, r=1. The question is acknowledged by n4 and does not reach its other replicas. A second client reads it there and writes the answer, under another key. " +
				"An observer reads the answer, then the question through n2: nothing.",
			Claim: "writes-follow-reads", Cause: "answer-without-its-question",
			Setting: "r", Plan: "1", Twin: "3",
			Remedy: "Overlapping quorums show every acknowledged write. The remedies that leave r at 1, to carry what a write depends on or to keep both keys in one ordered partition, are not among the bundled store's settings: it orders nothing across keys.",
			Cost:   "latency and availability of reads",
			Source: "Designing Data-Intensive Applications p. 165 (consistent prefix reads)",
		},
		{
			Number: 10, Name: "false-not-found", Title: "an empty stand-in says “not found” first",
			Story: "n=3, w=3, r=1, sloppy=on. A value is on all three home replicas. n1 is down; n5 stands in for it, has nothing of the key, and answers its own read first: not found.",
			Claim: "no-stale-reads", Cause: "false-not-found",
			Setting: "notfound-ok", Plan: "on", Twin: "off",
			Remedy: "“Not found” does not count as an answer as long as others may find something.",
			Cost:   "a read of what is not there waits for all replicas",
			Source: "Riak's notfound_ok and basic_quorum",
		},
		{
			Number: 27, Name: "write-by-an-old-ring", Title: "a write is routed by an old ring while a node joins",
			Story: "n=3, w=2, r=2 on four members. n5 joins while the spare node n6 is cut off and hears nothing of it. When n1 and n3 can be reached again, n6 coordinates a write by the old ring, " +
				"before gossip has told it of the new one: they acknowledge. n5, which took n3's place, reads with n4: the old value.",
			Claim: "no-stale-reads", Cause: "stale-ring",
			Setting: "ring", Plan: "gossip", Twin: "epochs",
			Remedy: "A replica refuses coordinators that go by another ring than its own, and a change waits until everybody knows of it.",
			Cost:   "requests fail during a change, and no change ends while a member is away",
			Source: "Dynamo §4.8.1; CASSANDRA-2434; Cassandra's RING_DELAY",
		},
		{
			Number: 29, Name: "local-quorum", Title: "LOCAL_QUORUM: another data centre reads the old value",
			Story: "Two data centres with n=3 replicas each; writes and reads at LOCAL_QUORUM. The link between the centres is cut. " +
				"A write in the first centre is acknowledged there; a read in the second one returns the old value.",
			Claim: "no-stale-reads", Cause: "local-quorum",
			Setting: "write-level", Plan: "local-quorum", Twin: "each-quorum",
			Remedy: "A write at EACH_QUORUM is acknowledged by a quorum of every centre, so that local reads see it. QUORUM for both does it, too.",
			Cost:   "the latency between the centres for each write, and no writes while they are apart",
			Source: "Cassandra: ConsistencyLevel.java",
		},
		{
			Number: 30, Name: "lag-that-no-quorum-read-shows", Title: "every quorum read is right while one replica lags",
			Story: "n=3, w=2, r=2, no repair and no hints. n3 misses a write. Reads by quorum are right, through n3 as well, and the history is linearizable; " +
				"n3 holds the old value all the while and still does when the store says that it is quiet.",
			Claim: "convergence", Cause: "missed-write-not-repaired", Holds: []string{"linearizable"},
			Setting: "hints", Plan: "off", Twin: "on",
			Remedy: "A hint brings the write to n3 once it is back. Only a comparison of all replicas, or their own gauges, shows such a lag.",
			Cost:   "a log write for each hint, and traffic",
			Source: "Designing Data-Intensive Applications p. 182 (monitoring staleness)",
		},
	}
}
