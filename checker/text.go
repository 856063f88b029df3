package checker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// The classes of texts that are not linearizable, beside incomparable-reads,
// new-old-inversion, out-of-order, element-skipped, phantom-read,
// failed-write-read and read-before-write.
const (
	classAppendMissing = "append-missing" // a read lacks an append that had ended before it began
	classAppendedTwice = "appended-twice" // a read shows an append more often than it was made
)

// textHistory decides texts: appends at the end, writes of the whole, reads.
//
// If there are only appends, all of them different and none the beginning of
// another, every read tells exactly which appends came before it, and in which
// order. The reads must then be beginnings of the longest one, which gives the
// order of all appends that were read; in it, appends and groups of equal reads
// are blocks, and misplaced decides exactly. All other texts are searched.
type textHistory struct {
	key        string
	operations []history.Operation
	// projected: reads are taken to show the loaded appends only, which is for witnesses.
	projected bool
	calls     []textCall
	reads     int
	writes    int
	failed    map[string]int32
}

type textKind uint8

const (
	textRead textKind = iota
	textAppend
	textWrite
)

type textCall struct {
	start, end int64
	position   int32
	kind       textKind
	text       string
	hash       uint64
}

func (c *textCall) at() int32 { return c.position }

func (t *textHistory) method() string { return "chain of reads" }

func (t *textHistory) observations() int { return t.reads }

