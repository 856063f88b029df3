package checker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// held is what a home replica's dump shows of a key: a version, or "" for nothing.
type held struct {
	node    string
	version string
	at      int32 // position of the dump
}

// diverged derives why a replica lacks the newest version that another one
// holds at the end of the run. A replica that held it and lost it lost data; one
// that was not restarted since the write never had it, for what a replica
// holds only grows newer: then the write itself, a hint and every repair missed it.
func (k *facts) diverged() deduction {
	newest, known := k.newest()
	if !known {
		if d, found := k.overwrittenReplica(); found {
			return d
		}
		return undetermined("the store did not tell which of the versions that its replicas hold is the newest")
	}
	w := k.writeOf(newest)
	if w == nil {
		return undetermined("the write of version %s is not known", newest)
	}
	var first deduction
	for _, h := range k.f.held {
		if h.version == newest {
			continue
		}
		d := k.lacks(w, newest, h)
		if d.cause != CauseUnknown {
			return d
		}
		if first.cause == "" {
			first = d
		}
	}
	return first
}

// newest is the newest version that a replica holds.
func (k *facts) newest() (version string, known bool) {
	for _, h := range k.f.held {
		order, sure := k.compare(h.version, version)
		if !sure {
			return "", false
		}
		if order > 0 {
			version = h.version
		}
	}
	return version, version != ""
}

// writeOf is the write of the version, or nil.
func (k *facts) writeOf(version string) *fact {
	var value history.Value
	for i := range k.all {
		x := &k.all[i]
		if x.e == nil || x.e.Version != version {
			continue
		}
		if x.o.F == history.FCAS && x.o.Type == history.Fail {
			continue // what it found
		}
		if x.o.F != history.FRead {
			return x
		}
		value = x.o.Output
	}
	if value.Kind() != history.Int {
		return nil
	}
	for i := range k.all {
		if v, ok := written(k.all[i].o); ok && v == value {
			return &k.all[i]
		}
	}
	return nil
}

// lacks derives why the replica does not hold the version of the write.
func (k *facts) lacks(w *fact, version string, h held) deduction {
	dump := &k.t.operations[h.at]
	q := inquiry{by: &fact{position: h.at, o: dump}, answers: []replicaAnswer{{node: h.node, version: h.version}}}
	if d, found := k.lost(w, version, q); found {
		return d
	}
	if list := k.restarts(h.node, w.o.Start, finish(dump)); len(list) > 0 {
		return undetermined("%s lacks version %s and %s: it may have had that version and lost it", h.node, version, list[len(list)-1].what)
	}
	if w.e == nil || len(w.e.Replicas) == 0 {
		return undetermined("the store did not tell which replicas %s was sent to", k.name(w))
	}
	for _, r := range w.e.Replicas {
		if r.HintFor == h.node && r.Answered {
			return k.undelivered(w, version, r.Node, h.node, "acknowledged "+k.name(w)+" as a stand-in for", dump.Start)
		}
	}
	if slices.Contains(w.e.Hints, h.node) && w.e.Coordinator != "" {
		return k.undelivered(w, version, w.e.Coordinator, h.node, "kept "+k.name(w)+" as a hint for", dump.Start)
	}
	var others []string
	for _, o := range k.f.held {
		if o.version == version {
			others = append(others, o.node)
		}
	}
	how := "was acknowledged without " + h.node
	if w.o.Type != history.Ok {
		how = "did not get its quorum"
	}
	return deduction{CauseUnrepaired, fmt.Sprintf("%s %s; %s had it at the end, but nothing ever brought it to %s, which was not restarted since",
		k.name(w), how, list(others), h.node)}
}

// homesOf are the home replicas that the operations asked: all n of the key if
// one of them is a write, or in a store whose reads ask all of them, too.
func homesOf(evidence ...*history.Evidence) (names []string) {
	for _, e := range evidence {
		if e == nil {
			continue
		}
		for _, r := range e.Replicas {
			if r.HintFor == "" && !slices.Contains(names, r.Node) {
				names = append(names, r.Node)
			}
		}
	}
	return names
}

// name is an operation in a few words: "the write of 7", "the read by process 3 at 0.250 s".
func (k *facts) name(x *fact) string {
	if x.o.F == history.FDelete {
		return fmt.Sprintf("the delete by process %d at %s", x.o.Process, clock(x.o.Start))
	}
	if x.o.F == history.FRead {
		return fmt.Sprintf("the read by process %d at %s", x.o.Process, clock(x.o.Start))
	}
	return fmt.Sprintf("the %s of %s", x.o.F, k.value(x))
}

func (k *facts) value(x *fact) string {
	if v, ok := written(x.o); ok {
		return showValue(v)
	}
	return showValue(x.o.Input)
}

// inquirer is who asked: "the read by process 3 at 0.250 s".
func (k *facts) inquirer(q inquiry) string {
	if q.fetch {
		return fmt.Sprintf("the question for the greatest version before %s", k.name(q.by))
	}
	return k.name(q.by)
}

// answered is what a replica answered to those who asked: "answered the read by process 3 at 0.250 s with version 7".
func (k *facts) answered(q inquiry, version string) string {
	if q.by.o.F == history.FDump {
		return fmt.Sprintf("showed %s in its dump at %s", versionOrNothing(version), clock(q.by.o.Start))
	}
	return fmt.Sprintf("answered %s with %s", k.inquirer(q), versionOrNothing(version))
}

// stamper is whose clock stamped the write, as far as that was told.
func stamper(w *fact) string {
	if w.e == nil || w.e.Coordinator == "" {
		return "a clock that was not told"
	}
	return w.e.Coordinator
}

// names lists the nodes of the answers, with those that they stood in for.
func names(answers []replicaAnswer) string {
	all := make([]string, len(answers))
	for i, a := range answers {
		all[i] = a.node
		if a.standsFor != "" {
			all[i] += " (standing in for " + a.standsFor + ")"
		}
	}
	return orNobody(all)
}

func versionOrNothing(version string) string {
	if version == "" {
		return "nothing"
	}
	return "version " + version
}

// finish is when the operation ended, as far as that is certain.
func finish(o *history.Operation) int64 {
	if o.End == history.Infinity {
		return o.Start
	}
	return o.End
}

// why puts a deduction into a sentence: what follows, and the cause's name.
func (d deduction) sentence() string {
	switch d.cause {
	case "":
		return ""
	case CauseUnknown:
		return fmt.Sprintf("Why: the cause is not determined, for %s.", d.why)
	}
	return fmt.Sprintf("Why: %s (%s).", strings.TrimSuffix(d.why, "."), d.cause)
}
