package results

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/checker/staleness"
)

// TestReportShowsStaleness: every measure, the prediction beside the measured,
// and what was left out.
func TestReportShowsStaleness(t *testing.T) {
	run := small(t, "")
	text := readReport(t, run)
	section := text[strings.Index(text, `<section id="staleness">`):]
	section = section[:strings.Index(section, "</section>")]
	for _, want := range []string{
		"212 of 9,959 reads (2.13 %)", "95 % interval: 1.86 % to 2.43 %", "p50 3.1 ms · p95 41 ms · p99 822 ms · max 4.21 s", "k8: operations 3101, 3188, 3420",
		"19 by the worst read", "20 to 22", "99.9 % of reads fresh after 21.3 ms", "n=3, r=1, w=1; from the latencies of 480 writes and 500 reads",
		"2 reads returned several values, or one that no write can have put there", "1 key left out: values that were written more than once",
		"1m40s or more", "16–31",
	} {
		assert.Contains(t, section, want)
	}
	assert.Equal(t, 5, strings.Count(section, `<td class="nowrap">`), "a row for each bucket")
	assert.Contains(t, section, `<td class="n">94.6 %</td><td class="n">93.0 % to 95.9 %</td><td class="n">95.1 %</td>`)

	start := strings.Index(text, `<script type="application/json" id="data">`)
	data := text[start+len(`<script type="application/json" id="data">`):]
	var chart chartData
	require.NoError(t, json.Unmarshal([]byte(data[:strings.Index(data, "</script>")]), &chart))
	c := chart.Staleness
	require.NotNil(t, c)
	measured, predicted := 0, 0
	for i := range c.X {
		if i > 0 {
			assert.Less(t, c.X[i-1], c.X[i], "the axis needs them in order")
		}
		if c.Fresh[i] != nil {
			measured++
			assert.LessOrEqual(t, c.Least, *c.Low[i])
		}
		if c.Predicted[i] != nil {
			predicted++
		}
	}
	assert.Equal(t, []int{5, 6}, []int{measured, predicted})
}

// bare is a run without anything but a verdict and what is given.
func bare(s *staleness.Report) *Run {
	return &Run{Document: NewDocument(checker.Report{Verdict: checker.Holds, Staleness: s})}
}

// everyForm is the page, the summary for CI and the lines of the terminal.
func everyForm(t *testing.T, run *Run) []string {
	t.Helper()
	page, err := HTML(run, nil)
	require.NoError(t, err)
	var terminal bytes.Buffer
	require.NoError(t, Summary(&terminal, run, TextOptions{}))
	return []string{string(page), string(Markdown(run)), terminal.String()}
}

func TestNothingIsSaidOfStalenessThatWasNotMeasured(t *testing.T) {
	for _, form := range everyForm(t, bare(nil)) {
		assert.NotContains(t, form, "Staleness of the reads")
		assert.NotContains(t, form, "Staleness:")
		assert.NotContains(t, form, "## Staleness")
	}
	page := everyForm(t, bare(nil))[0]
	for _, list := range []string{"faults", "phases", "crashes", "witnesses"} {
		assert.Contains(t, page, `"`+list+`":[]`, "the page's program goes through it")
	}
}

func TestWhatCouldNotBeMeasuredIsSaid(t *testing.T) {
	leftOut := bare(&staleness.Report{LeftOut: []staleness.LeftOut{{Why: "deletes", Keys: 3}}})
	for _, form := range everyForm(t, leftOut) {
		assert.Contains(t, form, "Staleness was not measured.")
		assert.Contains(t, form, "3 keys left out: deletes.")
	}
	none := bare(&staleness.Report{Keys: 1, Reads: 5, Unexplained: 1, Stale: staleness.ShareOf(0, 4), Partial: true, NoPrediction: "no latencies are known",
		K:     staleness.KAtomicity{Least: staleness.None, Most: staleness.None},
		Delta: staleness.Duration{Nanoseconds: staleness.None}, Gamma: staleness.Duration{Nanoseconds: staleness.None}})
	for i, form := range everyForm(t, none) {
		assert.Contains(t, form, "none of 4 reads was certainly stale; no k, Δ or Γ")
		if i < 2 {
			assert.Contains(t, form, "The time was over before everything had been measured.")
			assert.Contains(t, form, "no latencies are known")
			assert.Contains(t, form, "1 read returned several values, or one that no write can have put there")
		}
	}
}

// TestReadDocumentWithoutStaleness: files of before have an empty object.
func TestReadDocumentWithoutStaleness(t *testing.T) {
	for _, text := range []string{`{}`, `null`} {
		path := filepath.Join(t.TempDir(), "results.json")
		require.NoError(t, os.WriteFile(path, []byte(`{"format":1,"verdict":"holds","staleness":`+text+`}`), 0o644))
		d, err := ReadDocument(path)
		require.NoError(t, err)
		assert.Nil(t, d.Staleness)
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0 %", .0000512: "0.00512 %", .0213: "2.13 %", .5: "50.0 %", .98966: "99.0 %", .99941: "99.941 %", .999999: "99.999 %", 1: "100 %"} {
		assert.Equal(t, want, percent(share))
	}
}
