package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sourceOf walks through operations in memory as a file does: what it yields does not last.
func sourceOf(operations []history.Operation) Source {
	return func(ctx context.Context, yield func(*history.Operation) bool) error {
		var o history.Operation
		for i := range operations {
			if err := ctx.Err(); err != nil {
				return err
			}
			if o = operations[i]; !yield(&o) {
				return nil
			}
		}
		o = history.Operation{}
		return nil
	}
}

// comparable makes reports equal that say the same: the time it took goes, and
// of a history so short that Porcupine gives second opinions also who had the
// last word, since a survey asks for none.
func comparableReport(r Report) Report {
	for i := range r.Claims {
		c := &r.Claims[i]
		c.Seconds = 0
		if c.Claim == Linearizable && r.Stats.Operations <= secondOpinionTotal {
			c.Checker = ""
		}
	}
	return r
}

// requireSameReport: a survey says what Check does. It returns how many of how
// many registers it decided by itself, and the report.
func requireSameReport(t *testing.T, operations []history.Operation, o Options) (decided, registers int, report Report) {
	t.Helper()
	want, err := Check(context.Background(), operations, o)
	require.NoError(t, err)
	s, err := TakeSurvey(context.Background(), sourceOf(operations))
	require.NoError(t, err)
	got, err := s.Check(context.Background(), o)
	require.NoError(t, err)
	want, got = comparableReport(want), comparableReport(got)
	if !assert.ObjectsAreEqual(want, got) {
		require.Equal(t, want, got, "%s", describeHistory(operations))
	}
	for k := range s.registers {
		if s.timeline.keys[k].object == registerObject {
			registers++
			if s.registers[k].decided && s.strange == "" {
				decided++
			}
		}
	}
	return decided, registers, got
}

// TestSurveySaysWhatCheckSays on every golden history, witnesses and explanations included.
func TestSurveySaysWhatCheckSays(t *testing.T) {
	names := make([]string, 0, 100)
	for name := range expectations(t) {
		names = append(names, name)
	}
	for name := range invalidRuns {
		names = append(names, name)
	}
	names = append(names, "cut-during-fault", "elsewhere-no-phases")
	all, refuted := 0, 0
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			operations := golden(t, name)
			file, err := history.OpenEvidence(goldenFile(t, name))
			require.NoError(t, err)
			defer file.Close()
			var surveyed []string
			for _, c := range claims() {
				if c.surveyed() {
					surveyed = append(surveyed, c.Name)
				}
			}
			decided, _, report := requireSameReport(t, operations, Options{Claims: surveyed, Evidence: file.Lookup})
			all += decided
			if report.Verdict == Refuted {
				refuted++
			}
			requireSameReport(t, operations, Options{Claims: allClaims(), Evidence: file.Lookup})
			requireSameReport(t, operations, Options{Claims: surveyed, Planned: true})
			s, err := TakeSurvey(context.Background(), sourceOf(operations))
			require.NoError(t, err)
			require.Equal(t, Applicable(operations), s.Applicable())
		})
	}
	assert.Greater(t, all, 10, "registers decided without a second look")
	assert.Greater(t, refuted, 10)
}

// TestSurveyOfRandomHistories, most of them mutated, of several keys, with final reads, unknown
// outcomes, repeated values, compare-and-sets and processes that go on after an unknown outcome.
func TestSurveyOfRandomHistories(t *testing.T) {
	for name, mix := range map[string]simulation{
		"plain":    {operations: 30, processes: 5, keys: 3},
		"unknown":  {operations: 40, processes: 12, keys: 3, unknown: 0.25, failed: 0.1, finals: true},
		"finals":   {operations: 24, processes: 3, keys: 2, unknown: 0.1, failed: 0.05, finals: true},
		"repeated": {operations: 30, processes: 4, keys: 3, unknown: 0.1, values: 40, finals: true},
		"cas":      {operations: 40, processes: 5, keys: 4, cas: 0.03, unknown: 0.1, mismatches: true, finals: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(11, uint64(len(name))))
			decided, registers, verdicts, unmet := 0, 0, map[Verdict]int{}, 0
			for i := range 600 {
				operations := mix.run(r)
				if i%3 > 0 {
					mutate(operations, r)
				}
				if i%4 == 0 {
					forget(operations, r)
				}
				operations = addFaults(operations, r)
				d, n, report := requireSameReport(t, operations, Options{Claims: screenedClaims(), MinimumFault: 1, MinimumOk: 1})
				decided, registers = decided+d, registers+n
				verdicts[report.Verdict]++
				if slices.ContainsFunc(report.Validity, func(reason string) bool { return strings.Contains(reason, "met it") }) {
					unmet++
				}
			}
			if name == "finals" {
				assert.Positive(t, unmet, "runs whose faults no traffic met")
			}
			assert.Greater(t, decided, registers/4)
			assert.Less(t, decided, registers)
			assert.Positive(t, verdicts[Refuted])
			assert.Positive(t, verdicts[Holds]+verdicts[Invalid]+verdicts[Unknown])
			t.Logf("%d of %d registers decided; %v", decided, registers, verdicts)
		})
	}
}

