package core

// resolver=arrival: a replica overwrites what it holds with whatever arrives.
//
// It is what replication would be if nobody thought of conflicts (DDIA ch. 5,
// figure 5-12), and it is in use: Riak does it with last_write_wins=true, whose
// "last" is the last to arrive (riak_kv_vnode:put_merge/6). Two concurrent
// writes reach one replica in one order and another replica in the other, and
// the two hold different values from then on, for ever (the catalogue's item
// 14). It takes no fault, only two messages that overtake each other.
//
// Nothing can mend it, because nothing tells which of two values is the newer
// one; the versions that writes have all the same serve to recognise a write, and
// to tell the story afterwards. So
//
//   - a read returns the first value that arrives among its r answers. Another
//     read may return another one, in turns;
//   - read repair helps only replicas that have nothing at all;
//   - hints and repairs overwrite as well: one that comes late puts an old value
//     in the place of a new one. So does a message that the network delivers twice.
//
// What it buys is that a write needs neither a clock nor a read before it. With
// a commutative merge, any of the other resolvers, replicas converge.
//
// The log tells a replica that starts again what arrived last: here, and with
// siblings (whose vectors may have been pruned), the last record of a key is
// its state, and not the greatest.

// takeAnswer adds an answer to what a read has found.
func (n *Node) takeAnswer(found, answer *Cell) {
	if n.order == orderByArrival && !found.Version.IsZero() {
		return
	}
	n.merge(found, answer)
}

// lastRecordWins says that of several states of a key on one replica the last
// one is right, and not the join of all.
func (v *VersionSettings) lastRecordWins() bool {
	return v.Resolver != ResolverLWW
}
