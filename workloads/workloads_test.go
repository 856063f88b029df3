package workloads_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

var nodes = []string{"n1", "n2", "n3", "n4", "n5", "n6"}

func config(t *testing.T, w workloads.Workload, seed uint64, settings map[string]string) workloads.Config {
	t.Helper()
	resolved, err := workloads.Resolve(w, settings)
	require.NoError(t, err)
	return workloads.NewConfig(seed, nodes, 10, resolved)
}

func main(t *testing.T, w workloads.Workload, c workloads.Config) generator.Generator {
	t.Helper()
	g, err := w.Main(c)
	require.NoError(t, err)
	return g
}

func TestTheSeedDecidesEveryOperation(t *testing.T) {
	for _, w := range workloads.All() {
		one, same, other := main(t, w, config(t, w, 1, nil)), main(t, w, config(t, w, 1, nil)), main(t, w, config(t, w, 2, nil))
		different := 0
		for worker := range 10 {
			for index := range 300 {
				a, _ := one.Operation(worker, index)
				b, _ := same.Operation(worker, index)
				c, _ := other.Operation(worker, index)
				require.Equal(t, a, b, "%s, worker %d, operation %d", w.Name(), worker, index)
				if a != c {
					different++
				}
			}
		}
		assert.Greater(t, different, 500, "%s: another seed is another sequence", w.Name())
	}
}

func TestWrittenValuesAreUnique(t *testing.T) {
	for _, w := range workloads.All() {
		g := main(t, w, config(t, w, 3, nil))
		seen := map[int64]string{}
		for worker := range 10 {
			for index := range 500 {
				op, ok := g.Operation(worker, index)
				require.True(t, ok)
				value, isInt := op.Value.Int()
				if op.F == history.FRead {
					assert.False(t, isInt, "a read has no argument")
					continue
				}
				if op.F == history.FDelete || w.Name() == "counter" {
					continue // without a value, and with amounts
				}
				require.True(t, isInt)
				where := fmt.Sprint(w.Name(), worker, index)
				require.Empty(t, seen[value], "value %d of %s", value, where)
				seen[value] = where
			}
		}
		assert.True(t, len(seen) > 0 || w.Name() == "counter", w.Name())
	}
}

func TestRegisterKeysAreSharedAndRetiredOneByOne(t *testing.T) {
	w := workloads.Register{}
	g := main(t, w, config(t, w, 5, map[string]string{"keys": "5", "operations-per-key": "200"}))
	uses := map[string]int{}
	workersOf := map[string]map[int]bool{}
	first, last := map[string]int{}, map[string]int{}
	for index := range 1000 {
		for worker := range 10 {
			op, _ := g.Operation(worker, index)
			uses[op.Key]++
			if workersOf[op.Key] == nil {
				workersOf[op.Key] = map[int]bool{}
				first[op.Key] = index
			}
			workersOf[op.Key][worker] = true
			last[op.Key] = index
		}
	}
	ends := map[int]int{}
	for key, n := range uses {
		assert.LessOrEqual(t, n, 320, "key %s is retired", key)
		if last[key]-first[key] > 80 { // not cut short by the first or last operations
			assert.Len(t, workersOf[key], 10, "all workers meet on %s", key)
		}
		ends[last[key]]++
	}
	assert.Greater(t, len(uses), 30)
	assert.Less(t, len(uses), 80)
	for index, n := range ends {
		if index < 999 {
			assert.LessOrEqual(t, n, 2, "%d keys end at operation %d", n, index)
		}
	}
}

func TestFinalReadsCoverEveryKeyOnEveryNode(t *testing.T) {
	for _, w := range workloads.All() {
		for _, concurrency := range []int{1, 3, 10} {
			c := config(t, w, 1, nil)
			c.Concurrency = concurrency
			keys := []string{"s0", "s1", "s2", "s3"}
			finals := w.Finals(c, keys)
			seen := map[string]bool{}
			for worker := range concurrency {
				for index := 0; ; index++ {
					op, ok := finals.Operation(worker, index)
					if !ok {
						break
					}
					assert.Equal(t, history.FRead, op.F)
					seen[op.Key+" on "+op.Node] = true
				}
			}
			assert.Len(t, seen, len(keys)*len(nodes), "%s with %d workers", w.Name(), concurrency)
		}
	}
}

