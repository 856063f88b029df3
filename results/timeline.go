package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/refute-lab/refute/harness/history"
)

// The measures of a picture, in CSS pixels.
const (
	gutter     = 96.0 // left of the lanes: their names
	laneHeight = 28.0
	barHeight  = 20.0
	stripStep  = 19.0 // from one row of faults to the next
	axisHeight = 24.0
	edge       = 14.0 // room before the first and after the last moment
	letter     = 6.7  // a letter of 11 px in a monospaced font
	gapMost    = 50.0
	breakLeast = 46.0 // of a gap that says how long it was
)

// picture is the drawing of a witness and the operations around it. Its time
// axis is monotone but not to scale: an operation of three milliseconds and a
// pause of twenty seconds must both be readable, so that a span's width grows
// with the logarithm of its length, and every bar is as wide as its label.
type picture struct {
	Width, Height float64
	LanesTop      float64
	LanesBottom   float64
	AxisY         float64
	Lanes         []pictureLane
	Bars          []pictureBar
	Strips        []pictureStrip
	Ticks         []pictureTick
	Breaks        []pictureTick
	Crashes       []pictureTick
	Title         string
	MoreFaults    int  // that are left out
	Legend        bool // explain the marks: below the first picture of a page
}

type pictureLane struct {
	Y, TextY float64
	Name     string
	Witness  bool
	Stripe   bool
}

type pictureBar struct {
	X, Y, Width, Height float64
	TextX, TextY        float64
	// Tail is where an operation of unknown outcome may still take effect: from X2 on.
	Tail           bool
	TailX, TailEnd float64
	MiddleY        float64
	Class          string // "ok", "info" or "fail"
	Witness        bool
	Label          string
	Tooltip        string
}

type pictureStrip struct {
	X, Y, Width, TextX, TextY float64
	BandHeight                float64
	Class, Label, Tooltip     string
}

type pictureTick struct {
	X    float64
	Text string
}

// pictureWidth is what fits on a page without scrolling sideways. Operations
// around the witness are left out until it does, but for the pictureLeast nearest.
const (
	pictureWidth = 1040.0
	pictureLeast = 2
)

// pictureFaults bounds the faults of one picture; each may need a row.
const pictureFaults = 16

// draw lays the scene out, with the faults and crashes of its time; around
// says whether operations beside the witness' own are drawn too.
func (s *Scene) draw(faults []Fault, crashes []Crash, around bool) *picture {
	if len(s.Witness) == 0 {
		return nil
	}
	if !around {
		return s.drawWith(nil, faults, crashes)
	}
	for n := len(s.Around); ; n = n * 4 / 5 {
		p := s.drawWith(nearest(s.Around, s.Witness, n), faults, crashes)
		if p.Width <= pictureWidth || n <= pictureLeast {
			return p
		}
	}
}

func (s *Scene) drawWith(around []*Moment, faults []Fault, crashes []Crash) *picture {
	moments := append(slices.Clone(s.Witness), around...)
	l := &layout{atLeast: map[int64][]constraint{}}
	first, last := int64(math.MaxInt64), int64(0)
	for _, m := range moments {
		first, last = min(first, m.Start), max(last, m.Start, m.Finish)
	}
	tail := last + 1 // the right edge, behind everything
	labels := make(map[*Moment]string, len(moments))
	for i, m := range moments {
		label := m.label()
		if i < len(s.Witness) {
			label = fmt.Sprintf("%d: %s", i+1, label)
			if m.Node != "" {
				label += " @" + clip(m.Node, 12)
			}
		}
		labels[m] = label
		width := textWidth(label) + 12
		l.moment(m.Start)
		end := m.Finish
		if end < 0 {
			end = tail
		}
		l.moment(end)
		l.apart(m.Start, end, width)
	}
	inForce := overlapping(faults, first, last)
	more := max(len(inForce)-pictureFaults, 0)
	inForce = inForce[:len(inForce)-more]
	for _, f := range inForce {
		l.fault(f, first, last)
	}
	crashes = slices.DeleteFunc(slices.Clone(crashes), func(c Crash) bool { return c.Time < first || c.Time > last })
	for _, c := range crashes {
		l.moment(c.Time)
	}
	l.moment(tail)
	typical := l.solve()

	p := &picture{Width: l.right}
	rows := p.strips(l, inForce, first, last)
	p.AxisY = float64(rows)*stripStep + axisHeight - 8
	p.LanesTop = float64(rows)*stripStep + axisHeight
	p.lanes(l, s.Witness, moments, labels)
	for i := range p.Strips {
		p.Strips[i].BandHeight = p.LanesBottom - p.Strips[i].Y
	}
	p.Height = p.LanesBottom + 8
	p.axis(l, s.Witness, typical)
	for _, c := range crashes {
		p.Crashes = append(p.Crashes, pictureTick{X: l.at(c.Time), Text: fmt.Sprintf("%s: the process of %s ended by itself: %s", instant(c.Time), c.Node, c.Error)})
	}
	p.MoreFaults = more
	p.Title = fmt.Sprintf("Timeline of %s and %s around them, from %s to %s; the same operations are in the table below.",
		plural(len(s.Witness), "witness operation", "witness operations"), count(len(moments)-len(s.Witness), "other"), instant(first), instant(last))
	return p
}

func overlapping(faults []Fault, first, last int64) []Fault {
	var out []Fault
	for _, f := range faults {
		if f.Start <= last && (f.End == nil || *f.End >= first) {
			out = append(out, f)
		}
	}
	return out
}

// within returns the fault's interval, cut to the picture's.
func (f Fault) within(first, last int64) (start, end int64) {
	end = last + 1
	if f.End != nil && *f.End <= last {
		end = *f.End
	}
	return max(f.Start, first), end
}

