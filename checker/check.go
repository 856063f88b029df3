package checker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/history"
)

// severity orders the verdicts for merging.
var severity = []Verdict{Holds, Unknown, Invalid, Refuted}

// Merge returns the verdict that dominates: Refuted, then Invalid, then
// Unknown, then Holds. Of no verdict at all it is Unknown: nothing was checked.
func Merge(verdicts ...Verdict) Verdict {
	worst := -1
	for _, v := range verdicts {
		worst = max(worst, slices.Index(severity, v))
	}
	if worst < 0 {
		return Unknown
	}
	return severity[worst]
}

// Check decides the claims from a history: all its operations, the nemesis'
// included, in order of invocation. It does not change them.
//
// The context's deadline bounds the search for linearizability, which then
// ends in Unknown; a contradiction that was found is shown even if it is past
// by then (each key's witness may take some seconds more).
//
// An error means that the question makes no sense (an unknown claim, no claim,
// an unknown model, operations out of order), never that something could not be decided.
func Check(ctx context.Context, operations []history.Operation, o Options) (Report, error) {
	claims, err := ParseClaims(o.Claims)
	if err != nil {
		return Report{}, err
	}
	t, err := newTimeline(operations)
	if err != nil {
		return Report{}, err
	}
	if err := t.as(o.Model); err != nil {
		return Report{}, err
	}
	return report(ctx, t, claims, o, func(string) string { return "" }), nil
}

// report decides the claims, all but those for which unfit says why they cannot be.
func report(ctx context.Context, t *timeline, claims []string, o Options, unfit func(claim string) string) Report {
	report := Report{Faults: t.faults, Stats: stats(t), Claims: make([]Result, len(claims))}
	report.Validity, report.Warnings = validity(t, report.Stats, o)
	if !o.NoStaleness {
		var warning string
		if report.Staleness, warning = measure(ctx, t, o); warning != "" {
			report.Warnings = append(report.Warnings, warning)
		}
	}
	report.Sets, report.Replicas = setTimeline(ctx, t), takeCensus(t)
	if keys, err := gatherSiblings(t.listed()); err == nil {
		report.Siblings = countSiblings(t, keys, o.maximumSiblings())
	}
	// The search for linearizability takes all the time there is, so it comes last.
	order := make([]int, 0, len(claims))
	for i, claim := range claims {
		if claim != Linearizable {
			order = append(order, i)
		}
	}
	if i := slices.Index(claims, Linearizable); i >= 0 {
		order = append(order, i)
	}
	for _, i := range order {
		if o.Progress != nil {
			o.Progress("checking " + claims[i])
		}
		begin := time.Now()
		if why := unfit(claims[i]); why != "" {
			report.Claims[i] = Result{Claim: claims[i], Verdict: Unknown, Explanation: why}
			continue
		}
		report.Claims[i] = check(ctx, t, claims[i], o)
		report.Claims[i].Seconds = time.Since(begin).Seconds()
	}
	var verdicts []Verdict
	for i := range report.Claims {
		verdicts = append(verdicts, report.Claims[i].Verdict)
	}
	if len(report.Validity) > 0 {
		verdicts = append(verdicts, Invalid)
	}
	report.Verdict = Merge(verdicts...)
	return report
}

// check decides one claim. A checker that panics has a defect; that must not
// take the other verdicts with it, nor pass as one.
func check(ctx context.Context, t *timeline, claim string, o Options) (result Result) {
	defer func() {
		if r := recover(); r != nil {
			result = Result{Claim: claim, Verdict: Unknown, Explanation: fmt.Sprintf("The checker failed: %v. That is a defect of this program: please report it with the history.", r)}
		}
	}()
	c, err := lookup(claim)
	if err != nil {
		return Result{Claim: claim, Verdict: Unknown, Explanation: err.Error()}
	}
	return c.check(ctx, t, o)
}
