package checker

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
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
