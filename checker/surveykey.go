package checker

import (
	"math/bits"

	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
)

// keySurvey is what a walk through a history learns about one key as long as
// it is a register of plain reads and writes of different integers.
//
// Such a register is linearizable iff no read is impossible and no zones
// exclude each other (Gibbons and Korach), and both depend on nothing but the
// five numbers of each surveyedValue. A linearizable register violates none of
// the weaker claims, of which it is therefore enough to count what Holds tells.
type keySurvey struct {
	// decided says that the register is linearizable. Before the end it is
	// meaningless; what open says then is that the key needs a second look.
	decided, open bool
	bytes         int64
	sessions      keySessions
	values        valueTable
	// reads counts the reads that found something out, initial those of not-found, the latest of which began at initialBegan.
	reads, initial int
	initialBegan   int64
	// firstEnd is the end of the acknowledged write that ended first.
	firstEnd int64
	// followed, own and repeated count the reads that the claims about reads
	// speak of: those that began after an acknowledged write had ended, those of a
	// process that had had a write acknowledged, and those of one that had read.
	followed, own, repeated int
	// finals counts the final reads; they began at finalsBegin and returned
	// these values, each once, in the order of their first return: noValue is not-found.
	finals      int
	finalsBegin int64
	returned    []int32
	lost        lostCounts
	// fresh counts what a measure of staleness tells of an atomic register.
	// writes are the ends, in order, of the acknowledged writes that had not
	// ended when the latest read began, and ended is the end of the last that had; never if there is none.
	fresh  staleness.Fresh
	writes []int64
	ended  int64
}

const noValue int32 = -1

// mostReturned is how many different values the final reads of a key may
// return for it to be decided here: they are searched one by one.
const mostReturned = 256

func newKeySurvey() keySurvey {
	return keySurvey{initialBegan: never, firstEnd: history.Infinity, finalsBegin: history.Infinity, ended: never}
}

// surveyedValue is what is known of a value of a register.
type surveyedValue struct {
	value int64
	// start is that of its write, never if it was not written. end is that of
	// the write if it was acknowledged, else Infinity.
	start, end int64
	// ended is the first end of a read of it, began the latest start of one; Infinity and never if it was not read.
	ended, began int64
}

func (v *surveyedValue) read() bool    { return v.began != never }
func (v *surveyedValue) written() bool { return v.start != never }

// known is a time by which the value of a linearizable register had certainly been written.
func (v *surveyedValue) known() int64 { return min(v.end, v.ended) }

// note takes an operation of the key into account. session is what its process
// did with the key, or nil if that is not known.
func (k *keySurvey) note(o *history.Operation, session *pairSession, finals span) {
	if k.open {
		return
	}
	switch e := essenceOf(o); e.says {
	case saysNothing, saysFailed:
	case saysRead:
		v := k.values.find(e.value)
		k.values.all[v].ended = min(k.values.all[v].ended, e.end)
		k.values.all[v].began = max(k.values.all[v].began, e.start)
		k.noteRead(&e, v, session, finals)
	case saysReadInitial:
		k.initial++
		k.initialBegan = max(k.initialBegan, e.start)
		k.noteRead(&e, noValue, session, finals)
	case saysWritten:
		k.firstEnd = min(k.firstEnd, e.end)
		k.ends(e.end)
		if session != nil {
			session.written = true
		}
		k.noteWrite(&e, e.end)
	case saysPerhaps:
		k.noteWrite(&e, history.Infinity)
	default:
		k.leave()
	}
}

func (k *keySurvey) noteWrite(e *essence, end int64) {
	v := &k.values.all[k.values.find(e.value)]
	if v.written() || e.says == saysWritten && end == history.Infinity {
		k.leave() // two writes of one value, or one that was acknowledged at no time
		return
	}
	v.start, v.end = e.start, end
	k.fresh.Write()
}

// ends notes when an acknowledged write will have ended.
func (k *keySurvey) ends(at int64) {
	k.writes = append(k.writes, at)
	i := len(k.writes) - 1
	for ; i > 0 && k.writes[i-1] > at; i-- {
		k.writes[i] = k.writes[i-1]
	}
	k.writes[i] = at
}

// sinceWrite is how long before the time the last acknowledged write had ended.
func (k *keySurvey) sinceWrite(time int64) int64 {
	n := 0
	for n < len(k.writes) && k.writes[n] < time {
		n++
	}
	if n > 0 {
		k.ended = k.writes[n-1]
		k.writes = k.writes[:copy(k.writes, k.writes[n:])]
	}
	if k.ended == never {
		return staleness.None
	}
	return time - k.ended
}

