package results

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/trace"
)

// outline is what a diagram shows, without the places: a line for each
// element, with its class, its texts and what it says when it is pointed at.
func outline(t *testing.T, picture string) string {
	t.Helper()
	type element struct {
		XMLName xml.Name
		Class   string    `xml:"class,attr"`
		Title   string    `xml:"title"`
		Texts   []string  `xml:"text"`
		Inner   []element `xml:",any"`
		Text    string    `xml:",chardata"`
	}
	var root struct {
		Title    string    `xml:"title"`
		Elements []element `xml:",any"`
	}
	require.NoError(t, xml.Unmarshal([]byte(picture), &root))
	var b strings.Builder
	fmt.Fprintln(&b, root.Title)
	for _, e := range root.Elements {
		switch {
		case e.XMLName.Local == "g":
			fmt.Fprintf(&b, "%s %q: %s\n", strings.Join(strings.Fields(e.Class), " "), e.Texts, e.Title)
		case e.XMLName.Local == "text":
			fmt.Fprintf(&b, "%s %q\n", e.Class, e.Text)
		case e.Class == "zigzag":
			fmt.Fprintln(&b, "break")
		}
	}
	return b.String()
}

func TestDiagramsGolden(t *testing.T) {
	for _, s := range []*story{inversion(), skewed()} {
		text := readReport(t, s.tell(t, t.TempDir()))
		golden(t, "diagram-"+s.name+".txt", []byte(outline(t, svg(t, text, 0))))
		assert.NotRegexp(t, `(?i)url\(`, text)
		assert.NotContains(t, text, "ZgotmplZ")
	}
}

// A value has one colour in the call, on the message and in the state.
func TestAValueHasOneColour(t *testing.T) {
	run := inversion().tell(t, t.TempDir())
	d := run.Scan.Scene(0, 0).diagram(run.Document.Faults, diagramArrows)
	colours := map[string]map[string]bool{}
	see := func(value, class string) {
		if colours[value] == nil {
			colours[value] = map[string]bool{}
		}
		colours[value][class] = true
	}
	values := regexp.MustCompile(`(?:has|value|write r0|read r0 →) (\d)`)
	for _, s := range d.States {
		see(values.FindStringSubmatch(s.Tooltip)[1], s.Class)
	}
	for _, b := range d.Bars {
		see(values.FindStringSubmatch(b.Tooltip)[1], strings.Fields(b.Class)[0])
	}
	for _, a := range d.Arrows {
		if carried := regexp.MustCompile(`, value (\d)`).FindStringSubmatch(a.Tooltip); carried != nil {
			see(carried[1], a.Value)
		} else {
			assert.Equal(t, "plain", a.Value, a.Tooltip)
		}
	}
	require.Len(t, colours, 2)
	assert.Len(t, colours["6"], 1)
	assert.Len(t, colours["7"], 1)
	assert.NotEqual(t, colours["6"], colours["7"])
}

func TestRunsWithoutATraceHaveNoDiagram(t *testing.T) {
	s := inversion()
	s.trace = nil
	for _, c := range s.calls {
		c.messages = nil
	}
	run := s.tell(t, t.TempDir())
	assert.Nil(t, run.Scan.Scene(0, 0).Traced)
	text := readReport(t, run)
	assert.NotContains(t, text, `class="timeline diagram"`)
	assert.NotContains(t, text, "Take note")
}

