package checker

// base is a write of a key with what was before it. A later write that has the
// base before it need not look at what the base had before it: that is
// overwritten by the base already.
type base struct {
	key, write int32
	clock      snapshot
	read       int32 // one that returned the write; none for the session's own write
}

// bases are those of the writes that were last read, of each key and by each
// session. Both are needed: of many keys, one that others have read lately is
// the best; of one key on which many sessions work, it is mostly one that the
// present session does not know yet, but then it knows what it has read itself.
type bases struct {
	ofKey     []latestBases
	ofSession []*latestBases // nil for sessions that have none, or are over
	free      []*latestBases
}

// latestBases is a ring of the last ones.
type latestBases struct {
	next int
	kept [basesKept]base
}

const basesKept = 8

func newBases(h *causalHistory) bases {
	return bases{ofKey: make([]latestBases, len(h.keys)), ofSession: make([]*latestBases, len(h.first))}
}

func (l *latestBases) add(b base) {
	if l.next > 0 {
		if last := &l.kept[(l.next-1)%basesKept]; last.write == b.write && last.key == b.key {
			return
		}
	}
	l.kept[l.next%basesKept] = b
	l.next++
}

// read notes that the session has read the base's write.
func (b *bases) read(session int32, x base) {
	b.ofKey[x.key].add(x)
	b.own(session, x)
}

// own notes that the session has read the base's write, or written it.
func (b *bases) own(session int32, x base) {
	l := b.ofSession[session]
	if l == nil {
		if n := len(b.free); n > 0 {
			l, b.free = b.free[n-1], b.free[:n-1]
		} else {
			l = new(latestBases)
		}
		b.ofSession[session] = l
	}
	l.add(x)
}

// forget gives up those of a session that is over.
func (b *bases) forget(session int32) {
	if l := b.ofSession[session]; l != nil {
		*l = latestBases{}
		b.free, b.ofSession[session] = append(b.free, l), nil
	}
}

// find is the best base of the key, the deepest, of those that are before; nil
// if there is none. What the session has read or written itself always is.
func (b *bases) find(session, key int32, before func(b *base) bool) *base {
	var best *base
	if l := b.ofSession[session]; l != nil {
		for i := range l.latest {
			if x := &l.kept[i]; x.key == key && (best == nil || x.clock.depth > best.clock.depth) {
				best = x
			}
		}
	}
	for i := range b.ofKey[key].latest {
		if x := &b.ofKey[key].kept[i]; (best == nil || x.clock.depth > best.clock.depth) && before(x) {
			best = x
		}
	}
	return best
}

// latest yields the places of those kept, the last one first.
func (l *latestBases) latest(yield func(i int) bool) {
	for i := l.next - 1; i >= max(0, l.next-basesKept); i-- {
		if !yield(i % basesKept) {
			return
		}
	}
}

// news yields the groups of those sessions of which the clock says more than
// the other, which is nil or below it: all that have something to say beyond a
// base. Pages that both share are passed over, and with them the sessions that
// ended long ago. The groups are in the order of the sessions' numbers; it ends
// once yield returns false.
func (c causalClock) news(below causalClock, groups []causalGroup, yield func(g *causalGroup) bool) {
	if len(groups) < 2*len(c) { // few groups: look at each
		for i := range groups {
			if g := &groups[i]; c.of(g.session) > below.of(g.session) && !yield(g) {
				return
			}
		}
		return
	}
	for p, page := range c {
		if page == nil || page == below.page(p) {
			continue
		}
		first := int32(p * sessionsOnPage)
		for i := firstGroup(groups, first); i < len(groups) && groups[i].session < first+sessionsOnPage; i++ {
			if g := &groups[i]; page[g.session-first] > below.of(g.session) && !yield(g) {
				return
			}
		}
	}
}

// firstGroup is the place of the first group of that session or a later one.
func firstGroup(groups []causalGroup, session int32) int {
	low, high := 0, len(groups)
	for low < high {
		if middle := int(uint(low+high) / 2); groups[middle].session < session {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
