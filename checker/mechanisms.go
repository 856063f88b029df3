package checker

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// Rules for mechanisms that only some stores have. Each rests on the store's
// word that it has them: a phase, a level, a data centre, the absence of an order.

// balloted says that the operation was decided by ballots, or asked for one.
func balloted(x *fact) bool {
	return x.e != nil && slices.Contains(x.e.Phases, "prepare")
}

// unordered says that the store told of either operation that it has no order of versions.
func unordered(a, b *fact) bool {
	return a.e != nil && a.e.Arrival || b.e != nil && b.e.Arrival
}

// overwritten: a replica had the write and answered with another version, in a
// store that keeps what arrives last. It lost nothing, as nothing restarted it.
func (k *facts) overwritten(w *fact, version string, h holder, a *replicaAnswer, q inquiry) deduction {
	had := fmt.Sprintf("%s %s %s (%s) by %s and later %s", h.node, h.did, k.name(w), versionOrNothing(version), clock(finish(h.by.o)), k.answered(q, a.version))
	if list := k.restarts(h.node, h.by.o.Start, finish(q.by.o)); len(list) > 0 {
		return undetermined("%s; it %s in between, so that it may also have lost the write", had, list[len(list)-1].what)
	}
	return deduction{CauseArrival, had + ": what arrived last took the place of what it had"}
}

// overwrittenReplica finds, in a store that keeps what arrives last, a replica
// that had acknowledged or shown a version which another one still holds, and
// that holds an other one itself at the end: the two got the same writes in different orders.
func (k *facts) overwrittenReplica() (d deduction, found bool) {
	for _, h := range k.f.held {
		dump := &k.t.operations[h.at]
		q := inquiry{by: &fact{position: h.at, o: dump}, answers: []replicaAnswer{{node: h.node, version: h.version}}}
		for _, other := range k.f.held {
			if other.version == "" || other.version == h.version {
				continue
			}
			w := k.writeOf(other.version)
			if w == nil || !unordered(w, w) {
				continue
			}
			if d, found = k.lost(w, other.version, q); found && d.cause == CauseArrival {
				return d, true
			}
		}
	}
	return deduction{}, false
}

// twoRings: each of the two asked a home replica of which the other did not
// know, so they went by different rings; by its own each had a quorum that
// meets every other.
func (k *facts) twoRings(w *fact, q inquiry, wrote, asked int, sets string) (d deduction, found bool) {
	if w.e == nil || q.by.e == nil {
		return d, false
	}
	writers, readers := homesOf(w.e), homesOf(q.by.e)
	onlyWriter := slices.IndexFunc(writers, func(n string) bool { return !slices.Contains(readers, n) })
	onlyReader := slices.IndexFunc(readers, func(n string) bool { return !slices.Contains(writers, n) })
	whole := len(writers) >= wrote && len(readers) >= asked // else the store did not tell of all
	if onlyWriter < 0 || onlyReader < 0 || !whole || wrote+asked <= len(writers) || wrote+asked <= len(readers) {
		return d, false
	}
	return deduction{CauseStaleRing, fmt.Sprintf("%s; the write took %s for the home replicas and the other %s: they went by two rings, and w=%d and r=%d of either would have shared one",
		sets, list(writers), list(readers), wrote, asked)}, true
}

// locally: one of the two was content with its own data centre, and they were in different ones.
func locally(w *fact, q inquiry, acknowledged []replicaAnswer, sets string) (d deduction, found bool) {
	if w.e == nil || q.by.e == nil || !local(w.e.Level) && !local(q.by.e.Level) {
		return d, false
	}
	wrote, told := places(w.e, acknowledged)
	asked, toldToo := places(q.by.e, q.answers)
	if !told || !toldToo || slices.ContainsFunc(wrote, func(dc string) bool { return slices.Contains(asked, dc) }) {
		return d, false
	}
	return deduction{CauseLocalQuorum, fmt.Sprintf("%s: the former are in %s and the latter in %s, as level %s allows", sets, list(wrote), list(asked), localOf(w.e.Level, q.by.e.Level))}, true
}

func local(level string) bool {
	return level == "local-one" || level == "local-quorum" || level == "local-serial"
}

func localOf(levels ...string) string { return levels[slices.IndexFunc(levels, local)] }

// places are the data centres of the replicas that answered; told is false where one is not known.
func places(e *history.Evidence, answers []replicaAnswer) (datacenters []string, told bool) {
	for _, a := range answers {
		i := slices.IndexFunc(e.Replicas, func(r history.ReplicaEvidence) bool { return r.Node == a.node })
		if i < 0 || e.Replicas[i].Datacenter == "" {
			return nil, false
		}
		if dc := e.Replicas[i].Datacenter; !slices.Contains(datacenters, dc) {
			datacenters = append(datacenters, dc)
		}
	}
	return datacenters, len(datacenters) > 0
}
