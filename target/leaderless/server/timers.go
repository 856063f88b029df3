package server

// timer is a timer of the core; at is on the monotonic clock, in nanoseconds.
type timer struct {
	at       int64
	sequence uint64
	id       uint64
}

// timerHeap holds the timers that are set, the next one first; timers of the
// same time come in the order in which they were set. The zero value is ready.
// It is written out rather than built on container/heap because every request
// sets a timer and boxing each in an interface shows in profiles.
type timerHeap struct {
	timers   []timer
	sequence uint64
}

func (t *timer) before(u *timer) bool {
	return t.at < u.at || t.at == u.at && t.sequence < u.sequence
}

// next returns when the next timer is due.
func (h *timerHeap) next() (at int64, ok bool) {
	if len(h.timers) == 0 {
		return 0, false
	}
	return h.timers[0].at, true
}

// push adds a timer.
func (h *timerHeap) push(at int64, id uint64) {
	h.sequence++
	h.timers = append(h.timers, timer{at: at, sequence: h.sequence, id: id})
	for i := len(h.timers) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.timers[i].before(&h.timers[parent]) {
			return
		}
		h.timers[i], h.timers[parent] = h.timers[parent], h.timers[i]
		i = parent
	}
}

// pop removes the next timer and returns its ID if it is due.
func (h *timerHeap) pop(now int64) (id uint64, due bool) {
	if len(h.timers) == 0 || h.timers[0].at > now {
		return 0, false
	}
	id = h.timers[0].id
	last := len(h.timers) - 1
	h.timers[0] = h.timers[last]
	h.timers = h.timers[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h.timers[child].before(&h.timers[least]) {
				least = child
			}
		}
		if least == i {
			return id, true
		}
		h.timers[i], h.timers[least] = h.timers[least], h.timers[i]
		i = least
	}
}
