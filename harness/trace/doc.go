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
//
// # The file
//
// trace.jsonl, one Event a line, ordered by Time.
package trace
