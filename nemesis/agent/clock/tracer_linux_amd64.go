package clock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// followOptions make every exec of a tracee stop it, make its new threads and
// children tracees too, and kill all of them should the tracer die: a program
// that could execute another one unskewed must not go on alone.
const followOptions = unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL

// tracer follows processes and patches each program that they execute. All of
// its methods run on one thread.
type tracer struct {
	patcher *patcher
	// settle is after how long a program with several threads is let go; 0 is never.
	settle time.Duration
	// log gets a line for each program that was refused.
	log io.Writer

	// threads maps the ID of each tracee to its process.
	threads   map[int]*process
	processes map[int]*process
	// next is when the next tick is due, zero if none is.
	next time.Time
	// patching are the processes that are being patched: several where one was
	// stopped in the middle of it. heard is what wait4 told of them meanwhile.
	patching map[int]bool
	heard    map[int]unix.WaitStatus
}

// process is what the tracer knows of one.
type process struct {
	id      int
	threads int
	// threaded says that the present program has had several threads.
	threaded bool
	// ticks is how much longer the present program is followed if it is threaded.
	ticks int
	// waits says that it is the wrapper, which has not executed the command yet.
	waits bool
	// paused says that it takes part in a job-control stop. It settles anew when
	// it is continued: while it was stopped it could execute nothing.
	paused bool
	// leaving says that each of its threads is let go at its next stop.
	leaving bool
}

// settleTicks is in how many ticks a program settles. They are counted, rather
// than the time being looked at, for the helper may be frozen together with the
// program (docker pause): that must not pass for time in which a launcher could
// have executed something.
const settleTicks = 10

func newTracer(p *patcher, settle time.Duration, log io.Writer) *tracer {
	return &tracer{
		patcher: p, settle: settle, log: log, threads: map[int]*process{}, processes: map[int]*process{},
		patching: map[int]bool{}, heard: map[int]unix.WaitStatus{},
	}
}

// seize begins to trace the single thread tid of a process, without stopping it.
func (t *tracer) seize(tid int) error {
	if err := ptrace(unix.PTRACE_SEIZE, tid, 0, followOptions); err != nil {
		return explainRefusal(tid, err)
	}
	t.add(tid, tid).waits = true
	return nil
}

// explainRefusal says why a process cannot be traced, as far as the kernel lets see.
func explainRefusal(pid int, err error) error {
	e := &UnavailableError{Reason: fmt.Sprintf("ptrace of pid %d refused", pid), Err: err}
	switch {
	case errors.Is(err, unix.ENOSYS):
		e.Remedy = "ptrace is not implemented here, as in gVisor, or a seccomp profile forbids it"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		if tracer := statusField(pid, "TracerPid"); tracer != "" && tracer != "0" {
			e.Remedy = "already traced by pid " + tracer + ": a process can have one tracer only"
			break
		}
		e.Remedy = "need CAP_SYS_PTRACE"
		if scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil {
			e.Remedy += ", yama ptrace_scope=" + string(bytes.TrimSpace(scope)) + " (1 or less is enough)"
		}
		e.Remedy += ", a seccomp or AppArmor profile that permits ptrace, and a program file that its user may read"
	}
	return e
}

// statusField returns a field of /proc/PID/status, "" if it cannot be read.
func statusField(pid int, name string) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

func (t *tracer) add(tid, pid int) *process {
	p := t.processes[pid]
	if p == nil {
		p = &process{id: pid, ticks: settleTicks}
		t.processes[pid] = p
	}
	t.threads[tid] = p
	if p.threads++; p.threads > 1 {
		p.threaded = true
	}
	return p
}

func (t *tracer) remove(tid int) {
	p := t.threads[tid]
	if p == nil {
		return
	}
	delete(t.threads, tid)
	if p.threads--; p.threads == 0 {
		delete(t.processes, p.id)
	}
}

// known returns the process of a tracee, also of one that it hears of for the
// first time: the first stop of a new thread or child can come before that of
// the thread that made it.
func (t *tracer) known(tid int) *process {
	if p := t.threads[tid]; p != nil {
		return p
	}
	pid, err := strconv.Atoi(statusField(tid, "Tgid"))
	if err != nil {
		pid = tid
	}
	return t.add(tid, pid)
}

// follow handles the stops of all tracees until there are none left: they have
// ended, or have been let go. stops gets a value, or has one waiting, whenever
// a tracee has stopped.
func (t *tracer) follow(stops <-chan os.Signal) error {
	for {
		more, err := t.handleAll()
		if err != nil || !more {
			return err
		}
		if !t.anySettling() {
			t.next = time.Time{}
			<-stops
			continue
		}
		if t.next.IsZero() {
			t.next = time.Now().Add(t.settle / settleTicks)
		}
		timer := time.NewTimer(time.Until(t.next))
		select {
		case <-stops:
		case <-timer.C:
			t.next = time.Time{}
			t.tick()
		}
		timer.Stop()
	}
}

