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
	// settleFor bounds how long the kernel may take to act on a signal, on a
	// loaded machine. The controller waits a little longer for the answer, so
	// that it is told what did not happen.
	settleFor = 4 * time.Second
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
		_, err := s.settle(ctx, false)
		return err
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

// WhileDown calls do while the fault's kill holds the node down and no process
// of it runs; nothing starts one meanwhile. It is an error if that is not so.
func (s *Supervisor) WhileDown(fault string, do func() error) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	held, leader := s.kills[fault], s.leader
	s.mu.Unlock()
	if fault == "" || !held || leader != 0 {
		return fmt.Errorf("the kill of fault %q does not hold the node down", fault)
	}
	return do()
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

// sweep kills the node's processes until none is alive. A helper that a pause
// stopped continues, for the kernel reports a traced process's end to its parent
// only after its tracer has taken note of it.
func (s *Supervisor) sweep(ctx context.Context) error {
	return poll(ctx, func() (bool, error) {
		members, helpers, err := s.look()
		if err != nil {
			return false, err
		}
		alive := false
		for _, m := range members {
			if m.dead() {
				continue
			}
			alive = true
			if err := send(m, unix.SIGKILL); err != nil {
				return false, err
			}
		}
		return !alive, thaw(helpers)
	}, "kill the node")
}

// Pause stops every process of the node and returns when none of their threads
// can execute anything until it is continued; its answer shows them so. Otherwise
// it fails. The node stays stopped until the last fault that paused it resumes it.
func (s *Supervisor) Pause(ctx context.Context, fault string) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	s.pauses[fault] = true
	s.mu.Unlock()
	members, err := s.settle(ctx, true)
	if err != nil {
		s.mu.Lock()
		delete(s.pauses, fault)
		last := len(s.pauses) == 0
		s.mu.Unlock()
		if last {
			_, continued := s.proceed(context.WithoutCancel(ctx))
			err = errors.Join(err, continued)
		}
		return protocol.Process{}, err
	}
	return s.described(members), nil
}

// settle returns the node's processes when all of them have stopped for good. If
// stop is set it makes them; otherwise it waits for those that stop themselves.
// s.turn is held.
//
// A process that is traced, as under the clock's wrapper, shows the same letter
// (t) whether it obeys a SIGSTOP or waits a moment for its tracer, who then lets
// it go on. Nothing in /proc tells the two apart, and on a busy machine the moment
// is long. Therefore the tracer, the agent's helper, is stopped as well, once all
// that it traces seem to be: then nobody can let them go on. It must not be
// stopped earlier, because a process with several threads stops only with its help.
//
// Three looks in a row must find the same processes, all of them halted: after
// the first, nobody is left who could continue a traced one; so what the second
// sees halted stays halted and forks no more; and the third sees what was forked
// behind the back of the second.
func (s *Supervisor) settle(ctx context.Context, stop bool) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	const looks = 3
	var members []entry
	same := 0
	err := poll(ctx, func() (bool, error) {
		before := members
		var helpers []entry
		var err error
		if members, helpers, err = s.look(); err != nil {
			return false, err
		}
		halted, alive := true, false
		for _, m := range members {
			halted = halted && m.halted()
			alive = alive || !m.dead()
		}
		if stop {
			if err := halt(members); err != nil {
				return false, err
			}
			if halted && alive {
				halted, err = freeze(helpers)
			} else {
				err = thaw(helpers)
			}
			if err != nil {
				return false, err
			}
		}
		switch {
		case !halted:
			same = 0
		case same > 0 && equal(before, members):
			same++
		default:
			same = 1
		}
		return same == looks, nil
	}, "stop the node")
	return members, err
}

// halt sends SIGSTOP to each process that is not known to have obeyed one. A
// second one, to a process that has, is dropped when it is continued.
//
// A process that has called vfork(2), as posix_spawn and Go do, waits in the
// kernel, deaf to SIGSTOP (D), until its child has executed its program. If the
// child was stopped before that, neither would ever get on. So the children of a
// process that waits deaf, for whatever, are let go until it does so no more.
func halt(members []entry) error {
	deaf := map[int]bool{}
	for _, m := range members {
		deaf[m.pid] = m.state == 'D'
	}
	for _, m := range members {
		var err error
		switch {
		case m.dead():
		case deaf[m.parent] && m.halted():
			err = send(m, unix.SIGCONT)
		case !deaf[m.parent] && m.state != 'T':
			err = send(m, unix.SIGSTOP)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// freeze stops helpers and says whether all have stopped.
func freeze(helpers []entry) (bool, error) {
	all := true
	for _, h := range helpers {
		if h.halted() {
			continue
		}
		all = false
		if err := send(h, unix.SIGSTOP); err != nil {
			return false, err
		}
	}
	return all, nil
}

// thaw continues the helpers.
func thaw(helpers []entry) error {
	for _, h := range helpers {
		if err := send(h, unix.SIGCONT); err != nil {
			return err
		}
	}
	return nil
}

// send sends a signal to a process that may have ended meanwhile.
func send(e entry, number unix.Signal) error {
	if err := unix.Kill(e.pid, number); err != nil && err != unix.ESRCH {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(number), e.pid, err)
	}
	return nil
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
// process may have stopped itself. Its answer is what it saw last.
func (s *Supervisor) Resume(ctx context.Context, fault string) (protocol.Process, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	held := s.pauses[fault]
	delete(s.pauses, fault)
	last := held && len(s.pauses) == 0
	s.mu.Unlock()
	if !last {
		return s.State()
	}
	members, err := s.proceed(ctx)
	if err != nil {
		return protocol.Process{}, err
	}
	return s.described(members), nil
}

// proceed continues every process of the node and then the helpers, and returns
// the processes as it saw them last. s.turn is held.
func (s *Supervisor) proceed(ctx context.Context) ([]entry, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	first := true
	var members []entry
	err := poll(ctx, func() (bool, error) {
		var helpers []entry
		var err error
		if members, helpers, err = s.look(); err != nil {
			return false, err
		}
		waiting := false
		for _, m := range members {
			if first {
				if err := send(m, unix.SIGCONT); err != nil {
					return false, err
				}
			}
			waiting = waiting || m.state == 'T' || m.state == 't'
		}
		if first {
			first = false
			if err := thaw(helpers); err != nil {
				return false, err
			}
		}
		return !waiting, nil
	}, "continue the node")
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return members, err
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
		_, err := s.proceed(ctx)
		errs = append(errs, err)
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
