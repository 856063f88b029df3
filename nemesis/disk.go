package nemesis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/refute-lab/refute/harness/plan"
)

// The shapes of a disk fault, beside Slow.
const (
	// Stall makes nothing durable until the fault ends.
	Stall = "stall"
	// Full fails whatever is written to the log. A store whose process ends on
	// that, as the bundled one's does, is started again when the fault ends.
	Full = "full"
)

// diskResource is what disk faults hold of a node.
const diskResource = "disk"

func diskKind() *kind {
	return &kind{
		name:       Disk,
		help:       "makes the disks of nodes slow, makes them stall, or lets writes fail",
		simulation: "on containers the nodes' files are on the machine's own disk, which everything else uses as well",
		shapes: []shape{
			{Slow, "each record becomes durable up to 0.5 s later", 1, false},
			{Stall, "nothing becomes durable until the fault ends", 1, true},
			{Full, "writes fail, and the node is down until the fault ends", 1, false},
		},
		resource: diskResource,
		span: func(_ string, _ time.Duration, o ScheduleOptions) (time.Duration, time.Duration) {
			return o.Shortest, o.Longest
		},
		draw:     drawDisk,
		describe: describeDisk,
		check:    checkDisk,
	}
}

func drawDisk(r *rand.Rand, nodes []string, _ bool, f *plan.Fault) {
	drawFew(r, nodes, f)
	if f.Shape == Slow {
		f.Delay = drawSlowness(r)
	}
}

// drawSlowness draws by how much a slow disk is slower.
func drawSlowness(r *rand.Rand) plan.Duration {
	return plan.Duration(logUniform(r, int64(shortestDelay), int64(longestDelay), int64(100*time.Microsecond)))
}

func describeDisk(_ []string, f *plan.Fault) string {
	text, several := owned(f.Targets, "disk")
	verb := func(one, many string) string {
		if several {
			return text + many
		}
		return text + one
	}
	switch f.Shape {
	case Slow:
		return text + " slower by " + shortDuration(time.Duration(f.Delay)) + " a record"
	case Stall:
		return verb(" stalls", " stall")
	case Full:
		return verb(" is full", " are full")
	}
	return verb(" fails", " fail")
}

func checkDisk(nodes []string, f *plan.Fault) error {
	if err := checkTargets(nodes, f); err != nil {
		return err
	}
	switch delay := time.Duration(f.Delay); {
	case f.Shape == "":
		return errors.New("a disk fault without a shape: want slow, stall or full")
	case f.Shape == Slow && (delay <= 0 || delay > longestSlowness):
		return fmt.Errorf("a disk that is slower by %s: want a delay above 0s, at most %s", f.Delay, longestSlowness)
	case f.Shape != Slow && delay != 0:
		return fmt.Errorf("a delay of %s: only the shape %s has one, and this is %s", f.Delay, Slow, f.Shape)
	}
	return nil
}
