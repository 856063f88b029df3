package checker

import (
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// causalBuilder builds a causalHistory.
type causalBuilder struct {
	h *causalHistory
	// start is the number of each position's first event; the next one's is its end.
	start    []int32
	sessions int32
	register register // numbers the values of a key
	facts    []causalValue
}

// causalValue is who wrote a value of the present key.
type causalValue struct {
	writers, writer int32
	tried           bool
}

// place counts the events of each position.
func (b *causalBuilder) place() {
	operations := b.h.t.operations
	b.start = make([]int32, len(operations)+1)
	n := int32(0)
	for i := range operations {
		b.start[i] = n
		o := &operations[i]
		if o.Process != history.Nemesis {
			n += b.count(o, b.h.t.session[i])
		}
	}
	b.start[len(operations)] = n
	b.h.events = make([]causalEvent, n)
	for i := range b.h.events {
		b.h.events[i].key = none
	}
}

// count is how many events the operation is.
func (b *causalBuilder) count(o *history.Operation, session int32) int32 {
	switch o.F {
	case history.FRead:
		if o.Type == history.Ok && o.Output.Kind() != history.Absent && session != none {
			return 1
		}
	case history.FWrite, history.FDelete:
		if o.Type != history.Fail {
			return 1
		}
	case history.FCAS:
		if o.Type == history.Ok {
			return 2
		}
		if o.Type != history.Fail {
			return 1
		}
	}
	return 0
}

// key makes the events of one key.
func (b *causalBuilder) key(k int32) {
	key := &b.h.t.keys[k]
	if key.keepsSiblings() { // without versions, what its reads have seen is not told
		return
	}
	switch key.object {
	case registerObject:
		if err := b.writes(k, key); err != nil {
			b.h.skipped = fmt.Errorf("key %s: %w", key.name, err)
			return
		}
		b.reads(k, key)
	case siblingObject:
		b.siblings(k, key)
	case setObject, counterObject, queueObject, bagObject, textObject, transactionObject: // left to other claims
	default:
		b.h.skipped = fmt.Errorf("key %s has %s", key.name, key.why)
	}
}

// event fills in one event of the operation.
func (b *causalBuilder) event(e, k, position, source int32, kind causalKind) {
	session := b.h.t.session[position]
	if session == none {
		if kind == causalWrite && b.start[position] < e { // the second half of a compare-and-set
			session = b.h.events[e-1].session
		} else {
			session = b.sessions
			b.sessions++
		}
	}
	b.h.events[e] = causalEvent{position: position, session: session, key: k, source: source, kind: kind}
}

// fact is what is known of the writers of the value.
func (b *causalBuilder) fact(v history.Value) *causalValue {
	id := b.register.number(v)
	for int(id) >= len(b.facts) {
		b.facts = append(b.facts, causalValue{writer: none})
	}
	return &b.facts[id]
}

// writes gathers who wrote which value of a register.
func (b *causalBuilder) writes(k int32, key *keyOperations) error {
	b.register.begin(key.name, 0)
	b.facts = append(b.facts[:0], causalValue{writer: none})
	operations := b.h.t.operations
	for _, p := range key.positions {
		o := &operations[p]
		var value history.Value
		switch o.F {
		case history.FWrite:
			value = o.Input
			if value.Kind() == history.Absent {
				return fmt.Errorf("operation %d writes no value", o.Index)
			}
		case history.FDelete:
			value = history.NilValue()
		case history.FCAS:
			var err error
			if _, value, err = casArguments(o.Input); err != nil {
				return fmt.Errorf("operation %d: %w", o.Index, err)
			}
		default:
			continue
		}
		f := b.fact(value)
		f.tried = true
		if o.Type == history.Fail {
			continue
		}
		f.writers++
		f.writer = b.start[p+1] - 1
	}
	return nil
}

// reads makes the events of a register, once its writers are known.
func (b *causalBuilder) reads(k int32, key *keyOperations) {
	operations := b.h.t.operations
	for _, p := range key.positions {
		first, end := b.start[p], b.start[p+1]
		if first == end {
			continue
		}
		o := &operations[p]
		switch {
		case o.F == history.FRead:
			b.event(first, k, p, b.source(o.Output), causalRead)
		case o.F == history.FCAS && end == first+2:
			expected, _, _ := casArguments(o.Input)
			b.event(first, k, p, b.source(expected), causalRead)
			b.event(first+1, k, p, passedOver, causalWrite)
		default:
			b.event(first, k, p, passedOver, causalWrite)
		}
		if e := &b.h.events[first]; e.kind == causalRead && e.source == fromNowhere {
			b.h.invented = append(b.h.invented, first)
		}
	}
}

// source is the write that a read of the value returned.
func (b *causalBuilder) source(v history.Value) int32 {
	f := b.fact(v)
	switch {
	case f.writers == 1 && v.Kind() != history.Nil:
		return f.writer
	case f.writers > 0:
		return passedOver
	case v.Kind() == history.Nil:
		return fromStart
	case f.tried:
		return passedOver
	}
	return fromNowhere
}
