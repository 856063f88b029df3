package results

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/NAME; go test -update writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update once")
	assert.Equal(t, string(want), string(got))
}

// shared are the runs that tests only read, by their mark.
var shared struct {
	mutex sync.Mutex
	root  string
	runs  map[string]*Run
}

func TestMain(m *testing.M) {
	root, err := os.MkdirTemp("", "results-")
	if err != nil {
		panic(err)
	}
	shared.root, shared.runs = root, map[string]*Run{}
	code := m.Run()
	_ = os.RemoveAll(root)
	os.Exit(code)
}

// small is a run of some 20,000 operations that was written to disk.
func small(t *testing.T, mark string) *Run {
	t.Helper()
	shared.mutex.Lock()
	defer shared.mutex.Unlock()
	if shared.runs[mark] == nil {
		s := newSynthetic(20000, mark)
		run, err := Write(s.folder(t, shared.root), s.report(), Options{Version: "v1.2.3"})
		require.NoError(t, err)
		shared.runs[mark] = run
	}
	return shared.runs[mark]
}

// relocated gives the run a folder whose path does not depend on the test.
func relocated(run *Run) *Run {
	clone := *run
	clone.Folder = &Folder{Path: "results/runs/lww-five-nodes/20261121T120000Z", Name: run.Folder.Name, Timestamp: run.Folder.Timestamp}
	return &clone
}

func TestDocumentGolden(t *testing.T) {
	run := small(t, "")
	content, err := os.ReadFile(run.Folder.Document())
	require.NoError(t, err)
	golden(t, "results.json", content)

	again, err := ReadDocument(run.Folder.Document())
	require.NoError(t, err)
	encoded, err := again.Encode()
	require.NoError(t, err)
	assert.Equal(t, string(content), string(encoded), "reading and writing loses something")
}

func TestJUnitGolden(t *testing.T) {
	out, err := JUnit(relocated(small(t, "")))
	require.NoError(t, err)
	golden(t, "junit.xml", out)
}

func TestMarkdownGolden(t *testing.T) { golden(t, "summary.md", Markdown(relocated(small(t, "")))) }

func TestSummaryGolden(t *testing.T) {
	run := relocated(small(t, ""))
	var plain, colored bytes.Buffer
	require.NoError(t, Summary(&plain, run, TextOptions{}))
	golden(t, "summary.txt", plain.Bytes())
	assert.NotContains(t, plain.String(), "\x1b")

	require.NoError(t, Summary(&colored, run, TextOptions{Color: true}))
	assert.NotEqual(t, plain.String(), colored.String())
	assert.Equal(t, plain.String(), regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored.String(), ""))
}

func TestSummaryFitsTheWidth(t *testing.T) {
	hostile := small(t, " "+strings.Repeat("long", 60)+"\x1b[31m\u202e\r")
	for _, run := range []*Run{relocated(small(t, "")), relocated(hostile)} {
		for _, width := range []int{0, 100, 85, 72} {
			var b bytes.Buffer
			require.NoError(t, Summary(&b, run, TextOptions{Width: width}))
			limit := width
			if limit == 0 {
				limit = 100
			}
			for line := range strings.Lines(b.String()) {
				line = strings.TrimSuffix(line, "\n")
				if strings.Contains(line, run.Folder.Path) || strings.Contains(line, "  --claims ") {
					continue // paths and the words of a command are never broken
				}
				assert.LessOrEqual(t, utf8.RuneCountInString(line), limit, line)
			}
			assert.NotContains(t, b.String(), "\x1b")
			assert.NotContains(t, b.String(), "\u202e")
		}
	}
}

// suites mirrors what CI systems read of junit.xml.
type suites struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Cases    []struct {
		Name    string `xml:"name,attr"`
		Failure *struct {
			Type    string `xml:"type,attr"`
			Message string `xml:"message,attr"`
			Text    string `xml:",chardata"`
		} `xml:"failure"`
		Error *struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		} `xml:"error"`
		Output string `xml:"system-out"`
	} `xml:"testsuite>testcase"`
}

func parseJUnit(t *testing.T, run *Run) suites {
	t.Helper()
	out, err := JUnit(run)
	require.NoError(t, err)
	var s suites
	require.NoError(t, xml.Unmarshal(out, &s))
	return s
}

