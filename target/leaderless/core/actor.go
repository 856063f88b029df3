package core

import (
	"cmp"
	"strconv"
)

// Actors: under whose name an event enters a causal clock.
//
// A clock names an event by an actor and a number, and all of its meaning rests
// on one promise: an actor never gives out a number twice. In Dynamo's design
// the actor is the node that coordinates the write (Dynamo §4.4), or Riak's
// vnode, and it finds its last number in the key's own clock on its own disk.
// A node that loses that disk, or the unsynced end of its log, or that has
// purged the key, keeps its name and starts to count again. Its new write, say
// A:1, is then "seen already" by every replica that knows A:5, and dropped,
// although it was acknowledged (Riak's issue riak_kv#679, "actor amnesia"; the
// catalogue's item 18).
//
// The remedy is Riak's (riak_kv_vnode, "key epochs", since 2.1): a node that
// can't be sure of its last number for a key doesn't go on under the old name.
// It takes a new epoch, and the pair of both is the actor. It can't be sure if
//
//   - it holds nothing of the key, or nothing under its own name: a key that is
//     new to it looks just like one that it has forgotten;
//   - its log may have lost its end since it gave out that number: it has been
//     started again since, and the settings acknowledge what isn't on disk yet
//     (fsync, acknowledge);
//   - its log is a copy: it was restored, or taken over from another node (see CopiedLog);
//   - somebody shows it a greater number of its own than it knows of.
//
// The price is an entry more in the clock for each such time. With
// actor-epochs=off the actor is the node alone, as in Dynamo and Voldemort.

// Actor is who makes causal events: a node, in one of the epochs of its memory.
type Actor struct {
	Node NodeID
	// Epoch is 0 with actor-epochs=off. Else it is the incarnation in which the
	// epoch began (upper 32 bits) and its number among those of that incarnation.
	Epoch uint64
}

// Compare orders actors: by node, then by epoch.
func (a Actor) Compare(b Actor) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Epoch, b.Epoch))
}

// String writes the actor as NODE, or NODE/INCARNATION.NUMBER with an epoch,
// all decimal; NODE is the position from 0 in the settings.
func (a Actor) String() string { return a.Name(strconv.Itoa(int(a.Node))) }

// Name writes the actor as String does, with that name for the node.
func (a Actor) Name(node string) string {
	if a.Epoch == 0 {
		return node
	}
	return node + "/" + strconv.FormatUint(a.Epoch>>32, 10) + "." + strconv.FormatUint(a.Epoch&(1<<32-1), 10)
}

// incarnation is that in which the epoch began.
func (a Actor) incarnation() uint32 { return uint32(a.Epoch >> 32) }

// Dot names one event: the Counter-th of its actor, counted from 1.
type Dot struct {
	Actor   Actor
	Counter uint64
}

// Compare orders dots: by actor, then by counter.
func (d Dot) Compare(e Dot) int {
	return cmp.Or(d.Actor.Compare(e.Actor), cmp.Compare(d.Counter, e.Counter))
}

// IsZero says that d names no event.
func (d Dot) IsZero() bool { return d.Counter == 0 }

// String writes the dot as ACTOR:COUNTER.
func (d Dot) String() string { return d.Actor.String() + ":" + strconv.FormatUint(d.Counter, 10) }

// appendTo appends the node (1 byte) and the epoch (uvarint).
func (a Actor) appendTo(buf []byte) []byte { return appendUvarint(append(buf, byte(a.Node)), a.Epoch) }

// appendTo appends the actor and the counter (uvarint).
func (d Dot) appendTo(buf []byte) []byte { return appendUvarint(d.Actor.appendTo(buf), d.Counter) }

func (d *decoder) actor() Actor { return Actor{NodeID(d.byte()), d.uvarint()} }

func (d *decoder) dot() Dot {
	dot := Dot{d.actor(), d.uvarint()}
	if d.ok() && dot.Counter == 0 {
		d.fail("an event with the number 0: they count from 1")
	}
	return dot
}
