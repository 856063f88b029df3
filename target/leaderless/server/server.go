package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refute-lab/refute/target/leaderless/core"
	"github.com/refute-lab/refute/target/leaderless/wal"
)

// Peer is a member of the cluster.
type Peer struct {
	// Name is the node's name; names are distinct.
	Name string
	// Address is the host:port at which the node listens to other nodes.
	Address string
}

// Config is what a node needs to run.
type Config struct {
	// Name is this node's name, one of Peers.
	Name string
	// Peers are all members, this node included, in the same order on every node.
	Peers []Peer
	// Clients and Nodes accept the connections of clients (HTTP) and of other nodes. The server closes them.
	Clients, Nodes net.Listener
	// Data is the directory of the durable log.
	Data string
	// Restore is the directory of a snapshot (see POST /admin/snapshot) from which
	// the log is made before the node starts, once: Data must have no log then.
	// Empty: none.
	Restore string
	// Settings are those of core.Describe, as text; missing ones take their defaults.
	Settings map[string]string
	// CompactAt is the size of the log, in bytes, from which it is compacted. 0: wal.DefaultCompactAt.
	CompactAt int64
	// FirstIncarnation is the incarnation in a directory that is used for the first time; 0 is 1.
	FirstIncarnation uint32
	// Wall is the node's wall clock, in nanoseconds since 1970. nil: the machine's.
	Wall func() int64
	// Logger gets what an operator should know. nil: nowhere.
	Logger *slog.Logger
}

// Server is a running node.
type Server struct {
	name        string
	id          core.NodeID
	settings    core.Settings
	incarnation uint32
	recovered   recovery
	logger      *slog.Logger
	clock       clock
	log         *wal.Log
	http        *http.Server
	nodes       net.Listener
	peers       []*peer // by node; nil for this node
	inbound     inbound
	loop        loop
	refused     refused
	data        string
	snapshots   atomic.Uint64 // names of snapshots that were given none

	stop     chan struct{} // closed when the node is to end
	stopOnce sync.Once
	failure  error          // why it ends; set before stop is closed
	workers  sync.WaitGroup // the network's goroutines
	stopped  chan struct{}  // closed when the loop has ended
}

// recovery is what the log told at the start.
type recovery struct {
	Records int    `json:"records"`
	Torn    string `json:"torn,omitempty"`
}

// Start checks the configuration, recovers the node's state from its log and
// serves. The listeners are closed if it fails.
func Start(config Config) (*Server, error) {
	s, err := start(config)
	if err != nil {
		return nil, errors.Join(err, config.Clients.Close(), config.Nodes.Close())
	}
	return s, nil
}

func start(config Config) (*Server, error) {
	names := make([]string, len(config.Peers))
	for i, p := range config.Peers {
		names[i] = p.Name
	}
	id := slices.Index(names, config.Name)
	if id < 0 {
		return nil, fmt.Errorf("node %q is not among the peers %q: list every node, this one included", config.Name, names)
	}
	settings, err := core.ParseSettings(names, config.Settings)
	if err != nil {
		return nil, err
	}
	logger := config.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		name: config.Name, id: core.NodeID(id), settings: settings, logger: logger,
		clock: newClock(config.Wall), nodes: config.Nodes, data: config.Data,
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.peers = make([]*peer, len(config.Peers))
	for i, p := range config.Peers {
		if core.NodeID(i) != s.id {
			s.peers[i] = newPeer(p.Name, p.Address, s.hello(p.Name))
		}
	}
	if err := s.boot(config); err != nil {
		return nil, err
	}
	s.startNetwork(config)
	return s, nil
}

