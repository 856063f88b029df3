package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The histories of these tests, by the verdict that they get.
const (
	legalEDN = `{:process 0, :type :invoke, :f :write, :value [1 5]}
{:process 0, :type :ok, :f :write, :value [1 5]}
{:process 1, :type :invoke, :f :read, :value [1 nil]}
{:process 1, :type :ok, :f :read, :value [1 5]}
`
	staleEDN = legalEDN + `{:process 1, :type :invoke, :f :read, :value [1 nil]}
{:process 1, :type :ok, :f :read, :value [1 nil]}
`
	legalLog     = "INFO  jepsen.util - 0\t:invoke\t:write\t4\nINFO  jepsen.util - 0\t:ok\t:write\t4\nINFO  jepsen.util - 1\t:invoke\t:read\tnil\nINFO  jepsen.util - 1\t:ok\t:read\t4\n"
	undecidedEDN = `{:process 0, :type :invoke, :f :write, :value 5}
{:process 0, :type :ok, :f :write, :value 5}
{:process 1, :type :invoke, :f :read, :value nil}
`
	twiceEDN = legalEDN + "{:process 1, :type :ok, :f :read, :value [1 5]}\n"
)

// invalidJSONL is a run in whose main phase nearly nothing happened.
const invalidJSONL = `{"index":0,"time":0,"process":"nemesis","type":"invoke","f":"phase","key":"main"}
{"index":1,"time":1,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"index":2,"time":2,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"index":3,"time":3,"process":0,"type":"invoke","f":"read","key":"x"}
{"index":4,"time":4,"process":0,"type":"ok","f":"read","key":"x","value":1}
{"index":5,"time":9,"process":"nemesis","type":"ok","f":"phase","key":"main"}
{"index":6,"time":10,"process":"nemesis","type":"invoke","f":"phase","key":"heal"}
{"index":7,"time":11,"process":"nemesis","type":"ok","f":"phase","key":"heal"}
`

// histories writes the files into one folder and returns it.
func histories(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if strings.HasSuffix(name, ".gz") {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, err := w.Write([]byte(text))
			require.NoError(t, err)
			require.NoError(t, w.Close())
			text = packed.String()
		}
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return folder
}

func TestEveryFormatIsChecked(t *testing.T) {
	folder := histories(t, map[string]string{"legal.edn": legalEDN, "legal.log": legalLog, "legal.edn.gz": legalEDN, "legal.jsonl": goodHistory, "stale.edn": staleEDN, "stale.edn.gz": staleEDN})
	for _, name := range []string{"legal.edn", "legal.log", "legal.edn.gz", "legal.jsonl"} {
		code, stdout, stderr := refute(t, "check", "--claims", "linearizable", filepath.Join(folder, name))
		assert.Zero(t, code, "%s: %s%s", name, stdout, stderr)
		assert.Contains(t, stdout, "Verdict: holds", name)
		assert.NotContains(t, stdout, "file ", "one history has no table")
	}
	for _, name := range []string{"stale.edn", "stale.edn.gz"} {
		code, stdout, _ := refute(t, "check", filepath.Join(folder, name))
		assert.Equal(t, 1, code, name)
		assert.Contains(t, stdout, "linearizable  REFUTED", "a history recorded elsewhere is held to linearizability")
		assert.NotContains(t, stdout, "no-stale-reads")
		for _, operation := range []string{"write 1 5", "read 1 → nil"} {
			assert.Contains(t, stdout, operation, "the witness' operations are shown")
		}
	}
}

func TestStandardInputIsChecked(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	stdin := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = stdin }()
	_, err = w.WriteString(staleEDN)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	code, stdout, stderr := refute(t, "check", "-")
	assert.Equal(t, 1, code, stderr)
	assert.Contains(t, stdout, "REFUTED")
	oneLine(t, "- stands twice", "check", "-", "-")
}

