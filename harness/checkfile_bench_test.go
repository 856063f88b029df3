package harness

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

// generated describes a history that is linearizable by construction.
type generated struct {
	operations, keys, clients int
	// unknown is the part of all operations, in percent, of which nobody learns what became of them.
	unknown int
	// evidence puts evidence beside every completion.
	evidence bool
	seed     uint64
}

// historyWriter writes such a history, a line an event as a Writer does. It keeps
// to the rules by construction; what reads the file sees that it did.
type historyWriter struct {
	generated
	random *rand.Rand
	out    *os.File
	buffer []byte
	index  int64
	time   int64
	open   []history.Event // by client; Type 0 if it has none open
	late   []bool          // by client: its operation takes effect as late as it can
	ids    []history.Process
	values []history.Value // by key
	names  []string        // of keys
	next   int64
	err    error
}

var generatedEvidence = &history.Evidence{Coordinator: "n1", Required: 2, Version: "1795263633277985399@1:1:355",
	Replicas: []history.ReplicaEvidence{{Node: "n1", Answered: true, Counted: true}, {Node: "n2", Answered: true, Counted: true}, {Node: "n3"}}, Phases: []string{"write"}}

func (g *historyWriter) put(e history.Event) {
	e.Index, e.Time = g.index, g.time
	g.index++
	g.time += 1 + g.random.Int64N(2000)
	g.buffer = history.AppendEvent(g.buffer, &e)
	if len(g.buffer) > 1<<20 {
		g.flush()
	}
}

func (g *historyWriter) flush() {
	_, err := g.out.Write(g.buffer)
	g.err = cmp.Or(g.err, err)
	g.buffer = g.buffer[:0]
}

// phase writes one end of a phase.
func (g *historyWriter) phase(name string, typ history.Type) {
	g.put(history.Event{Process: history.Nemesis, Type: typ, F: history.FPhase, Key: name})
}

// key is the number of the key with that name.
func (g *historyWriter) key(name string) int {
	n, err := strconv.Atoi(name[1:])
	g.err = cmp.Or(g.err, err)
	return n
}

// invoke begins an operation of the client.
func (g *historyWriter) invoke(client, key int, read bool) {
	e := history.Event{Process: g.ids[client], Type: history.Invoke, F: history.FRead, Key: g.names[key], Node: "n" + strconv.Itoa(1+client%5)}
	if !read {
		g.next++
		e.F, e.Value = history.FWrite, history.IntValue(g.next)
	}
	g.put(e)
	g.late[client] = g.random.IntN(2) == 0
	if !g.late[client] {
		g.effect(&e, key)
	}
	g.open[client] = e
}

// effect lets the operation happen: a write is done, a read takes what it finds.
func (g *historyWriter) effect(e *history.Event, key int) {
	if e.F == history.FWrite {
		g.values[key] = e.Value
	} else {
		e.Value = g.values[key]
	}
}

// complete ends the client's operation.
func (g *historyWriter) complete(client int) {
	e := &g.open[client]
	if g.random.IntN(100) < g.unknown {
		// A write may have happened already; one that has not never does.
		e.Type, e.Error = history.Info, "timed out"
		if e.F == history.FRead {
			e.Value = history.Value{}
		}
		g.ids[client] += history.Process(g.clients)
	} else {
		if g.late[client] {
			g.effect(e, g.key(e.Key))
		}
		e.Type = history.Ok
	}
	if g.evidence {
		e.Evidence = generatedEvidence
	}
	g.put(*e)
	*e = history.Event{}
}