// textOf is the text that a value holds: that of a JSON string, and of null none.
func textOf(v history.Value) (text string, err error) {
	switch v.Kind() {
	case history.Nil:
		return "", nil
	case history.Raw:
		if json.Unmarshal(v.Raw(), &text) == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("%s, which is no text", showValue(v))
}

func (t *textHistory) load(operations []history.Operation, key string, positions []int32) error {
	*t = textHistory{key: key, operations: operations, projected: t.projected, failed: map[string]int32{}}
	for _, p := range positions {
		o := &operations[p]
		c := textCall{start: o.Start, end: certainly(o), position: p}
		value, verb := o.Input, "appends"
		switch o.F {
		case history.FRead:
			if !observed(o) {
				continue
			}
			value, verb = o.Output, "reads"
			t.reads++
		case history.FAppend:
			c.kind = textAppend
		case history.FWrite:
			c.kind, verb = textWrite, "writes"
			if o.Type != history.Fail {
				t.writes++
			}
		default:
			return misfit(o, "text")
		}
		var err error
		if c.text, err = textOf(value); err != nil {
			return fmt.Errorf("operation %d %s %w", o.Index, verb, err)
		}
		switch {
		case o.Type == history.Fail:
			t.failed[c.text] = p
		case c.kind != textAppend || c.text != "": // to append nothing changes nothing
			t.calls = append(t.calls, c)
		}
	}
	if t.projected && t.writes == 0 {
		t.project()
	}
	for i := range t.calls {
		t.calls[i].hash = textHash(0, t.calls[i].text)
	}
	return nil
}

// project leaves of what was read only the appends that were loaded.
func (t *textHistory) project() {
	var tokens []string
	for i := range t.calls {
		if t.calls[i].kind == textAppend {
			tokens = append(tokens, t.calls[i].text)
		}
	}
	if len(tokens) == 0 {
		return
	}
	for i := range t.calls {
		c := &t.calls[i]
		if c.kind != textRead {
			continue
		}
		var kept strings.Builder
		for rest := c.text; rest != ""; {
			k := slices.IndexFunc(tokens, func(token string) bool { return strings.HasPrefix(rest, token) })
			if k < 0 {
				rest = rest[1:]
				continue
			}
			kept.WriteString(tokens[k])
			rest = rest[len(tokens[k]):]
		}
		c.text = kept.String()
	}
}

// appended are the appends by their text, sorted. ok is false where the text
// that was read does not tell which of them it is made of.
func (t *textHistory) appended() (tokens []*textCall, ok bool) {
	if t.writes > 0 {
		return nil, false
	}
	for i := range t.calls {
		if t.calls[i].kind == textAppend {
			tokens = append(tokens, &t.calls[i])
		}
	}
	made := len(tokens)
	for text, p := range t.failed {
		if !slices.ContainsFunc(tokens[:made], func(c *textCall) bool { return c.text == text }) && text != "" {
			tokens = append(tokens, &textCall{position: p, text: text, start: history.Infinity, end: history.Infinity})
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

// parse says which appends the text is made of; complete is false where at
// some place there is none of them.
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
	tokens, ok := t.appended()
	if !ok {
		return nil, false
	}
	var longest *textCall
	for i := range t.calls {
		if c := &t.calls[i]; c.kind == textRead && (longest == nil || len(c.text) > len(longest.text)) {
			longest = c
		}
	}
	if longest == nil {
		return nil, true
	}
	parts, complete := parse(longest.text, tokens)
	found = t.wrongParts(found, longest, parts, complete)
	lengths := map[int]int32{0: 0} // how many appends the first so many bytes are
	bytes := 0
	for i, part := range parts {
		bytes += len(part.text)
		lengths[bytes] = int32(i + 1)
	}
	var links []link
	for i := range t.calls {
		c := &t.calls[i]
		if c.kind != textRead || c == longest {
			continue
		}
		count, whole := lengths[len(c.text)]
		if !strings.HasPrefix(longest.text, c.text) {
			parts, complete := parse(c.text, tokens)
			if wrong := t.wrongParts(nil, c, parts, complete); len(wrong) > 0 {
				found = append(found, wrong...)
			} else {
				found = append(found, t.differ(c, longest, tokens))
			}
		} else if !whole {
			found = append(found, t.phantom(c))
		}
		links = append(links, link{c.start, c.end, 2*count + 1, int32(i)})
	}
	if len(found) > 0 {
		return found, false
	}
	found = t.outOfPlace(links, longest, parts)
	return found, len(found) == 0
}

func (t *textHistory) phantom(read *textCall) finding {
	f := newFinding(classPhantom, t.key)
	f.second = read.position
	f.gather()
	return f
}

// wrongParts finds what is in a text that was read but cannot be, or not so often.
func (t *textHistory) wrongParts(found []finding, read *textCall, parts []*textCall, complete bool) []finding {
	if !complete {
		return append(found, t.phantom(read))
	}
	seen := map[*textCall]bool{}
	for _, part := range parts {
		f := newFinding("", t.key)
		f.second, f.older = read.position, part.position
		switch {
		case part.start == history.Infinity:
			f.class = classFailed
		case seen[part]:
			f.class = classAppendedTwice
		case read.end < part.start:
			f.class = classFuture
		default:
			seen[part] = true
			continue
		}
		f.gather()
		return append(found, f)
	}
	return found
}

// differ is the finding that neither of the reads is the beginning of the other.
func (t *textHistory) differ(a, b *textCall, tokens []*textCall) finding {
	f := newFinding(classIncomparable, t.key)
	f.first, f.second = a.position, b.position
	x, _ := parse(a.text, tokens)
	y, _ := parse(b.text, tokens)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			f.newer, f.older = x[i].position, y[i].position
			break
		}
	}
	f.gather()
	return f
}

// outOfPlace finds what real time puts before something that the longest read puts before it.
func (t *textHistory) outOfPlace(links []link, longest *textCall, parts []*textCall) (found []finding) {
	number := func(c *textCall) int32 {
		return int32(slices.IndexFunc(t.calls, func(x textCall) bool { return x.position == c.position }))
	}
	for i, part := range parts {
		links = append(links, link{part.start, part.end, int32(2*i + 2), number(part)})
	}
	read := map[*textCall]bool{}
	for _, part := range parts {
		read[part] = true
	}
	links = append(links, link{longest.start, longest.end, int32(2*len(parts) + 1), number(longest)})
	for i := range t.calls {
		if c := &t.calls[i]; c.kind == textAppend && !read[c] && c.end != history.Infinity {
			links = append(links, link{c.start, c.end, int32(2*len(parts) + 2), int32(i)})
		}
	}
	slices.SortStableFunc(links, func(a, b link) int { return int(a.block) - int(b.block) })
	misplaced(links, func(earlier, later link) {
		a, b := &t.calls[earlier.id], &t.calls[later.id]
		f := newFinding("", t.key)
		switch {
		case a.kind == textRead && b.kind == textRead:
			// Something that is in b and not in a: the append after what a shows.
			f.class, f.first, f.second, f.newer = classInversion, b.position, a.position, parts[earlier.block/2].position
		case a.kind == textRead:
			f.class, f.newer, f.second = classAppendMissing, b.position, a.position
		case b.kind == textRead:
			f.class, f.older, f.second = classFuture, a.position, b.position
		default:
			f.class, f.older, f.newer, f.second = classOutOfOrder, b.position, a.position, longest.position
			if !read[b] {
				f.class, f.older, f.newer = classSkipped, a.position, b.position
			}
		}
		f.gather()
		found = append(found, f)
	})
	return found
}

// without drops any reads. Of appends and writes it drops those invoked after
// all reads that stay had ended, for they can come last, and those that had
// ended before an acknowledged write began which had itself ended before those
// reads began, for none of them can see what was there before it.
func (t *textHistory) without(set, drop []int32) []int32 {
	rest := dropped(set, drop)
	first, last := history.Infinity, never
	for _, p := range rest {
		if o := &t.operations[p]; o.F == history.FRead && observed(o) {
			first, last = min(first, o.Start), max(last, o.End)
		}
	}
	fresh := never // the latest beginning of a write that all reads come after
	for _, p := range set {
		if o := &t.operations[p]; o.F == history.FWrite && certainly(o) < first {
			fresh = max(fresh, o.Start)
		}
	}
	out := make([]int32, 0, len(set))
	for _, p := range set {
		o := &t.operations[p]
		_, stays := slices.BinarySearch(rest, p)
		if stays && o.F == history.FRead || o.F != history.FRead && o.Start <= last && certainly(o) >= fresh {
			out = append(out, p)
		}
	}
	return out
}

// textState is a text: its last piece, linked to those before it, which states share.
type textState struct {
	before *textState
	piece  string
	length int
	hash   uint64
}

// textHash continues the hash of a text by a piece: the same for the same
// text, whatever its pieces.
func textHash(hash uint64, piece string) uint64 {
	for i := range len(piece) {
		hash = hash*queueBase + uint64(piece[i]) + 1
	}
	return hash
}

func (s *textState) String() string {
	out := make([]byte, s.length)
	for end := s.length; s != nil; s = s.before {
		end -= len(s.piece)
		copy(out[end:], s.piece)
	}
	return string(out)
}

// is says whether the text is that one, of which the hash is given.
func (s *textState) is(text string, hash uint64) bool {
	if s.length != len(text) || s.hash != hash {
		return false
	}
	for end := len(text); s != nil; s = s.before {
		if text[end-len(s.piece):end] != s.piece {
			return false
		}
		end -= len(s.piece)
	}
	return true
}

func (t *textHistory) search() (porcupine.Model, []porcupine.Operation) {
	calls := make([]porcupine.Operation, 0, len(t.calls))
	for i := range t.calls {
		c := &t.calls[i]
		calls = append(calls, porcupine.Operation{Input: c, Call: c.start, Return: c.end})
	}
	return porcupine.Model{
		Init: func() any { return &textState{} },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, c := state.(*textState), in.(*textCall)
			switch c.kind {
			case textRead:
				return s.is(c.text, c.hash), state
			case textWrite:
				return true, &textState{piece: c.text, length: len(c.text), hash: c.hash}
			}
			return true, &textState{before: s, piece: c.text, length: s.length + len(c.text), hash: textHash(s.hash, c.text)}
		},
		Equal: func(a, b any) bool {
			x, y := a.(*textState), b.(*textState)
			return x == y || x.length == y.length && x.hash == y.hash && x.String() == y.String()
		},
		Hash:          func(state any) uint64 { return scatter(state.(*textState).hash) },
		DescribeState: func(state any) string { return fmt.Sprintf("%q", abridged(state.(*textState).String())) },
	}, calls
}

// abridged is the text, or its end if it is long.
func abridged(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return "…" + text[len(text)-most:]
}
