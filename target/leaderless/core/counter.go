package core

import (
	"cmp"
	"math"
	"slices"
)

// A counter that several replicas may increment and decrement at once
// (PN-counter: Shapiro, Preguiça, Baquero, Zawirski, A Comprehensive Study of
// Convergent and Commutative Replicated Data Types, INRIA 2011, §3.1; Riak's
// counters; Cassandra's sharded counters are of the same idea).
//
// A register that clients read, add to and write back loses additions: two that
// read 5 both write 6. Here each actor keeps the sum of what was added through
// it, apart for increments and decrements, and is the only one to change its
// sum; the counter is the sum of these. A newer sum of an actor takes the place
// of an older one, and no two replicas ever write the same thing.
//
// # Retries
//
// An addition whose answer is lost may have been made. Repeating it may count
// it twice, and not repeating it not at all: the limit of Cassandra's and
// Riak's counters. An operation that carries an identifier is counted once,
// however often and through whichever replicas it was asked for: each actor
// remembers its last identifiers with their amounts, and an identifier that
// several actors remember, because they did not know of each other, counts once
// in the total. What is remembered is bounded: after rememberedOperations
// further ones the amount goes into the sum and the identifier is forgotten. A
// retry counts again if it comes later than that, or was made through an actor
// that had not heard of the first by then. For that no total changes when an
// actor forgets, an identifier that two actors remember is left to the smaller
// of them: the other drops it, and only then may the smaller forget it.
//
// A counter is reset by removing what was seen of it. An addition that came
// through another actor meanwhile survives; one through the same actor brings
// that actor's whole sum back (Baquero, Almeida, Lerche: The Problem with
// Embedded CRDT Counters and a Solution, PaPoC 2016; Riak's maps have it, too).

// rememberedOperations is how many identifiers of operations each actor remembers.
const rememberedOperations = 64

// contribution is what was added to a counter through one actor. Never changed.
type contribution struct {
	added, subtracted int64 // neither is negative
	// recent are the remembered operations, oldest first; they are in neither sum.
	recent []counted
}

// counted is an operation on a counter that carries an identifier.
type counted struct {
	id uint64
	by int64
}

func (c *contribution) count(by int64) {
	if by > 0 {
		c.added += by
	} else {
		c.subtracted -= by
	}
}

// largestSum bounds the sums of each actor, recent operations included, so
// that sums never overflow.
const largestSum = math.MaxInt64 / 2

// room says whether the amount can still be counted.
func (c *contribution) room(by int64) bool {
	if by <= -largestSum || by >= largestSum {
		return false
	}
	sum := *c
	sum.count(by)
	for _, r := range c.recent {
		if sum.added >= largestSum || sum.subtracted >= largestSum {
			return false
		}
		sum.count(r.by)
	}
	return sum.added < largestSum && sum.subtracted < largestSum
}

// anyActor is for remembers.
func anyActor(Actor) bool { return true }

// remembers says whether one of those actors remembers the identifier.
func remembers(store []dotted[contribution], id uint64, which func(Actor) bool) bool {
	for i := range store {
		if which(store[i].dot.Actor) && slices.ContainsFunc(store[i].value.recent, func(r counted) bool { return r.id == id }) {
			return true
		}
	}
	return false
}

// addTo returns the store of a counter after an addition through the actor,
// whose new dot is given. changed is false if that operation was counted
// already; ok is false if the actor's sum would become too large. remember is
// how many identifiers are kept.
func addTo(store []dotted[contribution], dot Dot, by int64, id uint64, remember int) (out []dotted[contribution], changed, ok bool) {
	if id != 0 && remembers(store, id, anyActor) {
		return store, false, true
	}
	var mine contribution
	for i := range store {
		if store[i].dot.Actor == dot.Actor {
			mine = store[i].value
		} else {
			out = append(out, store[i])
		}
	}
	if !mine.room(by) {
		return store, false, false
	}
	// What a smaller actor remembers, too, is left to it.
	var recent []counted
	for _, r := range mine.recent {
		if !remembers(out, r.id, func(a Actor) bool { return a.Compare(dot.Actor) < 0 }) {
			recent = append(recent, r)
		}
	}
	mine.recent = recent
	if id == 0 {
		mine.count(by)
	} else {
		mine.recent = append(mine.recent, counted{id, by})
	}
	for i := 0; len(mine.recent) > remember && i < len(mine.recent)-1; {
		r := mine.recent[i]
		if remembers(out, r.id, anyActor) {
			i++ // a greater actor has not dropped it yet
			continue
		}
		mine.count(r.by)
		mine.recent = slices.Delete(mine.recent, i, i+1)
	}
	out = append(out, dotted[contribution]{dot, mine})
	slices.SortFunc(out, func(a, b dotted[contribution]) int { return a.dot.Compare(b.dot) })
	return out, true, true
}

// totalOf is the counter's value. It stops at the ends of 64 bits.
func totalOf(store []dotted[contribution]) (total int64) {
	for i := range store {
		c := &store[i].value
		total = saturatingAdd(total, c.added)
		total = saturatingAdd(total, -c.subtracted)
		for _, r := range c.recent {
			if !remembers(store[:i], r.id, anyActor) {
				total = saturatingAdd(total, r.by)
			}
		}
	}
	return total
}

func saturatingAdd(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}

func (c *contribution) compare(d *contribution) int {
	return cmp.Or(cmp.Compare(c.added, d.added), cmp.Compare(c.subtracted, d.subtracted),
		slices.CompareFunc(c.recent, d.recent, func(a, b counted) int {
			return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.by, b.by))
		}))
}

func appendContribution(buf []byte, c *contribution) []byte {
	buf = appendUvarint(appendUvarint(buf, uint64(c.added)), uint64(c.subtracted))
	buf = appendUvarint(buf, uint64(len(c.recent)))
	for _, r := range c.recent {
		buf = appendVarint(appendUvarint(buf, r.id), r.by)
	}
	return buf
}

func decodeContribution(d *decoder) contribution {
	added, subtracted := d.uvarint(), d.uvarint()
	n := d.count(2)
	c := contribution{added: int64(added), subtracted: int64(subtracted)}
	for range n {
		r := counted{d.uvarint(), d.varint()}
		if d.ok() && (r.id == 0 || r.by <= -largestSum || r.by >= largestSum) {
			d.fail("an operation that nobody counts")
		}
		if !d.ok() {
			return contribution{}
		}
		c.recent = append(c.recent, r)
	}
	if d.ok() && (added >= largestSum || subtracted >= largestSum || !c.room(0)) {
		d.fail("a sum that is too large")
	}
	if !d.ok() {
		return contribution{}
	}
	return c
}
