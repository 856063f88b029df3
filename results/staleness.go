package results

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/checker/staleness"
)

// stalenessView is the report's section on how stale the reads were.
type stalenessView struct {
	Lead     string
	Measures []measureView
	Notes    []string
	// Caption and Label of the chart; empty: no read came after a write.
	Caption, Label string
	Versions       []versionsView
	Buckets        []visibilityView
	Predicted      bool
}

// measureView is one measure: its name, what it came to, and what that means.
type measureView struct{ Name, Value, Shown, Meaning string }

// versionsView is a bar of the histogram; Width is in percent of the widest,
// on a scale of orders of magnitude, since most reads miss nothing.
type versionsView struct {
	Versions, Reads, Share string
	Width                  int
}

type visibilityView struct{ Time, Reads, Fresh, Interval, Predicted string }

// chartStaleness is the data of the chart of fresh reads: times in
// milliseconds, in order, shares from 0 to 1. A null is a gap.
type chartStaleness struct {
	X         []float64  `json:"x"`
	Fresh     []*float64 `json:"fresh"`
	Low       []*float64 `json:"low"`
	High      []*float64 `json:"high"`
	Predicted []*float64 `json:"predicted"`
	Least     float64    `json:"least"` // of the share's axis
}

// measured says whether there is anything to tell about staleness.
func (d *Document) measured() bool {
	s := d.Staleness
	return s != nil && (s.Keys > 0 || len(s.LeftOut) > 0)
}

