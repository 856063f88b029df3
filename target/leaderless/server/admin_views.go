package server

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// Ring answers GET /admin/ring.
type Ring struct {
	// Nodes are the members of the ring, by name.
	Nodes []RingNode `json:"nodes"`
	// Tokens are in the order of the ring.
	Tokens []RingToken `json:"tokens"`
	// Members is what this node knows of every node, on the ring or not.
	Members []Member `json:"members"`
}

// Member is what a node knows of another, or of itself.
type Member struct {
	Node string `json:"node"`
	// Status is spare, joining, arriving, normal, leaving, departing or left.
	Status string `json:"status"`
	// Replaces is the node whose place it takes or took.
	Replaces string `json:"replaces,omitempty"`
	// Generation and Version order what a node says of itself.
	Generation uint32 `json:"generation"`
	Version    uint32 `json:"version"`
}

// RingNode is one member's part in the ring.
type RingNode struct {
	Node   string `json:"node"`
	Tokens int    `json:"tokens"`
	// Share is the part of the circle of which the node is the first home replica, 0…1.
	Share float64 `json:"share"`
}

// RingToken is a point on the ring, as 16 hexadecimal digits, and its owner.
type RingToken struct {
	Token string `json:"token"`
	Node  string `json:"node"`
}

// Preference answers GET /admin/preference/KEY.
type Preference struct {
	Key string `json:"key"`
	// Position is the key's place on the ring, as 16 hexadecimal digits.
	Position string `json:"position"`
	// Home are the key's home replicas in order, Then the other members in the
	// order in which they stand in for them.
	Home []string `json:"home"`
	Then []string `json:"then"`
}

// Versions answers GET /admin/versions/KEY.
type Versions struct {
	Key string `json:"key"`
	// Replicas are the home replicas in order, then the other nodes.
	Replicas []HeldVersion `json:"replicas"`
	// Agree says that all home replicas answered and hold the same.
	Agree bool `json:"agree"`
}

// HeldVersion is what one node holds of a key.
type HeldVersion struct {
	Node string `json:"node"`
	Home bool   `json:"home"`
	// Answered: if not, nothing is known of it.
	Answered bool `json:"answered"`
	// Version is the newest that it holds; absent where it holds nothing.
	Version string `json:"version,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	// Value is its value as text, or ValueBase64 where it is none; with
	// siblings there are several.
	Value       *string       `json:"value,omitempty"`
	ValueBase64 string        `json:"value_base64,omitempty"`
	Siblings    []HeldSibling `json:"siblings,omitempty"`
}

// HeldSibling is one of several values.
type HeldSibling struct {
	Version     string  `json:"version"`
	Dot         string  `json:"dot,omitempty"`
	Deleted     bool    `json:"deleted,omitempty"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 string  `json:"value_base64,omitempty"`
}

// Hints answers GET /admin/hints.
type Hints struct {
	// Hints are those that the node keeps, by the node that they are for and by key.
	Hints []HintView `json:"hints"`
	// LackingSeconds is how long the node has kept hints for another without a break, by name.
	LackingSeconds map[string]float64 `json:"lacking_seconds"`
	Kept           uint64             `json:"kept"`
	Delivered      uint64             `json:"delivered"`
	Expired        uint64             `json:"expired"`
	Dropped        uint64             `json:"dropped"`
}

// HintView is one hint.
type HintView struct {
	For     string `json:"for"`
	Key     string `json:"key"`
	Version string `json:"version"`
}

// Siblings answers GET /admin/siblings.
type Siblings struct {
	// Keys counts the keys that can have several values, by how many they have;
	// the last number stands for that many or more.
	Keys map[string]int `json:"keys"`
	// Most are the keys with the most values, at most limit (10) of them.
	Most []SiblingsOf `json:"most"`
}

// SiblingsOf says how many values a key has.
type SiblingsOf struct {
	Key      string `json:"key"`
	Siblings int    `json:"siblings"`
}

// Trees answers GET /admin/trees.
type Trees struct {
	Trees []TreeView `json:"trees"`
}

// TreeView is the hash tree of the keys with the same home replicas. Hashes are 16 hexadecimal digits.
type TreeView struct {
	Members []string   `json:"members"`
	Keys    int        `json:"keys"`
	Depth   int        `json:"depth"`
	Root    string     `json:"root"`
	Peers   []TreePeer `json:"peers"`
	Leaves  []TreeLeaf `json:"leaves,omitempty"`
}