func (l *layout) fault(f Fault, first, last int64) {
	start, end := f.within(first, last)
	l.moment(start)
	l.moment(end)
	l.apart(start, end, textWidth(f.shorter())+10)
}

func textWidth(s string) float64 { return float64(utf8.RuneCountInString(s)) * letter }

// short names a fault in a picture where there is room; shorter is always there.
func (f Fault) short() string { return clip(strings.TrimSpace(f.ID+" "+f.Fault), 34) }

func (f Fault) shorter() string {
	kind, _, _ := strings.Cut(f.Fault, " ")
	return clip(strings.TrimSpace(f.ID+" "+kind), 20)
}

// class is the fault's colour; the label says the same in words.
func (f Fault) class() string {
	kind, _, _ := strings.Cut(f.Fault, " ")
	switch kind {
	case "partition", "pause", "kill", "clock":
		return kind
	case "power", "disk-loss":
		return "kill" // for a node it is the same
	}
	return "other"
}

// strips draws the faults above the lanes, those that overlap one below the
// other, and returns the number of rows.
func (p *picture) strips(l *layout, faults []Fault, first, last int64) int {
	var ends []float64
	for _, f := range faults {
		start, end := f.within(first, last)
		s := pictureStrip{X: l.at(start), Class: f.class(), Label: f.short()}
		if f.Start < first {
			s.X = gutter
		}
		s.Width = l.at(end) - s.X
		if textWidth(s.Label)+8 > s.Width {
			s.Label = f.shorter()
		}
		row := slices.IndexFunc(ends, func(x float64) bool { return x+2 <= s.X })
		if row < 0 {
			row = len(ends)
			ends = append(ends, 0)
		}
		ends[row] = s.X + s.Width
		s.Y = float64(row) * stripStep
		s.TextX, s.TextY = s.X+5, s.Y+12.5
		s.Tooltip = f.describe() + ", " + instant(f.Start) + " to " + f.ended() + ", " + f.proof()
		p.Strips = append(p.Strips, s)
	}
	return len(ends)
}

// lanes draws the processes: those of the witness first.
func (p *picture) lanes(l *layout, witness, moments []*Moment, labels map[*Moment]string) {
	var order []history.Process
	for _, m := range witness {
		if !slices.Contains(order, m.Process) {
			order = append(order, m.Process)
		}
	}
	own := len(order)
	for _, m := range moments {
		if !slices.Contains(order, m.Process) {
			order = append(order, m.Process)
		}
	}
	slices.SortFunc(order[own:], func(a, b history.Process) int { return cmp.Compare(a, b) })
	y := p.LanesTop
	tops := map[history.Process]float64{}
	for i, process := range order {
		if i == own && own > 0 {
			y += 6
		}
		tops[process] = y
		p.Lanes = append(p.Lanes, pictureLane{
			Y: y, TextY: y + 18, Name: fmt.Sprintf("process %d", process), Witness: i < own, Stripe: i%2 == 0,
		})
		y += laneHeight
	}
	p.LanesBottom = y
	isWitness := map[*Moment]bool{}
	for _, m := range witness {
		isWitness[m] = true
	}
	for _, m := range moments {
		p.Bars = append(p.Bars, p.bar(l, m, tops[m.Process], labels[m], isWitness[m]))
	}
	// The witness is drawn last, above the tails of others.
	slices.SortStableFunc(p.Bars, func(a, b pictureBar) int {
		switch {
		case a.Witness == b.Witness:
			return 0
		case b.Witness:
			return -1
		}
		return 1
	})
}

func (p *picture) bar(l *layout, m *Moment, top float64, label string, witness bool) pictureBar {
	b := pictureBar{
		X: l.at(m.Start), Y: top + (laneHeight-barHeight)/2, Height: barHeight,
		TextY: top + 18, MiddleY: top + laneHeight/2,
		Class: m.Type.String(), Witness: witness, Label: label,
	}
	end := l.right - edge
	if m.Finish >= 0 {
		end = l.at(m.Finish)
	}
	b.Width = max(end-b.X-1, 2)
	b.TextX = b.X + 5
	if m.Type == history.Info {
		b.Tail, b.TailX = true, b.X+b.Width
		b.TailEnd = max(l.right, b.TailX)
	}
	b.Tooltip = fmt.Sprintf("operation %d, process %d on %s: %s, %s; %s to %s",
		m.Index, m.Process, m.Node, m.sentence(), m.outcomeText(), instant(m.Start), m.ending())
	if m.Finish >= 0 {
		b.Tooltip += " (" + span(m.Finish-m.Start) + ")"
	}
	return b
}

// axis writes times where there is room, the witness' own first, and marks
// where much time was left out.
func (p *picture) axis(l *layout, witness []*Moment, typical int64) {
	const room = 66.0
	var taken []float64
	free := func(x float64, room float64) bool {
		return !slices.ContainsFunc(taken, func(y float64) bool { return math.Abs(x-y) < room })
	}
	try := func(t int64) {
		if x := l.at(t); free(x, room) && x < l.right-room/2 {
			taken = append(taken, x)
			p.Ticks = append(p.Ticks, pictureTick{X: x, Text: instant(t)})
		}
	}
	for _, m := range witness {
		try(m.Start)
	}
	for i := 1; i < len(l.times)-1; i++ {
		if gap := l.times[i] - l.times[i-1]; isBreak(gap, typical) {
			b := pictureTick{X: (l.x[i] + l.x[i-1]) / 2}
			if free(b.X, 46) {
				taken = append(taken, b.X)
				b.Text = "+" + span(gap)
			}
			p.Breaks = append(p.Breaks, b)
		}
	}
	for _, t := range l.times[:max(len(l.times)-1, 0)] {
		try(t)
	}
}
