package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/refute-lab/refute/nemesis/agent/clock"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// insideVariable says that the test already runs as the first process of a PID namespace.
const insideVariable = "REFUTE_TEST_INSIDE"

func init() {
	// Tracing and execve concern a thread: here it must be the process's first.
	if len(os.Args) > 1 && slices.Contains([]string{"skewed", "traced", "tracer"}, os.Args[1]) {
		runtime.LockOSThread()
	}
}

// TestMain makes the test's executable the agent's program too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && clock.IsMode(os.Args[1]) {
		os.Exit(clock.Main(os.Args[1:]))
	}
	if len(os.Args) > 2 && os.Args[2] == "--" {
		var err error
		switch os.Args[1] {
		case "skewed":
			Final()
			err = clock.Exec(os.Args[3], os.Args[4:], os.Environ())
			Fail(err)
		case "traced":
			err = traced(os.Args[3], os.Args[4:])
		case "tracer":
			err = trace(os.Args[3])
		case "shim":
			err = Shim{Program: os.Args[0], Entrypoint: os.Args[3:]}.Run()
		case "hold":
			Final()
			err = Hold(os.Args[3:])
			Fail(err)
		case "vforks": // starts programs without end, in the way of posix_spawn
			for range 4 {
				go func() {
					for {
						_ = exec.Command("true").Run()
					}
				}()
			}
			select {}
		case "wrap": // a wrapper as package clock's, but one that changes nothing
			Final()
			path, lookErr := exec.LookPath(os.Args[3])
			err = lookErr
			if err == nil {
				err = syscall.Exec(path, os.Args[3:], os.Environ())
			}
			Fail(err)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(126)
		}
		os.Exit(0)
	}
	if os.Getenv(insideVariable) != "" {
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			fmt.Println("mount /proc:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// inside runs the calling test in namespaces of its own, as in a pod, and says
// whether the caller is the one inside.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=300s")
	c.Env = append(os.Environ(), insideVariable+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skipf("can't make namespaces (%v): run the test as root", err)
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// patience bounds every wait for what must happen.
const patience = 30 * time.Second

// pod is a supervisor with a shim.
type pod struct {
	*Supervisor
	events chan protocol.Event
	shim   *exec.Cmd
}

func newPod(t *testing.T, o Options, entrypoint ...string) *pod {
	t.Helper()
	p := &pod{events: make(chan protocol.Event, 100)}
	o.Proc, o.Event = "/proc", func(e protocol.Event) { p.events <- e }
	if o.Arrived == nil {
		o.Arrived = func(int, int) error { return nil }
	}
	var err error
	p.Supervisor, err = Listen(o)
	require.NoError(t, err)
	p.shim = exec.Command(os.Args[0], append([]string{"shim", "--"}, entrypoint...)...)
	p.shim.Stderr = os.Stderr
	require.NoError(t, p.shim.Start())
	t.Cleanup(func() { _ = p.shim.Process.Kill(); _ = p.shim.Wait() })
	require.NoError(t, p.Wait(t.Context()))
	return p
}

// family is a shell with a child in its session and one that has left it. It
// says in a file of the given name that all are there.
func family(t *testing.T) (entrypoint []string, ready string) {
	ready = t.TempDir() + "/ready"
	return []string{"sh", "-c", "sleep 1000 & setsid sleep 1001 & (setsid sleep 1002 &); sleep 0.01; echo > " + ready + "; wait"}, ready
}

func (p *pod) event(t *testing.T) protocol.Event {
	t.Helper()
	select {
	case e := <-p.events:
		return e
	case <-time.After(patience):
		require.Fail(t, "no event")
		return protocol.Event{}
	}
}

// spawn starts the family and waits until it is complete.
func (p *pod) spawn(t *testing.T, ready string) protocol.Process {
	t.Helper()
	require.NoError(t, os.RemoveAll(ready))
	_, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, patience, time.Millisecond)
	state, err := p.State()
	require.NoError(t, err)
	require.Len(t, state.States, 4)
	return state
}

func letters(states string) string {
	l := strings.Split(states, "")
	slices.Sort(l)
	return strings.Join(slices.Compact(l), "")
}

func TestPauseStopsTheWholeFamily(t *testing.T) {
	if !inside(t) {
		return
	}
	entrypoint, ready := family(t)
	p := newPod(t, Options{}, entrypoint...)
	p.spawn(t, ready)
	state, err := p.Pause(t.Context(), "f1")
	require.NoError(t, err)
	require.Equal(t, "TTTT", state.States)
	_, err = p.Pause(t.Context(), "f2")
	require.NoError(t, err)
	state, err = p.Resume(t.Context(), "f1")
	require.NoError(t, err)
	require.Equal(t, "TTTT", state.States, "the other fault still holds")
	state, err = p.Resume(t.Context(), "unknown")
	require.NoError(t, err)
	require.Equal(t, "TTTT", state.States)
	state, err = p.Resume(t.Context(), "f2")
	require.NoError(t, err)
	require.Len(t, state.States, 4)
	require.NotContains(t, state.States, "T")
}

// TestPauseOutrunsForks pauses programs that start others without end, also
// while they are being started themselves and are traced for the clock's sake.
func TestPauseOutrunsForks(t *testing.T) {
	if !inside(t) {
		return
	}
	path := t.TempDir() + "/page"
	page, err := clock.CreatePage(path)
	require.NoError(t, err)
	require.NoError(t, page.Close())
	refused := clock.Available()
	Reap()
	traced := Options{Wrapper: []string{"skewed", "--", path}, Helper: []string{"refute-clock", "clock-helper"}}
	for name, entrypoint := range map[string][]string{
		"fork":  {"sh", "-c", "while :; do (:); (:); done"},
		"vfork": {os.Args[0], "vforks", "--"},
	} {
		t.Run(name, func(t *testing.T) { outrun(t, Options{}, entrypoint) })
		t.Run(name+" under the clock's wrapper", func(t *testing.T) {
			if refused != nil {
				t.Skip(refused)
			}
			outrun(t, traced, entrypoint)
		})
	}
}

func outrun(t *testing.T, o Options, entrypoint []string) {
	p := newPod(t, o, entrypoint...)
	defer func() {
		_, err := p.Kill(context.Background(), "")
		require.NoError(t, err)
	}()
	for i := range 24 {
		if i%4 == 0 {
			_, err := p.Kill(t.Context(), "")
			require.NoError(t, err)
			_, err = p.Spawn(t.Context(), "")
			require.NoError(t, err)
		} else {
			require.Eventually(t, func() bool {
				state, err := p.State()
				return err == nil && len(state.States) > 1
			}, patience, time.Millisecond, "it starts programs")
		}
		state, err := p.Pause(t.Context(), "f")
		require.NoError(t, err, "round %d", i)
		require.NotZero(t, state.PID)
		living := func(states string) string { return strings.ReplaceAll(states, "Z", "") }
		require.Equal(t, "T", letters(strings.ToUpper(living(state.States))), "round %d: %q", i, state.States)
		for range 3 {
			again, err := p.State()
			require.NoError(t, err)
			require.Equal(t, living(state.States), living(again.States), "round %d", i)
		}
		_, err = p.Resume(t.Context(), "f")
		require.NoError(t, err)
	}
}

// traced becomes the command, traced by a helper that is slow: it leaves the
// command in the stop at the end of execve until the named pipe holds a byte.
func traced(gate string, command []string) error {
	attached, w, err := os.Pipe()
	if err != nil {
		return err
	}
	helper, err := os.StartProcess(os.Args[0], []string{os.Args[0], "tracer", "--", gate}, &os.ProcAttr{Files: []*os.File{nil, w, os.Stderr}})
	if err != nil {
		return errors.Join(err, w.Close())
	}
	if err := errors.Join(w.Close(), helper.Release()); err != nil {
		return err
	}
	if _, err := attached.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("the tracer did not attach: %w", err)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, command, os.Environ())
}

// trace is the helper of traced, its parent.
func trace(gate string) error {
	pid := os.Getppid()
	ptrace := func(request int, data uintptr) error {
		if _, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), 0, data, 0, 0); errno != 0 {
			return errno
		}
		return nil
	}
	if err := ptrace(unix.PTRACE_SEIZE, unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL); err != nil {
		return err
	}
	if _, err := os.Stdout.Write([]byte("a")); err != nil {
		return err
	}
	for {
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
			return err
		}
		request, signal := unix.PTRACE_CONT, uintptr(0)
		switch event := int(status) >> 16; {
		case !status.Stopped():
			return nil
		case event == unix.PTRACE_EVENT_EXEC:
			pipe, err := os.Open(gate)
			if err != nil {
				return err
			}
			if _, err := pipe.Read(make([]byte, 1)); err != nil {
				return err
			}
		case event == unix.PTRACE_EVENT_STOP && status.StopSignal() == unix.SIGSTOP:
			request = unix.PTRACE_LISTEN
		case event == 0:
			signal = uintptr(status.StopSignal())
		}
		if err := ptrace(request, signal); err != nil && err != unix.ESRCH {
			return err
		}
	}
}

