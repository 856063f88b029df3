package results

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/refute-lab/refute/checker"
)

// replicasView is the report's section on what the dumped replicas held.
type replicasView struct {
	Lead, Legend string
	// Different and StandIn say whether any node has such keys.
	Different, StandIn bool
	Nodes              []nodeView
	Worst              []keyView
}

// nodeView is a node: of how many keys it is a home replica, and how they
// stand. Width is the bar of those that are behind, in percent of the worst node.
type nodeView struct {
	Node, Keys, Newest, Older, Missing, Different, StandIn string
	Width                                                  int
}

// keyView is a key whose replicas differ, with what each holds.
type keyView struct {
	Key      string
	Replicas []replicaView
}

// behind is how many keys of the node are certainly not up to date.
func behind(n checker.NodeCensus) int { return n.Older + n.Missing }

// stateWords are the states of a replica in words.
var stateWords = map[string]string{"newest": "up to date", "older": "older", "missing": "missing", "different": "not certain"}

// differs says in how many keys the replicas differ.
func differs(c *checker.Census) string {
	if c.Divergent == 0 {
		return "none of " + count(c.Keys, "key") + " differs"
	}
	verb := "differ"
	if c.Divergent == 1 {
		verb = "differs"
	}
	return fmt.Sprintf("%s of %s %s", thousands(c.Divergent), count(c.Keys, "key"), verb)
}

// laggards names the nodes that are behind, the worst first, at most so many.
func laggards(c *checker.Census, most int) string {
	nodes := slices.DeleteFunc(slices.Clone(c.Nodes), func(n checker.NodeCensus) bool { return behind(n) == 0 })
	slices.SortStableFunc(nodes, func(a, b checker.NodeCensus) int { return cmp.Compare(behind(b), behind(a)) })
	var parts []string
	for i, n := range nodes {
		if i == most {
			parts = append(parts, count(len(nodes)-most, "more node"))
			break
		}
		verb := ""
		if i == 0 {
			verb = " is behind"
		}
		parts = append(parts, fmt.Sprintf("%s%s on %s", clip(n.Node, 40), verb, thousands(behind(n))))
	}
	return strings.Join(parts, ", ")
}

// replicasLine is the census in one line; empty where all replicas agree.
func replicasLine(c *checker.Census) string {
	if c == nil || c.Divergent == 0 {
		return ""
	}
	text := "Replicas: " + differs(c)
	if nodes := laggards(c, 5); nodes != "" {
		text += "; " + nodes
	}
	return text + "."
}

// replicasLead is the census in a few sentences.
func replicasLead(c *checker.Census) string {
	if c.Divergent == 0 {
		return "When the store had become quiet, the replicas were compared key by key: " + differs(c) + "."
	}
	text := "When the store had become quiet, the replicas were compared key by key: " + differs(c)
	if nodes := laggards(c, 20); nodes != "" {
		text += "; " + nodes
	}
	text += "."
	for _, replicas := range slices.Sorted(maps.Keys(c.Behind)) {
		if replicas > 0 && c.Behind[replicas] > 0 {
			text += fmt.Sprintf(" On %s %s not up to date.", count(c.Behind[replicas], "key"), plural(replicas, "replica is", "replicas are"))
		}
	}
	if c.Undetermined > 0 {
		text += " Of " + count(c.Undetermined, "key") + " it is not certain which state is the newest."
	}
	return text
}

// replicasLegend says what the columns mean.
func replicasLegend(different, standIn bool) string {
	text := "Older: the node holds what is certainly older than another's. Missing: it holds nothing of the key, another does."
	if different {
		text += " Not certain: the replicas differ, and the history does not tell which is the newest."
	}
	if standIn {
		text += " Kept for others: further keys that it holds without being one of their replicas."
	}
	return text
}

// someNode says whether any node has keys of that kind.
func someNode(c *checker.Census, n func(checker.NodeCensus) int) bool {
	return slices.ContainsFunc(c.Nodes, func(node checker.NodeCensus) bool { return n(node) > 0 })
}

func different(n checker.NodeCensus) int { return n.Different }
func standIn(n checker.NodeCensus) int   { return n.StandIn }

func (v *viewer) replicas() {
	c := v.run.Document.Replicas
	if c == nil || c.Keys == 0 {
		return
	}
	out := &replicasView{Lead: replicasLead(c)}
	v.view.Replicas = out
	if c.Divergent == 0 {
		return
	}
	out.Different, out.StandIn = someNode(c, different), someNode(c, standIn)
	out.Legend = replicasLegend(out.Different, out.StandIn)
	most := 1
	for _, n := range c.Nodes {
		most = max(most, behind(n))
	}
	for i, n := range c.Nodes {
		if i == v.level.lists {
			v.cut("%s of the replicas' table", plural(len(c.Nodes)-i, "node", "nodes"))
			break
		}
		out.Nodes = append(out.Nodes, nodeView{clip(n.Node, 60), thousands(n.Keys), thousands(n.Newest), thousands(n.Older), thousands(n.Missing),
			thousands(n.Different), thousands(n.StandIn), 100 * behind(n) / most})
	}
	for _, k := range c.Worst {
		row := keyView{Key: clip(k.Key, 100)}
		for i, r := range k.Replicas {
			if i == 20 {
				row.Replicas = append(row.Replicas, replicaView{Text: count(len(k.Replicas)-i, "more replica")})
				break
			}
			row.Replicas = append(row.Replicas, replicaView{r.State == "newest", stateText(r)})
		}
		out.Worst = append(out.Worst, row)
	}
}

// stateText is what one replica holds: "n2 older: 5, version 17@n1".
func stateText(r checker.ReplicaState) string {
	text := clip(r.Node, 40) + " " + cmp.Or(stateWords[r.State], clip(r.State, 20))
	if r.Holds != "" && r.Holds != r.State {
		text += ": " + clip(r.Holds, 160)
	}
	return text
}

// markdownReplicas writes the section of summary.md.
func markdownReplicas(b *bytes.Buffer, d *Document) {
	c := d.Replicas
	if c == nil || c.Keys == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Replicas\n\n%s\n", md(replicasLead(c)))
	if c.Divergent == 0 {
		return
	}
	b.WriteString("\n| node | keys | up to date | older | missing | not certain | kept for others |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for i, n := range c.Nodes {
		if i == markdownFaults {
			break
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", md(clip(n.Node, 60)), thousands(n.Keys), thousands(n.Newest),
			thousands(n.Older), thousands(n.Missing), thousands(n.Different), thousands(n.StandIn))
	}
	fmt.Fprintf(b, "\n%s\n", replicasLegend(true, true))
	if len(c.Worst) > 0 {
		b.WriteString("\n| key | what its replicas hold |\n|---|---|\n")
	}
	for _, k := range c.Worst {
		var states []string
		for _, r := range k.Replicas[:min(len(k.Replicas), 20)] {
			states = append(states, stateText(r))
		}
		fmt.Fprintf(b, "| %s | %s |\n", md(clip(k.Key, 100)), md(strings.Join(states, "; ")))
	}
}