func TestReportSaysWhereATraceEnds(t *testing.T) {
	s := inversion()
	folder := s.folder(t, t.TempDir())
	whole, err := os.ReadFile(folder.Trace())
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(folder.Trace(), whole[:len(whole)-30], 0o644))
	run, err := Write(folder, s.report(), Options{})
	require.NoError(t, err)
	text := readReport(t, run)
	assert.Contains(t, text, fmt.Sprintf("The trace ends in the middle of line %d", bytes.Count(whole, []byte("\n"))))
	assert.Contains(t, text, `class="timeline diagram"`)

	half := len(whole) / 2
	garbage := append(append(bytes.Clone(whole[:half]), "nonsense\n"...), whole[half:]...)
	require.NoError(t, os.WriteFile(folder.Trace(), garbage, 0o644))
	run, err = Write(folder, s.report(), Options{})
	require.NoError(t, err, "a verdict must not be lost with a trace")
	text = readReport(t, run)
	assert.Contains(t, text, fmt.Sprintf("The diagrams of messages end early: trace %s: line ", folder.Trace()))
	assert.Contains(t, text, `class="timeline diagram"`)

	// What can't be read at all is an error, not a report that says less.
	require.NoError(t, os.Remove(folder.Trace()))
	require.NoError(t, os.Mkdir(folder.Trace(), 0o755))
	_, err = Write(folder, s.report(), Options{})
	assert.ErrorContains(t, err, folder.Trace())
}

func TestDiagramIsBounded(t *testing.T) {
	s := inversion()
	for i := range int64(600) {
		s.arrive(s.witness[0], "again", "n1", "n2", "", 1_204_100+i*10, 1_205_300+i*10)
	}
	for i := range int64(40) {
		s.state(fmt.Sprintf("n%d", i+1), "7", 1_204_000)
	}
	run := s.tell(t, t.TempDir())
	d := run.Scan.Scene(0, 0).diagram(run.Document.Faults, math.MaxInt)
	assert.Len(t, d.Arrows, diagramArrows)
	assert.Equal(t, "216 messages are left out of this diagram.", d.Left)
	assert.Len(t, d.Lanes, 3+diagramNodes)
	text := readReport(t, run)
	assert.Contains(t, text, d.Left)
	for _, a := range []string{"request from client1", "reply from n3", "write from n1 to n3"} {
		assert.Contains(t, text, a, "what tells most stays")
	}
	few := run.Scan.Scene(0, 0).diagram(run.Document.Faults, 5)
	assert.Len(t, few.Arrows, 5)
	assert.Nil(t, run.Scan.Scene(0, 0).diagram(run.Document.Faults, 0))
}

func TestDiagramsStopWhereThePageIsFull(t *testing.T) {
	s := inversion()
	for i := range int64(600) {
		s.arrive(s.witness[0], "again", "n1", "n2", "", 1_204_100+i*10, 1_205_300+i*10)
	}
	folder := s.folder(t, t.TempDir())
	report := s.report()
	for range 9 {
		report.Claims[0].Witnesses = append(report.Claims[0].Witnesses, report.Claims[0].Witnesses[0])
	}
	run, err := Write(folder, report, Options{})
	require.NoError(t, err)
	text := readReport(t, run)
	assert.Equal(t, 5, strings.Count(text, `class="timeline diagram"`))
	assert.Equal(t, 1, strings.Count(text, "What the simulation saw"), "one legend")
	assert.Contains(t, text, "the space-time diagrams of 5 witnesses")
	assert.LessOrEqual(t, len(text), ReportMost)
}

func TestDiagramEscapesWhatTheStoreSays(t *testing.T) {
	mark := "<script>alert('x')</script>\"\u202e\x00"
	s := inversion()
	s.state("n2", mark, 1_208_000)
	s.send(s.witness[1], mark, "n2", "n1", mark, 1_207_000, 1_208_000, trace.Lost)
	s.trace[len(s.trace)-1].Version = mark
	text := readReport(t, s.tell(t, t.TempDir()))
	assert.Equal(t, 3, strings.Count(text, "<script"), "the data, uPlot and the page's own script")
	picture := svg(t, text, 0)
	assert.NotContains(t, picture, "\u202e")
	assert.Contains(t, outline(t, picture), "<script>alert", "it is shown as text")
}

