package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

func TestMain(m *testing.M) {
	if err := target.Add(leaderless.New()); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// refute runs the command and returns its exit code and what it wrote.
func refute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// oneLine asserts that the command refused its input with one clear line.
func oneLine(t *testing.T, wants string, args ...string) {
	t.Helper()
	code, stdout, stderr := refute(t, args...)
	assert.Equal(t, exitUsage, code, "%v", args)
	assert.Empty(t, stdout, "%v", args)
	assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line for %v, not:\n%s", args, stderr)
	assert.True(t, strings.HasPrefix(stderr, "refute: "), stderr)
	assert.Contains(t, stderr, wants, "%v", args)
}

func TestWrongUsageIsOneLineAndNothingElse(t *testing.T) {
	for wants, args := range map[string][]string{
		"w=4 > n=3":               {"run", "--set", "w=4"},
		"w=5 > n=3":               {"run", "--profile", "riak", "--set", "w=5"},
		"no profile \"mongo\"":    {"explore", "--profile", "mongo"},
		"chaos":                   {"run", "--nemesis", "chaos"},
		"lightning":               {"explore", "--nemesis", "lightning"},
		"want auto, docker":       {"run", "--on", "kubernetes"},
		"bank":                    {"run", "--workload", "bank"},
		"oracle":                  {"run", "--target", "oracle"},
		"strict-serializable":     {"run", "--claims", "strict-serializable"},
		"KEY=VALUE":               {"run", "--set", "w"},
		"given twice":             {"run", "--set", "w=2", "--set", "w=3"},
		"writers":                 {"run", "--set", "writers=3"},
		"writes":                  {"run", "--set", "writes=0"},
		"26 nodes":                {"run", "--nodes", "26"},
		"time limit of 1s":        {"run", "--time-limit", "1s"},
		"refuted:CLAIM":           {"run", "--expect", "linearizable"},
		"cannot decide":           {"run", "--workload", "set", "--claims", "linearizable"},
		"does not go with":        {"run", "--plan", "p.json", "--seed", "1"},
		"no such file":            {"run", "--plan", "absent.json"},
		"unknown flag":            {"run", "--tim-limit", "3s"},
		"unknown command":         {"lesson"},
		"takes no arguments":      {"clean", "everything"},
		"name at least one":       {"check"},
		"absent.jsonl":            {"check", "absent.jsonl"},
		`invalid argument "many"`: {"run", "--nodes", "many"},
	} {
		oneLine(t, wants, args...)
	}
}

func TestNoEngineIsOneLineWithARemedy(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
	out := t.TempDir()
	oneLine(t, "DOCKER_HOST", "run", "--on", "docker", "--out", out)
	files, err := os.ReadDir(out)
	require.NoError(t, err)
	assert.Empty(t, files, "nothing is left behind")
	oneLine(t, "DOCKER_HOST", "clean")
	code, stdout, _ := refute(t, "doctor")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, stdout, "missing  Docker engine")

	// Where nothing else is asked for, the simulation takes over and says so.
	code, stdout, stderr := refute(t, "run", "--seed", "3", "--time-limit", "5s", "--out", out)
	assert.Contains(t, []int{0, 1}, code, stderr)
	assert.Contains(t, stderr, "no Docker engine answers: running in the simulation")
	assert.Contains(t, stdout, "in simulation")
}

func TestTheClaimsOfTheTargetAreThoseOfTheCheckers(t *testing.T) {
	known := map[string]bool{}
	for _, c := range checker.Claims() {
		known[c.Name] = true
	}
	for _, settings := range []map[string]string{nil, {"w": "1", "r": "1"}, {"repair": "abd"}} {
		system, err := leaderless.New().Configure(5, settings)
		require.NoError(t, err)
		assert.NotEmpty(t, system.Claims())
		for _, c := range system.Claims() {
			assert.True(t, known[c], "the target claims %s", c)
		}
	}
	for _, w := range workloads.All() {
		for _, c := range append(w.Claims(), w.Occasional()...) {
			assert.True(t, known[c], "the workload %s decides %s", w.Name(), c)
		}
	}
}

