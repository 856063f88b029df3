package nemesis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// The shapes of a partition.
const (
	// RandomHalves: two sides, as equal as possible, that hear nothing of each other.
	RandomHalves = "random-halves"
	// IsolateOne: one node that hears no one and whom no one hears.
	IsolateOne = "isolate-one"
	// MajorityMinority: a majority and the rest, that hear nothing of each other.
	MajorityMinority = "majority-minority"
	// MajoritiesRing: every node hears its neighbours on a ring, a majority
	// each, and no two nodes the same majority.
	MajoritiesRing = "majorities-ring"
	// Bridge: two halves that hear nothing of each other and one node that hears, and is heard by, all.
	Bridge = "bridge"
	// Datacenters: data centres hear nothing of each other, as when the links
	// between them fail; only for targets that have several.
	Datacenters = "datacenters"
	// OneWay: packets from one side to the other are lost, those back arrive.
	OneWay = "one-way"
)

// majority is the smallest number of nodes that is more than half of n.
func majority(n int) int { return n/2 + 1 }

// OneWayCuts cuts every link from a sender to a receiver; a node that is both keeps hearing itself.
func OneWayCuts(senders, receivers []string) []history.Cut {
	var cuts []history.Cut
	for _, from := range senders {
		for _, to := range receivers {
			if from != to {
				cuts = append(cuts, history.Cut{From: from, To: to})
			}
		}
	}
	return cuts
}

// SplitCuts cuts every link between the two sides, both ways.
func SplitCuts(left, right []string) []history.Cut {
	return append(OneWayCuts(left, right), OneWayCuts(right, left)...)
}

// BridgeCuts separates left and right completely. The bridge is whoever is in
// neither; none of its links is cut.
func BridgeCuts(left, right []string) []history.Cut { return SplitCuts(left, right) }

// RingCuts leaves every node only the links to its neighbours on the ring: as
// many on either side as are needed for a majority together with itself. Each
// node then hears a majority of the nodes, and for four nodes or more no two
// nodes hear the same one. Links are open or cut both ways alike, so that
// requests and responses share their fate. For fewer than four nodes a
// majority is everyone, and nothing is cut.
//
// Where a majority is an even number, as with six nodes, nodes hear one more
// than the majority: a window that is not symmetrical would make some links one-way.
func RingCuts(ring []string) []history.Cut {
	n := len(ring)
	reach := majority(n) / 2 // neighbours to either side: 2·reach+1 ≥ majority(n)
	var cuts []history.Cut
	for i, from := range ring {
		for j, to := range ring {
			distance := min((i-j+n)%n, (j-i+n)%n)
			if distance > reach {
				cuts = append(cuts, history.Cut{From: from, To: to})
			}
		}
	}
	return cuts
}

// sortCuts puts cuts into the order of the nodes, by From, then To, and removes duplicates.
func sortCuts(nodes []string, cuts []history.Cut) []history.Cut {
	position := make(map[string]int, len(nodes))
	for i, node := range nodes {
		position[node] = i
	}
	slices.SortFunc(cuts, func(a, b history.Cut) int {
		if d := position[a.From] - position[b.From]; d != 0 {
			return d
		}
		return position[a.To] - position[b.To]
	})
	return slices.Compact(cuts)
}

// describeCuts says in one line what a set of cuts does to the nodes. It
// looks at the cuts themselves, so that a plan written by hand is described truly.
func describeCuts(nodes []string, cuts []history.Cut) string {
	cut := make(map[history.Cut]bool, len(cuts))
	for _, c := range cuts {
		cut[c] = true
	}
	if len(cut) == 0 {
		return "no link cut"
	}
	if text := describeSplit(nodes, cut); text != "" {
		return text
	}
	for _, bridge := range nodes {
		rest := without(nodes, bridge)
		if touches(cut, bridge) {
			continue
		}
		if text := describeSplit(rest, cut); text != "" {
			return text + ", " + bridge + " hears both"
		}
	}
	if text := describeOneWay(nodes, cut); text != "" {
		return text
	}
	if ring := findRing(nodes, cut); ring != nil {
		return "ring " + strings.Join(ring, " ") + ": each hears its neighbours only"
	}
	return listCuts(cuts)
}

