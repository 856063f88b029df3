package checker

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The bounds on siblings, after Riak's defaults (its settings
// warning_siblings and max_siblings).
const (
	// DefaultMaximumSiblings is how many versions of a key may stand side by side.
	DefaultMaximumSiblings = 100
	// warnSiblings is the number beyond which a key is worth a warning.
	warnSiblings = 25
)

// classTooManySiblings: more versions of a key stand side by side than the bound.
const classTooManySiblings = "too-many-siblings"

// SiblingCounts says how many versions of a key stood side by side, as the
// dumps of the replicas and the reads that return several values show.
type SiblingCounts struct {
	// Bound is what the claim bounded-siblings allows, Maximum the most that were seen.
	Bound   int `json:"bound"`
	Maximum int `json:"maximum"`
	// Keys are all that were seen, Several those of them with more than one version at once.
	Keys    int `json:"keys"`
	Several int `json:"several"`
	// Many are the keys beyond 25 versions, from which on Riak warns.
	Many int `json:"many"`
	// Histogram counts the keys by the most versions that one replica or read shows of them.
	Histogram map[int]int `json:"histogram"`
	// Worst are the keys with the most versions, that one first; at most 8.
	Worst []KeySiblings `json:"worst,omitempty"`
}

// KeySiblings is the most versions of a key that stood side by side.
type KeySiblings struct {
	Key      string `json:"key"`
	Versions int    `json:"versions"`
	// Node is the replica that holds them; empty where a read returned them.
	Node string `json:"node,omitempty"`
	// Operation is the dump or the read that shows them: the index of its invocation.
	Operation int64 `json:"operation"`
}

// keySiblings is KeySiblings with the position of the operation.
type keySiblings struct {
	key      string
	versions int
	position int32
}

// gatherSiblings finds the most versions of each key, by what shows them
// first, in the order of the keys' names. It is empty where nothing shows
// several versions of any key: such a store does not keep siblings, as far as can be seen.
func gatherSiblings(t *timeline) ([]keySiblings, error) {
	most := map[string]keySiblings{}
	several := false
	note := func(key string, versions int, p int32) {
		several = several || versions > 1
		if old, found := most[key]; !found || versions > old.versions {
			most[key] = keySiblings{key, versions, p}
		}
	}
	for k := range t.keys {
		key := &t.keys[k]
		if !key.keepsSiblings() {
			continue
		}
		for _, p := range key.positions {
			if o := &t.operations[p]; o.F == history.FRead && o.Output.Kind() == history.List {
				note(key.name, len(o.Output.List()), p)
			}
		}
	}
	if anySiblings(t) {
		var d dumps
		if err := d.load(t); err != nil {
			return nil, err
		}
		for k := range d.keys {
			for i := range d.keys[k].entries {
				e := &d.keys[k].entries[i]
				note(d.keys[k].name, 1+len(e.siblings), d.nodes[e.node].position)
			}
		}
	}
	if !several {
		return nil, nil
	}
	out := make([]keySiblings, 0, len(most))
	for _, x := range most {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b keySiblings) int { return cmp.Compare(a.key, b.key) })
	return out, nil
}

// dumpsSiblings says whether the dump may hold siblings, without reading it.
func dumpsSiblings(dump []byte) bool { return bytes.Contains(dump, []byte("iblings")) }

func anySiblings(t *timeline) bool {
	return slices.ContainsFunc(t.dumps, func(p int32) bool { return dumpsSiblings(t.operations[p].Output.Raw()) })
}

// countSiblings puts the counts together; nil where there are none.
func countSiblings(t *timeline, keys []keySiblings, bound int) *SiblingCounts {
	if len(keys) == 0 {
		return nil
	}
	c := &SiblingCounts{Bound: bound, Keys: len(keys), Histogram: map[int]int{}}
	for _, k := range keys {
		c.Maximum = max(c.Maximum, k.versions)
		c.Histogram[k.versions]++
		if k.versions > 1 {
			c.Several++
		}
		if k.versions > warnSiblings {
			c.Many++
		}
	}
	worst := slices.Clone(keys)
	slices.SortStableFunc(worst, func(a, b keySiblings) int { return cmp.Compare(b.versions, a.versions) })
	for _, k := range worst[:min(len(worst), worstShown)] {
		if k.versions < 2 {
			break
		}
		o := &t.operations[k.position]
		x := KeySiblings{Key: k.key, Versions: k.versions, Operation: o.Index}
		if o.F == history.FDump {
			x.Node = o.Node
		}
		c.Worst = append(c.Worst, x)
	}
	return c
}

// maximumSiblings is the bound of the options.
func (o Options) maximumSiblings() int {
	if o.MaximumSiblings > 0 {
		return o.MaximumSiblings
	}
	return DefaultMaximumSiblings
}

// checkBoundedSiblings decides bounded-siblings: no replica keeps more
// versions of a key side by side than the bound. Vector clocks of the
// servers, without dots, and writes without context make a sibling of each
// write (sibling explosion); the more there are the slower is every access to
// the key. What counts is each dumped replica by itself and each read that
// returns several values.
func checkBoundedSiblings(_ context.Context, t *timeline, o Options) Result {
	result := Result{Claim: BoundedSiblings, Checker: "sibling-counts"}
	bound := o.maximumSiblings()
	keys, skipped := gatherSiblings(t)
	all := newTally()
	for _, k := range keys {
		if k.versions <= bound || !all.count(classTooManySiblings, k.key, 1) {
			continue
		}
		f := newFinding(classTooManySiblings, k.key)
		f.second, f.element = k.position, int64(bound)
		f.gather()
		who := fmt.Sprintf("Process %d read", t.operations[k.position].Process)
		if t.operations[k.position].F == history.FDump {
			who = t.operations[k.position].Node + " held"
		}
		f.told = fmt.Sprintf("%s %s of %s side by side at %s, more than %d.", who, plural(k.versions, "version"), keyName(k.key), clock(t.operations[k.position].Start), bound)
		all.best[k.key] = f
	}
	counts := countSiblings(t, keys, bound)
	text := counts.sentence()
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: len(keys), refuted: text, holds: text,
		missing: "no dump and no read shows several versions of a key; if the target keeps siblings, there were none",
	})
	return result
}

func (c *SiblingCounts) sentence() string {
	if c == nil {
		return ""
	}
	text := fmt.Sprintf("At most %s of a key stood side by side, on %s; %d allowed; %d of the keys had several", plural(c.Maximum, "version"), plural(c.Keys, "key"), c.Bound, c.Several)
	if c.Many > 0 {
		text += fmt.Sprintf("; %d had more than %d, from which on Riak warns", c.Many, warnSiblings)
	}
	return text
}
