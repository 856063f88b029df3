package checker

// A clock says how much of each session is known: for a session, the number of
// an event of it before which everything is known (see causalHistory; events
// are numbered through the whole history), 0 if nothing is.
//
// It is a vector clock (Mattern, Virtual Time and Global States of Distributed
// Systems, 1989; Fidge 1988) in pages of sessions. Pages are never changed once
// they are made, so that clocks share them: a process that is retired gets no
// new events, and the pages of retired processes soon are the same ones
// everywhere, which a comparison of pointers tells. So a clock costs what the
// sessions that are still at work cost, and eight bytes for each page of others.
type causalClock []*clockPage

// sessionsOnPage is how many sessions share a page.
const sessionsOnPage = 32

type clockPage [sessionsOnPage]int32

// of is what is known of the session.
func (c causalClock) of(session int32) int32 {
	p := int(session / sessionsOnPage)
	if p >= len(c) || c[p] == nil {
		return 0
	}
	return c[p][session%sessionsOnPage]
}

// page is the page of that number, or nil.
func (c causalClock) page(p int) *clockPage {
	if p >= len(c) {
		return nil
	}
	return c[p]
}

// sessionClock is the clock of one session, which grows. Its list of pages is
// its own unless shared is set.
type sessionClock struct {
	causalClock
	shared bool
	depth  int32
}

// snapshot is a clock that stays as it is. Its depth is the length of the
// longest chain of reads by which it came to know what it knows (Lamport, Time,
// Clocks, and the Ordering of Events, 1978): of two clocks the deeper mostly knows more.
type snapshot struct {
	causalClock
	depth int32
}

// snapshot is the clock as it is now.
func (s *sessionClock) snapshot() snapshot {
	s.shared = true
	return snapshot{s.causalClock, s.depth}
}

// own makes the list of pages the session's own, with at least n places.
func (s *sessionClock) own(n int) {
	if s.shared || len(s.causalClock) < n {
		grown := make(causalClock, max(n, len(s.causalClock)))
		copy(grown, s.causalClock)
		s.causalClock, s.shared = grown, false
	}
}

// learn adds what the other clock knows, which belongs to an event of the
// session, and that session up to the event (not included). Whoever knows that
// knows the rest already.
func (s *sessionClock) learn(other snapshot, session, event int32) {
	if s.of(session) >= event && event > 0 {
		return
	}
	s.depth = max(s.depth, other.depth+1)
	for p, page := range other.causalClock {
		if page == nil || page == s.page(p) {
			continue
		}
		mine := s.page(p)
		if mine == nil {
			s.own(len(other.causalClock))
			s.causalClock[p] = page
			continue
		}
		if joined := mine.join(page); joined != mine {
			s.own(len(other.causalClock))
			s.causalClock[p] = joined
		}
	}
	if s.of(session) >= event {
		return
	}
	p := int(session / sessionsOnPage)
	s.own(p + 1)
	page := new(clockPage)
	if s.causalClock[p] != nil {
		*page = *s.causalClock[p]
	}
	page[session%sessionsOnPage] = event
	s.causalClock[p] = page
}

// join returns the greater of both at each place: one of them, if it is that.
func (a *clockPage) join(b *clockPage) *clockPage {
	var joined clockPage
	var fromA, fromB int32 // not 0 if it differs from a, or from b
	for i := range joined {
		x := max(a[i], b[i])
		joined[i] = x
		fromA |= x ^ a[i]
		fromB |= x ^ b[i]
	}
	switch {
	case fromA == 0:
		return a
	case fromB == 0:
		return b
	}
	kept := new(clockPage)
	*kept = joined
	return kept
}

// snapshots keeps the clocks at the writes that will still be read, each until
// its last read.
type snapshots struct {
	// slot is the place of each event's clock, by event; unread how many reads of it are to come.
	slot, unread []int32
	clocks       []snapshot
	free         []int32
}

func newSnapshots(h *causalHistory) snapshots {
	return snapshots{slot: make([]int32, len(h.events)), unread: append([]int32(nil), h.readers...)}
}

// keep remembers the clock at the write.
func (s *snapshots) keep(write int32, c snapshot) {
	if n := len(s.free); n > 0 {
		s.slot[write] = s.free[n-1]
		s.free = s.free[:n-1]
		s.clocks[s.slot[write]] = c
		return
	}
	s.slot[write] = int32(len(s.clocks))
	s.clocks = append(s.clocks, c)
}

// of is the clock at the write, which is to be read.
func (s *snapshots) of(write int32) snapshot { return s.clocks[s.slot[write]] }

// read notes that the write has been read once more, and says whether that was the last time.
func (s *snapshots) read(write int32) (last bool) {
	s.unread[write]--
	if s.unread[write] > 0 {
		return false
	}
	s.clocks[s.slot[write]] = snapshot{}
	s.free = append(s.free, s.slot[write])
	return true
}
