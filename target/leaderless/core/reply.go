package core

import (
	"fmt"
	"slices"
)

// course is what an operation did, in order.
type course uint8

const (
	courseRead course = iota + 1
	courseWriteBack
	courseRepair
	courseFetch
	courseFetchWrite
	courseWrite
	courseDigestRead
	courseUpdate
	courseUpdateWrite
)

// phasesOf are the possible values of Evidence.Phases; shared, never changed.
var phasesOf = [...][]string{
	courseRead:       {"read"},
	courseWriteBack:  {"read", "write-back"},
	courseRepair:     {"read", "repair"},
	courseFetch:      {"fetch"},
	courseFetchWrite: {"fetch", "write"},
	courseWrite:      {"write"},
	courseDigestRead: {"digest", "read"},

	courseUpdate:      {"update"},
	courseUpdateWrite: {"update", "write"},
}

// succeed answers the client with the operation's cell.
func (n *Node) succeed(op *operation) {
	r := n.reply(op, StatusOK)
	r.Cell = op.cell
	if op.get {
		r.Found = !op.cell.Version.IsZero() && !op.cell.Tombstone
	} else {
		r.Cell.Value = nil
		r.Applied = op.transaction != nil
	}
	if op.cell.Object != nil || n.settings.Clock == ClockHybrid {
		n.tellVersions(r, op)
	}
}

// fail answers the client that the operation failed.
func (n *Node) fail(op *operation, status ReplyStatus, code, why string) {
	r := n.reply(op, status)
	r.Code, r.Message = code, why
	if !op.get {
		r.Cell = Cell{Version: op.version, Tombstone: op.cell.Tombstone}
	}
}

// reply adds the operation's reply to the effects; the caller completes it.
func (n *Node) reply(op *operation, status ReplyStatus) *Reply {
	r := next(&n.out.Replies)
	r.ID, r.Status = op.request, status
	if op.relay != nil {
		r.relay, n.routing.relays = op.relay, true
	}
	if !n.omitEvidence {
		r.Evidence = n.evidence(op)
	}
	return r
}

// tooFew is the message of a timeout.
func (n *Node) tooFew(have, need int, did, consequence string) string {
	return fmt.Sprintf("%d of %d needed replicas %s within %s: %s", have, need, did, formatDuration(n.settings.RequestTimeout), consequence)
}

func (n *Node) evidence(op *operation) Evidence {
	e := Evidence{Required: op.w, Phases: phasesOf[op.course], Hints: slices.Clone(op.hints), Replicas: make([]ReplicaEvidence, 0, len(op.legs))}
	e.Took, e.Level = max(n.now.Mono-op.began, 1), op.level
	if op.get {
		e.Required = op.r
	}
	for i := range op.legs {
		l := &op.legs[i]
		if op.spared(l) {
			continue
		}
		r := next(&e.Replicas)
		*r = ReplicaEvidence{
			Node: l.node, Answered: l.is(legAnswered), Counted: l.is(legCounted),
			Version: l.version, Repaired: l.is(legRepaired), Fetched: l.is(legFetched), RoundTrip: n.coordinator.trips.trip(op, l.node),
		}
		if l.is(legStandIn) {
			r.StandsIn, r.HintFor = true, op.order[l.home]
		}
	}
	switch {
	case op.transaction != nil:
		op.transactionEvidence(&e)
	case op.cell.Object != nil || op.update != nil:
		n.causalEvidence(op, &e)
	case op.cell.Tombstone && !op.get:
		e.Grace = n.settings.TombstoneGrace()
	}
	return e
}
