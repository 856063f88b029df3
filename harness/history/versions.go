package history

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Versions is what a store with siblings tells of a key: the concurrent values
// that it holds, and what they have taken the place of. It is the Value of ok
// reads of such a key, as JSON:
//
//	{"values":[1,2],"dots":["n1:4","n2:2"],"context":{"n1":4,"n2":2}}
//
// and that of an ok write, without values (the value is the invocation's):
//
//	{"dots":["n1:5"],"context":{"n1":5,"n2":2}}
//
// Dots and contexts are those of dotted version vectors (Preguiça, Baquero,
// Almeida, Fonte, Gonçalves: Dotted Version Vectors, 2010). Each write of the
// key has a dot of its own.
type Versions struct {
	// Values are the siblings that a read found, in the order of Dots.
	Values []int64 `json:"values,omitempty"`
	// Dots are the siblings' dots; of a write, its own.
	Dots []Dot `json:"dots,omitempty"`
	// Context has for each node how many of its writes of the key are in what
	// was returned, as a sibling or superseded: all dots up to that counter.
	Context map[string]int64 `json:"context"`
}

// Dot names one write of a key: the node that coordinated it and that node's
// counter, from 1. It is written "node:counter".
type Dot struct {
	Node    string
	Counter int64
}

// String is the dot as it is written.
func (d Dot) String() string { return d.Node + ":" + strconv.FormatInt(d.Counter, 10) }

// MarshalText writes the dot as "node:counter".
func (d Dot) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "node:counter". It fails if there is no counter of at
// least 1 after the last colon, or no node before it.
func (d *Dot) UnmarshalText(text []byte) error {
	colon := strings.LastIndexByte(string(text), ':')
	if colon < 1 {
		return fmt.Errorf("dot %q: want node:counter", text)
	}
	counter, err := strconv.ParseInt(string(text[colon+1:]), 10, 64)
	if err != nil || counter < 1 {
		return fmt.Errorf("dot %q: want a counter of at least 1 after the colon", text)
	}
	*d = Dot{string(text[:colon]), counter}
	return nil
}

// Covers says whether the write of that dot is in what was returned.
func (v *Versions) Covers(d Dot) bool {
	if d.Counter <= v.Context[d.Node] {
		return true
	}
	for _, own := range v.Dots {
		if own == d {
			return true
		}
	}
	return false
}

// ParseVersions reads a Value that holds Versions. It fails on any other
// value: one that is no JSON object with a context, has a dot that is none, or
// has values and not one dot for each.
func ParseVersions(value Value) (Versions, error) {
	raw := value.Raw()
	if raw == nil {
		return Versions{}, fmt.Errorf("no versions: want an object with values, dots and context")
	}
	var v Versions
	if err := json.Unmarshal(raw, &v); err != nil {
		return Versions{}, fmt.Errorf("versions: %w", err)
	}
	switch {
	case v.Context == nil:
		return Versions{}, fmt.Errorf("versions without a context: %s", raw)
	case len(v.Values) > 0 && len(v.Values) != len(v.Dots):
		return Versions{}, fmt.Errorf("versions with %d values and %d dots: %s", len(v.Values), len(v.Dots), raw)
	}
	return v, nil
}

// Value returns the versions as a Value.
func (v Versions) Value() (Value, error) {
	if v.Context == nil {
		v.Context = map[string]int64{}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return Value{}, fmt.Errorf("versions: %w", err)
	}
	return RawValue(raw), nil
}
