package checker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// A register with siblings keeps concurrent values side by side, each under
// the dot of its write, and a read returns them with a context: what they are
// and what they have taken the place of (see history.Versions). So it can be
// told for certain whether a read knew of a write: it did iff the write's dot
// is in what it returned. Nothing has to be concluded from values.

// siblingHistory is the history of one register with siblings.
type siblingHistory struct {
	t    *timeline
	key  *keyOperations
	dots map[history.Dot]int32 // the position of each dot's write
	// dotOf is the dot of each write, by position, as far as it is known.
	dotOf map[int32]history.Dot
	// writers are the positions of each value's writes that may have taken
	// effect, tried those values that somebody tried to write.
	writers map[int64][]int32
	tried   map[int64]bool
	// tellers are the reads that tell the dots of writes that do not tell them themselves, by position.
	tellers map[int32]int32
	// deleted says that a delete may have taken effect.
	deleted bool
	// returned are what the ok reads returned, by position.
	returned map[int32]history.Versions
}

// loadSiblings reads the history of the key. It fails on operations that a
// register with siblings does not have.
//
// A write's dot is what its ok completion says, or else what a read says that
// shows its value. Dots that were given to two writes, and writes with
// several, tell nothing and are passed over: a node that forgets its counter
// does that.
func loadSiblings(t *timeline, key *keyOperations) (*siblingHistory, error) {
	s := &siblingHistory{
		t: t, key: key, dots: map[history.Dot]int32{}, dotOf: map[int32]history.Dot{},
		writers: map[int64][]int32{}, tried: map[int64]bool{}, returned: map[int32]history.Versions{}, tellers: map[int32]int32{},
	}
	for _, p := range key.positions {
		o := &t.operations[p]
		switch o.F {
		case history.FRead, history.FDelete:
			s.deleted = s.deleted || o.F == history.FDelete && o.Type != history.Fail
		case history.FWrite:
			value, ok := o.Input.Int()
			if !ok {
				return nil, fmt.Errorf("operation %d writes %s, and registers with siblings hold integers", o.Index, showValue(o.Input))
			}
			s.tried[value] = true
			if o.Type != history.Fail {
				s.writers[value] = append(s.writers[value], p)
			}
		default:
			return nil, fmt.Errorf("operation %d is of the kind %q, which no register with siblings has", o.Index, o.F)
		}
	}
	claims := dotClaims{map[history.Dot][]int32{}, map[int32][]history.Dot{}}
	for _, p := range key.positions {
		if err := s.takeVersions(p, &claims); err != nil {
			return nil, err
		}
	}
	for dot, writes := range claims.writes {
		if len(writes) == 1 && len(claims.dots[writes[0]]) == 1 {
			s.dots[dot], s.dotOf[writes[0]] = writes[0], dot
		}
	}
	return s, nil
}

// dotClaims is which dots are said to belong to which writes.
type dotClaims struct {
	writes map[history.Dot][]int32
	dots   map[int32][]history.Dot
}

func (c *dotClaims) add(dot history.Dot, write int32) {
	if !slices.Contains(c.writes[dot], write) {
		c.writes[dot] = append(c.writes[dot], write)
		c.dots[write] = append(c.dots[write], dot)
	}
}

// takeVersions reads what the completion of the operation says.
func (s *siblingHistory) takeVersions(p int32, claims *dotClaims) error {
	o := &s.t.operations[p]
	if o.Type != history.Ok || o.Output.Kind() == history.Absent {
		return nil
	}
	if o.F == history.FRead && o.Output.Kind() == history.Nil {
		if !s.deleted {
			s.returned[p] = history.Versions{}
		}
		return nil
	}
	if o.F == history.FWrite && o.Output.Kind() != history.Raw || o.F == history.FDelete {
		return nil // it does not tell its dot
	}
	v, err := history.ParseVersions(o.Output)
	if err != nil {
		return fmt.Errorf("operation %d: %w", o.Index, err)
	}
	if o.F == history.FWrite {
		for _, dot := range v.Dots {
			claims.add(dot, p)
			s.tellers[p] = none
		}
		return nil
	}
	s.returned[p] = v
	for i, value := range v.Values {
		if writers := s.writers[value]; len(writers) == 1 {
			claims.add(v.Dots[i], writers[0])
			if _, told := s.tellers[writers[0]]; !told {
				s.tellers[writers[0]] = p
			}
		}
	}
	return nil
}

// siblingKey is what a causalHistory has of a register with siblings.
type siblingKey struct {
	nodes []siblingNode
	// places are where the writes with a dot are.
	places map[int32]siblingPlace
	// tellers are the reads, by position, that tell the dots of writes that do not themselves.
	tellers map[int32]int32
}

// siblingNode is the writes of the key that one node coordinated, by their counters.
type siblingNode struct {
	name   string
	writes []siblingWrite
	// reached is how many of them may have been visited: none after has been.
	reached int
}

