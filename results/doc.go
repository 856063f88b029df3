// Package results keeps what a run leaves behind and tells people and
// programs about it: the run folder, results.json, junit.xml, summary.md, the
// last lines on the terminal, and report.html.
//
// # Files first
//
// A report is drawn from the files of a run folder alone: plan.json,
// history.jsonl and results.json. Write turns the checkers' report into
// results.json and then calls Draw, which knows nothing but the folder. So a
// report can be drawn again years later, on another machine or by a newer
// refute, and nothing is in a report that cannot be traced to a file beside
// it. The digests of the plan and the history in results.json say which files
// a verdict was about.
//
//	results/runs/NAME/TIMESTAMP/
//	    plan.json       everything that is needed to run again
//	    history.jsonl   what happened, an event a line
//	    trace.jsonl     the messages behind the witnesses (simulated runs alone)
//	    results.json    the verdicts, for programs (Document)
//	    report.html     the same for people, one self-contained page
//	    junit.xml       the same for CI systems
//	    summary.md      the same for a CI job's page
//	    log.txt, nodes/ the controller's and the nodes' logs
//	results/runs/latest -> NAME/TIMESTAMP
//
// # One reading, bounded memory
//
// A history can have millions of events and the report needs few of them.
// ScanFile reads it once, in order, and keeps aggregates by time, a uniform
// sample of operations for each outcome, and for each witness its operations
// with a handful of others on the same key before and after (a ring of recent
// operations for each key that a witness is about). Evidence, the bulk of a
// line, is decoded for the witnesses' operations only. What is kept does not
// grow with the history; quantiles come from histograms and are within 3 %.
//
// # The page
//
// report.html contains no reference to anything outside itself, and a content
// security policy that forbids fetching anything. Its text comes from
// html/template, which escapes whatever a store, a key or an error message
// holds; charts are drawn by uPlot (MIT, assets/uplot) from a JSON element;
// Porcupine's page of a witness sits in a sandboxed frame and is started when
// it is opened. The page never exceeds ReportMost: one that does is drawn
// again with less, and says what it leaves out.
//
// A witness can span half a run, while its operations take milliseconds. Its
// timeline is therefore not to scale: order is exact, widths grow with the
// logarithm of the time, every bar has room for its label, and left-out time
// is written where it was left out. The trade-off is that lengths cannot be
// compared by eye; the table below has the numbers.
//
// # Space-time diagrams
//
// A simulated run can tell every message, so that a reader can see why a
// witness came about and not only that it did. Below the timeline of such a
// witness stands a diagram in the manner of Lamport's: a lane for each client
// process of the witness and each node, time to the right, messages as slanted
// arrows, on each node's lane the value that it held. A value has one colour
// wherever it is, so that it can be followed with a finger from the client
// that wrote it to the one that read it, or to the × where it was lost.
//
// Messages take a millisecond and the moments that matter can be seconds
// apart, so the time axis is to scale in stretches and a zigzag cuts the time
// between them. What gets room on the axis is chosen: the witness' operations
// with their messages, the changes of a node's state to or from a value of the
// witness with the messages that brought them, ends and starts of nodes and
// the edges of faults. In a busy minute these few are what explains it; the
// rest would hide them. Labels are placed greedily, first those that tell
// most, never over another text; what finds no room is told by pointing at it.
//
// # Words
//
// Holds is shown as "holds", explained as "not refuted by this history". An
// unknown claim and an invalid run are errors in junit.xml, not skipped
// tests: a check that could not decide must not look like one that passed.
// A claim about which the history has nothing is shown as "nothing to check":
// it is unknown too, but nothing went wrong, and more time would not help.
package results
