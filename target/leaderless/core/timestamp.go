package core

import "math"

// timestamp returns the time of a new version of this node's own: false if
// there is no greater one left.
//
// The clock is made monotonic within one incarnation, as Cassandra does per
// node: of two writes through the same node the later one has the greater
// time, even if the clock was set back in between. Between nodes nothing
// helps: the one whose clock is ahead wins, and an acknowledged write of
// another node that came later in real time is silently older (DDIA ch. 8,
// "Timestamps for ordering events"); but see hybrid.go.
//
// With a coarser unit, as Cassandra's microsecond, two nodes may choose the
// same time; see tie-break.
func (n *Node) timestamp() (int64, bool) {
	c := &n.coordinator
	unit := n.settings.TimestampUnit
	switch {
	case n.settings.Clock == ClockHybrid:
		time, ok := hybridNext(c.lastTime, n.now.Wall)
		if ok {
			c.lastTime = time
		}
		return time, ok
	case c.lastTime > math.MaxInt64-unit:
		return 0, false
	case unit == 1:
		c.lastTime = max(n.now.Wall, c.lastTime+1)
	default:
		c.lastTime = max(inUnits(n.now.Wall, unit), c.lastTime+unit)
	}
	return c.lastTime, true
}

// inUnits rounds a positive time down to whole units, but never to 0.
func inUnits(time, unit int64) int64 { return max(time-time%unit, unit) }

// observe lets a hybrid clock know of a time; others take no notice.
func (n *Node) observe(time int64) {
	if n.settings.Clock == ClockHybrid {
		n.coordinator.lastTime = max(n.coordinator.lastTime, time)
	}
}
