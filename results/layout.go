package results

import (
	"math"
	"slices"
)

// layout turns times into places.
type layout struct {
	times   []int64
	x       []float64
	atLeast map[int64][]constraint // by the later time
	right   float64
}

// constraint: the later time is at least width to the right of from.
type constraint struct {
	from  int64
	width float64
}

func (l *layout) moment(t int64) { l.times = append(l.times, t) }

func (l *layout) apart(from, to int64, width float64) {
	l.atLeast[to] = append(l.atLeast[to], constraint{from, width})
}

// solve places every time as far left as its distance and the constraints allow.
func (l *layout) solve() (typical int64) {
	slices.Sort(l.times)
	l.times = slices.Compact(l.times)
	var gaps []int64
	for i := 1; i < len(l.times); i++ {
		gaps = append(gaps, l.times[i]-l.times[i-1])
	}
	slices.Sort(gaps)
	typical = 1
	if len(gaps) > 0 {
		typical = max(gaps[len(gaps)/2], 1)
	}
	l.x = make([]float64, len(l.times))
	for i, t := range l.times {
		x := gutter + edge
		if i > 0 {
			gap := t - l.times[i-1]
			x = l.x[i-1] + min(4+9*math.Log2(1+float64(gap)/float64(typical)), gapMost)
			if isBreak(gap, typical) {
				x = max(x, l.x[i-1]+breakLeast)
			}
		}
		for _, c := range l.atLeast[t] {
			if c.from < t {
				x = max(x, l.at(c.from)+c.width)
			}
		}
		l.x[i] = x
	}
	l.right = gutter + edge*2
	if n := len(l.x); n > 0 {
		l.right = l.x[n-1] + edge
	}
	return typical
}

// isBreak says whether so much time passed that the picture must say so.
func isBreak(gap, typical int64) bool { return gap > 40*typical && gap > 20e6 }

func (l *layout) at(t int64) float64 {
	i, found := slices.BinarySearch(l.times, t)
	if found {
		return l.x[i]
	}
	if i == 0 {
		return gutter
	}
	return l.right
}