func TestReportOfASimulatedRunSaysSo(t *testing.T) {
	run := inversion().tell(t, t.TempDir())
	text := readReport(t, run)
	assert.Contains(t, text, "on <b>simulation</b>")
	assert.Contains(t, text, "main phase <b>5.0 s of virtual time</b>")
	assert.Contains(t, text, "bit for bit")
	assert.NotContains(t, text, "In real containers")
	replay := "refute run --plan " + run.Folder.Plan()
	assert.Contains(t, text, replay)
	assert.Empty(t, run.Document.Command, "no flags describe a plan that lists its operations")
	assert.NotContains(t, text, "refute run --on")

	assert.Contains(t, string(Markdown(run)), "4 operations in 5.0 s of virtual time, in simulation: 4 ok")
	var summary bytes.Buffer
	require.NoError(t, Summary(&summary, run, TextOptions{}))
	assert.Contains(t, summary.String(), "4 operations in simulation (5.0 s of virtual time): 4 ok")
	assert.Contains(t, summary.String(), "--plan "+run.Folder.Plan())
}

func TestCommandLineIsForPlansThatFlagsDescribe(t *testing.T) {
	p := syntheticPlan("")
	p.Backend = "sim"
	assert.Contains(t, CommandLine(p), "refute run --on sim --target leaderless")
	p.Surroundings = &plan.Surroundings{Latency: plan.Duration(1e6)}
	assert.Empty(t, CommandLine(p))
	p.Surroundings, p.Operations = nil, []plan.Operation{{F: "read"}}
	assert.Empty(t, CommandLine(p))
}

// drawScene makes any witness with any trace, however senseless.
func drawScene(t *rapid.T) (*Scene, []Fault) {
	scene := &Scene{Traced: &Traced{}}
	at := map[history.Process]int64{}
	value := func(name string) (string, bool) {
		n := rapid.IntRange(0, 12).Draw(t, name)
		return fmt.Sprint(n), n > 0
	}
	pause := rapid.SampledFrom([]int64{1e3, 1e6, 1e9, 1e11}).Draw(t, "pauses up to")
	for i := range rapid.IntRange(1, 8).Draw(t, "operations") {
		process := history.Process(rapid.IntRange(0, 3).Draw(t, "process"))
		if at[process] < 0 {
			continue // its last operation never ended
		}
		m := &Moment{Index: int64(i), Process: process, F: history.FWrite, Key: "k", Node: "n1", Type: history.Ok, Input: fmt.Sprint(i)}
		m.operation = &history.Operation{Input: history.IntValue(int64(i))}
		m.Start = at[process] + rapid.Int64Range(0, pause).Draw(t, "pause")
		m.Finish = m.Start + rapid.Int64Range(1, pause).Draw(t, "took")
		at[process] = m.Finish + 1
		switch rapid.IntRange(0, 9).Draw(t, "end") {
		case 0:
			m.Type = history.Info
		case 1:
			m.Type, m.Finish, at[process] = history.Info, -1, -1
		}
		scene.Witness = append(scene.Witness, m)
	}
	first, last := scene.interval()
	name := func(label string) string {
		if n := rapid.IntRange(0, 6).Draw(t, label); n > 0 {
			return fmt.Sprintf("n%d", n)
		}
		return trace.Client(0)
	}
	for range rapid.IntRange(0, 25).Draw(t, "messages") {
		e := trace.Event{
			Kind: trace.Message, Operation: rapid.Int64Range(-1, 9).Draw(t, "operation"), Node: name("from"), To: name("to"), Name: "write", Key: "k",
			Time: rapid.Int64Range(max(first-1e6, 0), last+1e6).Draw(t, "sent"),
			Fate: rapid.SampledFrom([]trace.Fate{trace.Delivered, trace.Cut, trace.Lost, trace.Dead, ""}).Draw(t, "fate"),
		}
		if e.Fate == trace.Delivered || e.Fate == trace.Dead || rapid.Bool().Draw(t, "would have arrived") {
			e.Arrived = e.Time + rapid.Int64Range(1, 3e6).Draw(t, "flight")
		}
		e.Value, e.Found = value("carried")
		if e.Node != e.To {
			scene.Traced.Messages = append(scene.Traced.Messages, e)
		}
	}
	now := max(first-1e6, 0)
	for range rapid.IntRange(0, 25).Draw(t, "states") {
		now += rapid.Int64Range(0, (last-first)/8+1).Draw(t, "later")
		e := trace.Event{Kind: trace.State, Time: now, Node: fmt.Sprintf("n%d", rapid.IntRange(1, 6).Draw(t, "node")), Key: "k"}
		e.Value, e.Found = value("held")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			e.Kind = trace.Down
		case 1:
			e.Kind = trace.Up
		}
		if e.Kind == trace.State {
			scene.Traced.States = append(scene.Traced.States, e)
		} else {
			scene.Traced.Processes = append(scene.Traced.Processes, e)
		}
	}
	var faults []Fault
	for i := range rapid.IntRange(0, 4).Draw(t, "faults") {
		f := Fault{ID: fmt.Sprintf("f%d", i), Fault: "partition isolated", Description: "{n1} | {n2 n3}", Targets: []string{"n1", "n2"}, Start: rapid.Int64Range(0, last).Draw(t, "start")}
		if rapid.Bool().Draw(t, "healed") {
			f.End = new(f.Start + rapid.Int64Range(0, last).Draw(t, "lasts"))
		}
		if rapid.Bool().Draw(t, "clock") {
			f.Fault, f.Offset = "clock bump", rapid.Int64Range(-1e9, 1e9).Draw(t, "offset")
		}
		faults = append(faults, f)
	}
	return scene, faults
}

