package staleness_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/refute-lab/refute/checker/staleness"
)

const ms = int64(time.Millisecond)

// One read returned the first value although the second had been there for 20 ms.
func ExampleMeter() {
	var m staleness.Meter
	err := m.Measure(context.Background(), "x", 3, []staleness.Operation{
		{Start: 0, End: 10 * ms, Value: 1, Write: true, Index: 0},
		{Start: 20 * ms, End: 30 * ms, Value: 2, Write: true, Index: 1},
		{Start: 50 * ms, End: 60 * ms, Value: 1, Index: 2},
		{Start: 70 * ms, End: 80 * ms, Value: 2, Index: 3},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := m.Report(nil)
	fmt.Printf("%d of %d reads were stale, by %v: operations %v\n", r.Stale.Count, r.Stale.Of, time.Duration(r.Oldest.Nanoseconds), r.Oldest.Operations)
	fmt.Println("k =", r.K.Least, "Δ =", time.Duration(r.Delta.Nanoseconds))
	for _, b := range r.Visibility {
		fmt.Printf("%v to %v after a write: %d of %d fresh\n", time.Duration(b.From), time.Duration(b.To), b.Fresh.Count, b.Fresh.Of)
	}
	// Output:
	// 1 of 2 reads were stale, by 20ms: operations [0 1 2]
	// k = 2 Δ = 20ms
	// 20ms to 50ms after a write: 1 of 2 fresh
}

// Of three replicas a write waits for one and a read for one.
func ExampleKStaleness() {
	for k := 1; k <= 3; k++ {
		p, err := staleness.KStaleness(staleness.Quorum{N: 3, R: 1, W: 1}, k)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.3f ", p)
	}
	// Output: 0.333 0.556 0.704
}

// A write takes 1 or 9 ms to a replica, everything else takes 1 ms.
func ExamplePredict() {
	draw, err := staleness.Independent([]int64{ms, 9 * ms}, []int64{ms}, []int64{ms}, []int64{ms})
	if err != nil {
		fmt.Println(err)
		return
	}
	curve, err := staleness.Predict(rand.New(rand.NewPCG(1, 2)), staleness.Quorum{N: 3, R: 1, W: 1}, 20_000, draw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("at once %.1f, after 6 ms %.1f\n", curve.At(0), curve.At(6*ms))
	fmt.Println("all of them after", time.Duration(curve.Time(1)))
	// Output:
	// at once 0.6, after 6 ms 1.0
	// all of them after 6ms
}
