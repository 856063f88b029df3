package history

import "strconv"

// pairKey identifies what a completion must match: for a client its process,
// for the nemesis the operation and the key too, because its operations may overlap.
type pairKey struct {
	process Process
	f, key  string
}

// pairState is what is known of one pairKey.
type pairState struct {
	open, retired bool
	invocation    int64 // index of the last invocation
	completion    int64 // index of its completion, if there was one
	slot          int64 // number of the last invocation among all invocations
	f, key        string
}

// validator decides whether an event may follow those before it, and finds
// the invocation of each completion. It remembers one small record for each
// process, so that its memory grows with the processes (a new one for each
// info), not with the operations.
type validator struct {
	// gaps allows indexes to jump upward: parts of a foreign history.
	gaps    bool
	events  int64
	next    int64
	time    int64
	slots   int64
	clients clientTable
	nemesis map[pairKey]*pairState
}

func newValidator(gaps bool) *validator {
	return &validator{gaps: gaps, nemesis: make(map[pairKey]*pairState)}
}

// state returns the record of the event's process, or nil if there is none.
// It is valid until another process is asked about.
func (v *validator) state(e *Event) *pairState {
	if e.Process != Nemesis {
		return v.clients.get(e.Process)
	}
	return v.nemesis[pairKey{Nemesis, e.F, e.Key}]
}

// check accepts the event and returns the slot of the operation that it
// invokes or completes, or says why it must not stand here. An event that is
// refused leaves no trace.
func (v *validator) check(e *Event, line int64) (slot int64, err error) {
	if bad := v.form(e, line); bad != nil {
		return 0, bad
	}
	s := v.state(e)
	if e.Type == Invoke {
		if bad := v.invokes(e, s, line); bad != nil {
			return 0, bad
		}
		if s == nil {
			if e.Process != Nemesis {
				s = v.clients.add(e.Process, v.slots)
			} else {
				s = new(pairState)
				v.nemesis[pairKey{Nemesis, e.F, e.Key}] = s
			}
		}
		*s = pairState{open: true, invocation: e.Index, completion: -1, slot: v.slots, f: e.F, key: e.Key}
		v.slots++
	} else {
		if bad := completes(e, s, line); bad != nil {
			return 0, bad
		}
		s.open = false
		s.completion = e.Index
		s.retired = e.Type == Info && e.Process != Nemesis
	}
	v.events++
	v.next = e.Index + 1
	v.time = e.Time
	slot = s.slot
	if s.retired {
		v.clients.retire(e.Process)
	}
	return slot, nil
}

// form checks what needs no knowledge of other operations.
func (v *validator) form(e *Event, line int64) error {
	switch {
	case e.Type < Invoke || e.Type > Info:
		return fault(ErrSyntax, line, e.Index, "the type is missing or unknown")
	case e.F == "":
		return fault(ErrSyntax, line, e.Index, "f is missing or empty")
	case e.Process < Nemesis:
		return fault(ErrSyntax, line, e.Index, "process %d is negative", e.Process)
	case e.Index < v.next || e.Index > v.next && !v.gaps:
		return fault(ErrIndex, line, e.Index, "the index is %d where %d is due", e.Index, v.next)
	case e.Time < 0:
		return fault(ErrTime, line, e.Index, "the time %d ns is before the run's start", e.Time)
	case e.Time < v.time:
		return fault(ErrTime, line, e.Index, "the time is %d ns after %d ns in the event before", e.Time, v.time)
	}
	return nil
}

func (v *validator) invokes(e *Event, s *pairState, line int64) error {
	switch {
	case s == nil:
		return nil
	case s.open && e.Process == Nemesis:
		return fault(ErrOpen, line, e.Index, "the nemesis invokes %s %q, which is open since event %d", e.F, e.Key, s.invocation)
	case s.open:
		return fault(ErrOpen, line, e.Index, "process %d invokes %s while its %s of event %d is open", e.Process, e.F, s.f, s.invocation)
	case s.retired:
		return fault(ErrRetired, line, e.Index, "process %d invokes %s after its operation of event %d ended as info at event %d", e.Process, e.F, s.invocation, s.completion)
	}
	return nil
}

func completes(e *Event, s *pairState, line int64) error {
	if s != nil && s.open && s.f == e.F && s.key == e.Key {
		return nil
	}
	who := "the nemesis"
	if e.Process != Nemesis {
		who = "process " + strconv.FormatInt(int64(e.Process), 10)
	}
	switch {
	case s == nil:
		return fault(ErrNotInvoked, line, e.Index, "%s completes a %s (%s) that it never invoked", who, e.F, e.Type)
	case !s.open && s.f == e.F && s.key == e.Key:
		return fault(ErrCompletedTwice, line, e.Index, "%s completes the %s of event %d with %s, but event %d completed it", who, e.F, s.invocation, e.Type, s.completion)
	case !s.open:
		return fault(ErrNotInvoked, line, e.Index, "%s completes a %s (%s) that it did not invoke; its last operation was the %s of event %d", who, e.F, e.Type, s.f, s.invocation)
	default:
		return fault(ErrMismatch, line, e.Index, "%s completes %s %q, but its open operation is the %s %q of event %d", who, e.F, e.Key, s.f, s.key, s.invocation)
	}
}
