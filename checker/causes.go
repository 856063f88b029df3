package checker

import "slices"

// The causes: why a leaderless store could answer as it did. The names and
// what they say are the catalogue of the known limits of such stores; each has
// a rule in derive that proves it from what the store told about single
// operations.
//
//	known limit of leaderless stores                    cause
//	w + r ≤ n                                           no-overlap
//	sloppy quorums                                      sloppy-quorum
//	read while a write is on its way (DDIA Fig. 9-6)    write-concurrent-with-read
//	partial failure not rolled back, late failed write  failed-write-not-rolled-back
//	restore from a stale replica, a disk that is lost   replica-lost-its-data
//	read your writes and monotonic reads at r = 1       session-moved
//	false not-found                                     false-not-found
//	last write wins, concurrent writes                  concurrent-last-write-wins
//	last write wins, skewed clocks                      clock-skew-last-write-wins
//	a hint that is lost, or outlives its window         hint-lost, hint-not-delivered
//	a write at the level ANY                            acknowledged-by-a-hint
//	cold keys, hidden staleness                         missed-write-not-repaired
//	acknowledged before it was synced                   acknowledged-before-durable
//	overwrite on arrival                                overwritten-on-arrival
//	membership: two ideas of the ring                   stale-ring
//	local quorums of several data centres               local-quorum
//	plain writes beside compare-and-set                 plain-write-over-compare-and-set
//	reads past the ballots of compare-and-set           uncommitted-compare-and-set
//	an answer seen without its question                 answer-without-its-question
//	equal timestamps of rows                            equal-timestamps
//	blind puts                                          blind-puts
//	vector clocks without dots                          clock-without-dots
//	pruned vector clocks                                pruned-clock
//	actors that forget, one clock given twice           actor-amnesia
//	two values under one vector                         same-clock-twice
//	carts merged by union                               union-merge
//	additions that are asked for again                  repeated-add
//	a tombstone that was purged too early               purged-tombstone
//	an old tombstone, a new value                       doomstone
//
// A write concurrent with a read may show or not: that is no violation and
// has no cause.
const (
	CauseNoOverlap        = "no-overlap"
	CauseSloppyQuorum     = "sloppy-quorum"
	CauseWriteOnItsWay    = "write-concurrent-with-read"
	CauseFailedWrite      = "failed-write-not-rolled-back"
	CauseLostData         = "replica-lost-its-data"
	CauseNotDurable       = "acknowledged-before-durable"
	CauseSessionMoved     = "session-moved"
	CauseFalseNotFound    = "false-not-found"
	CauseConcurrentWrites = "concurrent-last-write-wins"
	CauseClockSkew        = "clock-skew-last-write-wins"
	CauseHintLost         = "hint-lost"
	CauseHintUndelivered  = "hint-not-delivered"
	CauseUnrepaired       = "missed-write-not-repaired"
	CauseHintCounted      = "acknowledged-by-a-hint"
	CauseArrival          = "overwritten-on-arrival"
	CauseStaleRing        = "stale-ring"
	CauseLocalQuorum      = "local-quorum"
	CausePlainOverCAS     = "plain-write-over-compare-and-set"
	CauseUncommittedCAS   = "uncommitted-compare-and-set"
	CauseWithoutQuestion  = "answer-without-its-question"
	CauseEqualTimestamps  = "equal-timestamps"
	CauseBlindPuts        = "blind-puts"
	CauseNoDots           = "clock-without-dots"
	CausePruned           = "pruned-clock"
	CauseActorAmnesia     = "actor-amnesia"
	CauseSameClock        = "same-clock-twice"
	CauseUnionMerge       = "union-merge"
	CauseRepeatedAdd      = "repeated-add"
	CausePurgedTombstone  = "purged-tombstone"
	CauseDoomstone        = "doomstone"
	// CauseUnknown says that there was evidence and that it proves none of the others.
	CauseUnknown = "cause not determined"
)

// CauseDescription describes a cause for people.
type CauseDescription struct {
	// Name is the cause as it stands in Witness.Cause.
	Name string
	// Description says what happened, in one sentence.
	Description string
	// Remedy says what would rule it out, and its price.
	Remedy string
}

