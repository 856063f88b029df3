package history_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
)

func fullEvent() history.Event {
	return history.Event{
		Index: 12, Time: 3_000_000_007, Process: 4, Type: history.Ok, F: history.FRead, Key: "k1",
		Value: history.IntValue(-5), Error: "quoted \"x\"\n\t\x01é", Node: "n2",
		Evidence: &history.Evidence{
			Coordinator: "n2", Required: 2, Version: "100@n1", Took: 1_900_001,
			Replicas: []history.ReplicaEvidence{
				{Node: "n2", Answered: true, Counted: true, Version: "100@n1"},
				{Node: "n3", HintFor: "n1", RoundTrip: 2_100_000},
			},
			Phases: []string{"fetch", "write-back"}, Hints: []string{"n1"}, Grace: 5,
		},
	}
}

func TestAppendEventWritesTheFormat(t *testing.T) {
	for want, e := range map[string]history.Event{
		`{"index":0,"time":1,"process":3,"type":"invoke","f":"write","key":"x","value":7}`: {
			Time: 1, Process: 3, Type: history.Invoke, F: "write", Key: "x", Value: history.IntValue(7)},
		`{"index":1,"time":2,"process":"nemesis","type":"info","f":"inject","key":"f1","value":{"id":"f1"},"error":"no"}`: {
			Index: 1, Time: 2, Process: history.Nemesis, Type: history.Info, F: "inject", Key: "f1",
			Value: history.RawValue(json.RawMessage("{\"id\":\n\"f1\"}")), Error: "no"},
		`{"index":2,"time":2,"process":0,"type":"ok","f":"read","value":null}`: {
			Index: 2, Time: 2, Type: history.Ok, F: "read", Value: history.NilValue()},
		`{"index":3,"time":2,"process":0,"type":"fail","f":"read"}`: {Index: 3, Time: 2, Type: history.Fail, F: "read"},
		`{"index":4,"time":2,"process":0,"type":"ok","f":"read","value":[1,-2]}`: {
			Index: 4, Time: 2, Type: history.Ok, F: "read", Value: history.ListValue([]int64{1, -2})},
		`{"index":5,"time":2,"process":0,"type":"ok","f":"read","value":[],"evidence":{}}`: {
			Index: 5, Time: 2, Type: history.Ok, F: "read", Value: history.ListValue(nil), Evidence: &history.Evidence{}},
	} {
		assert.Equal(t, want+"\n", string(history.AppendEvent(nil, &e)))
	}
}

// What is written is what encoding/json would read, evidence included.
func TestAppendEventIsJSON(t *testing.T) {
	e := fullEvent()
	line := history.AppendEvent(nil, &e)
	var got struct {
		Index, Time, Process, Value int64
		Type, F, Key, Error, Node   string
		Evidence                    *history.Evidence
	}
	require.NoError(t, json.Unmarshal(line, &got))
	assert.Equal(t, e.Error, got.Error)
	assert.Equal(t, e.Evidence, got.Evidence)
	encoded, err := json.Marshal(e.Evidence)
	require.NoError(t, err)
	assert.Contains(t, string(line), string(encoded), "evidence is written as encoding/json writes it")
	assert.Equal(t, 1, bytes.Count(line, []byte("\n")))
}

func TestAppendEventDoesNotAllocate(t *testing.T) {
	e := fullEvent()
	buf := make([]byte, 0, 4096)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = history.AppendEvent(buf[:0], &e) }))
}

func TestDecodeAcceptsAnyOrderSpacesAndUnknownFields(t *testing.T) {
	var e history.Event
	require.NoError(t, history.NewDecoder().Decode([]byte(` { "f" : "re\u0061d" , "later" : { "a" : [ 1 , 2.5e-3 , null , true , "\"" ] } ,
		"type":"ok","process":"nemesis","time":9223372036854775807,"index":0, "value" : [ 1 , 2 ], "evidence":{"coordinator":"n1"} } `), &e))
	assert.Equal(t, history.Event{Time: math.MaxInt64, Process: history.Nemesis, Type: history.Ok, F: "read",
		Value: history.ListValue([]int64{1, 2})}, e, "evidence is left out unless asked for")
}

