package harness

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// quietObserver is an Observer that nobody looks at.
type quietObserver struct{}

func (quietObserver) Phase(string)       {}
func (quietObserver) Log(string, ...any) {}

// warmCluster starts five nodes of the bundled store and waits until they answer.
func warmCluster(b *testing.B, settings map[string]string) *Run {
	b.Helper()
	engine, err := docker.Connect(b.Context())
	if err != nil {
		b.Skipf("no Docker engine: %v", err)
	}
	b.Cleanup(func() { _ = engine.Close() })
	request := Request{Target: leaderless.New(), Nemesis: []string{}, Settings: settings, Claims: []string{checker.NoLostWrites}}
	p, system, err := NewPlan(request)
	require.NoError(b, err)
	cluster, err := newContainers(b.Context(), engine, system, docker.Options{
		Run: fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().UnixNano()%1_000_000), Nodes: plan.NodeNames(p.Target.Nodes), Log: func(string) {}})
	require.NoError(b, err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), teardownTimeout)
		defer cancel()
		_ = cluster.Close(ctx)
	})
	run, err := NewRun(RunConfig{Plan: p, System: system, Cluster: cluster, Observer: quietObserver{}})
	require.NoError(b, err)
	require.NoError(b, cluster.Start(b.Context()))
	require.NoError(b, run.awaitReady(b.Context()))
	return run
}

// wrkScript asks what the benchmark's generator asks: half writes of unique values, half reads, ten keys.
const wrkScript = `
local n = 0
request = function()
  n = n + 1
  local path = "/kv/b" .. (n % 10)
  if n % 2 == 0 then return wrk.format("GET", path) end
  return wrk.format("PUT", path, nil, tostring(n))
end
`

// BenchmarkDrive measures operations a second against one node of a warm
// cluster, by ten connections: /controller is the harness as in a run, history
// file included; /wrk is the bare HTTP load generator wrk on the same node
// with the same requests, for three seconds. Compare their ops/s within one
// run, with -benchtime 20000x.
func BenchmarkDrive(b *testing.B) {
	run := warmCluster(b, map[string]string{"fsync": "never"})
	const connections = 10
	b.Run("controller", func(b *testing.B) {
		writer, err := history.Create(filepath.Join(b.TempDir(), "history.jsonl"))
		require.NoError(b, err)
		defer writer.Close()
		var taken atomic.Int64
		g := generator.Function(func(worker, index int) (generator.Operation, bool) {
			n := index*connections + worker
			op := generator.Operation{F: history.FRead, Key: "b" + strconv.Itoa(n%10), Node: "n1"}
			if index%2 == 0 {
				op.F, op.Value = history.FWrite, history.IntValue(int64(n))
			}
			return op, taken.Add(1) <= int64(b.N)
		})
		config := workloads.Config{Nodes: run.cluster.Nodes(), Concurrency: connections}
		pool := newClients(NewRecorder(writer), workloads.Register{}, config, run.connect, 5*time.Second)
		defer pool.closeAll()
		b.ResetTimer()
		require.NoError(b, pool.run(b.Context(), g, false))
		b.StopTimer()
		counts := pool.recorder.Counts()
		require.Equal(b, counts.Invoked, counts.Ok, "every operation succeeds")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	})
	b.Run("wrk", func(b *testing.B) {
		wrk, err := exec.LookPath("wrk")
		if err != nil {
			b.Skip("wrk is not installed: apt-get install wrk")
		}
		script := filepath.Join(b.TempDir(), "mix.lua")
		require.NoError(b, os.WriteFile(script, []byte(wrkScript), 0o644))
		if b.N == 1 {
			return // the trial run: wrk decides by itself how long it takes
		}
		out, err := exec.CommandContext(b.Context(), wrk, "-t1", "-c"+strconv.Itoa(connections), "-d3s", "-s", script,
			"http://"+run.cluster.Endpoint("n1")).CombinedOutput()
		require.NoError(b, err, string(out))
		require.NotContains(b, string(out), "Non-2xx", "every request succeeds")
		found := regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`).FindSubmatch(out)
		require.NotNil(b, found, string(out))
		rate, err := strconv.ParseFloat(string(found[1]), 64)
		require.NoError(b, err)
		b.ReportMetric(rate, "ops/s")
	})
}

// BenchmarkJudgeMillion judges a history of a million operations on 5,000
// keys, with evidence, from its file, in a process of its own, and reports
// that process' peak memory.
func BenchmarkJudgeMillion(b *testing.B) {
	path := filepath.Join(b.TempDir(), "history.jsonl")
	writeOperations(b, path, 1_000_000)
	for b.Loop() {
		b.ReportMetric(judgeElsewhere(b, path), "peak-MiB")
	}
}

// TestJudgeInThisProcess does BenchmarkJudgeMillion's work when that asks for it.
func TestJudgeInThisProcess(t *testing.T) {
	path := os.Getenv("REFUTE_JUDGE")
	if path == "" {
		path = filepath.Join(t.TempDir(), "history.jsonl")
		writeOperations(t, path, 2_000)
	}
	outcome, err := CheckFile(t.Context(), path, []string{checker.Linearizable, checker.NoLostWrites, checker.NoStaleReads, checker.ReadYourWrites, checker.MonotonicReads}, 5*time.Minute)
	require.NoError(t, err)
	require.NotEqual(t, checker.Refuted, outcome.Report.Verdict)
	require.Equal(t, checker.Holds, outcome.Report.Claims[0].Verdict, outcome.Report.Claims[0].Explanation)
	fmt.Printf("peak %d kB\n", peakMemory(t))
}

// peakMemory is the process' greatest resident set so far, in kB.
func peakMemory(t *testing.T) int {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skipf("peak memory is read from /proc: %v", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kB, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			require.NoError(t, err)
			return kB
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return 0
}

// writeOperations writes a linearizable history: ten processes take turns on
// slowly changing keys and overlap with their neighbours.
func writeOperations(t testing.TB, path string, n int) {
	t.Helper()
	w, err := history.Create(path)
	require.NoError(t, err)
	value := map[string]int64{}
	var index int64
	put := func(e history.Event) {
		e.Index, e.Time = index, index*1000
		index++
		require.NoError(t, w.Append(&e))
	}
	evidence := &history.Evidence{Coordinator: "n1", Required: 2, Version: "1795263633277985399@1:1:355",
		Replicas: []history.ReplicaEvidence{{Node: "n1", Answered: true, Counted: true}, {Node: "n2", Answered: true, Counted: true}, {Node: "n3"}}, Phases: []string{"write"}}
	var open []history.Event
	for i := range n {
		e := history.Event{Process: history.Process(i % 10), Type: history.Invoke, F: history.FRead, Key: "r" + strconv.Itoa(i/200), Node: "n1"}
		if i%2 == 0 {
			e.F, e.Value = history.FWrite, history.IntValue(int64(i+1))
		}
		put(e)
		// The operation takes effect here, at its invocation, and ends after the next two have begun.
		e.Type, e.Evidence = history.Ok, evidence
		if e.F == history.FWrite {
			value[e.Key], _ = e.Value.Int()
		} else if v, found := value[e.Key]; found {
			e.Value = history.IntValue(v)
		} else {
			e.Value = history.NilValue()
		}
		if open = append(open, e); len(open) > 2 {
			put(open[0])
			open = open[1:]
		}
	}
	for _, e := range open {
		put(e)
	}
	require.NoError(t, w.Close())
}
