package core

// deadlines are the times at which operations stop waiting for something. All
// of one kind wait equally long and the clock never goes back, so they come
// due in the order in which they were set, and one timer of the driver, for
// the first that is still open, serves them all. Nearly every operation is over
// long before its deadline and then costs the driver no timer.
type deadlines struct {
	kind  uint64
	queue []deadline // from head on
	head  int
	// due is when the driver's timer fires; 0: none is set.
	due int64
}

type deadline struct {
	number uint64 // the operation's
	at     int64
}

// setDeadline lets the operation's time run out after that many nanoseconds,
// which are the same for every deadline in the queue.
func (n *Node) setDeadline(d *deadlines, op *operation, after int64) {
	d.trim(&n.coordinator.open)
	if d.head > 0 && len(d.queue) == cap(d.queue) {
		d.queue = d.queue[:copy(d.queue, d.queue[d.head:])]
		d.head = 0
	}
	at := n.now.Mono + after
	d.queue = append(d.queue, deadline{op.number, at})
	for i := len(d.queue) - 1; i > d.head && d.queue[i-1].at > at; i-- { // shorter than those before it
		d.queue[i], d.queue[i-1] = d.queue[i-1], d.queue[i]
	}
	if d.due == 0 || at < d.due {
		n.awaitDeadline(d, after)
	}
}

func (n *Node) awaitDeadline(d *deadlines, after int64) {
	d.due = n.now.Mono + after
	n.setTimer(d.kind, after)
}

// trim drops deadlines of operations that are over.
func (d *deadlines) trim(open *table[operation]) {
	for d.head < len(d.queue) && open.find(d.queue[d.head].number) == nil {
		d.head++
	}
	if d.head == len(d.queue) {
		d.queue, d.head = d.queue[:0], 0
	}
}

// expire hands every open operation whose time is over to timeout.
func (n *Node) expire(d *deadlines, timeout func(*Node, *operation)) {
	if d.due == 0 || n.now.Mono < d.due {
		return // a timer that was never set
	}
	for d.trim(&n.coordinator.open); d.head < len(d.queue) && d.queue[d.head].at <= n.now.Mono; d.trim(&n.coordinator.open) {
		op := n.coordinator.open.find(d.queue[d.head].number)
		d.head++
		timeout(n, op)
	}
	d.due = 0
	if d.head < len(d.queue) {
		n.awaitDeadline(d, d.queue[d.head].at-n.now.Mono)
	}
}
