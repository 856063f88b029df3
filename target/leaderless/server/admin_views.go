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

// serveRing answers GET /admin/ring.
func (s *Server) serveRing(*adminRequest) (any, *httpError) {
	var tokens []core.Token
	var members []core.Member
	var suspected []core.NodeID
	if !s.loop.call(func(n *core.Node) {
		tokens, members, suspected = n.Ring().Tokens(), n.Members(), n.Suspected(s.clock.now())
	}) {
		return nil, stopping()
	}
	ring := &Ring{Nodes: []RingNode{}, Tokens: make([]RingToken, len(tokens)), Members: s.members(members, suspected)}
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
		home, then := n.Ring().Placement(a.argument, count)
		p.Home, p.Then = s.names(home), s.names(then)
	}) {
		return nil, stopping()
	}
	return p, nil
}

// serveMembers answers GET /admin/members.
func (s *Server) serveMembers(*adminRequest) (any, *httpError) {
	var members []core.Member
	var suspected []core.NodeID
	view := &Members{}
	if !s.loop.call(func(n *core.Node) {
		members, suspected, view.Rejoining = n.Members(), n.Suspected(s.clock.now()), n.Rejoining()
	}) {
		return nil, stopping()
	}
	view.Members = s.members(members, suspected)
	return view, nil
}

// members describes what this node knows of every node.
func (s *Server) members(members []core.Member, suspected []core.NodeID) []Member {
	views := make([]Member, len(members))
	for i, m := range members {
		views[i] = Member{Node: s.settings.Nodes[m.Node], Status: m.Status.String(), Generation: m.Generation, Version: m.Version,
			Suspected: slices.Contains(suspected, m.Node)}
		if m.Replacing {
			views[i].Replaces = s.settings.Nodes[m.Replaces]
		}
	}
	return views
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
	var hints []core.HintView
	var gauges core.Gauges
	var losses core.HintGauge
	var now core.Now
	if !s.loop.call(func(n *core.Node) {
		now = s.clock.now()
		hints, gauges, losses = n.HintViews(), n.Gauges(now), n.HintLosses()
	}) {
		return nil, stopping()
	}
	view := &Hints{
		Hints: make([]HintView, len(hints)), LackingSeconds: make(map[string]float64), OldestSeconds: make(map[string]float64),
		Kept: gauges.HintsKept, Delivered: gauges.HintsDelivered, Expired: losses.Expired, Refused: losses.Refused,
		PassedOn: losses.PassedOn, Dropped: gauges.Pending.HintsDropped, Unflushed: losses.Unflushed,
	}
	for i, h := range hints {
		view.Hints[i] = HintView{For: s.settings.Nodes[h.Home], Key: h.Key, Version: h.Version.String()}
		if h.KeptAt != 0 {
			view.Hints[i].AgeSeconds = float64(now.Wall-h.KeptAt) / 1e9
		}
	}
	for i, nanoseconds := range gauges.HintAge {
		if nanoseconds > 0 {
			view.OldestSeconds[s.settings.Nodes[i]] = float64(nanoseconds) / 1e9
		}
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
