package checker

import (
	"context"
	"fmt"
)

// The claims about sessions and causality that look at the order of the
// sessions and at which write each read returned, never at the clock.
const (
	MonotonicWrites   = "monotonic-writes"
	WritesFollowReads = "writes-follow-reads"
	ConsistentPrefix  = "consistent-prefix"
	PRAM              = "pram"
	Causal            = "causal"
)

// causalClasses are what the violations of one claim are called: a read of the
// initial state, of an overwritten value, of siblings that lack a version.
type causalClasses struct{ initial, value, missing string }

// causalClaim is one of the claims about sessions and causality.
type causalClaim struct {
	classes causalClasses
	decide  func(ctx context.Context, h *causalHistory, o Options, out *violations) error
	// violations says what the violations found are, eligible what was
	// examined, missing what the history would need.
	violations, eligible, missing string
}

var causalClaims = map[string]causalClaim{
	MonotonicWrites: {
		classes: causalClasses{classEarlier, classEarlier, classEarlier},
		decide: func(ctx context.Context, h *causalHistory, o Options, out *violations) error {
			return h.checkDirect(ctx, o, out, false)
		},
		violations: "returned the state before a write of a process of which a later write had been seen",
		eligible:   "by a process that had read a write with an earlier one by the same process",
		missing:    "no process read on after it had read a process's second write",
	},
	WritesFollowReads: {
		classes: causalClasses{classDependency, classDependency, classDependency},
		decide: func(ctx context.Context, h *causalHistory, o Options, out *violations) error {
			return h.checkDependencies(ctx, o, out)
		},
		violations: "returned the state before a write that the writer of something seen earlier had read",
		eligible:   "by a process that had read another one's write",
		missing:    "no process read on after it had read another one's write",
	},
	ConsistentPrefix: {
		classes: causalClasses{classPrefix, classPrefix, classPrefix},
		decide: func(ctx context.Context, h *causalHistory, o Options, out *violations) error {
			return h.checkOrder(ctx, o, out, true)
		},
		violations: "returned the state before a write that came before something seen earlier",
		eligible:   "by a process that had read another one's write",
		missing:    "no process read on after it had read another one's write",
	},
	PRAM: {
		classes: causalClasses{classInitial, classOverwritten, classUncovered},
		decide: func(ctx context.Context, h *causalHistory, o Options, out *violations) error {
			return h.checkDirect(ctx, o, out, true)
		},
		violations: "cannot be explained by any way of merging the processes' writes",
		eligible:   "by a process that had read or written before",
		missing:    "no process read a register after its first operation",
	},
	Causal: {
		classes: causalClasses{classInitial, classOverwritten, classUncovered},
		decide: func(ctx context.Context, h *causalHistory, o Options, out *violations) error {
			return h.checkOrder(ctx, o, out, false)
		},
		violations: "contradicted what came before in the causal order",
		eligible:   "by a process that had read or written before",
		missing:    "no process read a register after its first operation",
	},
}

// causalChecker returns the check of a claim about sessions and causality.
func causalChecker(name string) func(ctx context.Context, t *timeline, o Options) Result {
	return func(ctx context.Context, t *timeline, o Options) Result { return checkCausal(ctx, t, o, name) }
}

func checkCausal(ctx context.Context, t *timeline, o Options, name string) Result {
	c := causalClaims[name]
	result := Result{Claim: name, Checker: "bad-patterns"}
	h := newCausalHistory(t)
	out := newViolations(h, c.classes)
	err := c.decide(ctx, h, o, out)
	all := newTally()
	if defect := out.find(t, name, all); defect != nil && err == nil {
		err = defect
	}
	if err == nil {
		err = h.skipped
	}
	switch {
	case len(all.best) > 0:
		result.Verdict = Refuted
		result.fill(t, o, all)
		result.Explanation = fmt.Sprintf("%s, on %s, %s.", plural(out.found, "read"), plural(len(out.keys), "key"), c.violations)
	case err != nil:
		result.Verdict = Unknown
		result.Explanation = "Not everything could be checked: " + err.Error() + "."
	case out.examined == 0:
		result.Verdict = Unknown
		result.Vacuous = true
		result.Explanation = "There was nothing to check: " + c.missing + "."
	default:
		result.Verdict = Holds
		result.Explanation = fmt.Sprintf("None of %s %s violates it; there were %s.", plural(out.examined, "read"), c.eligible, plural(int(t.sessions), "session"))
	}
	return result
}
