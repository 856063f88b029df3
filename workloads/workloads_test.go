package workloads_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/workloads"
)

var nodes = []string{"n1", "n2", "n3", "n4", "n5"}

func config(t *testing.T, w workloads.Workload, seed uint64, settings map[string]string) workloads.Config {
	t.Helper()
	resolved, err := workloads.Resolve(w, settings)
	require.NoError(t, err)
	return workloads.Config{Seed: seed, Nodes: nodes, Concurrency: 10, Settings: resolved}
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
				require.True(t, isInt)
				where := fmt.Sprint(w.Name(), worker, index)
				require.Empty(t, seen[value], "value %d of %s", value, where)
				seen[value] = where
			}
		}
		assert.NotEmpty(t, seen)
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

// store is a register client whose behaviour a test decides.
type store struct {
	values map[string]int64
	err    error
}

func (s *store) Ready(context.Context) error { return nil }
func (s *store) Close() error                { return nil }
func (s *store) Read(_ context.Context, key string) (target.Reading, error) {
	value, found := s.values[key]
	return target.Reading{Value: value, Found: found}, s.err
}
func (s *store) Write(_ context.Context, key string, value int64) (*history.Evidence, error) {
	if s.err == nil {
		s.values[key] = value
	}
	return nil, s.err
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
			write := history.FWrite
			if w.Name() == "set" {
				write = history.FAdd
			}
			out := w.Perform(t.Context(), config(t, w, 1, nil), &workloads.Memory{}, client, generator.Operation{F: history.FRead, Key: "s0"})
			assert.Equal(t, c.read, out.Type, "%s read: %v", w.Name(), c.err)
			out = w.Perform(t.Context(), config(t, w, 1, nil), &workloads.Memory{}, client, generator.Operation{F: write, Key: "s0", Value: history.IntValue(1)})
			assert.Equal(t, c.write, out.Type, "%s write: %v", w.Name(), c.err)
			assert.NotEmpty(t, out.Error)
			if errors.Is(c.err, definite) {
				assert.Equal(t, "n1", out.Evidence.Coordinator, "evidence survives the error")
			}
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
	assert.ErrorContains(t, err, "register, set")
}
