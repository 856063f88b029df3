package checker

import (
	"bytes"
	"encoding/json"

	"github.com/refute-lab/refute/harness/history"
)

// dumpScanner reads the JSON of a dump. Nearly all of them have exactly the
// form in which history.Dump is written, which takes no allocation to read;
// whatever looks different is left to encoding/json.
type dumpScanner struct {
	entries  []scannedEntry
	homes    [][]byte
	siblings []dumpedVersion

	data []byte
	at   int
}

// scannedEntry is a history.DumpEntry whose texts are parts of the JSON; its
// home replicas are a part of dumpScanner.homes, its siblings one of dumpScanner.siblings.
type scannedEntry struct {
	key []byte
	dumpedVersion
	homeFrom, homeTo         int
	siblingsFrom, siblingsTo int
}

// read reads one dump. The result is in entries, homes and siblings, valid until the next use.
func (s *dumpScanner) read(raw []byte) error {
	s.data, s.at = raw, 0
	s.entries, s.homes, s.siblings = s.entries[:0], s.homes[:0], s.siblings[:0]
	if s.dump() {
		return nil
	}
	var dump history.Dump
	if err := json.Unmarshal(raw, &dump); err != nil {
		return err
	}
	s.entries, s.homes, s.siblings = s.entries[:0], s.homes[:0], s.siblings[:0]
	for _, e := range dump.Entries {
		from := len(s.homes)
		for _, home := range e.Home {
			s.homes = append(s.homes, []byte(home))
		}
		siblings := len(s.siblings)
		for _, v := range e.Siblings {
			s.siblings = append(s.siblings, dumpedVersion{[]byte(v.Version), []byte(v.Value), v.Tombstone})
		}
		s.entries = append(s.entries, scannedEntry{
			[]byte(e.Key), dumpedVersion{[]byte(e.Version), []byte(e.Value), e.Tombstone}, from, len(s.homes), siblings, len(s.siblings),
		})
	}
	return nil
}

// dump says whether the whole text had the usual form.
func (s *dumpScanner) dump() bool {
	if !s.is('{') {
		return false
	}
	if name, ok := s.text(); !ok || string(name) != "entries" || !s.is(':') || !s.is('[') {
		return false
	}
	for !s.is(']') {
		if len(s.entries) > 0 && !s.is(',') || !s.entry() {
			return false
		}
	}
	return s.hints() && s.is('}') && s.peek() == 0 && s.at == len(s.data)
}

// hints passes over the hints that the node keeps for others, if it says that it keeps none.
func (s *dumpScanner) hints() bool {
	if !s.is(',') {
		return true
	}
	name, ok := s.text()
	return ok && string(name) == "hints" && s.is(':') && s.is('[') && s.is(']')
}

func (s *dumpScanner) entry() bool {
	if !s.is('{') {
		return false
	}
	var e scannedEntry
	for first := true; !s.is('}'); first = false {
		if !first && !s.is(',') {
			return false
		}
		name, ok := s.text()
		if !ok || !s.is(':') {
			return false
		}
		switch string(name) {
		case "key":
			e.key, ok = s.text()
		case "home":
			e.homeFrom = len(s.homes)
			ok = s.names()
			e.homeTo = len(s.homes)
		case "siblings":
			// encoding/json merges a repeated list of objects into the first.
			ok = e.siblingsTo == 0
			e.siblingsFrom = len(s.siblings)
			ok = ok && s.versions()
			e.siblingsTo = len(s.siblings)
		default:
			ok = s.part(string(name), &e.dumpedVersion)
		}
		if !ok {
			return false
		}
	}
	s.entries = append(s.entries, e)
	return true
}

// part reads the part of a version that has this name.
func (s *dumpScanner) part(name string, v *dumpedVersion) (ok bool) {
	switch name {
	case "version":
		v.version, ok = s.text()
	case "value":
		v.value, ok = s.text()
	case "tombstone":
		v.tombstone = s.word("true")
		ok = v.tombstone || s.word("false")
	}
	return ok
}

// versions reads a list of versions into siblings.
func (s *dumpScanner) versions() bool {
	if !s.is('[') {
		return s.word("null")
	}
	for first := true; !s.is(']'); first = false {
		if !first && !s.is(',') || !s.is('{') {
			return false
		}
		var v dumpedVersion
		for first := true; !s.is('}'); first = false {
			if !first && !s.is(',') {
				return false
			}
			name, ok := s.text()
			if !ok || !s.is(':') || !s.part(string(name), &v) {
				return false
			}
		}
		s.siblings = append(s.siblings, v)
	}
	return true
}

// names reads a list of texts into homes.
func (s *dumpScanner) names() bool {
	if !s.is('[') {
		return s.word("null")
	}
	for first := true; !s.is(']'); first = false {
		if !first && !s.is(',') {
			return false
		}
		name, ok := s.text()
		if !ok {
			return false
		}
		s.homes = append(s.homes, name)
	}
	return true
}

// peek returns the next byte that is no space, or 0 at the end.
func (s *dumpScanner) peek() byte {
	for s.at < len(s.data) {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// is says whether the byte comes next, and goes past it if so.
func (s *dumpScanner) is(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// word says whether the word comes next, and goes past it if so.
func (s *dumpScanner) word(w string) bool {
	s.peek()
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return false
	}
	s.at += len(w)
	return true
}

// text reads a string of ASCII without escapes.
func (s *dumpScanner) text() ([]byte, bool) {
	if !s.is('"') {
		return nil, false
	}
	begin := s.at
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return s.data[begin : s.at-1], true
		case c < ' ' || c >= 0x80 || c == '\\':
			return nil, false
		}
	}
	return nil, false
}
