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
//	actors that forget, one clock given twice           actor-amnesia
//
// A write concurrent with a read may show or not: that is no violation and
// has no cause. The other known limits have none yet: what a store tells of
// single operations does not prove them (equal timestamps in rows, tombstones
// that were purged, or that outlive a new value), or their findings are about
// counts of siblings and of elements, for which no rule looks at the evidence
// (blind puts, vectors without dots, pruning, unions,
// counters), or about several keys.
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
	CauseActorAmnesia     = "actor-amnesia"
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
		{CauseActorAmnesia,
			"A node gave two writes of a key the same place in its vector clock, because it had forgotten the first: to the replicas that know the one, the other is the same or long replaced.",
			"actor-epochs=on lets a node that may have forgotten count on under a new name; fsync=always lets it forget less. The price is one more entry in the vectors."},
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
