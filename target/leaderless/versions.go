package leaderless

import (
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// VersionsOf returns what a client makes of the reply to a get, put or delete of
// a key whose concurrent values are kept. Of a store that keeps none it is the
// one value, without a dot. Its errors are those of Reading and Written.
// evidence, which may be nil, becomes part of the result.
//
// Deleted siblings are not among the values; the context covers them.
func VersionsOf(settings *core.Settings, get bool, r *core.Reply, evidence *history.Evidence) (target.Versions, error) {
	v := target.Versions{Evidence: evidence}
	if r.Status != core.StatusOK {
		return v, &target.Error{Definite: get || r.Status == core.StatusDefinite, Evidence: evidence, Message: failure(r.Code, r.Message)}
	}
	v.Context = r.Context
	context, err := core.ParseContext(r.Context)
	if err != nil {
		return v, &target.Error{Definite: get, Evidence: evidence, Message: "the causal context of the reply: " + err.Error()}
	}
	if len(context.Seen) > 0 {
		v.Counters = make(map[string]int64, len(context.Seen))
	}
	for _, e := range context.Seen {
		v.Counters[actorName(settings, e.Actor)] = int64(e.Counter)
	}
	for i := range r.Siblings {
		s := &r.Siblings[i]
		dot := dotOf(settings, s.Dot)
		if !get && s.Version == r.Cell.Version {
			v.Own = dot
		}
		if !s.Tombstone {
			v.Values, v.Dots = append(v.Values, s.Value), append(v.Dots, dot)
		}
	}
	if get && r.Siblings == nil && r.Found {
		v.Values, v.Dots = [][]byte{r.Cell.Value}, []history.Dot{{}}
	}
	return v, nil
}

// dotOf returns a dot under the node's name.
func dotOf(settings *core.Settings, d core.Dot) history.Dot {
	if d.IsZero() {
		return history.Dot{}
	}
	return history.Dot{Node: actorName(settings, d.Actor), Counter: int64(d.Counter)}
}

// actorName is the actor with its node's name: "n1", or "n1/2.1" in an epoch.
func actorName(settings *core.Settings, a core.Actor) string {
	if int(a.Node) >= len(settings.Nodes) {
		return a.String()
	}
	return a.Name(settings.Nodes[a.Node])
}
