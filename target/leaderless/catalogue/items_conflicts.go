package catalogue

// conflictItems are those about conflicting writes: what becomes of two values
// of which neither knew of the other.
func conflictItems() []Item {
	return []Item{
		{
			Number: 11, Name: "concurrent-writes-discarded", Title: "of two concurrent acknowledged writes one vanishes",
			Story: "n=3, w=1, the last write wins. A partition has a home replica on each side. Two clients write at the same time, one on each side, and both are told ok. " +
				"When the partition is over, one of the two values is gone from all replicas.",
			Claim: "no-discarded-writes", Cause: "concurrent-last-write-wins",
			Setting: "resolver", Plan: "lww", Twin: "dotted",
			Remedy: "Dotted version vectors show that neither write knew of the other, and both values stay as siblings.",
			Cost:   "clients must hand contexts back and merge siblings",
			Source: "Designing Data-Intensive Applications p. 186; Kingsbury, “Call me maybe: Riak” (2013)",
		},
		{
			Number: 12, Name: "skewed-clock-discards-later-write", Title: "a later write loses against a clock that is ahead",
			Story: "n=3, w=2, r=2. The clock of n1 is 10 s ahead. A client writes 1 through n1; another one reads that, writes 2 through n2, has it acknowledged, and reads 1: " +
				"2 was written last, but carries the lower timestamp, and is gone for good.",
			Claim: "read-your-writes", Cause: "clock-skew-last-write-wins",
			Setting: "clock", Plan: "wall", Twin: "hybrid",
			Remedy: "A hybrid logical clock never falls behind what its node has heard of, and n2 has heard of 1. " +
				"Where nothing carries the news from one writer to the next, only a writer that first asks a quorum for the greatest timestamp (fetch=on) goes beyond it.",
			Cost:   "timestamps that may be ahead of all good clocks; a fetch is a round trip for each write",
			Source: "Designing Data-Intensive Applications p. 291; Kingsbury, “The trouble with timestamps” (2013)",
		},
		{
			Number: 13, Name: "equal-timestamps-mix-columns", Title: "two rows with one timestamp become a third",
			Story: "Rows of two columns, each with its own last write; timestamps of a whole second, ties go to the larger value, as in Cassandra. " +
				"(1, −1) and (2, −2) are written through two nodes within a second. Of each column the larger value stays: (2, −1), a row that nobody wrote.",
			Claim: "row-atomicity", Cause: "equal-timestamps",
			Setting: "tie-break", Plan: "value", Twin: "writer",
			Remedy: "If the writer's name is part of each timestamp, timestamps are unique, and one of the two rows wins in all its columns. So does a row that is one value, or a compare-and-set.",
			Cost:   "a writer's name in each version",
			Source: "CASSANDRA-13550; Scylla #7170",
		},
		{
			Number: 14, Name: "overwrite-on-arrival", Title: "replicas that take writes as they come never agree",
			Story: "n=3, w=2, and whatever arrives last wins. 1 is written through n4 and does not reach n3, 2 through n5 and does not reach n1. When the partition is over the hints are delivered: " +
				"n1 gets 2 after 1, n3 gets 1 after 2. Each replica is content with what it has, for ever.",
			Claim: "convergence", Cause: "overwritten-on-arrival",
			Setting: "resolver", Plan: "arrival", Twin: "lww",
			Remedy: "Any rule that does not depend on the order of arrival lets replicas agree: the greater timestamp wins, or both are kept.",
			Cost:   "a timestamp, and a concurrent write that is thrown away",
			Source: "Designing Data-Intensive Applications Fig. 5-12; Riak's last_write_wins=true",
		},
		{
			Number: 15, Name: "blind-puts", Title: "each put without a context is a sibling more",
			Story: "Dotted version vectors; at most 4 siblings are thought to be sane. A client reads and writes again and again and never hands a context back: to the store each of its writes is one that knew of nothing, and stays.",
			Claim: "bounded-siblings", Cause: "blind-puts",
			Setting: "blind", Plan: "100", Twin: "0",
			Remedy: "Each write hands back the context of the read before it, which says what it takes the place of.",
			Cost:   "a read for each write",
			Source: "Riak: conflict resolution, “sibling explosion”",
		},
		{
			Number: 16, Name: "sibling-explosion", Title: "one vector clock for a key lets siblings grow without bound",
			Story: "One vector clock for the key, its entries counted by the replica. Two clients read and write in turn, each with the context of a read from before the other's write. " +
				"The clock says that something was unseen, not what: each write keeps every sibling that there is, those that it replaces as well.",
			Claim: "bounded-siblings", Cause: "clock-without-dots",
			Setting: "resolver", Plan: "vector-clock", Twin: "dotted",
			Remedy: "With a dot for each value the store tells what the context has seen from what it has not: two siblings stay, however long the two go on.",
			Cost:   "a dot more for each sibling",
			Source: "Preguiça et al., “Dotted version vectors” (2010); Riak 1.4",
		},
		{
			Number: 17, Name: "pruned-clocks", Title: "a pruned clock makes false siblings",
			Story: "A vector for each value, cut to 2 entries. A client reads and writes through n1, n2 and n3 in turn. A value that has lost an entry no longer looks newer than one it replaced, which comes back as a sibling.",
			Claim: "bounded-siblings", Cause: "pruned-clock",
			Setting: "prune-entries", Plan: "2", Twin: "0",
			Remedy: "Clocks are not pruned; or only entries that are old, of clocks that are long.",
			Cost:   "clocks that grow with the number of nodes that ever coordinated a write of the key",
			Source: "Dynamo §4.4; Riak's small_vclock and young_vclock",
		},
		{
			Number: 18, Name: "actor-amnesia", Title: "a node that lost its data counts from 1 again",
			Story: "n=3, w=2, dotted version vectors. n1 coordinates two writes, its events 1 and 2, and loses its disk. Back again it remembers nothing, and gives a third write its event 1: " +
				"to the other replicas that is an old write, long replaced. It is acknowledged and never seen again.",
			Claim: "no-lost-writes", Cause: "actor-amnesia",
			Setting: "actor-epochs", Plan: "off", Twin: "on",
			Remedy: "A node that may have forgotten what it counted goes on under a new name.",
			Cost:   "one more entry in the vectors of the keys that it writes from then on",
			Source: "riak_kv#679",
		},
		{
			Number: 19, Name: "same-clock-twice", Title: "two values carry one clock and are never reconciled",
			Story: "A vector for each value, counted by the node that a client writes through, its log synced every 10 s; a replica that holds an equal clock calls a put obsolete, which counts as success. " +
				"n1 coordinates the writes 1 and 2; its disk fails and is restored from a snapshot from before the second. A client that had read 1 writes 3 through n1, which counts it as its event 2 again. " +
				"n2 and n3 have an event 2 of n1 and keep it: 2 there, 3 on n1, and no repair sees a difference.",
			Claim: "convergence", Cause: "same-clock-twice",
			Setting: "actor-epochs", Plan: "off", Twin: "on",
			Remedy: "A node that may have forgotten what it counted goes on under a new name: 3 is a sibling of 2. Reading from two replicas before a write does it, too.",
			Cost:   "one more entry in the vectors of the keys that it writes from then on",
			Source: "derived from Voldemort's VectorClock and ObsoleteVersionException; not seen on Voldemort itself",
		},
		{
			Number: 20, Name: "union-resurrects", Title: "a cart merged by union brings removed things back",
			Story: "A shopping cart as a value with siblings, which the clients merge: they take all items of either. During a partition one client takes item 1 out on its side, and another one puts item 2 in on the other. " +
				"The first finds item 1 gone. Afterwards the cart is merged, and item 1 is in it again.",
			Claim: "no-resurrected-deletes", Cause: "union-merge",
			Setting: "merge", Plan: "union", Twin: "or-set",
			Remedy: "An observed-remove set knows which additions a removal has seen, and merges accordingly.",
			Cost:   "a data type in the store, and a tag for each addition",
			Source: "Dynamo §4.4; Designing Data-Intensive Applications p. 191",
		},
		{
			Number: 21, Name: "counter-miscounts", Title: "an addition that is retried after a timeout counts twice",
			Story: "A counter that replicas join without loss. n1 makes an addition and can't get it acknowledged by anybody else: a timeout. The client asks again, up to four times, and each attempt is an addition of its own. " +
				"(The other half of this limit, a read-modify-write over a register that counts too little, is the setting how=read-modify-write.)",
			Claim: "counter-bounds", Cause: "repeated-add",
			Setting: "retry", Plan: "blind", Twin: "identified",
			Remedy: "The client gives the addition an identifier, and replicas count it once.",
			Cost:   "the identifiers are kept for a while",
			Source: "Shapiro et al., “Conflict-free replicated data types” (2011); CASSANDRA-4775",
		},
		{
			Number: 28, Name: "plain-write-over-cas", Title: "a plain write hides an acknowledged compare-and-set",
			Story: "n=3, compare-and-set by Paxos. The clock of n1 is 10 s ahead, and a plain write of 1 through n1 gets its timestamp. A client reads 1 and changes it to 2 by compare-and-set through n2: applied, acknowledged. " +
				"But the outcome is stored under a ballot of n2's time, below that of the plain write: 2 is never seen.",
			Claim: "linearizable", Cause: "plain-write-over-compare-and-set",
			Setting: "write-as", Plan: "plain", Twin: "compare-and-set",
			Remedy: "Keys that are ever compared and set are written in no other way: ballots order the write of 1, and a later ballot goes beyond it. Hybrid clocks (clock=hybrid) take ballots beyond every timestamp that was read, too.",
			Cost:   "a consensus for each write",
			Source: "Cassandra: lightweight transactions and plain writes; its sibling, CASSANDRA-12126, is possible with cas=paxos-v1, but breaks no claim that a history decides",
		},
	}
}