// TestAPassingStopIsNoPause pauses a program that its tracer holds for a moment:
// /proc shows it as it shows a stopped one.
func TestAPassingStopIsNoPause(t *testing.T) {
	if !inside(t) {
		return
	}
	gate, ran := t.TempDir()+"/gate", t.TempDir()+"/ran"
	require.NoError(t, unix.Mkfifo(gate, 0o600))
	pipe, err := os.OpenFile(gate, os.O_RDWR, 0)
	require.NoError(t, err)
	defer pipe.Close()
	p := newPod(t, Options{Helper: []string{os.Args[0], "tracer"}}, os.Args[0], "traced", "--", gate, "sh", "-c", "echo > "+ran+"; exec sleep 1000")
	state, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		state, err = p.State()
		return err == nil && state.States == "t"
	}, patience, time.Millisecond)
	paused, err := p.Pause(t.Context(), "f")
	require.NoError(t, err)
	require.Equal(t, "t", paused.States)
	_, err = pipe.Write([]byte("go"))
	require.NoError(t, err)
	_, helpers, err := p.look()
	require.NoError(t, err)
	require.Len(t, helpers, 1)
	require.Equal(t, byte('T'), helpers[0].state, "who could let it go has stopped")
	require.NoFileExists(t, ran)
	_, err = p.Resume(t.Context(), "f")
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(ran); return err == nil }, patience, time.Millisecond)
	// A tracer that is stopped does not hide the end of what it traces.
	_, err = p.Pause(t.Context(), "f")
	require.NoError(t, err)
	killed, err := p.Kill(t.Context(), "")
	require.NoError(t, err)
	require.Zero(t, killed.PID)
	require.Equal(t, "signal: killed", killed.Exit)
	require.True(t, p.event(t).Expected)
}

