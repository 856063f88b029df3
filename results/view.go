package results

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
)

// view is what the template of report.html shows: texts and places, nothing
// left to compute. Everything in it that came from outside is a plain string,
// which html/template escapes; the trusted types hold embedded assets only.
type view struct {
	Name, Timestamp          string
	Verdict                  checker.Verdict
	Word, VerdictMeaning     string
	ValidityMeaning          string
	Facts                    []fact
	Validity, Warnings, Cuts []string
	Claims                   []claimView

	LatencyLabel, LatencyCaption, RateLabel, BucketWidth string
	HasTrouble                                           bool
	Buckets                                              []bucketView

	Staleness *stalenessView
	Sets      *setsView
	Replicas  *replicasView
	Siblings  *siblingsView

	SiblingsLegend string

	FaultSummary string
	Faults       []faultView
	Crashes      []pictureTick
	Traffic      []fact
	ByF          []trafficView

	Command, Replay, Recheck, Plan     string
	PlanSHA256, HistorySHA256, Version string
	HasPictures, Simulated             bool

	Data          *chartData
	CSS, UPlotCSS template.CSS
	JS, UPlotJS   template.JS
}

type fact struct{ Name, Value string }

type claimView struct {
	Anchor, Name, Word, Found, Checker, Took string
	Verdict                                  checker.Verdict
	Expected, Vacuous                        bool
	Meaning, Explanation, Classes, More      string
	Witnesses                                []witnessView
}

type witnessView struct {
	Number             int
	Title, Explanation string
	// Full is the explanation with what each replica answered, where Explanation is without.
	Full          string
	Cause, Remedy string
	Faults        []chip
	Picture       *picture
	Diagram       *diagram
	Operations    []operationView
	Indexes       string
	Porcupine     string
}

type chip struct{ Class, Text string }

type operationView struct {
	Number                              int
	Index                               int64
	Process                             history.Process
	What, Node, Class, Error            string
	Start, End, Took                    string
	Elements                            string
	Coordinator, Needed, Version, Hints string
	Phases                              string
	Replicas                            []replicaView
}

type replicaView struct {
	Counted bool
	Text    string
}

type faultView struct {
	ID, What, Description, Start, End, Evidence string
	Verified                                    bool
}

type trafficView struct{ F, Invoked, Ok, Share string }

type bucketView struct{ From, Ok, Info, Fail, P50, P95, P99, Max string }

// viewer makes a view.
type viewer struct {
	run       *Run
	level     detail
	visualize Visualize
	view      *view
	number    int  // of the last witness
	pictures  int  // bytes of Porcupine's pictures so far
	dropped   int  // pictures left out
	explained bool // a timeline has had its legend
	arrows    int  // in the diagrams so far
	undrawn   int  // diagrams left out
	followed  bool // a diagram has had its legend
}

func newView(run *Run, visualize Visualize, level detail) *view {
	d := run.Document
	v := &viewer{run: run, level: level, visualize: visualize, view: &view{
		Name: clip(run.name(), 100), Verdict: d.Verdict, Word: verdictWord(d.Verdict), VerdictMeaning: verdictMeaning(d), ValidityMeaning: validityMeaning(d),
		Command: clip(d.Command, 4000), PlanSHA256: clip(d.PlanSHA256, 64), HistorySHA256: clip(d.HistorySHA256, 64), Version: clip(d.Version, 100),
		SiblingsLegend: siblingsLegend,
		CSS:            template.CSS(asset("report.css")), UPlotCSS: template.CSS(asset("uplot/uPlot.min.css")),
		JS:      template.JS(asset("report.js")),
		UPlotJS: template.JS("/*!\nuPlot\n" + asset("uplot/LICENSE") + "*/\n" + asset("uplot/uPlot.iife.min.js")),
	}}
	v.view.Simulated = run.simulated()
	if run.Folder != nil {
		v.view.Timestamp = clip(run.Folder.Timestamp, 60)
		v.view.Replay, v.view.Recheck = clip(replayCommand(run.Folder), 4000), clip(checkCommand(run.Folder, d), 8000)
	}
	v.view.Validity = v.lines(d.Validity, "reasons why the run is invalid")
	warnings := d.Warnings
	if run.Scan != nil && run.Scan.Warning != "" {
		warnings = append(slices.Clone(warnings), run.Scan.Warning)
	}
	if run.Scan != nil && run.Scan.TraceWarning != "" {
		warnings = append(slices.Clone(warnings), run.Scan.TraceWarning)
	}
	v.view.Warnings = v.lines(warnings, "warnings")
	v.facts()
	for i, c := range d.Claims {
		if i == level.lists {
			v.cut("%s", plural(len(d.Claims)-i, "claim", "claims"))
			break
		}
		v.view.Claims = append(v.view.Claims, v.claim(i, c))
	}
	v.faults()
	v.traffic()
	v.plan()
	v.charts()
	v.staleness()
	v.sets()
	v.replicas()
	v.siblings()
	v.leftOut()
	return v.view
}

func (v *viewer) cut(format string, arguments ...any) {
	v.view.Cuts = append(v.view.Cuts, fmt.Sprintf(format, arguments...))
}