// forget makes the outcome of some operations unknown, after which their processes go on.
func forget(operations []history.Operation, r *rand.Rand) {
	for range 3 {
		if o := &operations[r.IntN(len(operations)/2)]; isClient(o) {
			o.Type, o.End, o.Output = history.Info, history.Infinity, history.Value{}
		}
	}
}

// addFaults puts faults among the operations, some of which nobody meets, lets
// some main phases begin late, and numbers all anew.
func addFaults(operations []history.Operation, r *rand.Rand) []history.Operation {
	var all []simulated
	for i := range operations {
		o := operations[i]
		if o.F == history.FPhase && o.Key == history.PhaseMain && r.IntN(3) == 0 {
			o.Start = r.Int64N(8) // after some operations
		}
		all = append(all, simulated{Operation: o})
	}
	last := operations[len(operations)-1].Start
	for f := range r.IntN(3) {
		inject := func(name string, start int64) int64 {
			end := start + r.Int64N(6)
			all = append(all, simulated{Operation: history.Operation{Start: start, End: end, Process: history.Nemesis, F: name, Key: fmt.Sprint("f", f), Type: history.Ok,
				Output: history.RawValue([]byte(`{"id":"f","kind":"pause","verified":true}`))}})
			return end
		}
		if at := inject(history.FInject, r.Int64N(last+1)); r.IntN(4) > 0 {
			inject(history.FHeal, at+1+r.Int64N(20))
		}
	}
	return order(all)
}

// TestSurveyOfALongHistory, beyond what Porcupine gives second opinions on: the whole report is the same.
func TestSurveyOfALongHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	s := simulation{operations: secondOpinionTotal + 10_000, processes: 30, keys: 50, unknown: 0.05, failed: 0.02, finals: true}
	operations := s.run(r)
	decided, registers, report := requireSameReport(t, operations, Options{Claims: screenedClaims()})
	assert.Equal(t, registers, decided)
	assert.Equal(t, Holds, report.Claims[0].Verdict)
	for range 5 {
		mutate(operations, r)
	}
	decided, registers, report = requireSameReport(t, operations, Options{Claims: screenedClaims()})
	assert.Less(t, decided, registers)
	assert.Greater(t, decided, registers/2)
	assert.Equal(t, Refuted, report.Claims[0].Verdict)
}

func TestSurveyKeepsToItsMemory(t *testing.T) {
	sets := golden(t, "lost-element")
	plain := golden(t, "elsewhere-no-phases")
	check := func(operations []history.Operation, o Options) Report {
		report, err := CheckSource(context.Background(), sourceOf(operations), o)
		require.NoError(t, err)
		return report
	}
	report := check(sets, Options{Claims: []string{NoLostWrites, Linearizable}, Memory: 1000})
	assert.Equal(t, Unknown, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "more than the check may use: more memory would help")
	report = check(plain, Options{Claims: []string{Linearizable}, Memory: 1000})
	assert.Equal(t, Holds, report.Claims[0].Verdict, "what the survey decides needs no memory")
	whole := Options{Claims: []string{Linearizable}, Memory: 1000, Model: "register"}
	report = check(plain, whole)
	assert.Equal(t, Unknown, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "more than the 1 MB that the check may use. More memory for the check or a shorter history would help.")

	s, err := TakeSurvey(context.Background(), sourceOf(plain))
	require.NoError(t, err)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	whole.Memory = 0
	report, err = s.Check(over, whole)
	require.NoError(t, err)
	assert.Equal(t, "The time for the check was too short to read the history. A longer time would help.", report.Claims[0].Explanation)

	// A key that is too large does not keep smaller ones from being judged.
	r := rand.New(rand.NewPCG(6, 6))
	operations := simulation{operations: 300, processes: 4, keys: 2, values: 5}.run(r)
	for i := range operations {
		if operations[i].Key == "r1" && i%20 > 0 {
			operations[i].Key = "r0"
		}
	}
	report = check(operations, Options{Claims: []string{MonotonicReads}, Memory: 60 * operationBytes})
	assert.Equal(t, Unknown, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "key r0 has 2")
}

func TestWhatASurveyDecidesAlone(t *testing.T) {
	assert.False(t, NeedsWhole([]string{Linearizable, NoLostWrites, NoStaleReads, ReadYourWrites, MonotonicReads, Convergence}))
	assert.True(t, FitsInMemory(1000, 0))
	assert.True(t, FitsInMemory(1000, 1000*operationBytes))
	assert.False(t, FitsInMemory(1000, 1000*operationBytes-1))
}

func TestSurveyEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := TakeSurvey(ctx, sourceOf(golden(t, "stale-read")))
	require.ErrorIs(t, err, context.Canceled)
	s, err := TakeSurvey(context.Background(), sourceOf(golden(t, "stale-read")))
	require.NoError(t, err)
	report, err := s.Check(ctx, Options{Claims: []string{NoStaleReads, Linearizable}})
	require.NoError(t, err)
	assert.Equal(t, Unknown, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "longer time would help")
	assert.Equal(t, Unknown, report.Claims[1].Verdict)
	assert.Contains(t, report.Claims[1].Explanation, "longer time would help")
}

func TestSurveyRefusesDisorder(t *testing.T) {
	operations := golden(t, "stale-read")
	operations[3], operations[4] = operations[4], operations[3]
	_, want := Check(context.Background(), operations, Options{Claims: []string{Linearizable}})
	_, got := CheckSource(context.Background(), sourceOf(operations), Options{Claims: []string{Linearizable}})
	require.Error(t, want)
	require.EqualError(t, got, want.Error())
	_, err := CheckSource(context.Background(), sourceOf(golden(t, "stale-read")), Options{})
	require.ErrorContains(t, err, "no claim to check")
}

// TestASourceThatChanges is noticed.
func TestASourceThatChanges(t *testing.T) {
	operations := golden(t, "stale-read")
	walks := 0
	_, err := CheckSource(context.Background(), func(ctx context.Context, yield func(*history.Operation) bool) error {
		walks++
		return sourceOf(operations[:len(operations)/walks])(ctx, yield)
	}, Options{Claims: []string{Linearizable}})
	require.ErrorContains(t, err, "the history changed while it was checked")
}

func TestCoarseLatencies(t *testing.T) {
	for x := int64(1); x < 1<<62; x += x/7 + 1 {
		end := coarseEnd(coarseBucket(x))
		require.GreaterOrEqual(t, end, x)
		require.LessOrEqual(t, float64(end), float64(x)*1.002+1)
		require.NotEqual(t, coarseBucket(end), coarseBucket(end+1))
	}
	r := rand.New(rand.NewPCG(7, 7))
	var exact, coarse latencies
	coarse.coarsen()
	for range 10_000 {
		x := r.Int64N(int64(10 * time.Second))
		exact.add(x)
		coarse.add(x)
	}
	for name, want := range exact.quantiles() {
		require.InEpsilon(t, want, coarse.quantiles()[name], 0.002, name)
	}
}

// BenchmarkSurvey reports nanoseconds an operation of a survey, walk and check
// together, beside those of the bare walk.
func BenchmarkSurvey(b *testing.B) {
	for _, size := range []struct{ operations, keys, processes int }{{1_000_000, 1, 100}, {1_000_000, 1000, 100}} {
		s := simulation{operations: size.operations, keys: size.keys, processes: size.processes, unknown: 0.02}
		operations := s.run(rand.New(rand.NewPCG(1, 2)))
		source := sourceOf(operations)
		report := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(operations)), "ns/operation")
		}
		name := fmt.Sprintf("%d-operations-%d-keys", size.operations, size.keys)
		b.Run("walk/"+name, func(b *testing.B) {
			for b.Loop() {
				_ = source(context.Background(), func(*history.Operation) bool { return true })
			}
			report(b)
		})
		b.Run("check/"+name, func(b *testing.B) {
			for b.Loop() {
				r, err := CheckSource(context.Background(), source, Options{Claims: []string{Linearizable, NoLostWrites, NoStaleReads, ReadYourWrites, MonotonicReads}})
				if err != nil || r.Claims[0].Verdict != Holds {
					b.Fatal(err, r.Claims)
				}
			}
			report(b)
		})
	}
}

// TestSessionsOfAKey are kept apart in whatever places they are.
func TestSessionsOfAKey(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, processes := range []int64{5, 60, 2*nearPlaces + 500} {
		var s surveyedSessions
		s.current.limit = 100
		keys := make([]keySessions, 3)
		type pair struct {
			key     int
			process history.Process
		}
		want, retired := map[pair]pairSession{}, map[history.Process]bool{}
		for range 20_000 {
			k, o := r.IntN(len(keys)), &history.Operation{Process: history.Process(r.Int64N(processes))}
			did := s.of(int32(k), &keys[k], o)
			if retired[o.Process] {
				require.Nil(t, did)
				continue
			}
			p := pair{k, o.Process}
			require.Equal(t, want[p], pairSession{written: did.written, read: did.read})
			did.written, did.read = did.written || r.IntN(3) == 0, did.read || r.IntN(3) == 0
			want[p] = pairSession{written: did.written, read: did.read}
			if r.IntN(400) == 0 {
				s.end(o)
				retired[o.Process] = true
				processes++
			}
		}
	}
}
