package checker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// microOperations are those of the operation: of a transaction, or of a read or
// write of one register.
func microOperations(o *history.Operation) ([]microOperation, error) {
	switch o.F {
	case history.FRead:
		return []microOperation{{register: o.Key, value: jsonOf(o.Output), known: observed(o)}}, nil
	case history.FWrite:
		return []microOperation{{write: true, register: o.Key, value: jsonOf(o.Input), known: true}}, nil
	case history.FTransaction:
	default:
		return nil, misfit(o, "register beside transactions")
	}
	asked, err := parseMicro(o.Input)
	if err != nil {
		return nil, fmt.Errorf("operation %d: %w", o.Index, err)
	}
	if !observed(o) {
		for i := range asked {
			asked[i].known = asked[i].write
		}
		return asked, nil
	}
	done, err := parseMicro(o.Output)
	if err != nil {
		return nil, fmt.Errorf("operation %d: its result: %w", o.Index, err)
	}
	if len(done) != len(asked) {
		return nil, fmt.Errorf("operation %d: its result has %d operations, not %d", o.Index, len(done), len(asked))
	}
	for i := range done {
		if done[i].write != asked[i].write || done[i].register != asked[i].register || done[i].write && done[i].value != asked[i].value {
			return nil, fmt.Errorf("operation %d: its result tells of another transaction than was asked for", o.Index)
		}
	}
	return done, nil
}

func parseMicro(v history.Value) (list []microOperation, err error) {
	if len(v.List()) == 0 && v.Kind() == history.List {
		return nil, nil
	}
	var entries [][]json.RawMessage
	raw := v.Raw()
	var text string
	if json.Unmarshal(raw, &text) == nil { // as Jepsen's files are read
		raw = jsonOfEDN(text)
	}
	if raw == nil || json.Unmarshal(raw, &entries) != nil {
		return nil, fmt.Errorf("a txn needs a list of [f, key, value], not %s", showValue(v))
	}
	for _, e := range entries {
		var f string
		if len(e) != 3 || json.Unmarshal(e[0], &f) != nil || f != "r" && f != "w" {
			return nil, fmt.Errorf(`a txn needs a list of [f, key, value], where f is "r" or "w", not %s`, showValue(v))
		}
		key := compactJSON(e[1])
		var text string
		if json.Unmarshal(e[1], &text) == nil && key != "null" {
			key = text
		}
		list = append(list, microOperation{f == "w", key, compactJSON(e[2]), true})
	}
	return list, nil
}

// jsonOfEDN turns Jepsen's notation of a transaction, for instance
// [[:r :x nil] [:w 5 1]], into JSON. What it does not know becomes a string, or
// something that is no JSON, and is refused as such.
func jsonOfEDN(text string) json.RawMessage {
	var out []byte
	for text != "" {
		c := text[0]
		end := strings.IndexAny(text, " ,\t\r\n[]()")
		switch {
		case strings.ContainsRune(" ,\t\r\n", rune(c)):
			text = text[1:]
			continue
		case c == '[' || c == '(' || c == ']' || c == ')':
			end = 1
		case c == '"':
			if end = strings.IndexByte(text[1:], '"') + 2; end == 1 {
				return nil
			}
		case end < 0:
			end = len(text)
		}
		token := text[:end]
		text = text[end:]
		closing := token == "]" || token == ")"
		if last := len(out) - 1; last >= 0 && out[last] != '[' && !closing {
			out = append(out, ',')
		}
		switch {
		case closing:
			out = append(out, ']')
		case token == "[" || token == "(":
			out = append(out, '[')
		case token == "nil":
			out = append(out, jsonNull...)
		case json.Valid([]byte(token)):
			out = append(out, token...)
		default:
			name, _ := json.Marshal(strings.TrimPrefix(token, ":"))
			out = append(out, name...)
		}
	}
	return out
}

const jsonNull = "null"

func jsonOf(v history.Value) string {
	switch v.Kind() {
	case history.Nil, history.Absent:
		return jsonNull
	case history.List:
		text, _ := json.Marshal(v.List())
		return string(text)
	}
	return showValue(v)
}

func compactJSON(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return string(raw)
	}
	return out.String()
}