func TestAnErrorIsFailOnlyIfNothingHappened(t *testing.T) {
	definite := &target.Error{Definite: true, Message: "unavailable", Evidence: &history.Evidence{Coordinator: "n1"}}
	indeterminate := &target.Error{Message: "timeout"}
	for _, c := range []struct {
		err         error
		read, write history.Type
	}{
		{definite, history.Fail, history.Fail},
		{fmt.Errorf("wrapped: %w", definite), history.Fail, history.Fail},
		{indeterminate, history.Fail, history.Info},
		{errors.New("connection reset"), history.Fail, history.Info},
		{context.DeadlineExceeded, history.Fail, history.Info},
	} {
		client := &store{values: map[string]int64{}, err: c.err}
		for _, w := range workloads.All() {
			config, kinds := config(t, w, 1, nil), map[string]bool{}
			g := main(t, w, config)
			for index := range 300 {
				op, _ := g.Operation(index%10, index)
				var m workloads.Memory
				m.Begin(index%10, index)
				if p, ok := w.(workloads.Preparer); ok {
					op = p.Prepare(config, &m, op)
				}
				want := c.write
				if op.F == history.FRead {
					want = c.read
				}
				client.then = nil
				if w.Name() == "cart" && op.F == history.FWrite && index%2 == 0 { // it reads before it writes
					asked := 0
					client.then = func() error {
						if asked++; asked == 1 {
							return nil
						}
						return c.err
					}
				} else if w.Name() == "cart" {
					want = c.read
				}
				out := w.Perform(t.Context(), config, &m, client, op)
				require.Equal(t, want, out.Type, "%s %s: %v", w.Name(), op.F, c.err)
				require.NotEmpty(t, out.Error)
				if errors.Is(c.err, definite) {
					require.Equal(t, "n1", out.Evidence.Coordinator, "%s %s: evidence survives the error", w.Name(), op.F)
				}
				kinds[op.F] = true
			}
			assert.GreaterOrEqual(t, len(kinds), 2, w.Name())
		}
	}
}

func TestRegisterReadsWhatItWrote(t *testing.T) {
	client := &store{values: map[string]int64{}}
	w := workloads.Register{}
	c := config(t, w, 1, nil)
	out := w.Perform(t.Context(), c, &workloads.Memory{}, client, generator.Operation{F: history.FRead, Key: "r"})
	assert.Equal(t, history.Nil, out.Value.Kind(), "not found is null")
	w.Perform(t.Context(), c, &workloads.Memory{}, client, generator.Operation{F: history.FWrite, Key: "r", Value: history.IntValue(7)})
	out = w.Perform(t.Context(), c, &workloads.Memory{}, client, generator.Operation{F: history.FRead, Key: "r"})
	value, _ := out.Value.Int()
	assert.EqualValues(t, 7, value)
}

func TestSetReadsEveryElementThatAnyWorkerAdds(t *testing.T) {
	client := &store{values: map[string]int64{}}
	w := workloads.Set{}
	c := config(t, w, 1, map[string]string{"elements": "50", "reads": "10"})
	g := main(t, w, c)
	added := map[string][]int64{}
	for worker := range 10 {
		for index := range 20 {
			op, _ := g.Operation(worker, index)
			if op.F == history.FAdd {
				require.Equal(t, history.Ok, w.Perform(t.Context(), c, &workloads.Memory{}, client, op).Type)
				value, _ := op.Value.Int()
				added[op.Key] = append(added[op.Key], value)
			}
		}
	}
	require.Greater(t, len(added), 2)
	for key, want := range added {
		out := w.Perform(t.Context(), c, &workloads.Memory{}, client, generator.Operation{F: history.FRead, Key: key})
		assert.ElementsMatch(t, want, out.Value.List(), key)
	}
	delete(client.values, "s1/"+fmt.Sprint(added["s1"][0]))
	out := w.Perform(t.Context(), c, &workloads.Memory{}, client, generator.Operation{F: history.FRead, Key: "s1"})
	assert.NotContains(t, out.Value.List(), added["s1"][0], "what the store lost is missing")
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	_, err := workloads.Resolve(workloads.Register{}, map[string]string{"kyes": "3"})
	assert.ErrorContains(t, err, `no setting "kyes"`)
	assert.ErrorContains(t, err, "operations-per-key")
	for name, value := range map[string]string{"keys": "0", "writes": "100", "operations-per-key": "many"} {
		w := workloads.Register{}
		_, err := w.Main(config(t, w, 1, map[string]string{name: value}))
		assert.ErrorContains(t, err, name)
	}
	_, err = workloads.Lookup("bank")
	assert.ErrorContains(t, err, "register, row")
}

