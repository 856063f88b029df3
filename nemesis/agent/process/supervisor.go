package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// Supervisor is the agent's half. Its methods may be called by several
// goroutines; those that change the node's processes run one after another.
type Supervisor struct {
	options  Options
	listener *net.UnixListener
	// ready is closed when the shim has connected, gone when it has left.
	ready, gone chan struct{}

	// turn serialises the operations. It is not held by the reader of the
	// shim's reports, on which operations wait.
	turn sync.Mutex
	// answers carries the shim's answer to a start.
	answers chan report

	mu     sync.Mutex
	out    *json.Encoder
	space  space
	clock  string
	reason string // why the shim is gone
	leader int
	ended  chan struct{} // closed when the present leader's exit is known
	asked  bool          // the present leader's exit was asked for
	exit   string
	starts int
	wraps  bool // the present leader was started under the wrapper
	pauses map[string]bool
	kills  map[string]bool
}

// Options configure a Supervisor.
type Options struct {
	// Proc is where the PID namespace's procfs is mounted.
	Proc string
	// Wrapper, if not empty, are arguments of the agent's program under which
	// the entrypoint is started wherever the shim finds that it can be.
	Wrapper []string
	// Helper is how the command line of the wrapper's helper process begins,
	// which traces the node's processes. It is not counted among them and never
	// killed; while a pause holds it is stopped too.
	Helper []string
	// Arrived is called once, when the shim has connected, with the user that
	// the node runs as. An error refuses every start.
	Arrived func(uid, gid int) error
	// Event is called for each exit, and when the shim is gone. It must not block.
	Event func(protocol.Event)
}

// Listen opens the socket at which the shim arrives.
func Listen(o Options) (*Supervisor, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketName, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen for the shim: %w", err)
	}
	s := &Supervisor{
		options: o, listener: l, ready: make(chan struct{}), gone: make(chan struct{}), answers: make(chan report, 1),
		space: space{proc: o.Proc, agent: os.Getpid(), helper: o.Helper}, pauses: map[string]bool{}, kills: map[string]bool{},
	}
	go s.serve()
	return s, nil
}

// Close refuses shims; what runs keeps running.
func (s *Supervisor) Close() error {
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // the shim has arrived: the door is closed
}

// serve accepts the shim, the one and only, and reads its reports.
func (s *Supervisor) serve() {
	defer close(s.gone)
	conn, err := s.listener.AcceptUnix()
	_ = s.listener.Close() // nobody else may come
	if err != nil {
		return
	}
	defer conn.Close()
	status := "the node's container ended: see the node's log"
	if err := s.read(conn); err != nil {
		status = err.Error()
	}
	s.mu.Lock()
	s.reason = status
	s.mu.Unlock()
	s.options.Event(protocol.Event{Event: protocol.EventGone, Status: status})
}

func (s *Supervisor) read(conn *net.UnixConn) error {
	peer, err := credentials(conn)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("a report of the shim: %w", err)
		}
		switch r.Kind {
		case reportHello:
			if err := s.options.Arrived(int(peer.Uid), int(peer.Gid)); err != nil {
				return err
			}
			s.mu.Lock()
			s.out = json.NewEncoder(conn)
			s.space.shim, s.clock = int(peer.Pid), r.Clock
			s.mu.Unlock()
			close(s.ready)
		case reportStarted:
			s.started(r.PID)
			s.answer(r)
		case reportFailed:
			s.answer(r)
		case reportExited:
			s.exited(r)
		}
	}
	return lines.Err()
}

func credentials(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("identify the shim: %w", err)
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("identify the shim: %w", err)
	}
	return peer, nil
}

// answer hands over the shim's answer to a start, in place of one that nobody
// waited for any more.
func (s *Supervisor) answer(r report) {
	select {
	case <-s.answers:
	default:
	}
	s.answers <- r
}

func (s *Supervisor) started(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader, s.ended, s.asked = pid, make(chan struct{}), false
	s.starts++
}

// exited records the end of the entrypoint's process, after the end of whatever
// it left behind: a container ends with its first process.
func (s *Supervisor) exited(r report) {
	ctx, cancel := context.WithTimeout(context.Background(), settleFor)
	defer cancel()
	left := s.sweep(ctx)
	s.mu.Lock()
	expected := s.asked
	s.leader, s.exit, s.wraps = 0, r.Status, false
	close(s.ended)
	s.mu.Unlock()
	status := r.Status
	if left != nil {
		status = fmt.Sprintf("%s; %v", status, left)
	}
	s.options.Event(protocol.Event{Event: protocol.EventExit, Status: status, Expected: expected})
}

// Wait waits until the shim has connected.
func (s *Supervisor) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.gone:
		return s.departure()
	case <-ctx.Done():
		return fmt.Errorf("wait for the node's container: %w", ctx.Err())
	}
}

// departure says why the shim is gone.
func (s *Supervisor) departure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.New(s.reason)
}

// SignalRefusal returns why the node's processes can't be signalled; empty when
// they can, or before the shim arrived.
func (s *Supervisor) SignalRefusal() string {
	s.mu.Lock()
	shim := s.space.shim
	s.mu.Unlock()
	if shim == 0 {
		return ""
	}
	if err := unix.Kill(shim, 0); err != nil {
		return fmt.Sprintf("the node's processes can't be signalled (%v): the pod needs the KILL capability; allow it in the engine's security policy", err)
	}
	return ""
}

// Arrived says whether the shim has connected.
func (s *Supervisor) Arrived() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// ClockRefusal returns why clocks can't be skewed in the node's container; empty when they can, or before the shim arrived.
func (s *Supervisor) ClockRefusal() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

// Wrapped says whether a process runs and was started under the wrapper.
func (s *Supervisor) Wrapped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leader != 0 && s.wraps
}

// State returns what the kernel says of the node's processes now.
func (s *Supervisor) State() (protocol.Process, error) {
	members, _, err := s.look()
	if err != nil {
		return protocol.Process{}, err
	}
	return s.described(members), nil
}

// described returns the node's state with the processes as they were seen.
func (s *Supervisor) described(members []entry) protocol.Process {
	var states strings.Builder
	for _, m := range members {
		states.WriteByte(m.state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return protocol.Process{PID: s.leader, States: states.String(), Exit: s.exit, Starts: s.starts}
}

// look returns the node's processes and the helpers that trace them.
func (s *Supervisor) look() (members, helpers []entry, err error) {
	s.mu.Lock()
	space, leader := s.space, s.leader
	s.mu.Unlock()
	if space.shim == 0 {
		return nil, nil, nil
	}
	return space.look(leader)
}

// running returns the entrypoint's process id, 0 for none, and what is closed when it has ended.
func (s *Supervisor) running() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leader, s.ended
}