func TestDiagramIsReadable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scene, faults := drawScene(t)
		d := scene.diagram(faults, diagramArrows)
		if d == nil {
			if len(scene.Traced.States) > 0 {
				t.Fatal("states, but no diagram")
			}
			return
		}
		var texts []box
		text := func(x, baseline, width float64, what string) {
			b := box{x, baseline - 7, x + width, baseline}
			if b.left < gutter || b.right > d.Width || b.bottom > d.Height {
				t.Fatalf("%q is at %v in a picture of %v × %v", what, b, d.Width, d.Height)
			}
			for _, o := range texts {
				if b.touches(o) {
					t.Fatalf("%q at %v is drawn over another text at %v", what, b, o)
				}
			}
			texts = append(texts, b)
		}
		for _, b := range d.Bars {
			if b.Width < textWidth(b.Label) {
				t.Fatalf("%q does not fit %v px", b.Label, b.Width)
			}
			text(b.TextX, b.TextY, textWidth(b.Label), b.Label)
		}
		for _, s := range d.States {
			if s.Width <= 0 || s.X < gutter || s.X+s.Width > d.Width+0.1 {
				t.Fatalf("state from %v, %v wide, in a picture of %v", s.X, s.Width, d.Width)
			}
			for _, l := range s.Labels {
				text(l.X, l.Y, textWidth(l.Text), l.Text)
			}
		}
		for _, b := range d.Bands {
			if b.Label != "" {
				text(b.TextX, b.TextY, smallWidth(b.Label), b.Label)
			}
		}
		lane := func(y float64) int {
			for i, l := range d.Lanes {
				if y >= l.Y && y <= l.Y+l.Height {
					return i
				}
			}
			return -1
		}
		for _, a := range d.Arrows {
			if a.X2 < a.X1 || a.X1 < gutter || a.X2 > d.Width {
				t.Fatalf("an arrow goes from %v to %v in a picture of %v: %s", a.X1, a.X2, d.Width, a.Tooltip)
			}
			fate := strings.Fields(a.Class)[0]
			if crossed := fate == "cut" || fate == "lost" || fate == "dead" && a.Head != ""; crossed != (a.Cross != "") {
				t.Fatalf("the cross of a message that is %s: %q", fate, a.Cross)
			}
			if a.Head != "" && fate != "delivered" && fate != "dead" {
				t.Fatalf("the head of a message that is %s", fate)
			}
			if a.Head != "" {
				var name, from, to string
				if _, err := fmt.Sscanf(strings.ReplaceAll(a.Tooltip, ",", " "), "%s from %s to %s", &name, &from, &to); err != nil {
					t.Fatal(err)
				}
				if i := lane(a.Y2); !strings.HasPrefix(to, "client") && d.Lanes[i].Name != to {
					t.Fatalf("ends on the lane of %s: %s", d.Lanes[i].Name, a.Tooltip)
				}
			}
			if fate == "cut" || fate == "lost" {
				for _, l := range d.Lanes {
					if math.Abs(a.Y2-l.Middle) <= nodeBar/2+crossSize {
						t.Fatalf("seems to reach %s: %s", l.Name, a.Tooltip)
					}
				}
			}
			if a.Label != "" {
				text(a.LabelX, a.LabelY, smallWidth(a.Label), a.Label)
			}
		}
		for i, tick := range append(d.Ticks, breakTicks(d)...) {
			for _, other := range append(d.Ticks, breakTicks(d)...)[i+1:] {
				if math.Abs(tick.X-other.X) < textWidth(tick.Text)/2+textWidth(other.Text)/2 {
					t.Fatalf("%q is drawn over %q", tick.Text, other.Text)
				}
			}
		}
	})
}

