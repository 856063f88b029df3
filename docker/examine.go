package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/system"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// examineFor bounds each experiment of Examine.
const examineFor = 10 * time.Second

// Finding is one thing that Examine looked at.
type Finding struct {
	// Name is what was looked at: "engine", "image", "pod", "fault: clock".
	Name string
	// OK says that it is as a run needs it.
	OK bool
	// Detail is what was found, for people.
	Detail string
	// Remedy is what to do about it; empty if OK.
	Remedy string
}

// Examine finds out what runs can do on this engine, by doing it: it makes the
// agent's image, starts two small nodes and injects every kind of fault into
// them. Only an engine that can't be asked is an error.
func (e *Engine) Examine(ctx context.Context) ([]Finding, error) {
	info, err := e.client.Info(ctx)
	if err != nil {
		return nil, &EngineError{Address: e.client.DaemonHost(), Err: err}
	}
	findings := e.examineEngine(info)
	image, err := e.agentImage(ctx)
	if err != nil {
		return append(findings, Finding{Name: "image", Detail: oneLine(err), Remedy: "see the message"}), nil
	}
	findings = append(findings, Finding{Name: "image", OK: true, Detail: "the agent's image is " + image})
	return append(findings, e.examineFaults(ctx, image)...), nil
}

func (e *Engine) examineEngine(info system.Info) []Finding {
	findings := []Finding{{
		Name: "engine", OK: true,
		Detail: fmt.Sprintf("Docker Engine %s at %s, API %s, linux/%s, kernel %s, cgroup v%s, storage driver %s",
			e.version.Version, e.client.DaemonHost(), e.client.ClientVersion(), e.version.Arch, info.KernelVersion, info.CgroupVersion, info.Driver),
	}}
	host := e.client.DaemonHost()
	if !strings.HasPrefix(host, "unix:") && !strings.HasPrefix(host, "npipe:") {
		findings = append(findings, Finding{
			Name: "engine's place", Detail: "the engine is remote, and the nodes' ports are published on its loopback interface only",
			Remedy: "run refute on the engine's machine",
		})
	}
	return findings
}

