// Package clock makes the wall clock of an unmodified program wrong: it skews
// CLOCK_REALTIME for the processes of one node, a static Go binary as well as a
// C, Python or Java program, while the machine's clock and everybody else's
// stay right. A skew is a jump (bump), a drift, or a clock that hops to and fro
// (strobe), and can be changed at any moment in some nanoseconds.
//
// # The problem
//
// Every container of a machine reads the same kernel clock. Setting it moves
// the host, and with it the controller, the other nodes and the timestamps of
// the recorded history; Linux's time namespaces cover the monotonic clocks, not
// the wall clock. The usual tool, libfaketime, is loaded by LD_PRELOAD: the
// dynamic linker puts its clock_gettime before the C library's. A Go program is
// commonly linked statically, has no dynamic linker, and calls no C library: it
// finds the kernel's function in the vDSO by itself. LD_PRELOAD has no effect on
// it at all, and the clock "fault" injected in that way is none.
//
// # The method
//
// The vDSO is a small library that the kernel maps into every process (vdso(7));
// clock_gettime, gettimeofday and time in it read the clock without a system
// call. Go, glibc, musl and the JVM all use it. Here the first five bytes of
// each of the three functions in one process's private copy are replaced by a
// jump to a few instructions of ours (asm/skew_amd64.S). These obtain the real
// time by the original function (its displaced instructions were moved; where
// that is impossible, by a system call), add the skew and return. The skew comes
// from the control page: a file of 4 KiB that is mapped into the program and that
// the agent writes (Page). So a change needs no access to the program and stops
// nothing, and it works while the program is paused.
//
// The control page is a ring of slots. The writer fills the next slot and then
// publishes its number by one atomic store; the reader takes the slot whose
// number it read and repeats if the number has changed meanwhile. A writer that
// dies at any point blocks nobody.
//
// The patch is made by the wrapper (ModeExec, Exec): a small process that becomes
// the command and keeps its process ID. It has a helper process attach to it with
// ptrace, then executes the command. The kernel stops it at the end of execve,
// before the new program's first instruction; the helper maps the pages, writes
// the code, and lets it run. Thus there is no moment at which the program could
// see the true time, and no thread that could be in the middle of what is
// changed. A process may be traced by another one of the same user and
// privileges: no capability is needed. It works with all capabilities
// dropped, another user than root, no-new-privileges, a read-only root and
// Docker's default seccomp profile.
//
// Everything that the command executes or starts is followed and patched in the
// same way, so that a shell script as an entry point is no obstacle. The helper
// is in a session of its own, so that signals to the command's session do not
// reach it, and it obeys job control on the command's behalf: SIGSTOP, SIGCONT
// and SIGKILL have the effect they always have.
//
// # Never silently unskewed
//
// Where ptrace is refused, or a program cannot be patched, that program does not
// run: it exits with ExitUnavailable and one line on standard error says why and
// what to do. That holds for the command itself and for each program that is
// executed later. Should the helper die, the kernel kills what it traces
// (PTRACE_O_EXITKILL). Available tries out beforehand whether it works.
//
// # When the helper leaves
//
// A traced program costs nothing until it gets a signal or makes a thread or a
// child; then it waits for the helper for some ten microseconds. Go's own
// preemption sends such signals, so that the helper does not stay longer than
// useful: it lets go of a program with several threads that has executed nothing
// else for DefaultSettle, not counting the time for which it was stopped or frozen. Any thread may call execve, hence a launcher with
// threads (one written in Go, say) cannot be told from the real program other
// than by time. The price: what a program with several threads starts later
// sees the true time. If that matters, say -settle 0, and all are followed for
// ever. Programs with a single thread (shells, pre-forking servers) always are.
//
// # What is not skewed
//
//   - Absolute waits for CLOCK_REALTIME in the kernel: pthread_cond_timedwait in
//     its default form, clock_nanosleep and timerfd with TIMER_ABSTIME. A C or C++
//     program that waits until a wall-clock time wakes at the true time. Go's
//     timers and Java's nanoTime waits are monotonic and are not concerned.
//   - Timestamps made by the kernel: of files, of packets, in accounting.
//   - Programs that read the clock by system calls of their own. The three
//     functions' fallback inside the vDSO is covered.
//   - The clocks that are no wall clocks: CLOCK_MONOTONIC, CLOCK_BOOTTIME, CPU time.
//     They are untouched on purpose, as they are by a true clock step.
//   - Processes that the container's engine starts in a node, as `docker exec`
//     does: they need a wrapper of their own.
//
// # Pitfalls
//
//   - The control page must never be truncated or replaced while a program has
//     it mapped, and must not lie on a file system shared with a virtual machine's
//     host. It must be readable, at the same path, for every user that the
//     command may change to, and in whatever it may chroot to.
//   - The state of a paused process in /proc/PID/stat is T; as long as it is traced
//     it is t. That may also be a stop in which it only waits for the helper, which
//     lets it go on: nothing in /proc tells the two apart, and on a busy machine
//     the wait is long. To be sure of a pause, stop the helper too (SIGSTOP), when
//     every thread of all that it traces is in t or T (/proc/PID/task): nobody can
//     let them go on then. Not earlier, for a process with several threads stops
//     only with the helper's help. Continue it (SIGCONT) after a pause, and after
//     a kill: until then nobody is told of the end of what it traces.
//   - While a traced program with several threads executes another one, a SIGSTOP
//     can get lost: a thread that has taken the signal waits for the tracer, and
//     execve ends that thread. This can happen in the first moments of a node
//     with such a launcher only. Look whether a pause took effect; if not, repeat it.
//   - While it is traced without CAP_SYS_PTRACE, a process gains no privileges
//     by executing set-user-ID programs or files with capabilities (ptrace(2)).
//     Dropping privileges works. Programs that their user can execute but
//     not read, and 32-bit programs, are refused.
//   - A debugger cannot attach to a process before the helper has left it.
//   - Where the wrapper is the first process of its PID namespace, the helper
//     ends as its child, a zombie unless it waits for children.
//
// # Trade-offs
//
// eBPF cannot change what a vDSO answers, and is forbidden in many places.
// Trapping every clock reading by seccomp costs a hundred times as much and
// needs programs to be made to call the kernel in the first place. A virtual
// machine for each node has a clock of its own, but is heavy and needs a
// hypervisor. Attaching to a running program by ptrace would need CAP_SYS_PTRACE,
// and care for threads inside the bytes that change. The cost of the method
// chosen is machine code for each architecture: so far there is amd64, and
// ErrUnsupported elsewhere.
package clock
