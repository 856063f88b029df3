package leaderless_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// enough is a deadline that passes for want of an answer, on a busy machine too,
// and not before the request was sent.
const enough = 500 * time.Millisecond

// program is the store's program, built once for all tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "leaderless")
		if err != nil {
			log.Print(err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "leaderless")
		build := exec.Command("go", "build", "-trimpath", "-o", program, leaderless.Program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			log.Printf("build the store: %v\n%s", err, output)
			return 1
		}
		return m.Run()
	}())
}

// processes are the nodes of a cluster as real processes.
type processes struct {
	t       testing.TB
	system  target.System
	dir     string
	peers   []string // name=address, for --peers
	names   []string
	nodes   []string // addresses for other nodes
	clients []string // addresses for clients
	running []*exec.Cmd
}

// startProcesses starts n nodes on the loopback addresses 127.0.0.1, 127.0.0.2, …
func startProcesses(t testing.TB, n int, settings map[string]string) *processes {
	system, err := leaderless.New().Configure(n, settings)
	require.NoError(t, err)
	p := &processes{t: t, system: system, dir: t.TempDir(), running: make([]*exec.Cmd, n)}
	for i := range n {
		host := fmt.Sprintf("127.0.0.%d", i+1)
		p.names = append(p.names, fmt.Sprintf("n%d", i+1))
		p.nodes = append(p.nodes, freeAddress(t, host))
		p.clients = append(p.clients, freeAddress(t, host))
		p.peers = append(p.peers, p.names[i]+"="+p.nodes[i])
	}
	t.Cleanup(func() {
		for i := range p.running {
			p.kill(i)
		}
	})
	for i := range n {
		p.start(i)
	}
	for i := range n {
		p.ready(i)
	}
	return p
}

// freeAddress returns an address that nobody listens at.
func freeAddress(t testing.TB, host string) string {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (p *processes) start(i int, flags ...string) {
	arguments := []string{"--name", p.names[i], "--peers", strings.Join(p.peers, ","), "--data", filepath.Join(p.dir, p.names[i]),
		"--client-listen", p.clients[i], "--peer-listen", p.nodes[i]}
	for name, value := range p.system.Settings() {
		arguments = append(arguments, "--set", name+"="+value)
	}
	command := exec.Command(program, append(arguments, flags...)...)
	output, err := os.OpenFile(filepath.Join(p.dir, p.names[i]+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(p.t, err)
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	require.NoError(p.t, command.Start())
	p.running[i] = command
}

// kill sends SIGKILL and waits for the end.
func (p *processes) kill(i int) {
	if command := p.running[i]; command != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		p.running[i] = nil
	}
}

// stop sends SIGSTOP and waits until every thread has obeyed: the signal is a
// request, and until the kernel reports the stop the node may still answer.
func (p *processes) stop(i int) {
	process := p.running[i].Process
	require.NoError(p.t, process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.t, err)
	require.True(p.t, status.Stopped(), "status %#x", uint32(status))
}

// client returns a client of the node.
func (p *processes) client(i int) target.Client {
	client, err := p.system.Connect(p.names[i], p.clients[i])
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (p *processes) register(i int) target.Register { return p.client(i).(target.Register) }

// ready waits until the node answers.
func (p *processes) ready(i int) {
	client := p.client(i)
	p.eventually(p.names[i]+" to be ready", func(ctx context.Context) bool { return client.Ready(ctx) == nil })
}

// meet waits until all nodes are connected to all others: what they send before
// that is dropped, as on any network, and a test that needs a certain peer
// would fail now and then.
func (p *processes) meet() {
	for i := range p.running {
		p.connected(i)
	}
}

func (p *processes) connected(i int) {
	p.eventually(p.names[i]+" to be connected", func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.clients[i]+"/admin/status", nil)
		require.NoError(p.t, err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		var status struct {
			Peers []struct {
				Connected bool `json:"connected"`
			} `json:"peers"`
		}
		if json.NewDecoder(response.Body).Decode(&status) != nil || len(status.Peers) != len(p.names)-1 {
			return false
		}
		for _, peer := range status.Peers {
			if !peer.Connected {
				return false
			}
		}
		return true
	})
}

// eventually waits for a condition that no event tells of.
func (p *processes) eventually(what string, condition func(context.Context) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !condition(ctx) {
		require.NoError(p.t, ctx.Err(), "waited in vain for %s", what)
		time.Sleep(2 * time.Millisecond)
	}
}

// write writes the value under "key" and expects success.
func (p *processes) write(client target.Client, value int64) {
	p.t.Helper()
	_, err := client.(target.Register).Write(within(p.t, patience), "key", value)
	require.NoError(p.t, err)
}

// quiet waits until no node has anything pending.
func (p *processes) quiet() {
	p.t.Helper()
	for i := range p.running {
		client := p.client(i).(target.Quieter)
		p.eventually(p.names[i]+" to be quiet", func(ctx context.Context) bool {
			pending, err := client.Pending(ctx)
			return err == nil && pending.Quiet
		})
	}
}

// dumps returns the state of every node.
func (p *processes) dumps() []history.Dump {
	var dumps []history.Dump
	for i := range p.running {
		dump, err := p.client(i).(target.Dumper).Dump(within(p.t, patience))
		require.NoError(p.t, err)
		dumps = append(dumps, dump)
	}
	return dumps
}

// runProgram runs the program to its end and returns what it wrote and its status.
func runProgram(arguments ...string) (output string, status int) {
	command := exec.Command(program, arguments...)
	text, _ := command.CombinedOutput()
	return string(text), command.ProcessState.ExitCode()
}
