package trace_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/trace"
)

func message() trace.Event {
	return trace.Event{
		Kind: trace.Message, Time: 5, Operation: 3, Node: "n1", To: "n2", Arrived: 9, Fate: trace.Delivered,
		Name: "write", Key: "k", Found: true, Value: "7", Version: "4@n1",
	}
}

// read returns the events of the text, its warning and its error.
func read(text string) (events []trace.Event, warning string, err error) {
	r := trace.NewReader(strings.NewReader(text))
	for {
		var e trace.Event
		if err := r.Next(&e); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return events, r.Warning(), err
		}
		events = append(events, e)
	}
}

func TestTheFormat(t *testing.T) {
	var b bytes.Buffer
	w := trace.NewWriter(&b)
	state := trace.Event{Kind: trace.State, Time: 5, Operation: -1, Node: "n2", Key: "<k>"}
	m := message()
	require.NoError(t, w.Append(&m))
	require.NoError(t, w.Append(&state))
	assert.Empty(t, b.String(), "it is buffered")
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	assert.ErrorIs(t, w.Append(&m), trace.ErrClosed)
	assert.Equal(t, `{"kind":"message","time":5,"operation":3,"node":"n1","to":"n2","arrived":9,"fate":"delivered","name":"write","key":"k","found":true,"value":"7","version":"4@n1"}
{"kind":"state","time":5,"operation":-1,"node":"n2","key":"<k>"}
`, b.String())
}

func drawEvent(t *rapid.T, from int64) trace.Event {
	e := trace.Event{
		Kind: rapid.SampledFrom([]trace.Kind{trace.Message, trace.State, trace.Down, trace.Up}).Draw(t, "kind"),
		Time: from + rapid.Int64Range(0, 1e9).Draw(t, "time"), Operation: rapid.Int64Range(-1, 9).Draw(t, "operation"),
		Node: rapid.StringN(1, 8, -1).Draw(t, "node"), Key: rapid.String().Draw(t, "key"),
		Found: rapid.Bool().Draw(t, "found"), Value: rapid.String().Draw(t, "value"), Version: rapid.String().Draw(t, "version"),
	}
	if e.Kind == trace.Message {
		e.To, e.Name = rapid.StringN(1, 8, -1).Draw(t, "to"), rapid.StringN(1, 8, -1).Draw(t, "name")
		e.Fate = rapid.SampledFrom([]trace.Fate{trace.Delivered, trace.Cut, trace.Lost, trace.Dead, ""}).Draw(t, "fate")
		e.Arrived = e.Time + rapid.Int64Range(0, 1e9).Draw(t, "flight")
	}
	return e
}

func TestEveryTraceIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	rapid.Check(t, func(t *rapid.T) {
		var want, got []trace.Event
		at := int64(0)
		for range rapid.IntRange(0, 20).Draw(t, "length") {
			e := drawEvent(t, at)
			at = e.Time
			want = append(want, e)
		}
		require.NoError(t, trace.WriteFile(path, want))
		warning, err := trace.ReadFile(path, func(e trace.Event) { got = append(got, e) })
		require.NoError(t, err)
		require.Empty(t, warning)
		require.Equal(t, want, got)
	})
}

func TestATraceMayBeCutAnywhere(t *testing.T) {
	var b bytes.Buffer
	w := trace.NewWriter(&b)
	for i := range int64(3) {
		e := message()
		e.Operation = i
		require.NoError(t, w.Append(&e))
	}
	require.NoError(t, w.Close())
	text := b.String()
	for cut := range len(text) {
		events, warning, err := read(text[:cut])
		require.NoError(t, err, "cut after %d bytes", cut)
		rest := text[strings.LastIndexByte(text[:cut], '\n')+1 : cut]
		whole := strings.Count(text[:cut], "\n")
		if strings.HasSuffix(rest, "}") {
			assert.Len(t, events, whole+1, "only the newline is missing")
			continue
		}
		assert.Len(t, events, whole)
		if rest == "" {
			assert.Empty(t, warning)
		} else {
			assert.Contains(t, warning, fmt.Sprintf("in the middle of line %d", whole+1))
		}
	}
}

