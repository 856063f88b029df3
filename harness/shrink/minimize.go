package shrink

import "slices"

// minimize leaves out elements of a list as long as the rest still fails, and
// keeps at least the given number of them: first all that may go, then halves,
// quarters and so on, down to single ones (delta debugging, Zeller and
// Hildebrandt 2002). It goes from the end: what came last is needed least. What
// was needed at first may be so no longer in the end: for that, rounds are
// repeated. It ends early when the search is stopped.
//
// A list of n elements of which k are needed takes about 2·k·log₂(n/k) tries,
// and they get shorter by half with every step.
func minimize[T any](s *search, list []T, least int, fails func(rest []T) bool) {
	if least == 0 && len(list) > 0 && fails([]T{}) {
		return
	}
	for portion := len(list) / 2; portion >= 1; portion /= 2 {
		for end := len(list); end > 0 && !s.stopped; end -= portion {
			begin := max(0, end-portion)
			if len(list)-(end-begin) < max(least, 1) {
				continue
			}
			if rest := slices.Concat(list[:begin], list[end:]); fails(rest) {
				list = rest
			}
		}
	}
}

// ladder returns the round numbers from least up to, but without, current:
// 1, 2 and 5 times the powers of ten. least must be one of them.
func ladder(least, current int64) []int64 {
	var steps []int64
	for base := int64(1); base < current; base *= 10 {
		for _, digit := range []int64{1, 2, 5} {
			if step := base * digit; step >= least && step < current {
				steps = append(steps, step)
			}
		}
		if base > current/10 {
			break
		}
	}
	return steps
}

// descend looks for the smallest of ascending steps that still fails. It asks
// for the last one first: where that does not fail, there is mostly nothing to be had.
func descend(steps []int64, fails func(step int64) bool) {
	last := len(steps) - 1
	if last < 0 || !fails(steps[last]) {
		return
	}
	low, high := 0, last
	for low < high {
		middle := (low + high) / 2
		if fails(steps[middle]) {
			high = middle
		} else {
			low = middle + 1
		}
	}
}
