package server

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/refute-lab/refute/target/leaderless/core"
	"github.com/refute-lab/refute/target/leaderless/wal"
)

// snapshotDirectory is where snapshots are, within the node's directory.
const snapshotDirectory = "snapshots"

// Begun answers a command that takes time: GET /admin/status tells, in
// "pending", when it is done.
type Begun struct {
	// Begun is true: what can't begin is answered with an error.
	Begun bool `json:"begun"`
	// Pending is what the node has to do now.
	Pending Pending `json:"pending"`
}

// Snapshot describes a snapshot of a node's log.
type Snapshot struct {
	Name string `json:"name"`
	// Path is where it is, as the node sees it: what --restore wants.
	Path string `json:"path"`
	// Incarnation is that of the node when it was made.
	Incarnation uint32 `json:"incarnation"`
	// Records are in it, and Bytes is the length of its files together, all of
	// which were read and checked for this answer.
	Records int   `json:"records"`
	Bytes   int64 `json:"bytes"`
	Files   int   `json:"files"`
	// Error says what is wrong with it; then the above is 0.
	Error string `json:"error,omitempty"`
}

// Snapshots answers GET /admin/snapshot.
type Snapshots struct {
	Snapshots []Snapshot `json:"snapshots"`
}

// commandRoute has the core begin something.
func commandRoute(kind core.AdminKind) func(*Server, *adminRequest) (any, *httpError) {
	return func(s *Server, _ *adminRequest) (any, *httpError) {
		return s.begin(core.Admin{Kind: kind})
	}
}

// replaceNode lets this node take the place of another.
func (s *Server) replaceNode(a *adminRequest) (any, *httpError) {
	at := slices.Index(s.settings.Nodes, a.query["node"])
	if at < 0 {
		return nil, badRequest(fmt.Sprintf("node=%s: want the name of the node whose place this one takes, one of %s", a.query["node"], strings.Join(s.settings.Nodes, ", ")))
	}
	return s.begin(core.Admin{Kind: core.AdminReplace, Node: core.NodeID(at)})
}

// begin hands the core a command.
func (s *Server) begin(a core.Admin) (any, *httpError) {
	r, ok := s.loop.command(a)
	if !ok {
		return nil, stopping()
	}
	if r.Status != core.StatusOK {
		status := http.StatusServiceUnavailable
		if r.Code == codeBadRequest {
			status = http.StatusBadRequest
		}
		return nil, &httpError{status, r.Code, r.Message}
	}
	begun := &Begun{Begun: true}
	if !s.loop.call(func(n *core.Node) { begun.Pending = pendingOf(n.Pending()) }) {
		return nil, stopping()
	}
	return begun, nil
}

// compact replaces the log by a snapshot of the node's state, whatever its length.
func (s *Server) compact(*adminRequest) (any, *httpError) {
	var err error
	begun := &Begun{Begun: true}
	if !s.loop.call(func(n *core.Node) {
		err = s.log.Compact(n.Records)
		begun.Pending = pendingOf(n.Pending())
	}) {
		return nil, stopping()
	}
	if err != nil {
		return nil, &httpError{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
	}
	return begun, nil
}

// makeSnapshot makes a consistent copy of the log while the node goes on.
func (s *Server) makeSnapshot(a *adminRequest) (any, *httpError) {
	name, given := a.query["name"]
	if !given {
		name = fmt.Sprintf("%d-%d", s.incarnation, s.snapshots.Add(1))
	}
	path, problem := s.snapshotPath(name)
	if problem != nil {
		return nil, problem
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, &httpError{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
	}
	var backup *wal.Backup
	var err error
	if !s.loop.call(func(*core.Node) { backup, err = s.log.Backup(path) }) {
		return nil, stopping()
	}
	if err != nil {
		return nil, &httpError{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
	}
	manifest, err := backup.Finish()
	if err != nil {
		return nil, &httpError{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
	}
	snapshot := describeSnapshot(name, path, manifest)
	return &snapshot, nil
}

// listSnapshots reads and checks all snapshots.
func (s *Server) listSnapshots(*adminRequest) (any, *httpError) {
	directory := filepath.Join(s.data, snapshotDirectory)
	names, err := wal.Backups(directory)
	if err != nil {
		return nil, &httpError{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
	}
	list := &Snapshots{Snapshots: []Snapshot{}}
	for _, name := range names {
		path := filepath.Join(directory, name)
		manifest, err := wal.ReadBackup(path)
		if err != nil {
			list.Snapshots = append(list.Snapshots, Snapshot{Name: name, Path: path, Error: err.Error()})
			continue
		}
		list.Snapshots = append(list.Snapshots, describeSnapshot(name, path, manifest))
	}
	return list, nil
}

// removeSnapshot removes a snapshot.
func (s *Server) removeSnapshot(a *adminRequest) (any, *httpError) {
	path, problem := s.snapshotPath(a.query["name"])
	if problem != nil {
		return nil, problem
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, &httpError{http.StatusNotFound, codeNoSuchPath, fmt.Sprintf("no snapshot %s: GET /admin/snapshot lists them", a.query["name"])}
	}
	if err := os.RemoveAll(path); err != nil {
		return nil, &httpError{http.StatusServiceUnavailable, codeUnavailable, err.Error()}
	}
	return &Snapshot{Name: a.query["name"], Path: path}, nil
}

// snapshotPath returns where the snapshot of the name is.
func (s *Server) snapshotPath(name string) (string, *httpError) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	if name == "" || len(name) > 64 || name[0] == '.' || strings.HasSuffix(name, ".tmp") || strings.Trim(name, letters) != "" {
		return "", badRequest(fmt.Sprintf("name=%s: want 1…64 letters, digits, '-', '_' or '.', not beginning with '.' or ending in .tmp", name))
	}
	return filepath.Join(s.data, snapshotDirectory, name), nil
}

func describeSnapshot(name, path string, m *wal.Manifest) Snapshot {
	return Snapshot{Name: name, Path: path, Incarnation: m.Incarnation, Records: m.Records, Bytes: m.Bytes, Files: len(m.Files)}
}