func TestKillEndsTheWholeFamily(t *testing.T) {
	if !inside(t) {
		return
	}
	entrypoint, ready := family(t)
	p := newPod(t, Options{}, entrypoint...)
	first := p.spawn(t, ready)
	_, err := p.Pause(t.Context(), "p")
	require.NoError(t, err)
	killed, err := p.Kill(t.Context(), "k1")
	require.NoError(t, err)
	require.Zero(t, killed.PID)
	require.Empty(t, strings.Trim(killed.States, "Z"))
	require.Equal(t, "signal: killed", killed.Exit)
	require.Equal(t, protocol.Event{Event: protocol.EventExit, Status: "signal: killed", Expected: true}, p.event(t))
	_, err = p.Kill(t.Context(), "k2")
	require.NoError(t, err)
	held, err := p.Spawn(t.Context(), "k1")
	require.NoError(t, err)
	require.Zero(t, held.PID, "k2 holds it down")
	// The pause still holds: the shell is there, stopped, and has done nothing.
	require.NoError(t, os.RemoveAll(ready))
	held, err = p.Spawn(t.Context(), "k2")
	require.NoError(t, err)
	require.NotZero(t, held.PID)
	require.NotEqual(t, first.PID, held.PID)
	require.Equal(t, "T", strings.Trim(held.States, "Z"))
	require.Equal(t, 2, held.Starts)
	require.NoFileExists(t, ready)
	_, err = p.Resume(t.Context(), "p")
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(ready); return err == nil }, patience, time.Millisecond)
	same, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, held.PID, same.PID, "it runs already")
}

