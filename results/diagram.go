package results

import (
	"fmt"
	"math"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The measures of a diagram's lanes, in CSS pixels.
const (
	clientLane  = 46.0
	nodeLane    = 70.0
	nodeLow     = 56.0 // where there are many nodes
	nodesFew    = 5
	clientBar   = 22.0
	nodeBar     = 18.0
	smallLetter = 6.1  // of 10 px in a monospaced font
	smallHeight = 12.0 // of a line of it
	stateLeast  = 3.0  // a narrower state is merged with its neighbours
	hatchStep   = 7.0
	tagMost     = 50 // letters of a fault's name over a lane
)

// The bounds of one diagram.
const (
	// diagramArrows bounds the messages that are drawn.
	diagramArrows = 400
	// diagramNodes bounds the lanes of nodes.
	diagramNodes = 12
	// diagramEdges bounds the faults whose edges get room on the axis.
	diagramEdges = 6
	// diagramColours is the number of values with a colour of their own.
	diagramColours = 7
)

// diagram is the space-time diagram of a witness in a simulated run: a lane for
// each client and each node, time to the right, messages as arrows. It is meant
// to be followed with a finger: a value has one colour wherever it is, in a
// client's operation, on an arrow or in a node's state.
type diagram struct {
	Width, Height         float64
	LanesTop, LanesBottom float64
	AxisY                 float64
	Gutter                float64
	Title                 string
	Lanes                 []diagramLane
	Bands                 []diagramBand
	States                []diagramState
	Downs                 []diagramDown
	Bars                  []pictureBar
	Arrows                []diagramArrow
	Ticks                 []pictureTick
	Breaks                []diagramBreakView
	Legend                bool   // explain the marks: below the first diagram of a page
	Left                  string // what is left out; empty if nothing is
}

type diagramLane struct {
	Y, Height, Middle, TextY float64
	Name                     string
	Client, Stripe           bool
}

// diagramBand is a fault over the lane of one of its targets.
type diagramBand struct {
	X, Y, Width, Height   float64
	TextX, TextY          float64
	Class, Label, Tooltip string
}

// diagramState is a value that a node had for a while; a long one says so in each stretch.
type diagramState struct {
	X, Y, Width, Height float64
	Class, Tooltip      string
	Labels              []diagramText
}

type diagramText struct {
	X, Y float64
	Text string
}

// diagramDown is a time in which a node's process did not run.
type diagramDown struct {
	X, Y, Width, Height float64
	Hatch, Tooltip      string
	Node                string
}

type diagramBreakView struct {
	X            float64
	Area, Border string
	Text         string
}

// plot makes a diagram.
type plot struct {
	scene    *Scene
	out      *diagram
	scale    *timeScale
	faults   []Fault
	first    int64
	last     int64 // what is later runs out of the picture
	flight   int64 // the usual length of a message
	messages []shown
	colours  map[string]string // a value's class
	clients  []history.Process
	nodes    []string
	lanes    map[string]diagramLane // by a process' laneName or a node's name
	taken    []box
	segments []segment
}

// diagram draws what the trace tells of the scene, with at most arrows
// messages; nil where it tells nothing.
func (s *Scene) diagram(faults []Fault, arrows int) *diagram {
	if s.Traced == nil || len(s.Witness) == 0 || arrows <= 0 {
		return nil
	}
	p := &plot{scene: s, out: &diagram{}, colours: map[string]string{}, lanes: map[string]diagramLane{}}
	p.first, p.last = s.interval()
	p.faults = overlapping(faults, p.first, p.last)
	left := p.choose(min(arrows, diagramArrows))
	if len(p.messages) == 0 && len(s.Traced.States) == 0 {
		return nil
	}
	left += p.placeLanes()
	p.paint()
	p.scale = newTimeScale(p.moments(), p.flight, p.room())
	p.draw()
	if left > 0 {
		p.out.Left = plural(left, "message is", "messages are") + " left out of this diagram."
	}
	return p.out
}

// placeLanes decides which nodes take part and where the lanes are. It
// returns how many messages are left out with nodes that have no room.
func (p *plot) placeLanes() (left int) {
	add := func(node string) {
		if node != "" && !slices.Contains(p.nodes, node) && !slices.ContainsFunc(p.clients, func(c history.Process) bool { return laneName(c) == node }) {
			p.nodes = append(p.nodes, node)
		}
	}
	for _, m := range p.scene.Witness {
		add(m.Node)
	}
	for _, m := range p.messages {
		add(m.from)
		add(m.to)
	}
	for _, n := range p.stateNodes() {
		add(n)
	}
	p.nodes = p.nodes[:min(len(p.nodes), diagramNodes)]
	slices.SortFunc(p.nodes, compareNodes)

	p.out.LanesTop = axisHeight + 4
	p.out.AxisY = axisHeight - 8
	y := p.out.LanesTop
	lane := func(name, label string, height float64, client bool) {
		l := diagramLane{Y: y, Height: height, Middle: y + height/2, TextY: y + height/2 + 4, Name: label, Client: client, Stripe: client && len(p.out.Lanes)%2 == 0}
		p.out.Lanes = append(p.out.Lanes, l)
		p.lanes[name] = l
		y += height
	}
	for _, c := range p.clients {
		lane(laneName(c), laneName(c), clientLane, true)
	}
	y += 4
	height := nodeLane
	if len(p.nodes) > nodesFew {
		height = nodeLow
	}
	for _, n := range p.nodes {
		lane(n, clip(n, 12), height, false)
	}
	p.out.LanesBottom = y
	p.out.Height = y + 6
	p.messages = slices.DeleteFunc(p.messages, func(m shown) bool {
		_, from := p.lanes[m.from]
		_, to := p.lanes[m.to]
		if !from || !to {
			left++
		}
		return !from || !to
	})
	return left
}

// paint gives the values their colours: the witness' own first.
func (p *plot) paint() {
	p.colours[nothing] = "v0"
	next := 1
	give := func(value string) {
		if p.colours[value] != "" {
			return
		}
		if p.colours[value] = "vx"; next <= diagramColours {
			p.colours[value] = fmt.Sprintf("v%d", next)
			next++
		}
	}
	for _, m := range p.scene.Witness {
		if value, known := m.value(); known {
			give(value)
		}
	}
	for i := range p.scene.Traced.States {
		give(held(&p.scene.Traced.States[i]))
	}
	for _, m := range p.messages {
		if m.Found {
			give(held(m.Event))
		}
	}
}

// moments are the times that get room: what happens at others is drawn
// between them. In a witness that spans a busy minute these few are far
// apart, and the axis can leave out the rest.
func (p *plot) moments() []int64 {
	var out []int64
	end := p.last + 3*p.flight
	add := func(t int64) {
		if t >= p.first && t <= end {
			out = append(out, t)
		}
	}
	for _, m := range p.scene.Witness {
		add(m.Start)
		if m.Finish >= 0 {
			add(m.Finish)
		}
	}
	for _, m := range p.messages {
		add(m.Time)
		add(m.Arrived)
	}
	for _, node := range p.nodes {
		for _, c := range p.changes(node) {
			if p.important(c) {
				add(c.event.Time)
			}
		}
	}
	for _, e := range p.scene.Traced.Processes[:min(len(p.scene.Traced.Processes), 2*diagramEdges)] {
		if slices.Contains(p.nodes, e.Node) {
			add(e.Time)
		}
	}
	edges := 0
	for _, f := range p.faults {
		onLane := slices.ContainsFunc(f.over(), func(n string) bool { return slices.Contains(p.nodes, n) })
		if edges == diagramEdges || !onLane {
			continue
		}
		edges++
		add(f.Start)
		if f.End != nil && *f.End <= p.last {
			add(*f.End)
		}
	}
	return out
}

// room keeps the operations' labels within their bars.
func (p *plot) room() map[int64][]constraint {
	out := map[int64][]constraint{}
	for i, m := range p.scene.Witness {
		end, width := m.Finish, textWidth(m.diagramLabel(i+1))+12
		if end < 0 {
			end, width = math.MaxInt64, width+edge
		}
		out[end] = append(out[end], constraint{m.Start, width})
	}
	return out
}

// diagramLabel is the operation with its outcome: "1: write 7 → ok", "2: read → 7".
func (m *Moment) diagramLabel(number int) string {
	text := fmt.Sprintf("%d: %s", number, m.F)
	if m.Input != "" {
		text += " " + clip(m.Input, 14)
	}
	switch {
	case m.Type == history.Info:
		return text + " → ?"
	case m.Type == history.Fail:
		return text + " → ✗"
	case m.Output != "" && m.Output != m.Input:
		return text + " → " + clip(m.Output, 14)
	}
	return text + " → ok"
}

// draw fills the diagram: what takes room for its text comes first.
func (p *plot) draw() {
	p.out.Width, p.out.Gutter = p.scale.right, gutter
	ticks, breaks := p.scale.ticks()
	p.out.Ticks = ticks
	p.drawBreaks(breaks)
	p.drawBars()
	for _, node := range p.nodes {
		p.drawDowns(node)
		p.drawStates(node)
	}
	p.drawFaults()
	p.drawArrows()
	p.out.Title = fmt.Sprintf("Space-time diagram of %s: %s, %s and %s, from %s to %s. Each arrow tells its message when it is pointed at.",
		plural(len(p.scene.Witness), "witness operation", "witness operations"), plural(len(p.clients), "client process", "client processes"),
		count(len(p.nodes), "node"), count(len(p.out.Arrows), "message"), instant(p.first), instant(p.last))
}
