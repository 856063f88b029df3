package core

// A hint as an acknowledgement: the level ANY. A write at this level succeeds
// even if no home replica can be reached, as long as the coordinator keeps a
// hint for one of them (Cassandra: ConsistencyLevel.ANY, StorageProxy.
// submitHint, which tells the response handler of a hint at ANY only). It is
// the highest availability there is for writes.
//
// The price: the write is on no replica. No read sees it, at any level, before
// the hint is delivered, which is when a home replica is back; and it is lost
// if the coordinator is, or if the hint outlives its window.
//
// The coordinator is then the stand-in of each home replica that it suspects
// when the write starts, and its hint is acknowledged as a stand-in's is: when
// it is as durable as hints are made to be (hint-log, hint-flush). For home
// replicas that are believed to be up and do not answer there is no such
// acknowledgement: the write ends in a timeout, and hints are kept all the same.

// standInMyself makes this node the stand-in of every home replica that it suspects.
func (n *Node) standInMyself(op *operation) {
	for home := range op.n {
		l := &op.legs[home]
		if l.node == n.id || !n.detector.suspects(n, l.node, n.now.Mono) || n.refusesHint(l) {
			continue
		}
		op.legs = append(op.legs, leg{node: n.id, home: uint8(home), datacenter: l.datacenter, flags: legStandIn})
	}
}

// standInFor returns the leg of a node that stands in for the home replica, or nil.
func (op *operation) standInFor(home, node NodeID) *leg {
	for i := op.n; i < len(op.legs); i++ {
		if l := &op.legs[i]; l.node == node && op.order[l.home] == home {
			return l
		}
	}
	return nil
}

// anyProblem says why a write can't be at the level ANY; empty: it can.
func (s *Settings) anyProblem() string {
	switch {
	case !s.Hints:
		return "level any with hints=off: no hint is kept that could count; set hints=on or use the level one"
	case s.updates():
		return "level any, but a write of these keys depends on what is there, and only a replica can carry it out: use the level one"
	}
	return ""
}
