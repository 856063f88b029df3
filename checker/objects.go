package checker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// objectHistory is the history of one object that is no plain register, with
// the ways to decide whether it is linearizable.
//
// Of all of them holds: operations that certainly failed, and reads without a
// result, are left out. A mutation whose outcome is unknown never returns, and
// its step is always possible, whatever the state; so an order in which it
// does not happen is one in which it comes after everything else, and the
// search needs no second state for "it did not happen".
type objectHistory interface {
	// load takes the operations at the positions. Its error names the first
	// one that makes no sense for such an object.
	load(operations []history.Operation, key string, positions []int32) error
	// observations is how many operations say what they found.
	observations() int
	// method names how decide decides.
	method() string
	// decide finds without a search what no order explains. proved: without
	// such a finding there certainly is a legal order.
	decide() (found []finding, proved bool)
	// search is what Porcupine is to decide: the operations that were loaded, but
	// those that cannot matter left out, and times narrowed where that changes
	// nothing. Each operation's Input is a positioned.
	search() (porcupine.Model, []porcupine.Operation)
	// without returns the set less the dropped operations and those that would
	// prove nothing without them; it may keep some that were to be dropped.
	// If the whole history has a legal order, so has what is returned. The
	// sets are positions in the history, in order.
	without(set, drop []int32) []int32
}

// positioned is an operation of a search, which stands at a position in the history.
type positioned interface{ at() int32 }

func newObjectHistory(kind object) objectHistory {
	switch kind {
	case setObject:
		return &setOrder{}
	case counterObject:
		return &counterHistory{}
	case queueObject:
		return &queueHistory{ordered: true}
	case bagObject:
		return &queueHistory{}
	case textObject:
		return &textHistory{}
	case transactionObject:
		return &transactionHistory{}
	}
	return nil
}

// object decides one object that is no plain register within its share of time (0: unbounded).
func (j *judge) object(ctx context.Context, key *keyOperations, share time.Duration) judgement {
	h := newObjectHistory(key.object)
	if err := h.load(j.timeline.operations, key.name, key.positions); err != nil {
		return judgement{checked: true, unfit: true, why: err.Error()}
	}
	if h.observations() == 0 {
		return judgement{decided: true}
	}
	found, proved := h.decide()
	if len(found) > 0 {
		return j.refutedObject(key, h, found, share)
	}
	if proved {
		return judgement{decided: true, checked: true, method: h.method()}
	}
	if ctx.Err() != nil {
		return judgement{checked: true, porcupine: true, why: "the time for checking was over", timedOut: true}
	}
	model, calls := h.search()
	switch a := j.limiter.run(model, calls, share); a.result {
	case porcupine.Ok:
		return judgement{decided: true, checked: true, porcupine: true}
	case porcupine.Unknown:
		return judgement{checked: true, porcupine: true, why: a.why, timedOut: a.timedOut}
	}
	return j.refutedObject(key, h, nil, share)
}

// refutedObject shows the smallest of the findings, or, without any (Porcupine
// alone found the history illegal), makes the smallest witness it can.
func (j *judge) refutedObject(key *keyOperations, h objectHistory, found []finding, share time.Duration) judgement {
	out := judgement{decided: true, checked: true, porcupine: true, conflicts: max(len(found), 1), classes: map[string]int{}}
	if share == 0 {
		share = shrinkMost
	}
	share = min(max(share, shrinkLeast), shrinkMost)
	ctx, cancel := context.WithTimeout(context.Background(), share+2*confirmTime)
	defer cancel()
	l := newLimiter(ctx, int64(j.limiter.memory))
	defer l.close()
	r := &objectReducer{operations: j.timeline.operations, key: key, history: h, limiter: l, deadline: time.Now().Add(share)}
	var f finding
	if len(found) > 0 {
		f = slices.MinFunc(found, func(a, b finding) int { return len(a.positions) - len(b.positions) })
	}
	if len(found) == 0 || f.class == classOther {
		f = r.whole()
	}
	f.confirmed = r.confirm(f)
	for i := range found {
		out.classes[found[i].class]++
	}
	if len(found) == 0 {
		out.classes[f.class]++
	}
	out.finding = &f
	return out
}

// objectReducer makes small witnesses of one object's history, as shrinker does of a register's.
type objectReducer struct {
	operations []history.Operation
	key        *keyOperations
	history    objectHistory
	limiter    *limiter
	deadline   time.Time
}

// whole makes a witness of all operations: first of those that had happened by
// the earliest time at which they are illegal, then of what of it is needed.
func (r *objectReducer) whole() finding {
	illegal := func(set []int32) bool { _, illegal := r.recognize(set); return illegal }
	set := shrinkSet(r.prefix(illegal), r.without, illegal, r.late)
	f, refuted := r.recognize(set)
	if !refuted { // there was no time to try
		f = newFinding(classOther, r.key.name)
	}
	if len(f.positions) == 0 {
		f.positions = set
	}
	return f
}

