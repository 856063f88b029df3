package core

import "fmt"

// The codes of replies that are not StatusOK.
const (
	// CodeBadRequest: the request can never be carried out as it is. Definite.
	CodeBadRequest = "bad-request"
	// CodeUnavailable: too few replicas are believed to be up; nothing was sent. Definite.
	CodeUnavailable = "unavailable"
	// CodeOverloaded: too many requests are open; nothing was sent. Definite.
	CodeOverloaded = "overloaded"
	// CodeExhausted: there is no greater timestamp or sequence number left; nothing was written. Definite.
	CodeExhausted = "exhausted"
	// CodeObsolete: the writer has not seen what is there already; read and try
	// again. Definite if the first replica found it, which stored nothing; else indeterminate.
	CodeObsolete = "obsolete-version"
	// CodeTooManySiblings: the write would leave more siblings than sibling-limit; read and write what takes their place. Definite.
	CodeTooManySiblings = "too-many-siblings"
	// CodeTooLarge: the key's values are too large together; as above. Definite.
	CodeTooLarge = "too-large"
	// CodeTimeout: the quorum was not reached in time. Indeterminate for a
	// write whose messages were sent, definite for everything else.
	CodeTimeout = "timeout"
	// CodeContended: some replicas accepted a compare-and-set, the others had promised another one a greater ballot. Indeterminate.
	CodeContended = "contended"
)

// maxOpen bounds the memory of open requests, answered ones that still wait for
// their last replicas included.
const maxOpen = 1 << 16

// A coordinator carries the requests of clients out for them: any node does,
// for any key, whether or not it is one of the key's replicas (Dynamo §4.5,
// the variant with a generic load balancer). An operation goes through phases;
// each asks the home replicas for something and ends when enough have answered:
//
//	get            read → [repair | write-back] → reply → [late answers → async repair]
//	put, delete    [fetch] → write → reply → [late acknowledgements → hints]
//
// Strict quorums: only home replicas count. With sloppy=on their stand-ins do
// too; a home replica and its stand-in then count once.
//
// What an error means. Nothing has been stored before the first write message
// is sent, so every failure up to there is definite: a bad request, too few
// replicas up, a fetch that was not answered. Afterwards the write may be on
// some replica's disk, and read repair or a hint may spread it at any later
// time, so a timeout is indeterminate. A get that fails has no effect of its
// own (a write-back only spreads a write that happened anyhow): definite.
type coordinator struct {
	open table[operation]
	free []*operation
	// requests and standIns are the times at which operations give up waiting
	// for replicas, and for home replicas alone.
	requests, standIns deadlines
	// speculations are those at which reads ask further replicas; latency tells p99.
	speculations deadlines
	latency      readLatency
	// repairs counts the open operations in phaseAsyncRepair or waiting to enter it.
	repairs int
	trips   trips
	// sequence numbers the versions of this incarnation, lastTime is the last clock reading used.
	sequence uint32
	lastTime int64
}

func (c *coordinator) init() {
	c.requests.kind, c.standIns.kind, c.speculations.kind = timerRequest, timerStandIn, timerSpeculate
}

type phase uint8

const (
	phaseRead        phase = iota + 1
	phaseWriteBack         // ABD: until w replicas hold the value
	phaseRepair            // blocking: until r replicas hold the value
	phaseLateAnswers       // a get that was answered, asynchronous repair to come
	phaseAsyncRepair       // a get that was answered, repairs are sent
	phaseFetch
	phaseUpdate // one replica applies the update to what it has
	phaseWrite
	phaseLateAcknowledgements // a put that was answered, hints to come
	phaseForward              // another node coordinates it
	phasePrepare              // of a compare-and-set or a serial read, as the following
	phaseRefresh              // replicas without the last commit are sent it
	phaseSerialRead
	phasePropose
	phaseFinish // what another has left is committed
	phaseBackOff
)

// operation is one request in progress.
type operation struct {
	number  uint64
	request uint64 // the client's Request.ID
	get     bool
	phase   phase
	course  course // for the evidence
	began   int64  // Now.Mono, for the evidence
	key     string
	// cell is the newest that was read, or what is written.
	cell Cell
	// version is that of the write itself; cell may be a state with newer ones in it.
	version Version
	n, w, r int
	// counted is how many legs' answers count in this phase, of the need, in the scope.
	counted, need int
	scope         scope
	// writes and reads are the scopes of w and r; level is what they come from, for the evidence.
	writes, reads scope
	level         Level
	// special: answers must be more than so many; then pr, pw and dw are, where
	// they are not 0, how many home replicas must answer and acknowledge, and
	// how many logs must have the write. See primaries.go.
	special    bool
	pr, pw, dw int
	// choosy: only some replicas are asked; whole, how many of them for their
	// cell; hurried: those that have not answered are not waited for any more;
	// speculated: one more than necessary was asked. See readset.go.
	choosy, hurried, speculated bool
	whole                       uint8
	// relay is whose request it is, forwarded what was handed on to whom; see forward.go.
	relay     *relay
	forwarded *forwardBody
	// datacenter is the coordinator's, of how many; both 0 where there is one only.
	datacenter, datacenters uint8
	order                   []NodeID
	// legs has the n home replicas, in order, then the stand-ins.
	legs  []leg
	hints []NodeID
	// update is what one replica is asked to do first; nil with last write wins.
	update *update
	// transaction is the course of a compare-and-set or a serial read; nil for all others.
	transaction *transaction
}

