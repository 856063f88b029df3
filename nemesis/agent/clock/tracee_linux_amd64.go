package clock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What golang.org/x/sys does not name; include/uapi/linux/ptrace.h and wait.h.
const (
	ptraceEventStop = 128
	waitAll         = unix.WALL
	syscallStop     = unix.SIGTRAP | 0x80 // with PTRACE_O_TRACESYSGOOD
)

// stepTimeout bounds how long a tracee may take for something that takes it
// microseconds, on a machine under load.
const stepTimeout = 10 * time.Second

// Registers are read and written by PtraceGetRegsAmd64 and PtraceSetRegsAmd64
// only: PtraceGetRegs uses the layout of the tracee's own kind, which for a
// 32-bit program is another one.

// ptrace makes the system call; every call for a tracee must come from the
// thread that seized it.
func ptrace(request, tid int, addr, data uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// stopEvent returns the PTRACE_EVENT of a stop, 0 if it has none.
func stopEvent(ws unix.WaitStatus) int { return int(ws) >> 16 }

// isGroupStop says whether a tracee reports that it takes part in a job-control
// stop, as after SIGSTOP: it must be left stopped, with PTRACE_LISTEN.
func isGroupStop(ws unix.WaitStatus) bool {
	if stopEvent(ws) != ptraceEventStop {
		return false
	}
	switch ws.StopSignal() {
	case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		return true
	}
	return false
}

// waitFor waits for the next stop or the end of one tracee, for stepTimeout.
func waitFor(tid int) (unix.WaitStatus, error) {
	deadline := time.Now().Add(stepTimeout)
	var ws unix.WaitStatus
	for try := 0; ; try++ {
		// Looked at before: between the two this process may itself have been
		// stopped for long.
		late := time.Now().After(deadline)
		got, err := unix.Wait4(tid, &ws, waitAll|unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case got == tid:
			return ws, nil
		case late:
			return 0, fmt.Errorf("process %d did not stop within %v (is its cgroup frozen?)", tid, stepTimeout)
		case try < 20:
			runtime.Gosched()
		default:
			time.Sleep(20 * time.Microsecond) // wait4 has no timeout
		}
	}
}

// tracee is a single-threaded process, stopped at the beginning of a program.
// It is accessed by ptrace alone: after the process has changed its user, a
// tracer without CAP_SYS_PTRACE may not open its files in /proc any more.
type tracee struct {
	tid int
	// syscall is the address of a syscall instruction in its vDSO.
	syscall uint64
	// await waits for what follows a job-control stop: its next stop, or its end.
	await func() (unix.WaitStatus, error)
}

func (t *tracee) peek(addr uint64, b []byte) error {
	if _, err := unix.PtracePeekData(t.tid, uintptr(addr), b); err != nil {
		return fmt.Errorf("read memory of process %d at %#x: %w", t.tid, addr, err)
	}
	return nil
}

func (t *tracee) word(addr uint64) (uint64, error) {
	var b [8]byte
	err := t.peek(addr, b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

// poke writes memory, also where the tracee itself may not write.
func (t *tracee) poke(addr uint64, b []byte) error {
	for len(b) > 0 {
		start := addr &^ 7
		at := int(addr - start)
		var word [8]byte
		if at != 0 || len(b) < 8 {
			if err := t.peek(start, word[:]); err != nil {
				return err
			}
		}
		n := copy(word[at:], b)
		if err := ptrace(unix.PTRACE_POKEDATA, t.tid, uintptr(start), uintptr(binary.LittleEndian.Uint64(word[:]))); err != nil {
			return fmt.Errorf("write memory of process %d at %#x: %w", t.tid, start, err)
		}
		addr += uint64(n)
		b = b[n:]
	}
	return nil
}

// vdsoBase finds the vDSO's address on the stack of a program that has not run
// yet: argc, argv, NULL, envp, NULL, auxiliary vector (System V ABI, 3.4.1).
func (t *tracee) vdsoBase(stack uint64) (uint64, error) {
	argc, err := t.word(stack)
	if err != nil {
		return 0, err
	}
	at := stack + 8 + 8*argc + 8
	for {
		pointer, err := t.word(at)
		if err != nil {
			return 0, err
		}
		at += 8
		if pointer == 0 {
			break
		}
	}
	for {
		var entry [16]byte
		if err := t.peek(at, entry[:]); err != nil {
			return 0, err
		}
		switch key, value := binary.LittleEndian.Uint64(entry[:]), binary.LittleEndian.Uint64(entry[8:]); key {
		case 0:
			return 0, errNoVDSO
		case auxVDSO:
			return value, nil
		}
		at += 16
	}
}

// inject makes the tracee execute one system call, by a syscall instruction
// that it has already: no code is written for it. Its registers and its signal
// mask are as before afterwards.
func (t *tracee) inject(number uint64, arguments ...uint64) (uint64, error) {
	var mask uint64
	if err := ptrace(unix.PTRACE_GETSIGMASK, t.tid, 8, uintptr(unsafe.Pointer(&mask))); err != nil {
		return 0, fmt.Errorf("signal mask of process %d: %w", t.tid, err)
	}
	// No handler may run in between. SIGTRAP is how a step is reported.
	blocked := ^uint64(1 << (unix.SIGTRAP - 1))
	if err := ptrace(unix.PTRACE_SETSIGMASK, t.tid, 8, uintptr(unsafe.Pointer(&blocked))); err != nil {
		return 0, fmt.Errorf("signal mask of process %d: %w", t.tid, err)
	}
	result, err := t.stepSyscall(number, arguments)
	if e := ptrace(unix.PTRACE_SETSIGMASK, t.tid, 8, uintptr(unsafe.Pointer(&mask))); err == nil && e != nil {
		err = e
	}
	if err != nil {
		return 0, fmt.Errorf("system call %d in process %d: %w", number, t.tid, err)
	}
	return result, nil
}

func (t *tracee) stepSyscall(number uint64, arguments []uint64) (uint64, error) {
	var saved unix.PtraceRegsAmd64
	if err := unix.PtraceGetRegsAmd64(t.tid, &saved); err != nil {
		return 0, err
	}
	regs := saved
	regs.Rip, regs.Rax = t.syscall, number
	regs.Orig_rax = ^uint64(0) // so that the kernel does not take it for a call to be restarted
	into := []*uint64{&regs.Rdi, &regs.Rsi, &regs.Rdx, &regs.R10, &regs.R8, &regs.R9}
	for i, a := range arguments {
		*into[i] = a
	}
	err := unix.PtraceSetRegsAmd64(t.tid, &regs)
	// A SIGTRAP that somebody sent looks like a step that was done: look whether it was.
	for err == nil && regs.Rip == t.syscall {
		if err = t.step(); err == nil {
			err = unix.PtraceGetRegsAmd64(t.tid, &regs)
		}
	}
	if e := unix.PtraceSetRegsAmd64(t.tid, &saved); err == nil {
		err = e
	}
	if err != nil {
		return 0, err
	}
	if regs.Rax > ^uint64(4095) {
		return 0, unix.Errno(-int64(regs.Rax))
	}
	return regs.Rax, nil
}

// step executes one instruction. A SIGSTOP, which cannot be blocked, is obeyed
// first: the tracee stays stopped, and step does not return, until SIGCONT.
func (t *tracee) step() error {
	deliver := unix.Signal(0)
	for {
		if err := ptrace(unix.PTRACE_SINGLESTEP, t.tid, 0, uintptr(deliver)); err != nil {
			return err
		}
		deliver = 0
		ws, err := waitFor(t.tid)
		if err != nil {
			return err
		}
		for isGroupStop(ws) {
			if err := ptrace(unix.PTRACE_LISTEN, t.tid, 0, 0); err != nil {
				return err
			}
			if ws, err = t.await(); err != nil {
				return err
			}
		}
		switch {
		case !ws.Stopped():
			return errEnded
		case stopEvent(ws) != 0: // continued, or interrupted: nothing has run
		case ws.StopSignal() == unix.SIGTRAP:
			return nil
		default:
			deliver = ws.StopSignal()
		}
	}
}

// errEnded says that a tracee was killed while it was worked on. Not a failure.
var errEnded = errors.New("the process has ended")

// refuse makes a stopped tracee exit with ExitUnavailable before it executes
// anything. It destroys the program's first instructions.
func (t *tracee) refuse() error {
	var regs unix.PtraceRegsAmd64
	if err := unix.PtraceGetRegsAmd64(t.tid, &regs); err != nil {
		return err
	}
	exit := []byte{0x0f, 0x05} // syscall
	regs.Rax, regs.Orig_rax, regs.Rdi = unix.SYS_EXIT_GROUP, ^uint64(0), ExitUnavailable
	if regs.Cs != userCode64 {
		exit = []byte{0xcd, 0x80} // int $0x80, with the numbers of i386
		regs.Rax, regs.Rbx = 252, ExitUnavailable
	}
	if err := t.poke(regs.Rip, exit); err != nil {
		return err
	}
	if err := unix.PtraceSetRegsAmd64(t.tid, &regs); err != nil {
		return err
	}
	return ptrace(unix.PTRACE_CONT, t.tid, 0, 0)
}

// rawClockGettime reads a clock by a system call, past the vDSO.
func rawClockGettime(id int32, ts *unix.Timespec) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(ts)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
