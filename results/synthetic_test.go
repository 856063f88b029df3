package results

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// synthetic is a made-up run, as a store under last write wins and faults
// would have produced it: some reads are stale while n1 is cut off, one write
// is lost.
type synthetic struct {
	random    *rand.Rand
	events    []history.Event
	values    map[string]int64 // by key, what most nodes have
	old       map[string]int64 // by key, what n1 has while it is cut off
	next      int64
	faults    []checker.FaultInterval
	stats     checker.Stats
	stale     [][3]int // positions in events: overwritten write, overwriting write, stale read
	written   map[int64]int
	completed map[string]int // by key, position of the last ok write's invocation
	lost      int            // position of the write that is lost
	mark      string         // put into errors, node names and descriptions
}

const syntheticMain = 30 * time.Second

// newSynthetic makes a run of about n operations. mark is text that ends up
// in everything that a target can choose.
func newSynthetic(n int, mark string) *synthetic {
	s := &synthetic{
		random: rand.New(rand.NewPCG(7, 7)), values: map[string]int64{}, old: map[string]int64{},
		written: map[int64]int{}, completed: map[string]int{}, lost: -1, mark: mark,
		stats: checker.Stats{ByF: map[string]int{}, OkByF: map[string]int{}, Keys: 12, Seconds: syntheticMain.Seconds()},
	}
	s.plannedFaults()
	s.phase(history.PhaseMain, 0, syntheticMain)
	workers := 12 * max(1, n/20000) // more clients, not faster ones
	step := time.Duration(int64(syntheticMain) * int64(workers) / int64(n))
	for worker := range workers {
		process := history.Process(worker)
		for at := time.Duration(s.random.Int64N(int64(step) + 1)); at < syntheticMain; {
			took, kind := s.client(process, at)
			if kind == history.Info {
				process += history.Process(workers)
			}
			at += max(took, step/2+time.Duration(s.random.Int64N(int64(step)+1)))
		}
	}
	s.phase(history.PhaseHeal, syntheticMain, syntheticMain+120*time.Millisecond)
	s.phase(history.PhaseQuiet, syntheticMain+120*time.Millisecond, syntheticMain+2*time.Second)
	s.phase(history.PhaseFinals, syntheticMain+2*time.Second, syntheticMain+3*time.Second)
	s.order()
	s.outputs()
	return s
}

func (s *synthetic) add(e history.Event, at time.Duration) {
	e.Time = int64(at)
	s.events = append(s.events, e)
}

func (s *synthetic) phase(name string, from, to time.Duration) {
	e := history.Event{Process: history.Nemesis, F: history.FPhase, Key: name, Type: history.Invoke}
	s.add(e, from)
	e.Type = history.Ok
	s.add(e, to)
}

func (s *synthetic) plannedFaults() {
	for i, f := range []struct {
		from, to      time.Duration
		kind, shape   string
		description   string
		targets       []string
		evidence      string
		verified      bool
		offsetSeconds int64
	}{
		{4 * time.Second, 9 * time.Second, "partition", "isolated", "{n1} | {n2 n3 n4 n5}", []string{"n1"}, "8 of 8 probes across the cut dropped, 12 of 12 others answered in at most 3 ms; after the heal 20 of 20 answered", true, 0},
		{7 * time.Second, 12 * time.Second, "clock", "bump", "n3 by +412 ms", []string{"n3"}, "n3's own clock showed +411.8 ms; after the heal +0.2 ms", true, 412},
		{14 * time.Second, 17 * time.Second, "pause", "", "n2 stopped", []string{"n2"}, "state T of process 1 for 3.0 s; state S after the heal", true, 0},
		{16 * time.Second, 20 * time.Second, "kill", "", "n4 killed and restarted", []string{"n4"}, "process 1 gone 4 ms after SIGKILL; ready 310 ms after the restart", true, 0},
		{22 * time.Second, 28 * time.Second, "partition", "majorities-ring", "every node sees a majority, no two the same", []string{"n1", "n2", "n3", "n4", "n5"}, "10 of 10 probes across the cuts dropped", false, 0},
	} {
		fault := history.Fault{
			ID: fmt.Sprintf("f%d", i+1), Kind: f.kind, Shape: f.shape, Description: f.description + s.mark,
			Targets: f.targets, Offset: f.offsetSeconds * 1e6,
		}
		s.faults = append(s.faults, checker.FaultInterval{Fault: fault, Start: int64(f.from), End: int64(f.to), Verified: f.verified})
		last := &s.faults[len(s.faults)-1]
		last.Evidence = f.evidence + s.mark
		raw, err := json.Marshal(fault)
		if err != nil {
			panic(err)
		}
		for _, half := range []struct {
			f  string
			at time.Duration
		}{{history.FInject, f.from}, {history.FHeal, f.to}} {
			e := history.Event{Process: history.Nemesis, F: half.f, Key: fault.ID, Type: history.Invoke, Value: history.RawValue(raw)}
			s.add(e, half.at)
			e.Type = history.Ok
			s.add(e, half.at+4*time.Millisecond)
		}
	}
	crash := history.Event{Process: history.Nemesis, F: history.FCrash, Key: "n5-1", Node: "n5", Type: history.Invoke}
	s.add(crash, 19*time.Second)
	crash.Type, crash.Error = history.Info, "exit status 2"+s.mark
	s.add(crash, 19*time.Second)
}