const goodHistory = `{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"index":1,"time":2,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"index":2,"time":3,"process":0,"type":"invoke","f":"read","key":"x"}
{"index":3,"time":4,"process":0,"type":"ok","f":"read","key":"x","value":1}
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestCheckDecidesAHistory(t *testing.T) {
	repeated := goodHistory
	for i := 4; i < 40; i += 2 { // enough operations for a verdict
		repeated += `{"index":` + num(i) + `,"time":` + num(i+1) + `,"process":0,"type":"invoke","f":"read","key":"x"}` + "\n"
		repeated += `{"index":` + num(i+1) + `,"time":` + num(i+2) + `,"process":0,"type":"ok","f":"read","key":"x","value":1}` + "\n"
	}
	code, stdout, _ := refute(t, "check", "--claims", "linearizable", write(t, "history.jsonl", repeated))
	assert.Zero(t, code, stdout)
	assert.Contains(t, stdout, "linearizable")

	stale := strings.Replace(repeated, `"index":39,"time":40,"process":0,"type":"ok","f":"read","key":"x","value":1`,
		`"index":39,"time":40,"process":0,"type":"ok","f":"read","key":"x","value":null`, 1)
	require.NotEqual(t, repeated, stale)
	code, stdout, _ = refute(t, "check", "--json", "--claims", "linearizable", write(t, "history.jsonl", stale))
	assert.Equal(t, 1, code)
	var document struct {
		Verdict string
		Claims  []struct {
			Claim     string
			Verdict   string
			Witnesses [][]int64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &document), stdout)
	assert.Equal(t, "refuted", document.Verdict)
	assert.Equal(t, "linearizable", document.Claims[0].Claim)
	assert.Contains(t, document.Claims[0].Witnesses[0], int64(38))

	torn := repeated + `{"index":40,"time":41,"proc`
	code, _, stderr := refute(t, "check", "--claims", "linearizable", write(t, "history.jsonl", torn))
	assert.Zero(t, code)
	assert.Contains(t, stderr, "line 41")
}

func num(i int) string { b, _ := json.Marshal(i); return string(b) }

func TestUnusableHistoriesAreOneLine(t *testing.T) {
	twice := goodHistory + `{"index":4,"time":5,"process":0,"type":"ok","f":"read","key":"x","value":1}` + "\n"
	oneLine(t, "completed twice", "check", write(t, "history.jsonl", twice))
	oneLine(t, "not a history", "check", write(t, "history.edn", `{:deps {org.clojure/clojure {:mvn/version "1.11.1"}}}`))
	oneLine(t, "no operation", "check", write(t, "history.jsonl", ""))
	oneLine(t, "not a history", "check", write(t, "history.jsonl", "once upon a time\n"))
}

func TestTheSamePlanForTheSameSeed(t *testing.T) {
	for _, backend := range []string{"docker", "sim"} {
		samePlan(t, backend)
	}
}

func samePlan(t *testing.T, backend string) {
	t.Helper()
	var texts []string
	for range 2 {
		root := newRoot(&bytes.Buffer{}, &bytes.Buffer{})
		c, _, err := root.Find([]string{"run"})
		require.NoError(t, err)
		require.NoError(t, c.ParseFlags([]string{"--seed", "77"}))
		f := runFlags{on: backend, target: "leaderless", workload: "register", rate: -1, seed: 77}
		p, _, _, err := f.plan(c)
		require.NoError(t, err)
		text, err := p.Bytes()
		require.NoError(t, err)
		texts = append(texts, string(text))
		assert.NotEmpty(t, p.Schedule)
	}
	assert.Equal(t, texts[0], texts[1])
}

// needEngine skips a test where no Docker engine answers.
func needEngine(t *testing.T) {
	t.Helper()
	engine, err := docker.Connect(t.Context())
	if err != nil {
		t.Skipf("no Docker engine: %v", err)
	}
	require.NoError(t, engine.Close())
}

