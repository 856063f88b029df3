package checker

// The classes of violations of the claims about sessions and causality. The
// names in brackets are those of the bad patterns of Bouajjani, Enea, Guerraoui
// and Hamza (On Verifying Causal Consistency, POPL 2017).
const (
	classCyclic      = "causal-cycle"              // a read comes before the write that it returned (CyclicCO)
	classThinAir     = "thin-air-read"             // a value that nobody tried to write (ThinAirRead)
	classInitial     = "initial-state-after-write" // nothing was found, although a write came before (WriteCOInitRead)
	classOverwritten = "overwritten-value-read"    // a value was read, although its overwriter came before (WriteCORead)
	classUncovered   = "version-missing"           // a read of siblings misses a version that came before
	classEarlier     = "earlier-write-missing"     // a write of a process was seen, then the state before an earlier one of it
	classDependency  = "read-write-missing"        // a write was seen, then the state before what its writer had read
	classOwnVersion  = "own-version-missing"       // a process's own version is not in the context that it read
	classForgotten   = "version-forgotten"         // a version that a process has read is not in the context of a later read
	classPrefix      = "question-missing"          // a write was seen, then the state before what came before it
)

// violation is a read that returned what it must not. The fields that name
// events are numbers of a causalHistory, or none.
type violation struct {
	class string
	read  int32
	// older is the write that it returned, or fromStart; newer is the write
	// that should have been seen.
	older, newer int32
	// between is the access of the key between two of the older write.
	between int32
}

// violations are those of one claim.
type violations struct {
	h *causalHistory
	// names are what the classes of the claim are called.
	names causalClasses

	found   int
	classes map[string]int
	keys    map[int32]bool
	// candidates are the first of each class of each key, for the first keys;
	// witnesses are made of them.
	candidates []violation
	candidate  map[candidateKey]int
	// most is how many of them there may be, altogether and of each class and key.
	most, mostOfEach int
	// examined is how many reads could have violated the claim.
	examined int
}

func newViolations(h *causalHistory, names causalClasses) *violations {
	return &violations{
		h: h, names: names, classes: map[string]int{}, keys: map[int32]bool{}, candidate: map[candidateKey]int{},
		most: maximumCandidates, mostOfEach: candidatesOfEach,
	}
}

type candidateKey struct {
	key   int32
	class string
}

const (
	// candidatesOfEach is how many violations of a class and key are kept to
	// make the smallest witness of.
	candidatesOfEach = 2
	// maximumCandidates bounds them altogether.
	maximumCandidates = 16
)

func (v *violations) examine(could bool) {
	if could {
		v.examined++
	}
}

// overwrittenClass is the class of a read of an old state.
func (v *violations) overwrittenClass(source int32) string {
	if source == fromStart {
		return v.names.initial
	}
	return v.names.value
}

func (v *violations) add(x violation) {
	key := v.h.events[x.read].key
	v.found++
	v.classes[x.class]++
	v.keys[key] = true
	c := candidateKey{key, x.class}
	if v.candidate[c] < v.mostOfEach && len(v.candidates) < v.most {
		v.candidate[c]++
		v.candidates = append(v.candidates, x)
	}
}