func TestManyFilesAreCheckedAndListedInTheirOrder(t *testing.T) {
	folder := histories(t, map[string]string{"a.edn": legalEDN, "b.edn": undecidedEDN, "c.jsonl": invalidJSONL, "d.edn": twiceEDN, "e.edn": staleEDN, "f.edn": ""})
	path := func(name string) string { return filepath.Join(folder, name) }
	args := func(names ...string) []string {
		list := []string{"check", "--claims", "linearizable"}
		for _, name := range names {
			list = append(list, path(name))
		}
		return list
	}
	code, stdout, stderr := refute(t, args("e.edn", "absent.edn", "d.edn", "a.edn", "b.edn", "c.jsonl", "f.edn")...)
	assert.Equal(t, 1, code, "a refutation comes before everything")
	table := stdout[strings.LastIndex(stdout, "file in "+folder+"/"):]
	var rows [][]string
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		rows = append(rows, strings.Fields(line)[:5])
	}
	assert.Equal(t, [][]string{
		{"e.edn", "refuted", "3", "1", "linearizable"},
		{"absent.edn", "unreadable", "-", "-", "-"},
		{"d.edn", "unreadable", "-", "-", "-"},
		{"a.edn", "holds", "2", "1", "-"},
		{"b.edn", "unknown", "2", "1", "-"},
		{"c.jsonl", "invalid", "2", "1", "-"},
		{"f.edn", "unreadable", "-", "-", "-"},
	}, rows, "%s", stdout)
	assert.Equal(t, 3, strings.Count(stderr, "refute: "), "a line for each file that can't be read: %s", stderr)
	for _, says := range []string{"absent.edn: no such file", "d.edn: line 5, event 4: invocation completed twice", "f.edn: the history holds no operation"} {
		assert.Contains(t, stderr, says)
	}
	first, last := strings.Index(stdout, path("e.edn")+"\n"), strings.Index(stdout, path("c.jsonl")+"\n")
	assert.True(t, 0 <= first && first < last, "the verdicts come in the order of the arguments")

	for _, c := range []struct {
		code  int
		names []string
	}{
		{254, []string{"c.jsonl", "b.edn", "d.edn", "a.edn"}},
		{3, []string{"c.jsonl", "b.edn", "a.edn"}},
		{2, []string{"a.edn", "b.edn"}},
		{0, []string{"a.edn", "a.edn"}},
		{254, []string{"absent.edn", "f.edn"}},
	} {
		code, _, _ := refute(t, args(c.names...)...)
		assert.Equal(t, c.code, code, "%v", c.names)
	}

	// --quiet leaves the table.
	code, stdout, _ = refute(t, append(args("a.edn", "e.edn"), "--quiet", "--parallel", "1")...)
	assert.Equal(t, 1, code)
	assert.Len(t, strings.Split(strings.TrimSpace(stdout), "\n"), 3)
}