// leg is one replica's part in an operation.
type leg struct {
	node NodeID
	// home is the position in the preference list that the node answers for.
	home uint8
	// datacenter is that of its home replica.
	datacenter uint8
	flags      legFlags
	// version is what it answered to a read or a fetch.
	version Version
	// object is the state that came with it; nil with last write wins.
	object Object
	// digest is what it answered to a digest read.
	digest uint64
}

type legFlags uint16

const (
	legAnswered legFlags = 1 << iota // in the evidence's sense: to the read, else to the write, else to the fetch
	legCounted
	legHolds    // it durably holds the operation's cell or a newer one
	legSent     // a write, write-back or repair was sent to it
	legRepaired // it acknowledged a write-back or repair
	legHinted   // a hint is kept for it
	legStandIn
	legPending // it is written to because the ring changes, and not read
	legFetched // its answer to the fetch was one of those that the version was chosen by
	legRead    // its answer to the read of a compare-and-set counted
	legRefused // no hint is kept for it, and that has been counted
	legAsked   // it was asked, in a read that does not ask all
	legDigest  // it answered with the digest of a cell that is not known to be the one that was read
	legDurable // its log has what is written
)

func (l *leg) is(f legFlags) bool { return l.flags&f != 0 }

// request starts an operation, or refuses it.
func (n *Node) request(q *Request) {
	quorum := n.quorum(q)
	get := q.Kind == RequestGet
	if problem := n.problem(q, &quorum); problem != "" {
		n.refuse(q, quorum, CodeBadRequest, problem)
		return
	}
	if n.coordinator.open.taken >= maxOpen {
		n.refuse(q, quorum, CodeOverloaded, fmt.Sprintf("%d requests are open already: slow down", maxOpen))
		return
	}
	order, homes := n.ring.placed(q.Key, quorum.n)
	quorum.homes = homes
	consensus := q.consensus(&quorum)
	if n.ringChanges() && (!get || n.settings.Repair == RepairABD || consensus) {
		order, quorum.pending = n.widen(q.Key, homes, order)
	}
	if n.settings.Routing != RoutingAny && n.forwards(q, quorum, order) {
		return
	}
	if consensus {
		n.startTransaction(q, quorum, order)
		return
	}
	if code, why := n.shortage(get, &quorum, order); code != "" {
		n.refuse(q, quorum, code, why)
		return
	}
	op := n.open(q, &quorum, order)
	switch {
	case get:
		n.startRead(op)
	case n.settings.Fetches():
		n.startFetch(op)
	default:
		n.startTimestampedWrite(op, q.Timestamp)
	}
}

// refuse answers a request that was not started.
func (n *Node) refuse(q *Request, u quorum, code, why string) {
	r := Reply{ID: q.ID, Status: StatusDefinite, Code: code, Message: why}
	if !n.omitEvidence {
		r.Evidence.Required = u.w
		if q.Kind == RequestGet {
			r.Evidence.Required = u.r
		}
	}
	if r.relay = q.relay; r.relay != nil {
		n.routing.relays = true
	}
	n.out.Replies = append(n.out.Replies, r)
}

// problem says in what way the request could never be carried out; empty: in none.
func (n *Node) problem(q *Request, u *quorum) string {
	switch {
	case q.Kind == 0 || q.Kind > lastRequestKind:
		return fmt.Sprintf("unknown kind of request %d", q.Kind)
	case n.unsupported(q) != "":
		return n.unsupported(q)
	case q.consensus(u) && n.serialProblem(q, *u) != "":
		return n.serialProblem(q, *u)
	case q.Key == "" || len(q.Key) > MaxKeyBytes:
		return fmt.Sprintf("a key of %d bytes: keys have 1 to %d", len(q.Key), MaxKeyBytes)
	case len(q.Value) > MaxValueBytes:
		return fmt.Sprintf("a value of %d bytes: values have at most %d", len(q.Value), MaxValueBytes)
	case q.plain() && u.n <= n.ring.Nodes():
		return "" // the settings were checked when they were made
	case q.Timestamp < 0:
		return fmt.Sprintf("timestamp %d: timestamps are positive", q.Timestamp)
	case q.Timestamp != 0 && (n.settings.Timestamps != TimestampsClient || q.Kind == RequestGet):
		return "a timestamp: only writes may have one, and only with timestamps=client"
	}
	if problem := n.contextProblem(q); problem != "" {
		return problem
	}
	return n.impossible(q, u)
}

