package server

import (
	"fmt"
	"strings"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
	"github.com/refute-lab/refute/target/leaderless/wal"
)

// Status is what GET /admin/status answers.
type Status struct {
	Node string `json:"node"`
	// Incarnation counts the node's starts on its directory.
	Incarnation uint32 `json:"incarnation"`
	// WallNanoseconds is the node's wall clock since 1970; MonotonicNanoseconds
	// counts from the process' start.
	WallNanoseconds      int64 `json:"wall_ns"`
	MonotonicNanoseconds int64 `json:"monotonic_ns"`
	// Quiet: nothing is pending.
	Quiet bool `json:"quiet"`
	// Pending is what the node still has to do.
	Pending Pending `json:"pending"`
	// Suspected are the nodes that count as down.
	Suspected []string `json:"suspected"`
	// Peers are the connections to the other nodes.
	Peers []peerState `json:"peers"`
	// Settings are those of the cluster.
	Settings map[string]string `json:"settings"`
	// Log has the log's counters, Recovered what it told at the start.
	Log       wal.Stats `json:"log"`
	Recovered recovery  `json:"recovered"`
	// PreferenceList is that of the key in the query; absent without one.
	PreferenceList []string `json:"preference_list,omitempty"`
}

// Pending counts what a node still has to do.
type Pending struct {
	Hints    int `json:"hints"`
	Repairs  int `json:"repairs"`
	Requests int `json:"requests"`
	Writes   int `json:"writes"`
	// Comparisons are anti-entropy's; Streams are ranges that are being fetched,
	// and the node's own change of membership.
	Comparisons  int    `json:"comparisons"`
	Streams      int    `json:"streams"`
	HintsDropped uint64 `json:"hints_dropped"`
	// Description says it in words: "3 hints, 1 repair".
	Description string `json:"description"`
}

// serveStatus answers GET /admin/status.
func (s *Server) serveStatus(a *adminRequest) (any, *httpError) {
	status, ok := s.status(a.query["key"])
	if !ok {
		return nil, stopping()
	}
	return status, nil
}

// serveDump answers GET /admin/dump.
func (s *Server) serveDump(*adminRequest) (any, *httpError) {
	dump, ok := s.dump()
	if !ok {
		return nil, stopping()
	}
	return dump, nil
}

// status asks the loop how things are; false if the node is stopping.
func (s *Server) status(key string) (*Status, bool) {
	status := &Status{
		Node: s.name, Incarnation: s.incarnation, Settings: s.settings.Map(), Recovered: s.recovered,
		Suspected: []string{}, Peers: []peerState{},
	}
	ok := s.loop.call(func(n *core.Node) {
		now := s.clock.now()
		status.WallNanoseconds, status.MonotonicNanoseconds = now.Wall, now.Mono
		p := n.Pending()
		status.Quiet = p.Quiet()
		status.Pending = pendingOf(p)
		status.Suspected = s.names(n.Suspected(now))
		if key != "" {
			status.PreferenceList = s.names(n.Ring().PreferenceList(key, s.settings.N))
		}
	})
	status.Log = s.log.Stats()
	for _, p := range s.peers {
		if p != nil {
			status.Peers = append(status.Peers, p.status())
		}
	}
	return status, ok
}

// dump returns the replica's state; false if the node is stopping.
func (s *Server) dump() (*history.Dump, bool) {
	var entries []core.DumpEntry
	var hints []core.DumpHint
	ok := s.loop.call(func(n *core.Node) { entries, hints = n.Dump(), n.Hints() })
	dump := leaderless.Dump(&s.settings, entries, hints)
	return &dump, ok
}

// pendingOf describes what is pending.
func pendingOf(p core.Pending) Pending {
	return Pending{p.Hints, p.Repairs, p.Requests, p.Writes, p.Comparisons, p.Streams, p.HintsDropped, describe(p)}
}

// names returns the names of nodes.
func (s *Server) names(ids []core.NodeID) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = s.settings.Nodes[id]
	}
	return names
}

// describe says in words what is pending.
func describe(p core.Pending) string {
	var parts []string
	for _, item := range []struct {
		count int
		noun  string
	}{{p.Hints, "hint"}, {p.Repairs, "repair"}, {p.Requests, "request"}, {p.Writes, "log write"}, {p.Comparisons, "comparison"}, {p.Streams, "stream"}} {
		switch {
		case item.count == 1:
			parts = append(parts, "1 "+item.noun)
		case item.count > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", item.count, item.noun))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
