package checker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// checkConvergence compares the dumps of all replicas, which were taken after
// the target had become quiet and before the final reads, whose read repair
// would alter the evidence.
func checkConvergence(_ context.Context, t *timeline, o Options) Result {
	result := Result{Claim: Convergence, Checker: "replica-dumps"}
	if len(t.dumps) == 0 {
		result.Verdict = Unknown
		result.Vacuous = true
		result.Explanation = "There was nothing to check: the history has no dump of a replica. Either the target cannot be dumped or the run ended before."
		return result
	}
	var d dumps
	if err := d.load(t); err != nil {
		result.Verdict = Unknown
		result.Explanation = err.Error() + "."
		return result
	}
	d.sort()
	all := newTally()
	compared, alone := 0, 0
	for k := range d.keys {
		key := &d.keys[k]
		replicas := d.homeReplicas(key)
		if len(replicas) < 2 {
			alone++
			continue
		}
		compared++
		if agree(replicas) {
			continue
		}
		all.count(classDivergent, key.name, len(replicas))
		f := newFinding(classDivergent, key.name)
		f.text = d.describe(key, replicas)
		for _, r := range replicas {
			position := d.nodes[r.node].position
			f.positions = append(f.positions, position)
			version := ""
			if r.entry != nil {
				version = string(r.entry.version)
			}
			f.held = append(f.held, held{d.nodes[r.node].name, version, position})
		}
		slices.Sort(f.positions)
		all.best[key.name] = f
	}
	nodes := plural(len(d.nodes), "node")
	switch {
	case all.found > 0:
		result.Verdict = Refuted
		result.fill(t, o, all)
		result.Explanation = fmt.Sprintf("The replicas of %s of %d disagree although the target had been given time to become quiet.", plural(all.found, "key"), compared)
		result.Explanation = sentences(result.Explanation, takeCensus(t).sentence())
	case compared == 0:
		result.Verdict = Unknown
		result.Vacuous = true
		result.Explanation = fmt.Sprintf("There was nothing to compare: of none of %s were two replicas dumped (dumps: %s).", plural(len(d.keys), "key"), nodes)
	default:
		result.Verdict = Holds
		result.Explanation = fmt.Sprintf("All dumped replicas of %s agree (dumps: %s).", plural(compared, "key"), nodes)
		if alone > 0 {
			result.Explanation = strings.TrimSuffix(result.Explanation, ".") + fmt.Sprintf("; of %s fewer than two replicas were dumped.", plural(alone, "further key"))
		}
	}
	return result
}

// sort puts the keys in the order of their names.
func (d *dumps) sort() {
	slices.SortFunc(d.keys, func(a, b dumpedKey) int { return strings.Compare(a.name, b.name) })
}

// describe says what each replica holds.
func (d *dumps) describe(k *dumpedKey, replicas []replica) string {
	parts := make([]string, len(replicas))
	for i, r := range replicas {
		parts[i] = d.nodes[r.node].name + ": " + r.entry.String()
	}
	text := fmt.Sprintf("The replicas of %s disagree (%s).", k.name, strings.Join(parts, "; "))
	var others []string
	for i := range k.entries {
		if node := k.entries[i].node; !slices.Contains(k.home, node) {
			others = append(others, d.nodes[node].name)
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		text += fmt.Sprintf(" It is also held by %s, which is no home replica of it.", strings.Join(others, ", "))
	}
	return text
}

func (e *dumpedEntry) String() string {
	if e == nil {
		return "missing"
	}
	const shown = 4
	var parts []string
	for _, v := range e.versions()[:min(1+len(e.siblings), shown)] {
		parts = append(parts, v.String())
	}
	if more := 1 + len(e.siblings) - shown; more > 0 {
		parts = append(parts, plural(more, "further version"))
	}
	return strings.Join(parts, " beside ")
}

func (v *dumpedVersion) String() string {
	if v.tombstone || len(v.value) == 0 {
		return fmt.Sprintf("deleted, version %s", v.version)
	}
	return fmt.Sprintf("%s, version %s", v.value, v.version)
}
