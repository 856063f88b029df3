package checker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/refute-lab/refute/harness/history"
)

// casArguments returns the two halves of a compare-and-set's argument. Either
// may be null: not found, as what is expected or what is to be.
func casArguments(v history.Value) (expected, value history.Value, err error) {
	if list := v.List(); len(list) == 2 {
		return history.IntValue(list[0]), history.IntValue(list[1]), nil
	}
	raw := v.Raw()
	if expected, value, ok := plainPair(raw); ok {
		return expected, value, nil
	}
	var pair []json.RawMessage
	if raw != nil && json.Unmarshal(raw, &pair) == nil && len(pair) == 2 {
		return parseValue(pair[0]), parseValue(pair[1]), nil
	}
	return expected, value, fmt.Errorf("a cas needs the list [expected, new], not %s", showValue(v))
}

// plainPair reads what conditional deletes and creations are usually written
// as, a pair of integers and null, without the general parser. Where ok is
// false it may be a pair all the same.
func plainPair(raw []byte) (a, b history.Value, ok bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '[' || raw[len(raw)-1] != ']' {
		return a, b, false
	}
	first, second, found := bytes.Cut(raw[1:len(raw)-1], []byte{','})
	if !found {
		return a, b, false
	}
	a, aOk := plainValue(bytes.TrimSpace(first))
	b, bOk := plainValue(bytes.TrimSpace(second))
	return a, b, aOk && bOk
}

// plainValue reads an integer or null.
func plainValue(text []byte) (v history.Value, ok bool) {
	if string(text) == "null" {
		return history.NilValue(), true
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || text[0] == '+' || len(text) > 1 && text[0] == '0' {
		return v, false
	}
	return history.IntValue(n), true
}

func parseValue(raw json.RawMessage) history.Value {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return history.NilValue()
	}
	var n int64
	if json.Unmarshal(raw, &n) == nil {
		return history.IntValue(n)
	}
	return history.RawValue(raw)
}

// showValue writes a value for people.
func showValue(v history.Value) string {
	switch v.Kind() {
	case history.Int:
		n, _ := v.Int()
		return fmt.Sprint(n)
	case history.List:
		return fmt.Sprint(v.List())
	case history.Raw:
		var compact bytes.Buffer
		if json.Compact(&compact, v.Raw()) == nil {
			return compact.String()
		}
		return string(v.Raw())
	case history.Nil:
		return "not found"
	}
	return "nothing"
}
