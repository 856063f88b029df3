package core

import "math"

// eventMemory is what a node remembers of the events that it has made, key by
// key, beside what its cells say: enough to know whether it may count on under
// the name it had (see actor.go).
type eventMemory struct {
	// own is the last event of each key since this start of the node. It
	// outlives the key's cell, which may be purged: a key that comes back from
	// elsewhere may know less than was made here.
	own map[string]Dot
	// epochs counts those that began since this start.
	epochs uint32
	// since is the first incarnation from which on the log has lost nothing.
	since uint32
}

// startEvents notes in the log since when it is whole. A log that is not, or
// that begins with this start, says nothing about what was done before.
func (n *Node) startEvents() {
	if !n.settings.makesEvents() || !n.settings.ActorEpochs {
		return
	}
	if n.events.own == nil {
		n.events.own = make(map[string]Dot)
	}
	if n.events.since == 0 || !n.settings.losesNothing() {
		n.events.since = n.incarnation
		n.log(n.eventRecord())
	}
}

// makesEvents says that writes are events in a causal clock.
func (s *Settings) makesEvents() bool { return s.updates() }

// losesNothing says that what this node has told others of is in its log whatever happens to it, but for its disk.
func (s *Settings) losesNothing() bool {
	return s.SyncsFirst() && s.Acknowledge != AcknowledgeBeforeLog
}

// eventRecord says since when the log is whole, and as a tombstone that it isn't even since then.
func (n *Node) eventRecord() *record {
	return &record{kind: recordActor, cell: Cell{Version: Version{Incarnation: n.events.since}, Tombstone: !n.settings.losesNothing()}}
}

// CopiedLog returns a record that a driver adds to a log which is not the one
// that the node wrote last: one that was restored from a backup, or copied from
// another node. Whatever such a log says, the node has done more since, or less,
// and must not take it for its memory (see actor.go).
func CopiedLog() []byte {
	return encodeRecord(&record{kind: recordActor, cell: Cell{Tombstone: true}})
}

// recoverEvents takes over the record of an earlier start; the last one holds.
func (n *Node) recoverEvents(r *record) {
	n.events.since = r.cell.Version.Incarnation
	if r.cell.Tombstone {
		n.events.since = 0
	}
}

// eventActor returns the actor under which this node makes its next event of
// the key. local is the key's vector as this node holds it, context what the
// writer has seen.
func (n *Node) eventActor(key string, local, context Vector) Actor {
	if !n.settings.ActorEpochs {
		return Actor{Node: n.id}
	}
	if own, ok := n.events.own[key]; ok {
		if local.Has(own) {
			return own.Actor
		}
		return n.newActor() // what it held was purged, or its entry pruned
	}
	// The first event of the key since this start. What it holds under its own
	// name is older, or was handed to it by others who may know less than all.
	if i, _ := local.find(Actor{n.id, uint64(n.incarnation) << 32}); i > 0 && local[i-1].Actor.Node == n.id {
		e := &local[i-1]
		if e.Actor.incarnation() >= n.events.since && context.Counter(e.Actor) <= e.Counter {
			return e.Actor
		}
	}
	return n.newActor()
}

// newActor begins an epoch.
func (n *Node) newActor() Actor {
	n.events.epochs++
	return Actor{n.id, uint64(n.incarnation)<<32 | uint64(n.events.epochs)}
}

// forgetEvents notes, when the log says that the key was purged, that what it
// says of the key from then on is what others knew.
func (n *Node) forgetEvents(key string) {
	if n.settings.makesEvents() && n.settings.ActorEpochs {
		if n.events.own == nil {
			n.events.own = make(map[string]Dot)
		}
		n.events.own[key] = Dot{Actor{Node: n.id}, math.MaxUint64}
	}
}

// madeEvent remembers an event.
func (n *Node) madeEvent(key string, d Dot) {
	if n.settings.ActorEpochs {
		n.events.own[key] = d
	}
}