func (r *objectReducer) late() bool { return time.Now().After(r.deadline) }

// without is the history's, as long as there is time.
func (r *objectReducer) without(set, drop []int32) []int32 {
	if r.late() {
		return set
	}
	return r.history.without(set, drop)
}

// prefix is what is left of all operations without the observations that
// ended after some time, for the least such time for which that is illegal.
func (r *objectReducer) prefix(illegal func([]int32) bool) []int32 {
	all := r.key.positions
	var ends []int64
	for _, p := range all {
		if o := &r.operations[p]; observed(o) {
			ends = append(ends, o.End)
		}
	}
	slices.Sort(ends)
	best := all
	for low, high := 0, len(ends)-1; low < high; {
		middle := (low + high) / 2
		var late []int32
		for _, p := range all {
			if o := &r.operations[p]; observed(o) && o.End > ends[middle] {
				late = append(late, p)
			}
		}
		if set := r.without(all, late); illegal(set) {
			best, high = set, middle
		} else {
			low = middle + 1
		}
	}
	return best
}

// recognize says whether exactly these operations certainly have no legal
// order, and by which pattern.
func (r *objectReducer) recognize(set []int32) (f finding, illegal bool) {
	f = newFinding(classOther, r.key.name)
	left := time.Until(r.deadline)
	if len(set) == 0 || left <= 0 {
		return f, false
	}
	h := newObjectHistory(r.key.object)
	if h.load(r.operations, r.key.name, set) != nil {
		return f, false
	}
	found, proved := h.decide()
	if len(found) > 0 {
		return slices.MinFunc(found, func(a, b finding) int { return len(a.positions) - len(b.positions) }), true
	}
	if proved || h.observations() == 0 {
		return f, false
	}
	f.positions = set
	model, calls := h.search()
	return f, r.limiter.run(model, calls, min(left, confirmTime)).result == porcupine.Illegal
}

// confirm asks Porcupine about exactly the finding's operations.
func (r *objectReducer) confirm(f finding) bool {
	h, err := witnessHistory(r.key.object, r.operations, f)
	if err != nil {
		return false
	}
	model, calls := h.search()
	asRecorded(calls, r.operations)
	return r.limiter.run(model, calls, confirmTime).result == porcupine.Illegal
}

// asRecorded gives the operations of a search the times that they have in the history.
func asRecorded(calls []porcupine.Operation, operations []history.Operation) {
	for i := range calls {
		o := &operations[calls[i].Input.(positioned).at()]
		calls[i].Call, calls[i].Return = o.Start, certainly(o)
	}
}

// witnessHistory loads a witness. Of a set, and of a text if the pattern is of
// appends, it speaks of those elements only that are added in it.
func witnessHistory(kind object, operations []history.Operation, f finding) (objectHistory, error) {
	h := newObjectHistory(kind)
	switch h := h.(type) {
	case *setOrder:
		h.only = addedIn(operations, f.positions)
	case *textHistory:
		h.projected = f.class != classOther
	}
	return h, h.load(operations, f.key, f.positions)
}

// shrinkSet takes operations out of the set, ever smaller portions of them
// (delta debugging, Zeller and Hildebrandt 2002), as long as the rest is illegal.
func shrinkSet(set []int32, without func(set, drop []int32) []int32, illegal func(set []int32) bool, late func() bool) []int32 {
	for portion := (len(set) + 1) / 2; portion >= 1 && !late(); {
		removed := false
		// From the end: what came last is needed least.
		for end := len(set); end > 0 && !late(); end -= portion {
			begin := max(0, end-portion)
			if begin >= len(set) {
				continue
			}
			drop := set[begin:min(end, len(set))]
			if rest := without(set, drop); len(rest) < len(set) && illegal(rest) {
				set, removed = rest, true
			}
		}
		if portion == 1 && !removed {
			break
		}
		if !removed || portion > len(set) {
			portion = max(1, min(portion, len(set))/2)
		}
	}
	return set
}

// misfit is the error of a load: the operation is none that such an object has.
func misfit(o *history.Operation, thing string) error {
	return fmt.Errorf("operation %d is of the kind %q, which no %s has", o.Index, o.F, thing)
}

// certainly is until when the operation must have taken effect: never, where its outcome is unknown.
func certainly(o *history.Operation) int64 {
	if o.Type != history.Ok {
		return history.Infinity
	}
	return o.End
}

// observed says whether the operation is one that returned what it found.
func observed(o *history.Operation) bool {
	return o.Type == history.Ok && o.Output.Kind() != history.Absent
}

// dropped returns the set less the dropped operations. Both are in order.
func dropped(set, drop []int32) []int32 {
	rest := make([]int32, 0, len(set))
	for _, p := range set {
		if _, found := slices.BinarySearch(drop, p); !found {
			rest = append(rest, p)
		}
	}
	return rest
}