// begun is a memory in the middle of an operation.
func begun(worker, index int) *workloads.Memory {
	m := &workloads.Memory{}
	m.Begin(worker, index)
	return m
}

func newStore() *store {
	return &store{values: map[string]int64{}, sets: map[string]map[int64]bool{}, rows: map[string]map[string]int64{}, blobs: map[string][]target.Versions{}}
}

// What a performance noted counts only if its driver keeps it.
func TestMemoryKeepsWhatItIsToldTo(t *testing.T) {
	m := begun(1, 1)
	m.Note("k", workloads.Known{Order: "1"})
	assert.Equal(t, "1", m.Known("k").Order)
	m.Begin(1, 1) // performed again
	assert.Empty(t, m.Known("k").Order)
	m.Note("k", workloads.Known{Order: "2"})
	m.Keep()
	m.Begin(1, 2)
	assert.Equal(t, "2", m.Known("k").Order)
	m.Forget()
	assert.Empty(t, m.Known("k").Order)

	names := map[uint64]bool{}
	for worker := range 20 {
		for index := range 100 {
			id := begun(worker, index).Operation()
			require.False(t, id == 0 || names[id])
			names[id] = true
		}
	}
}

func TestACompareAndSetExpectsWhatItsClientKnewLast(t *testing.T) {
	client, w, m := newStore(), workloads.CAS{}, begun(0, 0)
	c := config(t, w, 1, nil)
	do := func(f string, value int64) (workloads.Outcome, history.Value) {
		op := generator.Operation{F: f, Key: "k"}
		if f != history.FRead {
			op.Value = history.IntValue(value)
		}
		op = w.Prepare(c, m, op)
		out := w.Perform(t.Context(), c, m, client, op)
		m.Keep()
		return out, op.Value
	}
	out, asked := do(history.FCAS, 1)
	assert.Equal(t, history.Ok, out.Type)
	assert.Equal(t, "[null,1]", string(asked.Raw()), "it knew nothing")
	out, asked = do(history.FCAS, 2)
	assert.Equal(t, history.Ok, out.Type)
	assert.Equal(t, []int64{1, 2}, asked.List())
	client.values["k"] = 9
	out, _ = do(history.FCAS, 3)
	assert.Equal(t, history.Fail, out.Type)
	assert.Equal(t, "mismatch", out.Error)
	found, _ := out.Value.Int()
	assert.EqualValues(t, 9, found, "what it found instead")
	_, asked = do(history.FCAS, 4)
	assert.Equal(t, []int64{9, 4}, asked.List(), "and what it expects then")
	client.values["k"] = 10
	do(history.FRead, 0)
	_, asked = do(history.FCAS, 5)
	assert.Equal(t, []int64{10, 5}, asked.List(), "a read tells it as well")
}

// With write-as=compare-and-set a write never overwrites what it has not read,
// and one of which nobody knows what became is not repeated.
func TestAWriteByCompareAndSet(t *testing.T) {
	w, m := workloads.CAS{}, begun(0, 0)
	c := config(t, w, 1, map[string]string{"write-as": "compare-and-set"})
	write := generator.Operation{F: history.FWrite, Key: "k", Value: history.IntValue(7)}
	for name, x := range map[string]struct {
		others int     // values that others write between a read and its compare-and-set
		errors []error // of the requests, in order: a read, a compare-and-set, a read, …
		want   history.Type
		asked  int
		value  int64
	}{
		"nobody else":       {0, nil, history.Ok, 2, 7},
		"one came between":  {1, nil, history.Ok, 4, 7},
		"one always does":   {1000, nil, history.Fail, 40, -20},
		"no answer":         {0, []error{nil, &target.Error{Message: "timeout"}}, history.Info, 2, 1},
		"refused":           {0, []error{nil, &target.Error{Definite: true, Message: "refused"}}, history.Fail, 2, 1},
		"no answer to read": {0, []error{&target.Error{Message: "timeout"}}, history.Fail, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			client, asked, others := newStore(), 0, int64(0)
			client.values["k"] = 1
			client.then = func() error {
				asked++
				if asked%2 == 0 && others < int64(x.others) {
					others++
					client.values["k"] = -others
				}
				if asked <= len(x.errors) {
					return x.errors[asked-1]
				}
				return nil
			}
			out := w.Perform(t.Context(), c, m, client, write)
			assert.Equal(t, x.want, out.Type)
			assert.Equal(t, x.asked, asked)
			assert.Equal(t, x.value, client.values["k"])
		})
	}
	_, err := w.Main(workloads.NewConfig(1, nodes, 10, map[string]string{"keys": "5", "operations-per-key": "100", "swaps": "50", "writes": "0", "write-as": "paxos"}))
	assert.ErrorContains(t, err, "write-as")
}