func TestGarbageIsOneClearError(t *testing.T) {
	const good = `{"kind":"down","time":7,"operation":-1,"node":"n1"}` + "\n"
	for line, want := range map[string]string{
		"nonsense\n": "invalid character",
		"null\n":     "node is missing",
		`[]` + "\n":  "cannot unmarshal",
		`{"kind":"up","time":"7","node":"n1"}` + "\n":                                                                         "time",
		`{"kind":"up","time":6,"node":"n1"}` + "\n":                                                                           "before that of the event before, 7",
		`{"kind":"reboot","time":7,"node":"n1"}` + "\n":                                                                       `kind "reboot": want message, state, down or up`,
		`{"kind":"up","time":7}` + "\n":                                                                                       "node is missing",
		`{"kind":"up","time":7,"node":"n1","to":"n2"}` + "\n":                                                                 "only messages",
		`{"kind":"message","time":7,"node":"n1","name":"x","fate":"lost"}` + "\n":                                             "to is missing",
		`{"kind":"message","time":7,"node":"n1","to":"n2","fate":"lost"}` + "\n":                                              "name is missing",
		`{"kind":"message","time":7,"node":"n1","to":"n2","name":"x","fate":"eaten"}` + "\n":                                  `fate "eaten"`,
		`{"kind":"message","time":7,"node":"n1","to":"n2","name":"x","fate":"delivered"}` + "\n":                              "arrived is missing",
		`{"kind":"message","time":7,"node":"n1","to":"n2","name":"x","fate":"lost","arrived":6}` + "\n":                       "no time before the sending",
		`{"kind":"state","time":7,"node":"n1","key":"k","value":"` + strings.Repeat("long", 5<<20) + `","found":true}` + "\n": "longer than 16 MiB",
	} {
		events, warning, err := read(good + "\n" + line + good)
		var format *trace.FormatError
		require.ErrorAs(t, err, &format, "%.80s", line)
		assert.EqualValues(t, 3, format.Line, "blank lines count")
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "\n")
		assert.Len(t, events, 1)
		assert.Empty(t, warning)
	}
	// What is valid JSON but no event is no torn line.
	_, warning, err := read(`{"kind":"reboot","time":7,"node":"n1"}`)
	require.Error(t, err)
	assert.Empty(t, warning)
}

func TestReaderStaysAtItsError(t *testing.T) {
	r := trace.NewReader(strings.NewReader("x\n" + `{"kind":"up","time":7,"node":"n1"}` + "\n"))
	var e trace.Event
	first := r.Next(&e)
	require.Error(t, first)
	assert.Equal(t, first, r.Next(&e))
}

func TestFieldsOfLaterVersionsAreIgnored(t *testing.T) {
	events, _, err := read(`{"kind":"up","time":7,"node":"n1","weather":{"wind":[1]}}` + "\n")
	require.NoError(t, err)
	assert.Equal(t, []trace.Event{{Kind: trace.Up, Time: 7, Operation: -1, Node: "n1"}}, events, "no operation is -1")
}

func TestWriterRefusesWhatNobodyCouldRead(t *testing.T) {
	var b bytes.Buffer
	w := trace.NewWriter(&b)
	e := message()
	require.NoError(t, w.Append(&e))
	early, wrong := message(), message()
	early.Time = 4
	wrong.Fate = "eaten"
	var format *trace.FormatError
	require.ErrorAs(t, w.Append(&early), &format)
	assert.EqualValues(t, 2, format.Line)
	require.ErrorAs(t, w.Append(&wrong), &format)
	require.NoError(t, w.Append(&e), "the trace goes on")
	require.NoError(t, w.Close())
	assert.Equal(t, 2, strings.Count(b.String(), "\n"))
}

func TestFilesTellTheirNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "trace.jsonl")
	_, err := trace.ReadFile(path, func(trace.Event) {})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, trace.WriteFile(path, nil), path)

	path = filepath.Join(t.TempDir(), "trace.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("garbage\n"), 0o644))
	_, err = trace.ReadFile(path, func(trace.Event) {})
	assert.ErrorContains(t, err, path+": line 1")
	bad := trace.Event{Kind: trace.Up}
	assert.ErrorContains(t, trace.WriteFile(path, []trace.Event{bad}), path+": line 1: no event of a trace: node is missing")
	require.NoError(t, trace.WriteFile(path, nil), "it replaces what is there")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, content)
}

func TestClientsHaveNamesOfTheirOwn(t *testing.T) {
	assert.Equal(t, "client3", trace.Client(3))
	worker, ok := trace.Worker("client12")
	assert.True(t, ok)
	assert.Equal(t, 12, worker)
	for _, name := range []string{"n1", "client", "client-1", "client01", "client+1", "clients", ""} {
		_, ok := trace.Worker(name)
		assert.False(t, ok, name)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"kind":"message","time":5,"operation":3,"node":"n1","to":"n2","arrived":9,"fate":"delivered","name":"write","key":"k"}` + "\n"))
	f.Add([]byte(`{"kind":"state","time":1,"node":"n1","key":"\ud800","found":true}` + "\n\n" + `{"kind":"up","time":1,"node":"n1"`))
	f.Add([]byte("{}\nnull\n\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		events, warning, err := read(string(text))
		if err != nil {
			var format *trace.FormatError
			require.ErrorAs(t, err, &format)
			require.True(t, utf8.ValidString(err.Error()))
			require.NotContains(t, err.Error(), "\n")
			return
		}
		if warning != "" {
			require.NotEqual(t, byte('\n'), text[len(text)-1])
		}
		var b bytes.Buffer
		w := trace.NewWriter(&b)
		for i := range events {
			require.NoError(t, w.Append(&events[i]))
		}
		require.NoError(t, w.Close())
		again, warning, err := read(b.String())
		require.NoError(t, err)
		require.Empty(t, warning)
		require.Equal(t, events, again)
	})
}
