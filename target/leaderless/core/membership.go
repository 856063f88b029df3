package core

import (
	"cmp"
	"slices"
)

// Who is on the ring. A node joins, leaves or takes a dead one's place while
// requests go on, and no two nodes learn of it at the same moment. Every
// mechanism here is about what they do meanwhile.
//
// Each node says of itself how far it is (MemberStatus); others repeat it
// (gossip.go) and compute their rings from what they have heard. A status says
// whether reads go to the node and whether writes do. Writes go to the homes
// of before and of after the change, and need one acknowledgement more for
// each node by which those two sets together are more than n, as in Cassandra
// ("pending ranges", TokenMetadata.java; the count in ReplicaPlans.forWrite).
// Of n+1 replicas any w+1 hold w of the n before and w of the n after, so
// that quorums overlap, whichever of the two sets a reader asks:
//
//	          joining   arriving   normal   leaving   departing   left
//	reads     –         yes        yes      yes       –           –
//	writes    yes       yes        yes      yes       yes         –
//
// A node that joins is written to first, then fetches what it missed
// (stream.go), and is read only then; a node that leaves does the reverse. With
// bootstrap=serve-at-once it skips all that: it is normal at once, and answers
// reads with what it has, which is nothing at first (Cassandra's
// auto_bootstrap=false).
//
// That is not enough. A coordinator that has not heard of the change writes to
// the homes of before, and w acknowledgements from them say nothing about the
// homes of after; and one that still reads the homes of before does not see
// what was written to those of after alone. Dynamo (§4.8.1) and Cassandra hope
// that gossip is quicker than the change (RING_DELAY, 30 s); ring=gossip does
// the same. ring=epochs does not hope, see epoch.go.
//
// What a node says of itself is durable before anybody hears it, and what it
// heard is durable before it acts on it. The order of what a node says is its
// stamp.

// MemberStatus is how far a node is in joining or leaving the ring.
type MemberStatus uint8

// The statuses, in the order in which a node goes through them.
const (
	// MemberSpare was never on the ring: it coordinates, and holds nothing.
	MemberSpare MemberStatus = iota
	// MemberJoining is written to, and fetches what it will be asked for.
	MemberJoining
	// MemberArriving is read; the nodes that it takes over from are still written to (ring=epochs only).
	MemberArriving
	MemberNormal
	// MemberLeaving is read; the nodes that take over from it are written to, and fetch.
	MemberLeaving
	// MemberDeparting is not read any more, but still written to (ring=epochs only).
	MemberDeparting
	MemberLeft

	lastMemberStatus = MemberLeft
)

var memberStatusNames = []string{"spare", "joining", "arriving", "normal", "leaving", "departing", "left"}

// String returns the status as it is shown to people.
func (s MemberStatus) String() string { return enumName(memberStatusNames, int(s)) }

// changing says that the node is on its way from one ring to another.
func (s MemberStatus) changing() bool {
	return s == MemberJoining || s == MemberArriving || s == MemberLeaving || s == MemberDeparting
}

// stamp orders what a node says of itself: by generation, the node's incarnation
// when it said so, then by version, which counts. A node that lost its disk
// counts on from what the others remember of it.
type stamp struct{ generation, version uint32 }

func (s stamp) compare(t stamp) int {
	return cmp.Or(cmp.Compare(s.generation, t.generation), cmp.Compare(s.version, t.version))
}

// ringMember is what a node says of itself.
type ringMember struct {
	stamp
	status MemberStatus
	// tokens is the node by whose name its tokens are made: itself, or another whose place it took.
	tokens NodeID
	// With replacing, the node takes, or took, the place of the node replaces,
	// of which it knew what that said with the stamp ousted. It is out of place
	// unless it has said something since.
	replacing bool
	replaces  NodeID
	ousted    stamp
}

// compare orders what was said of one node. Equal stamps with different
// contents come from a node that forgot what it had said; then all still agree.
func (m *ringMember) compare(o *ringMember) int {
	return cmp.Or(m.stamp.compare(o.stamp), cmp.Compare(m.status, o.status), cmp.Compare(m.tokens, o.tokens),
		cmp.Compare(m.replaces, o.replaces), m.ousted.compare(o.ousted))
}

// view is what a node knows of all nodes, by NodeID.
type view []ringMember

// firstView is that of a cluster whose first nodes are on the ring from the start.
func firstView(nodes, members int) view {
	v := make(view, nodes)
	for i := range v {
		v[i].tokens = NodeID(i)
		if i < members {
			v[i].status = MemberNormal
		}
	}
	return v
}

// merge takes over what is newer, and says whether it was.
func (v view) merge(node NodeID, m *ringMember) bool {
	if m.compare(&v[node]) <= 0 {
		return false
	}
	v[node] = *m
	return true
}

