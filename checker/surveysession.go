package checker

import (
	"math/bits"

	"github.com/refute-lab/refute/harness/history"
)

// denseProcesses is up to which number processes are kept in a slice, four bytes each.
const denseProcesses = 1 << 24

// surveyedSessions knows what the session of each process did with each key.
// A session ends with the first operation whose outcome is unknown, and what it
// did is not asked for again: its place is given to another one. So the memory
// grows with the processes that are active at one time, not with all that there were.
type surveyedSessions struct {
	current sessionTable // the place of each process's session
	free    []int32
	places  int32
	count   int32
	numbers []int32 // of the session in each place
	pairs   pairTable
}

// pairSession is what the session in some place did with some key.
type pairSession struct {
	pair          uint64 // the key's number and the place's, and one more
	session       int32
	written, read bool
}

// of returns what the operation's session did with the key before it, nil if
// its process has had an operation with unknown outcome. It is valid until the next call.
func (s *surveyedSessions) of(key int32, o *history.Operation) *pairSession {
	place := s.current.of(o.Process)
	switch *place {
	case none:
		return nil
	case unstarted:
		*place = s.place()
	}
	p := s.pairs.find(uint64(key)<<32 | uint64(*place))
	if session := s.numbers[*place]; p.session != session {
		p.session, p.written, p.read = session, false, false
	}
	return p
}

// place finds a place for one more session.
func (s *surveyedSessions) place() int32 {
	s.count++
	place := s.places
	if n := len(s.free); n > 0 {
		place = s.free[n-1]
		s.free = s.free[:n-1]
		s.numbers[place] = s.count
		return place
	}
	s.places++
	s.numbers = append(s.numbers, s.count)
	return place
}

// end ends the session of the operation's process.
func (s *surveyedSessions) end(o *history.Operation) {
	place := s.current.of(o.Process)
	s.free = append(s.free, *place)
	*place = none
}

// pairTable is a hash table of the pairs of a key and a place.
type pairTable struct {
	slots []pairSession // a power of two of them, at most three quarters taken
	shift uint
	used  int
}

func (t *pairTable) find(pair uint64) *pairSession {
	if 4*t.used >= 3*len(t.slots) {
		old := t.slots
		t.slots = make([]pairSession, max(64, 2*len(old)))
		t.shift = uint(64 - bits.TrailingZeros(uint(len(t.slots))))
		for _, p := range old {
			if p.pair != 0 {
				*t.slot(p.pair) = p
			}
		}
	}
	p := t.slot(pair + 1)
	if p.pair == 0 {
		p.pair = pair + 1
		t.used++
	}
	return p
}

func (t *pairTable) slot(pair uint64) *pairSession {
	mask := len(t.slots) - 1
	for i := int(pair * 0x9e3779b97f4a7c15 >> t.shift); ; i = (i + 1) & mask {
		if p := &t.slots[i]; p.pair == 0 || p.pair == pair {
			return p
		}
	}
}