func TestExitIsReportedAndEndsWhatIsLeft(t *testing.T) {
	if !inside(t) {
		return
	}
	p := newPod(t, Options{}, "sh", "-c", "setsid sleep 1000 & exit 3")
	_, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, protocol.Event{Event: protocol.EventExit, Status: "exit status 3"}, p.event(t))
	state, err := p.State()
	require.NoError(t, err)
	require.Zero(t, state.PID)
	require.Empty(t, strings.Trim(state.States, "Z"))
	require.Equal(t, "exit status 3", state.Exit)
}

func TestReleaseUndoesWhateverTheFaultDid(t *testing.T) {
	if !inside(t) {
		return
	}
	p := newPod(t, Options{}, "sleep", "1000")
	_, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	_, err = p.Pause(t.Context(), "f")
	require.NoError(t, err)
	_, err = p.Kill(t.Context(), "f")
	require.NoError(t, err)
	require.NoError(t, p.Release(t.Context(), "f"))
	state, err := p.State()
	require.NoError(t, err)
	require.NotZero(t, state.PID)
	require.NotContains(t, state.States, "T")
	_, err = p.Pause(t.Context(), "a")
	require.NoError(t, err)
	_, err = p.Kill(t.Context(), "b")
	require.NoError(t, err)
	require.NoError(t, p.ReleaseAll(t.Context()))
	state, err = p.State()
	require.NoError(t, err)
	require.NotZero(t, state.PID)
	require.NotContains(t, state.States, "T")
	_, err = p.Kill(t.Context(), "c")
	require.NoError(t, err)
	state, err = p.Clear(t.Context(), func() error { return nil })
	require.NoError(t, err)
	require.Zero(t, state.PID, "clearing leaves it down")
	require.NoError(t, p.Release(t.Context(), "c"))
	state, err = p.State()
	require.NoError(t, err)
	require.Zero(t, state.PID, "the fault was forgotten")
}

func TestWrapperAndItsFailures(t *testing.T) {
	if !inside(t) {
		return
	}
	p := newPod(t, Options{Wrapper: []string{"wrap", "--"}}, "sleep", "1000")
	state, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	require.True(t, p.Wrapped())
	argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", state.PID))
	require.NoError(t, err)
	require.Equal(t, "sleep\x001000\x00", string(argv), "when Spawn returns the entrypoint has been executed")
	_, err = p.Kill(t.Context(), "")
	require.NoError(t, err)
	require.False(t, p.Wrapped())
}

func TestEntrypointThatCantStart(t *testing.T) {
	if !inside(t) {
		return
	}
	for _, o := range []Options{{}, {Wrapper: []string{"wrap", "--"}}} {
		p := newPod(t, o, "/nothing")
		_, err := p.Spawn(t.Context(), "")
		require.ErrorContains(t, err, "/nothing")
		require.NoError(t, p.shim.Process.Kill())
		require.Equal(t, protocol.EventGone, p.event(t).Event)
		_, err = p.Spawn(t.Context(), "")
		require.Error(t, err, "the container is gone")
	}
}

func TestShimGoneIsNoticed(t *testing.T) {
	if !inside(t) {
		return
	}
	p := newPod(t, Options{}, "sleep", "1000")
	state, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, p.shim.Process.Kill())
	require.Equal(t, protocol.EventGone, p.event(t).Event)
	require.Eventually(t, func() bool {
		s, _, err := stat(fmt.Sprintf("/proc/%d/stat", state.PID))
		return err != nil || s == 'Z'
	}, patience, time.Millisecond, "the entrypoint does not outlive its shim")
}

