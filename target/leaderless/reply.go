package leaderless

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// A client learns of a reply over HTTP, a simulation has it at hand. The
// functions below make of the latter what a client makes of the former, so
// that a history says the same wherever it was recorded.

// Evidence returns the evidence of a reply of the coordinator, as a client
// gets it. The settings are those of the nodes.
func Evidence(settings *core.Settings, coordinator core.NodeID, r *core.Reply) *history.Evidence {
	if r.Evidence.Forwarded {
		coordinator = r.Evidence.Coordinator
	}
	e := &history.Evidence{
		Coordinator: settings.Nodes[coordinator],
		Required:    r.Evidence.Required,
		Version:     r.Cell.Version.String(),
		Hints:       names(settings, r.Evidence.Hints),
		Took:        r.Evidence.Took,
	}
	switch {
	case settings.Resolver == core.ResolverArrival:
		e.Arrival = true
	case settings.Fetches():
		e.Counter = r.Cell.Version.Time
	default:
		e.Timestamp = r.Cell.Version.Time
	}
	if r.Evidence.Level != core.LevelNumbers {
		e.Level = r.Evidence.Level.String()
	}
	if len(r.Evidence.Phases) > 0 {
		e.Phases = r.Evidence.Phases
	}
	if len(r.Evidence.Replicas) > 0 {
		e.Replicas = make([]history.ReplicaEvidence, len(r.Evidence.Replicas))
	}
	for i := range r.Evidence.Replicas {
		from := &r.Evidence.Replicas[i]
		e.Replicas[i] = history.ReplicaEvidence{
			Node: settings.Nodes[from.Node], Answered: from.Answered, Counted: from.Counted, Version: from.Version.String(),
			Repaired: from.Repaired, Fetched: from.Fetched, RoundTrip: from.RoundTrip,
		}
		if settings.Datacenters > 1 {
			e.Replicas[i].Datacenter = core.DatacenterName(settings.Datacenter(from.Node))
		}
		if from.StandsIn {
			e.Replicas[i].HintFor = settings.Nodes[from.HintFor]
		}
	}
	e.Grace, e.Causal = r.Evidence.Grace, Causal(settings, &r.Evidence)
	return e
}

// Causal is what the core's evidence tells of causality, with the nodes' names; nil where it tells nothing.
func Causal(settings *core.Settings, from *core.Evidence) *history.CausalEvidence {
	c := from.Causal
	if c == nil {
		return nil
	}
	e := &history.CausalEvidence{Clocks: settings.Resolver.String()}
	for _, v := range c.Versions {
		e.Versions = append(e.Versions, v.String())
	}
	if len(c.Versions) > 0 {
		return e // of a read
	}
	e.Context = counters(settings, c.Context)
	if len(c.Clock) > 0 {
		e.Clock = counters(settings, c.Clock)
	}
	if !c.Dot.IsZero() {
		e.Dot = dotOf(settings, c.Dot).String()
	}
	return e
}

// counters are the entries of a vector by the names of their actors.
func counters(settings *core.Settings, v core.Vector) map[string]int64 {
	all := make(map[string]int64, len(v))
	for _, e := range v {
		all[actorName(settings, e.Actor)] = int64(e.Counter)
	}
	return all
}

// Reading returns what a client of the named node makes of the reply to a get
// of the key. Its errors are *target.Error, and definite. evidence, which may
// be nil, becomes part of the result.
func Reading(node, key string, r *core.Reply, evidence *history.Evidence) (target.Reading, error) {
	if r.Status != core.StatusOK {
		return target.Reading{}, &target.Error{Definite: true, Evidence: evidence, Message: failure(r.Code, r.Message)}
	}
	reading := target.Reading{Found: r.Found, Evidence: evidence}
	switch {
	case !r.Found:
		return reading, nil
	case r.Siblings != nil:
		return siblingReading(node, key, r, evidence)
	}
	value, err := strconv.ParseInt(string(r.Cell.Value), 10, 64)
	if err != nil {
		return target.Reading{}, notANumber(node, key, printable(r.Cell.Value), evidence)
	}
	reading.Value = value
	return reading, nil
}

// siblingReading is a reading of all the values that are no tombstones.
func siblingReading(node, key string, r *core.Reply, evidence *history.Evidence) (target.Reading, error) {
	reading := target.Reading{Evidence: evidence}
	for i := range r.Siblings {
		s := &r.Siblings[i]
		if s.Tombstone {
			continue
		}
		value, err := strconv.ParseInt(string(s.Value), 10, 64)
		if err != nil {
			return target.Reading{}, notANumber(node, key, printable(s.Value), evidence)
		}
		if reading.Found {
			reading.Beside = append(reading.Beside, value)
		} else {
			reading.Value, reading.Found = value, true
		}
	}
	return reading, nil
}

func printable(value []byte) string {
	if utf8.Valid(value) {
		return string(value)
	}
	return ""
}

// Written returns what a client makes of the reply to a put. Its errors are
// *target.Error. evidence, which may be nil, becomes part of the result.
func Written(r *core.Reply, evidence *history.Evidence) (*history.Evidence, error) {
	if r.Status != core.StatusOK {
		return evidence, &target.Error{Definite: r.Status == core.StatusDefinite, Evidence: evidence, Message: failure(r.Code, r.Message)}
	}
	return evidence, nil
}

// failure is the message of an error that the node told.
func failure(code, message string) string { return code + ": " + message }

// notANumber is the error of a read that found what this client can't have written.
func notANumber(node, key, text string, evidence *history.Evidence) *target.Error {
	return &target.Error{
		Definite: true, Evidence: evidence,
		Message: fmt.Sprintf("node %s: the value %q of key %s is not a decimal 64-bit integer: something else wrote it", node, text, key),
	}
}

// Dump returns a replica's state, as a client gets it.
func Dump(settings *core.Settings, entries []core.DumpEntry, hints []core.DumpHint) history.Dump {
	dump := history.Dump{Entries: make([]history.DumpEntry, len(entries)), Hints: make([]history.DumpHint, len(hints))}
	for i, h := range hints {
		dump.Hints[i] = history.DumpHint{Key: h.Key, Version: h.Version.String(), For: settings.Nodes[h.Home]}
	}
	for i := range entries {
		e := &entries[i]
		values := e.Values()
		entry := history.DumpEntry{
			Key: e.Key, Version: values[0].Version.String(), Value: string(values[0].Value), Tombstone: values[0].Tombstone, Home: names(settings, e.Home),
		}
		for _, s := range values[1:] {
			entry.Siblings = append(entry.Siblings, history.DumpSibling{Version: s.Version.String(), Value: string(s.Value), Tombstone: s.Tombstone})
		}
		dump.Entries[i] = entry
	}
	return dump
}

// names returns the names of nodes, nil if there are none.
func names(settings *core.Settings, ids []core.NodeID) []string {
	if len(ids) == 0 {
		return nil
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = settings.Nodes[id]
	}
	return names
}
