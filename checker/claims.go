package checker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// Claim describes a claim for help output.
type Claim struct {
	// Name is the claim as it is written in --claims.
	Name string
	// Description is one sentence.
	Description string
}

// Claims lists every claim that can be checked, strongest first.
func Claims() []Claim {
	return []Claim{
		{Linearizable, "Every register behaves as if there were one copy and each operation took effect at one instant between its invocation and its completion."},
		{NoLostWrites, "No acknowledged write disappears: the final reads return it, or a value that may be newer; an acknowledged element stays in its set."},
		{NoStaleReads, "No read returns a value that was certainly overwritten by an acknowledged write before the read began."},
		{ReadYourWrites, "A process reads its own acknowledged write, or a value that may be newer."},
		{MonotonicReads, "Successive reads by one process never go back to an older value."},
		{Convergence, "Once the target is quiet, all replicas of a key hold the same version and value."},
	}
}

// ParseClaims checks the names, drops repetitions and keeps the order. An
// element may hold several names separated by commas. The error names the
// first unknown claim and lists the known ones.
func ParseClaims(names []string) ([]string, error) {
	var claims []string
	for _, element := range names {
		for name := range strings.SplitSeq(element, ",") {
			name = strings.TrimSpace(name)
			if name == "" {
				continue
			}
			if err := known(name); err != nil {
				return nil, err
			}
			if !slices.Contains(claims, name) {
				claims = append(claims, name)
			}
		}
	}
	if len(claims) == 0 {
		return nil, fmt.Errorf("no claim to check: choose from %s", claimNames())
	}
	return claims, nil
}

func known(claim string) error {
	for _, c := range Claims() {
		if c.Name == claim {
			return nil
		}
	}
	return fmt.Errorf("unknown claim %q: choose from %s", claim, claimNames())
}

func claimNames() string {
	var names []string
	for _, c := range Claims() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// Applies says whether the history holds operations of the kinds that the
// claim speaks of, so that a caller can choose the claims of a history that
// it knows nothing about. It does not say that the check will find enough of
// them to decide. The error names an unknown claim.
func Applies(claim string, operations []history.Operation) (bool, error) {
	if err := known(claim); err != nil {
		return false, err
	}
	var reads, registers, sets, dumps bool
	for i := range operations {
		switch operations[i].F {
		case history.FRead:
			reads = true
		case history.FWrite, history.FCAS:
			registers = true
		case history.FAdd:
			sets = true
		case history.FDump:
			dumps = true
		}
	}
	switch claim {
	case Convergence:
		return dumps, nil
	case Linearizable:
		return reads && registers || registers && hasCAS(operations), nil
	}
	return reads && (registers || sets), nil
}

func hasCAS(operations []history.Operation) bool {
	return slices.ContainsFunc(operations, func(o history.Operation) bool { return o.F == history.FCAS })
}