func (s *synthetic) inForce(kind string, at time.Duration) bool {
	return slices.ContainsFunc(s.faults, func(f checker.FaultInterval) bool {
		return f.Kind == kind && f.Start <= int64(at) && int64(at) < f.End
	})
}

// client adds an operation; reads get their values in outputs.
func (s *synthetic) client(process history.Process, at time.Duration) (took time.Duration, kind history.Type) {
	key := fmt.Sprintf("k%d", s.random.IntN(12))
	node := fmt.Sprintf("n%d", 1+int(process)%5)
	e := history.Event{Process: process, Type: history.Invoke, F: history.FRead, Key: key, Node: node}
	if s.random.IntN(2) == 0 {
		s.next++
		e.F, e.Value = history.FWrite, history.IntValue(s.next)
	}
	s.add(e, at)
	took = time.Duration(float64(1500*time.Microsecond) * (0.4 + s.random.ExpFloat64()))
	kind = history.Ok
	switch {
	case s.inForce("pause", at) && node == "n2" && s.random.IntN(3) > 0,
		s.inForce("partition", at) && node == "n1" && s.random.IntN(4) == 0:
		took, kind = time.Second, history.Info
		e.Error = "deadline of 1 s exceeded" + s.mark
	case s.inForce("kill", at) && node == "n4":
		took, kind = 300*time.Microsecond, history.Fail
		e.Error = "connection refused" + s.mark
	case s.inForce("partition", at):
		took *= 6
	}
	if e.F == history.FRead && kind == history.Info {
		kind = history.Fail // a read is idempotent
	}
	e.Type = kind
	e.Evidence = &history.Evidence{
		Coordinator: node, Required: 2, Version: fmt.Sprintf("%d@%s", at.Microseconds(), node), Phases: []string{e.F},
		Replicas: []history.ReplicaEvidence{
			{Node: "n1", Answered: true, Counted: true, Version: "17@n2"}, {Node: "n2", Answered: true},
			{Node: "n3" + s.mark},
		},
	}
	s.add(e, at+took)
	return took, kind
}

// order sorts the events by time and numbers them.
func (s *synthetic) order() {
	slices.SortStableFunc(s.events, func(a, b history.Event) int { return cmp.Compare(a.Time, b.Time) })
	// An invocation at the very time of the same process' completion comes after it: the sort is stable.
	for i := range s.events {
		s.events[i].Index = int64(i)
	}
}

// outputs lets the reads return what the store had, stale ones through n1
// while it is cut off, and notes what a checker would have found.
func (s *synthetic) outputs() {
	invoked := map[history.Process]int{}
	latest := map[history.Process]int{}
	for i := range s.events {
		e := &s.events[i]
		if e.Process == history.Nemesis {
			continue
		}
		if e.Type == history.Invoke {
			invoked[e.Process] = i
			s.stats.Operations++
			s.stats.Main++
			s.stats.ByF[e.F]++
			if w, ok := s.completed[e.Key]; ok {
				latest[e.Process] = w
			} else {
				delete(latest, e.Process)
			}
			continue
		}
		switch e.Type {
		case history.Ok:
			s.stats.Ok++
			s.stats.OkByF[e.F]++
		case history.Fail:
			s.stats.Fail++
		default:
			s.stats.Info++
		}
		if e.Type != history.Ok {
			continue
		}
		isolated := e.Node == "n1" && s.inForce("partition", time.Duration(e.Time))
		if e.F == history.FWrite {
			n, _ := e.Value.Int()
			if !isolated {
				s.old[e.Key] = s.values[e.Key]
				s.values[e.Key] = n
				s.completed[e.Key] = invoked[e.Process]
			} else if s.lost < 0 {
				s.lost = invoked[e.Process]
			}
			s.written[n] = invoked[e.Process]
			continue
		}
		value := s.values[e.Key]
		if isolated {
			value = s.old[e.Key]
			w, known := latest[e.Process]
			before, found := s.written[value]
			if known && found && w != before && before < w {
				s.stale = append(s.stale, [3]int{before, w, invoked[e.Process]})
			}
		}
		e.Value = history.IntValue(value)
		if value == 0 {
			e.Value = history.NilValue()
		}
	}
	s.stats.LatencyMillis = map[string]float64{"p50": 1.62, "p95": 9.8, "p99": 31, "max": 982}
}