func TestArrivalIsRefused(t *testing.T) {
	if !inside(t) {
		return
	}
	s, err := Listen(Options{Proc: "/proc", Event: func(protocol.Event) {}, Arrived: func(uid, gid int) error { return fmt.Errorf("no %d:%d", uid, gid) }})
	require.NoError(t, err)
	shim := exec.Command(os.Args[0], "shim", "--", "sleep", "1000")
	require.NoError(t, shim.Start())
	require.NoError(t, shim.Wait())
	_, err = s.Spawn(t.Context(), "")
	require.ErrorContains(t, err, "no 0:0")
}

func TestOthersAreNotMembers(t *testing.T) {
	if !inside(t) {
		return
	}
	p := newPod(t, Options{Helper: []string{"sleep", "1003"}}, "sh", "-c", "sleep 1003 & wait")
	_, err := p.Spawn(t.Context(), "")
	require.NoError(t, err)
	// The helper is started by the node's own process, as package clock's is.
	helper := 0
	require.Eventually(t, func() bool {
		all, err := p.Supervisor.space.all()
		require.NoError(t, err)
		for _, e := range all {
			if p.Supervisor.space.helps(e.pid) {
				helper = e.pid
			}
		}
		return helper != 0
	}, patience, time.Millisecond)
	state, err := p.Pause(t.Context(), "f")
	require.NoError(t, err)
	require.Equal(t, "T", state.States)
	s, _, err := stat(fmt.Sprintf("/proc/%d/stat", helper))
	require.NoError(t, err)
	require.Equal(t, byte('T'), s, "the helper stops too, but is not counted")
	s, _, err = stat(fmt.Sprintf("/proc/%d/stat", p.shim.Process.Pid))
	require.NoError(t, err)
	require.NotEqual(t, byte('T'), s, "the shim is not stopped")
	_, err = p.Resume(t.Context(), "f")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, _, err := stat(fmt.Sprintf("/proc/%d/stat", helper))
		return err == nil && s == 'S'
	}, patience, time.Millisecond, "the helper continues")
	require.NoError(t, unix.Kill(helper, unix.SIGKILL))
}

func TestWaitEnds(t *testing.T) {
	if !inside(t) {
		return
	}
	s, err := Listen(Options{Proc: "/proc", Event: func(protocol.Event) {}})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = s.Spawn(ctx, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.Close())
}

func TestReap(t *testing.T) {
	if !inside(t) {
		return
	}
	Reap()
	orphan, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "(sleep 0.01; exit 1) & exit 0"}, &os.ProcAttr{})
	require.NoError(t, err)
	require.Positive(t, orphan.Pid)
	require.Eventually(t, func() bool {
		all, err := space{proc: "/proc"}.all()
		return err == nil && len(all) == 1
	}, patience, time.Millisecond, "no zombie stays")
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("1 (sh) S 0 1 1"))
	f.Add([]byte("12 (a) b) (c) T 3 1 1"))
	f.Add([]byte(""))
	f.Add([]byte(") "))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := t.TempDir() + "/stat"
		require.NoError(t, os.WriteFile(path, text, 0o600))
		state, _, err := stat(path)
		if err == nil {
			require.NotZero(t, state)
		}
	})
}

func TestStat(t *testing.T) {
	path := t.TempDir() + "/stat"
	require.NoError(t, os.WriteFile(path, []byte("12 (a) b) (c) T 3 1 1"), 0o600))
	state, parent, err := stat(path)
	require.NoError(t, err)
	require.Equal(t, byte('T'), state)
	require.Equal(t, 3, parent)
	for _, bad := range []string{"", "12 sh", "12 (sh)", "12 (sh) S x"} {
		require.NoError(t, os.WriteFile(path, []byte(bad), 0o600))
		_, _, err := stat(path)
		require.Error(t, err, "%q", bad)
	}
}