func TestAnAdditionIsRepeatedAsTheSettingSays(t *testing.T) {
	w := workloads.Counter{}
	timeout, refused := &target.Error{Message: "timeout"}, &target.Error{Definite: true, Message: "refused"}
	for _, x := range []struct {
		settings string
		errors   []error
		want     history.Type
		asked    int
		ids      int // different ones but 0
	}{
		{"none", []error{timeout}, history.Info, 1, 0},
		{"none", []error{refused}, history.Fail, 1, 0},
		{"blind", []error{timeout, nil}, history.Ok, 2, 0},
		{"blind", []error{refused}, history.Fail, 1, 0},
		{"identified", []error{timeout, timeout, nil}, history.Ok, 3, 1},
		{"identified", []error{timeout, refused, refused, refused}, history.Info, 4, 1},
	} {
		client := newStore()
		errs := x.errors
		client.then = func() (err error) { err, errs = errs[0], errs[1:]; return err }
		out := w.Perform(t.Context(), config(t, w, 1, map[string]string{"retry": x.settings}), begun(3, 7), client,
			generator.Operation{F: history.FAdd, Key: "n", Value: history.IntValue(1)})
		assert.Equal(t, x.want, out.Type, "%v", x)
		assert.Len(t, client.ids, x.asked, "%v", x)
		different := map[uint64]bool{}
		for _, id := range client.ids {
			if id != 0 {
				different[id] = true
			}
		}
		assert.Len(t, different, x.ids, "%v", x)
	}
}

// With a floor a client asks until it is shown nothing older than it knew of.
func TestAFloorIsHeld(t *testing.T) {
	w, client, m := workloads.Register{}, newStore(), begun(0, 0)
	c := config(t, w, 1, map[string]string{"session": "floor"})
	read := generator.Operation{F: history.FRead, Key: "k"}
	w.Perform(t.Context(), c, m, client, generator.Operation{F: history.FWrite, Key: "k", Value: history.IntValue(1)}) // its order is "5"
	client.orders = []string{"", "3", "6", "4"}
	assert.Equal(t, history.Ok, w.Perform(t.Context(), c, m, client, read).Type)
	assert.Equal(t, []string{"4"}, client.orders, "three reads: of nothing, of 3, of 6")
	client.orders = append(client.orders, slices.Repeat([]string{"5"}, 200)...)
	out := w.Perform(t.Context(), c, m, client, read)
	assert.Equal(t, history.Fail, out.Type, "never shown 6 again")
	assert.Contains(t, out.Error, "100 reads")
	assert.Equal(t, history.Ok, w.Perform(t.Context(), c, begun(1, 0), client, read).Type, "another session has another floor")
}

func TestRowsAreWrittenAndReadWhole(t *testing.T) {
	for _, as := range []string{"columns", "blob"} {
		w, client := workloads.Row{}, newStore()
		c := config(t, w, 1, map[string]string{"as": as})
		do := func(op generator.Operation) workloads.Outcome {
			return w.Perform(t.Context(), c, begun(0, 0), client, w.Prepare(c, begun(0, 0), op))
		}
		read := generator.Operation{F: history.FRead, Key: "w"}
		assert.Equal(t, history.Nil, do(read).Value.Kind())
		assert.Equal(t, []int64{4, -4}, do(generator.Operation{F: history.FWrite, Key: "w", Value: history.IntValue(4)}).Value.List())
		assert.Equal(t, []int64{4, -4}, do(read).Value.List())
	}
}

