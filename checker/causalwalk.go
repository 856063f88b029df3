package checker

import (
	"context"
	"fmt"
)

// causalWalk visits the events of a history so that each session's come in
// their order and each read after the writes that it returned: a topological
// order of the causal order, in linear time. It keeps close to the order of
// invocation, so that what is known of a write can soon be forgotten again: a
// session waits at a read whose write has not been visited, and goes on from
// there once it has been.
type causalWalk struct {
	h    *causalHistory
	done []bool
	// next is the event at which each session is, or none.
	next []int32
	// waiting maps a write to the sessions that wait for it.
	waiting map[int32][]int32
	awake   []int32
}

// How many events the walk visits between looks at the time, and at the memory.
const (
	eventsBetweenTimes = 1 << 8
	eventsBetweenHeaps = 1 << 12
)

// walk visits all events that have an order and returns the walk. An error
// says that the time or the memory was used up.
func (h *causalHistory) walk(ctx context.Context, o Options, visit func(e int32)) (*causalWalk, error) {
	w := &causalWalk{h: h, done: make([]bool, len(h.events)), waiting: map[int32][]int32{}}
	w.next = append(w.next, h.first...)
	for e := range h.events {
		if e%eventsBetweenTimes == 0 && ctx.Err() != nil {
			return w, fmt.Errorf("the time for checking was over after %d of %d events; a longer time would help", e, len(h.events))
		}
		if e%eventsBetweenHeaps == 0 && o.Memory > 0 && int64(heap()) > o.Memory {
			return w, fmt.Errorf("the memory of %d MB was used up after %d of %d events; fewer keys or clients, or more memory, would help", o.Memory>>20, e, len(h.events))
		}
		session := h.events[e].session
		if w.next[session] != int32(e) {
			continue // it waits
		}
		w.advance(session, int32(e), visit)
		for len(w.awake) > 0 {
			s := w.awake[len(w.awake)-1]
			w.awake = w.awake[:len(w.awake)-1]
			w.advance(s, int32(e), visit)
		}
	}
	return w, nil
}

// advance visits the events of the session up to the limit, or to one that must wait.
func (w *causalWalk) advance(session, limit int32, visit func(e int32)) {
	e := w.next[session]
	for e != none && e <= limit {
		if write := w.missing(e); write != none {
			w.waiting[write] = append(w.waiting[write], session)
			break
		}
		visit(e)
		w.done[e] = true
		if len(w.waiting) > 0 {
			if sessions, found := w.waiting[e]; found {
				w.awake = append(w.awake, sessions...)
				delete(w.waiting, e)
			}
		}
		e = w.h.following[e]
	}
	w.next[session] = e
}

// missing is a write that the event must wait for, or none.
func (w *causalWalk) missing(e int32) int32 {
	event := &w.h.events[e]
	if event.kind == causalRead {
		if event.source >= 0 && !w.done[event.source] {
			return event.source
		}
		return none
	}
	missing := none
	w.h.eachSource(event, func(write int32) {
		if !w.done[write] {
			missing = write
		}
	})
	return missing
}

// rest visits the events that have no order, in the order of invocation.
func (w *causalWalk) rest(visit func(e int32)) {
	for e := range w.h.events {
		if !w.done[e] {
			visit(int32(e))
		}
	}
}

// cycle returns a read that comes before the write that it returned in the
// causal order, or none if all events have been visited: of the events that
// wait for each other, it follows the waiting until it has gone round.
func (w *causalWalk) cycle() int32 {
	for _, e := range w.next {
		if e == none {
			continue
		}
		seen := map[int32]bool{}
		for !seen[e] {
			seen[e] = true
			e = w.next[w.h.events[w.missing(e)].session]
		}
		return e
	}
	return none
}
