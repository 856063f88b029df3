package core

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
)

// Ring places keys on nodes by consistent hashing (Karger et al., STOC 1997)
// with virtual nodes, as Dynamo does (SOSP 2007, §4.2 and §6.2, strategy 1).
//
// Every node owns a number of tokens, points on a circle of 2⁶⁴ positions; a
// key belongs to the nodes that are met first when walking the circle upward
// from the key's own position, each physical node counted once. The first n
// of them are the key's home replicas, its preference list; the others follow
// as stand-ins. Tokens depend on nothing but the node's name, so that every
// node computes the same ring without talking to anybody, and a node that is
// added takes keys from the others but moves none between them: the order of
// the old nodes, for every key, stays as it was.
//
// The price of random tokens is an uneven share of the keys; more virtual
// nodes even it out and cost memory (one order of all nodes per token).
type Ring struct {
	nodes  int
	tokens []uint64 // sorted
	// first has, for each of 2^k equal parts of the circle, the index of the
	// first token in it or after it: a search begins there and, as tokens are
	// random, mostly ends there. shift is 64 − k.
	first  []uint16
	shift  uint
	orders []NodeID // the order of all nodes from token i on is orders[i*nodes:][:nodes]
	// spread is how the nodes are spread over several data centres; nil with one.
	spread *spread
}

// NewRing makes the ring of the named nodes, of which there are 1 to
// MaxNodes, with the given number of virtual nodes each.
func NewRing(names []string, virtualNodes int) *Ring {
	owners := make([]ringOwner, len(names))
	for i := range owners {
		owners[i] = ringOwner{NodeID(i), NodeID(i)}
	}
	return newRing(names, owners, virtualNodes)
}

// ringOwner is a node on a ring. Its tokens are those of the name of another
// node if it took that one's place.
type ringOwner struct{ node, tokens NodeID }

// newRing makes the ring of some of the named nodes. No two owners have the same tokens.
func newRing(names []string, owners []ringOwner, virtualNodes int) *Ring {
	type token struct {
		at    uint64
		owner ringOwner
	}
	all := make([]token, 0, len(owners)*virtualNodes)
	for _, o := range owners {
		for v := range virtualNodes {
			all = append(all, token{hashString(names[o.tokens] + "#" + strconv.Itoa(v)), o})
		}
	}
	slices.SortFunc(all, func(a, b token) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		// Equal tokens are as good as impossible; by name, because a position changes when nodes are added.
		if c := cmp.Compare(names[a.owner.tokens], names[b.owner.tokens]); c != 0 {
			return c
		}
		return cmp.Compare(a.owner.node, b.owner.node) // two that both took one node's place
	})
	r := &Ring{nodes: len(owners), tokens: make([]uint64, len(all)), orders: make([]NodeID, len(all)*len(owners))}
	for i := range all {
		r.tokens[i] = all[i].at
	}
	if len(all) == 0 {
		return r
	}
	r.index()
	// The order at the last token is found by walking; the one before each
	// token is its node followed by the next token's order without that node.
	last := len(all) - 1
	order := r.orders[last*r.nodes:][:0]
	for i := range all {
		if node := all[(last+i)%len(all)].owner.node; !slices.Contains(order, node) {
			order = append(order, node)
		}
	}
	for i := last - 1; i >= 0; i-- {
		next := r.orders[(i+1)*r.nodes:][:r.nodes]
		order = append(r.orders[i*r.nodes:][:0], all[i].owner.node)
		for _, node := range next {
			if node != all[i].owner.node {
				order = append(order, node)
			}
		}
	}
	return r
}

// index makes first, with about as many parts as there are tokens.
func (r *Ring) index() {
	k := max(bits.Len(uint(len(r.tokens)-1)), 1)
	r.shift = uint(64 - k)
	r.first = make([]uint16, 1<<k)
	at := 0
	for part := range r.first {
		for at < len(r.tokens) && r.tokens[at] < uint64(part)<<r.shift {
			at++
		}
		r.first[part] = uint16(at)
	}
}

// Order returns all nodes of the ring in the order in which the walk meets them: with
// one data centre the home replicas, then the stand-ins. It must not be changed.
func (r *Ring) Order(key string) []NodeID {
	if len(r.tokens) == 0 {
		return nil
	}
	return r.orders[r.token(key)*r.nodes:][:r.nodes:r.nodes]
}

// token is the first token at the key's position or after it.
func (r *Ring) token(key string) int {
	at := hashString(key)
	i := int(r.first[at>>r.shift])
	for i < len(r.tokens) && r.tokens[i] < at {
		i++
	}
	if i == len(r.tokens) {
		i = 0
	}
	return i
}

// Nodes returns how many nodes are on the ring.
func (r *Ring) Nodes() int { return r.nodes }

// PreferenceList returns the key's home replicas, n in each data centre, or
// all nodes of the ring if there are fewer. It must not be changed.
func (r *Ring) PreferenceList(key string, n int) []NodeID {
	order, homes := r.placed(key, n)
	return order[:homes:homes]
}

// hashString is FNV-1a followed by a finaliser, because the upper bits of
// FNV-1a alone differ little between names that differ in their last letter.
func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix64(h)
}

// mix64 is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a
// bijection that spreads every input bit over all output bits.
func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x
}
