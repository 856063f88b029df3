package results

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/trace"
)

// story is a simulated run that is told by hand: what clients saw and the
// messages behind it. Times are in microseconds since the run's start.
type story struct {
	name    string
	calls   []*call
	trace   []trace.Event
	faults  []checker.FaultInterval
	witness []*call
	class   string
	why     string
}

// call is an operation of a story.
type call struct {
	process    history.Process
	f, node    string
	value      int64 // written or read; 0 for a read that found nothing
	start, end int64
	kind       history.Type
	index      int64 // of its invocation, once the story is told
	messages   []int // places in the trace
}

func (s *story) call(process history.Process, f, node string, value, start, end int64) *call {
	c := &call{process: process, f: f, node: node, value: value, start: start, end: end, kind: history.Ok}
	s.calls = append(s.calls, c)
	return c
}

// send tells of a message for the call, or for none; a value of 0 is none.
func (s *story) send(c *call, name, from, to string, value string, sent, arrived int64, fate trace.Fate) {
	if c != nil {
		c.messages = append(c.messages, len(s.trace))
	}
	s.trace = append(s.trace, trace.Event{
		Kind: trace.Message, Time: sent * 1e3, Operation: -1, Node: from, To: to, Arrived: arrived * 1e3, Fate: fate,
		Name: name, Key: "r0", Found: value != "", Value: value,
	})
}

// arrive is send for a message that arrives.
func (s *story) arrive(c *call, name, from, to string, value string, sent, arrived int64) {
	s.send(c, name, from, to, value, sent, arrived, trace.Delivered)
}

func (s *story) state(node, value string, at int64) {
	s.trace = append(s.trace, trace.Event{Kind: trace.State, Time: at * 1e3, Operation: -1, Node: node, Key: "r0", Found: value != "", Value: value})
}

func (s *story) process(kind trace.Kind, node string, at int64) {
	s.trace = append(s.trace, trace.Event{Kind: kind, Time: at * 1e3, Operation: -1, Node: node})
}

// fault is one from and to those times; to 0 is never.
func (s *story) fault(f history.Fault, from, to int64) {
	interval := checker.FaultInterval{Fault: f, Start: from * 1e3, End: to * 1e3, Verified: true}
	if to == 0 {
		interval.End = history.Infinity
	}
	interval.Evidence = "simulated"
	s.faults = append(s.faults, interval)
}

// tell writes the story into a run folder and draws its report.
func (s *story) tell(t testing.TB, root string) *Run {
	t.Helper()
	folder := s.folder(t, root)
	run, err := Write(folder, s.report(), Options{Version: "v1.2.3"})
	require.NoError(t, err)
	return run
}

func (s *story) folder(t testing.TB, root string) *Folder {
	t.Helper()
	folder, err := Create(root, s.name, noon)
	require.NoError(t, err)
	p := &plan.Plan{
		Format: plan.Format, Name: s.name, Seed: 11, Backend: "sim",
		Target:     plan.Target{Name: "leaderless", Nodes: 3, Settings: map[string]string{"n": "3", "w": "2", "r": "2"}},
		Workload:   plan.Workload{Name: "register", Concurrency: 3, Rate: 30},
		Nemesis:    []string{"partition", "clock"},
		Operations: []plan.Operation{{F: "write", Key: "r0", Node: "n1", Value: new(int64(1))}},
		Claims:     []string{checker.Linearizable},
	}
	p.Limits.Time = plan.Duration(5 * time.Second)
	require.NoError(t, p.Save(folder.Plan()))

	type half struct {
		at    int64
		call  *call
		start bool
	}
	var halves []half
	for _, c := range s.calls {
		halves = append(halves, half{c.start, c, true})
		if c.end > 0 {
			halves = append(halves, half{c.end, c, false})
		}
	}
	slices.SortStableFunc(halves, func(a, b half) int { return cmp.Compare(a.at, b.at) })
	w, err := history.Create(folder.History())
	require.NoError(t, err)
	for i, h := range halves {
		c := h.call
		e := history.Event{Index: int64(i), Time: h.at * 1e3, Process: c.process, Type: history.Invoke, F: c.f, Key: "r0", Node: c.node}
		value := history.IntValue(c.value)
		if c.value == 0 {
			value = history.NilValue()
		}
		switch {
		case h.start:
			c.index = e.Index
		default:
			e.Type = c.kind
			if c.kind != history.Ok {
				e.Error = "timeout"
			}
		}
		if c.f != history.FRead || !h.start && c.kind == history.Ok {
			e.Value = value
		}
		require.NoError(t, w.Append(&e))
		for _, place := range c.messages {
			s.trace[place].Operation = c.index
		}
	}
	require.NoError(t, w.Close())
	events := slices.Clone(s.trace)
	slices.SortStableFunc(events, func(a, b trace.Event) int { return cmp.Compare(a.Time, b.Time) })
	if len(events) > 0 {
		require.NoError(t, trace.WriteFile(folder.Trace(), events))
	}
	return folder
}

