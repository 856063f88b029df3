package history_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
)

// FuzzOpen: whatever a file holds, it is found out what it is, packed or not;
// it is read or refused with one clear line; and what is read can be written
// for Knossos and reads back to the same operations.
func FuzzOpen(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*"))
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, path := range files {
			text, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := history.OpenReader("file", bytes.NewReader(text))
		if err != nil {
			oneClearLine(t, err)
			return
		}
		defer h.Close()
		want, summary, err := h.ReadAll(context.Background())
		if err != nil {
			oneClearLine(t, err)
			return
		}
		require.EqualValues(t, len(want), summary.Operations)
		var out bytes.Buffer
		_, err = h.WriteEDN(context.Background(), &out, history.Elle)
		var refused *history.FormError
		require.True(t, err == nil || errors.As(err, &refused), "%v", err)
		out.Reset()
		_, err = h.WriteEDN(context.Background(), &out, history.Knossos)
		require.NoError(t, err)
		want = slices.DeleteFunc(want, func(o history.Operation) bool { return o.F == history.FDump })
		if len(want) == 0 {
			return
		}
		got := operationsOf(t, out.String(), history.FormatEDN)
		require.Len(t, got, len(want), "%s", out.Bytes())
		for i := range want {
			require.Equal(t, meaning(t, want[i]), meaning(t, got[i]), "%s", out.Bytes())
		}
	})
}

// oneClearLine asserts that an error is one line that a caller can tell the kind of.
func oneClearLine(t *testing.T, err error) {
	t.Helper()
	require.NotContains(t, err.Error(), "\n")
	var bad *history.FormatError
	known := errors.As(err, &bad)
	for _, kind := range []error{history.ErrEmpty, history.ErrNoHistory, gzip.ErrHeader, gzip.ErrChecksum} {
		known = known || errors.Is(err, kind)
	}
	require.True(t, known || strings.Contains(err.Error(), "flate") || strings.Contains(err.Error(), "gzip"), "%v", err)
}

// meaning is the operation without what EDN does not keep; see File.WriteEDN.
func meaning(t *testing.T, o history.Operation) string {
	t.Helper()
	o.Start, o.End = 0, 0
	o.Error = strings.Join(strings.Fields(o.Error), " ")
	if len(o.Error) > 290 {
		o.Error = "long"
	}
	if o.Process == history.Nemesis {
		return canonical(t, o)
	}
	nothing := func(v *history.Value) {
		if v.Kind() == history.Nil {
			*v = history.Value{}
		}
	}
	switch o.F {
	case history.FWrite, history.FCAS, history.FAdd, history.FAppend, history.FEnqueue, history.FTransaction:
		if o.Output.Kind() == history.Absent && o.Completion >= 0 {
			o.Output = o.Input
		}
	case history.FDelete:
		nothing(&o.Input)
		nothing(&o.Output)
	case history.FRead, history.FDequeue:
		nothing(&o.Input)
		if o.Type != history.Ok {
			nothing(&o.Output)
		}
	}
	return canonical(t, o)
}

// FuzzValue: any JSON as the value of any operation is written as EDN and reads
// back with the same meaning.
func FuzzValue(f *testing.F) {
	for _, value := range []string{`1`, `null`, `[1,2]`, `"x 0 0 y"`, `{"id":"f1","cuts":[{"from":"n1"}]}`, `[["r","x",null],["w","y",1]]`,
		`1e400`, `-0.0`, `[["read",":x",{}]]`, `"\u0000\ud800"`, `{"a":1,"a b":[true,false]}`, `123456789012345678901`, `[[],[[]]]`, `":keyword"`} {
		for _, name := range []string{"read", "write", "cas", "txn", "odd"} {
			f.Add(name, "k", value)
			f.Add(name, "", value)
		}
	}
	f.Fuzz(func(t *testing.T, name, key, value string) {
		if !json.Valid([]byte(value)) || repeatsNames(value) {
			return
		}
		encode := func(s string) string { text, _ := json.Marshal(s); return string(text) }
		line := `{"index":0,"time":0,"process":0,"type":"invoke","f":` + encode(name) + `,"key":` + encode(key) + `,"value":` + value + `}`
		var e history.Event
		if history.NewDecoder().Decode([]byte(line), &e) != nil || e.F == "" || e.F == history.FDump {
			return
		}
		done := e
		done.Index, done.Type = 1, history.Ok
		text, _, err := writeEDN(t, []history.Event{e, done}, history.Knossos)
		require.NoError(t, err)
		want := operationsOf(t, jsonl([]history.Event{e, done}), history.FormatJSONL)
		got := operationsOf(t, text, history.FormatEDN)
		require.Len(t, got, 1, text)
		require.Equal(t, meaning(t, want[0]), meaning(t, got[0]), text)
	})
}

// repeatsNames says whether an object has a name twice, for which JSON has no meaning.
func repeatsNames(value string) bool {
	tokens := json.NewDecoder(strings.NewReader(value))
	tokens.UseNumber()
	var walk func() bool
	walk = func() bool {
		token, err := tokens.Token()
		if err != nil {
			return true
		}
		open, ok := token.(json.Delim)
		if !ok {
			return false
		}
		seen := map[string]bool{}
		repeats := false
		for tokens.More() {
			if open == '{' {
				name, err := tokens.Token()
				text, _ := name.(string)
				repeats = repeats || err != nil || seen[text]
				seen[text] = true
			}
			repeats = walk() || repeats
		}
		_, err = tokens.Token()
		return repeats || err != nil
	}
	return walk()
}
