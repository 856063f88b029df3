package history_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
)

// writeEDN writes the events in refute's form, that as EDN, and returns the text.
func writeEDN(t require.TestingT, events []history.Event, form history.EDNForm) (string, history.Written, error) {
	var jsonl bytes.Buffer
	w := history.NewWriter(&jsonl)
	for i := range events {
		require.NoError(t, w.Append(&events[i]))
	}
	h, err := history.OpenReader("history", &jsonl)
	require.NoError(t, err)
	defer h.Close()
	var out bytes.Buffer
	written, err := h.WriteEDN(context.Background(), &out, form)
	return out.String(), written, err
}

// drawEvents draws a valid history: clients with every kind of operation and
// value, a nemesis whose operations overlap, keys or none.
func drawEvents(t *rapid.T) []history.Event {
	keys := rapid.SampledFrom([][]string{{""}, {"x"}, {"x", "7", "a b", "", "k\n\"]"}, {"1", "2", "07", "nil"}}).Draw(t, "keys")
	var events []history.Event
	time := int64(0)
	add := func(e history.Event) {
		time += rapid.Int64Range(0, 3).Draw(t, "wait")
		e.Index, e.Time = int64(len(events)), time
		events = append(events, e)
	}
	open := map[history.Process]history.Event{}
	process := []history.Process{0, 1, 2}
	faults := map[string]bool{}
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		if rapid.IntRange(0, 6).Draw(t, "who") == 0 {
			id := rapid.SampledFrom([]string{"f1", "f2", ""}).Draw(t, "fault")
			e := history.Event{Process: history.Nemesis, F: history.FInject, Key: id, Type: history.Invoke, Value: drawValue(t)}
			if faults[id] {
				e.Type = rapid.SampledFrom([]history.Type{history.Ok, history.Info, history.Fail}).Draw(t, "end")
				e.Error = drawError(t)
			}
			faults[id] = !faults[id]
			add(e)
			continue
		}
		w := rapid.IntRange(0, len(process)-1).Draw(t, "worker")
		p := process[w]
		call, isOpen := open[p]
		if !isOpen {
			e := history.Event{Process: p, Type: history.Invoke, Key: rapid.SampledFrom(keys).Draw(t, "key"),
				F:    rapid.SampledFrom([]string{"read", "write", "cas", "add", "append", "delete", "enqueue", "dequeue", "txn", "odd f", "get", "r"}).Draw(t, "f"),
				Node: rapid.SampledFrom([]string{"", "n1"}).Draw(t, "node")}
			e.Value = drawArgument(t, e.F)
			open[p] = e
			add(e)
			continue
		}
		delete(open, p)
		e := call
		e.Type = rapid.SampledFrom([]history.Type{history.Ok, history.Info, history.Fail}).Draw(t, "end")
		if e.Type != history.Ok {
			e.Error = drawError(t)
		}
		switch rapid.IntRange(0, 2).Draw(t, "result") {
		case 0:
			e.Value = history.Value{}
		case 1:
			e.Value = drawValue(t)
		}
		if e.Type == history.Info {
			process[w] += 3
		}
		add(e)
	}
	// At least one operation, whatever the steps were.
	add(history.Event{Process: 100, Type: history.Invoke, F: history.FRead, Key: keys[0]})
	return events
}

func drawError(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "timeout", `"quoted" {`, "ünï"}).Draw(t, "error")
}

func drawArgument(t *rapid.T, f string) history.Value {
	if rapid.IntRange(0, 4).Draw(t, "odd") == 0 {
		return drawValue(t)
	}
	n := rapid.Int64Range(-3, 99).Draw(t, "n")
	switch f {
	case "read", "delete", "dequeue":
		return history.Value{}
	case "cas":
		return history.ListValue([]int64{n, n + 1})
	case "append":
		return history.RawValue(json.RawMessage(fmt.Sprintf(`"x %d y"`, n)))
	case "txn":
		return history.RawValue(json.RawMessage(fmt.Sprintf(`[["r","x",null],["w","7",%d],["append","l",%d]]`, n, n)))
	}
	return history.IntValue(n)
}

func drawValue(t *rapid.T) history.Value {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return history.Value{}
	case 1:
		return history.NilValue()
	case 2:
		return history.IntValue(rapid.Int64().Draw(t, "integer"))
	case 3:
		return history.ListValue(rapid.SliceOfN(rapid.Int64(), 0, 3).Draw(t, "list"))
	}
	text, err := json.Marshal(drawJSON(t, 0))
	require.NoError(t, err)
	// As a history file would hold it.
	var e history.Event
	require.NoError(t, history.NewDecoder().Decode([]byte(`{"index":0,"time":0,"process":0,"type":"ok","f":"f","value":`+string(text)+`}`), &e))
	return e.Value
}