// finalRead is a read of the key near the end of the run.
func (s *synthetic) finalRead(key string) int {
	for i := len(s.events) - 1; ; i-- {
		if e := s.events[i]; e.Key == key && e.F == history.FRead && e.Type == history.Ok {
			for j := i - 1; ; j-- {
				if o := s.events[j]; o.Process == e.Process && o.Type == history.Invoke {
					return j
				}
			}
		}
	}
}

// report is what the checkers would have said.
func (s *synthetic) report() checker.Report {
	r := checker.Report{
		Verdict: checker.Refuted, Stats: s.stats, Faults: s.faults,
		Validity:  []string{"fault f5 (partition majorities-ring) was not verified: 2 of 12 probes across the cut were answered" + s.mark},
		Warnings:  []string{"the process of n5 ended by itself at 19.000 s: exit status 2"},
		Staleness: syntheticStaleness(s.mark),
	}
	linearizable := checker.Result{
		Claim: checker.Linearizable, Verdict: checker.Refuted, Checker: "zones, confirmed by porcupine", Seconds: 0.183,
		Explanation: fmt.Sprintf("%d reads returned a value that had already been replaced by an acknowledged write. "+
			"All of them went through n1 while f1 cut it off from the other nodes: its replicas could not be told of newer writes, and it answered with what it had.", len(s.stale)),
		Found: len(s.stale), Classes: map[string]int{"zone-overlap": 2, "stale-read": len(s.stale) - 2},
	}
	for _, w := range s.stale[:min(3, len(s.stale))] {
		overwritten, _ := s.events[w[0]].Value.Int()
		newer, _ := s.events[w[1]].Value.Int()
		linearizable.Witnesses = append(linearizable.Witnesses, checker.Witness{
			Class: "stale-read", Key: s.events[w[0]].Key, Operations: []int64{int64(w[0]), int64(w[1]), int64(w[2])},
			Explanation: fmt.Sprintf("Process %d read %d although the write of %d had replaced it and was acknowledged before the read began.", s.events[w[2]].Process, overwritten, newer) + s.mark,
			Faults:      []string{"f1"}, Confirmed: true,
		})
	}
	lost := s.events[s.lost]
	value, _ := lost.Value.Int()
	r.Claims = []checker.Result{
		linearizable,
		{
			Claim: checker.NoLostWrites, Verdict: checker.Refuted, Checker: "final reads", Seconds: 0.021, Found: 1,
			Explanation: fmt.Sprintf("The write of %d to %s was acknowledged and is gone: no node returned it at the end, and nothing newer explains it.", value, lost.Key) + s.mark,
			Classes:     map[string]int{"lost-sequential": 1},
			Witnesses: []checker.Witness{{
				Class: "lost-sequential", Key: lost.Key, Operations: []int64{int64(s.lost), int64(s.finalRead(lost.Key))},
				Summary:     "The later write carries the lower timestamp.",
				Explanation: "n1 coordinated the write while it was cut off (f1); its timestamp was behind, so that older values won.", Faults: []string{"f1"},
				Cause: checker.CauseClockSkew, Why: "its timestamp is 3.1 s lower" + s.mark,
			}},
		},
		{Claim: checker.ReadYourWrites, Verdict: checker.Holds, Checker: "sessions", Seconds: 0.008, Explanation: "4,812 reads of 12 processes were compared with their own earlier writes; none was older."},
		{Claim: checker.MonotonicReads, Verdict: checker.Unknown, Checker: "porcupine", Seconds: 20, Explanation: "The search reached its memory limit of 2 GB on 3 of 12 keys. Fewer clients (--concurrency) or shorter runs (--time-limit) would help." + s.mark},
		{Claim: checker.Convergence, Verdict: checker.Holds, Checker: "dumps", Seconds: 0.002, Explanation: "5 dumps of 12 keys were compared after the store had become quiet; all replicas agree."},
	}
	return r
}

