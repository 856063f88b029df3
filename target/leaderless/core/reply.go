package core

import (
	"fmt"
	"slices"
)

// The possible values of Evidence.Phases; shared, never changed.
var (
	phasesRead       = []string{"read"}
	phasesWriteBack  = []string{"read", "write-back"}
	phasesRepair     = []string{"read", "repair"}
	phasesFetch      = []string{"fetch"}
	phasesFetchWrite = []string{"fetch", "write"}
	phasesWrite      = []string{"write"}
)

// succeed answers the client with the operation's cell.
func (n *Node) succeed(op *operation) {
	op.replied = true
	r := Reply{ID: op.request, Status: StatusOK, Evidence: n.evidence(op)}
	if op.get {
		r.Found = !op.cell.Version.IsZero() && !op.cell.Tombstone
		r.Cell = op.cell
	} else {
		r.Cell = Cell{Version: op.cell.Version, Tombstone: op.cell.Tombstone}
	}
	n.out.Replies = append(n.out.Replies, r)
}

// fail answers the client that the operation failed.
func (n *Node) fail(op *operation, status ReplyStatus, code, why string) {
	op.replied = true
	r := Reply{ID: op.request, Status: status, Code: code, Message: why, Evidence: n.evidence(op)}
	if !op.get {
		r.Cell = Cell{Version: op.cell.Version, Tombstone: op.cell.Tombstone}
	}
	n.out.Replies = append(n.out.Replies, r)
}

// tooFew is the message of a timeout.
func (n *Node) tooFew(have, need int, did, consequence string) string {
	return fmt.Sprintf("%d of %d needed replicas %s within %s: %s", have, need, did, formatDuration(n.settings.RequestTimeout), consequence)
}

func (n *Node) evidence(op *operation) Evidence {
	e := Evidence{Required: op.w, Phases: op.phases, Hints: slices.Clone(op.hints), Replicas: make([]ReplicaEvidence, len(op.legs))}
	if op.get {
		e.Required = op.r
	}
	for i := range op.legs {
		l := &op.legs[i]
		r := &e.Replicas[i]
		*r = ReplicaEvidence{
			Node: l.node, Answered: l.is(legAnswered), Counted: l.is(legCounted),
			Version: l.version, Repaired: l.is(legRepaired),
		}
		if l.is(legStandIn) {
			r.StandsIn, r.HintFor = true, op.order[l.home]
		}
	}
	return e
}
