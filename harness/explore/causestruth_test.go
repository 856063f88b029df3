package explore_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/harness/trace"
	"github.com/refute-lab/refute/target"
)

// Where a store can fail in several ways at once, what the checkers derive
// from the store's word is compared with what the simulation knows: which
// version each replica held at each moment.

// truth is what the simulation knows about a run.
type truth struct {
	operations map[int64]*history.Operation
	evidence   map[int64]*history.Evidence
	// states are, by node and key, the versions it held, in order of time.
	states map[string][]trace.Event
	// answered is when each node answered a read, and asked when its coordinator had it, by the read's index.
	answered map[string]int64
	asked    map[int64]int64
}

func simulate(t *testing.T, p *plan.Plan, system target.System, claims []string) (*truth, checker.Report) {
	t.Helper()
	run := &truth{operations: map[int64]*history.Operation{}, evidence: map[int64]*history.Evidence{}, states: map[string][]trace.Event{},
		answered: map[string]int64{}, asked: map[int64]int64{}}
	result, err := sim.Run(t.Context(), p, system, sim.Options{Record: func(e *history.Event) error {
		if e.Evidence != nil {
			run.evidence[e.Index] = e.Evidence
		}
		return nil
	}})
	require.NoError(t, err)
	for i := range result.Operations {
		run.operations[result.Operations[i].Index] = &result.Operations[i]
	}
	report, err := checker.Check(t.Context(), result.Operations, checker.Options{Claims: claims, Memory: 1 << 30,
		Evidence: func(i int64) *history.Evidence { return run.evidence[i] }})
	require.NoError(t, err)
	keys := []string{}
	for _, c := range report.Claims {
		for _, w := range c.Witnesses {
			keys = append(keys, w.Key)
		}
	}
	if len(keys) == 0 {
		return run, report
	}
	slices.Sort(keys)
	_, err = sim.Run(t.Context(), p, system, sim.Options{TraceKeys: slices.Compact(keys), Trace: func(e *trace.Event) {
		switch {
		case e.Kind == trace.State:
			run.states[e.Node+e.Key] = append(run.states[e.Node+e.Key], *e)
		case e.Name == "request":
			run.asked[e.Operation] = e.Arrived
		case e.Name == "read-answer":
			if id := fmt.Sprint(e.Operation, e.Node); run.answered[id] == 0 {
				run.answered[id] = e.Time
			}
		}
	}})
	require.NoError(t, err)
	return run, report
}

// version is a version of the bundled store, in the order of its fields.
type version []int64

func parseVersion(t *testing.T, text string) version {
	t.Helper()
	v := version{0, 0, 0, 0}
	if text == "" {
		return v
	}
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == '@' || r == ':' })
	require.Len(t, fields, 4, text)
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		require.NoError(t, err)
		v[i] = n
	}
	return v
}

func (r *truth) told(index int64) *history.Evidence {
	if o := r.operations[index]; o.Completion > 0 {
		return r.evidence[o.Completion]
	}
	return nil
}

// held is the greatest and the last version that the node held of the key up to the time.
func (r *truth) held(t *testing.T, node, key string, until int64) (greatest, last version) {
	greatest, last = parseVersion(t, ""), parseVersion(t, "")
	for _, e := range r.states[node+key] {
		if e.Time > until {
			break
		}
		last = parseVersion(t, e.Version)
		if slices.Compare(last, greatest) > 0 {
			greatest = last
		}
	}
	return greatest, last
}

// when is when the node answered the read: a coordinator answers itself at once.
func (r *truth) when(read *history.Operation, node string) int64 {
	if at, known := r.answered[fmt.Sprint(read.Index, node)]; known {
		return at
	}
	return r.asked[read.Index]
}

// verify says what is wrong with the cause of a witness of reads: it must be
// true of one of them.
func (r *truth) verify(t *testing.T, w checker.Witness) (problem string) {
	for _, index := range w.Operations {
		if o := r.operations[index]; o.F == history.FRead && r.evidence[o.Completion] != nil {
			if problem = r.verifyRead(t, w, o); problem == "" {
				return ""
			}
		}
	}
	return problem
}

func (r *truth) verifyRead(t *testing.T, w checker.Witness, read *history.Operation) string {
	got := r.evidence[read.Completion]
	returned := parseVersion(t, got.Version)
	// The newest version that the read should have shown, and whether one that
	// was written later in real time is older by the clocks or counters.
	newest, reversed := parseVersion(t, ""), false
	for _, index := range w.Operations {
		o, e := r.operations[index], r.told(index)
		if e == nil || e.Version == "" || o == read {
			continue
		}
		v := parseVersion(t, e.Version)
		if slices.Compare(v, newest) > 0 && e.Version != got.Version {
			newest = v
		}
		for _, other := range w.Operations {
			u := r.told(other)
			if o.F == history.FWrite && v[0] < returned[0] && u != nil && u.Version == got.Version && r.operations[other] != read && r.operations[other].Completion < o.Index {
				reversed = true
			}
		}
	}
	// What the replicas that the read counted had when they answered, what
	// they had had before, and what they had acknowledged.
	lost, missed := false, true
	for _, a := range got.Replicas {
		if !a.Counted || a.HintFor != "" {
			continue
		}
		at := r.when(read, a.Node)
		greatest, last := r.held(t, a.Node, w.Key, at)
		// What was read can be newer by a tie of counters, which the store does not tell.
		missed = missed && (slices.Compare(greatest, newest) < 0 || slices.Equal(greatest, returned))
		lost = lost || slices.Compare(last, greatest) < 0
	}
	for _, index := range w.Operations {
		o, e := r.operations[index], r.told(index)
		if e == nil || o.F != history.FWrite || o.Type == history.Fail {
			continue
		}
		for _, a := range e.Replicas {
			_, last := r.held(t, a.Node, w.Key, read.End)
			lost = lost || a.Answered && a.HintFor == "" && slices.Compare(last, parseVersion(t, e.Version)) < 0
		}
	}
	writersFault := strings.Contains(w.Why, "the question for the greatest version")
	switch w.Cause {
	case checker.CauseClockSkew:
		if !reversed {
			return "no write of the witness has a version that contradicts real time"
		}
	case checker.CauseNotDurable, checker.CauseLostData:
		if !lost {
			return "no replica lost anything"
		}
	case checker.CauseNoOverlap, checker.CauseSloppyQuorum, checker.CauseFalseNotFound, checker.CauseSessionMoved, checker.CauseWriteOnItsWay,
		checker.CauseFailedWrite, checker.CauseHintLost, checker.CauseHintUndelivered, checker.CauseHintCounted, checker.CauseLocalQuorum:
		switch {
		case reversed != writersFault:
			return "the versions contradict real time, and the cause does not, or the reverse"
		case !reversed && !missed && !strings.Contains(w.Why, "may also have got the write meanwhile and lost it"):
			return "a replica that the read counted had held the newer version"
		}
	default:
		return "no cause of reads"
	}
	return ""
}