func syntheticPlan(mark string) *plan.Plan {
	p := &plan.Plan{
		Format: plan.Format, Name: "lww-five-nodes", Seed: 7, Backend: "docker",
		Target: plan.Target{Name: "leaderless", Nodes: 5, Settings: map[string]string{
			"n": "3", "w": "2", "r": "2", "repair": "off", "clock": "coordinator", "fsync": "always", "note": "it's a quote" + mark,
		}},
		Workload: plan.Workload{Name: "register", Concurrency: 12, Rate: 0},
		Nemesis:  []string{"partition", "pause", "kill", "clock"},
		Claims:   []string{checker.Linearizable, checker.NoLostWrites, checker.ReadYourWrites, checker.MonotonicReads, checker.Convergence},
	}
	p.Limits.Time = plan.Duration(syntheticMain)
	p.Schedule = []plan.Fault{{ID: "f1", Kind: "partition", Shape: "isolated", Targets: []string{"n1"}, At: plan.Duration(4 * time.Second), Duration: plan.Duration(5 * time.Second)}}
	return p
}

// folder writes the synthetic run's plan and history into a new run folder.
func (s *synthetic) folder(tb testing.TB, root string) *Folder {
	tb.Helper()
	f, err := Create(root, "lww-five-nodes", time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	require.NoError(tb, err)
	text, err := json.MarshalIndent(syntheticPlan(s.mark), "", "  ")
	require.NoError(tb, err)
	require.NoError(tb, os.WriteFile(f.Plan(), text, 0o644))
	w, err := history.Create(f.History())
	require.NoError(tb, err)
	for i := range s.events {
		require.NoError(tb, w.Append(&s.events[i]))
	}
	require.NoError(tb, w.Close())
	return f
}

// syntheticStaleness is what the measuring of the run might have said.
func syntheticStaleness(mark string) *staleness.Report {
	key := "k8" + mark
	predicted := func(share float64) *float64 { return &share }
	r := &staleness.Report{
		Keys: 12, Reads: 9_961, Writes: 6_640, Unexplained: 2,
		LeftOut:      []staleness.LeftOut{{Why: "values that were written more than once", Keys: 1}},
		Stale:        staleness.ShareOf(212, 9_959),
		Versions:     []staleness.VersionBin{{Least: 0, Most: 0, Reads: 9_747}, {Least: 1, Most: 1, Reads: 180}, {Least: 2, Most: 2, Reads: 25}, {Least: 16, Most: 31, Reads: 7}},
		Age:          &staleness.Quantiles{P50: 3_100_000, P95: 41_000_000, P99: 822_000_000, Max: 4_210_000_000},
		MostVersions: staleness.MostVersions{Versions: 19, Key: key, Operations: []int64{3101, 3188, 3420}},
		Oldest:       staleness.Duration{Nanoseconds: 4_210_000_000, Key: key, Operations: []int64{3101, 3188, 3444}},
		K:            staleness.KAtomicity{Least: 20, Most: 22, Key: key, Operations: []int64{3101, 3188, 3420}},
		Delta:        staleness.Duration{Nanoseconds: 4_210_000_000, Key: key, Operations: []int64{3101, 3188, 3444}},
		Gamma:        staleness.Duration{Nanoseconds: 2_105_000_000, Key: key, Operations: []int64{3101, 3188, 3444}},
		Visibility: []staleness.Bucket{
			{From: 0, To: 10_000, Fresh: staleness.ShareOf(31, 40), Predicted: predicted(0.82)},
			{From: 1_000_000, To: 2_000_000, Fresh: staleness.ShareOf(880, 930), Predicted: predicted(0.951)},
			{From: 2_000_000, To: 5_000_000, Fresh: staleness.ShareOf(2_300, 2_350), Predicted: predicted(0.979)},
			{From: 100_000_000, To: 200_000_000, Fresh: staleness.ShareOf(6_500, 6_504), Predicted: predicted(1)},
			{From: 100_000_000_000, To: staleness.None, Fresh: staleness.ShareOf(12, 12), Predicted: predicted(1)},
		},
		Prediction: &staleness.Prediction{Quorum: staleness.Quorum{N: 3, R: 1, W: 1}, Trials: 20_000, Writes: 480, Reads: 500, Within: 21_300_000, Versions: []float64{0.333333, 0.555556}},
	}
	for i, at := range []int64{10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000} {
		r.Prediction.Curve = append(r.Prediction.Curve, staleness.Point{Nanoseconds: at, Fresh: []float64{0.82, 0.85, 0.93, 0.995, 1, 1}[i]})
	}
	return r
}
