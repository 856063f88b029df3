package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// Census says what the replicas held when they were dumped: how far they were
// apart, and which of them were behind.
type Census struct {
	// Keys are those of which at least two home replicas were dumped, Divergent
	// those of them whose home replicas do not hold the same.
	Keys      int `json:"keys"`
	Divergent int `json:"divergent"`
	// Behind counts the keys by how many of their home replicas hold an older
	// state than the newest, or nothing; those that agree are under 0. The
	// divergent keys whose newest state is not certain are in Undetermined.
	Behind       map[int]int `json:"behind"`
	Undetermined int         `json:"undetermined"`
	// Nodes are in the order of their first dump.
	Nodes []NodeCensus `json:"nodes"`
	// Worst are the divergent keys with the fewest home replicas up to date; at most 8.
	Worst []KeyCensus `json:"worst,omitempty"`
}

// NodeCensus counts the keys of which one node is a home replica.
type NodeCensus struct {
	Node string `json:"node"`
	// Keys are all of them that were compared. The rest says how they stand.
	Keys int `json:"keys"`
	// Newest: it holds what all hold, or what is certainly the newest of what they hold.
	Newest int `json:"newest"`
	// Older: it holds something that is certainly older than the newest.
	Older int `json:"older"`
	// Missing: it holds nothing of the key, though another node does.
	Missing int `json:"missing"`
	// Different: the replicas disagree, and which state is the newest does not follow from the history.
	Different int `json:"different"`
	// StandIn are further keys that it holds without being a home replica of them.
	StandIn int `json:"stand_in"`
}

// KeyCensus is what the home replicas of one key hold.
type KeyCensus struct {
	Key string `json:"key"`
	// Replicas are in the order of the preference list.
	Replicas []ReplicaState `json:"replicas"`
}

// ReplicaState is what one replica holds of a key.
type ReplicaState struct {
	Node string `json:"node"`
	// State is "newest", "older", "missing" or "different", see NodeCensus.
	State string `json:"state"`
	// Holds are value and version in words.
	Holds string `json:"holds"`
}

// The states of a replica.
const (
	stateNewest    = "newest"
	stateOlder     = "older"
	stateMissing   = "missing"
	stateDifferent = "different"
)

// takeCensus compares the dumps of the home replicas key by key. Versions are
// in the target's own notation, so which of two states is newer is told by
// the history: u is certainly older than w iff it was known before w was
// invoked (see knownBy). A state is the newest if all others are older; the
// values of siblings, of tombstones beside several deletes and of keys that are
// no registers are in no certain order. It is nil without readable dumps.
func takeCensus(t *timeline) *Census {
	var d dumps
	if len(t.dumps) == 0 || d.load(t) != nil {
		return nil
	}
	c := &Census{Behind: map[int]int{}}
	for _, n := range d.nodes {
		c.Nodes = append(c.Nodes, NodeCensus{Node: n.name})
	}
	d.sort()
	var r register
	var worst []censusOfKey
	for k := range d.keys {
		key := &d.keys[k]
		for i := range key.entries {
			if node := key.entries[i].node; !slices.Contains(key.home, node) {
				c.Nodes[node].StandIn++
			}
		}
		replicas := d.homeReplicas(key)
		if len(replicas) < 2 {
			continue
		}
		states := []string(nil)
		if !agree(replicas) {
			states = d.states(t, &r, key, replicas)
		}
		c.count(replicas, states)
		if states != nil {
			worst = append(worst, censusOfKey{k, slices.Clone(replicas), states})
		}
	}
	slices.SortStableFunc(worst, func(a, b censusOfKey) int { return cmp.Compare(b.behind(), a.behind()) })
	for _, w := range worst[:min(len(worst), worstShown)] {
		c.Worst = append(c.Worst, w.describe(&d))
	}
	return c
}

// censusOfKey is a divergent key, by its place in the dumps.
type censusOfKey struct {
	key      int
	replicas []replica
	states   []string
}

// behind is how many replicas do not hold the newest state.
func (k censusOfKey) behind() int {
	n := 0
	for _, s := range k.states {
		if s != stateNewest {
			n++
		}
	}
	return n
}

func (k censusOfKey) describe(d *dumps) KeyCensus {
	out := KeyCensus{Key: d.keys[k.key].name}
	for i, r := range k.replicas {
		out.Replicas = append(out.Replicas, ReplicaState{Node: d.nodes[r.node].name, State: k.states[i], Holds: r.entry.String()})
	}
	return out
}

