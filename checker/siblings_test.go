package checker

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plainSiblings fills in what reads of siblings returned, by the dots that the
// operations tell, and returns the dot of each write.
func plainSiblings(operations []history.Operation, events []plainEvent) map[int]history.Dot {
	dots, writers := map[int]history.Dot{}, map[string]int{}
	for i := range events {
		e := &events[i]
		v, err := history.ParseVersions(operations[e.operation].Output)
		if e.writes {
			writers[e.key+" "+e.value] = i
			if err == nil {
				dots[i] = v.Dots[0]
			}
		} else if err == nil {
			e.versions, e.source = &v, -1
		} else if operations[e.operation].Output.Kind() == history.Nil && operations[e.operation].Key[0] == 's' {
			e.versions, e.source = &history.Versions{}, -1
		}
	}
	for i := range events {
		if v := events[i].versions; v != nil {
			for k, value := range v.Values {
				if w, found := writers[events[i].key+" "+strconv.FormatInt(value, 10)]; found {
					dots[w] = v.Dots[k]
					events[i].siblings = append(events[i].siblings, w)
				}
			}
		}
	}
	return dots
}

// siblingStore is a small model of a store that keeps concurrent values side
// by side, by dotted version vectors. Each process has a replica at which it
// stays, unless it roams; replicas hear of each other's writes in causal order,
// or in any.
type siblingStore struct {
	replicas, keys  int
	roam, disorder  bool
	unknown         float64
	held            [][]siblingState // by replica and key
	log             []siblingUpdate
	counters        [][]int64
	next            []history.Process
	causalDelivered []map[int]bool
}

type siblingState struct {
	values  map[history.Dot]int64
	context map[string]int64
}

// siblingUpdate is one write, with the context that it took the place of and
// the updates that its replica had.
type siblingUpdate struct {
	key    int
	dot    history.Dot
	value  int64
	over   map[string]int64
	before map[int]bool
}

func (s *siblingStore) run(r *rand.Rand, operations int) []history.Operation {
	s.held, s.counters, s.next = make([][]siblingState, s.replicas), make([][]int64, s.replicas), make([]history.Process, s.replicas)
	s.causalDelivered, s.log = make([]map[int]bool, s.replicas), nil
	for i := range s.held {
		s.counters[i], s.next[i], s.causalDelivered[i] = make([]int64, s.keys), history.Process(i), map[int]bool{}
		for range s.keys {
			s.held[i] = append(s.held[i], siblingState{map[history.Dot]int64{}, map[string]int64{}})
		}
	}
	var all []simulated
	for n := range operations {
		client := r.IntN(s.replicas)
		i := client
		if s.roam {
			i = r.IntN(s.replicas)
		}
		s.hear(r, i)
		k := r.IntN(s.keys)
		o := history.Operation{Process: s.next[client], Key: "s" + strconv.Itoa(k), Start: int64(10 * n), End: int64(10*n + 5), Type: history.Ok}
		unknown := r.Float64() < s.unknown
		state := &s.held[i][k]
		if r.IntN(2) == 0 {
			o.F, o.Output = history.FRead, state.show()
		} else {
			o.F, o.Input = history.FWrite, history.IntValue(int64(n+1))
			if !unknown || r.IntN(2) == 0 {
				s.counters[i][k]++
				u := siblingUpdate{k, history.Dot{Node: "n" + strconv.Itoa(i), Counter: s.counters[i][k]}, int64(n + 1), maps.Clone(state.context), maps.Clone(s.causalDelivered[i])}
				if r.IntN(3) == 0 { // a blind write, which takes the place of nothing
					u.over = map[string]int64{}
				}
				s.causalDelivered[i][len(s.log)] = true
				s.log = append(s.log, u)
				state.apply(u)
				o.Output, _ = history.Versions{Dots: []history.Dot{u.dot}, Context: maps.Clone(state.context)}.Value()
			}
		}
		if unknown {
			o.Type, o.End, o.Output = history.Info, history.Infinity, history.Value{}
			s.next[client] += history.Process(s.replicas)
		}
		all = append(all, simulated{Operation: o})
	}
	return order(all)
}