func TestDecodeRefuses(t *testing.T) {
	const head = `{"index":0,"time":0,"process":0,"type":"ok","f":"read"`
	for line, want := range map[string]string{
		``:     "ends after 0 bytes",
		`[]`:   "an object",
		`null`: "an object",
		`{}`:   `field "index" is missing`,
		`{"index":0,"time":0,"process":0,"type":"ok"}`: `field "f" is missing`,
		head:                                  "the line ends",
		head + `} x`:                          "nothing more",
		head + `,}`:                           "a string",
		head + `"key":"x"}`:                   "a comma",
		head + `,"key":5}`:                    "a string as key",
		head + `,"f":"write"}`:                `field "f" stands twice`,
		head + `,"value":01}`:                 "",
		head + `,"value":tru}`:                "a value",
		head + `,"value":"a` + "\x01" + `"}`:  "printable",
		head + `,"value":"\x"}`:               "an escape",
		head + `,"evidence":{"coordinator":}`: "a value",
		`{"index":-,"time":0}`:                "an integer as index",
		`{"index":1.5,"time":0}`:              "an integer as index",
		`{"index":9223372036854775808}`:       "64 bits",
		`{"index":99999999999999999999}`:      "64 bits",
		`{"process":-2}`:                      "negative",
		`{"process":"client"}`:                `"client"`,
		`{"type":"done"}`:                     `"done"`,
		head + `,"value":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`: "nested",
	} {
		var e history.Event
		err := history.NewDecoder().Decode([]byte(line), &e)
		require.ErrorContains(t, err, want, "%.100s", line)
		assert.NotContains(t, err.Error(), "\n")
	}
	decoder := history.Decoder{Evidence: true}
	var e history.Event
	require.ErrorContains(t, decoder.Decode([]byte(head+`,"evidence":{"required":"two"}}`), &e), "evidence")
}

func TestDecodeSharesStrings(t *testing.T) {
	d := history.NewDecoder()
	line := []byte(`{"index":0,"time":0,"process":0,"type":"invoke","f":"read","key":"some key","node":"n1"}`)
	var e history.Event
	require.NoError(t, d.Decode(line, &e))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = d.Decode(line, &e) }))
	line[bytes.Index(line, []byte("some"))] = 'X'
	assert.Equal(t, "some key", e.Key, "the event keeps nothing of the line")
}

