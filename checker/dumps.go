package checker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// dumps are what the replicas hold, put together from their dumps: of each node its last.
type dumps struct {
	nodes []dumpedNode
	// keys are in the order in which the dumps show them first.
	keys []dumpedKey

	// The rest is storage.
	numbers  map[string]int32 // of keys, by name
	scanner  dumpScanner
	replicas []replica
	siblings []dumpedVersion // of all entries
}

type dumpedNode struct {
	name     string
	position int32 // of the dump in the history
}

// dumpedKey is one key as all dumps together show it.
type dumpedKey struct {
	name string
	// home are the home replicas that were dumped, as numbers of nodes, in the
	// order of the preference list.
	home    []int32
	entries []dumpedEntry // of different nodes
}

// dumpedEntry is what one dump says of one key.
type dumpedEntry struct {
	node int32
	dumpedVersion
	// siblings are the versions that the replica keeps beside the first.
	siblings []dumpedVersion
}

// dumpedVersion is one version of a key.
type dumpedVersion struct {
	version, value []byte
	tombstone      bool
}

// replica is a home replica and what it holds of the key, nil if nothing.
type replica struct {
	node  int32
	entry *dumpedEntry
}

// load reads the dumps of the history. It keeps its storage from one use to the next.
func (d *dumps) load(t *timeline) error {
	d.nodes, d.keys, d.siblings = d.nodes[:0], d.keys[:0], d.siblings[:0]
	if d.numbers == nil {
		d.numbers = map[string]int32{}
	}
	clear(d.numbers)
	for _, p := range t.dumps {
		if n := d.node(t.operations[p].Node); n != none {
			d.nodes[n].position = p
		} else {
			d.nodes = append(d.nodes, dumpedNode{t.operations[p].Node, p})
		}
	}
	for _, p := range t.dumps {
		o := &t.operations[p]
		node := d.node(o.Node)
		if d.nodes[node].position != p {
			continue
		}
		if err := d.scanner.read(o.Output.Raw()); err != nil {
			return fmt.Errorf("the dump of %s (operation %d) cannot be read: %w", o.Node, o.Index, err)
		}
		for i := range d.scanner.entries {
			d.add(t, node, &d.scanner.entries[i])
		}
	}
	return nil
}

// node is the number of the node, or none if it was not dumped.
func (d *dumps) node(name string) int32 {
	for i := range d.nodes {
		if d.nodes[i].name == name {
			return int32(i)
		}
	}
	return none
}

func (d *dumps) add(t *timeline, node int32, e *scannedEntry) {
	k := d.key(t, e)
	entry := dumpedEntry{node: node, dumpedVersion: e.dumpedVersion}
	if siblings := d.scanner.siblings[e.siblingsFrom:e.siblingsTo]; len(siblings) > 0 {
		from := len(d.siblings)
		d.siblings = append(d.siblings, siblings...)
		entry.siblings = d.siblings[from:len(d.siblings):len(d.siblings)]
	}
	for i := range k.entries {
		if k.entries[i].node == node {
			k.entries[i] = entry
			return
		}
	}
	k.entries = append(k.entries, entry)
}

// key finds the entry's key, or begins it.
func (d *dumps) key(t *timeline, e *scannedEntry) *dumpedKey {
	if n, found := d.numbers[string(e.key)]; found {
		return &d.keys[n]
	}
	n := len(d.keys)
	if n < cap(d.keys) {
		d.keys = d.keys[:n+1]
	} else {
		d.keys = append(d.keys, dumpedKey{})
	}
	k := &d.keys[n]
	*k = dumpedKey{name: t.name(e.key), home: k.home[:0], entries: k.entries[:0]}
	d.numbers[k.name] = int32(n)
	for _, name := range d.scanner.homes[e.homeFrom:e.homeTo] {
		for i := range d.nodes {
			if d.nodes[i].name == string(name) {
				k.home = append(k.home, int32(i))
			}
		}
	}
	return k
}

// homeReplicas are the key's home replicas that were dumped, in the order of
// the preference list. They are valid until the next call.
func (d *dumps) homeReplicas(k *dumpedKey) []replica {
	d.replicas = d.replicas[:0]
	for _, node := range k.home {
		r := replica{node: node}
		for i := range k.entries {
			if k.entries[i].node == node {
				r.entry = &k.entries[i]
			}
		}
		d.replicas = append(d.replicas, r)
	}
	return d.replicas
}

// agree says whether all replicas hold the same. Where none holds the key,
// a stand-in does: it was not handed off, so they do not agree either.
func agree(replicas []replica) bool {
	first := replicas[0].entry
	for _, r := range replicas {
		if r.entry == nil || !r.entry.equal(first) {
			return false
		}
	}
	return true
}

// equal says whether both are the same version of the same value, or the same
// siblings in whatever order.
func (e *dumpedEntry) equal(other *dumpedEntry) bool {
	if len(e.siblings) == 0 && len(other.siblings) == 0 {
		return e.dumpedVersion.equal(&other.dumpedVersion)
	}
	a, b := e.sorted(), other.sorted()
	return slices.EqualFunc(a, b, func(x, y dumpedVersion) bool { return x.equal(&y) })
}

// equal does not compare the values of tombstones.
func (v *dumpedVersion) equal(other *dumpedVersion) bool {
	return bytes.Equal(v.version, other.version) && v.tombstone == other.tombstone && (v.tombstone || bytes.Equal(v.value, other.value))
}

// versions are all that the replica keeps of the key.
func (e *dumpedEntry) versions() []dumpedVersion {
	return append([]dumpedVersion{e.dumpedVersion}, e.siblings...)
}

func (e *dumpedEntry) sorted() []dumpedVersion {
	all := e.versions()
	slices.SortFunc(all, func(a, b dumpedVersion) int {
		byValue := 0
		if !a.tombstone && !b.tombstone {
			byValue = bytes.Compare(a.value, b.value)
		}
		return cmp.Or(bytes.Compare(a.version, b.version), compareBool(a.tombstone, b.tombstone), byValue)
	})
	return all
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

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
	return s.is('}') && s.peek() == 0 && s.at == len(s.data)
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
			e.siblingsFrom = len(s.siblings)
			ok = s.versions()
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
