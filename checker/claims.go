package checker

import (
	"context"
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

// claim is a claim with the way to decide it.
type claim struct {
	Claim
	// applies says whether a history with operations of these kinds has any
	// that the claim speaks of.
	applies func(k kinds) bool
	// check decides it.
	check func(ctx context.Context, t *timeline, o Options) Result
}

// surveyed says whether the claim's check takes what it needs of a register
// that a survey decided from keyOperations.surveyed, and of the operations of
// clients looks at those at the positions of the other keys only. Any other
// claim needs the whole history in memory.
func (c claim) surveyed() bool {
	switch c.Name {
	case Linearizable, NoLostWrites, NoStaleReads, ReadYourWrites, MonotonicReads, Convergence:
		return true
	}
	return false
}

// kinds says which kinds of client operations a history has, and whether it has dumps of replicas.
type kinds struct {
	reads, registers, deletes, conditional, dumps bool
	// adds to sets or counters, operations of queues.
	adds, queues bool
}

// kindsOf looks at the operations.
func kindsOf(operations []history.Operation) kinds {
	var k kinds
	for i := range operations {
		k.note(&operations[i])
	}
	return k
}

// note takes an operation into account.
func (k *kinds) note(o *history.Operation) {
	switch o.F {
	case history.FRead:
		k.reads = true
	case history.FWrite:
		k.registers = true
	case history.FCAS:
		k.registers, k.conditional = true, true
	case history.FDelete:
		k.registers, k.deletes = true, true
	case history.FAdd:
		k.adds = true
	case history.FEnqueue, history.FDequeue:
		k.queues = true
	case history.FDump:
		k.dumps = true
	}
}

// readAndWritten is what the claims about reads need.
func readAndWritten(k kinds) bool { return k.reads && (k.registers || k.adds) }

// claims are all of them, strongest first. It is a function because the
// checkers refer to it.
func claims() []claim {
	return []claim{
		{
			Claim{Linearizable, "Every register behaves as if there were one copy and each operation took effect at one instant between its invocation and its completion."},
			func(k kinds) bool { return k.registers && (k.reads || k.conditional) },
			checkLinearizable,
		},
		{
			Claim{NoLostWrites, "No acknowledged write disappears: the final reads return it, or a value that may be newer; an acknowledged element stays in its set."},
			readAndWritten, checkLostWrites,
		},
		{
			Claim{NoStaleReads, "No read returns a value that was certainly overwritten by an acknowledged write before the read began."},
			readAndWritten, staleReadsChecker().run,
		},
		{
			Claim{ReadYourWrites, "A process reads its own acknowledged write, or a value that may be newer."},
			readAndWritten, readYourWritesChecker().run,
		},
		{
			Claim{MonotonicReads, "Successive reads by one process never go back to an older value."},
			readAndWritten, monotonicReadsChecker().run,
		},
		{
			Claim{Convergence, "Once the target is quiet, all replicas of a key hold the same version and value."},
			func(k kinds) bool { return k.dumps },
			checkConvergence,
		},
	}
}

// Claims lists every claim that can be checked, strongest first.
func Claims() []Claim {
	var list []Claim
	for _, c := range claims() {
		list = append(list, c.Claim)
	}
	return list
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

func known(name string) error {
	_, err := lookup(name)
	return err
}

// lookup returns the claim of that name.
func lookup(name string) (claim, error) {
	for _, c := range claims() {
		if c.Name == name {
			return c, nil
		}
	}
	return claim{}, fmt.Errorf("unknown claim %q: choose from %s", name, claimNames())
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
func Applies(name string, operations []history.Operation) (bool, error) {
	c, err := lookup(name)
	if err != nil {
		return false, err
	}
	return c.applies(kindsOf(operations)), nil
}