func (v *viewer) lines(list []string, what string) []string {
	var out []string
	for i, s := range list {
		if i == v.level.lists {
			v.cut("%s %s", thousands(len(list)-i), what)
			break
		}
		out = append(out, clip(s, v.level.text))
	}
	return out
}

// leftOut says what the page does not show.
func (v *viewer) leftOut() {
	if v.dropped > 0 {
		v.cut("Porcupine's pictures of %s", plural(v.dropped, "witness", "witnesses"))
	}
	if v.undrawn > 0 {
		v.cut("the space-time diagrams of %s", plural(v.undrawn, "witness", "witnesses"))
	}
	if s := v.run.Scan; s != nil {
		if s.Undrawn > 0 {
			v.cut("the operations of %s (only their indexes are here)", plural(s.Undrawn, "witness", "witnesses"))
		}
		if s.Truncated > 0 {
			v.cut("%s around or in witnesses", count(s.Truncated, "operation"))
		}
		if len(s.Crashes) == crashesMost {
			v.cut("crashes of nodes after the first %d", crashesMost)
		}
	}
	if !v.level.around {
		v.cut("the operations around the witnesses")
	}
}

func (v *viewer) facts() {
	add := func(name, value string) {
		if value != "" {
			v.view.Facts = append(v.view.Facts, fact{name, clip(value, 200)})
		}
	}
	if p := v.run.Plan; p != nil {
		add("target", p.Target.Name)
		add("nodes", fmt.Sprint(p.Target.Nodes))
		add("workload", p.Workload.Name)
		add("clients", fmt.Sprint(p.Workload.Concurrency))
		nemesis := strings.Join(p.Nemesis, ", ")
		if nemesis == "" {
			nemesis = "none"
		}
		add("nemesis", nemesis)
		on := p.Backend
		if v.run.simulated() {
			on = "simulation"
		}
		add("on", on)
		add("seed", fmt.Sprint(p.Seed))
	}
	add("operations", thousands(v.run.Document.Stats.Operations))
	if v.run.Document.Stats.Seconds > 0 {
		add("main phase", v.run.took())
	}
}

func (v *viewer) faults() {
	all := v.run.Document.Faults
	verified := 0
	for i, f := range all {
		if f.Verified {
			verified++
		}
		if i >= v.level.faults {
			continue
		}
		v.view.Faults = append(v.view.Faults, faultView{
			ID: clip(f.ID, 40), What: clip(f.Fault, 80), Description: clip(f.Description, 300),
			Start: instant(f.Start), End: f.ended(), Evidence: clip(f.Evidence, 600), Verified: f.Verified,
		})
	}
	if n := len(all) - len(v.view.Faults); n > 0 {
		v.cut("%s of the table", plural(n, "fault", "faults"))
	}
	v.view.FaultSummary = fmt.Sprintf("%s, of which %d verified: a fault is verified when both its effect and its end were observed, not merely asked for.",
		capital(count(len(all), "fault")), verified)
	if v.run.Scan == nil {
		return
	}
	for i, c := range v.run.Scan.Crashes {
		if i == v.level.lists {
			break
		}
		v.view.Crashes = append(v.view.Crashes, pictureTick{Text: instant(c.Time) + ": " + c.Node + ": " + c.Error})
	}
}

func (v *viewer) traffic() {
	s := v.run.Document.Stats
	add := func(name, value string) { v.view.Traffic = append(v.view.Traffic, fact{name, value}) }
	add("operations", thousands(s.Operations))
	if s.Seconds > 0 {
		operations := s.Operations
		if s.Main > 0 {
			operations = s.Main
		}
		add("a second, main phase", thousands(int(float64(operations)/s.Seconds+0.5)))
	}
	add("ok", thousands(s.Ok))
	add("info (unknown)", thousands(s.Info))
	add("fail", thousands(s.Fail))
	add("keys", thousands(s.Keys))
	names := slices.Collect(maps.Keys(s.LatencyMillis))
	order := []string{"p50", "p95", "p99", "max"}
	for _, name := range order {
		if slices.Contains(names, name) {
			add("latency "+name, span(int64(s.LatencyMillis[name]*1e6)))
		}
	}
	fs := slices.Sorted(maps.Keys(s.ByF))
	for i, f := range fs {
		if i == v.level.lists {
			v.cut("%s of the traffic's table", plural(len(fs)-i, "row", "rows"))
			break
		}
		share := "–"
		if s.ByF[f] > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(s.OkByF[f])/float64(s.ByF[f]))
		}
		v.view.ByF = append(v.view.ByF, trafficView{clip(f, 60), thousands(s.ByF[f]), thousands(s.OkByF[f]), share})
	}
}

func (v *viewer) plan() {
	if v.run.Plan == nil || v.level.plan == 0 {
		return
	}
	text, err := json.MarshalIndent(v.run.Plan, "", "  ")
	if err != nil {
		return // a plan that was read from JSON can be written as JSON
	}
	if len(text) > v.level.plan {
		v.cut("the end of the plan: see %s", PlanFile)
		text = append(text[:v.level.plan:v.level.plan], "\n…"...)
	}
	v.view.Plan = strings.ToValidUTF8(string(text), "")
}
