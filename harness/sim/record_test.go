package sim

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

// A run keeps its history in so many bytes an operation, and nothing of a plan
// whose operations are generated.
func TestAnOperationOfTheHistoryIsSmall(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(record{}), uintptr(80))
	t.Logf("%d bytes", unsafe.Sizeof(record{}))
}

func TestQuantilesAreThoseOfTheDistribution(t *testing.T) {
	var sum int64
	for i := range quantiles {
		sum += stretched(1_000_000, uint64(i))
		if i > 0 {
			assert.GreaterOrEqual(t, quantiles[i-1], quantiles[i], "quantile %d", i)
		}
	}
	mean := sum / int64(len(quantiles))
	assert.InDelta(t, 1_000_000, mean, 100_000, "the mean is the mean")
	assert.Equal(t, int64(250_000), stretched(1_000_000, uint64(len(quantiles)-1))/1000*1000, "the floor is a quarter of it")
	// −ln((i + ½)/4096) · 0.7 · 1024, looked up elsewhere.
	for i, want := range map[int]int32{2048: 496, 1024: 993, 409: 1649, 4000: 16} {
		assert.InDelta(t, want, quantiles[i], 1, "quantile %d", i)
	}
}

func TestTheQueueIsInOrder(t *testing.T) {
	var q queue
	times := []int64{5, 3, 3, 9, 0, 7, 3, 5, 1 << 45, 2}
	for i, at := range times {
		*q.add(at) = occurrence{id: uint64(i)}
	}
	var order []uint64
	last := int64(-1)
	for len(q.heap) > 0 {
		at, slot := q.pop()
		assert.GreaterOrEqual(t, at, last)
		last = at
		order = append(order, q.slots[slot].id)
		q.release(slot)
	}
	assert.Equal(t, []uint64{4, 9, 1, 2, 6, 0, 7, 5, 3, 8}, order, "by time, then first come, first served")
}
