package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/refute-lab/refute/nemesis/agent/filter"
	"github.com/refute-lab/refute/nemesis/agent/lease"
	"github.com/refute-lab/refute/nemesis/agent/process"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// The variables by which the test's executable becomes the agent, and the test
// runs in namespaces of its own.
const (
	agentVariable  = "REFUTE_TEST_AGENT"
	insideVariable = "REFUTE_TEST_INSIDE"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(agentVariable) != "":
		main()
	case os.Getenv(insideVariable) != "":
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
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

// conversation is an agent that runs in this process, and its two ends.
type conversation struct {
	in    io.WriteCloser
	lines *bufio.Scanner
	ended chan error
	next  int64
}

func converse(t *testing.T, o podOptions) *conversation {
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	c := &conversation{in: inWrite, lines: bufio.NewScanner(outRead), ended: make(chan error, 1)}
	go func() {
		c.ended <- runAgent(o, inRead, outWrite)
		_ = outWrite.Close()
	}()
	return c
}

func (c *conversation) ask(t *testing.T, r protocol.Request) protocol.Response {
	t.Helper()
	c.next++
	r.ID = c.next
	line, err := json.Marshal(r)
	require.NoError(t, err)
	_, err = c.in.Write(append(line, '\n'))
	require.NoError(t, err)
	for c.lines.Scan() {
		var response protocol.Response
		require.NoError(t, json.Unmarshal(c.lines.Bytes(), &response))
		if response.ID == r.ID {
			return response
		}
	}
	require.Fail(t, "the agent ended")
	return protocol.Response{}
}

func (c *conversation) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.ended:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "the agent does not end")
	}
}

func TestEndOfInputHealsAndEnds(t *testing.T) {
	if !inside(t) {
		return
	}
	f, err := filter.Open()
	if err != nil {
		t.Skip(filter.Explain(err))
	}
	require.NoError(t, f.Close())
	c := converse(t, podOptions{silence: time.Minute})
	response := c.ask(t, protocol.Request{Op: protocol.OpCut, Fault: "f", LeaseMillis: 60_000, Addresses: []string{"192.0.2.1"}})
	require.Empty(t, response.Error)
	require.Contains(t, string(response.Result), "192.0.2.1")
	require.NotEmpty(t, tables(t))
	require.NoError(t, c.in.Close())
	c.end(t)
	require.Empty(t, tables(t))
}

// tables returns the names of the packet filter's tables.
func tables(t *testing.T) (names []string) {
	t.Helper()
	conn, err := nftables.New()
	require.NoError(t, err)
	list, err := conn.ListTables()
	require.NoError(t, err)
	for _, table := range list {
		names = append(names, table.Name)
	}
	return names
}

func TestSilenceEndsTheAgent(t *testing.T) {
	if !inside(t) {
		return
	}
	const silence = time.Second
	c := converse(t, podOptions{silence: silence})
	began, last := time.Now(), time.Time{}
	for time.Since(began) < 2*silence {
		last = time.Now()
		require.Empty(t, c.ask(t, protocol.Request{Op: protocol.OpPing}).Error)
		<-time.After(silence / 10)
	}
	c.end(t)
	require.GreaterOrEqual(t, time.Since(last), silence, "whoever speaks is heard")
}

func TestRequestsAreChecked(t *testing.T) {
	if !inside(t) {
		return
	}
	c := converse(t, podOptions{silence: time.Minute, clock: true})
	for _, r := range []protocol.Request{
		{Op: "frobnicate"}, {Op: protocol.OpCut}, {Op: protocol.OpCut, Fault: "f"},
		{Op: protocol.OpPause, LeaseMillis: 5}, {Op: protocol.OpRenew, Fault: "f"}, {Op: protocol.OpRenew, Fault: "f", LeaseMillis: 5},
		{Op: protocol.OpProbeSend, Token: "t", Addresses: []string{"x"}}, {Op: protocol.OpHello, WaitMillis: 1},
		{Op: protocol.OpClockSet, Fault: "f", LeaseMillis: 5, Clock: &protocol.Clock{OffsetNanos: 1}},
	} {
		require.NotEmpty(t, c.ask(t, r).Error, "%+v", r)
	}
	_, err := io.WriteString(c.in, "this is no request\n")
	require.NoError(t, err)
	require.True(t, c.lines.Scan())
	require.Contains(t, c.lines.Text(), "not a request")
	hello := c.ask(t, protocol.Request{Op: protocol.OpHello})
	var capabilities protocol.Capabilities
	require.NoError(t, json.Unmarshal(hello.Result, &capabilities))
	require.Len(t, capabilities.Version, 64)
	require.NotEmpty(t, capabilities.Faults[protocol.FaultClock], "there is no control directory")
	for _, kind := range []string{protocol.FaultPartition, protocol.FaultPause, protocol.FaultKill, protocol.FaultFastHeal} {
		require.Contains(t, capabilities.Faults, kind)
	}
}

func TestWipeKeepsTheDirectory(t *testing.T) {
	directory := t.TempDir()
	require.NoError(t, os.Chmod(directory, 0o2750))
	require.NoError(t, os.MkdirAll(filepath.Join(directory, "a", "b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "a", "b", "c"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, ".hidden"), []byte("x"), 0o400))
	before, err := os.Stat(directory)
	require.NoError(t, err)
	require.NoError(t, (&agent{options: podOptions{data: directory}}).wipe())
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	require.Empty(t, entries)
	after, err := os.Stat(directory)
	require.NoError(t, err)
	require.Equal(t, before.Mode(), after.Mode())
}

func TestTerminatedAgentEnds(t *testing.T) {
	if !inside(t) {
		return
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), agentVariable+"=1")
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	_, err = io.WriteString(in, `{"id":1,"op":"ping"}`+"\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, `"id":1`)
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait())
}

// TestALeaseThatEndsBeforeItsFaultBegins has a fault that is made so slowly that
// what its lease undoes is not there yet.
func TestALeaseThatEndsBeforeItsFaultBegins(t *testing.T) {
	if !inside(t) {
		return
	}
	a := &agent{refusals: map[string]string{}}
	var err error
	a.node, err = process.Listen(process.Options{Proc: "/proc", Event: func(protocol.Event) {}})
	require.NoError(t, err)
	defer a.node.Close()
	undone := make(chan struct{})
	a.leases = lease.New(func(string) error { return nil }, func(string, error) { close(undone) })
	r := protocol.Request{Op: protocol.OpCut, Fault: "f", LeaseMillis: 1}
	_, err = fault(a, r, protocol.FaultPartition, func() (protocol.Cuts, error) {
		<-undone
		return protocol.Cuts{}, nil
	})
	require.ErrorContains(t, err, "the lease of 1 ms ran out")
	r.LeaseMillis = 60_000
	_, err = fault(a, r, protocol.FaultPartition, func() (protocol.Cuts, error) { return protocol.Cuts{}, nil })
	require.NoError(t, err)
}
