package checker

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestModels(t *testing.T) {
	var names []string
	for _, m := range Models() {
		names = append(names, m.Name)
		assert.NotEmpty(t, m.Description)
		require.NoError(t, ParseModel(m.Name))
	}
	assert.Equal(t, []string{"register", "cas-register", "set", "counter", "queue", "unordered-queue", "multi-register", "text"}, names)
	require.NoError(t, ParseModel(""))
	require.EqualError(t, ParseModel("stack"), `unknown model "stack": choose from register, cas-register, set, counter, queue, unordered-queue, multi-register, text`)
	_, err := Check(context.Background(), nil, Options{Claims: []string{Linearizable}, Model: "stack"})
	require.ErrorContains(t, err, `unknown model "stack"`)
}

func linearizable(t *testing.T, operations []history.Operation, model string) Result {
	t.Helper()
	report, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable}, Model: model})
	require.NoError(t, err)
	return report.Claims[0]
}

// TestEachModelDecidesItsHistories: the model that the golden histories have by
// themselves gives the same verdict when it is asked for.
func TestEachModelDecidesItsHistories(t *testing.T) {
	for model, names := range map[string][]string{
		ModelRegister:       {"good-sequential", "stale-read"},
		ModelCASRegister:    {"good-cas-chain"},
		ModelSet:            {"good-set-concurrent-adds", "set-incomparable-reads"},
		ModelCounter:        {"good-counter", "counter-too-low"},
		ModelQueue:          {"good-queue", "queue-out-of-order"},
		ModelUnorderedQueue: {"good-queue", "queue-dequeued-twice", "queue-lost-element", "queue-false-empty"},
		ModelMultiRegister:  {"good-transactions", "transaction-torn-read", "good-transactions-beside-registers"},
		ModelText:           {"good-text", "text-out-of-order"},
	} {
		for _, name := range names {
			free, forced := linearizable(t, golden(t, name), ""), linearizable(t, golden(t, name), model)
			assert.Equal(t, free.Verdict, forced.Verdict, "%s as %s: %s", name, model, forced.Explanation)
			assert.Equal(t, free.Classes, forced.Classes, "%s as %s", name, model)
		}
	}
}

// TestUnorderedQueueHasNoOrder: what an ordered queue must not do, an unordered one may.
func TestUnorderedQueueHasNoOrder(t *testing.T) {
	for _, name := range []string{"queue-out-of-order", "queue-overtaken-for-good", "queue-repeated-elements-swapped"} {
		assert.Equal(t, Refuted, linearizable(t, golden(t, name), ModelQueue).Verdict, name)
		c := linearizable(t, golden(t, name), ModelUnorderedQueue)
		assert.Equal(t, Holds, c.Verdict, "%s: %s", name, c.Explanation)
	}
}

// TestModelThatDoesNotFit names the operation that the object does not have.
func TestModelThatDoesNotFit(t *testing.T) {
	for _, c := range []struct{ history, model, want string }{
		{"good-queue", ModelRegister, `operation 0 is of the kind "enqueue", which no register has`},
		{"good-sequential", ModelQueue, `which no queue has`},
		{"good-sequential", ModelSet, `which no set has`},
		{"good-set-concurrent-adds", ModelCounter, `reads [2], which is no sum`},
		{"good-counter", ModelSet, `reads 2, which is no set`},
		{"good-queue", ModelText, `which no text has`},
		{"good-queue", ModelMultiRegister, `which no register beside transactions has`},
		{"good-sequential", ModelText, `which is no text`},
	} {
		result := linearizable(t, golden(t, c.history), c.model)
		assert.Equal(t, Unknown, result.Verdict, "%s as %s", c.history, c.model)
		assert.False(t, result.Vacuous)
		assert.Contains(t, result.Explanation, c.want, "%s as %s", c.history, c.model)
		assert.Contains(t, result.Explanation, "A model that fits the operations")
	}
}

