package results

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// The measures of a diagram's time axis, in CSS pixels.
const (
	diagramWidth    = 1040.0 // what fits on a page without scrolling sideways
	diagramMost     = 4000.0 // past which it is better to draw short messages steeply
	flightWidth     = 60.0   // of a message of the usual length, where there is room
	flightLeast     = 26.0   // and where there is not
	diagramBreak    = 62.0   // of time that is left out: its length is written there
	breakFlights    = 6      // time without events that is longer than so many messages is left out
	tickRoom        = 76.0
	diagramEndRoom  = 30.0
	zigzag          = 5.0
	zigzagThickness = 6.0
)

// timeScale turns the times of a diagram into places. It is piecewise linear:
// within a stretch in which things happen all milliseconds are equally long,
// but for those under a label that needs more room; between stretches the axis is broken.
type timeScale struct {
	times  []int64
	x      []float64
	broken []bool // the time between times[i] and times[i+1] is left out
	right  float64
}

// newTimeScale places the moments. flight is the usual length of a message;
// the constraints, by their later time, keep room for labels; math.MaxInt64
// is the right edge.
func newTimeScale(moments []int64, flight int64, atLeast map[int64][]constraint) *timeScale {
	s := &timeScale{times: slices.Clone(moments)}
	slices.Sort(s.times)
	s.times = slices.Compact(s.times)
	for i := 1; i < len(s.times); i++ {
		s.broken = append(s.broken, s.times[i]-s.times[i-1] > breakFlights*flight)
	}
	for width := flightWidth; ; width *= 0.9 {
		s.place(width/float64(flight), atLeast)
		readable := width*0.9 >= flightLeast
		if s.right <= diagramWidth || !readable && s.right <= diagramMost || width < 1 {
			return s
		}
	}
}

// place puts the moments at a number of pixels for each nanosecond.
func (s *timeScale) place(perNano float64, atLeast map[int64][]constraint) {
	widths := make([]float64, len(s.broken))
	for i := range widths {
		widths[i] = diagramBreak
		if !s.broken[i] {
			widths[i] = float64(s.times[i+1]-s.times[i]) * perNano
		}
	}
	for to, t := range s.times {
		for _, c := range atLeast[t] {
			if from, found := slices.BinarySearch(s.times, c.from); found && from < to {
				s.widen(widths, from, to, c.width)
			}
		}
	}
	s.x = append(s.x[:0], gutter+edge)
	for i, w := range widths {
		s.x = append(s.x, s.x[i]+w)
	}
	s.right = s.x[len(s.x)-1] + diagramEndRoom
	for _, c := range atLeast[math.MaxInt64] {
		if from, found := slices.BinarySearch(s.times, c.from); found {
			s.right = max(s.right, s.x[from]+c.width)
		}
	}
	s.right = math.Ceil(s.right)
}

// widen makes the moments from and to at least width pixels distant, by
// stretching the time between them that is not left out.
func (s *timeScale) widen(widths []float64, from, to int, width float64) {
	all, linear := 0.0, 0.0
	for i := from; i < to; i++ {
		all += widths[i]
		if !s.broken[i] {
			linear += widths[i]
		}
	}
	switch {
	case all >= width:
	case linear == 0:
		widths[to-1] += width - all
	default:
		factor := (width - all + linear) / linear
		for i := from; i < to; i++ {
			if !s.broken[i] {
				widths[i] *= factor
			}
		}
	}
}

// at is the place of any time: between the gutter and the right edge.
func (s *timeScale) at(t int64) float64 {
	i, found := slices.BinarySearch(s.times, t)
	switch {
	case found:
		return tenth(s.x[i])
	case i == 0:
		return gutter
	case i == len(s.times):
		return s.right
	}
	share := float64(t-s.times[i-1]) / float64(s.times[i]-s.times[i-1])
	return tenth(s.x[i-1] + share*(s.x[i]-s.x[i-1]))
}

// stretch is a part of the axis without a break.
type stretch struct {
	from, to   int64
	left, wide float64
}

// stretches are the parts between the breaks. The first begins at the gutter,
// the last ends at the right edge.
func (s *timeScale) stretches() []stretch {
	var out []stretch
	begin := 0
	for i := range s.times {
		if i < len(s.broken) && !s.broken[i] {
			continue
		}
		part := stretch{from: s.times[begin], to: s.times[i], left: s.x[begin], wide: s.x[i] - s.x[begin]}
		out = append(out, part)
		begin = i + 1
	}
	return out
}

// ticks writes times where there is room, round ones where a stretch is long
// enough for one, and says at each break how much time it leaves out.
func (s *timeScale) ticks() (ticks, breaks []pictureTick) {
	var taken []float64
	free := func(x, room float64) bool {
		return x < s.right-room/3 && !slices.ContainsFunc(taken, func(y float64) bool { return math.Abs(x-y) < room })
	}
	for i, broken := range s.broken {
		if broken {
			x := tenth((s.x[i] + s.x[i+1]) / 2)
			taken = append(taken, x)
			breaks = append(breaks, pictureTick{X: x, Text: "+" + span(s.times[i+1]-s.times[i])})
		}
	}
	for _, part := range s.stretches() {
		step := roundStep(part)
		drawn := 0
		if step > 0 {
			for t := (part.from + step - 1) / step * step; t <= part.to && drawn < 100; t += step {
				if x := s.at(t); free(x, tickRoom) {
					taken = append(taken, x)
					ticks = append(ticks, pictureTick{X: x, Text: millis(t, step)})
					drawn++
				}
			}
		}
		if x := s.at(part.from); drawn == 0 && free(x, tickRoom-8) {
			taken = append(taken, x)
			ticks = append(ticks, pictureTick{X: x, Text: millis(part.from, 1e3)})
		}
	}
	return ticks, breaks
}

// roundStep is the shortest of 1, 2 or 5 times a power of ten nanoseconds for
// which the labels of a stretch don't touch; 0 where there is no room for two.
func roundStep(part stretch) int64 {
	if part.wide < tickRoom {
		return 0
	}
	least := float64(part.to-part.from) / part.wide * tickRoom
	for power := int64(1e3); power < 1e18; power *= 10 {
		for _, step := range []int64{power, 2 * power, 5 * power} {
			if float64(step) >= least {
				return step
			}
		}
	}
	return 0
}

// millis writes a time in milliseconds, as exactly as the step between times asks for.
func millis(nanos, step int64) string {
	decimals := 0
	for unit := int64(1e6); unit > step && decimals < 3; unit /= 10 {
		decimals++
	}
	whole := thousands(int(nanos / 1e6))
	if decimals == 0 {
		return whole
	}
	fraction := fmt.Sprintf("%06d", nanos%1e6)
	return whole + "." + fraction[:decimals]
}

// tenth rounds a place to what can be seen, so that the page stays small.
func tenth(x float64) float64 { return math.Round(x*10) / 10 }

// coordinate writes a place in a path.
func coordinate(x float64) string { return strconv.FormatFloat(tenth(x), 'f', -1, 64) }