// show is what a read returns.
func (s *siblingState) show() history.Value {
	if len(s.values) == 0 {
		return history.NilValue()
	}
	v := history.Versions{Context: maps.Clone(s.context)}
	for dot := range s.values {
		v.Dots = append(v.Dots, dot)
	}
	slices.SortFunc(v.Dots, func(a, b history.Dot) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	for _, dot := range v.Dots {
		v.Values = append(v.Values, s.values[dot])
	}
	value, err := v.Value()
	if err != nil {
		panic(err)
	}
	return value
}

// apply takes an update in, unless something newer has taken its place.
func (s *siblingState) apply(u siblingUpdate) {
	if u.dot.Counter <= s.context[u.dot.Node] {
		return
	}
	for dot := range s.values {
		if dot.Counter <= u.over[dot.Node] {
			delete(s.values, dot)
		}
	}
	s.values[u.dot] = u.value
	s.context[u.dot.Node] = max(s.context[u.dot.Node], u.dot.Counter)
	for node, counter := range u.over {
		s.context[node] = max(s.context[node], counter)
	}
}

func (s *siblingStore) hear(r *rand.Rand, i int) {
	for range r.IntN(5) {
		if len(s.log) == 0 {
			return
		}
		n := r.IntN(len(s.log))
		u := s.log[n]
		late := false
		if !s.disorder {
			for before := range u.before {
				late = late || !s.causalDelivered[i][before]
			}
		}
		if !late && !s.causalDelivered[i][n] {
			s.causalDelivered[i][n] = true
			s.held[i][u.key].apply(u)
		}
	}
}

// TestNeverAccusesACausalStoreWithSiblings: each process stays with its replica.
func TestNeverAccusesACausalStoreWithSiblings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := siblingStore{
			replicas: rapid.IntRange(1, 5).Draw(t, "replicas"), keys: rapid.IntRange(1, 4).Draw(t, "keys"),
			unknown: rapid.SampledFrom([]float64{0, 0.1, 0.3}).Draw(t, "unknown"),
		}
		seed := rapid.Uint64().Draw(t, "seed")
		operations := s.run(rand.New(rand.NewPCG(seed, 3)), rapid.IntRange(1, 120).Draw(t, "operations"))
		requireNoneRefuted(t, operations, append([]string{ReadYourWrites, MonotonicReads, Linearizable, NoStaleReads, NoLostWrites}, orderClaims...)...)
	})
}

// TestSiblingsAgainstTheDefinitions compares each claim with its definition
// over stores that deliver in any order to processes that roam.
func TestSiblingsAgainstTheDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	refuted := map[string]int{}
	for range 3_000 {
		s := siblingStore{replicas: 2 + r.IntN(3), keys: 1 + r.IntN(3), unknown: 0.1, roam: r.IntN(2) == 0, disorder: r.IntN(3) > 0}
		operations := s.run(r, 4+r.IntN(10))
		if !slices.ContainsFunc(operations, func(o history.Operation) bool {
			return o.F == history.FRead && o.Type == history.Ok && o.Output.Kind() == history.Raw
		}) {
			continue
		}
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		if slices.ContainsFunc(tl.keys, func(k keyOperations) bool { return k.object != siblingObject }) {
			continue // a key that was never read with siblings is a plain register
		}
		want := plainViolations(operations)
		for _, claim := range orderClaims {
			got := foundBy(t, operations, claim)
			require.ElementsMatch(t, want[claim], got, "%s\n%s", claim, describeHistory(operations))
			if len(got) > 0 {
				refuted[claim]++
			}
		}
		report, err := Check(context.Background(), operations, Options{Claims: append([]string{ReadYourWrites, MonotonicReads}, orderClaims...)})
		require.NoError(t, err)
		own, backward := plainSessions(operations)
		require.Equal(t, own, report.Claims[0].Verdict == Refuted, describeHistory(operations))
		require.Equal(t, backward, report.Claims[1].Verdict == Refuted, describeHistory(operations))
		for _, c := range report.Claims {
			if c.Verdict == Refuted {
				refuted["shown "+c.Claim]++
			}
			require.NotContains(t, c.Explanation, "defect", describeHistory(operations))
		}
	}
	t.Log(refuted)
	assert.Len(t, refuted, 12)
}

// plainSessions decides read-your-writes and monotonic-reads from what reads
// returned, by comparing each operation with each later one of its session.
func plainSessions(operations []history.Operation) (own, backward bool) {
	for i, a := range operations {
		if a.Type != history.Ok {
			continue
		}
		before, err := history.ParseVersions(a.Output)
		if err != nil {
			continue
		}
		for _, b := range operations[i+1:] {
			if b.Process != a.Process || b.Key != a.Key || b.F != history.FRead || b.Type != history.Ok {
				continue
			}
			after, _ := history.ParseVersions(b.Output)
			for _, dot := range before.Dots {
				own = own || a.F == history.FWrite && !after.Covers(dot)
				backward = backward || a.F == history.FRead && !after.Covers(dot)
			}
			for node, counter := range before.Context {
				backward = backward || a.F == history.FRead && !after.Covers(history.Dot{Node: node, Counter: counter})
			}
		}
	}
	return own, backward
}
