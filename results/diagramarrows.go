package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/trace"
)

// The measures of arrows, in CSS pixels and shares of their length.
const (
	headLength = 8.0
	headWidth  = 3.2
	crossSize  = 4.0
	labelGap   = 5.0 // between an arrow and its label
)

// diagramArrow is a message.
type diagramArrow struct {
	Class          string // its fate, and "context" if it is of none of the witness' operations
	Value          string // the class of the value that it carries; "plain" if there is none
	X1, Y1, X2, Y2 float64
	Head, Cross    string // paths; empty if it has none
	Label          string
	LabelX, LabelY float64
	Tooltip        string
}

// box is a place that is taken by a text or a bar.
type box struct{ left, top, right, bottom float64 }

func (b box) touches(o box) bool {
	return b.left < o.right && o.left < b.right && b.top < o.bottom && o.top < b.bottom
}

func (p *plot) free(b box) bool { return !slices.ContainsFunc(p.taken, b.touches) }

// segment is the line of an arrow.
type segment struct{ x1, y1, x2, y2 float64 }

// crosses says whether the line passes through the box.
func (s segment) crosses(b box) bool {
	from, to := 0.0, 1.0 // the part of the line that is within the box
	clip := func(start, delta, low, high float64) bool {
		if delta == 0 {
			return start >= low && start <= high
		}
		a, b := (low-start)/delta, (high-start)/delta
		from, to = max(from, min(a, b)), min(to, max(a, b))
		return from <= to
	}
	return clip(s.x1, s.x2-s.x1, b.left, b.right) && clip(s.y1, s.y2-s.y1, b.top, b.bottom)
}

func smallWidth(s string) float64 { return textWidth(s) / letter * smallLetter }

// drawArrows draws the messages, then the labels of those that tell most, where there is room.
func (p *plot) drawArrows() {
	for _, m := range p.messages {
		a := p.arrow(m)
		p.out.Arrows = append(p.out.Arrows, a)
		p.segments = append(p.segments, segment{a.X1, a.Y1, a.X2, a.Y2})
	}
	order := make([]int, len(p.messages))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.messages[a].urgency(), p.messages[b].urgency()) })
	for _, i := range order {
		p.label(i)
	}
}

// urgency is low for messages whose label tells most.
func (m shown) urgency() int {
	switch {
	case m.Fate != trace.Delivered:
		return 0
	case m.Found || m.own == nil:
		return 1
	}
	return 2
}

// arrow places a message between its lanes.
func (p *plot) arrow(m shown) diagramArrow {
	from, to := p.lanes[m.from], p.lanes[m.to]
	half := func(l diagramLane) float64 {
		if l.Client {
			return clientBar / 2
		}
		return nodeBar / 2
	}
	direction := 1.0
	if to.Middle < from.Middle {
		direction = -1
	}
	a := diagramArrow{
		Class: string(m.Fate), Value: "plain", Tooltip: p.messageTooltip(m),
		X1: p.scale.at(m.Time), Y1: from.Middle + direction*half(from), Y2: to.Middle - direction*half(to),
	}
	if m.Fate == "" {
		a.Class = "open"
	}
	if m.own == nil {
		a.Class += " context"
	}
	if m.Found {
		a.Value = p.colours[held(m.Event)]
	}
	a.X2 = min(a.X1+flightWidth, p.scale.right)
	if m.Arrived > 0 {
		a.X2 = p.scale.at(m.Arrived)
	}
	// towards shortens the arrow to a part of its way.
	towards := func(share float64) {
		a.X2, a.Y2 = a.X1+(a.X2-a.X1)*share, a.Y1+(a.Y2-a.Y1)*share
	}
	arrives := m.Fate == trace.Delivered || m.Fate == trace.Dead
	if m.Time < p.first {
		// It comes in from the left.
		a.X1, a.Y1 = gutter, a.Y1+(a.Y2-a.Y1)*0.3
	}
	switch {
	case m.Fate == trace.Cut || m.Fate == trace.Lost:
		towards(p.lostAt(a.Y1, a.Y2))
	case !arrives, a.X2 >= p.scale.right:
		// It runs out of the picture.
		arrives = false
		a.X2, a.Y2 = min(a.X2, p.scale.right), a.Y1+(a.Y2-a.Y1)*0.6
	}
	a.X1, a.Y1, a.X2, a.Y2 = tenth(a.X1), tenth(a.Y1), tenth(a.X2), tenth(a.Y2)
	if arrives {
		a.Head = head(a)
	}
	if m.Fate == trace.Cut || m.Fate == trace.Lost || m.Fate == trace.Dead && arrives {
		a.Cross = fmt.Sprintf("M%[1]s %[3]sL%[2]s %[4]sM%[1]s %[4]sL%[2]s %[3]s",
			coordinate(a.X2-crossSize), coordinate(a.X2+crossSize), coordinate(a.Y2-crossSize), coordinate(a.Y2+crossSize))
	}
	return a
}