// plain says that the request leaves everything to the settings.
func (q *Request) plain() bool {
	return q.N|q.R|q.W|q.PR|q.PW|q.DW|int(q.Level) == 0 && q.Timestamp == 0 && q.Context == nil && q.Kind <= RequestDelete
}

// open makes the operation, its legs for the home replicas and its timers.
func (n *Node) open(q *Request, u *quorum, order []NodeID) *operation {
	c := &n.coordinator
	var op *operation
	if k := len(c.free); k > 0 {
		op = c.free[k-1]
		c.free = c.free[:k-1]
	} else {
		op = &operation{legs: make([]leg, 0, u.homes)}
	}
	op.number = c.open.add(op)
	op.request, op.get, op.key, op.began = q.ID, q.Kind == RequestGet, q.Key, n.now.Mono
	op.n, op.w, op.r, op.order = u.homes+u.pending, u.w+u.pending, u.r, order
	op.writes, op.reads, op.level = u.writes, u.reads, u.level
	op.pr, op.pw, op.dw, op.relay = u.pr, u.pw, u.dw, q.relay
	if op.get {
		op.special = n.settings.special || u.pr > 0
	} else {
		op.special = u.pw|u.dw != 0
	}
	for home, node := range order[:op.n] {
		op.legs = append(op.legs, leg{node: node, home: uint8(home)})
		if home >= u.homes {
			op.legs[home].flags = legPending
		}
	}
	if s := n.ring.spread; s != nil {
		op.datacenter, op.datacenters = s.of[n.id], uint8(len(s.sizes))
		for i := range op.legs {
			op.legs[i].datacenter = s.of[op.legs[i].node]
		}
	}
	if q.Kind != RequestGet && (n.settings.updates() || n.settings.DataType == DataTypeRow) {
		op.update = &update{context: q.Context, operand: q.Operand}
	}
	switch q.Kind {
	case RequestPut:
		op.cell.Value = q.Value
	case RequestDelete:
		op.cell.Tombstone = true
	}
	n.setDeadline(&c.requests, op, n.settings.RequestTimeout)
	return op
}

// close forgets the operation: whatever still arrives for it is ignored.
func (n *Node) close(op *operation) {
	c := &n.coordinator
	c.open.remove(op.number)
	if op.phase == phaseLateAnswers || op.phase == phaseAsyncRepair {
		c.repairs--
	}
	*op = operation{legs: op.legs[:0]}
	if len(c.free) < 4096 {
		c.free = append(c.free, op)
	}
}

// requestBits is how much of a request number on the wire counts the requests
// of one incarnation; the rest are the low bits of the incarnation.
const requestBits = 40

func (n *Node) wireNumber(op *operation) uint64 {
	return uint64(n.incarnation)<<requestBits | op.number&(1<<requestBits-1)
}

// find returns the operation that an answer belongs to and the leg it answers
// for, or nil if the operation is over, was another incarnation's, or did not
// ask that node.
func (n *Node) find(m *Message) (*operation, *leg) {
	if m.Request>>requestBits != uint64(n.incarnation)&(1<<(64-requestBits)-1) {
		return nil, nil
	}
	op := n.coordinator.open.find(m.Request & (1<<requestBits - 1))
	if op == nil || op.key != m.Key {
		return nil, nil
	}
	for i := range op.legs {
		if op.legs[i].node == m.From {
			return op, &op.legs[i]
		}
	}
	return nil, nil
}

// ask sends the request of one phase to one leg.
func (n *Node) ask(op *operation, l *leg, kind MessageKind) {
	m := n.message(kind, l.node)
	m.Origin, m.Request, m.Key = op.request, n.wireNumber(op), op.key
	if kind == MessageWrite {
		m.Cell = op.cell
		m.Durable = op.dw > 0
		l.flags |= legSent
	}
	if l.is(legStandIn) {
		m.StandsIn, m.HintFor = true, op.order[l.home]
	}
}

// requestTimeout ends what an operation is waiting for.
func (n *Node) requestTimeout(op *operation) {
	switch op.phase {
	case phaseRead:
		if !op.special || !n.lateRead(op) {
			n.readTimeout(op, legAnswered, op.r, "answered the read")
		}
	case phaseWriteBack:
		n.readTimeout(op, legHolds, op.w, "hold the value that was read")
	case phaseRepair:
		n.readTimeout(op, legHolds, op.r, "hold the value that was read")
	case phaseLateAnswers:
		n.startAsyncRepair(op)
	case phaseAsyncRepair:
		n.close(op)
	case phaseFetch:
		n.fetchTimeout(op)
	case phaseUpdate, phaseWrite:
		n.writeTimeout(op)
	case phaseLateAcknowledgements:
		n.hintMissing(op)
		n.close(op)
	case phaseForward:
		n.forwardTimeout(op)
	case phasePrepare, phaseRefresh, phaseSerialRead, phasePropose, phaseFinish, phaseBackOff:
		n.transactionTimeout(op)
	}
}