func TestManyDocumentsAreALineEach(t *testing.T) {
	folder := histories(t, map[string]string{"a.edn": legalEDN, "b.edn": twiceEDN, "c.edn": staleEDN, "sub/d.edn": legalEDN})
	code, stdout, _ := refute(t, "check", "--json", folder)
	assert.Equal(t, 1, code)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	require.Len(t, lines, 4, stdout)
	var got []string
	for _, line := range lines {
		var document struct {
			File, Verdict, Error string
			Claims               []struct{ Claim, Verdict string }
			Stats                struct{ Operations int }
			SHA                  string `json:"history_sha256"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &document), line)
		got = append(got, fmt.Sprintf("%s %s %d %v", strings.TrimPrefix(document.File, folder), document.Verdict, document.Stats.Operations, document.Error != ""))
		if document.Error == "" {
			assert.Len(t, document.SHA, 64)
			assert.Equal(t, "linearizable", document.Claims[0].Claim)
		}
	}
	assert.Equal(t, []string{"/a.edn holds 2 false", "/b.edn  0 true", "/c.edn refuted 3 false", "/sub/d.edn holds 2 false"}, got)

	// One file: one document, over several lines, and none where there is nothing to say.
	code, stdout, _ = refute(t, "check", "--json", filepath.Join(folder, "a.edn"))
	assert.Zero(t, code)
	assert.True(t, strings.HasPrefix(stdout, "{\n  \"file\": "), stdout)
	assert.True(t, json.Valid([]byte(stdout)))
	oneLine(t, "completed twice", "check", "--json", filepath.Join(folder, "b.edn"))
	// A folder of one history has the shape of a folder.
	code, stdout, _ = refute(t, "check", "--json", filepath.Join(folder, "sub"))
	assert.Zero(t, code)
	assert.Equal(t, 1, strings.Count(stdout, "\n"))
}

func TestFoldersAreLookedThrough(t *testing.T) {
	folder := histories(t, map[string]string{
		"run/history.jsonl": goodHistory, "run/trace.jsonl": "{}", "run/log.txt": "12:00 hello\n",
		"store/history.edn": legalEDN, "store/history.txt": "0\t:invoke\t:read\tnil\n", "store/jepsen.log": legalLog,
		"plain/x.log": legalLog, "plain/notes.txt": "nothing", "plain/y.edn.gz": legalEDN, "plain/README.md": "#",
		"empty/notes.txt": "nothing",
	})
	require.NoError(t, os.Symlink(filepath.Join(folder, "run"), filepath.Join(folder, "latest")))
	code, stdout, stderr := refute(t, "check", "--quiet", "--claims", "linearizable", folder)
	assert.Zero(t, code, stderr)
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n")[1:] {
		names = append(names, strings.Fields(line)[0])
	}
	assert.Equal(t, []string{"plain/x.log", "plain/y.edn.gz", "run/history.jsonl", "store/history.edn"}, names)

	for _, run := range []string{"run", "latest", "store"} {
		code, stdout, stderr = refute(t, "check", "--claims", "linearizable", filepath.Join(folder, run))
		assert.Zero(t, code, stderr)
		assert.NotContains(t, stdout, "file in", "a run folder is one history")
	}
	oneLine(t, "holds no history", "check", filepath.Join(folder, "empty"))
}

func TestHistoriesAreWrittenForOtherCheckers(t *testing.T) {
	folder := histories(t, map[string]string{"a.jsonl": goodHistory, "b/c.edn": staleEDN, "set.edn": strings.ReplaceAll(legalEDN, ":write", ":add")})
	out := filepath.Join(folder, "out.edn")
	a := filepath.Join(folder, "a.jsonl")
	code, _, stderr := refute(t, "check", "--claims", "linearizable", a, "--edn", out)
	require.Zero(t, code, stderr)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, `{:type :invoke, :f :write, :value ["x" 1], :process 0, :time 1, :index 0}
{:type :ok, :f :write, :value ["x" 1], :process 0, :time 2, :index 1}
{:type :invoke, :f :read, :value ["x" nil], :process 0, :time 3, :index 2}
{:type :ok, :f :read, :value ["x" 1], :process 0, :time 4, :index 3}
`, string(text))
	code, _, _ = refute(t, "check", out)
	assert.Zero(t, code, "what was written can be checked")
	oneLine(t, "exists: files are never overwritten", "check", a, "--edn", out)

	elle := filepath.Join(folder, "elle.edn.gz")
	code, _, stderr = refute(t, "check", "--claims", "linearizable", a, "--edn", elle, "--edn-form", "elle")
	require.Zero(t, code, stderr)
	f, err := os.Open(elle)
	require.NoError(t, err)
	defer f.Close()
	packed, err := gzip.NewReader(f)
	require.NoError(t, err)
	var unpacked bytes.Buffer
	_, err = unpacked.ReadFrom(packed)
	require.NoError(t, err)
	assert.Contains(t, unpacked.String(), `{:type :ok, :f :txn, :value [[:r "x" 1]], :process 0, :time 4, :index 3}`)

	// Several files go into a folder; one that can't be written so is named, and leaves nothing.
	many := filepath.Join(folder, "many")
	code, stdout, stderr := refute(t, "check", "--quiet", "--claims", "linearizable,no-lost-writes", a, filepath.Join(folder, "set.edn"), "--edn", many, "--edn-form", "elle")
	assert.Equal(t, 254, code, stdout)
	assert.Contains(t, stderr, "an add to key \"1\" is no append")
	written, err := filepath.Glob(filepath.Join(many, "*"))
	require.NoError(t, err)
	require.Len(t, written, 1)
	assert.True(t, strings.HasSuffix(written[0], "-a.edn"), written[0])

	// A refutation is the exit code, even if writing failed.
	code, _, _ = refute(t, "check", filepath.Join(folder, "b", "c.edn"), "--edn", filepath.Join(folder, "no", "such.edn"))
	assert.Equal(t, 1, code)
}

func TestWrongUsageOfCheckIsOneLine(t *testing.T) {
	file := write(t, "history.edn", legalEDN)
	for wants, args := range map[string][]string{
		"name at least one":            {"check"},
		"absent.jsonl":                 {"check", "absent.jsonl"},
		"unknown claim":                {"check", file, "--claims", "strict-serializable"},
		"no claim":                     {"check", file, "--claims", ""},
		"unknown model":                {"check", file, "--model", "blockchain"},
		"--model is empty":             {"check", file, "--model", ""},
		"is no size":                   {"check", file, "--memory", "lots"},
		"at least 16 MiB":              {"check", file, "--memory", "1KiB"},
		"--parallel 0":                 {"check", file, "--parallel", "0"},
		"--max-siblings 0":             {"check", file, "--max-siblings", "0"},
		"--check-timeout -1s":          {"check", file, "--check-timeout", "-1s"},
		"unknown form of EDN":          {"check", file, "--edn", "x.edn", "--edn-form", "xml"},
		"give --edn too":               {"check", file, "--edn-form", "elle"},
		"--edn is empty":               {"check", file, "--edn", ""},
		"unknown flag":                 {"check", file, "--modell", "set"},
		"not a history: want refute's": {"check", write(t, "README.md", "# refute")},
	} {
		oneLine(t, wants, args...)
	}
}

func TestHowManySiblingsAreTooMany(t *testing.T) {
	file := filepath.Join("checker", "testdata", "replicas", "good-hundred-siblings.jsonl")
	code, _, _ := refute(t, "check", file, "--claims", "bounded-siblings")
	assert.Zero(t, code)
	code, stdout, _ := refute(t, "check", file, "--claims", "bounded-siblings", "--max-siblings", "99")
	assert.Equal(t, 1, code)
	assert.Contains(t, stdout, "more than 99")
}

func TestHelpOfCheckNamesClaimsAndModels(t *testing.T) {
	code, stdout, _ := refute(t, "check", "--help")
	assert.Zero(t, code)
	for _, wants := range []string{"linearizable ", "convergence ", "Models:\n  register ", "Exit codes: 1 a claim was refuted", "--edn-form", "JSON Lines"} {
		assert.Contains(t, stdout, wants)
	}
	oneLine(t, `unknown model "bank": choose from register, `, "check", "x.edn", "--model", "bank")
}

func TestATornGzippedHistoryIsCheckedWithAWarning(t *testing.T) {
	folder := histories(t, map[string]string{"a.jsonl.gz": goodHistory})
	path := filepath.Join(folder, "a.jsonl.gz")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text[:len(text)-12], 0o644))
	code, stdout, stderr := refute(t, "check", "--claims", "linearizable", path)
	assert.Contains(t, []int{0, 2}, code, "%s%s", stdout, stderr)
	require.NoError(t, os.WriteFile(path, text[:20], 0o644))
	oneLine(t, "a.jsonl.gz", "check", path)
	// What is no gzip although it begins so.
	require.NoError(t, os.WriteFile(path, []byte("\x1f\x8bnonsense"), 0o644))
	oneLine(t, "gzip", "check", path)
}