// Causes lists the catalogue, in the order in which the causes are taught.
func Causes() []CauseDescription {
	return []CauseDescription{
		{CauseNoOverlap,
			"The read counted the answers of replicas none of which had acknowledged the write; with w + r ≤ n nothing makes the two sets share one. Levels that are local to a data centre are such a case, for two different ones.",
			"w + r > n makes every read ask at least one replica that acknowledged the write; so does quorum for both, or each-quorum for writes and local-quorum for reads. The price is latency, and that fewer replicas may be down."},
		{CauseSloppyQuorum,
			"w + r > n, yet no home replica of the key was counted both by the write and by the read: stand-ins answered in place of home replicas.",
			"sloppy=off makes only home replicas count. The price is that a write or a read fails when too few of them can be reached."},
		{CauseHintCounted,
			"At the level any a hint counted as the acknowledgement: the write was on no home replica when it was reported as done.",
			"The level one, or any other, makes a write fail where no home replica has it. The price is that writes then need a home replica that can be reached."},
		{CauseFalseNotFound,
			"A stand-in that had nothing of the key said “not found”, and that counted as an answer.",
			"Do not count “not found” from a stand-in (sloppy=off, or Riak's notfound_ok=false). The price is that such a read waits or fails."},
		{CauseWriteOnItsWay,
			"One read saw the value before its write was acknowledged; a later read asked replicas that the write had not reached yet (Designing Data-Intensive Applications, Fig. 9-6).",
			"Let a read write the value back to w replicas before it returns it (repair=abd); blocking repair (repair=blocking) does it for the replicas that the read asked. The price is a second round trip for such reads."},
		{CauseFailedWrite,
			"The value comes from a write that did not get its quorum. Some replicas kept it all the same, and what a read returns depends on whether it asks one of those.",
			"repair=abd or repair=blocking makes the value stay once a read has returned it. That such a write has no effect at all takes consensus."},
		{CauseSessionMoved,
			"With r = 1 two operations of one client were answered by different replicas, and the second replica had not got what the first one had.",
			"r > n − w makes the sets of replicas overlap; so would a client that stays with one replica, or one that remembers the newest version it has seen and refuses older ones. The price is latency, or availability when that replica is down."},
		{CauseClockSkew,
			"The later write carries the lower timestamp because the nodes' clocks disagreed, and where the last write wins the greater timestamp stays.",
			"Let writers first ask the replicas for the greatest timestamp and go beyond it (fetch=on, repair=abd). The price is a round trip for each write. Better clocks make it rarer, not impossible."},
		{CauseConcurrentWrites,
			"Two writes were concurrent; the last write wins, and the other one, though acknowledged, was thrown away.",
			"Keep both values until a client has merged them (version vectors and siblings, or a data type that merges), or order writes by consensus. The price is the merge, or latency."},
		{CauseNotDurable,
			"A replica acknowledged or showed a version, its process or its machine went down, and afterwards it had an older version or none: it had promised the version before it was safely on disk.",
			"fsync=always and acknowledge=after-log make a replica promise only what its disk has. The price is the time of a sync for each write."},
		{CauseLostData,
			"A replica acknowledged or showed a version, and later answered with an older one or none, without a known restart that would explain it.",
			"Do not let a replica that lost data answer before it has been brought up to date by the others, and let it acknowledge only what it holds durably. The price is a slow return."},
		{CauseHintLost,
			"A node kept the write as a hint for a home replica, and then had the hint no more although that replica never got it.",
			"hint-log=on lets hints survive a restart; sloppy=off stops them from counting as acknowledgements. The price is a log write for each hint, or availability."},
		{CauseHintUndelivered,
			"A node kept the write as a hint for a home replica, and had not delivered it by the time that replica was asked.",
			"hints=on delivers hints when the home replica is back; sloppy=off stops them from counting as acknowledgements. The price is traffic, or availability."},
		{CauseUnrepaired,
			"A replica missed a write, and nothing brought the write there later: no hint was delivered, no read repaired it.",
			"hints=on and read repair (repair=async, blocking or abd) reach most replicas; only a comparison of all replicas in the background (anti-entropy) reaches keys that nobody reads. The price is traffic."},
		{CauseArrival,
			"A replica had the write and then took another one in its place, though that is no newer: it keeps whatever arrives last.",
			"Give versions an order that all replicas share, or keep concurrent values (any other resolver than arrival). The price is clocks that must be right, or values that clients must merge."},
		{CauseStaleRing,
			"The write and the read went by two different rings, so that they asked different home replicas, which need not share one.",
			"Write to the old and the new home replicas while the ring changes, and read from the new ones only when they have all (bootstrap=stream-first). The price is a slow change of members."},
		{CauseLocalQuorum,
			"The write was acknowledged by the replicas of one data centre and the read answered by those of another, as a local level allows.",
			"Let writes wait for every data centre (each-quorum) or both for a majority of all replicas (quorum). The price is the way to the other data centres, and that a cut between them makes requests fail."},
		{CausePlainOverCAS,
			"A compare-and-set was decided after a plain write of the same key was there, and the plain write's timestamp is the greater one: ballots order compare-and-sets among one another, and not with writes that take part in none.",
			"Change a key by compare-and-set only, or by plain writes only. The price is three or four round trips for every write of such a key."},
		{CauseUncommittedCAS,
			"A compare-and-set that had not been committed on all replicas was read by one request, and not by a later one that asked the replicas without a ballot.",
			"Read such keys at the level serial (read-level=serial), which finishes what it meets. The price is a round trip that a majority must answer, and that reads hinder writes."},
		{CauseWithoutQuestion,
			"A value that was made of another key's value was seen before that other value had reached the replicas that were asked for it: each write travels by itself.",
			"Overlapping quorums (w + r > n) show every acknowledged write; in general it takes a store that holds a write back until what it depends on is there. The price is latency, or the dependencies that each write carries."},
		{CauseEqualTimestamps,
			"Several writes of a row carry one timestamp, so that each cell was decided by its value, and cells of different writes came together.",
			"Let ties be decided by the writer (tie-break=writer) or make timestamps unique (timestamp-unit=1ns). The price is that the order of such writes says nothing, and longer timestamps."},
		{CauseBlindPuts,
			"Writes told the store nothing of what their writers had seen, so that each is a value more and replaces none.",
			"Read before writing and hand the causal context back. The price is a read before each write."},
		{CauseNoDots,
			"One vector stands for all values of a key, so the store cannot tell which of them a writer has seen who has not seen all, and keeps those that it replaces as well.",
			"Dotted version vectors (resolver=dotted) tell each value's own write. The price is a dot for each value."},
		{CausePruned,
			"The vector of a value was cut, so that it no longer looks newer than a value that it replaced, and both stay.",
			"Do not prune (prune-entries=0), or only long vectors of old entries. The price is vectors that grow with the number of nodes that ever wrote the key."},
		{CauseActorAmnesia,
			"A node gave two writes of a key the same place in its vector clock, because it had forgotten the first: to the replicas that know the one, the other is the same or long replaced.",
			"actor-epochs=on lets a node that may have forgotten count on under a new name; fsync=always lets it forget less. The price is one more entry in the vectors."},
		{CauseSameClock,
			"Two different values have the same vector, and each replica keeps the one that it has: neither looks newer to the other.",
			"Keep both values of equal vectors (obsolete-puts=merge), and let a node that may have forgotten go on under a new name (actor-epochs=on). The price is siblings, and longer vectors."},
		{CauseUnionMerge,
			"A client merged versions of a cart by taking all that is in either of them, and so brought back what had been taken out of one.",
			"A set that keeps track of which additions a removal has seen (data-type=or-set). The price is a tag for each addition."},
		{CauseRepeatedAdd,
			"An addition that was not answered was asked for again, and the store carried out both.",
			"Give an addition an identifier under which replicas count it once (retry=identified). The price is that identifiers are remembered for a while."},
		{CausePurgedTombstone,
			"A replica removed the tombstone of a deletion before all replicas had got it; one that still had the older value brought it back.",
			"Purge only what every replica is known to have (purge=repaired), or keep tombstones for longer than any replica is away (gc-grace). The price is space."},
		{CauseDoomstone,
			"A key was created again under a vector that begins anew, and an old tombstone that was still about counts more than the new value does.",
			"Count under a new name when a key is created again (actor-epochs=on), or keep tombstones until no copy is about. The price is one more entry in vectors, or space."},
	}
}

// DescribeCause returns the cause of that name; found is false for
// CauseUnknown and for names that this version does not know.
func DescribeCause(name string) (cause CauseDescription, found bool) {
	all := Causes()
	i := slices.IndexFunc(all, func(c CauseDescription) bool { return c.Name == name })
	if i < 0 {
		return CauseDescription{}, false
	}
	return all[i], true
}
