package checker

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
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// explosive adds a key whose search has to try every subset of many writes
// of unknown outcome before it could say that the last read is impossible:
// values repeat, so neither zones nor counting help.
func explosive(operations []simulated, key string, process history.Process) []simulated {
	add := func(o history.Operation) {
		o.Key = key
		operations = append(operations, simulated{Operation: o})
	}
	at := int64(1)
	for i := range 40 {
		add(history.Operation{F: history.FCAS, Input: history.ListValue([]int64{int64(i % 7), int64((i*3 + 1) % 7)}), Process: process + history.Process(i), Start: at, End: history.Infinity, Type: history.Info})
		at++
	}
	for i := range 40 {
		add(history.Operation{F: history.FWrite, Input: history.IntValue(int64(i % 7)), Process: process + 40 + history.Process(i), Start: at, End: at + 2000, Type: history.Ok})
		at++
	}
	// 8 is written by nobody but 9→8, and 9 only by a compare-and-set from 10, which is never there.
	add(history.Operation{F: history.FCAS, Input: history.ListValue([]int64{10, 9}), Process: process + 80, Start: at, End: history.Infinity, Type: history.Info})
	add(history.Operation{F: history.FCAS, Input: history.ListValue([]int64{9, 8}), Process: process + 81, Start: at, End: history.Infinity, Type: history.Info})
	add(history.Operation{F: history.FRead, Output: history.IntValue(8), Process: process + 82, Start: at + 3000, End: at + 3001, Type: history.Ok})
	return operations
}

func healthyKeys(n int) []simulated {
	var all []simulated
	for k := range n {
		key := fmt.Sprintf("healthy%d", k)
		for i := range int64(50) {
			all = append(all,
				simulated{Operation: history.Operation{F: history.FWrite, Key: key, Input: history.IntValue(i % 3), Process: 1000, Start: 10 * i, End: 10*i + 3, Type: history.Ok}},
				simulated{Operation: history.Operation{F: history.FRead, Key: key, Output: history.IntValue(i % 3), Process: 1001, Start: 10*i + 4, End: 10*i + 8, Type: history.Ok}})
		}
	}
	return all
}

func TestExplodingKeyEndsUnknownInTime(t *testing.T) {
	operations := order(explosive(healthyKeys(20), "hard", 1))
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}})
	require.NoError(t, err)
	assert.Less(t, time.Since(begin), 3*time.Second)
	result := report.Claims[0]
	assert.Equal(t, Unknown, result.Verdict)
	assert.Equal(t, Unknown, report.Verdict)
	assert.Contains(t, result.Explanation, "1 of 21 keys could not be decided")
	assert.Contains(t, result.Explanation, "key hard")
	assert.Contains(t, result.Explanation, "would help")
}

func TestExplodingKeyEndsUnknownWithinItsMemory(t *testing.T) {
	operations := order(explosive(healthyKeys(3), "hard", 1))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}, Memory: int64(heap()) + 32<<20})
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "the time was over before the memory bound was reached")
	assert.Equal(t, Unknown, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "memory bound")
}

func TestTimeIsOverBeforeTheCheck(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	report, err := Check(ctx, order(healthyKeys(2)), Options{Claims: allClaims()})
	require.NoError(t, err)
	for _, c := range report.Claims {
		assert.Equal(t, Unknown, c.Verdict, c.Claim)
	}
}

// TestContradictionIsShownEvenWithoutTime: what the zones find needs no search.
func TestContradictionIsShownEvenWithoutTime(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	report, err := Check(ctx, golden(t, "stale-read"), Options{Claims: []string{Linearizable}})
	require.NoError(t, err)
	assert.Equal(t, Refuted, report.Claims[0].Verdict)
	assert.True(t, report.Claims[0].Witnesses[0].Confirmed)
}