// write writes the history to the file.
func (s generated) write(t testing.TB, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	g := &historyWriter{generated: s, random: rand.New(rand.NewPCG(s.seed, 7)), out: file,
		open: make([]history.Event, s.clients), late: make([]bool, s.clients), ids: make([]history.Process, s.clients)}
	for c := range s.clients {
		g.ids[c] = history.Process(c)
	}
	for k := range s.keys {
		g.values, g.names = append(g.values, history.NilValue()), append(g.names, "r"+strconv.Itoa(k))
	}
	g.phase(history.PhaseMain, history.Invoke)
	for invoked := 0; invoked < s.operations; {
		client := g.random.IntN(s.clients)
		if g.open[client].Type != 0 {
			g.complete(client)
			continue
		}
		g.invoke(client, g.random.IntN(s.keys), g.random.IntN(2) == 0)
		invoked++
	}
	for client := range s.clients {
		if g.open[client].Type != 0 {
			g.complete(client)
		}
	}
	g.phase(history.PhaseMain, history.Ok)
	g.phase(history.PhaseHeal, history.Invoke)
	g.phase(history.PhaseHeal, history.Ok)
	g.phase(history.PhaseFinals, history.Invoke)
	g.unknown = 0
	for k := range s.keys {
		g.invoke(k%s.clients, k, true)
		g.complete(k % s.clients)
	}
	g.phase(history.PhaseFinals, history.Ok)
	g.flush()
	require.NoError(t, g.err)
	require.NoError(t, file.Close())
}

// BenchmarkCheckFile judges long histories from their files, in three steps
// that are to be compared within one run: bytes reads the file and counts its
// lines, operations reads its operations, check decides linearizable and the
// claims about reads and lost writes, in a process of its own whose peak
// memory is reported. The longest history is left out unless -bench names it
// ("CheckFile/10M").
func BenchmarkCheckFile(b *testing.B) {
	for name, s := range map[string]generated{
		"1M-1-key":      {operations: 1_000_000, keys: 1, clients: 100, unknown: 30},
		"10M-1000-keys": {operations: 10_000_000, keys: 1000, clients: 100, unknown: 5},
	} {
		if strings.HasPrefix(name, "10M") && !strings.Contains(flag.Lookup("test.bench").Value.String(), "10M") {
			continue
		}
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "history.jsonl")
			s.write(b, path)
			info, err := os.Stat(path)
			require.NoError(b, err)
			report := func(b *testing.B) {
				b.SetBytes(info.Size())
				b.ReportMetric(float64(s.operations)*float64(b.N)/b.Elapsed().Seconds(), "operations/s")
			}
			b.Run("bytes", func(b *testing.B) {
				for b.Loop() {
					require.Positive(b, countLines(b, path))
				}
				report(b)
			})
			b.Run("operations", func(b *testing.B) {
				for b.Loop() {
					file, err := history.Open(path)
					require.NoError(b, err)
					count := 0
					require.NoError(b, file.Source(context.Background(), func(*history.Operation) bool { count++; return true }))
					require.Greater(b, count, s.operations)
					require.NoError(b, file.Close())
				}
				report(b)
			})
			b.Run("check", func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(judgeElsewhere(b, path), "peak-MiB")
				}
				report(b)
			})
		})
	}
}

// countLines does the least that reading a file of lines takes.
func countLines(t testing.TB, path string) int {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	buffer, lines := make([]byte, 384<<10), 0
	for {
		n, err := file.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte("\n"))
		if err == io.EOF {
			return lines
		}
		require.NoError(t, err)
	}
}

// judgeElsewhere judges the history in a process of its own and returns that process' peak memory in MiB.
func judgeElsewhere(b *testing.B, path string) float64 {
	b.Helper()
	c := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "^TestJudgeInThisProcess$", "-test.count", "1")
	c.Env = append(os.Environ(), "REFUTE_JUDGE="+path)
	out, err := c.CombinedOutput()
	require.NoError(b, err, string(out))
	found := regexp.MustCompile(`peak (\d+) kB`).FindSubmatch(out)
	require.NotNil(b, found, string(out))
	peak, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b, err)
	return peak / 1024
}

// TestGeneratedHistories: what the benchmarks judge is what they take it for.
func TestGeneratedHistories(t *testing.T) {
	for seed := range uint64(20) {
		path := filepath.Join(t.TempDir(), "history.jsonl")
		generated{operations: 2_000, keys: 3, clients: 8, unknown: 30, evidence: seed%2 == 0, seed: seed}.write(t, path)
		outcome, err := CheckFile(t.Context(), path, []string{checker.Linearizable, checker.NoLostWrites, checker.MonotonicReads, checker.NoStaleReads, checker.ReadYourWrites}, time.Minute)
		require.NoError(t, err)
		require.Equal(t, checker.Holds, outcome.Report.Verdict, "%+v", outcome.Report)
	}
}
