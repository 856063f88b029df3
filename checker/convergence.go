package checker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// replica is what one dump says of one key.
type replica struct {
	node    string
	version string
	value   string
	present bool
}

func (r replica) String() string {
	switch {
	case !r.present:
		return r.node + ": missing"
	case r.value == "":
		return fmt.Sprintf("%s: deleted, version %s", r.node, r.version)
	}
	return fmt.Sprintf("%s: %s, version %s", r.node, r.value, r.version)
}

// dumpedKey is one key as all dumps together show it.
type dumpedKey struct {
	home    []string
	entries map[string]history.DumpEntry // by node
}

// checkConvergence compares the dumps of all replicas, which were taken after
// the target had become quiet and before the final reads, whose read repair
// would alter the evidence.
func checkConvergence(t *timeline) Result {
	result := Result{Claim: Convergence, Checker: "replica-dumps"}
	if len(t.dumps) == 0 {
		result.Verdict = Unknown
		result.Explanation = "There was nothing to check: the history has no dump of a replica. Either the target cannot be dumped or the run ended before."
		return result
	}
	dumped, keys, err := readDumps(t)
	if err != nil {
		result.Verdict = Unknown
		result.Explanation = err.Error() + "."
		return result
	}
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	slices.Sort(names)
	all := newTally()
	compared, alone := 0, 0
	for _, name := range names {
		key := keys[name]
		replicas := key.replicas(dumped)
		if len(replicas) < 2 {
			alone++
			continue
		}
		compared++
		if key.agrees(replicas) {
			continue
		}
		all.count(classDivergent, name, len(replicas))
		f := newFinding(classDivergent, name)
		f.text = key.describe(name, replicas)
		for _, r := range replicas {
			f.positions = append(f.positions, dumped[r.node])
		}
		slices.Sort(f.positions)
		all.best[name] = f
	}
	switch {
	case all.found > 0:
		result.Verdict = Refuted
		result.fill(t, Options{}, all)
		result.Explanation = fmt.Sprintf("The replicas of %s of %d disagree although the target had been given time to become quiet.", plural(all.found, "key"), compared)
	case compared == 0:
		result.Verdict = Unknown
		result.Explanation = fmt.Sprintf("There was nothing to compare: of none of %s were two replicas dumped (dumps: %s).", plural(len(keys), "key"), plural(len(dumped), "node"))
	default:
		result.Verdict = Holds
		result.Explanation = fmt.Sprintf("All dumped replicas of %s agree (dumps: %s).", plural(compared, "key"), plural(len(dumped), "node"))
		if alone > 0 {
			result.Explanation = strings.TrimSuffix(result.Explanation, ".") + fmt.Sprintf("; of %s fewer than two replicas were dumped.", plural(alone, "further key"))
		}
	}
	return result
}

// readDumps parses the dumps: of each node its last, and every key that any of them holds.
func readDumps(t *timeline) (dumped map[string]int32, keys map[string]*dumpedKey, err error) {
	dumped = map[string]int32{}
	for _, p := range t.dumps {
		dumped[t.operations[p].Node] = p
	}
	keys = map[string]*dumpedKey{}
	for _, p := range t.dumps {
		o := &t.operations[p]
		if dumped[o.Node] != p {
			continue
		}
		var dump history.Dump
		if err := json.Unmarshal(o.Output.Raw(), &dump); err != nil {
			return nil, nil, fmt.Errorf("the dump of %s (operation %d) cannot be read: %w", o.Node, o.Index, err)
		}
		for _, e := range dump.Entries {
			k := keys[e.Key]
			if k == nil {
				k = &dumpedKey{home: e.Home, entries: map[string]history.DumpEntry{}}
				keys[e.Key] = k
			}
			k.entries[o.Node] = e
		}
	}
	return dumped, keys, nil
}

// replicas are the key's home replicas that were dumped, in the order of the preference list.
func (k *dumpedKey) replicas(dumped map[string]int32) []replica {
	var found []replica
	for _, node := range k.home {
		if _, ok := dumped[node]; !ok {
			continue
		}
		e, present := k.entries[node]
		r := replica{node: node, version: e.Version, value: e.Value, present: present}
		if e.Tombstone {
			r.value = ""
		}
		found = append(found, r)
	}
	return found
}

// agrees says whether all replicas hold the same. Where none holds the key,
// a stand-in does: it was not handed off, so they do not agree either.
func (k *dumpedKey) agrees(replicas []replica) bool {
	for _, r := range replicas {
		if !r.present || r.version != replicas[0].version || r.value != replicas[0].value ||
			k.entries[r.node].Tombstone != k.entries[replicas[0].node].Tombstone {
			return false
		}
	}
	return true
}

func (k *dumpedKey) describe(name string, replicas []replica) string {
	parts := make([]string, len(replicas))
	for i, r := range replicas {
		parts[i] = r.String()
	}
	text := fmt.Sprintf("The replicas of %s disagree (%s).", name, strings.Join(parts, "; "))
	var others []string
	for node := range k.entries {
		if !slices.Contains(k.home, node) {
			others = append(others, node)
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		text += fmt.Sprintf(" It is also held by %s, which is no home replica of it.", strings.Join(others, ", "))
	}
	return text
}
