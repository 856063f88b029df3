package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// SocketName is where the shim meets its supervisor: an abstract Unix socket.
const SocketName = "@refute-agent"

// statusDescriptor is where the stages before the entrypoint find a pipe to the
// shim. It closes by itself when the entrypoint is executed; what they write to
// it before is why it could not be.
const statusDescriptor = 3

// dialFor is how long the shim tries to reach its supervisor.
const dialFor = 10 * time.Second

// Shim is the first process of a node's container.
type Shim struct {
	// Program is the path of the agent's program in this container.
	Program string
	// Entrypoint is what the image, or the user, wants to run.
	Entrypoint []string
	// Clock is why clocks can't be skewed here; empty when they can.
	Clock string
}

// Run connects to the supervisor and serves it until it goes away, which ends
// the node too. It must be called on the main goroutine: the kernel kills the
// entrypoint when the thread that started it ends.
func (s Shim) Run() error {
	runtime.LockOSThread()
	conn, err := dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	out := &reporter{encoder: json.NewEncoder(conn)}
	if err := out.send(report{Kind: reportHello, Clock: s.Clock}); err != nil {
		return fmt.Errorf("greet the agent: %w", err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("a command of the agent: %w", err)
		}
		if err := s.start(c, out); err != nil {
			if err := out.send(report{Kind: reportFailed, Status: err.Error()}); err != nil {
				return fmt.Errorf("report to the agent: %w", err)
			}
		}
	}
	return lines.Err()
}

func dial() (net.Conn, error) {
	deadline := time.Now().Add(dialFor)
	for {
		conn, err := net.Dial("unix", SocketName)
		if err == nil {
			return conn, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no agent answers in this container's network namespace: %w", err)
		}
		wait := time.NewTimer(time.Millisecond)
		<-wait.C
	}
}

// start starts the entrypoint once and reports it; its exit is reported later.
func (s Shim) start(c command, out *reporter) error {
	if len(s.Entrypoint) == 0 {
		return errors.New("the image has no entrypoint and no command: give one with the node's specification")
	}
	path, err := exec.LookPath(s.Entrypoint[0])
	if err != nil {
		return fmt.Errorf("the entrypoint: %w", err)
	}
	arguments := s.Entrypoint
	staged := c.Held || len(c.Wrapper) > 0
	if len(c.Wrapper) > 0 {
		arguments = append(append([]string{s.Program}, c.Wrapper...), arguments...)
	}
	if c.Held {
		arguments = append([]string{s.Program, "hold", "--"}, arguments...)
	}
	if staged {
		path = s.Program
	}
	child := &exec.Cmd{
		Path: path, Args: arguments, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		// The entrypoint must not outlive its shim: the container would be gone, the process not.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	var status *os.File
	if staged {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("make a pipe: %w", err)
		}
		child.ExtraFiles = []*os.File{w}
		status = r
		defer w.Close()
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the entrypoint: %w", err)
	}
	var problem string
	if staged && !c.Held {
		child.ExtraFiles[0].Close()
		text, err := io.ReadAll(status)
		if err != nil {
			text = fmt.Appendf(text, "read the wrapper's status: %v", err)
		}
		problem = string(text)
	}
	if status != nil {
		status.Close()
	}
	if problem != "" {
		_ = child.Wait()
		return errors.New(problem)
	}
	if err := out.send(report{Kind: reportStarted, PID: child.Process.Pid}); err != nil {
		return fmt.Errorf("report to the agent: %w", err)
	}
	go func() {
		_ = child.Wait() // what it says is in ProcessState
		_ = out.send(report{Kind: reportExited, PID: child.Process.Pid, Status: child.ProcessState.String()})
	}()
	return nil
}

// Hold stops the calling process and, when it is continued, replaces it by the
// command. It returns only if that failed.
func Hold(command []string) error {
	// A signal to the process may be taken by any of its threads while this one
	// runs on; one to the calling thread is acted on before the call returns.
	runtime.LockOSThread()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP); err != nil {
		return fmt.Errorf("stop before the entrypoint: %w", err)
	}
	if len(command) == 0 {
		return errors.New("hold: no command")
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("the entrypoint: %w", err)
	}
	return fmt.Errorf("execute %s: %w", path, syscall.Exec(path, command, os.Environ()))
}

// Final is to be called by a stage right before it executes the entrypoint: the
// shim then learns of the execution by the end of its pipe.
func Final() { unix.CloseOnExec(statusDescriptor) }

// Fail tells the shim why the entrypoint can't be executed. Outside a shim the
// descriptor is not open and nothing is told.
func Fail(problem error) {
	_, _ = unix.Write(statusDescriptor, []byte(problem.Error()))
}
