package core

// Routing: which node coordinates a request.
//
// any. The node that the client asks does, whether or not it is one of the
// key's home replicas (Cassandra; Dynamo §4.5 behind a load balancer that knows
// nothing). Each request may have another coordinator, which matters to
// whatever a coordinator brings along: its clock, its failure detector, its hints.
//
// replica. A home replica does. A node that is none hands the request on to
// the first of them that it does not suspect, and the reply back (Dynamo §4.5:
// "it will forward the request to the first among the top N nodes in the
// preference list"; Riak forwards puts, because its own vnode must name the
// write). That one answers for itself without a message. The price is a hop
// more. Where it suspects all of them it coordinates the request itself.
//
// client. As replica, but clients know the ring and ask a home replica at once
// (Dynamo §6.4, the partition-aware client; Voldemort's clients coordinate
// themselves as well, which here they do not). The hop is saved; a client whose
// ring is out of date costs it.
//
// With several data centres only home replicas in the node's own one are
// asked, so that "local" stays where the client is.
//
// Forwarded twice is done twice: a put that the network duplicates would come
// back after others have replaced its value. So each receiver remembers which
// numbers of each sender it has seen, in a window that slides along (RFC 4303,
// §3.4.3), and a sender names the incarnation of the receiver that it means,
// because the window does not survive a kill. The receiver answers a wrong one
// with the right one. The price is one write of unknown outcome for each node
// that forwards, after each restart of a replica.
type routing struct {
	// seen has the window of each node that has forwarded something, by node; nil until one has.
	seen []replayWindow
	// incarnations are those of the others as far as they have told; nil until they have been asked.
	incarnations []uint32
	// relays says that a reply of this step belongs to another node.
	relays bool
}

// Routing says which node coordinates a request.
type Routing uint8

// The ways of routing.
const (
	RoutingAny Routing = iota
	RoutingReplica
	RoutingClient
)

var routingNames = []string{RoutingAny: "any", RoutingReplica: "replica", RoutingClient: "client"}

// String returns the way as it is written in settings.
func (r Routing) String() string { return enumName(routingNames, int(r)) }

// relay is whose request it is, where it was handed on.
type relay struct {
	from   NodeID
	number uint64
	origin uint64
	key    string
}

// Route returns the node that a client asks for the key if it would otherwise
// ask the given one: with routing=client the node itself if it is a home
// replica of the key, else one of those in its data centre, another for each
// node. Clients know the ring of the start and no failure detector.
func (s *Settings) Route(near NodeID, key string) NodeID {
	if s.Routing != RoutingClient || s.ring == nil {
		return near
	}
	homes := s.ring.PreferenceList(key, s.N)
	local := 0
	for _, home := range homes {
		if home == near {
			return near
		}
		if s.Datacenter(home) == s.Datacenter(near) {
			local++
		}
	}
	if local == 0 {
		return near
	}
	which := int(near) % local
	for _, home := range homes {
		if s.Datacenter(home) != s.Datacenter(near) {
			continue
		}
		if which == 0 {
			return home
		}
		which--
	}
	return near
}

// forwards hands the request to a home replica if this node is none, and says whether it did.
func (n *Node) forwards(q *Request, u quorum, order []NodeID) bool {
	if q.relay != nil {
		return false
	}
	to, found := n.id, false
	for _, home := range order[:u.homes] {
		if home == n.id {
			return false
		}
		if !found && !n.apart(home, n.id) && !n.detector.suspects(n, home, n.now.Mono) {
			to, found = home, true
		}
	}
	if !found {
		return false
	}
	op := n.open(q, &u, order)
	op.phase, op.course, op.choosy = phaseForward, 0, true // none of its legs was asked
	op.n, op.legs = 1, op.legs[:1]
	op.legs[0] = leg{node: to}
	op.forwarded = &forwardBody{request: *q}
	n.forward(op)
	return true
}

// forward sends, or sends again, the request to the home replica.
func (n *Node) forward(op *operation) {
	r := &n.routing
	if r.incarnations == nil {
		r.incarnations = make([]uint32, len(n.settings.Nodes))
	}
	to := op.legs[0].node
	m := n.message(MessageForward, to)
	m.Origin, m.Request, m.Key = op.request, n.wireNumber(op), op.key
	op.forwarded = &forwardBody{incarnation: r.incarnations[to], request: op.forwarded.request}
	m.Body = op.forwarded
}