func breakTicks(d *diagram) []pictureTick {
	var out []pictureTick
	for _, b := range d.Breaks {
		out = append(out, pictureTick{b.X, b.Text})
	}
	return out
}

// What was held long before the scene must not take the room of what happened in it.
func TestTraceKeepsTheLastStateBeforeTheScene(t *testing.T) {
	s := inversion()
	for i := range int64(tracedStates) {
		s.state("n1", fmt.Sprint(i), 300_000+i)
	}
	scene := s.tell(t, t.TempDir()).Scan.Scene(0, 0)
	assert.Zero(t, scene.Traced.Omitted)
	held := map[string][]string{}
	for _, e := range scene.Traced.States {
		held[e.Node] = append(held[e.Node], e.Value)
	}
	assert.Equal(t, map[string][]string{"n1": {fmt.Sprint(tracedStates - 1), "7"}, "n2": {"6", "7"}, "n3": {"6"}}, held)
}

// Later is further right, and within a stretch without labels equally so.
func TestTimeScaleIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moments := rapid.SliceOfN(rapid.Int64Range(0, 1e9), 1, 30).Draw(t, "moments")
		flight := rapid.Int64Range(1, 1e7).Draw(t, "flight")
		s := newTimeScale(moments, flight, nil)
		a := rapid.Int64Range(0, 1e9).Draw(t, "a")
		b := rapid.Int64Range(a, 1e9).Draw(t, "b")
		if s.at(a) > s.at(b) {
			t.Fatalf("%d is at %v, %d at %v", a, s.at(a), b, s.at(b))
		}
		total := 0.0
		for _, part := range s.stretches() {
			if part.from == part.to {
				continue
			}
			perNano := part.wide / float64(part.to-part.from)
			if total == 0 {
				total = perNano
			}
			if math.Abs(perNano-total) > total*1e-6 {
				t.Fatalf("a stretch has %v px/ns, another %v", perNano, total)
			}
		}
	})
}

func TestValueOfAnOperationIsWhatANodeWouldHold(t *testing.T) {
	for _, c := range []struct {
		f             string
		kind          history.Type
		input, output history.Value
		want          string
	}{
		{history.FWrite, history.Ok, history.IntValue(7), history.IntValue(7), "7"},
		{history.FWrite, history.Info, history.IntValue(7), history.Value{}, "7"},
		{history.FRead, history.Ok, history.Value{}, history.IntValue(7), "7"},
		{history.FRead, history.Ok, history.Value{}, history.NilValue(), nothing},
		{history.FRead, history.Fail, history.Value{}, history.IntValue(7), ""},
		{history.FRead, history.Info, history.Value{}, history.Value{}, ""},
		{history.FCAS, history.Ok, history.ListValue([]int64{6, 7}), history.Value{}, "7"},
		{"delete", history.Ok, history.Value{}, history.Value{}, ""},
	} {
		m := &Moment{F: c.f, Type: c.kind, operation: &history.Operation{Input: c.input, Output: c.output}}
		value, known := m.value()
		assert.Equal(t, c.want, value, "%+v", c)
		assert.Equal(t, c.want != "", known)
	}
}