// boot opens the log and makes the core of what it holds.
func (s *Server) boot(config Config) error {
	options := wal.Options{Mode: wal.Every, Interval: time.Duration(s.settings.Fsync), CompactAt: config.CompactAt, FirstIncarnation: config.FirstIncarnation}
	switch {
	case s.settings.Fsync == core.FsyncAlways:
		options.Mode = wal.Always
	case s.settings.Fsync == core.FsyncNever:
		options.Mode = wal.Never
	case s.settings.FsyncGroup:
		options.Mode = wal.Group
	}
	restored := false
	if config.Restore != "" {
		done, err := wal.Restore(config.Data, config.Restore)
		if err != nil {
			return err
		}
		logger := s.logger.With("from", config.Restore)
		if restored = done; done {
			logger.Info("the log was restored")
		} else {
			logger.Info("the log was restored from there by an earlier start, and was left as it is")
		}
	}
	log, recovered, err := wal.Open(config.Data, options)
	if err != nil {
		return err
	}
	s.log, s.incarnation = log, recovered.Incarnation
	s.recovered.Records = len(recovered.Records)
	if recovered.Torn != nil {
		s.recovered.Torn = recovered.Torn.String()
		s.logger.Warn(s.recovered.Torn)
	}
	if restored {
		recovered.Records = append(recovered.Records, core.CopiedLog())
	}
	if err := s.loop.boot(s, recovered.Records); err != nil {
		return errors.Join(fmt.Errorf("recover from the log in %s: %w", config.Data, err), log.Close())
	}
	return nil
}

// startNetwork starts every goroutine.
func (s *Server) startNetwork(config Config) {
	for _, p := range s.peers {
		if p != nil {
			s.workers.Go(func() { p.run(s.stop, s.logger) })
		}
	}
	s.workers.Go(s.acceptNodes)
	go s.loop.run()
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serveHTTP),
		// No IdleTimeout: closing a client's connection at the moment when a
		// request arrives makes that request's outcome unknown.
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelInfo),
	}
	s.workers.Go(func() {
		if err := s.http.Serve(config.Clients); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve clients: %w", err))
		}
	})
	s.logger.Info("node started", "node", s.name, "incarnation", s.incarnation, "records", s.recovered.Records,
		"clients", config.Clients.Addr().String(), "nodes", config.Nodes.Addr().String())
}

// Failed is closed when the node can't go on, or was closed; Close then returns why.
func (s *Server) Failed() <-chan struct{} { return s.stopped }

// Incarnation counts the starts of the node on its directory.
func (s *Server) Incarnation() uint32 { return s.incarnation }

// Close ends the node: requests under way get a moment to end, then
// connections are cut and the log is flushed. It returns the error that ended
// the node before, if there was one.
func (s *Server) Close() error {
	patience, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(patience) != nil {
		_ = s.http.Close()
	}
	s.end()
	if s.failure != nil {
		return s.failure
	}
	return s.log.Close()
}

// Kill ends the node as SIGKILL would, without any warning to clients, peers
// or the log; tests use it for nodes in their own process.
func (s *Server) Kill() {
	_ = s.http.Close()
	s.end()
	s.log.Abandon()
}

// end stops the loop and the network's goroutines and waits for them.
func (s *Server) end() {
	s.stopOnce.Do(func() { close(s.stop) })
	<-s.stopped
	_ = s.http.Close()
	_ = s.nodes.Close()
	s.inbound.closeAll()
	s.workers.Wait()
}

// fail ends the node because of err; Close must still be called.
func (s *Server) fail(err error) {
	s.stopOnce.Do(func() {
		s.failure = err
		s.logger.Error("the node ends", "node", s.name, "error", err)
		close(s.stop)
	})
}

// clock reads both clocks of a node.
type clock struct {
	start time.Time // with its monotonic reading
	wall  func() int64
}

func newClock(wall func() int64) clock { return clock{start: time.Now(), wall: wall} }

// now never derives one clock from the other: the wall clock may be skewed
// while the monotonic one is not.
func (c *clock) now() core.Now {
	t := time.Now()
	now := core.Now{Mono: int64(t.Sub(c.start)), Wall: t.UnixNano()}
	if c.wall != nil {
		now.Wall = c.wall()
	}
	return now
}
