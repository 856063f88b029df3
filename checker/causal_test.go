package checker

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var orderClaims = []string{Causal, PRAM, ConsistentPrefix, WritesFollowReads, MonotonicWrites}

// plainEvent is what a process did, for the definitions below, which share
// nothing with the package: no numbering, no clocks, all orders laid out by
// Floyd and Warshall.
type plainEvent struct {
	operation int
	session   int
	key       string
	writes    bool
	value     string // written or read; "" for nothing
	source    int    // the event that wrote what was read; -1: nothing to be said; -2: the initial state; -3: nobody
	// Of a read of siblings: what it returned, and the events that wrote them.
	versions *history.Versions
	siblings []int
}

func plainEvents(operations []history.Operation) []plainEvent {
	show := func(v history.Value) string {
		if v.Kind() == history.Nil {
			return ""
		}
		return showValue(v)
	}
	var events []plainEvent
	sessions, ended := map[history.Process]int{}, map[history.Process]bool{}
	tried, written := map[string]int{}, map[string][]int{}
	fresh := 1000
	for i, o := range operations {
		session, found := sessions[o.Process]
		if !found {
			session = len(sessions)
			sessions[o.Process] = session
		}
		if ended[o.Process] {
			if o.F == history.FRead {
				continue
			}
			fresh++
			session = fresh
		}
		ended[o.Process] = ended[o.Process] || o.Type == history.Info
		switch o.F {
		case history.FRead:
			if o.Type == history.Ok {
				events = append(events, plainEvent{operation: i, session: session, key: o.Key, value: show(o.Output), source: -1})
			}
			continue
		case history.FCAS:
			if o.Type == history.Ok {
				events = append(events, plainEvent{operation: i, session: session, key: o.Key, value: show(history.IntValue(o.Input.List()[0])), source: -1})
			}
		}
		value := ""
		switch o.F {
		case history.FWrite:
			value = show(o.Input)
		case history.FCAS:
			value = show(history.IntValue(o.Input.List()[1]))
		}
		tried[o.Key+" "+value]++
		if o.Type != history.Fail {
			written[o.Key+" "+value] = append(written[o.Key+" "+value], len(events))
			events = append(events, plainEvent{operation: i, session: session, key: o.Key, writes: true, value: value, source: -1})
		}
	}
	for i := range events {
		e := &events[i]
		name := e.key + " " + e.value
		switch writers := written[name]; {
		case e.writes || e.value == "" && len(writers) > 0 || len(writers) > 1:
		case e.value == "":
			e.source = -2
		case len(writers) == 1:
			e.source = writers[0]
		case tried[name] == 0:
			e.source = -3
		}
	}
	return events
}

// relation is a relation between events.
type relation [][]bool

func newRelation(n int, holds func(a, b int) bool) relation {
	r := make(relation, n)
	for a := range r {
		r[a] = make([]bool, n)
		for b := range r[a] {
			r[a][b] = holds(a, b)
		}
	}
	return r
}

func (r relation) close() relation {
	for k := range r {
		for i := range r {
			for j := range r {
				r[i][j] = r[i][j] || r[i][k] && r[k][j]
			}
		}
	}
	return r
}

func (r relation) cyclic() bool {
	for i := range r {
		if r[i][i] {
			return true
		}
	}
	return false
}