func TestNodesThatHoldNothingSaySo(t *testing.T) {
	s := inversion()
	s.arrive(s.witness[1], "read", "n2", "n4", "", 1_206_850, 1_207_900)
	d := s.tell(t, t.TempDir()).Scan.Scene(0, 0).diagram(nil, diagramArrows)
	last := d.States[len(d.States)-1]
	assert.Equal(t, "n4 holds no copy", last.Tooltip)
	assert.Equal(t, "no copy", last.Labels[0].Text)
}

// A write that comes twice before it is durable changed the state once; one
// from before a crash did not survive it.
func TestTheMessageThatChangedAStateIsDrawn(t *testing.T) {
	s := skewed()
	s.process(trace.Down, "n2", 1_500_000)
	s.process(trace.Up, "n2", 1_600_000)
	s.state("n2", "", 1_600_000)
	s.arrive(nil, "repair", "n1", "n2", "1", 1_700_000, 1_701_000)
	s.arrive(nil, "again", "n1", "n2", "1", 1_700_500, 1_701_500)
	s.state("n2", "1", 1_702_000)
	d := s.tell(t, t.TempDir()).Scan.Scene(0, 0).diagram(nil, diagramArrows)
	var context []string
	for _, a := range d.Arrows {
		if strings.HasSuffix(a.Class, "context") {
			context = append(context, strings.Fields(a.Tooltip)[0])
		}
	}
	assert.Equal(t, []string{"handoff", "repair"}, context)
}

func TestMillis(t *testing.T) {
	for _, c := range []struct {
		nanos, step int64
		want        string
	}{
		{1_203_412_345, 1e3, "1,203.412"}, {1_203_412_345, 1e6, "1,203"}, {1_203_500_000, 5e5, "1,203.5"},
		{5e6, 1e5, "5.0"}, {0, 1e9, "0"}, {999, 1e3, "0.000"},
	} {
		assert.Equal(t, c.want, millis(c.nanos, c.step))
	}
}

func TestNodesAreInTheOrderOfTheirNumbers(t *testing.T) {
	assert.Negative(t, compareNodes("n2", "n10"))
	assert.Positive(t, compareNodes("n10", "n9"))
	assert.Zero(t, compareNodes("n1", "n1"))
	assert.Negative(t, compareNodes("a9", "b1"))
}

// An element of a set has a key of its own: what nodes hold of the set's key says nothing.
func TestSceneOfASetShowsNoStates(t *testing.T) {
	run := inversion().tell(t, t.TempDir())
	scene := *run.Scan.Scene(0, 0)
	require.NotEmpty(t, scene.diagram(nil, diagramArrows).States)
	add := *scene.Witness[0]
	add.F = history.FAdd
	scene.Witness = append([]*Moment{&add}, scene.Witness[1:]...)
	d := scene.diagram(nil, diagramArrows)
	require.NotNil(t, d)
	assert.Empty(t, d.States)
	assert.NotEmpty(t, d.Arrows)
}

func TestSceneOfSeveralKeysShowsNoStates(t *testing.T) {
	run := inversion().tell(t, t.TempDir())
	scene := *run.Scan.Scene(0, 0)
	other := *scene.Witness[1]
	other.Key = "r1"
	scene.Witness = []*Moment{scene.Witness[0], &other}
	c := newTraceCollector(&scene)
	if _, err := trace.ReadFile(run.Folder.Trace(), c.event); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	c.finish()
	d := scene.diagram(nil, diagramArrows)
	require.NotNil(t, d)
	assert.Empty(t, d.States)
	assert.Len(t, d.Arrows, 11, "the messages of the two operations alone")
}
