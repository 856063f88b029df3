// Package workloads holds what clients do in a run: one workload a file.
//
// A workload is three things that must fit together: a seeded generator of
// operations, how a client carries one out against a target, and the claims
// that the resulting history can decide. Package checker decides them; it
// knows nothing of this package and reads the history alone.
//
// # What makes a workload good at refuting
//
//   - Written values are unique, so that a read tells which write it saw.
//   - Few keys at a time, so that clients meet; and no key for long, because
//     each operation of unknown outcome stays possible for ever and the
//     search for a linearization grows with their number. Keys are retired
//     one after another, not all at once.
//   - Some clients stay on a node and some roam (generator.Nodes).
//   - In the end every key is read on every node, after all faults are healed
//     and the target is quiet: what is not there then is lost.
//
// # Outcomes
//
// [Perform] maps a client's result to ok, fail or info. An error is fail only
// if the target said that nothing happened, or if the operation is a read,
// which has no effect. Everything else is info: it may have happened.
package workloads
