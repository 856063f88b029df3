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
}

// snapshot is the clock as it is now; it stays as it is.
func (s *sessionClock) snapshot() causalClock {
	s.shared = true
	return s.causalClock
}

// own makes the list of pages the session's own, with at least n places.
func (s *sessionClock) own(n int) {
	if s.shared || len(s.causalClock) < n {
		grown := make(causalClock, max(n, len(s.causalClock)))
		copy(grown, s.causalClock)
		s.causalClock, s.shared = grown, false
	}
}

// learn adds what the other clock knows, and the session up to the event (not included).
func (s *sessionClock) learn(other causalClock, session, event int32) {
	for p, page := range other {
		if page == nil || page == s.page(p) {
			continue
		}
		mine := s.page(p)
		if mine == nil {
			s.own(len(other))
			s.causalClock[p] = page
			continue
		}
		if joined := mine.join(page); joined != mine {
			s.own(len(other))
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
	less, greater := false, false
	for i, x := range a {
		less = less || x < b[i]
		greater = greater || x > b[i]
	}
	switch {
	case !less:
		return a
	case !greater:
		return b
	}
	joined := *a
	for i, x := range b {
		joined[i] = max(joined[i], x)
	}
	return &joined
}
