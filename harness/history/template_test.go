package history

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireSameDecoding: a line that fits the template means to the general
// decoder what the template makes of it. It says whether the line fitted.
func requireSameDecoding(t *testing.T, line []byte) bool {
	t.Helper()
	fitted := false
	for _, evidence := range []bool{false, true} {
		fast, slow := Decoder{Evidence: evidence}, Decoder{Evidence: evidence}
		var got, want Event
		if !fast.template(line, &got) {
			continue
		}
		fitted = true
		require.NoError(t, slow.general(line, &want), "%q", line)
		require.Equal(t, want, got, "%q", line)
	}
	return fitted
}

// linesOf returns lines as the Writer writes them, with every field that there is.
func linesOf() [][]byte {
	evidence := []*Evidence{nil, {}, {Coordinator: "n1"}, {Required: 2, Replicas: []ReplicaEvidence{{Node: "n1"}}},
		{Coordinator: "n2", Required: 2, Version: "100@n1", Timestamp: 1795263633277985399,
			Replicas: []ReplicaEvidence{{Node: "n2", Answered: true, Counted: true, Version: "100@n1"}, {Node: "n3", HintFor: "n1"}},
			Phases:   []string{"fetch", "write-back"}, Hints: []string{"n1"}}}
	values := []Value{{}, NilValue(), IntValue(0), IntValue(-7), IntValue(1 << 62), ListValue([]int64{1, -2}), ListValue(nil), RawValue([]byte(`{"a":[1.5]}`))}
	var lines [][]byte
	for i, e := range evidence {
		for k, v := range values {
			for _, process := range []Process{0, 12, Nemesis} {
				for typ := Invoke; typ <= Info; typ++ {
					event := Event{Index: int64(i * k), Time: 1_000_000_007, Process: process, Type: typ, F: []string{FRead, FWrite, "cas", "ré"}[(i+k)%4],
						Key: []string{"", "r12", "é"}[k%3], Value: v, Error: []string{"", "timed out", "a\"b"}[i%3], Node: []string{"n1", ""}[k%2], Evidence: e}
					lines = append(lines, bytes.TrimSuffix(AppendEvent(nil, &event), []byte("\n")))
				}
			}
		}
	}
	return lines
}

// TestTemplateAgreesWithTheGeneralDecoder on lines as they are written, and on
// such lines with a few bytes changed.
func TestTemplateAgreesWithTheGeneralDecoder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	alphabet := []byte(`{}[]",:\.-+0123456789eEtrufalsn "index` + "\x01\t\r\x80\xff")
	fitted, changed := 0, 0
	for _, line := range linesOf() {
		if requireSameDecoding(t, line) {
			fitted++
		}
		for range 60 {
			other := bytes.Clone(line)
			for range 1 + r.IntN(2) {
				switch k := r.IntN(len(other)); r.IntN(3) {
				case 0:
					other[k] = alphabet[r.IntN(len(alphabet))]
				case 1:
					other = append(other[:k], other[k+1:]...)
				default:
					other = append(other[:k], append([]byte{alphabet[r.IntN(len(alphabet))]}, other[k:]...)...)
				}
			}
			if requireSameDecoding(t, other) {
				changed++
			}
		}
	}
	require.Greater(t, fitted, len(linesOf())/4, "the template fits what the Writer writes")
	require.Greater(t, changed, 1000)
}

// TestTemplateFitsWhatIsWritten: what makes reading fast does not stop doing so unnoticed.
func TestTemplateFitsWhatIsWritten(t *testing.T) {
	for _, text := range []string{
		`{"index":3,"time":30417,"process":0,"type":"ok","f":"write","key":"x","value":1,"node":"n1","evidence":{"coordinator":"n1","required":2,"version":"1@1:1:5","timestamp":17,"replicas":[{"node":"n1","answered":true,"counted":true},{"node":"n2","answered":false}],"phases":["write"]}}`,
		`{"index":3,"time":30417,"process":"nemesis","type":"invoke","f":"phase","key":"main"}`,
		`{"index":3,"time":30417,"process":7,"type":"info","f":"read","key":"x","error":"timed out"}`,
	} {
		var e Event
		line, d := []byte(text), NewDecoder()
		require.True(t, d.template(line, &e), text)
		require.Zero(t, testing.AllocsPerRun(10, func() { d.template(line, &e) }))
	}
	evidence := []byte(`{"coordinator":"n1","required":2,"replicas":[{"node":"n1","answered":true}]}`)
	require.Equal(t, len(evidence), skipEvidence(evidence, 0))
}

// FuzzTemplate: the template never reads a line otherwise than the general decoder.
func FuzzTemplate(f *testing.F) {
	for _, line := range linesOf() {
		f.Add(line)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.jsonl"))
	require.NoError(f, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		for line := range bytes.Lines(text) {
			f.Add(bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) { requireSameDecoding(t, line) })
}
