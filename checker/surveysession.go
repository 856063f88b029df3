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
	numbers []int32 // of the session in each place
	count   int32
	far     pairTable // of the places from nearPlaces on
}

// pairSession is what the session in some place did with some key.
type pairSession struct {
	session       int32
	written, read bool
}

// nearPlaces is how many places a key may keep a list of, as far as it needs.
// There are more places only if very many processes are active at one time.
const nearPlaces = 1024

// fewPlaces is for how many places a key keeps a list without gaps.
const fewPlaces = 8

// keySessions is what the sessions in near places did with a key: of few
// places in any order, of more at the place's index.
type keySessions struct {
	few    []placeSession
	placed []pairSession
}

type placeSession struct {
	place int32
	did   pairSession
}

// of returns what the session in the place did.
func (k *keySessions) of(place int32) *pairSession {
	if k.placed == nil {
		for i := range k.few {
			if k.few[i].place == place {
				return &k.few[i].did
			}
		}
		if len(k.few) < fewPlaces {
			k.few = append(k.few, placeSession{place: place})
			return &k.few[len(k.few)-1].did
		}
		k.placed = make([]pairSession, 0, 2*fewPlaces)
		for _, p := range k.few {
			*k.of(p.place) = p.did
		}
		k.few = nil
	}
	for int(place) >= len(k.placed) {
		k.placed = append(k.placed, pairSession{})
	}
	return &k.placed[place]
}

// of returns what the operation's session did with the key before it, nil if
// its process has had an operation with unknown outcome. It is valid until the next call.
func (s *surveyedSessions) of(number int32, key *keySessions, o *history.Operation) *pairSession {
	place := s.current.of(o.Process)
	switch *place {
	case none:
		return nil
	case unstarted:
		*place = s.place()
	}
	var did *pairSession
	if *place < nearPlaces {
		did = key.of(*place)
	} else {
		did = s.far.find(uint64(number)<<32 | uint64(*place))
	}
	if session := s.numbers[*place]; did.session != session {
		*did = pairSession{session: session}
	}
	return did
}

// place finds a place for one more session. Sessions are numbered from 1.
func (s *surveyedSessions) place() int32 {
	s.count++
	if n := len(s.free); n > 0 {
		place := s.free[n-1]
		s.free = s.free[:n-1]
		s.numbers[place] = s.count
		return place
	}
	s.numbers = append(s.numbers, s.count)
	return int32(len(s.numbers) - 1)
}

// end ends the session of the operation's process.
func (s *surveyedSessions) end(o *history.Operation) {
	place := s.current.of(o.Process)
	s.free = append(s.free, *place)
	*place = none
}

// pairTable is a hash table of the pairs of a key and a place.
type pairTable struct {
	slots []pairSlot // a power of two of them, at most three quarters taken
	shift uint
	used  int
}

type pairSlot struct {
	pair uint64 // and one more, 0 if the slot is free
	did  pairSession
}

func (t *pairTable) find(pair uint64) *pairSession {
	if 4*t.used >= 3*len(t.slots) {
		old := t.slots
		t.slots = make([]pairSlot, max(64, 2*len(old)))
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
	return &p.did
}

func (t *pairTable) slot(pair uint64) *pairSlot {
	mask := len(t.slots) - 1
	for i := int(pair * 0x9e3779b97f4a7c15 >> t.shift); ; i = (i + 1) & mask {
		if p := &t.slots[i]; p.pair == 0 || p.pair == pair {
			return p
		}
	}
}
