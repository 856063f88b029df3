package checker

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// forgotten asks whether two writes of the key carry the same dot. A dot names
// one write (Preguiça et al., 2010): to every replica that knows the one, the
// other is the same write, or one that was replaced with it. Only a node that
// forgot what it had counted gives a dot twice, so that whatever became of
// the second write, or of the agreement about the two, follows from that. The
// finding must be about that one: it is among the finding's operations, or one
// of the replicas that differ holds it.
func (k *facts) forgotten() (d deduction, found bool) {
	first := map[history.Dot]int{}
	for i := range k.all {
		x := &k.all[i]
		if x.o.F != history.FWrite && x.o.F != history.FDelete || x.o.Type != history.Ok {
			continue
		}
		v, err := history.ParseVersions(k.t.told(x.position))
		if err != nil || len(v.Dots) != 1 || len(v.Values) > 0 {
			continue
		}
		j, again := first[v.Dots[0]]
		if !again {
			first[v.Dots[0]] = i
			continue
		}
		if w := &k.all[j]; k.concerns(x) {
			why := fmt.Sprintf("%s counted %s as its event %d of the key, as it had %s before", v.Dots[0].Node, k.name(x), v.Dots[0].Counter, k.name(w))
			if list := k.restarts(v.Dots[0].Node, finish(w.o), x.o.Start); len(list) > 0 {
				why += fmt.Sprintf(": in between it %s", list[len(list)-1].what)
			}
			return deduction{CauseActorAmnesia, why + "; whoever knows the one takes the other for the same, or for something that is long replaced"}, true
		}
	}
	return d, false
}

// concerns says whether the finding is about the write.
func (k *facts) concerns(w *fact) bool {
	if len(k.f.held) == 0 {
		return slices.Contains(k.f.positions, w.position)
	}
	return w.e != nil && slices.ContainsFunc(k.f.held, func(h held) bool { return h.version == w.e.Version })
}

// dotted says whether the finding is about writes that carry dots.
func (t *timeline) dotted(f *finding) bool {
	return slices.ContainsFunc(f.positions, func(p int32) bool {
		o := &t.operations[p]
		if o.F != history.FWrite || t.told(p).Kind() != history.Raw {
			return false
		}
		_, err := history.ParseVersions(t.told(p))
		return err == nil
	})
}

// told is what the completion at the position told, dots and context included
// where the timeline has left them out.
func (t *timeline) told(p int32) history.Value {
	if t.versioned != nil {
		return t.versioned[p].Output
	}
	return t.operations[p].Output
}