func TestJUnitTellsFailuresFromErrors(t *testing.T) {
	s := parseJUnit(t, small(t, ""))
	assert.Equal(t, []int{6, 2, 2}, []int{s.Tests, s.Failures, s.Errors})
	require.Len(t, s.Cases, 6)
	assert.Equal(t, "claim: linearizable", s.Cases[0].Name)
	assert.Equal(t, "refuted", s.Cases[0].Failure.Type)
	assert.Contains(t, s.Cases[0].Failure.Text, "read k8 → 1588")
	assert.Contains(t, s.Cases[2].Output, "not refuted by this history")
	assert.Nil(t, s.Cases[2].Failure)
	assert.Equal(t, "unknown", s.Cases[3].Error.Type, "an unknown claim must not be green")
	assert.Equal(t, "the run is valid", s.Cases[5].Name)
	assert.Contains(t, s.Cases[5].Error.Text, "fault f5")
}

func TestJUnitFollowsExpectations(t *testing.T) {
	run := relocated(small(t, ""))
	expecting := *run.Plan
	run.Plan = &expecting
	run.Plan.Expect = []string{"refuted:linearizable", "refuted:convergence"}
	s := parseJUnit(t, run)
	assert.Nil(t, s.Cases[0].Failure, "refuted, as expected")
	require.NotNil(t, s.Cases[4].Failure, "holds, but was to be refuted")
	assert.Equal(t, "not-refuted", s.Cases[4].Failure.Type)
	require.NotNil(t, s.Cases[1].Failure, "refuted, and nobody expected it")
}

func TestJUnitIsXMLWhateverTheStoreSays(t *testing.T) {
	s := parseJUnit(t, small(t, "]]><failure>&\x00\x0b\xff\x1b\ufffe"))
	assert.Equal(t, 6, s.Tests)
	assert.Contains(t, s.Cases[1].Failure.Text, "]]><failure>&")
}

func TestMarkdownCannotBeInjected(t *testing.T) {
	text := string(Markdown(small(t, "<script>x</script>|`a`[l](u)\n```\n# head\n")))
	blocks := regexp.MustCompile("(?s)````sh\n.*?\n````\n|```sh\n.*?\n```\n").FindAllString(text, -1)
	assert.Len(t, blocks, 2, "a fence is longer than what it holds")
	for _, block := range blocks {
		text = strings.Replace(text, block, "", 1)
	}
	assert.NotContains(t, text, "<script")
	assert.NotContains(t, text, "\n# head")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| f") {
			bars := strings.Count(line, "|") - strings.Count(line, `\|`)
			assert.Equal(t, 7, bars, line)
		}
	}
	assert.Contains(t, text, "**no**", "the fault that was not verified")
}

func TestDocumentOfAFaultThatWasNeverHealed(t *testing.T) {
	d := NewDocument(checker.Report{Verdict: checker.Holds, Faults: []checker.FaultInterval{
		{Fault: history.Fault{ID: "f1", Kind: "kill"}, Start: 5, End: history.Infinity},
	}})
	content, err := d.Encode()
	require.NoError(t, err)
	assert.Contains(t, string(content), `"end": null`)
	assert.Contains(t, string(content), `"claims": []`)
	assert.Contains(t, string(content), `"validity": []`)
	assert.Contains(t, string(content), `"targets": []`)
}

func TestReadDocumentRefusesWhatItCannotJudge(t *testing.T) {
	for content, want := range map[string]string{
		`{"format":99,"verdict":"holds"}`:                                                                         "use a newer refute",
		`{"format":1,"verdict":"perhaps"}`:                                                                        `verdict "perhaps"`,
		`{"format":1,"verdict":"holds","claims":[{"claim":"c","verdict":""}]}`:                                    `claim "c"`,
		`{"format":1,"verdict":"refuted","claims":[{"verdict":"refuted","witnesses":[],"witness_details":[{}]}]}`: "details of 1",
		`not json`: "invalid character",
	} {
		path := filepath.Join(t.TempDir(), "results.json")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		_, err := ReadDocument(path)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
	}
}

func TestCommandLineIsForAShell(t *testing.T) {
	got := CommandLine(syntheticPlan(""))
	assert.Equal(t, "refute run --on docker --target leaderless --workload register --nemesis partition,pause,kill,clock --nodes 5 "+
		"--concurrency 12 --rate 0 --time-limit 30s --seed 7 --set clock=coordinator --set fsync=always --set n=3 "+
		`--set 'note=it'\''s a quote' --set r=2 --set repair=off --set w=2 `+
		"--claims linearizable,no-lost-writes,read-your-writes,monotonic-reads,convergence", got)
}
