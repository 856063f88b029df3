package core

import "strings"

// When is a write durable? A replica that acknowledges has written to its log,
// but the operating system keeps that in memory until it is told to sync, and a
// sync is the slowest thing that a replica does. Four bargains are in use:
//
//   - fsync=always: each acknowledgement waits for a sync; those that come
//     while one is under way share the next. Nothing acknowledged is lost.
//   - fsync=group:DURATION: the same, but there is one sync each DURATION. Fewer
//     syncs are shared by more writes, each of which waits half of it longer on
//     average (Cassandra: commitlog_sync=group, commitlog_sync_group_window).
//   - fsync=DURATION: acknowledged as soon as the operating system has it, synced
//     that often. A process that is killed loses nothing; a machine that loses its
//     power loses up to DURATION of acknowledged writes (Cassandra's default:
//     commitlog_sync=periodic, 10 s).
//   - fsync=never: the same, but synced when the operating system likes
//     (Riak's bitcask, Voldemort's BDB by default).

// DurabilitySettings are the settings of durability beside Settings.Fsync.
type DurabilitySettings struct {
	// FsyncGroup says that acknowledgements wait for the sync that comes each
	// Settings.Fsync. Only the driver uses it.
	FsyncGroup bool
}

// durabilityRows are their rows of the table.
var durabilityRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*DurabilitySettings) check(*Settings) error { return nil }

// fsyncGroup is how the value of fsync begins when acknowledgements wait for the interval's end.
const fsyncGroup = "group:"

func parseFsync(s *Settings, text string) error {
	s.FsyncGroup = false
	switch text {
	case "always":
		s.Fsync = FsyncAlways
	case "never":
		s.Fsync = FsyncNever
	default:
		interval, group := strings.CutPrefix(text, fsyncGroup)
		d, err := parseDuration(interval)
		if err != nil {
			return err
		}
		s.Fsync, s.FsyncGroup = d, group
	}
	return nil
}

func formatFsync(s *Settings) string {
	switch {
	case s.Fsync == FsyncAlways:
		return "always"
	case s.Fsync == FsyncNever:
		return "never"
	case s.FsyncGroup:
		return fsyncGroup + formatDuration(s.Fsync)
	}
	return formatDuration(s.Fsync)
}

// SyncsFirst says that a record's EventDurable means that it survives a loss of power.
func (s *Settings) SyncsFirst() bool { return s.Fsync == FsyncAlways || s.FsyncGroup }
