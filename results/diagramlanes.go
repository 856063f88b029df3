package results

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/trace"
)

// drawBreaks cuts the lanes where the axis leaves time out.
func (p *plot) drawBreaks(breaks []pictureTick) {
	for _, b := range breaks {
		var left, right []string
		side := -1.0
		for y := p.out.LanesTop - 4; y <= p.out.LanesBottom+2; y += 7 {
			left = append(left, coordinate(b.X-zigzagThickness/2+side*zigzag/2)+" "+coordinate(y))
			right = append(right, coordinate(b.X+zigzagThickness/2+side*zigzag/2)+" "+coordinate(y))
			side = -side
		}
		p.taken = append(p.taken, box{b.X - zigzagThickness/2 - zigzag, p.out.LanesTop, b.X + zigzagThickness/2 + zigzag, p.out.LanesBottom})
		border := "M" + strings.Join(left, "L") + "M" + strings.Join(right, "L")
		slices.Reverse(right)
		p.out.Breaks = append(p.out.Breaks, diagramBreakView{
			X: b.X, Text: b.Text, Border: border, Area: "M" + strings.Join(left, "L") + "L" + strings.Join(right, "L") + "Z",
		})
	}
}

// drawBars draws the operations of the witness on their processes' lanes.
func (p *plot) drawBars() {
	for i, m := range p.scene.Witness {
		lane := p.lanes[laneName(m.Process)]
		b := pictureBar{
			X: p.scale.at(m.Start), Y: lane.Middle - clientBar/2, Height: clientBar,
			TextY: lane.TextY, MiddleY: lane.Middle, Witness: true, Label: m.diagramLabel(i + 1), Class: "plain",
		}
		end := p.scale.right - edge
		if m.Finish >= 0 {
			end = p.scale.at(m.Finish)
		}
		b.Width = tenth(max(end-b.X, 2))
		b.TextX = tenth(b.X + 6)
		if value, known := m.value(); known {
			b.Class = p.colours[value]
		}
		b.Class += " " + m.Type.String()
		if m.Type == history.Info {
			b.Tail, b.TailX, b.TailEnd = true, tenth(b.X+b.Width), p.scale.right
		}
		b.Tooltip = fmt.Sprintf("operation %d, process %d on %s: %s, %s; %s to %s",
			m.Index, m.Process, m.Node, m.sentence(), m.outcomeText(), exactly(m.Start), m.exactEnding())
		p.out.Bars = append(p.out.Bars, b)
		p.taken = append(p.taken, box{b.X, b.Y, b.X + b.Width, b.Y + b.Height})
	}
}

// exactly writes a time of the run as the diagram's axis does: "1,203.412 ms".
func exactly(nanos int64) string { return millis(nanos, 1e3) + " ms" }

func (m *Moment) exactEnding() string {
	if m.Finish < 0 {
		return "never"
	}
	return exactly(m.Finish)
}

// piece is a part of a node's lane in which its state is drawn in one way.
type piece struct {
	from, to float64
	change   change
	merged   int // changes that follow each other too closely to be seen
}

// drawStates draws what a node would have answered, from the left edge to the right.
func (p *plot) drawStates(node string) {
	lane := p.lanes[node]
	p.taken = append(p.taken, box{gutter, lane.Middle - nodeBar/2, p.scale.right, lane.Middle + nodeBar/2})
	if p.scene.key() == "" || p.scene.ofSet() {
		return // of several keys: their states don't fit one lane
	}
	for _, part := range p.pieces(node) {
		c := part.change
		value := held(c.event)
		s := diagramState{
			X: part.from, Y: lane.Middle - nodeBar/2, Width: tenth(part.to - part.from), Height: nodeBar, Class: p.colours[value],
			Tooltip: fmt.Sprintf("%s has %s", node, value),
		}
		if c.event.Version != "" {
			s.Tooltip += ", version " + clip(c.event.Version, 80)
		}
		s.Tooltip += ", " + p.since(c)
		text := clip(value, 14)
		if c.event.Time < 0 && c.until == math.MaxInt64 {
			// It is no replica of the key, or one that nothing has reached.
			text, s.Tooltip = "no copy", node+" holds no copy"
		}
		if part.merged > 1 {
			s.Class, s.Tooltip = "many", fmt.Sprintf("%s: %d changes, the last to %s at %s", node, part.merged, value, exactly(c.event.Time))
		} else {
			s.Labels = p.stateLabels(node, part, text, lane.TextY)
		}
		p.out.States = append(p.out.States, s)
	}
}

// pieces are the node's states as they can be drawn.
func (p *plot) pieces(node string) []piece {
	changes := p.changes(node)
	if len(changes) == 0 || changes[0].event.Time > p.first {
		begin := change{event: &trace.Event{Node: node, Time: -1}, until: math.MaxInt64, from: nothing}
		if len(changes) > 0 {
			begin.until = changes[0].event.Time
		}
		changes = slices.Insert(changes, 0, begin)
	}
	var out []piece
	for _, c := range changes {
		next := piece{from: gutter, to: p.scale.at(c.until), change: c, merged: 1}
		if c.event.Time >= p.first {
			next.from = p.scale.at(c.event.Time)
		}
		if n := len(out); n > 0 && out[n-1].to-out[n-1].from < stateLeast && next.to-next.from < stateLeast {
			next.from, next.merged = out[n-1].from, out[n-1].merged+1
			out = out[:n-1]
		}
		if next.to > next.from {
			out = append(out, next)
		}
	}
	return out
}

