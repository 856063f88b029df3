package catalogue

// conflictItems are those about conflicting writes: what becomes of two values
// of which neither knew of the other.
func conflictItems() []Item {
	return []Item{
		{
			Number: 11, Name: "concurrent-writes-discarded", Title: "of two concurrent acknowledged writes one vanishes",
			Missing: "the store does not keep siblings yet",
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
		{Number: 13, Name: "equal-timestamps-mix-columns", Title: "two rows with one timestamp become a third", Missing: "the store has no rows yet"},
		{Number: 14, Name: "overwrite-on-arrival", Title: "replicas that take writes as they come never agree", Missing: "the store has no resolver arrival yet"},
		{Number: 15, Name: "blind-puts", Title: "each put without a context is a sibling more", Missing: "the store does not keep siblings yet"},
		{Number: 16, Name: "sibling-explosion", Title: "vector clocks by node let siblings grow without bound", Missing: "the store does not keep siblings yet"},
		{Number: 17, Name: "pruned-clocks", Title: "a pruned clock makes false siblings", Missing: "the store does not keep siblings yet"},
		{Number: 18, Name: "actor-amnesia", Title: "a node that lost its data counts from 1 again", Missing: "the store does not keep siblings yet"},
		{Number: 19, Name: "same-clock-twice", Title: "two values carry one clock and are never reconciled", Missing: "the store does not keep siblings yet"},
		{Number: 20, Name: "union-resurrects", Title: "a cart merged by union brings removed things back", Missing: "the store does not keep siblings yet"},
		{Number: 21, Name: "counter-miscounts", Title: "a counter counts too little, or a retry too much", Missing: "the store has no counters yet"},
		{Number: 28, Name: "plain-write-over-cas", Title: "a plain write hides an acknowledged compare-and-set", Missing: "the store has no compare-and-set yet"},
	}
}
