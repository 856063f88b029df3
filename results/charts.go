package results

import (
	"fmt"
	"math"

	"github.com/refute-lab/refute/checker"
)

// chartData is what report.js draws: times in seconds since the run's start,
// latencies in milliseconds, rates in operations a second. A null is a gap.
type chartData struct {
	Edges        []float64            `json:"edges"`   // of the buckets, one more than there are
	Middles      []float64            `json:"middles"` // of the buckets, and both ends of the run
	Ok           []float64            `json:"ok"`
	Info         []float64            `json:"info"`
	Fail         []float64            `json:"fail"`
	P50          []*float64           `json:"p50"`
	P95          []*float64           `json:"p95"`
	P99          []*float64           `json:"p99"`
	LatencyRange [2]float64           `json:"latencyRange"`
	Sample       map[string]chartDots `json:"sample"`
	Faults       []chartFault         `json:"faults"`
	Phases       []chartPhase         `json:"phases"`
	Crashes      []chartCrash         `json:"crashes"`
	Witnesses    []chartMark          `json:"witnesses"`
	Staleness    *chartStaleness      `json:"staleness,omitempty"`
}

type chartDots struct {
	X []float64 `json:"x"`
	Y []float64 `json:"y"`
}

type chartFault struct {
	ID    string  `json:"id"`
	Short string  `json:"short"`
	Label string  `json:"label"`
	Kind  string  `json:"kind"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

type chartPhase struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"`
}

type chartCrash struct {
	Node string  `json:"node"`
	Time float64 `json:"time"`
}

type chartMark struct {
	Number int     `json:"number"`
	Time   float64 `json:"time"`
}

// inSeconds rounds to the millisecond: what a pixel can show.
func inSeconds(nanos int64) float64 { return math.Round(float64(nanos)/1e6) / 1e3 }

// inMillis rounds to three significant digits; at least a nanosecond, for a logarithmic axis.
func inMillis(nanos int64) float64 {
	ms := float64(max(nanos, 1)) / 1e6
	scale := math.Pow(10, 2-math.Floor(math.Log10(ms)))
	return math.Round(ms*scale) / scale
}

func (v *viewer) charts() {
	d := &chartData{LatencyRange: [2]float64{0.1, 1000}, Sample: map[string]chartDots{},
		// The page goes through these lists: an empty one must not become a null.
		Faults: []chartFault{}, Phases: []chartPhase{}, Crashes: []chartCrash{}, Witnesses: []chartMark{}}
	v.view.Data = d
	v.view.BucketWidth = "second"
	scan := v.run.Scan
	if scan == nil {
		scan = &Scan{Series: newSeries()}
	}
	series := scan.Series
	if series.Width > 1e9 {
		v.view.BucketWidth = fmt.Sprintf("%d seconds", series.Width/1e9)
	}
	// The quantiles get an empty place at both ends, so that all charts have the same time axis.
	d.gap(0)
	for i := range series.buckets {
		v.bucket(series, i)
	}
	end := inSeconds(int64(len(series.buckets)) * series.Width)
	d.gap(end)
	d.Edges = append(d.Edges, end)
	// A stepped line goes on to the last edge at the last bucket's height.
	d.Ok, d.Info, d.Fail = again(d.Ok), again(d.Info), again(d.Fail)
	v.dots(scan)
	v.marks(scan)
	total := scan.Sample.Total
	shown := func(o int) string {
		n := len(d.Sample[outcomeNames[o]].X)
		if n == total[o] {
			return fmt.Sprintf("all %s %s", thousands(n), outcomeNames[o])
		}
		return fmt.Sprintf("%s of %s %s", thousands(n), thousands(total[o]), outcomeNames[o])
	}
	v.view.HasTrouble = total[1]+total[2] > 0
	v.view.LatencyCaption = fmt.Sprintf("Points: %s, %s and %s operations, drawn at random. Quantiles: of all ok operations invoked in each %s, within 3 %%.",
		shown(0), shown(2), shown(1), v.view.BucketWidth)
	v.view.LatencyLabel = fmt.Sprintf("Latency over %.0f seconds on a logarithmic scale: points by outcome and the quantiles 50, 95 and 99 of ok operations, with the faults as bands. The numbers are in the table below.",
		float64(scan.Last)/1e9)
	v.view.RateLabel = fmt.Sprintf("Operations per second by outcome over %.0f seconds, with the faults as bands. The numbers are in the table below.", float64(scan.Last)/1e9)
}