// The union of what stands side by side brings back what was taken out; a set does not.
func TestCartsAreMergedAsTheSettingSays(t *testing.T) {
	w := workloads.Cart{}
	op := func(f string, item int) generator.Operation {
		o := generator.Operation{F: f, Key: fmt.Sprintf("c0/%d", item)}
		if f == history.FWrite {
			o.Value = history.IntValue(int64(item))
		}
		return o
	}
	for _, merge := range []string{"union", "or-set"} {
		client := newStore()
		c := config(t, w, 1, map[string]string{"merge": merge})
		do := func(o generator.Operation) workloads.Outcome {
			out := w.Perform(t.Context(), c, begun(0, 0), client, o)
			require.Equal(t, history.Ok, out.Type, out.Error)
			return out
		}
		do(op(history.FWrite, 1))
		do(op(history.FWrite, 2))
		old := slices.Clone(client.blobs["c0"])
		do(op(history.FDelete, 1))
		assert.Equal(t, history.Nil, do(op(history.FRead, 1)).Value.Kind(), merge)
		assert.Equal(t, history.IntValue(2), do(op(history.FRead, 2)).Value, merge)
		if merge == "union" {
			client.blobs["c0"] = append(client.blobs["c0"], old...) // written by somebody who had not seen the removal
			assert.Equal(t, history.IntValue(1), do(op(history.FRead, 1)).Value, "it is back")
		}
	}
}

func TestWritesOfSiblingsHandBackWhatWasSeen(t *testing.T) {
	w := workloads.Siblings{}
	write := func(v int64) generator.Operation {
		return generator.Operation{F: history.FWrite, Key: "v", Value: history.IntValue(v)}
	}
	read := generator.Operation{F: history.FRead, Key: "v"}
	versions := func(out workloads.Outcome) history.Versions {
		require.Equal(t, history.Ok, out.Type, out.Error)
		v, err := history.ParseVersions(out.Value)
		require.NoError(t, err)
		return v
	}
	for _, x := range []struct {
		settings map[string]string
		read     bool
		want     []int64
	}{
		{nil, false, []int64{1, 2}},                              // neither had read
		{nil, true, []int64{2}},                                  // the second had
		{map[string]string{"blind": "100"}, true, []int64{1, 2}}, // and forgets
	} {
		client, m := newStore(), begun(0, 0)
		c := config(t, w, 1, x.settings)
		assert.Equal(t, []history.Dot{{Node: "n1", Counter: 1}}, versions(w.Perform(t.Context(), c, begun(1, 0), client, write(1))).Dots)
		if x.read {
			w.Perform(t.Context(), c, m, client, read)
		}
		w.Perform(t.Context(), c, m, client, write(2))
		got := versions(w.Perform(t.Context(), c, begun(2, 0), client, read))
		assert.Equal(t, x.want, got.Values, "%v", x.settings)
	}
}

// Each conversation has one who asks and one who answers, after having read the question.
func TestConversations(t *testing.T) {
	w := workloads.Session{}
	g := main(t, w, config(t, w, 1, nil))
	writers := map[string]int{}
	for index := range 200 {
		for worker := range 10 {
			op, _ := g.Operation(worker, index)
			if op.F != history.FWrite {
				continue
			}
			_, twice := writers[op.Key]
			require.False(t, twice, "%s is written once", op.Key)
			writers[op.Key] = worker
			if op.Key[0] == 'a' {
				before, _ := g.Operation(worker, index-1)
				assert.Equal(t, generator.Operation{F: history.FRead, Key: "q" + op.Key[1:], Node: before.Node}, before)
				assert.NotEqual(t, writers["q"+op.Key[1:]], worker)
			}
		}
	}
	assert.Len(t, writers, 3*40)
}

func TestClientsStayInTheirDataCentre(t *testing.T) {
	w := workloads.Datacenters{}
	g := main(t, w, config(t, w, 1, nil))
	nodesOf := map[int]map[string]bool{0: {}, 1: {}}
	for worker := range 10 {
		for index := range 50 {
			op, _ := g.Operation(worker, index)
			nodesOf[worker%2][op.Node] = true
		}
	}
	assert.Equal(t, map[string]bool{"n1": true, "n2": true, "n3": true}, nodesOf[0])
	assert.Equal(t, map[string]bool{"n4": true, "n5": true, "n6": true}, nodesOf[1])
	c := config(t, w, 1, map[string]string{"datacenters": "4"})
	_, err := w.Main(c)
	assert.ErrorContains(t, err, "6 nodes cannot be divided by it")
}
