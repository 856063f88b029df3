package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

const (
	// settleFor bounds how long the kernel may take to act on a signal.
	settleFor = 5 * time.Second
	// startFor bounds how long the shim may take to start the entrypoint.
	startFor = 20 * time.Second
	// lookEvery is the time between two looks at /proc.
	lookEvery = 200 * time.Microsecond
)

// Spawn ends fault's kill, or every kill if fault is empty, and starts the
// entrypoint unless it runs already or another kill holds it down. A process that
// starts while a pause holds is stopped before it executes the entrypoint.
func (s *Supervisor) Spawn(ctx context.Context, fault string) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.Wait(ctx); err != nil {
		return protocol.Process{}, err
	}
	s.mu.Lock()
	if fault == "" {
		clear(s.kills)
	} else {
		delete(s.kills, fault)
	}
	down, leader := len(s.kills) > 0, s.leader
	s.mu.Unlock()
	if !down && leader == 0 {
		if err := s.start(ctx); err != nil {
			return protocol.Process{}, err
		}
	}
	return s.State()
}

// start starts the entrypoint. s.turn is held.
func (s *Supervisor) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startFor)
	defer cancel()
	select {
	case <-s.answers: // to a start that was given up
	default:
	}
	s.mu.Lock()
	c := command{Held: len(s.pauses) > 0}
	if s.clock == "" {
		c.Wrapper = s.options.Wrapper
	}
	err := s.out.Encode(c)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("tell the shim to start the node: %w", err)
	}
	select {
	case r := <-s.answers:
		if r.Kind == reportFailed {
			return fmt.Errorf("start the node: %s", r.Status)
		}
	case <-s.gone:
		return fmt.Errorf("start the node: %w", s.departure())
	case <-ctx.Done():
		return fmt.Errorf("start the node: %w", ctx.Err())
	}
	s.mu.Lock()
	s.wraps = len(c.Wrapper) > 0
	s.mu.Unlock()
	if c.Held {
		// It stops itself. A second SIGSTOP, sent before that, would not add up
		// with it: continued once, the process would go on to stop itself.
		return s.settle(ctx, 0)
	}
	return nil
}

// Kill ends every process of the node with SIGKILL and returns when all are gone
// and the shim has reported the exit. fault, if not empty, holds the node down
// until Spawn, Release or ReleaseAll. A node that does not run stays down.
func (s *Supervisor) Kill(ctx context.Context, fault string) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if fault != "" {
		s.mu.Lock()
		s.kills[fault] = true
		s.mu.Unlock()
	}
	if err := s.kill(ctx); err != nil {
		return protocol.Process{}, err
	}
	return s.State()
}

// kill is Kill without the fault. s.turn is held.
func (s *Supervisor) kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	s.mu.Lock()
	s.asked = true
	s.mu.Unlock()
	if err := s.sweep(ctx); err != nil {
		return err
	}
	leader, ended := s.running()
	if leader == 0 {
		return nil
	}
	select {
	case <-ended:
		return nil
	case <-s.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill the node: process %d was killed but its exit is not reported: %w", leader, ctx.Err())
	}
}

// sweep kills the node's processes until none is alive.
func (s *Supervisor) sweep(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		members, err := s.members()
		if err != nil {
			return false, err
		}
		alive := false
		for _, m := range members {
			if m.dead() {
				continue
			}
			alive = true
			if err := unix.Kill(m.pid, unix.SIGKILL); err != nil && err != unix.ESRCH {
				return false, fmt.Errorf("kill process %d: %w", m.pid, err)
			}
		}
		return !alive, nil
	}, "kill the node")
}

// Pause stops every process of the node and returns when all their threads have
// stopped. The node stays stopped until the last fault that paused it resumes it.
func (s *Supervisor) Pause(ctx context.Context, fault string) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	s.pauses[fault] = true
	s.mu.Unlock()
	if err := s.settle(ctx, unix.SIGSTOP); err != nil {
		s.mu.Lock()
		delete(s.pauses, fault)
		last := len(s.pauses) == 0
		s.mu.Unlock()
		if last {
			err = errors.Join(err, s.proceed(context.WithoutCancel(ctx)))
		}
		return protocol.Process{}, err
	}
	return s.State()
}

