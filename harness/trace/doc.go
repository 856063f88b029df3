// Package trace is what a simulated run tells beside its history: the messages
// between clients and nodes, what became of each, and the states of the
// replicas. A space-time diagram is drawn from it.
//
// # Why beside the history
//
// A history is what clients saw, and checkers may use nothing else. Why they
// saw it is in the messages, of which there are a dozen to an operation. They
// matter for the few operations of a witness only. A simulated run can be
// repeated exactly, so the trace is made afterwards: the run is repeated and
// only what concerns the witnesses' keys, around the witnesses' time, is kept.
// A Collector does the keeping: it takes every event and forgets most.
//
// # The file
//
// trace.jsonl, one Event a line, ordered by Time. Writer and Reader hold
// events to the same rules (Event.Validate), so that a mistake of a simulator
// shows where the file is written and not in a picture that makes no sense.
// A file that ends in the middle of a line is read up to there, with a
// warning; anything else that is no event is an error that names the line.
// Fields are only ever added to the format; readers ignore what they don't know.
//
// The file is encoded by encoding/json. It is a few thousand lines at most,
// so that speed is worth less than one definition of the format.
package trace