// gap adds a moment without latencies.
func (d *chartData) gap(at float64) {
	d.Middles = append(d.Middles, at)
	d.P50, d.P95, d.P99 = append(d.P50, nil), append(d.P95, nil), append(d.P99, nil)
}

// again repeats the last element.
func again(list []float64) []float64 {
	if len(list) == 0 {
		return []float64{0}
	}
	return append(list, list[len(list)-1])
}

func (v *viewer) bucket(series *Series, i int) {
	d, b := v.view.Data, &series.buckets[i]
	from := int64(i) * series.Width
	d.Edges = append(d.Edges, inSeconds(from))
	d.Middles = append(d.Middles, inSeconds(from+series.Width/2))
	rate := func(o int) float64 {
		return math.Round(float64(b.outcomes[o])/(float64(series.Width)/1e9)*100) / 100
	}
	d.Ok, d.Fail, d.Info = append(d.Ok, rate(0)), append(d.Fail, rate(1)), append(d.Info, rate(2))
	row := bucketView{
		From: fmt.Sprintf("%d s", from/1e9),
		Ok:   thousands(b.outcomes[0]), Fail: thousands(b.outcomes[1]), Info: thousands(b.outcomes[2]),
		P50: "–", P95: "–", P99: "–", Max: "–",
	}
	quantile := func(q float64, text *string) *float64 {
		if b.latencies.count == 0 {
			return nil
		}
		nanos := b.latencies.quantile(q)
		*text = span(nanos)
		ms := inMillis(nanos)
		return &ms
	}
	d.P50 = append(d.P50, quantile(0.5, &row.P50))
	d.P95 = append(d.P95, quantile(0.95, &row.P95))
	d.P99 = append(d.P99, quantile(0.99, &row.P99))
	quantile(1, &row.Max)
	v.view.Buckets = append(v.view.Buckets, row)
}

func (v *viewer) dots(scan *Scan) {
	d := v.view.Data
	low, high := math.Inf(1), 0.0
	for o, name := range outcomeNames {
		points := scan.Sample.points[o]
		if n := v.level.sample; n > 0 && len(points) > n {
			points = thin(points, n)
		}
		dots := chartDots{X: make([]float64, 0, len(points)), Y: make([]float64, 0, len(points))}
		for _, p := range points {
			y := inMillis(p.latency)
			low, high = min(low, y), max(high, y)
			dots.X, dots.Y = append(dots.X, inSeconds(p.start)), append(dots.Y, y)
		}
		d.Sample[name] = dots
	}
	for i := range d.P99 {
		if d.P99[i] != nil {
			low, high = min(low, *d.P50[i]), max(high, *d.P99[i])
		}
	}
	if high > 0 {
		d.LatencyRange = [2]float64{low * 0.7, high * 1.4}
	}
}

// thin takes n of the points, evenly: the first ones would be the earliest.
func thin(points []dot, n int) []dot {
	out := make([]dot, 0, n)
	for i := range n {
		out = append(out, points[i*len(points)/n])
	}
	return out
}

func (v *viewer) marks(scan *Scan) {
	d := v.view.Data
	for i, f := range v.run.Document.Faults {
		if i == v.level.faults {
			break
		}
		end := max(scan.Last, f.Start)
		if f.End != nil {
			end = *f.End
		}
		kind := clip(f.Fault, 60)
		d.Faults = append(d.Faults, chartFault{
			ID: clip(f.ID, 40), Short: f.short(), Label: clip(f.ID+" "+kind+" "+f.Description, 80), Kind: f.class(),
			Start: inSeconds(f.Start), End: inSeconds(end),
		})
	}
	for i, p := range scan.Phases {
		if i < 20 {
			d.Phases = append(d.Phases, chartPhase{p.Name, inSeconds(p.Start)})
		}
	}
	for _, c := range scan.Crashes {
		d.Crashes = append(d.Crashes, chartCrash{c.Node, inSeconds(c.Time)})
	}
	number := 0
	for c, claim := range v.run.Document.Claims {
		if c == v.level.lists {
			break
		}
		for i := range claim.Witnesses {
			if i == v.level.witnesses {
				break
			}
			number++
			if scene := scan.Scene(c, i); claim.Verdict == checker.Refuted && scene != nil && len(scene.Witness) > 0 {
				d.Witnesses = append(d.Witnesses, chartMark{number, inSeconds(scene.Witness[0].Start)})
			}
		}
	}
}
