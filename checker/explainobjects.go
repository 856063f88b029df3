package checker

import (
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// objectStory tells what the clients saw of an object that is no plain
// register; it is empty for findings that are told as those of registers are.
func (n narrator) objectStory() string {
	f := n.f
	if len(f.positions) == 0 {
		return ""
	}
	switch n.at(f.positions[0]).F {
	case history.FEnqueue, history.FDequeue:
		return n.queueStory()
	case history.FTransaction:
		return n.transactionStory()
	}
	switch f.class {
	case classCounterLow, classCounterHigh, classCounterBack:
		return n.counterStory()
	case classIncomparable:
		return fmt.Sprintf("%s; %s. Each shows %s, so neither can have come first.", n.saw(f.first), lower(n.saw(f.second)), n.lacking())
	case classAppendMissing:
		return fmt.Sprintf("%s; %s later %s.", n.did(f.newer), n.gap(f.newer, f.second), n.lowerSaw(f.newer, f.second))
	case classAppendedTwice:
		if f.first != none {
			return fmt.Sprintf("%s; %s. Both show what was appended only once, after different writes: %s.", n.saw(f.first), lower(n.saw(f.second)), lower(n.did(f.older)))
		}
		return fmt.Sprintf("%s, which shows the text of one append twice: %s.", n.saw(f.second), lower(n.did(f.older)))
	case classSkipped:
		return fmt.Sprintf("%s before the other was invoked at %s: %s. Yet %s, with the later of the two and without the earlier.",
			n.did(f.newer), clock(n.at(f.older).Start), lower(n.did(f.older)), lower(n.saw(f.second)))
	case classOutOfOrder:
		return fmt.Sprintf("%s before the other was invoked at %s: %s. Yet %s, in which the later of the two comes first.",
			n.did(f.older), clock(n.at(f.newer).Start), lower(n.did(f.newer)), lower(n.saw(f.second)))
	}
	kind := n.kind()
	if kind != setObject && kind != textObject && kind != counterObject || f.second == none {
		return ""
	}
	switch f.class {
	case classStale:
		if kind != textObject {
			return ""
		}
		text := fmt.Sprintf("%s; %s later %s, which the write should have replaced.", n.did(f.newer), n.gap(f.newer, f.second), n.lowerSaw(f.newer, f.second))
		if f.older != none {
			text += fmt.Sprintf(" It was there before that write began: %s.", n.call(f.older))
		}
		return text
	case classInterleaved:
		return n.overlapping()
	case classInversion:
		if kind == setObject {
			return "" // told by its element
		}
		return fmt.Sprintf("%s, ending at %s; %s later %s, which lacks some of it.", n.saw(f.first), clock(n.at(f.first).End), n.gap(f.first, f.second), n.lowerSaw(f.first, f.second))
	case classFailed:
		return fmt.Sprintf("%s, although %s had certainly failed%s.", n.saw(f.second), n.attempt(f.older), reason(n.at(f.older).Error))
	case classFuture:
		return fmt.Sprintf("%s, although %s was only invoked at %s.", n.saw(f.second), n.attempt(f.older), clock(n.at(f.older).Start))
	case classPhantom:
		switch kind {
		case setObject:
			return fmt.Sprintf("%s, with element %d in it, which nobody added.", n.saw(f.second), f.element)
		case textObject:
			return n.saw(f.second) + ", which is not made of what was appended."
		}
		return n.saw(f.second) + ", a sum that no part of the additions makes."
	}
	return ""
}

// overlapping tells of two texts of which each was there before the other.
func (n narrator) overlapping() string {
	f := n.f
	newer := n.did
	if n.at(f.newer).F == history.FRead {
		newer = n.saw
	}
	text := ""
	if f.older != none {
		text = fmt.Sprintf("By %s one text was there: %s. ", clock(n.at(f.older).End), n.call(f.older))
		if f.first != none && f.first != f.newer {
			text += fmt.Sprintf("After that another began: %s. ", n.call(f.first))
		}
	}
	return fmt.Sprintf("%s%s; %s later something of the first was seen or done again: %s.", text, newer(f.newer), n.gap(f.newer, f.second), n.call(f.second))
}

// kind is the kind of object that the finding is about.
func (n narrator) kind() object {
	if k, found := n.t.numbers[n.f.key]; found {
		return n.t.keys[k].object
	}
	return transactionObject
}

// lacking says what each of two incomparable reads shows.
func (n narrator) lacking() string {
	if n.at(n.f.first).Output.Kind() == history.List {
		return "an element that the other lacks"
	}
	return "something else at the same place"
}

// show is the value, or the end of it if it is long.
func show(v history.Value) string { return abridged(showValue(v)) }

// saw: "Process 5 read s through n4 at 0.250 s and got [1 2]".
func (n narrator) saw(p int32) string {
	o := n.at(p)
	return fmt.Sprintf("Process %d read %s%s at %s and got %s", o.Process, objectName(o.Key), n.through(p), clock(o.Start), show(o.Output))
}

func (n narrator) lowerSaw(other, p int32) string {
	if n.at(other).Process == n.at(p).Process {
		return "the same process" + n.saw(p)[len(fmt.Sprintf("Process %d", n.at(p).Process)):]
	}
	return lower(n.saw(p))
}

// verbs are those of mutations, with the word that stands before the object.
var verbs = map[string][2]string{
	history.FAdd: {"added", "to"}, history.FAppend: {"appended", "to"}, history.FWrite: {"wrote", "to"}, history.FEnqueue: {"enqueued", "in"},
}

// did: "Process 3 appended "x" to t through n2 and got ok at 8.113 s".
func (n narrator) did(p int32) string {
	o := n.at(p)
	verb, known := verbs[o.F]
	if !known {
		return n.took(p)
	}
	text := fmt.Sprintf("Process %d %s %s %s %s%s", o.Process, verb[0], show(o.Input), verb[1], objectName(o.Key), n.through(p))
	if o.Type != history.Ok {
		return fmt.Sprintf("%s at %s without learning whether it did", text, clock(o.Start))
	}
	return fmt.Sprintf("%s and got ok at %s", text, clock(o.End))
}

// attempt: "the append of "x" by process 3".
func (n narrator) attempt(p int32) string {
	o := n.at(p)
	return fmt.Sprintf("the %s of %s by process %d%s", o.F, show(o.Input), o.Process, n.through(p))
}

func (n narrator) counterStory() string {
	f := n.f
	if f.class == classCounterBack {
		return fmt.Sprintf("%s, ending at %s; %s later %s, although nothing negative was ever added.",
			n.saw(f.first), clock(n.at(f.first).End), n.gap(f.first, f.second), n.lowerSaw(f.first, f.second))
	}
	adds := ""
	for _, p := range f.positions {
		if o := n.at(p); o.F == history.FAdd && len(f.positions) <= 5 {
			adds += n.did(p) + ". "
		}
	}
	if f.class == classCounterLow {
		return fmt.Sprintf("%s%s, although at least %d had been added by then.", adds, n.saw(f.second), f.element)
	}
	return fmt.Sprintf("%s%s, although no more than %d can have been added by then.", adds, n.saw(f.second), f.element)
}

// took: "Process 2 dequeued 4 from q through n1 at 0.250 s".
func (n narrator) took(p int32) string {
	o := n.at(p)
	found := show(o.Output)
	switch {
	case o.Type != history.Ok:
		return fmt.Sprintf("Process %d dequeued from %s%s at %s without learning what", o.Process, objectName(o.Key), n.through(p), clock(o.Start))
	case o.Output.Kind() == history.Nil:
		return fmt.Sprintf("Process %d found %s%s empty at %s", o.Process, objectName(o.Key), n.through(p), clock(o.Start))
	}
	return fmt.Sprintf("Process %d dequeued %s from %s%s, from %s to %s", o.Process, found, objectName(o.Key), n.through(p), clock(o.Start), clock(o.End))
}

func (n narrator) queueStory() string {
	f := n.f
	switch f.class {
	case classDequeuedPhantom:
		return n.took(f.second) + ", which nobody enqueued."
	case classDequeuedFailed:
		return fmt.Sprintf("%s, although %s had certainly failed%s.", n.took(f.second), n.attempt(f.older), reason(n.at(f.older).Error))
	case classDequeuedEarly:
		return fmt.Sprintf("%s, although %s was only invoked at %s.", n.took(f.second), n.attempt(f.older), clock(n.at(f.older).Start))
	case classDequeuedTwice:
		return fmt.Sprintf("%s; and %s too, which is more often than it was enqueued.", n.took(f.first), lower(n.took(f.second)))
	case classOutOfOrder:
		text := fmt.Sprintf("%s, before the enqueue of %s was invoked at %s. Yet %s", n.did(f.older), show(n.at(f.newer).Input), clock(n.at(f.newer).Start), lower(n.took(f.second)))
		if f.first == none {
			return fmt.Sprintf("%s, and nobody ever dequeued %s. (Of a queue that promises no order that is legal: see the model %s.)", text, show(n.at(f.older).Input), ModelUnorderedQueue)
		}
		return fmt.Sprintf("%s, before the other: %s. (Of a queue that promises no order that is legal: see the model %s.)", text, lower(n.took(f.first)), ModelUnorderedQueue)
	case classQueueLost:
		return fmt.Sprintf("%s. %s, yet nobody ever dequeued it.", n.did(f.older), n.took(f.second))
	case classFalseEmpty:
		return fmt.Sprintf("%s, although at each instant until %s something was in it that had been enqueued and not yet dequeued: first, %s.",
			n.took(f.second), clock(n.at(f.second).End), lower(n.did(f.older)))
	}
	return ""
}

func (n narrator) transactionStory() string {
	f := n.f
	if f.second == none {
		return ""
	}
	reader := capital(n.call(f.second))
	switch f.class {
	case classTornRead:
		text := fmt.Sprintf("%s. It shows a part of what %s wrote, and of the rest what was there before", reader, n.call(f.newer))
		if f.older != none {
			text += ", from " + n.call(f.older)
		}
		return text + "."
	case classContradictory:
		return reader + ". It read two values of one register, or not what it had just written itself."
	case classPhantom:
		return reader + ". It read a value that nobody wrote."
	case classFailed:
		return fmt.Sprintf("%s. It read a value whose write had certainly failed%s: %s.", reader, reason(n.at(f.older).Error), n.call(f.older))
	case classFuture:
		return fmt.Sprintf("%s. It read a value whose write was only invoked at %s: %s.", reader, clock(n.at(f.older).Start), n.call(f.older))
	}
	return ""
}

func objectName(key string) string {
	if key == "" {
		return "the object"
	}
	return key
}