// describeSplit returns "{…} | {…}" if the cuts are exactly those between
// groups within which every link is open, else "".
func describeSplit(nodes []string, cut map[history.Cut]bool) string {
	var groups [][]string
	grouped := map[string]bool{}
	for _, node := range nodes {
		if grouped[node] {
			continue
		}
		var group []string
		for _, other := range nodes {
			if !cut[history.Cut{From: node, To: other}] && !cut[history.Cut{From: other, To: node}] {
				group = append(group, other)
			}
		}
		for _, member := range group {
			if grouped[member] {
				return ""
			}
			grouped[member] = true
		}
		groups = append(groups, group)
	}
	within := map[string]int{}
	for i, group := range groups {
		for _, node := range group {
			within[node] = i + 1
		}
	}
	for _, from := range nodes {
		for _, to := range nodes {
			if from != to && cut[history.Cut{From: from, To: to}] == (within[from] == within[to]) {
				return ""
			}
		}
	}
	if len(groups) < 2 {
		return ""
	}
	var texts []string
	for _, group := range groups {
		texts = append(texts, braces(group))
	}
	return strings.Join(texts, " | ")
}

// describeOneWay recognizes cuts from each of some senders to each of some receivers.
func describeOneWay(nodes []string, cut map[history.Cut]bool) string {
	senders, receivers := map[string]bool{}, map[string]bool{}
	for c := range cut {
		senders[c.From], receivers[c.To] = true, true
	}
	var from, to []string
	for _, node := range nodes {
		if senders[node] && receivers[node] {
			return ""
		}
		if senders[node] {
			from = append(from, node)
		}
		if receivers[node] {
			to = append(to, node)
		}
	}
	if len(from)*len(to) != len(cut) {
		return ""
	}
	switch {
	case len(from)+len(to) == len(nodes) && len(to) == 1:
		return to[0] + " hears no one"
	case len(from)+len(to) == len(nodes) && len(from) == 1:
		return "no one hears " + from[0]
	}
	return group(to) + hears(to) + "nothing from " + group(from)
}

// findRing returns an order of the nodes whose RingCuts are the cuts, or nil.
// Neighbours on the ring are those who share the most open links.
func findRing(nodes []string, cut map[history.Cut]bool) []string {
	if len(nodes) < 4 {
		return nil
	}
	open := func(a, b string) bool { return !cut[history.Cut{From: a, To: b}] }
	common := func(a, b string) int {
		shared := 0
		for _, c := range nodes {
			if open(a, c) && open(b, c) {
				shared++
			}
		}
		return shared
	}
	if ring := opposites(nodes, cut); ring != nil {
		return ring
	}
	ring := []string{nodes[0]}
	for len(ring) < len(nodes) {
		last, best, most := ring[len(ring)-1], "", -1
		for _, next := range nodes {
			if slices.Contains(ring, next) || !open(last, next) {
				continue
			}
			if shared := common(last, next); shared > most {
				best, most = next, shared
			}
		}
		if best == "" {
			return nil
		}
		ring = append(ring, best)
	}
	expected := RingCuts(ring)
	if len(expected) != len(cut) {
		return nil
	}
	for _, c := range expected {
		if !cut[c] {
			return nil
		}
	}
	return ring
}

// opposites returns the ring if every node fails to hear exactly one other,
// the one opposite (as with four or six nodes), where all neighbours look alike.
func opposites(nodes []string, cut map[history.Cut]bool) []string {
	opposite := map[string]string{}
	for c := range cut {
		if !cut[history.Cut{From: c.To, To: c.From}] {
			return nil
		}
		opposite[c.From] = c.To
	}
	if len(cut) != len(nodes) || len(opposite) != len(nodes) {
		return nil
	}
	var near, far []string
	for _, node := range nodes {
		if !slices.Contains(far, node) {
			near, far = append(near, node), append(far, opposite[node])
		}
	}
	return append(near, far...)
}

func listCuts(cuts []history.Cut) string {
	const shown = 6
	var texts []string
	for i, c := range cuts {
		if i == shown {
			texts = append(texts, fmt.Sprintf("and %d more", len(cuts)-shown))
			break
		}
		texts = append(texts, c.From+"→"+c.To)
	}
	return "cut " + strings.Join(texts, ", ")
}

func braces(nodes []string) string { return "{" + strings.Join(nodes, " ") + "}" }

func group(nodes []string) string {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return braces(nodes)
}

func hears(nodes []string) string {
	if len(nodes) == 1 {
		return " hears "
	}
	return " hear "
}

func without(nodes []string, one string) []string {
	var rest []string
	for _, node := range nodes {
		if node != one {
			rest = append(rest, node)
		}
	}
	return rest
}

func touches(cut map[history.Cut]bool, node string) bool {
	for c := range cut {
		if c.From == node || c.To == node {
			return true
		}
	}
	return false
}
