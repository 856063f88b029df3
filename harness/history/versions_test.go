package history_test

import (
	"fmt"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVersionsComeBackAsTheyWere(t *testing.T) {
	versions := history.Versions{
		Values: []int64{1, 2}, Dots: []history.Dot{{Node: "n1", Counter: 4}, {Node: "eu:n2", Counter: 2}},
		Context: map[string]int64{"n1": 4, "eu:n2": 1},
	}
	value, err := versions.Value()
	require.NoError(t, err)
	assert.JSONEq(t, `{"values":[1,2],"dots":["n1:4","eu:n2:2"],"context":{"n1":4,"eu:n2":1}}`, string(value.Raw()))
	back, err := history.ParseVersions(value)
	require.NoError(t, err)
	assert.Equal(t, versions, back)

	assert.True(t, back.Covers(history.Dot{Node: "n1", Counter: 3}), "superseded")
	assert.True(t, back.Covers(history.Dot{Node: "eu:n2", Counter: 2}), "a sibling beyond the context")
	assert.False(t, back.Covers(history.Dot{Node: "eu:n2", Counter: 3}))
	assert.False(t, back.Covers(history.Dot{Node: "n3", Counter: 1}))
}

func TestVersionsOfAnEmptyContext(t *testing.T) {
	value, err := history.Versions{}.Value()
	require.NoError(t, err)
	_, err = history.ParseVersions(value)
	require.NoError(t, err)
}

func TestWhatIsNoVersions(t *testing.T) {
	for text, want := range map[string]string{
		`{"values":[1],"dots":["n1:1"]}`:                    "without a context",
		`{"values":[1,2],"dots":["n1:1"],"context":{}}`:     "2 values and 1 dots",
		`{"dots":["n1"],"context":{}}`:                      "want node:counter",
		`{"dots":[":1"],"context":{}}`:                      "want node:counter",
		`{"dots":["n1:0"],"context":{}}`:                    "at least 1",
		`{"dots":["n1:99999999999999999999"],"context":{}}`: "at least 1",
		`"text"`: "versions",
	} {
		_, err := history.ParseVersions(history.RawValue([]byte(text)))
		assert.ErrorContains(t, err, want, text)
	}
	_, err := history.ParseVersions(history.IntValue(1))
	assert.ErrorContains(t, err, "no versions")
}

func ExampleVersions_Covers() {
	read, err := history.ParseVersions(history.RawValue([]byte(`{"values":[7],"dots":["n1:5"],"context":{"n1":5,"n2":1}}`)))
	if err != nil {
		panic(err)
	}
	fmt.Println(read.Covers(history.Dot{Node: "n1", Counter: 4}), read.Covers(history.Dot{Node: "n2", Counter: 2}))
	// Output: true false
}

func FuzzParseVersions(f *testing.F) {
	for _, text := range []string{`{"values":[1,2],"dots":["n1:4","n2:2"],"context":{"n1":4,"n2":2}}`, `{"dots":["n1:5"],"context":{}}`, `{"context":null}`, `[1]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		versions, err := history.ParseVersions(history.RawValue(text))
		if err != nil {
			return
		}
		value, err := versions.Value()
		require.NoError(t, err)
		back, err := history.ParseVersions(value)
		require.NoError(t, err)
		again, err := back.Value()
		require.NoError(t, err)
		assert.JSONEq(t, string(value.Raw()), string(again.Raw()))
	})
}