// noteRead counts a read for the claims that speak of it. Whatever ended
// before it began was invoked before it, and has been seen.
func (k *keySurvey) noteRead(e *essence, value int32, session *pairSession, finals span) {
	k.reads++
	k.fresh.Read(k.sinceWrite(e.start))
	if e.start > k.firstEnd {
		k.followed++
	}
	if session != nil {
		if session.written {
			k.own++
		}
		if session.read {
			k.repeated++
		}
		session.read = true
	}
	if finals.contains(e.start) {
		k.finals++
		k.finalsBegin = min(k.finalsBegin, e.start)
		for _, seen := range k.returned {
			if seen == value {
				return
			}
		}
		if k.returned = append(k.returned, value); len(k.returned) > mostReturned {
			k.leave()
		}
	}
}

// leave leaves the key to a second look.
func (k *keySurvey) leave() {
	k.open = true
	k.values, k.sessions, k.returned = valueTable{}, keySessions{}, nil
	k.fresh, k.writes = staleness.Fresh{}, nil
}

// surveyDecider is storage for deciding one key after the other.
type surveyDecider struct {
	forward, backward []zone
	found             []conflict
}

// finish decides the key, once all its operations were seen.
func (k *keySurvey) finish(d *surveyDecider, kind object) {
	if kind != registerObject || k.open || !k.linearizable(d) {
		k.leave()
		return
	}
	k.decided = true
	k.countWrites()
	k.values, k.sessions, k.returned, k.writes = valueTable{}, keySessions{}, nil, nil
}

// linearizable is decider.conflicts for a plain register, whose zones are
// those of decider.plainZones.
func (k *keySurvey) linearizable(d *surveyDecider) bool {
	d.forward, d.backward = d.forward[:0], d.backward[:0]
	if k.initial > 0 {
		d.add(initial, never, k.initialBegan)
	}
	for i := range k.values.all {
		v := &k.values.all[i]
		if v.read() && (!v.written() || v.ended < v.start) {
			return false // an impossible read
		}
		if v.read() || v.end != history.Infinity {
			d.add(int32(i)+1, min(v.end, v.ended), max(v.start, v.began))
		}
	}
	sortNearly(d.forward, zone.before)
	d.found = zoneConflicts(d.found[:0], d.forward, d.backward)
	return len(d.found) == 0
}

func (d *surveyDecider) add(value int32, least, greatest int64) {
	if least < greatest {
		d.forward = append(d.forward, zone{low: least, high: greatest, value: value})
	} else {
		d.backward = append(d.backward, zone{low: greatest, high: least, value: value})
	}
}

// countWrites counts what finalReads.lost does for a register that lost nothing.
func (k *keySurvey) countWrites() {
	acknowledged, latest := 0, never
	for i := range k.values.all {
		if v := &k.values.all[i]; v.written() && v.end < k.finalsBegin {
			acknowledged++
			latest = max(latest, v.start)
		}
	}
	if acknowledged == 0 {
		return
	}
	if k.finals == 0 {
		k.lost.unread++
		return
	}
	k.lost = lostCounts{acknowledged: acknowledged, finals: k.finals, keys: 1}
	for i := range k.values.all {
		if v := &k.values.all[i]; v.written() && v.end < k.finalsBegin && v.known() >= latest && k.gaveWay(int32(i)) {
			k.lost.discarded++
		}
	}
}

// gaveWay says whether no final read returned the value, an acknowledged
// write's, and the first one that may be newer was written concurrently.
func (k *keySurvey) gaveWay(value int32) bool {
	for _, u := range k.returned {
		if u == value {
			return false
		}
	}
	v := &k.values.all[value]
	for _, u := range k.returned {
		if u != noValue && k.values.all[u].known() >= v.start {
			return v.known() >= k.values.all[u].start
		}
	}
	return false
}

// valueTable numbers the values of a key and keeps what is known of them: a
// hash table of four bytes a slot beside a slice.
type valueTable struct {
	all   []surveyedValue
	slots []int32 // a power of two of them: the value's number and one more, or 0
	shift uint
}

// find returns the number of the value, which is new if it has none yet.
func (t *valueTable) find(value int64) int32 {
	if n := len(t.all); n > 0 && t.all[n-1].value == value {
		return int32(n - 1)
	}
	if 4*len(t.all) >= 3*len(t.slots) {
		t.grow()
	}
	slot := t.slot(value)
	if *slot == 0 {
		t.all = append(t.all, surveyedValue{value: value, start: never, end: history.Infinity, ended: history.Infinity, began: never})
		*slot = int32(len(t.all))
	}
	return *slot - 1
}

// slot is where the value's number is, or is to be put.
func (t *valueTable) slot(value int64) *int32 {
	mask := len(t.slots) - 1
	// Fibonacci hashing, as in numbering.
	for i := int(uint64(value) * 0x9e3779b97f4a7c15 >> t.shift); ; i = (i + 1) & mask {
		if n := t.slots[i]; n == 0 || t.all[n-1].value == value {
			return &t.slots[i]
		}
	}
}

func (t *valueTable) grow() {
	t.slots = make([]int32, max(16, 2*len(t.slots)))
	t.shift = uint(64 - bits.TrailingZeros(uint(len(t.slots))))
	for i := range t.all {
		*t.slot(t.all[i].value) = int32(i + 1)
	}
}