func (s *story) report() checker.Report {
	w := checker.Witness{Class: s.class, Key: "r0", Explanation: s.why, Confirmed: true}
	for _, c := range s.witness {
		w.Operations = append(w.Operations, c.index)
	}
	for _, f := range s.faults {
		w.Faults = append(w.Faults, f.ID)
	}
	return checker.Report{
		Verdict: checker.Refuted, Faults: s.faults,
		Stats: checker.Stats{Operations: len(s.calls), Ok: len(s.calls), Keys: 1, Seconds: 5, ByF: map[string]int{}, OkByF: map[string]int{}},
		Claims: []checker.Result{{
			Claim: checker.Linearizable, Verdict: checker.Refuted, Checker: "zones, confirmed by porcupine",
			Explanation: s.why, Found: 1, Witnesses: []checker.Witness{w},
		}},
	}
}

// inversion: a write reaches one replica at once and the others late. One
// read sees it there, a later one asks the others.
func inversion() *story {
	s := &story{name: "inversion", class: "read-inversion", why: "Process 1 read 7, and process 2, which asked afterwards, read 6 again."}
	first := s.call(0, history.FWrite, "n2", 6, 200_000, 204_100)
	for i, n := range []string{"n1", "n3"} {
		s.arrive(first, "write", "n2", n, "6", 201_000, 202_000+int64(i)*300)
		s.arrive(first, "written", n, "n2", "", 202_300+int64(i)*300, 203_200)
		s.state(n, "6", 202_100+int64(i)*300)
	}
	s.state("n2", "6", 201_000)
	s.fault(history.Fault{
		ID: "f1", Kind: "partition", Shape: "bridge", Description: "{n1} | {n3}", Targets: []string{"n1", "n3"},
		Cuts: []history.Cut{{From: "n1", To: "n3"}, {From: "n3", To: "n1"}},
	}, 1_100_000, 1_460_000)

	write := s.call(0, history.FWrite, "n1", 7, 1_203_000, 1_246_900)
	s.arrive(write, "request", "client0", "n1", "7", 1_203_000, 1_203_900)
	s.state("n1", "7", 1_203_950)
	s.arrive(write, "write", "n1", "n2", "7", 1_204_000, 1_245_000)
	s.send(write, "write", "n1", "n3", "7", 1_204_000, 1_205_200, trace.Cut)
	s.state("n2", "7", 1_245_000)
	s.arrive(write, "written", "n2", "n1", "", 1_245_100, 1_246_000)
	s.arrive(write, "reply", "n1", "client0", "", 1_246_050, 1_246_900)

	see := s.call(1, history.FRead, "n2", 7, 1_206_000, 1_210_200)
	s.arrive(see, "request", "client1", "n2", "", 1_206_000, 1_206_800)
	s.arrive(see, "read", "n2", "n1", "", 1_206_850, 1_207_900)
	s.arrive(see, "read", "n2", "n3", "", 1_206_850, 1_207_700)
	s.arrive(see, "read-answer", "n1", "n2", "7", 1_207_950, 1_209_000)
	s.arrive(see, "read-answer", "n3", "n2", "6", 1_207_750, 1_209_700)
	s.arrive(see, "reply", "n2", "client1", "7", 1_209_100, 1_210_200)

	late := s.call(2, history.FRead, "n3", 6, 1_231_000, 1_235_000)
	s.arrive(late, "request", "client2", "n3", "", 1_231_000, 1_231_900)
	s.arrive(late, "read", "n3", "n2", "", 1_232_000, 1_233_000)
	s.send(late, "read", "n3", "n1", "", 1_232_000, 1_233_100, trace.Cut)
	s.arrive(late, "read-answer", "n2", "n3", "6", 1_233_100, 1_234_000)
	s.arrive(late, "reply", "n3", "client2", "6", 1_234_100, 1_235_000)
	s.witness = []*call{write, see, late}
	return s
}

