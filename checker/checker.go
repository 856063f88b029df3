package checker

import (
	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
)

// Verdict is what can be said of a claim, or of a whole run. A history never
// proves a claim: Holds means "not refuted by this history".
type Verdict string

// The verdicts. Merged, the worse dominates: Refuted, then Invalid, then Unknown, then Holds.
const (
	Holds   Verdict = "holds"
	Refuted Verdict = "refuted"
	Unknown Verdict = "unknown"
	// Invalid says that the run cannot be judged: a fault that was not
	// verified, too little traffic, an operation kind that never succeeded.
	// Claims are never invalid, only runs are.
	Invalid Verdict = "invalid"
)

// The claims that can be checked, as written in --claims.
const (
	Linearizable   = "linearizable"
	NoLostWrites   = "no-lost-writes"
	NoStaleReads   = "no-stale-reads"
	ReadYourWrites = "read-your-writes"
	MonotonicReads = "monotonic-reads"
	Convergence    = "convergence"
)

// The defaults of Options.
const (
	// DefaultMinimumOk is low on purpose: it is to tell a run in which
	// nothing happened from one in which something did, not to judge a rate.
	DefaultMinimumOk = 10
	// DefaultMinimumFault is one second: below it, chance alone decides
	// whether an operation meets the fault.
	DefaultMinimumFault int64 = 1_000_000_000
)

// Options bound and feed a check.
type Options struct {
	// Claims are those to decide, in the order of the results.
	Claims []string
	// Model says what each key of the history is, by its name in Models. Empty:
	// that is found out from the operations.
	Model string
	// Memory is the heap, in bytes, past which a search answers Unknown. 0: no bound.
	Memory int64
	// Evidence returns the evidence recorded with the completion event of that
	// index, or nil. It may be nil itself. It is asked for witnesses only.
	Evidence func(completion int64) *history.Evidence
	// Evidences does the same for many at once, which for a file is much
	// faster: what has no evidence is left out. It may be nil; where it fails
	// it returns nil, and Evidence is asked. Without it there is no prediction
	// of staleness, for which many operations' evidence is needed.
	Evidences func(completions []int64) map[int64]*history.Evidence
	// MinimumOk is how many client operations of the main phase must have
	// succeeded for the run to be valid. 0: DefaultMinimumOk.
	MinimumOk int
	// MinimumFault is how long a fault must have been in force, in
	// nanoseconds, before the traffic under it is judged. 0: DefaultMinimumFault.
	MinimumFault int64
	// MaximumSiblings is how many versions of a key may stand side by side
	// under the claim bounded-siblings. 0: DefaultMaximumSiblings.
	MaximumSiblings int
	// Planned says that a plan lists the run's operations one by one. It says
	// itself then how much is to happen, which operations meet which fault and
	// which are to fail; of the traffic no more is asked than that some
	// operation succeeded, at the end if not before.
	Planned bool
	// NoStaleness leaves Report.Staleness out, for callers that want verdicts alone.
	NoStaleness bool
	// Progress, if not nil, is told from time to time what is being done, for instance "linearizable: 40 of 120 keys".
	Progress func(string)
}

// Report is the outcome of Check.
type Report struct {
	// Verdict is the merged verdict of the claims and of Validity.
	Verdict Verdict
	// Claims has one result for each claim of Options.Claims, in that order.
	Claims []Result
	// Validity lists why the run is invalid; empty when it is not.
	Validity []string
	// Warnings are what a reader should know although it invalidates nothing,
	// for instance that the history was cut off before a fault was healed.
	Warnings []string
	// Stats describe the traffic.
	Stats Stats
	// Staleness says how stale the reads of registers were; nil where it was
	// not asked for, or no register was written. It decides no claim.
	Staleness *staleness.Report
	// Faults are the faults of the history, in the order of their injection.
	Faults []FaultInterval
	// Sets says what became of the elements of the sets; nil if there are none.
	Sets *SetTimeline
	// Replicas says what the dumped replicas held; nil without dumps.
	Replicas *Census
	// Siblings counts the versions that stood side by side; nil where none did.
	Siblings *SiblingCounts
}

// Result is the verdict on one claim.
type Result struct {
	Claim   string  `json:"claim"`
	Verdict Verdict `json:"verdict"`
	// Checker names the method, for instance "porcupine".
	Checker string `json:"checker"`
	// Witnesses are the smallest sub-histories found that refute the claim; empty unless Refuted.
	Witnesses []Witness `json:"witnesses,omitempty"`
	// Explanation is one or a few plain sentences: what was seen, which fault
	// was in force, which replicas were asked; or, for Unknown, why and what would help;
	// for Holds, what was checked (never empty: a check of nothing is Unknown).
	Explanation string `json:"explanation"`
	// Vacuous says that there was nothing to check, as the explanation tells; the verdict is Unknown then.
	Vacuous bool `json:"vacuous,omitempty"`
	// Seconds is how long the check took.
	Seconds float64 `json:"seconds"`
	// Found counts all violations, of which Witnesses shows some.
	Found int `json:"found,omitempty"`
	// Classes counts them by class, for instance {"lost-sequential": 2}.
	Classes map[string]int `json:"classes,omitempty"`
}

// Witness is a sub-history that refutes a claim by itself.
type Witness struct {
	// Class names the anomaly, for instance "stale-read" or "lost-sequential".
	Class string `json:"class"`
	// Key is the key concerned.
	Key string `json:"key"`
	// Operations are the invocation indexes, in order of invocation.
	Operations []int64 `json:"operations"`
	// Explanation is a short paragraph for people.
	Explanation string `json:"explanation"`
	// Summary is the explanation without the replicas' part: what was seen,
	// why the store let it happen as far as that is known, which faults were in force.
	Summary string `json:"summary"`
	// Faults are the identifiers of the faults in force during the operations.
	Faults []string `json:"faults,omitempty"`
	// Cause is why the target let it happen, by its name in the catalogue (see
	// Causes), as far as that follows from the evidence; CauseUnknown where it
	// does not, and empty where causes are not asked for (no evidence at all).
	Cause string `json:"cause,omitempty"`
	// Why says by which replicas, numbers and versions the cause is proved, or
	// what is missing for that; empty where Cause is.
	Why string `json:"why,omitempty"`
	// Confirmed says that Porcupine, given just these operations, calls them illegal too.
	Confirmed bool `json:"confirmed_by_porcupine,omitempty"`
}

// Stats describe the client traffic of a history.
type Stats struct {
	Operations int `json:"operations"`
	Ok         int `json:"ok"`
	Fail       int `json:"fail"`
	Info       int `json:"info"`
	// Main is how many of Operations were invoked in the main phase.
	Main  int            `json:"main"`
	ByF   map[string]int `json:"by_f"`
	OkByF map[string]int `json:"ok_by_f"`
	Keys  int            `json:"keys"`
	// Seconds is the length of the main phase.
	Seconds float64 `json:"seconds"`
	// LatencyMillis maps "p50", "p95", "p99", "max" to milliseconds, over ok operations of the main phase.
	LatencyMillis map[string]float64 `json:"latency_ms,omitempty"`
}

// FaultInterval is a fault of the history with the time in which it was in
// force: from the invocation of its injection to the completion of its heal.
type FaultInterval struct {
	history.Fault
	Start    int64 `json:"start"` // nanoseconds since the run's start
	End      int64 `json:"end"`
	Verified bool  `json:"verified"` // both its effect and its end were observed

	inForce int64 // when its effect had been observed; 0 if it was not
}
