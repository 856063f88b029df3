package nemesis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// The shapes of a network fault. They name what is wrong first of all; what
// happens is in the fault's plan.Network, which may combine several.
const (
	// Slow delays; it is a shape of disk faults as well.
	Slow = "slow"
	// Reordering delays each message by another time, so that they overtake each other.
	Reordering = "reordering"
	// Duplicating delivers some messages twice.
	Duplicating = "duplicating"
	// Lossy loses some messages.
	Lossy = "lossy"
)

// The magnitudes of random network and disk faults.
const (
	shortestDelay = time.Millisecond
	longestDelay  = 500 * time.Millisecond
	smallestShare = 1_000   // ppm
	largestShare  = 300_000 // ppm
	// strongShare is the least loss of the fault that every schedule with
	// network faults has: enough that a quorum often lacks an answer.
	strongShare = 50_000 // ppm
)

// longestSlowness bounds what a plan may delay, far from where sums of times overflow.
const longestSlowness = time.Hour

// million is the whole of what is counted in ppm.
const million = 1_000_000

func networkKind() *kind {
	return &kind{
		name:       Network,
		help:       "delays, loses or duplicates messages on every link from and to some nodes",
		simulation: "on containers the agents cut links, but neither slow them down nor lose single messages",
		shapes: []shape{
			{Slow, "messages arrive up to 0.5 s late", 1, false},
			{Reordering, "messages overtake each other", 1, false},
			{Duplicating, "0.1…30 % of the messages arrive twice", 1, false},
			{Lossy, "0.1…30 % of the messages are lost", 1, true},
		},
		span: func(_ string, _ time.Duration, o ScheduleOptions) (time.Duration, time.Duration) {
			return o.Shortest, o.Longest
		},
		draw:     drawNetwork,
		describe: describeNetwork,
		check:    checkNetwork,
	}
}

func drawNetwork(r *rand.Rand, nodes []string, must bool, f *plan.Fault) {
	drawFew(r, nodes, f)
	f.Network = drawTraffic(r, f.Shape, must)
}

// drawFew picks one node or, in two of five cases, any number below a majority.
func drawFew(r *rand.Rand, nodes []string, f *plan.Fault) {
	k := 1
	if r.IntN(5) < 2 {
		k = between(r, 1, max(1, (len(nodes)-1)/2))
	}
	f.Targets = inOrder(nodes, shuffled(r, nodes)[:k])
}

// drawTraffic draws what a network fault of the shape does.
func drawTraffic(r *rand.Rand, shape string, strong bool) *plan.Network {
	delay := func() plan.Duration {
		return plan.Duration(logUniform(r, int64(shortestDelay), int64(longestDelay), int64(100*time.Microsecond)))
	}
	n := &plan.Network{}
	switch shape {
	case Slow:
		n.Delay = delay()
		n.Jitter = plan.Duration(r.Int64N(int64(n.Delay)/2+1)) / 100_000 * 100_000
	case Reordering:
		n.Jitter = delay()
	case Duplicating:
		n.DuplicatePPM = logUniform(r, smallestShare, largestShare, 100)
	case Lossy:
		least := int64(smallestShare)
		if strong {
			least = strongShare
		}
		n.LossPPM = logUniform(r, least, largestShare, 100)
	}
	return n
}

func describeNetwork(_ []string, f *plan.Fault) string {
	text := "links of " + strings.Join(f.Targets, " ")
	if f.Network == nil {
		return text + " unchanged"
	}
	var parts []string
	if f.Network.LossPPM != 0 {
		parts = append(parts, "lose "+percent(f.Network.LossPPM))
	}
	if f.Network.DuplicatePPM != 0 {
		parts = append(parts, "deliver "+percent(f.Network.DuplicatePPM)+" twice")
	}
	delay, jitter := time.Duration(f.Network.Delay), time.Duration(f.Network.Jitter)
	switch {
	case delay != 0 && jitter != 0:
		parts = append(parts, "are slower by "+shortDuration(delay)+"…"+shortDuration(delay+jitter))
	case delay != 0:
		parts = append(parts, "are slower by "+shortDuration(delay))
	case jitter != 0:
		parts = append(parts, "are slower by up to "+shortDuration(jitter))
	}
	if len(parts) == 0 {
		return text + " unchanged"
	}
	return text + " " + strings.Join(parts, ", ")
}

// percent writes parts per million, for instance "12 %" or "0.15 %".
func percent(ppm int64) string {
	text := strconv.FormatInt(ppm/10_000, 10)
	if rest := ppm % 10_000; rest != 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%04d", rest), "0")
	}
	return text + " %"
}

func checkNetwork(nodes []string, f *plan.Fault) error {
	if err := checkTargets(nodes, f); err != nil {
		return err
	}
	n := f.Network
	switch {
	case n == nil || *n == (plan.Network{}):
		return errors.New("a network fault that changes nothing: give a loss_ppm, a duplicate_ppm, a delay or a jitter")
	case n.LossPPM < 0 || n.LossPPM > million || n.DuplicatePPM < 0 || n.DuplicatePPM > million:
		return fmt.Errorf("%d ppm lost, %d ppm duplicated: want 0…%d of a million messages", n.LossPPM, n.DuplicatePPM, million)
	case n.Delay < 0 || n.Jitter < 0 || time.Duration(n.Delay) > longestSlowness || time.Duration(n.Jitter) > longestSlowness:
		return fmt.Errorf("a delay of %s, a jitter of %s: want 0s…%s", n.Delay, n.Jitter, longestSlowness)
	}
	return nil
}