// examineFaults starts two nodes and injects every kind of fault.
func (e *Engine) examineFaults(ctx context.Context, image string) []Finding {
	began := time.Now()
	broken := func(err error) []Finding {
		return []Finding{{Name: "pod", Detail: oneLine(err), Remedy: "try `docker run --rm --cap-add NET_ADMIN` with any image; see the engine's log"}}
	}
	c, err := e.NewCluster(ctx, Options{Run: fmt.Sprintf("doctor-%d-%d", os.Getpid(), began.UnixNano()), Nodes: []string{"n1", "n2"}})
	if err != nil {
		return broken(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var specs []Spec
	for _, n := range c.Nodes() {
		specs = append(specs, Spec{Node: n, Image: image, Entrypoint: []string{agentPath, "idle"}, DataDirectory: "/var/lib/node"})
	}
	if err := c.Start(ctx, specs); err != nil {
		return broken(err)
	}
	findings := []Finding{{Name: "pod", OK: true, Detail: fmt.Sprintf("two nodes started in %v", time.Since(began).Round(time.Millisecond))}}
	capabilities, err := c.Capabilities(ctx, "n1")
	if err != nil {
		return append(findings, Finding{Name: "agent", Detail: oneLine(err), Remedy: "see the message"})
	}
	for _, x := range experiments {
		ctx, cancel := context.WithTimeout(ctx, examineFor)
		findings = append(findings, x.finding(ctx, c, capabilities))
		cancel()
	}
	return findings
}

// experiment tries one kind of fault out.
type experiment struct {
	kind string
	try  func(context.Context, *Cluster) (string, error)
}

var experiments = []experiment{
	{protocol.FaultPartition, tryPartition},
	{protocol.FaultFastHeal, nil},
	{protocol.FaultPause, tryPause},
	{protocol.FaultKill, tryKill},
	{protocol.FaultClock, tryClock},
}

func (x experiment) finding(ctx context.Context, c *Cluster, capabilities protocol.Capabilities) Finding {
	f := Finding{Name: "fault: " + x.kind}
	switch refusal, known := capabilities.Faults[x.kind]; {
	case !known:
		f.Detail, f.Remedy = "the agent does not know it", "remove old images with refute clean"
	case refusal != "":
		f.Detail = refusal
		if i := strings.LastIndex(refusal, ": "); i >= 0 {
			f.Remedy = refusal[i+2:]
		}
	case x.try == nil:
		f.OK, f.Detail = true, "available"
	default:
		detail, err := x.try(ctx, c)
		f.OK, f.Detail = err == nil, detail
		if err != nil {
			f.Detail, f.Remedy = oneLine(err), "the agent says that it can, but it did not work: report it with the engine's version"
		}
	}
	return f
}

// examined is the identity and the lease of the faults that Examine injects.
func examined(r protocol.Request) protocol.Request {
	r.Fault, r.LeaseMillis = "doctor", examineFor.Milliseconds()
	return r
}

// ask calls an agent and decodes its answer.
func ask[T any](ctx context.Context, c *Cluster, node string, r protocol.Request) (T, error) {
	var result T
	response, err := c.Call(ctx, node, r)
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(response.Result, &result); err != nil {
		return result, fmt.Errorf("node %s: %s: %w", node, r.Op, err)
	}
	return result, nil
}

// arrives says whether probes get from n2 to n1.
func arrives(ctx context.Context, c *Cluster, token string, wait time.Duration) (bool, error) {
	if _, err := c.Call(ctx, "n2", protocol.Request{Op: protocol.OpProbeSend, Token: token, Addresses: []string{c.Address("n1")}}); err != nil {
		return false, err
	}
	seen, err := ask[protocol.Seen](ctx, c, "n1", protocol.Request{Op: protocol.OpProbeSeen, Token: token, Addresses: []string{c.Address("n2")}, WaitMillis: wait.Milliseconds()})
	return len(seen.Addresses) == 1, err
}

func tryPartition(ctx context.Context, c *Cluster) (string, error) {
	before, err := arrives(ctx, c, "before", 5*time.Second)
	if err != nil {
		return "", err
	}
	if _, err := c.Call(ctx, "n1", examined(protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n2")}})); err != nil {
		return "", err
	}
	during, err := arrives(ctx, c, "during", 200*time.Millisecond)
	if err != nil {
		return "", err
	}
	if _, err := c.Call(ctx, "n1", examined(protocol.Request{Op: protocol.OpMend})); err != nil {
		return "", err
	}
	after, err := arrives(ctx, c, "after", 5*time.Second)
	if err != nil {
		return "", err
	}
	if !before || during || !after {
		return "", fmt.Errorf("probes arrived before, during, after a cut: %v, %v, %v; want true, false, true", before, during, after)
	}
	return "a cut stops packets and a mended one does not", nil
}

func tryPause(ctx context.Context, c *Cluster) (string, error) {
	p, err := ask[protocol.Process](ctx, c, "n1", examined(protocol.Request{Op: protocol.OpPause}))
	if err != nil {
		return "", err
	}
	if strings.Trim(p.States, "Tt") != "" || p.States == "" {
		return "", fmt.Errorf("the states of a paused node's processes are %q, want T", p.States)
	}
	p, err = ask[protocol.Process](ctx, c, "n1", examined(protocol.Request{Op: protocol.OpResume}))
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(p.States, "Tt") {
		return "", fmt.Errorf("the states of a resumed node's processes are %q", p.States)
	}
	return "a paused process stands still and continues", nil
}

func tryKill(ctx context.Context, c *Cluster) (string, error) {
	p, err := ask[protocol.Process](ctx, c, "n1", examined(protocol.Request{Op: protocol.OpKill}))
	if err != nil {
		return "", err
	}
	if p.PID != 0 {
		return "", fmt.Errorf("process %d runs after the kill", p.PID)
	}
	p, err = ask[protocol.Process](ctx, c, "n1", examined(protocol.Request{Op: protocol.OpSpawn}))
	if err != nil {
		return "", err
	}
	if p.PID == 0 {
		return "", fmt.Errorf("no process runs after the restart")
	}
	return "a killed process is gone and starts again", nil
}

func tryClock(ctx context.Context, c *Cluster) (string, error) {
	state, err := ask[protocol.ClockState](ctx, c, "n1", examined(protocol.Request{Op: protocol.OpClockSet, Clock: &protocol.Clock{OffsetNanos: int64(time.Hour)}}))
	if err != nil {
		return "", err
	}
	if !state.Patched || state.OffsetNanos != int64(time.Hour) {
		return "", fmt.Errorf("the clock is off by %v and the process patched: %v; want 1h and true", time.Duration(state.OffsetNanos), state.Patched)
	}
	_, err = c.Call(ctx, "n1", examined(protocol.Request{Op: protocol.OpClockClear}))
	return "a node's wall clock can be skewed", err
}
