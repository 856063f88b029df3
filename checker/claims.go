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
	// adds to sets or counters, reads of integers (of counters, where there are
	// adds), operations of queues, appends to texts, transactions.
	adds, integers, queues, appends, transactions bool
	// failed: a write or an add certainly failed.
	failed bool
	// There are keys that are sets, counters, registers of rows, or registers
	// whose reads return several values at once.
	sets, counters, rows, siblings bool
	// dumpedSiblings: a dump shows several versions of a key.
	dumpedSiblings bool
	// several clients took part; client is the first of them.
	several bool
	client  *history.Process
	// lists were written or read; whole were reads that returned something else than an integer.
	lists, whole bool
}

// kindsOf looks at the operations.
func kindsOf(operations []history.Operation) kinds {
	var k kinds
	for i := range operations {
		k.note(&operations[i])
	}
	if k.adds || k.lists || k.whole {
		k.lookAtKeys(operations)
	}
	return k
}

// note takes an operation into account.
func (k *kinds) note(o *history.Operation) {
	if o.Process != history.Nemesis {
		k.several = k.several || k.client != nil && *k.client != o.Process
		if k.client == nil {
			client := o.Process
			k.client = &client
		}
	}
	switch o.F {
	case history.FRead:
		k.reads = true
		k.integers = k.integers || o.Output.Kind() == history.Int
		k.lists = k.lists || o.Output.Kind() == history.List
		k.whole = k.whole || o.Output.Kind() == history.Raw
	case history.FWrite:
		k.registers = true
		k.lists = k.lists || o.Input.Kind() == history.List
		k.failed = k.failed || o.Type == history.Fail
	case history.FCAS:
		k.registers, k.conditional = true, true
		k.deletes = k.deletes || deletes(o)
		k.failed = k.failed || o.Type == history.Fail
	case history.FDelete:
		k.registers, k.deletes = true, true
	case history.FAdd:
		k.adds = true
		k.failed = k.failed || o.Type == history.Fail
	case history.FEnqueue, history.FDequeue:
		k.queues = true
	case history.FAppend:
		k.appends = true
	case history.FTransaction:
		k.transactions = true
	case history.FDump:
		k.dumps = true
		k.dumpedSiblings = k.dumpedSiblings || dumpsSiblings(o.Output.Raw())
	}
}

// lookAtKeys finds what only the operations of a key taken together tell.
func (k *kinds) lookAtKeys(operations []history.Operation) {
	keys := map[string]*keyOperations{}
	for i := range operations {
		o := &operations[i]
		if !isClient(o) {
			continue
		}
		key, found := keys[o.Key]
		if !found {
			key = &keyOperations{name: o.Key}
			keys[o.Key] = key
		}
		key.note(o)
	}
	for _, key := range keys {
		key.classify()
		k.lookAt(key)
	}
}

// lookAt takes a key into account that was classified.
func (k *kinds) lookAt(key *keyOperations) {
	k.sets = k.sets || key.object == setObject
	k.counters = k.counters || key.object == counterObject
	k.rows = k.rows || key.object == registerObject && key.rows
	k.siblings = k.siblings || key.keepsSiblings() || key.object == siblingObject
}

// readAndWritten is what the claims about reads need. They don't speak of counters.
func readAndWritten(k kinds) bool { return k.reads && (k.registers || k.sets) }

// linearizableApplies leaves sets out, although they are decided where the claim
// is asked for: a set is often read element by element, as the set workload
// does, which is no operation at one instant and would be refuted for a store
// that is linearizable. The other claims about sets allow for that.
func linearizableApplies(k kinds) bool {
	return k.registers && (k.reads || k.conditional) || k.adds && k.integers || k.queues || k.appends && k.reads || k.transactions
}

// writtenRegisters is what the claims about sessions and causality need.
func writtenRegisters(k kinds) bool { return k.reads && k.registers }

// sharedRegisters is what those need that speak of what others wrote.
func sharedRegisters(k kinds) bool { return writtenRegisters(k) && k.several }

// claims are all of them, strongest first. It is a function because the
// checkers refer to it.
func claims() []claim {
	return append([]claim{
		{
			Claim{Linearizable, "Every object behaves as if there were one copy and each operation took effect at one instant between its invocation and its completion."},
			linearizableApplies, checkLinearizable,
		},
		{
			Claim{NoLostWrites, "No acknowledged write disappears: the final reads return it, or a value that may be newer; an acknowledged element stays in its set."},
			readAndWritten, ofLists(checkLostWrites),
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
			Claim{Causal, "Causal consistency: whatever a process has read or written, and what came before that, is never missing from what it reads afterwards."},
			writtenRegisters, causalChecker(Causal),
		},
		{
			Claim{PRAM, "Each process sees the writes of each other process in the order in which they were written, as if merged into one sequence (pipelined RAM)."},
			writtenRegisters, causalChecker(PRAM),
		},
		{
			Claim{ConsistentPrefix, "Who has seen a write never misses afterwards what had come before it by sessions and reads: no answer without its question."},
			sharedRegisters, causalChecker(ConsistentPrefix),
		},
		{
			Claim{WritesFollowReads, "Who has seen a write never misses afterwards what its writer had read before it."},
			sharedRegisters, causalChecker(WritesFollowReads),
		},
		{
			Claim{MonotonicWrites, "Who has seen a write never misses afterwards the earlier writes of the same process."},
			sharedRegisters, causalChecker(MonotonicWrites),
		},
		{
			Claim{Convergence, "Once the target is quiet, all replicas of a key hold the same version and value."},
			func(k kinds) bool { return k.dumps },
			checkConvergence,
		},
	}, claimsOfWrites()...)
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

// Applicable returns the claims that apply to the history (see Applies),
// strongest first. It looks at the operations once.
func Applicable(operations []history.Operation) []string {
	k := kindsOf(operations)
	return k.applicable()
}

// applicable are the names of the claims that apply.
func (k *kinds) applicable() (names []string) {
	for _, c := range claims() {
		if c.applies(*k) {
			names = append(names, c.Name)
		}
	}
	return names
}
