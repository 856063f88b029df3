package catalogue

// repairItems are those about repair, deletion and durability: what is lost or
// comes back although it was acknowledged.
func repairItems() []Item {
	return []Item{
		{
			Number: 22, Name: "zombie", Title: "a deleted value comes back after its tombstone was purged",
			Story: "gc-grace=1s, and anti-entropy on. n3 is cut off, and a value that it holds is deleted. The outage lasts longer than gc-grace: n1 and n2 purge the tombstone, the hint for n3 expires. " +
				"n3 returns, is compared with the others, and is the only one that knows something of the key: the value is back, everywhere.",
			Claim: "no-resurrected-deletes", Cause: "purged-tombstone",
			Setting: "purge", Plan: "grace", Twin: "repaired",
			Remedy: "Only tombstones that anti-entropy has found on every replica are purged.",
			Cost:   "tombstones stay for as long as any replica is away",
			Source: "Cassandra: gc_grace_seconds, CASSANDRA-6434 (only_purge_repaired_tombstones)",
		},
		{
			Number: 23, Name: "doomstone", Title: "an old tombstone kills a value that was created again",
			Story: "Sloppy quorums, vector clocks; tombstones are purged once all home replicas report them. While n3 is away n5 keeps a tombstone for it. n3 returns, gets the tombstone from a read, and all three purge it; n5 can't reach n3 yet. " +
				"The key is created again, under a clock that begins anew. Then n5 hands its old tombstone over: by its clock it is the newer, and the new value dies.",
			Claim: "no-lost-writes", Cause: "doomstone",
			Setting: "actor-epochs", Plan: "off", Twin: "on",
			Remedy: "A key that is created again counts under a new name, so that no old tombstone dominates it.",
			Cost:   "one more entry in its vector clock",
			Source: "riak_kv: “doomstones”, delete_mode",
		},
		{
			Number: 24, Name: "hint-dies-with-its-keeper", Title: "an acknowledged write was a hint, and its keeper died",
			Story: "n=3, r=3, writes at level ANY: a hint is enough. All home replicas are down. The coordinator n4 acknowledges a write that it keeps as a hint, in a buffer that is written every 10 s, and is killed before that.",
			Claim: "no-lost-writes", Cause: "hint-lost",
			Setting: "write-level", Plan: "any", Twin: "one",
			Remedy: "At level ONE a home replica must have the write; a hint does not count.",
			Cost:   "the write fails when no home replica is up",
			Source: "Cassandra: ConsistencyLevel.ANY, hints_flush_period",
		},
		{
			Number: 25, Name: "cold-key", Title: "a key that nobody reads dies with its only replica",
			Story: "n=3, w=1, no hints. A write is acknowledged by n1 and does not reach n2 and n3. Nobody reads the key, so that no read repairs it; seconds later n1 loses its disk, and the write with it: no replica has it in the end.",
			Claim: "no-lost-writes", Cause: "replica-lost-its-data",
			Setting: "anti-entropy", Plan: "off", Twin: "scheduled",
			Remedy: "Replicas compare what they hold in the background, whether or not anybody reads it.",
			Cost:   "disk reads and traffic, all the time",
			Source: "Dynamo §4.7; Riak's active anti-entropy",
		},
		{
			Number: 26, Name: "acknowledged-before-synced", Title: "an acknowledged write was not on any disk yet",
			Story: "n=3, w=2. The log is synced every 10 s (Cassandra's default). Writes are acknowledged by n1 and n2 as soon as the operating system has them; then the power of both fails. " +
				"What the disks had by then is a matter of luck. SIGKILL would not show it: the page cache survives a process.",
			Claim: "no-lost-writes", Cause: "acknowledged-before-durable",
			Setting: "fsync", Plan: "10s", Twin: "always",
			Remedy: "Nothing is acknowledged before it is synced.",
			Cost:   "the time of a sync for each write, or for each group of them",
			Source: "Cassandra: commitlog_sync: periodic, 10000 ms",
		},
	}
}
