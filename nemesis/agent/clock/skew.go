package clock

import (
	"errors"
	"math"
	"math/bits"
)

// Skew is how a wall clock deviates from the real one:
//
//	skewed(real) = real + Offset + ((real−Base)·Rate >> 32) + (Delta during every even Period since Base)
//
// The zero Skew is no deviation. Times are nanoseconds since the Unix epoch,
// durations are nanoseconds.
type Skew struct {
	// Base is the real time from which Rate and Period count.
	Base int64
	// Offset is added always.
	Offset int64
	// Rate is the drift as a fixed-point number with 32 fractional bits; see
	// RatePPM. At −1 (−10⁶ ppm) the clock stands still, below it runs backwards.
	Rate int64
	// Period is how long Delta is added, and then left out, in turn; 0 or less means never.
	Period int64
	// Delta is what the strobe adds.
	Delta int64
}

// At returns what a clock with this skew shows at a real time. It computes in
// the way of the machine code that runs in the patched program, bit by bit: the
// product has 128 bits, the shift rounds down, sums wrap around, and a time
// before the epoch is shown as the epoch.
func (s Skew) At(realNanos int64) int64 {
	elapsed := realNanos - s.Base
	skew := mulShift32(elapsed, s.Rate) + s.Offset
	if s.Period > 0 && elapsed/s.Period&1 == 0 {
		skew += s.Delta
	}
	return max(realNanos+skew, 0)
}

// mulShift32 returns the low 64 bits of a·b >> 32, the product taken with 128
// bits and the shift arithmetic.
func mulShift32(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	// Mul64 is unsigned: take off what the sign bits were counted for.
	hi -= uint64(a>>63)&uint64(b) + uint64(b>>63)&uint64(a)
	return int64(hi<<32 | lo>>32)
}

// RatePPM converts a drift in parts per million to a Skew's Rate, rounded to
// the nearest (half away from zero); it saturates where Rate would overflow.
func RatePPM(ppm int64) int64 {
	const million = 1_000_000
	whole, part := ppm/million, ppm%million
	switch {
	case whole >= 1<<31:
		return math.MaxInt64
	case whole <= -1<<31:
		return math.MinInt64
	}
	half := int64(million / 2)
	if part < 0 {
		half = -half
	}
	return whole<<32 + (part<<32+half)/million
}

// Rebase returns a Skew that shows the same as s, within a nanosecond, and
// whose Base is realNanos (with a strobe: the last moment before realNanos at
// which a pair of periods began, so that the phase stays). What had
// accumulated from the drift becomes part of the Offset, so that Rate can then
// be changed without making the clock jump.
func (s Skew) Rebase(realNanos int64) Skew {
	base := realNanos
	if s.Period > 0 && s.Period <= math.MaxInt64/2 {
		pair := 2 * s.Period
		phase := (realNanos - s.Base) % pair
		if phase < 0 {
			phase += pair
		}
		base = realNanos - phase
	}
	return s.rebaseTo(base)
}

func (s Skew) rebaseTo(base int64) Skew {
	s.Offset += mulShift32(base-s.Base, s.Rate)
	s.Base = base
	return s
}

// ErrTwoStrobes is returned by Combine.
var ErrTwoStrobes = errors.New("a clock can have one strobe at a time: two skews with a period cannot be added up")

// Combine adds up skews that are in force at the same time: it returns one that
// deviates as all of them together, within a nanosecond for each part. At most
// one of them may have a strobe, or it returns ErrTwoStrobes. To end one of
// several, Combine those that remain.
func Combine(parts ...Skew) (Skew, error) {
	var sum Skew
	strobe := false
	for i, p := range parts {
		if i == 0 || p.Base > sum.Base {
			sum.Base = p.Base
		}
	}
	for _, p := range parts {
		if p.Period <= 0 || p.Delta == 0 {
			continue
		}
		if strobe {
			return Skew{}, ErrTwoStrobes
		}
		strobe = true
		sum.Base, sum.Period, sum.Delta = p.Base, p.Period, p.Delta
	}
	for _, p := range parts {
		p = p.rebaseTo(sum.Base)
		sum.Offset += p.Offset
		sum.Rate += p.Rate
	}
	return sum, nil
}
