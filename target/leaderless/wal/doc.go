// Package wal is the durable log of one node of the leaderless store: an
// append-only list of opaque records on disk that comes back, in order, when
// the node starts again.
//
// # The problem
//
// A replica that has acknowledged a write must still have it after it was
// killed. How much "must" costs is a setting, and the difference between its
// values is something that a test of the store has to see:
//
//   - Always: a record is durable once fsync has returned. It survives a power
//     failure. Appends that wait at the same time share one fsync (group
//     commit).
//   - Group, each interval: the same, but the log waits with the fsync for the
//     next tick of its clock, so that more appends share it; every one of them
//     waits half an interval longer on average (Cassandra's commitlog_sync:
//     group).
//   - Every interval: a record counts as durable as soon as write(2) has
//     returned; the file is fsynced periodically. A killed process loses
//     nothing, because what was written is in the kernel; a power failure
//     loses at most the last interval
//     (Cassandra's default, commitlog_sync: periodic).
//   - Never: the same without any fsync; the kernel writes back when it likes.
//
// # The bug that can be planted
//
// A record that is appended as eager stays in this process's own memory for up
// to Options.EagerDelay before it is handed to the kernel. A store that
// acknowledges before it logs appends its records so, and loses acknowledged
// writes when it is killed: SIGKILL spares the page cache but not a buffer in
// user space.
//
// # The design
//
// The log is a numbered sequence of segment files, of which the last one is
// written to. A record is framed by a twelve-byte header: its length, the
// CRC-32C of its bytes, and the CRC-32C of those two fields. The header's own
// checksum makes it possible to look for good records behind a bad one, and so
// to tell the two kinds of damage apart:
//
//   - A torn tail: the end of the last segment holds an incomplete record with
//     nothing good behind it. That is what a kill in the middle of a write
//     leaves. It is cut off and reported (Torn), never silently.
//   - Corruption: a bad record with good ones behind it, or in a file that is
//     not the last. No crash of ours makes that, so nothing is guessed:
//     opening fails with a *CorruptError.
//
// A power failure without fsync may leave holes in the unsynced end and thus
// look like corruption. The log then refuses to start, which errs on the side
// of not serving a state that never existed.
//
// When the segments have grown past Options.CompactAt the owner calls Compact
// with records that describe its present state. They are written to a snapshot
// file beside the log, fsynced, and renamed into place; the directory is
// fsynced, and only then the segments before it are removed. A crash anywhere
// in between leaves either the old or the new state, complete. Records that
// had not been reported as completed at that moment, so that the owner's state
// may not hold them yet, are written once more behind the snapshot: an owner
// must stand seeing a record twice.
//
// Backup gives a consistent copy of the log while it is in use; see backup.go.
// Restore makes a log of one.
//
// A file beside the segments counts the starts of the node (the incarnation);
// it is raised and fsynced before Open returns, so that no two lives of a node
// share a number. A lock file keeps two processes from one directory.
//
// # Limits
//
// All methods but Close and Stats are for one goroutine, the owner of the
// store's core. An error of the disk is final: a log that could not write or
// fsync can't know what is on disk, so every later call returns the same error
// and the owner is expected to stop. Opening reads one whole segment into
// memory at a time, and all records stay there for the caller.
package wal
