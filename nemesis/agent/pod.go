package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/refute-lab/refute/nemesis/agent/clock"
	"github.com/refute-lab/refute/nemesis/agent/filter"
	"github.com/refute-lab/refute/nemesis/agent/lease"
	"github.com/refute-lab/refute/nemesis/agent/probe"
	"github.com/refute-lab/refute/nemesis/agent/process"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// longestLine bounds a request, in bytes.
const longestLine = 1 << 20

// clockHelper is how the command line of the process begins by which package
// clock patches the node: it must run while the node is stopped.
var clockHelper = []string{"refute-clock", "clock-helper"}

// podOptions are the flags of the agent proper.
type podOptions struct {
	data, control string
	clock         bool
	silence       time.Duration // how long the agent lives without a line
}

// agent is the state of the agent of one pod.
type agent struct {
	options podOptions
	out     output

	filter *filter.Filter // nil if it can't be had; then refusals says why
	clocks *clocks        // nil likewise
	probes *probe.Responder
	node   *process.Supervisor
	leases *lease.Table

	// refusals maps each kind of fault that this pod can't have to the reason and remedy.
	refusals map[string]string
	version  string
}

// output writes whole lines from several goroutines.
type output struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (o *output) send(line any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.encoder.Encode(line); err != nil {
		// The input ends when the output does; until then there is nobody else to tell.
		fmt.Fprintln(os.Stderr, "agent: answer the controller:", err)
	}
}

// runAgent serves the controller until it is gone, then undoes every fault.
func runAgent(o podOptions, in io.Reader, out io.Writer) error {
	signal.Ignore(syscall.SIGPIPE)
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	if os.Getpid() == 1 {
		process.Reap()
	}
	a := &agent{options: o, out: output{encoder: json.NewEncoder(out)}, refusals: map[string]string{}}
	if err := a.open(); err != nil {
		return err
	}
	lines, ended := make(chan []byte), make(chan error, 1)
	go func() {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, longestLine)
		for scanner.Scan() {
			lines <- append([]byte(nil), scanner.Bytes()...)
		}
		ended <- scanner.Err()
	}()
	lanes := a.lanes()
	silence := time.NewTimer(o.silence)
	defer silence.Stop()
	for {
		select {
		case line := <-lines:
			silence.Reset(o.silence)
			var r protocol.Request
			if err := json.Unmarshal(line, &r); err != nil {
				a.out.send(protocol.Response{Error: fmt.Sprintf("not a request: %v", err)})
				continue
			}
			lanes.take(r)
		case err := <-ended:
			return errors.Join(err, a.close("the controller is gone"))
		case <-silence.C:
			return a.close(fmt.Sprintf("nothing heard for %v", o.silence))
		case s := <-terminated:
			return a.close("signal: " + s.String())
		}
	}
}

// open prepares every kind of fault once, and notes those that can't be had.
func (a *agent) open() error {
	version, err := digest("/proc/self/exe")
	if err != nil {
		return err
	}
	a.version = version
	if a.filter, err = filter.Open(); err != nil {
		a.filter = nil
		a.refusals[protocol.FaultPartition] = filter.Explain(err)
		a.refusals[protocol.FaultFastHeal] = filter.Explain(err)
	} else if err := filter.CanDestroy(); err != nil {
		a.refusals[protocol.FaultFastHeal] = fmt.Sprintf("connections can't be destroyed (%v): the engine's kernel needs CONFIG_INET_DIAG_DESTROY; heal without it and wait for TCP's own back-off", err)
	}
	if a.probes, err = probe.Listen(probe.Port); err != nil {
		return err
	}
	var wrapper []string
	switch {
	case !a.options.clock:
		a.refusals[protocol.FaultClock] = "the node was started without clock skew: start it with the wrapper"
	case a.options.control == "":
		a.refusals[protocol.FaultClock] = "the pod and the node share no directory for the clock's control page: give the agent one with -control"
	default:
		path := filepath.Join(a.options.control, "clock")
		page, err := clock.CreatePage(path)
		if err != nil {
			a.refusals[protocol.FaultClock] = err.Error()
			break
		}
		a.clocks = newClocks(page)
		wrapper = []string{clock.ModeExec, "-page", path, "--"}
	}
	a.leases = lease.New(a.undo, a.expired)
	a.node, err = process.Listen(process.Options{
		Proc: "/proc", Wrapper: wrapper, Helper: clockHelper, Arrived: a.handOver,
		Event: func(e protocol.Event) { go a.out.send(e) },
	})
	return err
}

// close undoes every fault. The end of the process then ends the node: there is
// no need to continue or to start it first.
func (a *agent) close(why string) error {
	fmt.Fprintf(os.Stderr, "agent: %s: undoing every fault, exiting\n", why)
	a.leases.EndAll()
	var errs []error
	if a.filter != nil {
		errs = append(errs, a.filter.Close())
	}
	if a.clocks != nil {
		a.clocks.clearAll()
	}
	return errors.Join(append(errs, a.probes.Close(), a.node.Close())...)
}

// handOver gives the data directory to the node's user where the engine made it
// for root because the image does not have the directory.
func (a *agent) handOver(uid, gid int) error {
	if a.options.data == "" || uid == 0 {
		return nil
	}
	info, err := os.Stat(a.options.data)
	if err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	entries, err := os.ReadDir(a.options.data)
	if err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || owner.Uid != 0 || len(entries) > 0 {
		return nil // the image has it, and gave it to whom it wanted
	}
	if err := os.Chown(a.options.data, uid, gid); err != nil {
		return fmt.Errorf("give the data directory to the node's user %d: %w", uid, err)
	}
	return nil
}

// undo ends everything that the fault does here.
func (a *agent) undo(fault string) error {
	var errs []error
	if a.filter != nil {
		_, err := a.filter.Mend(fault)
		errs = append(errs, err)
	}
	if a.clocks != nil {
		a.clocks.clear(fault)
	}
	return errors.Join(append(errs, a.node.Release(context.Background(), fault))...)
}

func (a *agent) expired(fault string, err error) {
	e := protocol.Event{Event: protocol.EventLease, Fault: fault}
	if err != nil {
		e.Status = err.Error()
	}
	a.out.send(e)
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("digest the agent's program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("digest the agent's program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