// TestKindsAreFoundOut: a text without appends beside texts, and a register
// that transactions use, are not judged as registers.
func TestKindsAreFoundOut(t *testing.T) {
	raw := func(s string) history.Value { return history.RawValue([]byte(s)) }
	operations := order([]simulated{
		{Operation: history.Operation{F: history.FAppend, Key: "a", Input: raw(`"x"`), Start: 1, End: 2, Type: history.Ok}},
		{Operation: history.Operation{F: history.FRead, Key: "b", Output: raw(`""`), Start: 3, End: 4, Type: history.Ok}},
		{Operation: history.Operation{F: history.FWrite, Key: "b", Input: raw(`"y"`), Start: 5, End: 6, Type: history.Ok}},
		{Operation: history.Operation{F: history.FRead, Key: "b", Output: raw(`"y"`), Start: 7, End: 8, Type: history.Ok}},
	})
	c := linearizable(t, operations, "")
	assert.Equal(t, Holds, c.Verdict, c.Explanation)
	operations[3].Output = raw(`""`)
	c = linearizable(t, operations, "")
	require.Equal(t, Refuted, c.Verdict, c.Explanation)
	assert.Equal(t, map[string]int{classStale: 1}, c.Classes)

	operations = order([]simulated{
		{Operation: history.Operation{F: history.FTransaction, Input: raw(`[["w","x",1],["w","y",2]]`), Output: raw(`[["w","x",1],["w","y",2]]`), Start: 1, End: 2, Type: history.Ok}},
		{Operation: history.Operation{F: history.FRead, Key: "x", Output: history.IntValue(1), Start: 3, End: 4, Type: history.Ok}},
		{Operation: history.Operation{F: history.FWrite, Key: "x", Input: history.IntValue(3), Start: 5, End: 6, Type: history.Ok}},
		{Operation: history.Operation{F: history.FTransaction, Input: raw(`[["r","x",null],["r","y",null]]`), Output: raw(`[["r","x",3],["r","y",2]]`), Start: 7, End: 8, Type: history.Ok}},
		{Operation: history.Operation{F: history.FRead, Key: "z", Output: history.NilValue(), Start: 9, End: 10, Type: history.Ok}},
	})
	c = linearizable(t, operations, "")
	assert.Equal(t, Holds, c.Verdict, c.Explanation)
	assert.Contains(t, c.Explanation, "on 2 keys", "x and y are one object, z another")
	report, err := Check(context.Background(), operations, Options{Claims: []string{NoStaleReads}})
	require.NoError(t, err)
	assert.NotContains(t, report.Claims[0].Explanation, "txn", "claims that do not speak of transactions pass over them")
}

// TestTransactionsFromJepsen: its files keep a transaction as the text that it was.
func TestTransactionsFromJepsen(t *testing.T) {
	const file = `{:process 0, :type :invoke, :f :txn, :value [[:w :x 1] [:w 9 "a b"]], :time 1}
{:process 0, :type :ok, :f :txn, :value [[:w :x 1] [:w 9 "a b"]], :time 2}
{:process 1, :type :invoke, :f :txn, :value [[:r :x nil] [:r 9 nil]], :time 3}
{:process 1, :type :ok, :f :txn, :value [[:r :x 1] [:r 9 %s]], :time 4}
`
	for value, want := range map[string]Verdict{`"a b"`: Holds, "nil": Refuted} {
		var operations []history.Operation
		_, err := history.ReadOperations(context.Background(), strings.NewReader(fmt.Sprintf(file, value)), history.Options{}, func(o *history.Operation) bool {
			operations = append(operations, *o)
			return true
		})
		require.NoError(t, err)
		c := linearizable(t, operations, "")
		assert.Equal(t, want, c.Verdict, "%s: %s", value, c.Explanation)
	}
	for _, nonsense := range []string{"[[:append :x 1]]", "[[:r :x", `[[:r "x`, "{:a 1}", "7", "[:r :x nil]"} {
		raw, err := json.Marshal(nonsense)
		require.NoError(t, err)
		_, err = parseMicro(history.RawValue(raw))
		require.Error(t, err, nonsense)
	}
}

