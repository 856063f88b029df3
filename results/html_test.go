package results

import (
	"fmt"
	"html"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

func readReport(t *testing.T, run *Run) string {
	t.Helper()
	content, err := os.ReadFile(run.Folder.Report())
	require.NoError(t, err)
	return string(content)
}

var section = regexp.MustCompile(`(?s)<section class="witness" id="witness-(\d+)">.*?</section>`)

func TestReportShowsEachWitnessAndFault(t *testing.T) {
	run := small(t, "")
	text := readReport(t, run)
	sections := section.FindAllString(text, -1)
	number := 0
	for c, claim := range run.Document.Claims {
		assert.Contains(t, text, html.EscapeString(claim.Explanation))
		for i, indexes := range claim.Witnesses {
			require.Less(t, number, len(sections))
			part := sections[number]
			number++
			assert.Contains(t, part, html.EscapeString(claim.WitnessDetails[i].Explanation))
			scene := run.Scan.Scene(c, i)
			require.Len(t, scene.Witness, len(indexes))
			assert.Equal(t, len(indexes), strings.Count(part, `class="bar ok own"`), "the witness' operations in the picture")
			assert.Greater(t, strings.Count(part, `class="bar`), len(indexes), "operations around it")
			for n, m := range scene.Witness {
				assert.Equal(t, indexes[n], m.Index)
				assert.Contains(t, part, fmt.Sprintf(`data-label="operation">%d<`, m.Index))
				assert.Contains(t, part, fmt.Sprintf("%d: %s @%s", n+1, m.label(), m.Node))
				require.NotNil(t, m.Evidence)
				assert.Contains(t, part, "version "+m.Evidence.Version)
			}
			assert.Contains(t, part, "n1: ✓ counted, had 17@n2")
			assert.Contains(t, part, "n3: – not answered by then")
			assert.Contains(t, part, "f1 partition", "the fault in force as a band")
			assert.Contains(t, part, "data-picture=", "Porcupine's picture")
		}
	}
	assert.Equal(t, 4, number)
	assert.Len(t, sections, number)
	for _, f := range run.Document.Faults {
		row := text[strings.Index(text, `id="fault-`+f.ID+`"`):]
		row = row[:strings.Index(row, "</tr>")]
		row = html.UnescapeString(row)
		assert.Contains(t, row, f.Description)
		assert.Contains(t, row, f.Evidence)
		if f.ID == "f5" {
			assert.Contains(t, row, "✗ no")
		} else {
			assert.Contains(t, row, "✓ yes")
		}
		assert.Contains(t, text, fmt.Sprintf(`"id":%q,"short":%q`, f.ID, f.short()), "in the charts")
	}
	assert.Contains(t, text, html.EscapeString(run.Document.Validity[0]))
	assert.Contains(t, text, "refute check "+run.Folder.History())
	assert.Contains(t, text, "crash") // of the charts' data
	assert.Contains(t, text, `"crashes":[{"node":"n5","time":19}]`)
}

func TestReportIsSelfContained(t *testing.T) {
	text := readReport(t, small(t, ""))
	assert.Contains(t, text, "default-src 'none'")
	assert.NotRegexp(t, `(?i)(src|href)="?https?:`, text)
	assert.NotRegexp(t, `(?i)@import|url\(`, text)
	assert.Contains(t, text, "Permission is hereby granted", "uPlot's licence goes with its code")
	assert.NotContains(t, text, "ZgotmplZ", "html/template refused something")
	assert.NotContains(t, text, "NaN")
}

func TestReportEscapesWhatTheStoreSays(t *testing.T) {
	mark := "<script>alert('x')</script><img src=x onerror=alert(1)>\"'`</textarea>]]>\u2028${1}{{.}}"
	run := small(t, mark)
	text := readReport(t, run)
	assert.Equal(t, 3, strings.Count(text, "<script"), "the data, uPlot and the page's own script")
	assert.Equal(t, 3, strings.Count(text, "</script"))
	assert.NotContains(t, text, "<img")
	assert.NotContains(t, text, "</textarea>")
	assert.Contains(t, text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;", "it is shown as text")
	assert.Contains(t, text, `\u003cscript\u003e`, "and as text within the data")
}

func TestReportIsDeterministic(t *testing.T) {
	run := small(t, "")
	again, err := Load(run.Folder)
	require.NoError(t, err)
	first, err := HTML(again, checker.VisualizeWitness)
	require.NoError(t, err)
	assert.Equal(t, readReport(t, run), string(first))
	summary, err := os.ReadFile(run.Folder.Summary())
	require.NoError(t, err)
	assert.Equal(t, string(summary), string(Markdown(again)))
}

// TestReportStaysSmall has everything at once: a long history, many
// witnesses with big pictures, thousands of faults, endless explanations.
func TestReportStaysSmall(t *testing.T) {
	s := newSynthetic(240000, "")
	report := s.report()
	long := strings.Repeat("a long story <&> ", 500)
	for len(report.Faults) < 2000 {
		f := s.faults[0]
		f.ID = fmt.Sprintf("g%d", len(report.Faults))
		f.Description, f.Evidence = long, long
		report.Faults = append(report.Faults, f)
	}
	for i := range 200 {
		w := report.Claims[0].Witnesses[0]
		w.Explanation = long
		w.Operations = slices.Clone(w.Operations)
		for j := range 300 {
			w.Operations = append(w.Operations, int64(20+7*i+j*3))
		}
		report.Claims[0].Witnesses = append(report.Claims[0].Witnesses, w)
		report.Validity = append(report.Validity, long)
		report.Claims = append(report.Claims, checker.Result{Claim: fmt.Sprint(long, i), Verdict: checker.Unknown, Explanation: long})
	}
	picture := func([]history.Operation, ...checker.FaultInterval) ([]byte, error) {
		return []byte(strings.Repeat("<p>'\"</p>", 40000)), nil
	}
	folder := s.folder(t, t.TempDir())
	run, err := Write(folder, report, Options{Visualize: picture})
	require.NoError(t, err)
	text := readReport(t, run)
	t.Logf("report of %d operations: %d bytes", run.Document.Stats.Operations, len(text))
	assert.LessOrEqual(t, len(text), ReportMost)
	assert.Contains(t, text, "Left out of this report")
	assert.Contains(t, text, "Porcupine&#39;s pictures of")
	assert.Contains(t, text, "faults of the table")
	assert.Contains(t, text, fmt.Sprintf(`data-label="operation">%d<`, s.stale[0][2]), "the first witness stays")
}

func TestReportOfLittle(t *testing.T) {
	// No plan, no history, no claim: what is left is still a page.
	folder, err := Create(t.TempDir(), "bare", noon)
	require.NoError(t, err)
	run, err := Write(folder, checker.Report{Verdict: checker.Invalid, Validity: []string{"no operation was recorded"}}, Options{})
	require.NoError(t, err)
	text := readReport(t, run)
	assert.Contains(t, text, "no operation was recorded")
	assert.Contains(t, text, "No claim was checked.")
	assert.Empty(t, run.Document.HistorySHA256)
	assert.NotContains(t, text, "NaN")
	assert.NotContains(t, text, "Inf")
}

func TestReportSaysWhereAHistoryIsCut(t *testing.T) {
	s := newSynthetic(2000, "")
	folder := s.folder(t, t.TempDir())
	content, err := os.ReadFile(folder.History())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(folder.History(), content[:len(content)-20], 0o644))
	run, err := Write(folder, checker.Report{Verdict: checker.Unknown}, Options{})
	require.NoError(t, err)
	assert.EqualValues(t, len(s.events)-1, run.Scan.Events)
	assert.Contains(t, readReport(t, run), fmt.Sprintf("The history ends in the middle of line %d", len(s.events)))
}

// BenchmarkReport draws everything for a run of 100,000 operations from its files.
func BenchmarkReport(b *testing.B) {
	s := newSynthetic(120000, "")
	folder := s.folder(b, b.TempDir())
	run, err := Write(folder, s.report(), Options{})
	require.NoError(b, err)
	info, err := os.Stat(folder.History())
	require.NoError(b, err)
	b.SetBytes(info.Size())
	s = nil
	b.ReportAllocs()
	for b.Loop() {
		if run, err = Draw(folder, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(run.Document.Stats.Operations), "operations")
}
