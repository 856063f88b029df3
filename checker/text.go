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
// new-old-inversion, out-of-order, element-skipped, stale-read, phantom-read,
// failed-write-read and read-before-write.
const (
	classAppendMissing = "append-missing"    // a read lacks an append that had ended before it began
	classAppendedTwice = "appended-twice"    // an append was read twice in one text, or after two different writes
	classInterleaved   = "texts-interleaved" // of two texts each was certainly there before the other
)

// textHistory decides texts: appends at the end, writes of the whole, reads.
// Where what was read tells which appends and writes it is made of, exactly
// (see textOrder); all other texts are searched.
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
	number     int32 // in calls
	ambiguous  bool  // other operations append or write the same text
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
	if t.projected {
		t.project()
	}
	for i := range t.calls {
		t.calls[i].hash, t.calls[i].number = textHash(0, t.calls[i].text), int32(i)
	}
	return nil
}

// project leaves of what was read only the appends and writes that were loaded.
func (t *textHistory) project() {
	var tokens []string
	for i := range t.calls {
		if t.calls[i].kind != textRead && t.calls[i].text != "" {
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