// TestLongCASChain: a chain of compare-and-sets has an order that follows the
// zones, so its length does not matter.
func TestLongCASChain(t *testing.T) {
	var all []simulated
	for i := range int64(20_000) {
		o := history.Operation{F: history.FCAS, Key: "k", Input: history.ListValue([]int64{i, i + 1}), Process: 1, Start: 10 * i, End: 10*i + 12, Type: history.Ok}
		if i == 0 {
			o.F, o.Input = history.FWrite, history.IntValue(1)
		}
		o.Process = history.Process(i % 2)
		all = append(all, simulated{Operation: o})
	}
	all = append(all, simulated{Operation: history.Operation{F: history.FRead, Key: "k", Output: history.IntValue(20_000), Process: 3, Start: 300_000, End: 300_001, Type: history.Ok}})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	report, err := Check(ctx, order(all), Options{Claims: []string{Linearizable}})
	require.NoError(t, err)
	assert.Equal(t, Holds, report.Claims[0].Verdict, report.Claims[0].Explanation)
}

// etcdLogs are the recordings of Jepsen's etcd test that Porcupine's module
// carries. Those listed here are linearizable, as its own tests say.
var etcdLegal = regexp.MustCompile(`checkJepsen\(t, (\d+), (true|false)\)`)

func TestJepsensEtcdHistories(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine").Output()
	require.NoError(t, err)
	directory := strings.TrimSpace(string(out))
	tests, err := os.ReadFile(filepath.Join(directory, "porcupine_test.go"))
	require.NoError(t, err)
	expected := etcdLegal.FindAllStringSubmatch(string(tests), -1)
	require.Greater(t, len(expected), 90)
	refuted := 0
	for _, e := range expected {
		number, _ := strconv.Atoi(e[1])
		operations := etcdLog(t, filepath.Join(directory, "test_data", "jepsen", fmt.Sprintf("etcd_%03d.log", number)))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		report, err := Check(ctx, operations, Options{Claims: []string{Linearizable, NoStaleReads, ReadYourWrites, MonotonicReads}})
		cancel()
		require.NoError(t, err)
		want := map[string]Verdict{"true": Holds, "false": Refuted}[e[2]]
		got := report.Claims[0]
		require.Equal(t, want, got.Verdict, "log %d: %s", number, got.Explanation)
		if want == Refuted {
			refuted++
			require.True(t, got.Witnesses[0].Confirmed, "log %d", number)
			if n := len(got.Witnesses[0].Operations); n > 20 {
				t.Logf("log %d: the witness has %d of %d operations", number, n, len(operations))
			}
			continue
		}
		for _, c := range report.Claims[1:] {
			require.NotEqual(t, Refuted, c.Verdict, "log %d: %s", number, c.Explanation)
		}
	}
	assert.Greater(t, refuted, 20)
}

var etcdLine = regexp.MustCompile(`INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(\S.*)$`)

// etcdLog reads one of the recordings. Its failed compare-and-sets are
// mismatches; reads that timed out are recorded as failed.
func etcdLog(t *testing.T, path string) []history.Operation {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var operations []history.Operation
	open := map[string]int{}
	lines := bufio.NewScanner(file)
	for n := int64(0); lines.Scan(); n++ {
		m := etcdLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		process, kind, f, argument := m[1], m[2], m[3], m[4]
		if kind == "invoke" {
			p, _ := strconv.Atoi(process)
			open[process] = len(operations)
			operations = append(operations, history.Operation{Index: n, Completion: -1, Start: n, End: history.Infinity, Process: history.Process(p), F: f, Input: etcdValue(f, argument), Type: history.Info})
			continue
		}
		o := &operations[open[process]]
		if kind == "info" {
			continue
		}
		delete(open, process)
		o.Completion, o.End = n, n
		switch {
		case kind == "ok":
			o.Type, o.Output = history.Ok, etcdValue(f, argument)
		case strings.Contains(argument, ":timed-out"):
			o.Type, o.Error = history.Fail, "timed out"
		default:
			o.Type, o.Error = history.Fail, MismatchError
		}
	}
	require.NotEmpty(t, operations)
	return operations
}

func etcdValue(f, argument string) history.Value {
	switch f {
	case history.FCAS:
		var a, b int64
		if _, err := fmt.Sscanf(argument, "[%d %d]", &a, &b); err == nil {
			return history.ListValue([]int64{a, b})
		}
	default:
		if n, err := strconv.ParseInt(argument, 10, 64); err == nil {
			return history.IntValue(n)
		}
		if argument == "nil" && f == history.FRead {
			return history.NilValue()
		}
	}
	return history.Value{}
}