// lostAt is the share of its way after which a message gets lost: about half
// of it, but between two lanes, so that it does not seem to reach a third node.
func (p *plot) lostAt(from, to float64) float64 {
	const room = nodeBar/2 + crossSize + 2
	for _, share := range []float64{0.55, 0.45, 0.65, 0.35, 0.75, 0.25, 0.85} {
		y := from + (to-from)*share
		if !slices.ContainsFunc(p.out.Lanes, func(l diagramLane) bool { return math.Abs(y-l.Middle) < room }) {
			return share
		}
	}
	return 0.5
}

// head is the triangle at the end of an arrow.
func head(a diagramArrow) string {
	dx, dy := a.X2-a.X1, a.Y2-a.Y1
	length := math.Hypot(dx, dy)
	if length == 0 {
		return ""
	}
	dx, dy = dx/length, dy/length
	x, y := a.X2-dx*headLength, a.Y2-dy*headLength
	point := func(x, y float64) string { return coordinate(x) + " " + coordinate(y) }
	return "M" + point(a.X2, a.Y2) + "L" + point(x-dy*headWidth, y+dx*headWidth) + "L" + point(x+dy*headWidth, y-dx*headWidth) + "Z"
}

// messageTooltip tells everything about a message.
func (p *plot) messageTooltip(m shown) string {
	text := fmt.Sprintf("%s from %s to %s", clip(m.Name, 40), clip(m.Node, 40), clip(m.To, 40))
	if m.Found {
		text += fmt.Sprintf(", value %s", held(m.Event))
	}
	if m.Version != "" {
		text += ", version " + clip(m.Version, 80)
	}
	switch {
	case m.own != nil:
		text += fmt.Sprintf(", for %d: %s", m.number, m.own.sentence())
	case m.Operation >= 0:
		text += fmt.Sprintf(", for operation %d", m.Operation)
	default:
		text += ", for no client"
	}
	return text + "; sent at " + exactly(m.Time) + ", " + p.fate(m)
}

// fate says what became of a message, and why.
func (p *plot) fate(m shown) string {
	arrived := "at " + exactly(m.Arrived) + " (after " + span(m.Arrived-m.Time) + ")"
	switch m.Fate {
	case trace.Delivered:
		return "arrived " + arrived
	case trace.Dead:
		return "arrived " + arrived + ", when " + clip(m.To, 40) + " was down"
	case trace.Cut:
		for _, f := range p.faults {
			during := f.Start <= max(m.Time, m.Arrived) && (f.End == nil || *f.End >= m.Time)
			if during && slices.ContainsFunc(f.Cuts, func(c history.Cut) bool { return c.From == m.Node && c.To == m.To }) {
				return "cut off by " + f.describe()
			}
		}
		return "cut off by a partition"
	case trace.Lost:
		return "lost by the network"
	}
	return "still under way when the run ended"
}

// label names a message beside its arrow, where that touches no other text
// and as few other arrows as can be; nowhere if it is all too crowded.
func (p *plot) label(i int) {
	const crossings = 2 // past so many other arrows a label says little
	a, m := &p.out.Arrows[i], p.messages[i]
	text := clip(m.Name, 14)
	if m.Found {
		text += " " + clip(held(m.Event), 10)
	}
	width := smallWidth(text) + 2
	best, least := box{}, crossings+1
	for _, share := range []float64{0.5, 0.66, 0.36, 0.8, 0.24} {
		x, y := a.X1+(a.X2-a.X1)*share, a.Y1+(a.Y2-a.Y1)*share
		const half = smallHeight / 2
		for _, b := range []box{ // right, left, above, below
			{x + labelGap, y - half, x + labelGap + width, y + half},
			{x - labelGap - width, y - half, x - labelGap, y + half},
			{x - width/2, y - labelGap - smallHeight, x + width/2, y - labelGap},
			{x - width/2, y + labelGap, x + width/2, y + labelGap + smallHeight},
		} {
			if b.left < gutter || b.right > p.scale.right || !p.free(b) {
				continue
			}
			n := 0
			for j, s := range p.segments {
				if j != i && s.crosses(b) {
					n++
				}
			}
			if p.segments[i].crosses(b) {
				n += 2 // it would be struck out
			}
			if n < least {
				best, least = b, n
			}
		}
	}
	if least > crossings {
		return
	}
	p.taken = append(p.taken, best)
	a.Label, a.LabelX, a.LabelY = text, tenth(best.left), tenth(best.bottom-3)
}