// handleAll handles every stop that there is; more says that tracees remain.
func (t *tracer) handleAll() (more bool, err error) {
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, waitAll|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD:
			return false, nil
		case err != nil:
			return false, fmt.Errorf("wait for traced processes: %w", err)
		case tid == 0:
			return true, nil
		default:
			t.handle(tid, ws)
		}
	}
}

// await waits until wait4 tells something of a process that was stopped while it
// is being patched. All others are served meanwhile: they may have been sent the
// same signal, and a process with several threads stops only with the tracer's
// help. What is told of one whose patching this interrupts is kept for it.
func (t *tracer) await(pid int) (unix.WaitStatus, error) {
	for {
		if ws, ok := t.heard[pid]; ok {
			delete(t.heard, pid)
			return ws, nil
		}
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-1, &ws, waitAll, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case t.patching[tid]:
			t.heard[tid] = ws
		default:
			t.handle(tid, ws)
		}
	}
}

// handle notes the end of a tracee, or does what one stop needs and lets the
// tracee go on. An error of ptrace in here means that the tracee was killed
// meanwhile, which wait4 tells.
func (t *tracer) handle(tid int, ws unix.WaitStatus) {
	if !ws.Stopped() {
		t.remove(tid)
		return
	}
	p := t.known(tid)
	event := stopEvent(ws)
	if event == unix.PTRACE_EVENT_EXEC {
		t.handleExec(tid)
		return
	}
	signal := 0
	if event == 0 && ws.StopSignal() != syscallStop {
		signal = int(ws.StopSignal()) // on its way to the tracee
	}
	switch {
	case p.leaving:
		_ = ptrace(unix.PTRACE_DETACH, tid, 0, uintptr(signal))
		t.remove(tid)
	case isGroupStop(ws):
		// It stays stopped, but tells when it is continued.
		p.paused = true
		_ = ptrace(unix.PTRACE_LISTEN, tid, 0, 0)
	default:
		if event == ptraceEventStop && p.paused {
			p.paused, p.ticks = false, settleTicks // continued
		}
		_ = ptrace(unix.PTRACE_CONT, tid, 0, uintptr(signal))
	}
}

// handleExec patches the program that a process has begun to execute.
func (t *tracer) handleExec(tid int) {
	// All threads but one have ended with the old program, and that one has
	// the ID of the process now.
	for other, p := range t.threads {
		if p.id == tid {
			delete(t.threads, other)
		}
	}
	delete(t.processes, tid)
	t.add(tid, tid)
	t.patching[tid] = true
	tracee, err := t.patcher.patchAtExec(tid, func() (unix.WaitStatus, error) { return t.await(tid) })
	delete(t.patching, tid)
	delete(t.heard, tid)
	switch {
	case err == nil:
		_ = ptrace(unix.PTRACE_CONT, tid, 0, 0)
	case errors.Is(err, errEnded):
		t.remove(tid)
	default:
		t.refuse(tracee, err)
	}
}

// refuse ends a process whose program could not be patched.
func (t *tracer) refuse(tracee *tracee, cause error) {
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", tracee.tid))
	if err != nil {
		program = "the program"
	}
	refused := &UnavailableError{
		Reason: fmt.Sprintf("%s (pid %d) was executed but could not be patched, so it was not run", program, tracee.tid),
		Err:    cause,
	}
	fmt.Fprintln(t.log, refused)
	if err := tracee.refuse(); err == nil || errors.Is(ended(err), errEnded) {
		return
	}
	if err := unix.Kill(tracee.tid, unix.SIGKILL); err == nil {
		return
	}
	// It runs as another user whom we may not signal. As its tracer we take it along.
	fmt.Fprintln(t.log, "clock skew: ending every traced process to be rid of it")
	os.Exit(ExitUnavailable)
}

// settling says whether a process is to be let go in a while.
func (t *tracer) settling(p *process) bool {
	return t.settle > 0 && p.threaded && !p.waits && !p.paused && !p.leaving
}

func (t *tracer) anySettling() bool {
	for _, p := range t.processes {
		if t.settling(p) {
			return true
		}
	}
	return false
}

// tick makes the threads of each program with several threads that has run for
// long enough stop, so as to be let go. A shell and a launcher have executed
// something else by then. Any thread can call exec, so that all have to be
// traced as long as one is to be followed.
func (t *tracer) tick() {
	for _, p := range t.processes {
		if t.settling(p) {
			p.ticks--
			p.leaving = p.ticks <= 0
		}
	}
	for tid, p := range t.threads {
		if p.leaving {
			_ = ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0)
		}
	}
}