// plainViolations returns the operations that violate each claim, by the
// definitions; all of them (-1) where the order is cyclic.
func plainViolations(operations []history.Operation) map[string][]int {
	events := plainEvents(operations)
	n := len(events)
	so := func(a, b int) bool { return a < b && events[a].session == events[b].session }
	rf := func(a, b int) bool {
		return !events[b].writes && events[b].source == a || slices.Contains(events[b].siblings, a)
	}
	dots := plainSiblings(operations, events)
	sources := make([][]int, n)
	for b := range events {
		sources[b] = slices.DeleteFunc(upTo(n), func(a int) bool { return !rf(a, b) })
	}
	co := newRelation(n, func(a, b int) bool { return so(a, b) || rf(a, b) }).close()
	// w1 was read before w2 was written, by one process.
	follows := newRelation(n, func(a, b int) bool {
		return events[a].writes && events[b].writes && slices.ContainsFunc(upTo(n), func(k int) bool { return rf(a, k) && so(k, b) })
	}).close()
	// The process of r had read, before r, a write of another session for which the condition holds.
	had := func(r int, holds func(w2 int) bool) bool {
		return slices.ContainsFunc(upTo(n), func(k int) bool {
			return (so(k, r) || k == r && events[r].versions != nil) && slices.ContainsFunc(sources[k], func(w2 int) bool { return events[w2].session != events[r].session && holds(w2) })
		})
	}
	own := func(w, r int) bool { return so(w, r) }
	knows := func(w, r int) bool { // as PRAM has it
		return own(w, r) || had(r, func(w2 int) bool { return w == w2 || so(w, w2) })
	}
	older := map[string]func(u, w int) bool{
		Causal: func(u, w int) bool { return co[u][w] }, ConsistentPrefix: func(u, w int) bool { return co[u][w] },
		PRAM: so, MonotonicWrites: so, WritesFollowReads: func(u, w int) bool { return follows[u][w] },
	}
	before := map[string]func(w, r int) bool{
		Causal:            func(w, r int) bool { return co[w][r] },
		ConsistentPrefix:  func(w, r int) bool { return had(r, func(w2 int) bool { return co[w][w2] }) },
		PRAM:              knows,
		MonotonicWrites:   func(w, r int) bool { return had(r, func(w2 int) bool { return so(w, w2) }) },
		WritesFollowReads: func(w, r int) bool { return had(r, func(w2 int) bool { return follows[w][w2] }) },
	}
	found := map[string][]int{}
	for _, claim := range orderClaims {
		if claim == Causal || claim == ConsistentPrefix || claim == WritesFollowReads {
			if co.cyclic() {
				found[claim] = append(found[claim], -1)
			}
		}
		for r := range events {
			e := &events[r]
			violated := false
			switch {
			case e.versions != nil:
				for w, dot := range dots {
					violated = violated || events[w].key == e.key && before[claim](w, r) && !e.versions.Covers(dot)
				}
			case e.writes || e.source == -1:
			case e.source == -3:
				violated = claim == Causal || claim == PRAM
			default:
				for w := range events {
					x := &events[w]
					if x.writes && x.key == e.key && w != e.source && (e.source == -2 || older[claim](e.source, w)) && before[claim](w, r) {
						violated = true
					}
					if claim == PRAM && x.key == e.key && so(w, r) { // an access of another value in between
						value := w
						if !x.writes {
							value = x.source
						}
						if value >= 0 && value != e.source && (e.source == -2 || knows(e.source, w)) {
							violated = true
						}
					}
				}
				if claim == PRAM && e.source > r && events[e.source].session == e.session {
					violated = true
				}
			}
			if violated {
				found[claim] = append(found[claim], e.operation)
			}
		}
	}
	return found
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// chaos makes a small history in which reads return anything: mostly values
// that were written, in any order.
func chaos(r *rand.Rand) []history.Operation {
	processes, keys := 2+r.IntN(3), 1+r.IntN(3)
	deletes, cas := r.IntN(6) == 0, r.IntN(3) == 0
	id := make([]history.Process, processes)
	for i := range id {
		id[i] = history.Process(i)
	}
	var all []simulated
	values := make([][]int64, keys)
	at := int64(0)
	n := 5 + r.IntN(6)
	future := 3 * r.IntN(2) // of a hundred reads, how many may return what is written later
	next := int64(0)
	for range n {
		at += 2
		w, k := r.IntN(processes), r.IntN(keys)
		o := history.Operation{Process: id[w], Key: string(rune('a' + k)), Start: at, End: at + 1, Type: history.Ok}
		switch x := r.IntN(20); {
		case x < 11:
			o.F = history.FRead
		case x < 13 && cas:
			next++
			expected := r.Int64N(4)
			if n := len(values[k]); n > 0 && r.IntN(6) > 0 {
				expected = values[k][r.IntN(n)]
			}
			o.F, o.Input = history.FCAS, history.ListValue([]int64{expected, next})
			values[k] = append(values[k], next)
		case x < 14 && deletes:
			o.F = history.FDelete
		default:
			next++
			value := next
			if r.IntN(25) == 0 {
				value = 1 + r.Int64N(3)
			}
			o.F, o.Input = history.FWrite, history.IntValue(value)
			values[k] = append(values[k], value)
		}
		switch x := r.IntN(20); {
		case x == 0:
			o.Type = history.Fail
		case x < 3:
			o.Type, o.End = history.Info, history.Infinity
			if r.IntN(4) > 0 { // as the harness does it
				id[w] += history.Process(processes)
			}
		}
		all = append(all, simulated{Operation: o})
	}
	for i := range all {
		o := &all[i]
		if o.F != history.FRead || o.Type != history.Ok {
			continue
		}
		k := o.Key[0] - 'a'
		o.Output = history.NilValue()
		if x := r.IntN(80); x == 0 {
			o.Output = history.IntValue(77)
		} else if len(values[k]) > 0 && x > 8 {
			for tries := 12; tries > 0; tries-- {
				v := values[k][r.IntN(len(values[k]))]
				if r.IntN(100) < future || writtenBefore(all[:i], o.Key, v) { // in some histories one that is written later
					o.Output = history.IntValue(v)
					break
				}
			}
		}
	}
	return order(all)
}

func writtenBefore(all []simulated, key string, value int64) bool {
	return slices.ContainsFunc(all, func(s simulated) bool {
		n, ok := s.Input.Int()
		if s.F == history.FCAS {
			n, ok = s.Input.List()[1], true
		}
		return s.Key == key && ok && n == value
	})
}

// foundBy are the operations at which the fast way sees violations of the claim.
func foundBy(t *testing.T, operations []history.Operation, claim string) []int {
	t.Helper()
	tl, err := newTimeline(operations)
	require.NoError(t, err)
	h := newCausalHistory(tl)
	out := newViolations(h, causalClaims[claim].classes)
	out.most, out.mostOfEach = len(operations), len(operations)
	require.NoError(t, causalClaims[claim].decide(context.Background(), h, Options{}, out))
	var found []int
	for _, v := range out.candidates {
		if v.class == classCyclic && claim != PRAM {
			found = append(found, -1)
		} else {
			found = append(found, int(h.events[v.read].position))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestOrderClaimsAgainstTheirDefinitions compares the fast ways with the
// definitions, read by read, over small histories of every kind.
func TestOrderClaimsAgainstTheirDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 4))
	refuted, held, cyclic := map[string]int{}, map[string]int{}, 0
	for range 20_000 {
		operations := chaos(r)
		want := plainViolations(operations)
		for _, claim := range orderClaims {
			expected := slices.Compact(want[claim])
			got := foundBy(t, operations, claim)
			switch {
			case slices.Contains(expected, -1): // what comes after a cycle has no place in the order
				cyclic++
				require.Contains(t, got, -1, "%s\n%s", claim, describeHistory(operations))
			case claim == PRAM: // a read that has no place cannot put others in the wrong
				require.Subset(t, expected, got, "%s\n%s", claim, describeHistory(operations))
				require.Equal(t, len(expected) > 0, len(got) > 0, "%s\n%s", claim, describeHistory(operations))
			default:
				require.ElementsMatch(t, expected, got, "%s\n%s", claim, describeHistory(operations))
			}
			if len(got) > 0 {
				refuted[claim]++
			} else {
				held[claim]++
			}
		}
	}
	t.Logf("refuted %v, held %v, cycles %d", refuted, held, cyclic)
	for _, claim := range orderClaims {
		assert.Greater(t, refuted[claim], 100, claim)
		assert.Greater(t, held[claim], 5_000, claim)
	}
	assert.Greater(t, cyclic, 100)
}

// TestOrderWitnessesProveThemselves: the operations of a witness violate the
// claim by the plain definitions, and none of its reads can be left out.
func TestOrderWitnessesProveThemselves(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	seen := map[string]int{}
	for range 6_000 {
		operations := chaos(r)
		report, err := Check(context.Background(), operations, Options{Claims: orderClaims})
		require.NoError(t, err)
		want := plainViolations(operations)
		for _, c := range report.Claims {
			require.Equal(t, len(want[c.Claim]) > 0, c.Verdict == Refuted, "%s: %s\n%s", c.Claim, c.Explanation, describeHistory(operations))
			for _, w := range c.Witnesses {
				part := slices.DeleteFunc(slices.Clone(operations), func(o history.Operation) bool { return !slices.Contains(w.Operations, o.Index) })
				require.NotEmpty(t, plainViolations(part)[c.Claim], "%s: %s\n%s", c.Claim, w.Explanation, describeHistory(operations))
				require.NotEmpty(t, w.Explanation)
				seen[c.Claim+" "+w.Class]++
			}
		}
	}
	t.Log(seen)
	assert.Len(t, seen, 14)
}

// TestOrderClaimsEndInTime: many sessions that ended with an operation of
// unknown outcome, and less time than it takes to look at them all.
func TestOrderClaimsEndInTime(t *testing.T) {
	operations := simulation{operations: 100_000, processes: 100, keys: 1, unknown: 0.3}.run(rand.New(rand.NewPCG(1, 2)))
	timeline, err := newTimeline(operations)
	require.NoError(t, err)
	h := newCausalHistory(timeline)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	visited := 0
	_, err = h.walk(ctx, Options{}, func(int32) {
		if visited++; visited == 5_000 {
			cancel()
		}
	})
	require.ErrorContains(t, err, "the time for checking was over")
	assert.Less(t, visited, 5_000+2*eventsBetweenTimes)
}