// TreePeer is what the node knows of another member.
type TreePeer struct {
	Node string `json:"node"`
	// Equal: both were found equal, and this node has not changed since.
	Equal bool `json:"equal"`
	// Different counts the keys that differed when they were compared last.
	Different uint64 `json:"different"`
}

// TreeLeaf is a leaf that has keys.
type TreeLeaf struct {
	Leaf int    `json:"leaf"`
	Keys int    `json:"keys"`
	Hash string `json:"hash"`
}

// serveRing answers GET /admin/ring.
func (s *Server) serveRing(*adminRequest) (any, *httpError) {
	var tokens []core.Token
	var members []core.Member
	if !s.loop.call(func(n *core.Node) { tokens, members = n.Ring().Tokens(), n.Members() }) {
		return nil, stopping()
	}
	ring := &Ring{Nodes: []RingNode{}, Tokens: make([]RingToken, len(tokens)), Members: make([]Member, len(members))}
	for i, m := range members {
		ring.Members[i] = Member{Node: s.settings.Nodes[m.Node], Status: m.Status.String(), Generation: m.Generation, Version: m.Version}
		if m.Replacing {
			ring.Members[i].Replaces = s.settings.Nodes[m.Replaces]
		}
	}
	for i, t := range tokens {
		name := s.settings.Nodes[t.Node]
		ring.Tokens[i] = RingToken{Token: hexadecimal(t.At), Node: name}
		at := slices.IndexFunc(ring.Nodes, func(n RingNode) bool { return n.Node == name })
		if at < 0 {
			at = len(ring.Nodes)
			ring.Nodes = append(ring.Nodes, RingNode{Node: name})
		}
		ring.Nodes[at].Tokens++
		// The token owns what is between the one before it and itself, around the circle.
		before := tokens[(i+len(tokens)-1)%len(tokens)].At
		share := float64(t.At-before) / math.Exp2(64)
		if len(tokens) == 1 {
			share = 1
		}
		ring.Nodes[at].Share += share
	}
	slices.SortFunc(ring.Nodes, func(a, b RingNode) int { return cmp.Compare(a.Node, b.Node) })
	return ring, nil
}

func hexadecimal(n uint64) string { return fmt.Sprintf("%016x", n) }

// servePreference answers GET /admin/preference/KEY.
func (s *Server) servePreference(a *adminRequest) (any, *httpError) {
	count := s.settings.N
	if text, ok := a.query["n"]; ok {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 || number > core.MaxNodes {
			return nil, badRequest(fmt.Sprintf("n=%s: want 1…%d", text, core.MaxNodes))
		}
		count = number
	}
	p := &Preference{Key: a.argument, Position: hexadecimal(core.Position(a.argument))}
	if !s.loop.call(func(n *core.Node) {
		p.Home = s.names(n.Ring().PreferenceList(a.argument, count))
		p.Then = s.names(n.Ring().Order(a.argument)[len(p.Home):])
	}) {
		return nil, stopping()
	}
	return p, nil
}

// serveVersions asks every node what it holds of the key.
func (s *Server) serveVersions(a *adminRequest) (any, *httpError) {
	r, ok := s.loop.command(core.Admin{Kind: core.AdminVersions, Key: a.argument})
	if !ok {
		return nil, stopping()
	}
	if r.Status != core.StatusOK {
		return nil, badRequest(r.Message)
	}
	v := &Versions{Key: a.argument, Replicas: []HeldVersion{}, Agree: true}
	first := -1
	for i := range r.Survey {
		h := &r.Survey[i]
		v.Replicas = append(v.Replicas, s.heldVersion(h))
		if !h.Home {
			continue
		}
		if first < 0 {
			first = i
		}
		v.Agree = v.Agree && h.Answered && core.SameCell(&h.Cell, &r.Survey[first].Cell)
	}
	return v, nil
}