// percent writes a share with three significant digits, and more near 1, where
// it is what is missing that counts.
func percent(share float64) string {
	if share > 0.99 && share < 1 {
		return strconv.FormatFloat(math.Floor(share*1e5)/1e3, 'f', -1, 64) + " %"
	}
	if share >= 0.1 && share < 1 {
		return strconv.FormatFloat(share*100, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(share*100, 'g', 3, 64) + " %"
}

func interval(s staleness.Share) string { return percent(s.Low) + " to " + percent(s.High) }

// period is a measure in time.
func period(nanoseconds int64) string {
	if nanoseconds == staleness.None {
		return "none"
	}
	if nanoseconds == 0 {
		return "0"
	}
	return span(nanoseconds)
}

// kText is k, or the bracket that it is in.
func kText(k staleness.KAtomicity) string {
	switch {
	case k.Least == staleness.None:
		return "none"
	case k.Exact():
		return thousands(k.Least)
	}
	return thousands(k.Least) + " to " + thousands(k.Most)
}

// shownBy names the key and the operations that show a measure.
func shownBy(key string, operations []int64) string {
	if key == "" {
		return ""
	}
	text := clip(key, 60)
	if len(operations) > 0 {
		numbers := make([]string, len(operations))
		for i, o := range operations {
			numbers[i] = strconv.FormatInt(o, 10)
		}
		text += ": operations " + strings.Join(numbers, ", ")
	}
	return text
}

// stalenessMeasures are the measures, each with a sentence on what it means.
func stalenessMeasures(s *staleness.Report) []measureView {
	list := []measureView{{
		"stale reads", fmt.Sprintf("%s of %s (%s)", thousands(s.Stale.Count), count(s.Stale.Of, "read"), percent(s.Stale.Share)),
		"95 % interval: " + interval(s.Stale),
		"A newer value had certainly been in the register before the read began.",
	}}
	if s.Age != nil {
		list = append(list, measureView{
			"age of a stale read", fmt.Sprintf("p50 %s · p95 %s · p99 %s · max %s", span(s.Age.P50), span(s.Age.P95), span(s.Age.P99), span(s.Age.Max)),
			shownBy(s.Oldest.Key, s.Oldest.Operations),
			"For at least so long the value had been overwritten when the read began.",
		}, measureView{
			"versions missed", thousands(s.MostVersions.Versions) + " by the worst read", shownBy(s.MostVersions.Key, s.MostVersions.Operations),
			"At least so many newer values it passed over.",
		})
	}
	list = append(list,
		measureView{"k (k-atomicity)", kText(s.K), shownBy(s.K.Key, s.K.Operations),
			"Each read returned one of the last k values. 1 is linearizable; none: a read returned what no write can have put there."},
		measureView{"Δ (Δ-atomicity)", period(s.Delta.Nanoseconds), shownBy(s.Delta.Key, s.Delta.Operations),
			"Had every read begun so much earlier, the history would be linearizable. None: a read came before its write."},
		measureView{"Γ", period(s.Gamma.Nanoseconds), shownBy(s.Gamma.Key, s.Gamma.Operations),
			"Had every operation lasted so much longer, half of it at either end, the history would be linearizable: clocks that disagree by so much could make a linearizable store look like this."},
	)
	if p := s.Prediction; p != nil {
		list = append(list, measureView{
			"predicted (PBS)", fmt.Sprintf("99.9 %% of reads fresh after %s", period(p.Within)),
			fmt.Sprintf("n=%d, r=%d, w=%d; from the latencies of %s and %s", p.N, p.R, p.W, count(p.Writes, "write"), count(p.Reads, "read")),
			"What the latencies between the nodes alone let one expect (Probabilistically Bounded Staleness), without faults, repair and concurrent writes.",
		})
	}
	return list
}

// stalenessNotes are what the measures leave out.
func stalenessNotes(s *staleness.Report) []string {
	var notes []string
	if s.Unexplained > 0 {
		notes = append(notes, capital(count(s.Unexplained, "read"))+" returned several values, or one that no write can have put there, and could not be measured.")
	}
	for _, l := range s.LeftOut {
		notes = append(notes, capital(count(l.Keys, "key"))+" left out: "+clip(l.Why, 200)+".")
	}
	if s.Partial {
		notes = append(notes, "The time was over before everything had been measured.")
	}
	if s.Prediction == nil && s.NoPrediction != "" {
		notes = append(notes, "No prediction (PBS): "+clip(s.NoPrediction, 300)+".")
	}
	return notes
}

// stalenessSentences are the measures in one or two lines.
func stalenessSentences(s *staleness.Report) []string {
	if s.Keys == 0 {
		return append([]string{"Staleness was not measured."}, stalenessNotes(s)...)
	}
	text := "Staleness: none of " + count(s.Stale.Of, "read") + " was certainly stale"
	if s.Stale.Count > 0 {
		text = fmt.Sprintf("Staleness: %s of %s (%s) were stale, half of them by %s or more, the worst by %s; at most %s missed",
			thousands(s.Stale.Count), count(s.Stale.Of, "read"), percent(s.Stale.Share), span(s.Age.P50), span(s.Age.Max), count(s.MostVersions.Versions, "version"))
	}
	if s.Stale.Count == 1 {
		text = fmt.Sprintf("Staleness: 1 of %s (%s) was stale, by %s or more; at least %s missed",
			count(s.Stale.Of, "read"), percent(s.Stale.Share), span(s.Age.Max), count(s.MostVersions.Versions, "version"))
	}
	measures := fmt.Sprintf("k = %s, Δ = %s, Γ = %s", kText(s.K), period(s.Delta.Nanoseconds), period(s.Gamma.Nanoseconds))
	if s.Unexplained > 0 && s.K.Least == staleness.None {
		measures = "no k, Δ or Γ, for " + count(s.Unexplained, "read") + " returned several values, or one that no write can have put there"
	}
	lines := []string{text + "; " + measures + "."}
	if fresh, reads, predicted := visible(s); s.Prediction != nil && reads > 0 {
		lines = append(lines, fmt.Sprintf("Of %s after an acknowledged write %s were fresh; the latencies of the replicas alone let one expect %s (PBS).",
			count(reads, "read"), percent(float64(fresh)/float64(reads)), percent(predicted)))
	}
	return lines
}

// visible sums the reads after a write up: how many were fresh, and which share was predicted.
func visible(s *staleness.Report) (fresh, reads int, predicted float64) {
	for _, b := range s.Visibility {
		fresh, reads = fresh+b.Fresh.Count, reads+b.Fresh.Of
		if b.Predicted != nil {
			predicted += *b.Predicted * float64(b.Fresh.Of)
		}
	}
	return fresh, reads, predicted / max(float64(reads), 1)
}

func bucketTime(b staleness.Bucket) string {
	if b.To == staleness.None {
		return span(b.From) + " or more"
	}
	return period(b.From) + " to " + span(b.To)
}

func (v *viewer) staleness() {
	d := v.run.Document
	if !d.measured() {
		return
	}
	s := d.Staleness
	out := &stalenessView{Lead: strings.Join(stalenessSentences(s), " "), Notes: stalenessNotes(s), Predicted: s.Prediction != nil}
	v.view.Staleness = out
	if s.Keys == 0 {
		return
	}
	out.Measures = stalenessMeasures(s)
	out.Versions = histogram(s)
	for _, b := range s.Visibility {
		row := visibilityView{bucketTime(b), thousands(b.Fresh.Of), percent(b.Fresh.Share), interval(b.Fresh), "–"}
		if b.Predicted != nil {
			row.Predicted = percent(*b.Predicted)
		}
		out.Buckets = append(out.Buckets, row)
	}
	if len(s.Visibility) == 0 {
		return
	}
	v.view.Data.Staleness = newChartStaleness(s)
	_, reads, _ := visible(s)
	out.Label = fmt.Sprintf("Share of fresh reads by the time since the last acknowledged write of the key, of %s. The numbers are in the table below.", count(reads, "read"))
	out.Caption = fmt.Sprintf("Of %s that began after an acknowledged write of their key; the bars are 95 %% intervals.", count(reads, "read"))
	if s.Prediction != nil {
		out.Caption += fmt.Sprintf(" Predicted: %s drawn from latencies that were measured between the nodes in this run (PBS). Where fewer reads are fresh than predicted, something else than latency is at work.", count(s.Prediction.Trials, "read"))
	}
}

// histogram are the bars of how many versions the reads missed.
func histogram(s *staleness.Report) []versionsView {
	most := 1
	for _, b := range s.Versions {
		most = max(most, b.Reads)
	}
	var bars []versionsView
	for _, b := range s.Versions {
		text := thousands(b.Least)
		if b.Most > b.Least {
			text += "–" + thousands(b.Most)
		}
		bars = append(bars, versionsView{text, thousands(b.Reads), percent(float64(b.Reads) / float64(max(s.Stale.Of, 1))),
			logarithmic(b.Reads, most)})
	}
	return bars
}

// newChartStaleness puts the buckets, each at its middle on a logarithmic
// scale, and the points of the prediction on one axis.
func newChartStaleness(s *staleness.Report) *chartStaleness {
	type point struct {
		at                          int64
		fresh, low, high, predicted *float64
	}
	var points []point
	least := 1.0
	for _, b := range s.Visibility {
		from, to := max(b.From, 5_000), b.To
		if to == staleness.None {
			to = 2 * from
		}
		share := b.Fresh
		points = append(points, point{at: int64(math.Sqrt(float64(from) * float64(to))), fresh: &share.Share, low: &share.Low, high: &share.High})
		least = min(least, share.Low)
	}
	if s.Prediction != nil {
		first, last := s.Visibility[0].From, s.Visibility[len(s.Visibility)-1].To
		for _, p := range s.Prediction.Curve {
			if p.Nanoseconds >= first && (p.Nanoseconds <= last || last == staleness.None) {
				points = append(points, point{at: p.Nanoseconds, predicted: &p.Fresh})
				least = min(least, p.Fresh)
			}
		}
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	c := &chartStaleness{Least: math.Max(0, math.Floor(least*20-0.5)/20)}
	if least > 0.98 {
		c.Least = math.Floor(least*200-0.5) / 200
	}
	for i, p := range points {
		x := inMillis(p.at)
		if i > 0 {
			x = max(x, math.Nextafter(c.X[i-1], math.Inf(1)))
		}
		c.X = append(c.X, x)
		c.Fresh, c.Low, c.High, c.Predicted = append(c.Fresh, p.fresh), append(c.Low, p.low), append(c.High, p.high), append(c.Predicted, p.predicted)
	}
	return c
}

// markdownStaleness writes the section of summary.md.
func markdownStaleness(b *bytes.Buffer, d *Document) {
	if !d.measured() {
		return
	}
	s := d.Staleness
	b.WriteString("\n## Staleness\n\n")
	for _, line := range stalenessSentences(s) {
		fmt.Fprintf(b, "%s\n", md(line))
	}
	if s.Keys > 0 {
		b.WriteString("\n| measure | this run | what it means |\n|---|---|---|\n")
		for _, m := range stalenessMeasures(s) {
			value := m.Value
			if m.Shown != "" {
				value += " (" + m.Shown + ")"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", md(m.Name), md(value), md(m.Meaning))
		}
	}
	if notes := stalenessNotes(s); len(notes) > 0 && s.Keys > 0 {
		b.WriteString("\n")
		for _, n := range notes {
			fmt.Fprintf(b, "- %s\n", md(n))
		}
	}
}