type siblingWrite struct {
	counter int64
	write   int32
}

type siblingPlace struct{ node, index int }

// siblingRead is what a read of a register with siblings returned.
type siblingRead struct {
	versions history.Versions
	// writes are the siblings' writes.
	writes []int32
}

// siblings makes the events of a register with siblings.
func (b *causalBuilder) siblings(k int32, key *keyOperations) {
	s, err := loadSiblings(b.h.t, key)
	if err != nil {
		b.h.skipped = fmt.Errorf("key %s: %w", key.name, err)
		return
	}
	kept := &siblingKey{places: map[int32]siblingPlace{}, tellers: s.tellers}
	b.h.keys[k].siblings = kept
	for _, p := range key.positions {
		e := b.start[p]
		if e == b.start[p+1] {
			continue
		}
		if b.h.t.operations[p].F != history.FRead {
			b.event(e, k, p, passedOver, causalWrite)
			if dot, found := s.dotOf[p]; found {
				kept.add(dot, e)
			}
			continue
		}
		v, found := s.returned[p]
		if !found { // nothing, and perhaps because of a delete
			b.event(e, k, p, passedOver, causalRead)
			continue
		}
		b.event(e, k, p, int32(len(b.h.siblings)), versionsRead)
		read, invented := b.siblingRead(s, v)
		b.h.siblings = append(b.h.siblings, read)
		if invented {
			b.h.invented = append(b.h.invented, e)
		}
	}
	kept.sort()
}

// siblingRead finds the writes of the siblings. invented: one that nobody tried to write is among them.
func (b *causalBuilder) siblingRead(s *siblingHistory, v history.Versions) (read siblingRead, invented bool) {
	read.versions = v
	for i, dot := range v.Dots {
		p, found := s.dots[dot]
		if i < len(v.Values) {
			writers := s.writers[v.Values[i]]
			invented = invented || !s.tried[v.Values[i]]
			if found && !slices.Contains(writers, p) { // the dot is another write's
				continue
			}
			if !found && len(writers) == 1 {
				p, found = writers[0], true
			}
		}
		if found {
			read.writes = append(read.writes, b.start[p])
		}
	}
	return read, invented
}

func (k *siblingKey) add(dot history.Dot, write int32) {
	n := slices.IndexFunc(k.nodes, func(n siblingNode) bool { return n.name == dot.Node })
	if n < 0 {
		n = len(k.nodes)
		k.nodes = append(k.nodes, siblingNode{name: dot.Node})
	}
	k.nodes[n].writes = append(k.nodes[n].writes, siblingWrite{dot.Counter, write})
}

func (k *siblingKey) sort() {
	for n := range k.nodes {
		writes := k.nodes[n].writes
		slices.SortFunc(writes, func(a, b siblingWrite) int { return cmp.Compare(a.counter, b.counter) })
		for i := range writes {
			k.places[writes[i].write] = siblingPlace{n, i}
		}
	}
}

// renumber puts the numbers of events right.
func (k *siblingKey) renumber(number []int32) {
	k.places = map[int32]siblingPlace{}
	for n := range k.nodes {
		for i := range k.nodes[n].writes {
			w := &k.nodes[n].writes[i]
			w.write = number[w.write]
			k.places[w.write] = siblingPlace{n, i}
		}
	}
}

// renumber puts the numbers of events right.
func (r *siblingRead) renumber(number []int32) {
	for i := range r.writes {
		r.writes[i] = number[r.writes[i]]
	}
}

// visited notes that the write may be known from now on.
func (k *siblingKey) visited(write int32) {
	if p, found := k.places[write]; found {
		k.nodes[p.node].reached = max(k.nodes[p.node].reached, p.index+1)
	}
}

// uncovered returns a visited write that the read of siblings lacks although
// it came before, or none. It looks at the writes that are newer than the
// read's context, which are few unless the read is very old.
func (h *causalHistory) uncovered(event *causalEvent, before func(write int32) bool) int32 {
	key := h.keys[event.key].siblings
	versions := &h.siblings[event.source].versions
	for n := range key.nodes {
		node := &key.nodes[n]
		low, _ := slices.BinarySearchFunc(node.writes, versions.Context[node.name]+1, func(w siblingWrite, counter int64) int { return cmp.Compare(w.counter, counter) })
		for i := low; i < node.reached; i++ {
			if w := &node.writes[i]; before(w.write) && !versions.Covers(history.Dot{Node: node.name, Counter: w.counter}) {
				return w.write
			}
		}
	}
	return none
}

// missed is uncovered, without regard to what has been visited.
func (h *causalHistory) missed(event *causalEvent, before func(write int32) bool) int32 {
	versions := &h.siblings[event.source].versions
	for _, node := range h.keys[event.key].siblings.nodes {
		for _, w := range node.writes {
			if before(w.write) && !versions.Covers(history.Dot{Node: node.name, Counter: w.counter}) {
				return w.write
			}
		}
	}
	return none
}