// verifyDivergence does the same for a witness of replicas that differ.
func (r *truth) verifyDivergence(t *testing.T, w checker.Witness) string {
	lagging, never := false, false
	newest := parseVersion(t, "")
	for _, index := range w.Operations {
		if _, last := r.held(t, r.operations[index].Node, w.Key, history.Infinity); slices.Compare(last, newest) > 0 {
			newest = last
		}
	}
	lost := false
	for _, index := range w.Operations {
		greatest, last := r.held(t, r.operations[index].Node, w.Key, r.operations[index].Start)
		lagging = lagging || slices.Compare(last, newest) < 0
		never = never || slices.Compare(greatest, newest) < 0
		lost = lost || slices.Compare(last, greatest) < 0
	}
	switch w.Cause {
	case checker.CauseUnrepaired, checker.CauseHintLost, checker.CauseHintUndelivered:
		if !never {
			return "every replica had held the newest version"
		}
	case checker.CauseNotDurable, checker.CauseLostData:
		if !lost {
			return "no replica lost anything"
		}
	default:
		return "no cause of replicas that differ"
	}
	return ""
}

func TestDerivedCausesAreTrue(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		skew     time.Duration
		seeds    uint64
		// share is the least share of findings whose cause is derived.
		share float64
	}{
		"no overlap, stand-ins, clocks":   {map[string]string{"w": "1", "r": "1", "sloppy": "on"}, 20 * time.Millisecond, 12, 0.8},
		"clocks, no sync":                 {map[string]string{"n": "5", "w": "3", "r": "3", "fsync": "never"}, 20 * time.Millisecond, 40, 0.8},
		"clocks, stand-ins, no log":       {map[string]string{"sloppy": "on", "acknowledge": "before-log", "hint-log": "off"}, 20 * time.Millisecond, 40, 0.8},
		"counters, no overlap, no log":    {map[string]string{"w": "1", "r": "1", "fetch": "on", "acknowledge": "before-log", "repair": "off"}, 0, 12, 0.8},
		"data centres, levels, digests":   {map[string]string{"n": "2", "datacenters": "2", "write-level": "local-quorum", "read-level": "local-one", "read-set": "level", "digest-reads": "on"}, 0, 12, 0.8},
		"hints that count, speculation":   {map[string]string{"write-level": "any", "r": "1", "read-set": "level", "speculative-retry": "5ms"}, 0, 12, 0.8},
		"routing, nothing does not count": {map[string]string{"w": "1", "r": "1", "routing": "client", "notfound-ok": "off", "sloppy": "on"}, 0, 12, 0.8},
		"the defaults":                    {nil, 20 * time.Millisecond, 40, 0.8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			total, derived, counts := 0, 0, map[string]int{}
			for seed := uint64(1); seed <= c.seeds; seed++ {
				base, system := setUp(t, c.settings, everyClaim...)
				base.Limits.Time = plan.Duration(4 * time.Second) // the trace takes more time than the run
				p := explore.Draw(base, seed, everyKind, explore.DrawOptions{Skew: c.skew})
				run, report := simulate(t, p, system, everyClaim)
				for _, claim := range report.Claims {
					for _, w := range claim.Witnesses {
						total++
						counts[w.Cause]++
						if w.Cause == checker.CauseUnknown {
							continue
						}
						derived++
						problem := ""
						if claim.Claim == checker.Convergence {
							problem = run.verifyDivergence(t, w)
						} else {
							problem = run.verify(t, w)
						}
						assert.Empty(t, problem, "seed %d, %s: %s", seed, claim.Claim, w.Explanation)
					}
				}
			}
			t.Logf("%d of %d findings have a cause: %s", derived, total, inOrderOf(counts))
			assert.Greater(t, total, 10)
			assert.GreaterOrEqual(t, float64(derived), c.share*float64(total))
		})
	}
}

func inOrderOf(counts map[string]int) string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return strings.Join(names, ", ")
}

// TestAStoreThatKeepsItsClaimsNeedsNoCause is the control.
func TestAStoreThatKeepsItsClaimsNeedsNoCause(t *testing.T) {
	control := planted{settings: map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}, kinds: everyKind, skew: 50 * time.Millisecond, claims: everyClaim[:5]}
	for seed := uint64(1); seed <= 20; seed++ {
		assert.Empty(t, control.witnesses(t, seed))
	}
}