func drawJSON(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 8).Draw(t, "json"); {
	case kind == 0:
		return nil
	case kind == 1:
		return rapid.Bool().Draw(t, "bool")
	case kind == 2:
		return rapid.Float64Range(-1e9, 1e9).Draw(t, "float")
	case kind == 3:
		return json.Number("123456789012345678901234567890")
	case kind == 4 && depth < 3:
		object := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			object[rapid.SampledFrom([]string{"id", "a-b", "a b", "7", "", ":x", "ü"}).Draw(t, "name")] = drawJSON(t, depth+1)
		}
		return object
	case kind == 5 && depth < 3:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			list = append(list, drawJSON(t, depth+1))
		}
		return list
	case kind == 6:
		return []any{rapid.SampledFrom([]string{"r", "w", "read", "cas", "append"}).Draw(t, "micro"), rapid.SampledFrom([]string{"x", "7"}).Draw(t, "of"), rapid.IntRange(0, 9).Draw(t, "n")}
	}
	return rapid.String().Draw(t, "string")
}

// afterEDN is what an event must read back as: see File.WriteEDN for each difference.
func afterEDN(events []history.Event) []history.Event {
	calls := map[history.Process]history.Value{}
	last := int64(-1)
	var want []history.Event
	for _, e := range events {
		e.Time = max(e.Time, last+1)
		last = e.Time
		f, nothing := e.F, e.Value.Kind() == history.Nil
		switch {
		case e.Process == history.Nemesis:
		case nothing && (f == "delete" || (f == "read" || f == "dequeue") && e.Type != history.Ok):
			e.Value = history.Value{}
		case e.Type != history.Invoke && e.Value.Kind() == history.Absent && slices.Contains([]string{"write", "cas", "add", "append", "enqueue", "txn"}, f):
			e.Value = calls[e.Process]
		}
		if e.Type == history.Invoke {
			calls[e.Process] = e.Value
		}
		want = append(want, e)
	}
	return want
}

func operationsOf(t require.TestingT, text string, format history.Format) []history.Operation {
	var all []history.Operation
	_, err := history.ReadOperations(context.Background(), strings.NewReader(text), history.Options{Format: format}, func(o *history.Operation) bool {
		all = append(all, *o)
		return true
	})
	require.NoError(t, err, "%s", text)
	return all
}

func jsonl(events []history.Event) string {
	var text []byte
	for i := range events {
		text = history.AppendEvent(text, &events[i])
	}
	return string(text)
}

// canonical is the operation with its JSON in one form.
func canonical(t require.TestingT, o history.Operation) string {
	for _, v := range []*history.Value{&o.Input, &o.Output} {
		if v.Kind() == history.Raw {
			var content any
			decoder := json.NewDecoder(bytes.NewReader(v.Raw()))
			decoder.UseNumber()
			require.NoError(t, decoder.Decode(&content))
			text, err := json.Marshal(content)
			require.NoError(t, err)
			*v = history.RawValue(text)
		}
	}
	return show(&o) + " on " + o.Node
}

func TestWhatIsWrittenForKnossosReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		text, written, err := writeEDN(t, events, history.Knossos)
		require.NoError(t, err)
		require.EqualValues(t, len(events), written.Events)
		want := operationsOf(t, jsonl(afterEDN(events)), history.FormatJSONL)
		got := operationsOf(t, text, "")
		require.Len(t, got, len(want), "%s", text)
		for i := range want {
			require.Equal(t, canonical(t, want[i]), canonical(t, got[i]), "%s", text)
		}
	})
}