// handleForward does for another node what its client has asked it for.
func (n *Node) handleForward(m *Message) {
	b, ok := m.Body.(*forwardBody)
	if !ok {
		return
	}
	if b.incarnation != n.incarnation {
		answer := n.message(MessageForwarded, m.From)
		answer.Origin, answer.Request, answer.Key, answer.Body = m.Origin, m.Request, m.Key, &forwardedBody{incarnation: n.incarnation}
		return
	}
	if n.routing.seen == nil {
		n.routing.seen = make([]replayWindow, len(n.settings.Nodes))
	}
	if !n.routing.seen[m.From].first(m.Request) {
		return
	}
	q := b.request
	q.ID, q.Key = m.Origin, m.Key
	q.relay = &relay{from: m.From, number: m.Request, origin: m.Origin, key: m.Key}
	n.request(&q)
}

// relayReplies sends the replies that belong to other nodes' clients there.
func (n *Node) relayReplies() {
	n.routing.relays = false
	own := n.out.Replies[:0]
	for i := range n.out.Replies {
		r := &n.out.Replies[i]
		if r.relay == nil {
			own = append(own, *r)
			continue
		}
		to := r.relay
		b := &forwardedBody{incarnation: n.incarnation, done: true, reply: *r}
		b.reply.relay = nil
		m := n.message(MessageForwarded, to.from)
		m.Origin, m.Request, m.Key, m.Body = to.origin, to.number, to.key, b
	}
	clear(n.out.Replies[len(own):])
	n.out.Replies = own
}

// handleForwarded gives the client the reply of the home replica.
func (n *Node) handleForwarded(m *Message) {
	b, ok := m.Body.(*forwardedBody)
	op, _ := n.find(m)
	if !ok || op == nil || op.phase != phaseForward || !b.within(len(n.settings.Nodes)) {
		return
	}
	known := &n.routing.incarnations[m.From]
	*known = max(*known, b.incarnation)
	if !b.done {
		n.forwardAgain(op, b.incarnation)
		return
	}
	r := n.reply(op, b.reply.Status)
	took := r.Evidence.Took
	relayed := r.relay
	*r = b.reply
	r.ID, r.relay = op.request, relayed
	if n.omitEvidence {
		r.Evidence = Evidence{}
	} else {
		r.Evidence.Coordinator, r.Evidence.Forwarded, r.Evidence.Took = m.From, true, took
	}
	n.close(op)
}

// forwardAgain goes on after a receiver has said that it is not the incarnation
// that was meant. The one that was meant may have done the request before its
// end, so only what does no harm when it is done twice is handed on again, and
// what can't have been done, because no incarnation was known.
func (n *Node) forwardAgain(op *operation, incarnation uint32) {
	switch meant := op.forwarded.incarnation; {
	case incarnation <= meant: // an answer to an earlier one
	case op.get || meant == 0:
		n.forward(op)
	default:
		n.fail(op, StatusIndeterminate, CodeTimeout, "the replica "+n.settings.Nodes[op.legs[0].node]+", which was to coordinate the request, has been restarted: it may have been done")
		n.close(op)
	}
}

// forwardTimeout ends a forwarded request. The coordinator is given half of
// its own time more, so that what it knows can still come.
func (n *Node) forwardTimeout(op *operation) {
	if !op.hurried {
		op.hurried = true
		n.setDeadline(&n.coordinator.requests, op, n.settings.RequestTimeout/2)
		return
	}
	to := n.settings.Nodes[op.legs[0].node]
	if op.get {
		n.fail(op, StatusDefinite, CodeTimeout, "the replica "+to+", which was to coordinate the read, did not answer: nothing was read")
	} else {
		n.fail(op, StatusIndeterminate, CodeTimeout, "the replica "+to+", which was to coordinate the request, did not answer: it may have been done, or may be done later")
	}
	n.close(op)
}

// replayWindow remembers which of the latest numbers were seen.
type replayWindow struct {
	highest uint64
	bits    [replaySize / 64]uint64
}

// replaySize is how far a number may be behind the highest: older ones are
// taken for seen, that is, for lost.
const replaySize = 4096

// first says that the number was not seen before, and notes it.
func (w *replayWindow) first(number uint64) bool {
	switch {
	case number > w.highest:
		if number-w.highest >= replaySize {
			clear(w.bits[:])
		} else {
			for skipped := w.highest + 1; skipped < number; skipped++ {
				w.bits[skipped%replaySize/64] &^= 1 << (skipped % 64)
			}
		}
		w.highest = number
	case w.highest-number >= replaySize, w.bits[number%replaySize/64]&(1<<(number%64)) != 0:
		return false
	}
	w.bits[number%replaySize/64] |= 1 << (number % 64)
	return true
}