// heldVersion describes what a node holds.
func (s *Server) heldVersion(h *core.Held) HeldVersion {
	v := HeldVersion{Node: s.settings.Nodes[h.Node], Home: h.Home, Answered: h.Answered}
	c := &h.Cell
	if c.Version.IsZero() {
		return v
	}
	v.Version = c.Version.String()
	if c.Object == nil {
		if v.Deleted = c.Tombstone; !c.Tombstone {
			v.Value, v.ValueBase64 = textOf(c.Value)
		}
		return v
	}
	siblings := c.Object.Siblings()
	v.Deleted = true
	for i := range siblings {
		b := &siblings[i]
		held := HeldSibling{Version: b.Version.String(), Deleted: b.Tombstone}
		if !b.Dot.IsZero() {
			held.Dot = s.dot(b.Dot)
		}
		if !b.Tombstone {
			v.Deleted = false
			held.Value, held.ValueBase64 = textOf(b.Value)
		}
		v.Siblings = append(v.Siblings, held)
	}
	return v
}

// textOf returns a value as text, or in base64 where it is none.
func textOf(value []byte) (text *string, encoded string) {
	if utf8.Valid(value) {
		t := string(value)
		return &t, ""
	}
	return nil, base64.StdEncoding.EncodeToString(value)
}

// serveHints answers GET /admin/hints.
func (s *Server) serveHints(*adminRequest) (any, *httpError) {
	var hints []core.DumpHint
	var gauges core.Gauges
	if !s.loop.call(func(n *core.Node) { hints, gauges = n.Hints(), n.Gauges(s.clock.now()) }) {
		return nil, stopping()
	}
	view := &Hints{
		Hints: make([]HintView, len(hints)), LackingSeconds: make(map[string]float64),
		Kept: gauges.HintsKept, Delivered: gauges.HintsDelivered, Expired: gauges.HintsExpired, Dropped: gauges.HintsDropped,
	}
	for i, h := range hints {
		view.Hints[i] = HintView{For: s.settings.Nodes[h.Home], Key: h.Key, Version: h.Version.String()}
	}
	for i, nanoseconds := range gauges.LackingFor {
		if nanoseconds > 0 {
			view.LackingSeconds[s.settings.Nodes[i]] = float64(nanoseconds) / 1e9
		}
	}
	return view, nil
}

// serveSiblings answers GET /admin/siblings.
func (s *Server) serveSiblings(a *adminRequest) (any, *httpError) {
	limit := 10
	if text, ok := a.query["limit"]; ok {
		number, err := strconv.Atoi(text)
		if err != nil || number < 0 || number > 10_000 {
			return nil, badRequest(fmt.Sprintf("limit=%s: want 0…10000", text))
		}
		limit = number
	}
	var entries []core.DumpEntry
	if !s.loop.call(func(n *core.Node) { entries = n.Dump() }) {
		return nil, stopping()
	}
	view := &Siblings{Keys: make(map[string]int), Most: []SiblingsOf{}}
	for i := range entries {
		if o := entries[i].Cell.Object; o != nil {
			count := len(o.Siblings())
			view.Keys[strconv.Itoa(count)]++
			view.Most = append(view.Most, SiblingsOf{entries[i].Key, count})
		}
	}
	slices.SortStableFunc(view.Most, func(a, b SiblingsOf) int { return cmp.Compare(b.Siblings, a.Siblings) })
	view.Most = view.Most[:min(limit, len(view.Most))]
	return view, nil
}

// serveTrees answers GET /admin/trees.
func (s *Server) serveTrees(a *adminRequest) (any, *httpError) {
	leaves, ok := a.query["leaves"]
	if ok && leaves != "" && leaves != "true" {
		return nil, badRequest(fmt.Sprintf("leaves=%s: want it without a value, or true", leaves))
	}
	var trees []core.Tree
	if !s.loop.call(func(n *core.Node) { trees = n.Trees(ok) }) {
		return nil, stopping()
	}
	view := &Trees{Trees: []TreeView{}}
	for i := range trees {
		t := &trees[i]
		v := TreeView{Members: s.names(t.Members), Keys: t.Keys, Depth: t.Depth, Root: hexadecimal(t.Root), Peers: []TreePeer{}}
		for _, p := range t.Peers {
			v.Peers = append(v.Peers, TreePeer{s.settings.Nodes[p.Node], p.Equal, p.Different})
		}
		for _, leaf := range t.Leaves {
			v.Leaves = append(v.Leaves, TreeLeaf{leaf.Number, leaf.Keys, hexadecimal(leaf.Hash)})
		}
		view.Trees = append(view.Trees, v)
	}
	return view, nil
}