func TestARunOnContainersEndToEnd(t *testing.T) {
	needEngine(t)
	out := t.TempDir()
	code, stdout, stderr := refute(t, "run", "--workload", "register", "--set", "n=5", "--set", "w=1", "--set", "r=1",
		"--claims", "linearizable", "--nemesis", "partition", "--time-limit", "8s", "--seed", "3", "--out", out)
	require.Equal(t, 1, code, "%s%s", stdout, stderr)
	assert.Contains(t, stdout, "linearizable")
	assert.Contains(t, stdout, "report.html")
	folder := filepath.Join(out, "latest")
	for _, name := range []string{"plan.json", "history.jsonl", "results.json", "report.html", "junit.xml", "summary.md", "log.txt", "nodes/n1.log"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if assert.NoError(t, err, name) && name != "nodes/n1.log" {
			assert.Positive(t, info.Size(), name)
		}
	}
	var document struct {
		Verdict string
		Claims  []struct{ Witnesses [][]int64 }
		Faults  []struct{ Verified bool }
	}
	text, err := os.ReadFile(filepath.Join(folder, "results.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &document))
	require.NotEmpty(t, document.Claims[0].Witnesses)
	assert.LessOrEqual(t, len(document.Claims[0].Witnesses[0]), 6, "the witness is small")
	require.NotEmpty(t, document.Faults)
	for _, f := range document.Faults {
		assert.True(t, f.Verified)
	}

	// The recorded history gives the same verdict again.
	code, again, _ := refute(t, "check", "--json", folder)
	assert.Equal(t, 1, code)
	assert.Contains(t, again, `"verdict": "refuted"`)
	p, err := plan.Load(filepath.Join(folder, "plan.json"))
	require.NoError(t, err)
	assert.EqualValues(t, 3, p.Seed)
}

func TestARunInSimulationEndToEnd(t *testing.T) {
	out := t.TempDir()
	code, stdout, stderr := refute(t, "run", "--on", "sim", "--set", "n=3", "--set", "w=1", "--set", "r=1", "--claims", "linearizable",
		"--nemesis", "partition,power", "--time-limit", "5s", "--rate", "100", "--seed", "3", "--out", out)
	require.Equal(t, 1, code, "%s%s", stdout, stderr)
	assert.Contains(t, stdout, "in simulation")
	for _, name := range []string{"plan.json", "history.jsonl", "results.json", "report.html", "junit.xml", "summary.md", "log.txt", "trace.jsonl"} {
		info, err := os.Stat(filepath.Join(out, "latest", name))
		if assert.NoError(t, err, name) {
			assert.Positive(t, info.Size(), name)
		}
	}
	report, err := os.ReadFile(filepath.Join(out, "latest", "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(report), "Space-time diagram of")

	// The history alone gives the same verdict, and the plan the same history.
	code, _, _ = refute(t, "check", filepath.Join(out, "latest"))
	assert.Equal(t, 1, code)
	history, err := os.ReadFile(filepath.Join(out, "latest", "history.jsonl"))
	require.NoError(t, err)
	code, _, _ = refute(t, "run", "--plan", filepath.Join(out, "latest", "plan.json"), "--quiet", "--out", out)
	assert.Equal(t, 1, code)
	again, err := os.ReadFile(filepath.Join(out, "latest", "history.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, string(history), string(again))

	// Containers have no such faults, and say which.
	oneLine(t, "power", "run", "--on", "docker", "--plan", filepath.Join(out, "latest", "plan.json"), "--out", out)
}

// TestAHealthyRunDecidesEveryClaim: with --claims all no claim is left without
// anything to check, or it would keep the run from holding.
func TestAHealthyRunDecidesEveryClaim(t *testing.T) {
	for _, w := range workloads.All() {
		settings := []string{"n=5", "w=3", "r=3", "repair=abd"}
		switch w.Name() {
		case "cart": // a union brings removed items back without any fault
			settings = []string{"n=5", "w=3", "r=3", "repair=blocking", "merge=or-set"}
		case "siblings": // no timestamps order them, so that none are fetched
			settings = []string{"n=5", "w=3", "r=3", "repair=blocking"}
		case "datacenters":
			settings = []string{"n=3", "w=4", "r=4", "repair=abd"}
		}
		arguments := []string{"run", "--on", "sim", "--workload", w.Name(), "--claims", "all", "--nemesis", "none",
			"--nodes", "6", "--time-limit", "3s", "--seed", "5", "--out", t.TempDir()}
		for _, s := range settings {
			arguments = append(arguments, "--set", s)
		}
		code, stdout, stderr := refute(t, arguments...)
		assert.Equal(t, 0, code, "%s%s", stdout, stderr)
		assert.Contains(t, stdout, "Verdict: holds")
		for _, claim := range w.Claims() {
			assert.Regexp(t, `(?m)^`+claim+` +holds `, stdout)
		}
	}
}

func TestExploreFindsAndShrinks(t *testing.T) {
	out := t.TempDir()
	code, stdout, stderr := refute(t, "explore", "--set", "n=3", "--set", "w=1", "--set", "r=1", "--claims", "no-stale-reads",
		"--nemesis", "partition", "--seed", "1", "--seeds", "50", "--time-limit", "10s", "--json", "--out", out)
	require.Equal(t, 1, code, "%s%s", stdout, stderr)
	var document struct {
		Verdict  string
		Findings []struct {
			Class   string
			Minimal struct {
				Operations, Faults int
				Hash               string
			}
			Files []string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &document), stdout)
	assert.Equal(t, "refuted", document.Verdict)
	require.NotEmpty(t, document.Findings)
	finding := document.Findings[0]
	assert.Equal(t, "stale-read", finding.Class)
	assert.LessOrEqual(t, finding.Minimal.Operations, 5)
	assert.LessOrEqual(t, finding.Minimal.Faults, 2)
	var shrunk, original string
	for _, path := range finding.Files {
		assert.FileExists(t, path)
		switch filepath.Base(path) {
		case "plan.json":
			shrunk = path
		case "original.json":
			original = path
		}
	}
	require.NotEmpty(t, shrunk)
	code, stdout, stderr = refute(t, "run", "--plan", shrunk, "--out", out)
	assert.Equal(t, 1, code, stderr)
	assert.Contains(t, stdout, finding.Minimal.Hash, "the replay is the run that was found")

	code, stdout, stderr = refute(t, "shrink", original, "--out", out)
	assert.Equal(t, 1, code, stderr)
	assert.Contains(t, stdout, "stale-read")
}

func TestExploreFindsNothingInTheControl(t *testing.T) {
	code, stdout, stderr := refute(t, "explore", "--set", "n=5", "--set", "w=3", "--set", "r=3", "--set", "repair=abd",
		"--seed", "1", "--seeds", "30", "--out", t.TempDir())
	assert.Zero(t, code, "%s%s", stdout, stderr)
	assert.Contains(t, stdout, "0 of 30 seeds")
	assert.Contains(t, stdout, "95 %")
}

func TestWrongUsageOfTheSimulation(t *testing.T) {
	out := t.TempDir()
	oneLine(t, "want auto, docker or sim", "run", "--on", "cloud")
	oneLine(t, "--repeat 0", "run", "--on", "docker", "--repeat", "0")
	oneLine(t, "--seeds or --budget", "explore", "--budget", "0s")
	oneLine(t, "name one plan.json", "shrink")
	oneLine(t, "no such file", "shrink", filepath.Join(out, "none.json"))
	oneLine(t, "only the simulation", "run", "--on", "docker", "--nemesis", "power")
	code, _, stderr := refute(t, "run", "--on", "sim", "--set", "n=5", "--set", "w=3", "--set", "r=3", "--set", "repair=abd",
		"--nemesis", "none", "--time-limit", "1s", "--rate", "50", "--claims", "linearizable", "--out", out)
	require.Zero(t, code, stderr)
	oneLine(t, "refutes none of its claims", "shrink", filepath.Join(out, "latest", "plan.json"), "--quiet", "--out", out)
}