// count adds one key. states is nil if its replicas agree.
func (c *Census) count(replicas []replica, states []string) {
	c.Keys++
	if states == nil {
		c.Behind[0]++
	} else {
		c.Divergent++
		behind := 0
		for _, s := range states {
			if s == stateOlder || s == stateMissing {
				behind++
			}
		}
		if slices.Contains(states, stateDifferent) {
			c.Undetermined++
		} else {
			c.Behind[behind]++
		}
	}
	for i, r := range replicas {
		n := &c.Nodes[r.node]
		n.Keys++
		state := stateNewest
		if states != nil {
			state = states[i]
		}
		switch state {
		case stateNewest:
			n.Newest++
		case stateOlder:
			n.Older++
		case stateMissing:
			n.Missing++
		default:
			n.Different++
		}
	}
}

// states says of each replica how it stands. The replicas disagree.
func (d *dumps) states(t *timeline, r *register, key *dumpedKey, replicas []replica) []string {
	states := make([]string, len(replicas))
	var held []*dumpedEntry // different ones
	for i, x := range replicas {
		states[i] = stateDifferent
		if x.entry == nil {
			states[i] = stateMissing
		} else if !slices.ContainsFunc(held, x.entry.equal) {
			held = append(held, x.entry)
		}
	}
	newest := newestOf(t, r, key.name, held)
	for i, x := range replicas {
		switch {
		case newest == nil || x.entry == nil:
		case x.entry.equal(newest):
			states[i] = stateNewest
		default:
			states[i] = stateOlder
		}
	}
	return states
}

// newestOf returns the entry than which all others are certainly older, or nil.
func newestOf(t *timeline, r *register, name string, held []*dumpedEntry) *dumpedEntry {
	if len(held) == 1 {
		return held[0]
	}
	k, found := t.numbers[name]
	if !found || t.keys[k].object != registerObject || r.load(t.operations, name, t.keys[k].positions) != nil {
		return nil
	}
	for _, e := range held {
		begun, ok := r.begun(e)
		if !ok {
			continue
		}
		if !slices.ContainsFunc(held, func(other *dumpedEntry) bool { return other != e && !r.heldBefore(other, begun) }) {
			return e
		}
	}
	return nil
}

// valueOf is the number of the value that the replica holds, or none.
func (r *register) valueOf(e *dumpedEntry) int32 {
	if len(e.siblings) > 0 {
		return none
	}
	if e.tombstone {
		return initial
	}
	n, err := strconv.ParseInt(string(e.value), 10, 64)
	if err != nil {
		return none
	}
	return r.numbers.get(n)
}

// begun is when the only write of what the replica holds was invoked.
func (r *register) begun(e *dumpedEntry) (at int64, ok bool) {
	value := r.valueOf(e)
	if value == none || r.values[value].writers != 1 {
		return 0, false
	}
	return r.operations[r.values[value].writer].start, true
}

// heldBefore says whether what the replica holds was certainly there before the time.
func (r *register) heldBefore(e *dumpedEntry, time int64) bool {
	value := r.valueOf(e)
	if value == none {
		return false
	}
	at, _ := r.knownBy(value)
	return at != history.Infinity && at < time && (value != initial || r.values[initial].writers > 0)
}

// sentence tells which nodes are behind. It is empty if none is.
func (c *Census) sentence() string {
	if c == nil || c.Divergent == 0 {
		return ""
	}
	nodes := slices.Clone(c.Nodes)
	behind := func(n NodeCensus) int { return n.Older + n.Missing }
	slices.SortStableFunc(nodes, func(a, b NodeCensus) int { return cmp.Compare(behind(b), behind(a)) })
	var parts []string
	for _, n := range nodes[:min(len(nodes), worstShown)] {
		if behind(n) > 0 {
			parts = append(parts, fmt.Sprintf("%s on %d of %s (%d older, %d missing)", n.Node, behind(n), plural(n.Keys, "key"), n.Older, n.Missing))
		}
	}
	var text []string
	if len(parts) > 0 {
		text = append(text, "Behind: "+strings.Join(parts, "; ")+".")
	}
	if c.Undetermined > 0 {
		text = append(text, fmt.Sprintf("Of %s it is not certain which state is the newest.", plural(c.Undetermined, "key")))
	}
	return strings.Join(text, " ")
}