func drawEvent(t *rapid.T) history.Event {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-z]{1,4}`))
	value := rapid.OneOf(
		rapid.Just(history.Value{}), rapid.Just(history.NilValue()),
		rapid.Map(rapid.Int64(), history.IntValue),
		rapid.Map(rapid.SliceOf(rapid.Int64()), func(l []int64) history.Value { return history.ListValue(append([]int64{}, l...)) }),
		rapid.Map(rapid.MapOf(rapid.String(), rapid.Float64Range(-1e9, 1e9)), func(m map[string]float64) history.Value {
			raw, err := json.Marshal(m)
			if err != nil {
				panic(err)
			}
			return history.RawValue(raw)
		}),
	)
	e := history.Event{
		Index: rapid.Int64().Draw(t, "index"), Time: rapid.Int64().Draw(t, "time"),
		Process: history.Process(rapid.Int64Min(-1).Draw(t, "process")),
		Type:    history.Type(rapid.IntRange(1, 4).Draw(t, "type")),
		F:       rapid.StringN(1, 10, -1).Draw(t, "f"), Key: text.Draw(t, "key"), Node: text.Draw(t, "node"),
		Error: text.Draw(t, "error"), Value: value.Draw(t, "value"),
	}
	if rapid.Bool().Draw(t, "evidence") {
		e.Evidence = &history.Evidence{Coordinator: text.Draw(t, "coordinator"), Level: text.Draw(t, "level"), Arrival: rapid.Bool().Draw(t, "arrival"), Required: rapid.Int().Draw(t, "required"),
			Version: text.Draw(t, "version"), Timestamp: rapid.Int64().Draw(t, "timestamp"), Counter: rapid.Int64().Draw(t, "counter"), Took: rapid.Int64().Draw(t, "took")}
		for range rapid.IntRange(0, 3).Draw(t, "replicas") {
			e.Evidence.Replicas = append(e.Evidence.Replicas, history.ReplicaEvidence{Node: text.Draw(t, "replica"), Datacenter: text.Draw(t, "datacenter"),
				Answered: rapid.Bool().Draw(t, "answered"), Counted: rapid.Bool().Draw(t, "counted"),
				Version: text.Draw(t, "replica version"), HintFor: text.Draw(t, "hint for"),
				Repaired: rapid.Bool().Draw(t, "repaired"), Fetched: rapid.Bool().Draw(t, "fetched"), RoundTrip: rapid.Int64().Draw(t, "round trip")})
			e.Evidence.Hints = append(e.Evidence.Hints, text.Draw(t, "hint"))
			e.Evidence.Phases = append(e.Evidence.Phases, text.Draw(t, "phase"))
		}
		e.Evidence.Grace = rapid.Int64().Draw(t, "grace")
		if rapid.Bool().Draw(t, "causal") {
			e.Evidence.Causal = &history.CausalEvidence{Clocks: text.Draw(t, "clocks"), Context: map[string]int64{text.Draw(t, "actor"): rapid.Int64().Draw(t, "counter of it")},
				Dot: text.Draw(t, "dot"), Versions: rapid.SliceOfN(text, 1, 3).Draw(t, "versions")}
		}
		if rapid.Bool().Draw(t, "blind") {
			e.Evidence.Causal = &history.CausalEvidence{Clocks: "dotted", Context: map[string]int64{}, Clock: map[string]int64{"n1": 2}}
		}
		if rapid.Bool().Draw(t, "repeated") {
			e.Evidence.Repeated = []history.Evidence{{Version: text.Draw(t, "an earlier version")}, {Coordinator: "n2"}}
		}
	}
	return e
}

func TestEveryEventIsReadAsItWasWritten(t *testing.T) {
	decoder := history.Decoder{Evidence: true}
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		line := history.AppendEvent(nil, &e)
		require.True(t, json.Valid(line), "%s", line)
		var got history.Event
		require.NoError(t, decoder.Decode(line, &got), "%s", line)
		require.Equal(t, e, got)
	})
}

// FuzzEventRoundTrip: every line that is accepted is JSON, and what is written
// from it is accepted again and written the same.
func FuzzEventRoundTrip(f *testing.F) {
	e := fullEvent()
	f.Add(history.AppendEvent(nil, &e))
	f.Add([]byte(`{"index":0,"time":0,"process":"nemesis","type":"invoke","f":"inject","key":"\ud800","value":{"a":[1e5,{}]}}`))
	f.Add([]byte(`{"index":0,"time":0,"process":0,"type":"ok","f":"read","value":[1,2,-0],"evidence":null}`))
	f.Add([]byte("{\"index\":0,\"time\":0,\"process\":0,\"type\":\"ok\",\"f\":\"\xff\",\"value\":-9223372036854775808}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		decoder := history.Decoder{Evidence: true}
		var e, again history.Event
		if err := decoder.Decode(line, &e); err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.True(t, json.Valid(line), "accepted, but no JSON: %q", line)
		written := history.AppendEvent(nil, &e)
		require.Equal(t, 1, bytes.Count(written, []byte("\n")), "one line: %q", written)
		require.NoError(t, decoder.Decode(written, &again), "%s", written)
		require.Equal(t, string(written), string(history.AppendEvent(nil, &again)))
	})
}