// settle sends signal (0 for none) to whatever of the node is not stopped, until
// every process is. s.turn is held.
//
// Two looks in a row must find the same processes, all of them stopped: a
// process can have been forked behind the first look's back, and a traced one
// can be seen in a passing stop of its tracer's.
func (s *Supervisor) settle(ctx context.Context, signal unix.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	var before []entry
	return poll(ctx, func() (bool, error) {
		members, err := s.members()
		if err != nil {
			return false, err
		}
		all := true
		for _, m := range members {
			if m.stopped {
				continue
			}
			all = false
			if err := unix.Kill(m.pid, signal); err != nil && err != unix.ESRCH {
				return false, fmt.Errorf("stop process %d: %w", m.pid, err)
			}
		}
		same := all && before != nil && equal(before, members)
		before = members
		if !all {
			before = nil
		} else if before == nil {
			before = []entry{}
		}
		return same, nil
	}, "stop the node")
}

func equal(a, b []entry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].pid != b[i].pid {
			return false
		}
	}
	return true
}

// Resume ends fault's pause. After the last one it continues every process and
// returns when the kernel no longer shows any as stopped, or after a second: a
// process may have stopped itself.
func (s *Supervisor) Resume(ctx context.Context, fault string) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	held := s.pauses[fault]
	delete(s.pauses, fault)
	last := held && len(s.pauses) == 0
	s.mu.Unlock()
	if last {
		if err := s.proceed(ctx); err != nil {
			return protocol.Process{}, err
		}
	}
	return s.State()
}

// proceed continues every process of the node. s.turn is held.
func (s *Supervisor) proceed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	first := true
	err := poll(ctx, func() (bool, error) {
		members, err := s.members()
		if err != nil {
			return false, err
		}
		waiting := false
		for _, m := range members {
			if first {
				if err := unix.Kill(m.pid, unix.SIGCONT); err != nil && err != unix.ESRCH {
					return false, fmt.Errorf("continue process %d: %w", m.pid, err)
				}
			}
			waiting = waiting || m.state == 'T' || m.state == 't'
		}
		first = false
		return !waiting, nil
	}, "continue the node")
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Release ends fault's pause and kill, whichever it has.
func (s *Supervisor) Release(ctx context.Context, fault string) error {
	_, err := s.Resume(ctx, fault)
	s.mu.Lock()
	held := s.kills[fault]
	s.mu.Unlock()
	if held {
		_, spawnErr := s.Spawn(ctx, fault)
		err = errors.Join(err, spawnErr)
	}
	return err
}

// ReleaseAll ends every pause and every kill.
func (s *Supervisor) ReleaseAll(ctx context.Context) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.releaseAll(ctx, true)
}

// Clear kills the node, ends every pause and every kill, and leaves the node
// down. Then it calls empty, before anything can start it again.
func (s *Supervisor) Clear(ctx context.Context, empty func() error) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.kill(ctx); err != nil {
		return protocol.Process{}, err
	}
	if err := s.releaseAll(ctx, false); err != nil {
		return protocol.Process{}, err
	}
	if err := empty(); err != nil {
		return protocol.Process{}, err
	}
	return s.State()
}

// releaseAll forgets all pauses and kills, continues what is stopped and, if
// asked to, starts what a kill held down. s.turn is held.
func (s *Supervisor) releaseAll(ctx context.Context, start bool) error {
	s.mu.Lock()
	paused, killed, leader := len(s.pauses) > 0, len(s.kills) > 0, s.leader
	clear(s.pauses)
	clear(s.kills)
	s.mu.Unlock()
	var errs []error
	if paused {
		errs = append(errs, s.proceed(ctx))
	}
	if killed && leader == 0 && start {
		errs = append(errs, s.start(ctx))
	}
	return errors.Join(errs...)
}

// poll calls look until it says done, fails, or the context ends.
func poll(ctx context.Context, look func() (done bool, err error), what string) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: the kernel has not done it in time: %w", what, ctx.Err())
		}
		done, err := look()
		if done || err != nil {
			return err
		}
		timer.Reset(lookEvery)
	}
}