func TestLinearizableAppliesToObjects(t *testing.T) {
	for name, want := range map[string]bool{
		"good-queue": true, "good-counter": true, "good-text": true, "good-transactions": true,
		"good-set-concurrent-adds": false, // see linearizableApplies
	} {
		got, err := Applies(Linearizable, golden(t, name))
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
}

func TestWitnessesOfObjectsAreDrawn(t *testing.T) {
	for name, want := range expectations(t) {
		if want[Linearizable] == "" {
			continue
		}
		operations := golden(t, name)
		c := linearizable(t, operations, "")
		require.Len(t, c.Witnesses, 1, name)
		html, err := VisualizeWitness(pick(operations, c.Witnesses[0].Operations))
		require.NoError(t, err, name)
		assert.Contains(t, string(html), "process ", name)
	}
}

// TestExactWaysAgreeWithPorcupine holds what is decided without a search
// against the search, on histories too long to try all orders.
func TestExactWaysAgreeWithPorcupine(t *testing.T) {
	for name, mix := range map[string]objectMix{
		"set":             {kind: setObject, operations: 24, processes: 5, unknown: 0.1, failed: 0.05},
		"counter":         {kind: counterObject, operations: 20, processes: 5, unknown: 0.1},
		"queue":           {kind: queueObject, operations: 22, processes: 5, failed: 0.05},
		"queue, unknown":  {kind: queueObject, operations: 18, processes: 4, unknown: 0.1},
		"unordered queue": {kind: bagObject, operations: 22, processes: 5, failed: 0.05},
		"text":            {kind: textObject, operations: 22, processes: 6, unknown: 0.05, writes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(17, uint64(len(name))))
			l := newLimiter(context.Background(), 0)
			defer l.close()
			n, compared, illegal := *histories/100, 0, 0
			for i := range n {
				operations := mix.run(r)
				if i%3 > 0 {
					mutateObject(operations, r)
				}
				h := newObjectHistory(mix.kind)
				require.NoError(t, h.load(operations, "x", all(operations)))
				found, proved := h.decide()
				if !proved && len(found) == 0 {
					continue
				}
				model, calls := h.search()
				a := l.run(model, calls, 2*time.Second)
				if a.result == porcupine.Unknown {
					continue
				}
				compared++
				if !proved {
					illegal++
				}
				if proved != (a.result == porcupine.Ok) {
					require.Fail(t, "decided wrongly", "found %v, proved %t, Porcupine %s\n%s", found, proved, a.result, describeHistory(operations))
				}
			}
			assert.Greater(t, compared, n/2)
			assert.Greater(t, illegal, n/20)
			t.Logf("%d compared, %d illegal", compared, illegal)
		})
	}
}

// TestSearchesOfObjectsAreBounded: a counter made to explode ends in Unknown
// within its time, with the reason and what would help.
func TestSearchesOfObjectsAreBounded(t *testing.T) {
	var all []simulated
	for i := range int64(60) {
		all = append(all, simulated{Operation: history.Operation{F: history.FAdd, Key: "c", Process: history.Process(i), Input: history.IntValue(1 << (i % 20)), Start: i, End: 1000 + i, Type: history.Ok}})
	}
	sum := int64(3 * (1<<20 - 1))
	all = append(all,
		simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 100, Output: history.IntValue(sum / 2), Start: 500, End: 501, Type: history.Ok}},
		simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 100, Output: history.IntValue(sum/2 + 1), Start: 502, End: 503, Type: history.Ok}},
		simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 100, Output: history.IntValue(sum - 5), Start: 504, End: 505, Type: history.Ok}},
		simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 100, Output: history.IntValue(sum - 4), Start: 506, End: 507, Type: history.Ok}},
		simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 100, Output: history.IntValue(sum - 5), Start: 2000, End: 2001, Type: history.Ok}})
	operations := order(all)
	operations[len(operations)-1].Output = history.IntValue(sum)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}, Memory: 1 << 30})
	require.NoError(t, err)
	c := report.Claims[0]
	assert.Equal(t, Unknown, c.Verdict, c.Explanation)
	assert.Contains(t, c.Explanation, "would help")
	assert.Less(t, time.Since(begin), 5*time.Second)
}

// TestLongHistoriesOfObjects: what is decided exactly does not depend on the length.
func TestLongHistoriesOfObjects(t *testing.T) {
	const n = 20_000
	for name, mix := range map[string]objectMix{
		"counter": {kind: counterObject, operations: n, processes: 50, unknown: 0.05},
		"queue":   {kind: queueObject, operations: n, processes: 50},
		"bag":     {kind: bagObject, operations: n, processes: 50},
		"set":     {kind: setObject, operations: 2_000, processes: 50, unknown: 0.05},
		"text":    {kind: textObject, operations: 1_000, processes: 50, unknown: 0.05, writes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operations := mix.run(rand.New(rand.NewPCG(5, 5)))
			begin := time.Now()
			c := linearizable(t, operations, modelOf(mix.kind))
			require.Equal(t, Holds, c.Verdict, c.Explanation)
			took := time.Since(begin)
			assert.Less(t, took, 5*time.Second)
			t.Log(fmt.Sprint(len(operations)), took, c.Checker)
		})
	}
}
