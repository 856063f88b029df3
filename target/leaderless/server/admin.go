package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/refute-lab/refute/harness/history"
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
	Hints        int    `json:"hints"`
	Repairs      int    `json:"repairs"`
	Requests     int    `json:"requests"`
	Writes       int    `json:"writes"`
	HintsDropped uint64 `json:"hints_dropped"`
	// Description says it in words: "3 hints, 1 repair".
	Description string `json:"description"`
}

// serveAdmin answers everything but requests for keys.
func (s *Server) serveAdmin(rw http.ResponseWriter, r *http.Request) {
	var answer any
	ok := true
	switch {
	case r.URL.Path != "/admin/status" && r.URL.Path != "/admin/dump":
		e := httpError{http.StatusNotFound, codeNoSuchPath, "no such path: want /kv/KEY, /admin/status or /admin/dump"}
		writeJSON(rw, e.status, e.append(nil))
		return
	case r.Method != http.MethodGet:
		e := httpError{http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("method %s: want GET", r.Method)}
		writeJSON(rw, e.status, e.append(nil))
		return
	case r.URL.Path == "/admin/status":
		answer, ok = s.status(r.URL.Query().Get("key"))
	default:
		answer, ok = s.dump()
	}
	if !ok {
		e := httpError{http.StatusServiceUnavailable, codeStopped, "the node is stopping"}
		writeJSON(rw, e.status, e.append(nil))
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		e := httpError{http.StatusInternalServerError, "internal", err.Error()}
		writeJSON(rw, e.status, e.append(nil))
		return
	}
	writeJSON(rw, http.StatusOK, append(body, '\n'))
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
		status.Pending = Pending{p.Hints, p.Repairs, p.Requests, p.Writes, p.HintsDropped, describe(p)}
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
	dump := &history.Dump{Entries: make([]history.DumpEntry, 0, len(entries)), Hints: make([]history.DumpHint, 0, len(hints))}
	for i := range entries {
		e := &entries[i]
		values := e.Values()
		entry := history.DumpEntry{
			Key: e.Key, Version: values[0].Version.String(), Value: string(values[0].Value), Tombstone: values[0].Tombstone, Home: s.names(e.Home),
		}
		for _, v := range values[1:] {
			entry.Siblings = append(entry.Siblings, history.DumpSibling{Version: v.Version.String(), Value: string(v.Value), Tombstone: v.Tombstone})
		}
		dump.Entries = append(dump.Entries, entry)
	}
	for _, h := range hints {
		dump.Hints = append(dump.Hints, history.DumpHint{Key: h.Key, Version: h.Version.String(), For: s.settings.Nodes[h.Home]})
	}
	return dump, ok
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
	}{{p.Hints, "hint"}, {p.Repairs, "repair"}, {p.Requests, "request"}, {p.Writes, "log write"}} {
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
