package checker

import (
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// textOrder decides a text, exactly and in O(n log n) beside the length of what was
// read, if all appends and writes differ and none is the beginning of another.
//
// A read then tells which write came last before it, and which appends after
// that, in their order. Reads of the same write (or of none) must be beginnings
// of the longest of them; together with the write and the appends that they
// show they make an epoch, which is one piece of any order: the write, what the
// shortest reads show, those reads, the next append, and so on. By misplaced it
// agrees with real time in itself or not at all.
//
// Epochs are to each other as a register's values are: each is in one piece,
// and the one without a write comes first of all. Let m be the least end and M
// the greatest start in an epoch; then there is an order iff no two epochs have
// m < M' and m' < M (Gibbons and Korach's zones, with a chain of operations in
// the place of a write and its reads: the proof asks only that an epoch agree
// with real time in itself). An append or write that nobody read is an epoch
// by itself, for it can stand between any two, but not inside one; if its
// outcome is unknown it need not have happened.
//
// If some texts were appended or written several times, the same is done with
// all the others (see part); then it can refute, but not prove.
type textOrder struct {
	*textHistory
	tokens []*textCall
	epochs []textEpoch
	// epochOf is the epoch by its write (nil: none), shown the one in which an append or write was read.
	epochOf map[*textCall]int
	shown   map[*textCall]int
	// exact: no text is made by several operations. written are the texts that
	// were written; emptied: the empty one is among them.
	exact, emptied bool
	written        map[string]bool
}

// textEpoch is a write with what was read and appended after it.
type textEpoch struct {
	// parts are the write, if any, and the appends, as the longest read shows them.
	parts   []*textCall
	longest *textCall // nil: nobody read it
	reads   []*textCall
	counts  []int32 // of how many parts each read is made
	first   bool    // there is no write
}

// made are the appends and writes by their text, sorted, each text once, with
// those that certainly failed at the end of time. ok is false where the text
// that was read does not tell which of them it is made of.
func (t *textHistory) made() (tokens []*textCall, ok bool) {
	known := map[string]*textCall{}
	for i := range t.calls {
		c := &t.calls[i]
		if c.kind == textRead || c.text == "" {
			continue
		}
		if first := known[c.text]; first != nil {
			first.ambiguous, c.ambiguous = true, true
			continue
		}
		known[c.text] = c
		tokens = append(tokens, c)
	}
	for text, p := range t.failed {
		if text != "" && known[text] == nil {
			tokens = append(tokens, &textCall{position: p, kind: textAppend, text: text, start: history.Infinity, end: history.Infinity})
		}
	}
	slices.SortFunc(tokens, func(a, b *textCall) int { return strings.Compare(a.text, b.text) })
	for i := 1; i < len(tokens); i++ { // a text and those that it begins stand side by side
		if strings.HasPrefix(tokens[i].text, tokens[i-1].text) {
			return nil, false
		}
	}
	return tokens, true
}

// part leaves out of what a read shows the texts that several operations made.
// Taken out of a legal order together with those operations, an append leaves a
// legal order of the rest, and so does a write if the reads after it, before
// the next one, are left out too. usable is false for reads that may be such.
// So what is found in the rest refutes the whole, but proves nothing.
func (o *textOrder) part(parts []*textCall) (rest []*textCall, usable bool) {
	switch {
	case len(parts) == 0 || !o.written[parts[0].text]:
		if o.emptied { // this may have come after a write of the empty text
			return nil, false
		}
	case parts[0].ambiguous:
		return nil, false
	}
	rest = slices.DeleteFunc(slices.Clone(parts), func(c *textCall) bool { return c.ambiguous })
	return rest, true
}

// survey notes which texts are made by several operations.
func (o *textOrder) survey() {
	o.exact, o.written = true, map[string]bool{}
	for i := range o.calls {
		c := &o.calls[i]
		o.exact = o.exact && !c.ambiguous
		if c.kind == textWrite {
			o.written[c.text] = true
			o.emptied = o.emptied || c.text == ""
		}
	}
	o.exact = o.exact && !o.emptied
}

// parse says what the text is made of; complete is false where at some place
// there is none of the tokens.
func parse(text string, tokens []*textCall) (parts []*textCall, complete bool) {
	for text != "" {
		// Whatever stands between a beginning of the text and the text begins with it
		// too: so only the last one that is not behind the text can be that beginning.
		i, found := slices.BinarySearchFunc(tokens, text, func(c *textCall, text string) int { return strings.Compare(c.text, text) })
		if !found {
			i--
		}
		if i < 0 || !strings.HasPrefix(text, tokens[i].text) {
			return parts, false
		}
		parts = append(parts, tokens[i])
		text = text[len(tokens[i].text):]
	}
	return parts, true
}

func (t *textHistory) decide() (found []finding, proved bool) {
	tokens, ok := t.made()
	if !ok {
		return nil, false
	}
	o := &textOrder{textHistory: t, tokens: tokens, epochOf: map[*textCall]int{}, shown: map[*textCall]int{}}
	o.survey()
	for _, step := range []func() []finding{o.gather, o.chains, o.within, o.between} {
		if found = step(); len(found) > 0 {
			return found, false
		}
	}
	return nil, o.exact
}

// gather sorts the reads into epochs, and finds those that cannot be at all.
func (o *textOrder) gather() (found []finding) {
	for i := range o.calls {
		c := &o.calls[i]
		if c.kind != textRead {
			continue
		}
		parts, complete := parse(c.text, o.tokens)
		if wrong, is := o.wrongParts(c, parts, complete); is {
			found = append(found, wrong)
			continue
		}
		parts, usable := o.part(parts)
		if !usable {
			continue
		}
		var write *textCall
		if len(parts) > 0 && parts[0].kind == textWrite {
			write = parts[0]
		}
		k, known := o.epochOf[write]
		if !known {
			k = len(o.epochs)
			o.epochOf[write] = k
			o.epochs = append(o.epochs, textEpoch{first: write == nil})
		}
		e := &o.epochs[k]
		if e.longest == nil || len(parts) > len(e.parts) {
			e.longest, e.parts = c, parts
		}
		e.reads, e.counts = append(e.reads, c), append(e.counts, int32(len(parts)))
	}
	return found
}

// wrongParts finds what is in a text that was read but cannot be, or not there, or not so often.
func (o *textOrder) wrongParts(read *textCall, parts []*textCall, complete bool) (f finding, wrong bool) {
	f = newFinding(classPhantom, o.key)
	f.second = read.position
	if !complete {
		f.gather()
		return f, true
	}
	seen := map[*textCall]bool{}
	for i, part := range parts {
		f.older = part.position
		switch {
		case part.start == history.Infinity:
			f.class = classFailed
		case part.ambiguous:
			continue
		case seen[part]:
			f.class = classAppendedTwice
		case read.end < part.start:
			f.class = classFuture
		case i > 0 && part.kind == textWrite: // a write leaves nothing before it
			f.newer = parts[i-1].position
			f.class = classOther
		default:
			seen[part] = true
			continue
		}
		f.gather()
		return f, true
	}
	return f, false
}

// chains finds reads of an epoch that are not beginnings of its longest one,
// and appends that were read in two epochs.
func (o *textOrder) chains() (found []finding) {
	for k := range o.epochs {
		e := &o.epochs[k]
		for _, r := range e.reads {
			shown, _ := o.part(o.partsOf(r))
			if !slices.Equal(shown, e.parts[:min(len(shown), len(e.parts))]) {
				found = append(found, o.differ(r, shown, e))
			}
		}
		for _, part := range e.parts {
			if other, twice := o.shown[part]; twice {
				f := newFinding(classAppendedTwice, o.key)
				f.older, f.first, f.second = part.position, o.epochs[other].longest.position, e.longest.position
				f.gather(o.writesOf(other, k)...)
				found = append(found, f)
			}
			o.shown[part] = k
		}
	}
	return found
}

// writesOf are the positions of the epochs' writes.
func (o *textOrder) writesOf(epochs ...int) (positions []int32) {
	for _, k := range epochs {
		if e := &o.epochs[k]; !e.first {
			positions = append(positions, e.parts[0].position)
		}
	}
	return positions
}

func (o *textOrder) partsOf(read *textCall) []*textCall {
	parts, _ := parse(read.text, o.tokens)
	return parts
}

// differ is the finding that neither the read nor the longest one of its epoch
// is the beginning of the other.
func (o *textOrder) differ(read *textCall, shown []*textCall, e *textEpoch) finding {
	f := newFinding(classIncomparable, o.key)
	f.first, f.second = read.position, e.longest.position
	var write []int32
	for i := range shown {
		if shown[i].kind == textWrite {
			write = append(write, shown[i].position)
		}
		if shown[i] != e.parts[i] {
			f.newer, f.older = shown[i].position, e.parts[i].position
			break
		}
	}
	f.gather(write...)
	return f
}

// within finds what real time puts before something that the epoch puts before it.
func (o *textOrder) within() (found []finding) {
	for k := range o.epochs {
		e := &o.epochs[k]
		var links []placement
		for i, part := range e.parts {
			links = append(links, placement{part.start, part.end, int32(2*i + 1), part.number})
		}
		for i, r := range e.reads {
			links = append(links, placement{r.start, r.end, 2 * e.counts[i], r.number})
		}
		slices.SortStableFunc(links, func(a, b placement) int { return int(a.block) - int(b.block) })
		misplaced(links, func(earlier, later placement) {
			a, b := &o.calls[earlier.id], &o.calls[later.id]
			f := newFinding("", o.key)
			switch {
			case a.kind == textRead && b.kind == textRead:
				f.class, f.first, f.second, f.newer = classInversion, b.position, a.position, e.parts[earlier.block/2].position
			case a.kind == textRead:
				f.class, f.newer, f.second, f.first = classAppendMissing, b.position, a.position, e.longest.position
			case b.kind == textRead:
				f.class, f.older, f.second = classFuture, a.position, b.position
			default:
				f.class, f.older, f.newer, f.second = classOutOfOrder, b.position, a.position, e.longest.position
			}
			f.gather(o.writesOf(k)...)
			found = append(found, f)
		})
	}
	return found
}

// between finds epochs that exclude each other.
func (o *textOrder) between() (found []finding) {
	for i := range o.calls {
		c := &o.calls[i]
		if _, read := o.shown[c]; c.kind != textRead && !read && c.end != history.Infinity && !c.ambiguous && c.text != "" {
			o.epochs = append(o.epochs, textEpoch{parts: []*textCall{c}})
		}
	}
	var forward, backward []zone
	for k := range o.epochs {
		least, greatest := o.ends(k)
		m, M := never, greatest.start
		if !o.epochs[k].first {
			m = least.end
		}
		if m < M {
			forward = append(forward, zone{low: m, high: M, value: int32(k)})
		} else {
			backward = append(backward, zone{low: M, high: m, value: int32(k)})
		}
	}
	sortNearly(forward, zone.before)
	for _, c := range zoneConflicts(nil, forward, backward) {
		found = append(found, o.exclusion(int(c.a), int(c.b)))
	}
	return found
}

// ends are the operations of the epoch that ended first and that began last.
func (o *textOrder) ends(k int) (least, greatest *textCall) {
	e := &o.epochs[k]
	for _, list := range [][]*textCall{e.parts, e.reads} {
		for _, c := range list {
			if least == nil || c.end < least.end {
				least = c
			}
			if greatest == nil || c.start > greatest.start {
				greatest = c
			}
		}
	}
	return least, greatest
}

// exclusion is the finding that of each epoch something ended before something of the other began.
func (o *textOrder) exclusion(a, b int) finding {
	if o.epochs[a].longest == nil || o.epochs[b].first {
		a, b = b, a
	}
	f := newFinding(classInterleaved, o.key)
	leastA, greatestA := o.ends(a)
	leastB, greatestB := o.ends(b)
	// b's own append or write, between what shows a before it and what shows a after it
	f.newer, f.second = leastB.position, greatestA.position
	f.older, f.first = leastA.position, greatestB.position
	switch {
	case leastB != greatestB:
	case greatestA.kind == textRead && leastB.kind == textWrite:
		f.class = classStale
	case greatestA.kind == textRead && leastB.kind == textAppend:
		f.class = classAppendMissing
	case greatestA.kind == textAppend && leastB.kind == textAppend:
		f.class = classSkipped
	}
	more := o.writesOf(a, b)
	for _, k := range []int{a, b} {
		if e := &o.epochs[k]; e.longest != nil {
			least, greatest := o.ends(k)
			if least.kind == textAppend || greatest.kind == textAppend { // which the longest read shows to be of this epoch
				more = append(more, e.longest.position)
			}
		}
	}
	if o.epochs[a].first { // it was there from the beginning
		f.older = none
	}
	if f.class != classInterleaved {
		f.first = none
	}
	if f.class == classSkipped {
		more = append(more, f.older)
		f.older, f.second = greatestA.position, o.epochs[a].longest.position
	}
	f.gather(more...)
	return f
}