func TestTheFormThatKnossosKnows(t *testing.T) {
	const run = `{"index":0,"time":5,"process":0,"type":"invoke","f":"write","key":"x","value":1,"node":"n1"}
{"index":1,"time":6,"process":"nemesis","type":"invoke","f":"inject","key":"f1","value":{"id":"f1","kind":"partition","verified":false}}
{"index":2,"time":7,"process":0,"type":"ok","f":"write","key":"x"}
{"index":3,"time":8,"process":"nemesis","type":"ok","f":"inject","key":"f1","value":{"id":"f1","verified":true}}
{"index":4,"time":9,"process":1,"type":"invoke","f":"cas","key":"7","value":[1,2]}
{"index":5,"time":9,"process":1,"type":"info","f":"cas","key":"7","error":"timeout"}
{"index":6,"time":10,"process":0,"type":"invoke","f":"read","key":"x"}
{"index":7,"time":11,"process":"nemesis","type":"invoke","f":"dump","key":"n1","node":"n1"}
{"index":8,"time":12,"process":0,"type":"ok","f":"read","key":"x","value":null}
{"index":9,"time":13,"process":"nemesis","type":"ok","f":"dump","key":"n1","node":"n1","value":{"entries":[]}}
`
	h, err := history.OpenReader("run", strings.NewReader(run))
	require.NoError(t, err)
	defer h.Close()
	var out strings.Builder
	written, err := h.WriteEDN(t.Context(), &out, history.Knossos)
	require.NoError(t, err)
	assert.Equal(t, `{:type :invoke, :f :write, :value ["x" 1], :process 0, :time 5, :index 0, :node "n1"}
{:type :info, :f :inject, :value {:id "f1" :kind "partition" :verified false}, :key "f1", :process :nemesis, :time 6, :index 1}
{:type :ok, :f :write, :value ["x" 1], :process 0, :time 7, :index 2}
{:type :info, :f :inject, :value {:id "f1" :verified true}, :key "f1", :process :nemesis, :time 8, :index 3}
{:type :invoke, :f :cas, :value [7 [1 2]], :process 1, :time 9, :index 4}
{:type :info, :f :cas, :value [7 [1 2]], :process 1, :time 9, :index 5, :error "timeout"}
{:type :invoke, :f :read, :value ["x" nil], :process 0, :time 10, :index 6}
{:type :ok, :f :read, :value ["x" nil], :process 0, :time 12, :index 8}
`, out.String())
	assert.Equal(t, history.Written{Events: 8, Dumps: 1}, written)

	out.Reset()
	_, err = h.WriteEDN(t.Context(), &out, history.Elle)
	require.NoError(t, err)
	assert.Equal(t, `{:type :invoke, :f :txn, :value [[:w "x" 1]], :process 0, :time 5, :index 0, :node "n1"}
{:type :info, :f :inject, :value {:id "f1" :kind "partition" :verified false}, :key "f1", :process :nemesis, :time 6, :index 1}
{:type :ok, :f :txn, :value [[:w "x" 1]], :process 0, :time 7, :index 2}
{:type :info, :f :inject, :value {:id "f1" :verified true}, :key "f1", :process :nemesis, :time 8, :index 3}
{:type :invoke, :f :txn, :value [[:r 7 nil] [:w 7 2]], :process 1, :time 9, :index 4}
{:type :info, :f :txn, :value [[:r 7 nil] [:w 7 2]], :process 1, :time 9, :index 5, :error "timeout"}
{:type :invoke, :f :txn, :value [[:r "x" nil]], :process 0, :time 10, :index 6}
{:type :ok, :f :txn, :value [[:r "x" nil]], :process 0, :time 12, :index 8}
`, out.String())
}

// Clojure would read 07 as an octal number, and :k as another key than "k".
func TestOnlyIntegersAreKeysWithoutQuotes(t *testing.T) {
	for key, want := range map[string]string{"7": "7", "-7": "-7", "07": `"07"`, "+7": `"+7"`, "7N": `"7N"`, "k": `"k"`, "nil": `"nil"`, "99999999999999999999": `"99999999999999999999"`} {
		text, _, err := writeEDN(t, []history.Event{{Type: history.Invoke, F: history.FRead, Key: key}}, history.Knossos)
		require.NoError(t, err)
		assert.Contains(t, text, ":value ["+want+" nil]", key)
	}
}

