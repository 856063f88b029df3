package core

// updateMemory is which updates this node has carried out, so that one that the
// network delivers twice takes effect once: it would be another event each time.
// Coordinators number their updates (Version.Sequence); of each coordinator's
// latest start the last updateWindow numbers are remembered, and older ones are
// taken for repetitions. What is not remembered is not carried out, so the
// worst that can come of it is a write that times out.
type updateMemory struct{ windows []updateSeen }

type updateSeen struct {
	incarnation uint32
	// greatest is the greatest number, and seen has one bit for each number of the window.
	greatest uint32
	seen     [updateWindow / 64]uint64
}

const updateWindow = 4096

// first says that the update of that version has not been carried out, and remembers that it is.
func (u *updateMemory) first(v Version) bool {
	if int(v.Node) >= len(u.windows) {
		u.windows = append(u.windows, make([]updateSeen, int(v.Node)+1-len(u.windows))...)
	}
	w := &u.windows[v.Node]
	switch {
	case v.Incarnation < w.incarnation:
		return false // of a process that is gone
	case v.Incarnation > w.incarnation:
		*w = updateSeen{incarnation: v.Incarnation}
	}
	if v.Sequence > w.greatest {
		for s := w.greatest + 1; s != v.Sequence+1 && s-w.greatest <= updateWindow; s++ {
			w.seen[s%updateWindow/64] &^= 1 << (s % 64)
		}
		w.greatest = v.Sequence
	} else if w.greatest-v.Sequence >= updateWindow {
		return false
	}
	bit := uint64(1) << (v.Sequence % 64)
	place := &w.seen[v.Sequence%updateWindow/64]
	if *place&bit != 0 {
		return false
	}
	*place |= bit
	return true
}
