package sim

import "math/bits"

// What a random number is for. Together with the seed of the surroundings and
// the identity of what it is drawn for, it decides the number: no draw depends
// on how many were made before it, so that taking an operation or a fault out
// of a plan leaves all others as they were.
const (
	drawLatency uint64 = iota + 1
	drawLoss
	drawDuplicate
	drawSecond // the latency of a duplicate
	drawJitter
	drawSync
	drawFlush
	drawTorn // how much of what the disk was at is there after a crash
	drawNode // a node's own generator
	drawClient
	drawTick // the moment from which a disk's clock ticks
	drawWAN  // between data centres
)

// draw returns the number that belongs to an identity: what it is for, on
// whose behalf (the identity of a client's request, or of the occasion where
// there is none) and which of the things that happen on its behalf.
func (w *World) draw(domain, origin, which uint64) uint64 {
	h := mix(w.seed ^ domain*0xd6e8feb86659fd93 ^ origin*0x9e3779b97f4a7c15)
	return mix(h + which*0xa0761d6478bd642f)
}

// mix is splitmix64's finalizer (Steele, Lea and Flood, OOPSLA 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// stretched multiplies a time by a factor that is distributed as delays are:
// at least a quarter, the rest exponential, a hundredth of them up to some
// thirty times as long. Its mean is close to 1.
func stretched(mean int64, random uint64) int64 {
	return mean/4 + int64(quantiles[random%uint64(len(quantiles))])*mean>>10
}

// quantiles are those of the exponential distribution with mean 0.7, times
// 1024, its upper hundredth stretched. They are made with integers alone: a
// table that differed in its last bit between two architectures would make
// their runs differ.
var quantiles = makeQuantiles()

func makeQuantiles() (table [4096]int32) {
	const ln2 = 2977044472 // ln 2 · 2³²
	for i := range table {
		// −ln((i + ½) / 4096) = ln 2 · (13 − log₂(2i + 1)), in units of 2⁻³².
		logarithm := uint64(13)<<32 - log2(uint64(2*i+1))
		high, low := bits.Mul64(logarithm, ln2)
		natural := high<<32 | low>>32 // 2⁻³²
		value := natural * 7 / 10 >> 22
		if i < 41 {
			value *= uint64(1 + (41-i)/10)
		}
		table[i] = int32(value)
	}
	return table
}

// log2 is the binary logarithm of x ≥ 1 in units of 2⁻³², by repeated squaring.
func log2(x uint64) uint64 {
	whole := uint64(bits.Len64(x) - 1)
	mantissa := x << (63 - whole) // 1 … 2, in units of 2⁻⁶³
	result := whole
	for range 32 {
		high, low := bits.Mul64(mantissa, mantissa) // 1 … 4, in units of 2⁻⁶² of the high word
		result <<= 1
		if high>>63 != 0 {
			result |= 1
			mantissa = high
		} else {
			mantissa = high<<1 | low>>63
		}
	}
	return result
}