// places are the sets of homes in which a node may be.
type places uint8

const (
	inOld  places = 1 << iota // written to, as of before the change
	inNext                    // written to, as of after it
	inRead                    // read
)

var (
	// holds is where a node of each status is.
	holds = [...]places{0, inNext, inNext | inRead, inOld | inNext | inRead, inOld | inRead, inOld, 0}
	// ousts is where the node that it replaces is not any more.
	ousts = [...]places{0, inNext, inNext | inRead, inOld | inNext | inRead, inOld | inNext | inRead, inOld | inNext | inRead, inOld | inNext | inRead}
)

// places returns where the node is.
func (v view) places(node NodeID) places {
	at := holds[v[node].status]
	for i := range v {
		if m := &v[i]; m.replacing && m.replaces == node && NodeID(i) != node && v[node].stamp.compare(m.ousted) <= 0 {
			at &^= ousts[m.status]
		}
	}
	return at
}

// ousted says that another node has taken the node's place for good.
func (v view) ousted(node NodeID) bool {
	return holds[v[node].status]&inOld != 0 && v.places(node) == 0
}

// owners returns who is on the ring of the place.
func (v view) owners(place places) []ringOwner {
	var all []ringOwner
	for i := range v {
		if v.places(NodeID(i))&place != 0 {
			all = append(all, ringOwner{NodeID(i), v[i].tokens})
		}
	}
	return all
}

// freeTokens returns the node whose tokens a node that joins takes: its own,
// unless another took its place. There are as many tokens as nodes.
func (v view) freeTokens(node NodeID) NodeID {
	taken := func(tokens NodeID) bool {
		for i := range v {
			if NodeID(i) != node && v[i].tokens == tokens && (v.places(NodeID(i)) != 0 || v[i].status.changing()) {
				return true
			}
		}
		return false
	}
	if !taken(node) {
		return node
	}
	for i := range v {
		if !taken(NodeID(i)) {
			return NodeID(i)
		}
	}
	return node
}

// tag is a hash of the view: nodes with equal views have equal tags. It is never 0.
func (v view) tag() uint32 {
	d := digest(hashString("view"))
	v.digest(&d)
	return uint32(d>>32) | 1
}

func (v view) digest(d *digest) {
	for i := range v {
		m := &v[i]
		replaces := uint64(0)
		if m.replacing {
			replaces = uint64(m.replaces) + 1
		}
		d.add(uint64(m.generation)<<32|uint64(m.version), uint64(m.status)<<32|uint64(m.tokens)<<16|replaces,
			uint64(m.ousted.generation)<<32|uint64(m.ousted.version))
	}
}

// only returns the view as it would be if no node but this one were joining or leaving.
func (v view) only(node NodeID) view {
	w := slices.Clone(v)
	for i := range w {
		switch m := &w[i]; {
		case NodeID(i) == node:
		case m.status == MemberJoining:
			m.status = MemberSpare
		case m.status == MemberLeaving:
			m.status = MemberNormal
		}
	}
	return w
}

// another returns a node beside the given one that is changing: one that cannot
// go back any more, else the first.
func (v view) another(node NodeID) (other NodeID, found bool) {
	for i := range v {
		status := v[i].status
		if NodeID(i) == node || !status.changing() {
			continue
		}
		if !found || status == MemberArriving || status == MemberDeparting {
			other, found = NodeID(i), true
		}
	}
	return other, found
}

// rings are the rings that follow from a view.
type rings struct {
	read *Ring
	// written are others whose homes are written to, too: those of before, and
	// for each node that is changing those of after. Empty in a cluster at rest.
	written []*Ring
}

// rings makes the rings of the view.
func (v view) rings(names []string, virtualNodes int) rings {
	read := v.owners(inRead)
	all := [][]ringOwner{read}
	add := func(owners []ringOwner) {
		if !slices.ContainsFunc(all, func(other []ringOwner) bool { return slices.Equal(owners, other) }) {
			all = append(all, owners)
		}
	}
	add(v.owners(inOld))
	for i := range v {
		if v[i].status.changing() {
			add(v.only(NodeID(i)).owners(inNext))
		}
	}
	r := rings{read: newRing(names, read, virtualNodes)}
	for _, owners := range all[1:] {
		r.written = append(r.written, newRing(names, owners, virtualNodes))
	}
	return r
}

// pending returns the nodes that a write of the key goes to beside its n homes.
func (r *rings) pending(key string, n int) []NodeID {
	homes := r.read.PreferenceList(key, n)
	var more []NodeID
	for _, ring := range r.written {
		for _, node := range ring.PreferenceList(key, n) {
			if !slices.Contains(homes, node) && !slices.Contains(more, node) {
				more = append(more, node)
			}
		}
	}
	return more
}
