package history

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// maxForm bounds the nesting of values that are translated between EDN and JSON.
const maxForm = 100

// appendJSON appends a form as JSON that says the same, or returns false where
// there is none: characters, ratios, maps with other keys than texts and
// integers. Keywords and symbols become texts, sets become lists, tags are dropped.
func appendJSON(buf []byte, form ednForm, depth int) ([]byte, bool) {
	if len(form) == 0 || depth > maxForm {
		return buf, false
	}
	switch c := form[0]; {
	case form.isNil():
		return append(buf, "null"...), true
	case string(form) == "true" || string(form) == "false":
		return append(buf, form...), true
	case c == '"':
		return appendString(buf, form.text()), form[len(form)-1] == '"' && len(form) > 1
	case c == ':':
		name, ok := form.keyword()
		return appendString(buf, name), ok
	case c == '{':
		return appendObject(buf, form, depth)
	case isOpening(c) || c == '#' && len(form) > 1 && form[1] == '{':
		parts, ok := form.elements(nil)
		if !ok {
			return buf, false
		}
		buf = append(buf, '[')
		for i, part := range parts {
			if i > 0 {
				buf = append(buf, ',')
			}
			if buf, ok = appendJSON(buf, part, depth+1); !ok {
				return buf, false
			}
		}
		return append(buf, ']'), true
	case c == '-' || c == '+' || '0' <= c && c <= '9':
		return appendNumber(buf, form)
	case c == '\\' || c == '#' || isClosing(c):
		return buf, false
	}
	return appendString(buf, string(form)), true // a symbol
}

// appendNumber appends an integer of any size or a decimal number.
func appendNumber(buf []byte, form ednForm) ([]byte, bool) {
	number := strings.TrimPrefix(string(form), "+")
	switch last := number[max(len(number)-1, 0):]; last {
	case "N", "M": // of a big integer or a big decimal
		number = number[:len(number)-1]
	}
	if number == "" || !json.Valid([]byte(number)) {
		return buf, false // a ratio, or a symbol such as ->
	}
	return append(buf, number...), true
}

// appendObject appends a map, if its keys are texts or integers and differ as texts.
func appendObject(buf []byte, form ednForm, depth int) ([]byte, bool) {
	parts, ok := form.elements(nil)
	if !ok || len(parts)%2 != 0 {
		return buf, false
	}
	seen := map[string]bool{}
	buf = append(buf, '{')
	for i := 0; i < len(parts); i += 2 {
		key := parts[i]
		if _, isInteger := key.integer(); !isInteger && key[0] != ':' && key[0] != '"' {
			return buf, false
		}
		name := key.text()
		if seen[name] {
			return buf, false
		}
		seen[name] = true
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendString(buf, name), ':')
		if buf, ok = appendJSON(buf, parts[i+1], depth+1); !ok {
			return buf, false
		}
	}
	return append(buf, '}'), true
}

// isTransaction says whether a form is a list of micro-operations [f key value].
func isTransaction(form ednForm) bool {
	if len(form) < 2 || form[0] != '[' && form[0] != '(' {
		return false
	}
	if first, _, _ := form[1:].cut(); len(first) == 0 || first[0] != '[' {
		return false // nearly every value, without a look at the whole
	}
	parts, ok := form.elements(nil)
	for _, part := range parts {
		if _, _, micro := microOperation(part); !micro {
			return false
		}
	}
	return ok && len(parts) > 0
}

// microOperation returns the name and the parts of one step of a transaction.
// A read that has not returned yet may lack its value.
func microOperation(form ednForm) (name string, parts []ednForm, ok bool) {
	if len(form) == 0 || form[0] != '[' {
		return "", nil, false
	}
	parts, ok = form.elements(nil)
	if !ok || len(parts) < 2 || len(parts) > 3 {
		return "", nil, false
	}
	switch name, _ = parts[0].keyword(); name {
	case "r", "read":
		if len(parts) == 2 {
			parts = append(parts, ednForm("nil"))
		}
		return "r", parts, true
	case "w", "write":
		return "w", parts, len(parts) == 3
	case "append":
		return name, parts, len(parts) == 3
	}
	return "", nil, false
}

// transaction turns the value of a txn, [[:r x nil] [:w y 1]], into a JSON list
// of [f, key, value] with the names "r", "w", "append" and keys as texts.
// Anything else is a value like others.
func (j *jepsenReader) transaction(form ednForm) Value {
	if !isTransaction(form) {
		return j.value(form)
	}
	steps, _ := form.elements(nil)
	buf := []byte{'['}
	for i, step := range steps {
		name, parts, _ := microOperation(step)
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendString(append(buf, '['), name), ',')
		buf = append(appendString(buf, parts[1].text()), ',')
		var ok bool
		if buf, ok = appendJSON(buf, parts[2], 0); !ok {
			return j.value(form)
		}
		buf = append(buf, ']')
	}
	return RawValue(append(buf, ']'))
}

// appendEDN appends JSON as EDN: texts stay texts, the keys of objects become
// keywords where they can.
func appendEDN(buf []byte, raw json.RawMessage) ([]byte, error) {
	tokens := json.NewDecoder(bytes.NewReader(raw))
	tokens.UseNumber()
	return appendTokens(buf, tokens)
}

func appendTokens(buf []byte, tokens *json.Decoder) ([]byte, error) {
	token, err := tokens.Token()
	if err != nil {
		return buf, err
	}
	switch v := token.(type) {
	case nil:
		return append(buf, "nil"...), nil
	case bool:
		return strconv.AppendBool(buf, v), nil
	case string:
		return appendText(buf, v), nil
	case json.Number:
		buf = append(buf, v...)
		if _, err := strconv.ParseInt(string(v), 10, 64); err != nil && !strings.ContainsAny(string(v), ".eE") {
			buf = append(buf, 'N')
		}
		return buf, nil
	case json.Delim:
		open, isObject := byte('['), v == '{'
		if isObject {
			open = '{'
		}
		buf = append(buf, open)
		for first := true; tokens.More(); first = false {
			if !first {
				buf = append(buf, ' ')
			}
			if isObject {
				name, err := tokens.Token()
				if err != nil {
					return buf, err
				}
				text, _ := name.(string)
				buf = append(appendName(buf, text), ' ')
			}
			if buf, err = appendTokens(buf, tokens); err != nil {
				return buf, err
			}
		}
		if _, err := tokens.Token(); err != nil {
			return buf, err
		}
		return append(buf, closing(open)), nil
	}
	return append(buf, "nil"...), nil
}

// appendName appends a name as a keyword where it can be one, else as a text.
func appendName(buf []byte, name string) []byte {
	if !isKeyword(name) {
		return appendText(buf, name)
	}
	return append(append(buf, ':'), name...)
}

func isKeyword(name string) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-') {
			return false
		}
	}
	return name != ""
}

// appendText appends a text as EDN writes it.
func appendText(buf []byte, s string) []byte {
	buf = append(buf, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			buf = append(buf, '\\', byte(r))
		case r == '\n':
			buf = append(buf, '\\', 'n')
		case r == '\r':
			buf = append(buf, '\\', 'r')
		case r == '\t':
			buf = append(buf, '\\', 't')
		case r < ' ':
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			buf = append(buf, string(r)...)
		}
	}
	return append(buf, '"')
}
