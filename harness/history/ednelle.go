package history

import "encoding/json"

// elleWrite is a value that is written or appended to a key.
type elleWrite struct {
	key, value string
	appended   bool
}

// transaction returns the event as a transaction of Elle's.
func (w *ednWriter) transaction(e *Event, said Value) ([]byte, error) {
	switch e.F {
	case FRead:
		if e.Type != Ok {
			return step(nil, "r", e.Key, []byte("nil")), nil
		}
		return w.readStep(e, said)
	case FWrite:
		value, err := w.unique(e, e.Key, appendValue(nil, said), false)
		if err != nil {
			return nil, err
		}
		return step(nil, "w", e.Key, value), nil
	case FCAS:
		return w.casSteps(e, said)
	case FTransaction:
		return w.steps(e, said)
	case FAdd:
		return nil, w.refuse(e, "an add to key %q is no append: Elle takes the order of the elements in a read for the order in which they were appended, and a set or a counter tells none", e.Key)
	case FAppend:
		return nil, w.refuse(e, "the texts that are appended to key %q are read as one text, and not as the list of appends that Elle needs", e.Key)
	case FDelete:
		return nil, w.refuse(e, "after the delete of key %q reads find nothing, which Elle takes for the state before any write", e.Key)
	}
	return nil, w.refuse(e, "a %s is no transaction of reads and writes", e.F)
}

// readStep is a read that returned.
func (w *ednWriter) readStep(e *Event, said Value) ([]byte, error) {
	switch said.Kind() {
	case Absent:
		return nil, w.refuse(e, "the read of key %q has no value, which is not the same as that it found none", e.Key)
	case List:
		return nil, w.refuse(e, "the read of key %q returned a set, whose order is not that in which its elements were added", e.Key)
	}
	value, err := appendValueEDN(nil, said)
	if err != nil {
		return nil, w.refuse(e, "its value is no JSON: %v", err)
	}
	return step(nil, "r", e.Key, value), nil
}

// casSteps reads the expected value and writes the new one, both at once,
// which is what a compare-and-set that took effect did. Of one that did not,
// or perhaps not, what it found is unknown.
func (w *ednWriter) casSteps(e *Event, said Value) ([]byte, error) {
	raw := appendValue(nil, said)
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
		return nil, w.refuse(e, "the cas of key %q has the value %.60s, and not the expected and the new one", e.Key, raw)
	}
	found := []byte("nil")
	if e.Type == Ok {
		var err error
		if found, err = appendEDN(nil, pair[0]); err != nil {
			return nil, w.refuse(e, "its value is no JSON: %v", err)
		}
	}
	value, err := w.unique(e, e.Key, pair[1], false)
	if err != nil {
		return nil, err
	}
	steps := step(nil, "r", e.Key, found)
	return step(steps, "w", e.Key, value), nil
}

// steps is a transaction as it stands, if all its writes are unique.
func (w *ednWriter) steps(e *Event, said Value) ([]byte, error) {
	var micro [][]json.RawMessage
	if json.Unmarshal(said.Raw(), &micro) != nil {
		return nil, w.refuse(e, "the transaction is no list of [f, key, value]")
	}
	for _, m := range micro {
		var name, key string
		if len(m) != 3 || json.Unmarshal(m[0], &name) != nil || json.Unmarshal(m[1], &key) != nil {
			return nil, w.refuse(e, "the transaction is no list of [f, key, value]")
		}
		switch name {
		case "r":
		case "w", "append":
			if _, err := w.unique(e, key, m[2], name == "append"); err != nil {
				return nil, err
			}
		default:
			return nil, w.refuse(e, "the transaction has a %q, which Elle does not know", name)
		}
	}
	return appendSteps(nil, said)
}

// unique returns the value that is written, if no other operation writes it.
func (w *ednWriter) unique(e *Event, key string, raw json.RawMessage, appended bool) ([]byte, error) {
	value, err := appendEDN(nil, raw)
	if err != nil {
		return nil, w.refuse(e, "its value is no JSON: %v", err)
	}
	if string(value) == "nil" {
		return nil, w.refuse(e, "it writes nothing to key %q, which Elle takes for the state before any write", key)
	}
	if e.Type != Invoke {
		return value, nil
	}
	id := elleWrite{key, string(value), appended}
	if before, twice := w.written[id]; twice {
		return nil, w.refuse(e, "it writes %s to key %q, as event %d did: Elle tells writes apart by their values and would see what is not there", value, key, before)
	}
	w.written[id] = e.Index
	return value, nil
}

// step appends [[:f key value]], or joins it to the steps that are there.
func step(steps []byte, f, key string, value []byte) []byte {
	if steps == nil {
		steps = []byte{'['}
	} else {
		steps[len(steps)-1] = ' '
	}
	steps = append(append(steps, "[:"...), f...)
	steps = appendKey(append(steps, ' '), key)
	steps = append(append(steps, ' '), value...)
	return append(steps, "]]"...)
}

// appendSteps appends a transaction, [["r","x",null]], as [[:r "x" nil]].
// What is no transaction is written as the value that it is.
func appendSteps(buf []byte, v Value) ([]byte, error) {
	var micro [][]json.RawMessage
	if v.Kind() != Raw || json.Unmarshal(v.Raw(), &micro) != nil || len(micro) == 0 {
		return appendValueEDN(buf, v)
	}
	var steps []byte
	for _, m := range micro {
		var name, key string
		if len(m) != 3 || json.Unmarshal(m[0], &name) != nil || json.Unmarshal(m[1], &key) != nil || name != "r" && name != "w" && name != "append" {
			return appendValueEDN(buf, v)
		}
		value, err := appendEDN(nil, m[2])
		if err != nil {
			return nil, err
		}
		steps = step(steps, name, key, value)
	}
	return append(buf, steps...), nil
}