// skewed: a node's clock is ahead, so that its write wins over a later one.
// One replica is down meanwhile, and the network loses a message.
func skewed() *story {
	s := &story{name: "skewed", class: "lost-sequential", why: "The write of 2 was acknowledged and is gone: its timestamp is lower."}
	s.fault(history.Fault{ID: "f1", Kind: "clock", Shape: "bump", Description: "n1 by +2 s", Targets: []string{"n1"}, Offset: 2e9}, 900_000, 1_200_000)
	s.fault(history.Fault{ID: "f2", Kind: "kill", Description: "n3", Targets: []string{"n3"}}, 1_250_000, 1_400_000)
	write := func(process history.Process, node string, others [2]string, value, start int64, late func(c *call)) *call {
		text := string(rune('0' + value))
		c := s.call(process, history.FWrite, node, value, start, start+4_100)
		s.arrive(c, "request", trace.Client(int(process)), node, text, start, start+900)
		s.arrive(c, "write", node, others[0], text, start+1_000, start+2_000)
		s.arrive(c, "written", others[0], node, "", start+2_100, start+3_100)
		s.arrive(c, "reply", node, trace.Client(int(process)), "", start+3_200, start+4_100)
		late(c)
		return c
	}
	one := write(0, "n1", [2]string{"n2", "n3"}, 1, 1_000_000, func(c *call) {
		s.send(c, "write", "n1", "n3", "1", 1_001_000, 1_002_100, trace.Lost)
		s.state("n1", "1", 1_000_950)
		s.state("n2", "1", 1_002_000)
	})
	s.process(trace.Down, "n3", 1_250_000)
	s.process(trace.Up, "n3", 1_400_000)
	two := write(1, "n2", [2]string{"n1", "n3"}, 2, 1_300_000, func(c *call) {
		s.send(c, "write", "n2", "n3", "2", 1_301_000, 1_302_300, trace.Dead)
	})
	s.arrive(nil, "handoff", "n1", "n3", "1", 1_450_000, 1_451_000)
	s.state("n3", "1", 1_451_000)
	read := s.call(2, history.FRead, "n3", 1, 4_600_000, 4_604_000)
	s.arrive(read, "request", "client2", "n3", "", 4_600_000, 4_600_900)
	s.arrive(read, "read", "n3", "n1", "", 4_601_000, 4_602_000)
	s.arrive(read, "read", "n3", "n2", "", 4_601_000, 4_602_400)
	s.arrive(read, "read-answer", "n1", "n3", "1", 4_602_050, 4_603_000)
	s.arrive(read, "read-answer", "n2", "n3", "1", 4_602_450, 4_603_900)
	s.arrive(read, "reply", "n3", "client2", "1", 4_603_050, 4_604_000)
	s.witness = []*call{one, two, read}
	return s
}

// svg cuts the n-th space-time diagram out of a report, from 0.
func svg(t testing.TB, text string, n int) string {
	t.Helper()
	parts := strings.Split(text, `<svg class="timeline diagram"`)
	require.Greater(t, len(parts), n+1, "diagrams in the report")
	end := strings.Index(parts[n+1], "</svg>")
	return `<svg class="timeline diagram"` + parts[n+1][:end] + "</svg>"
}