// Registers with unique values become the transactions that say the same, and
// a file of transactions comes back as it was.
func TestWhatIsWrittenForElleReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []history.Event
		var want []string
		value := int64(0)
		for i := range rapid.IntRange(1, 8).Draw(t, "operations") {
			key := rapid.SampledFrom([]string{"x", "7"}).Draw(t, "key")
			end := rapid.SampledFrom([]history.Type{history.Ok, history.Fail, history.Info}).Draw(t, "end")
			e := history.Event{Process: history.Process(i), Type: history.Invoke, Key: key}
			found := rapid.Int64Range(1, 5).Draw(t, "found")
			output := history.Value{}
			value++
			input, expected := "", ""
			switch rapid.IntRange(0, 3).Draw(t, "f") {
			case 0:
				e.F = history.FRead
				input = fmt.Sprintf(`[["r",%q,null]]`, key)
				expected = input
				if end == history.Ok {
					output = history.IntValue(found)
					expected = fmt.Sprintf(`[["r",%q,%d]]`, key, found)
				}
			case 1:
				e.F, e.Value = history.FWrite, history.IntValue(value)
				input = fmt.Sprintf(`[["w",%q,%d]]`, key, value)
				expected = input
			case 2:
				e.F, e.Value = history.FCAS, history.ListValue([]int64{found, value})
				input = fmt.Sprintf(`[["r",%q,null],["w",%q,%d]]`, key, key, value)
				expected = input
				if end == history.Ok {
					expected = fmt.Sprintf(`[["r",%q,%d],["w",%q,%d]]`, key, found, key, value)
				}
			case 3:
				e.F, e.Key = history.FTransaction, ""
				input = fmt.Sprintf(`[["r",%q,null],["append","l",%d]]`, key, value)
				expected = input
				e.Value = history.RawValue(json.RawMessage(input))
				if end == history.Ok {
					expected = fmt.Sprintf(`[["r",%q,[%d,9]],["append","l",%d]]`, key, found, value)
					output = history.RawValue(json.RawMessage(expected))
				}
			}
			e.Index, e.Time = int64(2*i), int64(2*i)
			done := e
			done.Index, done.Time, done.Type, done.Value = e.Index+1, e.Time+1, end, output
			events = append(events, e, done)
			want = append(want, fmt.Sprintf("%d %s → %s %s", e.Index, input, expected, end))
		}
		text, _, err := writeEDN(t, events, history.Elle)
		require.NoError(t, err)
		var got []string
		for _, o := range operationsOf(t, text, "") {
			require.Equal(t, history.FTransaction, o.F)
			got = append(got, fmt.Sprintf("%d %s → %s %s", o.Index, o.Input.Raw(), o.Output.Raw(), o.Type))
		}
		require.Equal(t, want, got, "%s", text)
	})
}

func TestWhatElleWouldMisreadIsRefused(t *testing.T) {
	event := func(i int, kind history.Type, f string, v history.Value) history.Event {
		return history.Event{Index: int64(i), Time: int64(i), Process: 0, Type: kind, F: f, Key: "k", Value: v}
	}
	for says, events := range map[string][]history.Event{
		"an add to key":                        {event(0, history.Invoke, "add", history.IntValue(1))},
		"as event 0 did":                       {event(0, history.Invoke, "write", history.IntValue(1)), event(1, history.Ok, "write", history.Value{}), event(2, history.Invoke, "write", history.IntValue(1))},
		"after the delete":                     {event(0, history.Invoke, "delete", history.Value{})},
		"read as one text":                     {event(0, history.Invoke, "append", history.RawValue([]byte(`"a"`)))},
		"a dequeue is no transaction":          {event(0, history.Invoke, "dequeue", history.Value{})},
		"writes nothing":                       {event(0, history.Invoke, "write", history.NilValue())},
		"returned a set":                       {event(0, history.Invoke, "read", history.Value{}), event(1, history.Ok, "read", history.ListValue([]int64{1}))},
		"has no value":                         {event(0, history.Invoke, "read", history.Value{}), event(1, history.Ok, "read", history.Value{})},
		"not the expected and the new one":     {event(0, history.Invoke, "cas", history.IntValue(3))},
		"no list of [f, key, value]":           {event(0, history.Invoke, "txn", history.RawValue([]byte(`[["r","x"]]`)))},
		`has a "cas", which Elle`:              {event(0, history.Invoke, "txn", history.RawValue([]byte(`[["cas","x",1]]`)))},
		"it writes 4 to key \"x\", as event 0": {event(0, history.Invoke, "txn", history.RawValue([]byte(`[["w","x",4],["w","x",4]]`)))},
	} {
		_, _, err := writeEDN(t, events, history.Elle)
		var refused *history.FormError
		require.ErrorAs(t, err, &refused, says)
		require.ErrorIs(t, err, history.ErrForm)
		assert.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "\n")
	}
}

// Every history that can be read can be written for Knossos and read again.
func TestEveryGoodFileIsWritten(t *testing.T) {
	files, err := filepath.Glob(good("*"))
	require.NoError(t, err)
	for _, path := range files {
		h, err := history.Open(path)
		require.NoError(t, err)
		var out bytes.Buffer
		_, err = h.WriteEDN(t.Context(), &out, history.Knossos)
		require.NoError(t, err, path)
		require.NoError(t, h.Close())
		want, _, err := history.ReadFile(t.Context(), path)
		require.NoError(t, err)
		got := operationsOf(t, out.String(), "")
		n := 0
		for _, o := range want {
			if o.F != history.FDump {
				n++
			}
		}
		assert.Len(t, got, n, path)
	}
	h, err := history.Open(good("register.jsonl"))
	require.NoError(t, err)
	defer h.Close()
	_, err = h.WriteEDN(t.Context(), &bytes.Buffer{}, "xml")
	require.ErrorContains(t, err, "want knossos or elle")
}