// since says how long the state lasted.
func (p *plot) since(c change) string {
	from, to := "from before", "to after the picture's end"
	if c.event.Time >= p.first {
		from = "from " + exactly(c.event.Time)
	}
	if c.until != math.MaxInt64 {
		to = "to " + exactly(c.until)
	}
	return from + " " + to
}

// stateLabels names the value in each stretch in which there is room.
func (p *plot) stateLabels(node string, part piece, text string, y float64) []diagramText {
	const besideBreak = 10.0
	stretches := p.scale.stretches()
	var out []diagramText
	for i, s := range stretches {
		left, right := gutter, p.scale.right
		if i > 0 {
			before := stretches[i-1]
			left = (before.left+before.wide+s.left)/2 + besideBreak
		}
		if i+1 < len(stretches) {
			right = (s.left+s.wide+stretches[i+1].left)/2 - besideBreak
		}
		left, right = max(left, part.from), min(right, part.to)
		if right-left < textWidth(text)+8 {
			continue
		}
		down := slices.ContainsFunc(p.out.Downs, func(d diagramDown) bool {
			return d.Node == node && d.X < left+textWidth(text)+8 && left < d.X+d.Width
		})
		if !down {
			out = append(out, diagramText{tenth(left + 5), y, text})
		}
	}
	return out
}

// drawDowns hatches the times in which the node's process did not run.
func (p *plot) drawDowns(node string) {
	lane := p.lanes[node]
	down := int64(math.MinInt64)
	draw := func(until int64) {
		d := diagramDown{Node: node, X: gutter, Y: lane.Middle - nodeBar/2, Height: nodeBar, Tooltip: node + " is down"}
		if down >= p.first {
			d.X = p.scale.at(down)
			d.Tooltip += " from " + exactly(down)
		}
		end := p.scale.right
		if until != math.MaxInt64 {
			end = p.scale.at(until)
			d.Tooltip += " to " + exactly(until)
		}
		if d.Width = tenth(end - d.X); d.Width <= 0 {
			return
		}
		d.Hatch = hatch(d.X, d.Y, d.Width, d.Height)
		p.out.Downs = append(p.out.Downs, d)
	}
	isDown := false
	for _, e := range p.scene.Traced.Processes {
		if e.Node != node {
			continue
		}
		if isDown && e.Kind == trace.Up && e.Time >= p.first {
			draw(e.Time)
		}
		if e.Kind == trace.Down && !isDown {
			down = e.Time
		}
		isDown = e.Kind == trace.Down
	}
	if isDown {
		draw(math.MaxInt64)
	}
}

// hatch is a path of slanted lines that fill a rectangle.
func hatch(x, y, width, height float64) string {
	var b strings.Builder
	for at := x - height + hatchStep/2; at < x+width; at += hatchStep {
		left, right := max(at, x), min(at+height, x+width)
		b.WriteString("M" + coordinate(left) + " " + coordinate(y+height-(left-at)) + "L" + coordinate(right) + " " + coordinate(y+height-(right-at)))
	}
	return b.String()
}

// drawFaults lays a band over the lanes of each fault's targets.
func (p *plot) drawFaults() {
	for _, f := range p.faults {
		named := false
		for _, target := range f.over() {
			lane, drawn := p.lanes[target]
			if !drawn {
				continue
			}
			start, end := gutter, p.scale.right
			if f.Start >= p.first {
				start = p.scale.at(f.Start)
			}
			if f.End != nil && *f.End <= p.last {
				end = p.scale.at(*f.End)
			}
			b := diagramBand{X: start, Y: lane.Y + 1, Width: tenth(end - start), Height: lane.Height - 2, Class: f.class(),
				Tooltip: f.describe() + ", " + instant(f.Start) + " to " + f.ended() + ", " + f.proof()}
			named = p.tag(&b, f, named) || named
			p.out.Bands = append(p.out.Bands, b)
		}
	}
}

// tag names the fault in a band, where there is room: fully on one lane,
// shortly on the others. It says whether it found room.
func (p *plot) tag(b *diagramBand, f Fault, named bool) bool {
	skew := ""
	if f.Offset != 0 {
		skew = f.skew()
	}
	names := []string{f.shorter() + skew, f.shorter(), f.ID}
	if full := f.ID + " " + f.Fault; !named {
		names = slices.Insert(names, 0, full+skew)
		if skew == "" && f.Description != "" {
			names = slices.Insert(names, 0, full+" "+f.Description)
		}
	}
	// At the band's beginning or, where a break is in the way, after it.
	places := []float64{b.X}
	for _, cut := range p.out.Breaks {
		if cut.X >= b.X {
			places = append(places, cut.X+zigzagThickness/2+zigzag)
		}
	}
	for _, name := range names {
		name = clip(strings.TrimSpace(name), tagMost)
		for _, x := range places {
			for _, baseline := range []float64{b.Y + 11, b.Y + b.Height - 4} {
				room := box{x, baseline - smallHeight + 3, x + 8 + smallWidth(name), baseline + 2}
				if room.right <= b.X+b.Width && p.free(room) {
					p.taken = append(p.taken, room)
					b.Label, b.TextX, b.TextY = name, tenth(x+4), baseline
					return true
				}
			}
		}
	}
	return false
}

// over are the nodes that the fault is drawn over: its targets or, where it
// names none, the ends of its cut links.
func (f Fault) over() []string {
	if len(f.Targets) > 0 {
		return f.Targets
	}
	var out []string
	for _, c := range f.Cuts {
		out = append(out, c.From, c.To)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// skew is the offset of a clock fault, with its sign.
func (f Fault) skew() string {
	if f.Offset < 0 {
		return " −" + span(-f.Offset)
	}
	return " +" + span(f.Offset)
}
