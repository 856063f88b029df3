package wal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Mode says when a record counts as durable.
type Mode uint8

// The modes. The zero value is no valid mode.
const (
	// Always: when fsync has returned.
	Always Mode = iota + 1
	// Every: when write(2) has returned; fsync follows within Options.Interval.
	Every
	// Never: when write(2) has returned; there is no fsync.
	Never
	// Group: when fsync has returned, as with Always; there is one each Options.Interval at most.
	Group
)

// The defaults of Options.
const (
	DefaultEagerDelay = 200 * time.Millisecond
	DefaultCompactAt  = 64 << 20
	// EagerLimit is how many bytes of eager records are kept in memory at most.
	EagerLimit = 1 << 20
)

// Options are the log's settings.
type Options struct {
	Mode Mode
	// Interval is the time between two fsyncs in the modes Every and Group; greater than 0 there.
	Interval time.Duration
	// EagerDelay is how long an eager record may stay in memory. 0: DefaultEagerDelay.
	EagerDelay time.Duration
	// CompactAt is the size of the segments, in bytes, from which CompactionDue says true. 0: DefaultCompactAt.
	CompactAt int64
	// FirstIncarnation is the incarnation in a directory that is used for the
	// first time; 0 is 1. A node that lost its directory can't know that it had
	// lives before: only a number that none of them can have had, such as one
	// made of the time, keeps it from handing out the same versions and events again.
	FirstIncarnation uint32
}

// Stats are the log's counters since Open.
type Stats struct {
	// Records were appended.
	Records int64 `json:"records"`
	// Writes and Syncs count the calls of write(2) and fsync(2) on segments.
	Writes int64 `json:"writes"`
	Syncs  int64 `json:"syncs"`
	// Bytes is the length of all segments together, without the snapshot.
	Bytes int64 `json:"bytes"`
	// Compactions were completed.
	Compactions int64 `json:"compactions"`
}

// batch is a run of frames that is written with one write(2).
type batch struct {
	frames []byte
	ids    []uint64
	// urgent: it holds a record that is not eager.
	urgent bool
}

// Log is the open log of one node. Append, Commit, Completed, CompactionDue
// and Compact are for one goroutine; the others for any.
type Log struct {
	dir     string
	options Options
	lock    *os.File
	// incarnation counts the starts of the node, this one included.
	incarnation uint32
	// sync is os.File.Sync; tests observe and delay it.
	sync func(*os.File) error

	// files is held while files are removed, or must not be; it is taken before io.
	files sync.Mutex
	// io is held while the segment is written or exchanged; it is taken before mu.
	io      sync.Mutex
	segment *os.File
	number  uint64 // of segment
	// earlier is the length of the segments before this one that still exist.
	earlier int64
	// replaced is how much of earlier the compaction under way will remove.
	replaced int64

	mu         sync.Mutex
	open       *batch   // appended and not yet written
	done       []*batch // durable, not yet returned by Completed
	free       []*batch // for reuse
	eagerTimer *time.Timer
	timerArmed bool
	dirty      bool // written and not fsynced (mode Every)
	compacting bool
	closed     bool
	length     int64 // of segment
	err        error
	stats      Stats

	ready   chan struct{} // capacity 1: Completed or Err has news
	request chan struct{} // capacity 1: the syncer has work (mode Always)
	stop    chan struct{}
	workers sync.WaitGroup
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("the log is closed")

// Append adds a record; record is copied. Nothing is written before Commit. An
// eager record may stay in memory for Options.EagerDelay longer, unless a
// record that is not eager follows it: records never overtake each other.
// The ID comes back from Completed.
func (l *Log) Append(id uint64, record []byte, eager bool) error {
	if len(record) == 0 || len(record) > MaxRecord {
		return fmt.Errorf("append a record of %d bytes: want 1…%d", len(record), MaxRecord)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if l.closed {
		return ErrClosed
	}
	b := l.open
	if b == nil {
		b = l.takeFree()
		l.open = b
	}
	b.frames = appendFrame(b.frames, record)
	b.ids = append(b.ids, id)
	l.stats.Records++
	switch {
	case !eager || len(b.frames) > EagerLimit:
		b.urgent = true
	case !l.timerArmed:
		l.timerArmed = true
		if l.eagerTimer == nil {
			l.eagerTimer = time.AfterFunc(l.options.EagerDelay, l.eagerDue)
		} else {
			l.eagerTimer.Reset(l.options.EagerDelay)
		}
	}
	return nil
}

// Commit starts to make durable what was appended. In the modes Every and
// Never it returns when that is written; in the modes Always and Group it
// returns at once and Ready tells of the fsync's end.
func (l *Log) Commit() error {
	l.mu.Lock()
	err, due := l.err, l.open != nil && l.open.urgent
	l.mu.Unlock()
	if err != nil || !due {
		return err
	}
	return l.writeOut()
}

// Completed appends to ids those of the records that became as durable as the
// mode promises since the last call, in the order of their appending.
func (l *Log) Completed(ids []uint64) []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.done {
		ids = append(ids, b.ids...)
		l.recycle(b)
	}
	clear(l.done)
	l.done = l.done[:0]
	return ids
}

// Ready receives a value when Completed or Err may have something new.
func (l *Log) Ready() <-chan struct{} { return l.ready }

// Err returns the error of the disk that ended the log's work, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Stats returns the log's counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	stats := l.stats
	stats.Bytes = l.earlier + l.length
	return stats
}

// Close writes and fsyncs everything that was appended, eager or not, waits
// for a compaction under way and releases the directory.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	if l.eagerTimer != nil {
		l.eagerTimer.Stop()
	}
	l.mu.Unlock()
	close(l.stop)
	l.workers.Wait()
	err := l.Err()
	if err == nil {
		err = l.flush(true)
	}
	return errors.Join(err, l.segment.Close(), l.lock.Close())
}

// Abandon ends the log as a kill of the process would: what is only in memory
// is gone. It is for tests that play several lives of a node in one process.
func (l *Log) Abandon() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.open, l.closed = nil, true
	if l.eagerTimer != nil {
		l.eagerTimer.Stop()
	}
	l.mu.Unlock()
	close(l.stop)
	l.workers.Wait()
	l.io.Lock()
	defer l.io.Unlock()
	_ = l.segment.Close()
	_ = l.lock.Close()
}

// flush writes what is open, and fsyncs the segment if asked to.
func (l *Log) flush(sync bool) error {
	l.io.Lock()
	defer l.io.Unlock()
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return l.err
	}
	b := l.open
	l.open = nil
	l.mu.Unlock()

	var err error
	if b != nil {
		_, err = l.segment.Write(b.frames)
	}
	if err == nil && sync {
		err = l.sync(l.segment)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		return l.fail(err)
	}
	if sync {
		l.stats.Syncs++
	}
	if b != nil {
		l.dirty = !sync
		l.stats.Writes++
		l.length += int64(len(b.frames))
		l.done = append(l.done, b)
		signal(l.ready)
	}
	return nil
}

// fail makes err final. The caller holds mu.
func (l *Log) fail(err error) error {
	if l.err == nil {
		l.err = fmt.Errorf("the log in %s failed, what it holds is unknown until the node starts again: %w", l.dir, err)
	}
	signal(l.ready)
	return l.err
}

// eagerDue runs when the oldest eager record in memory has reached its age.
func (l *Log) eagerDue() {
	l.mu.Lock()
	l.timerArmed = false
	if l.closed || l.open == nil {
		l.mu.Unlock()
		return
	}
	l.open.urgent = true
	l.mu.Unlock()
	// The error is kept and Ready tells of it.
	_ = l.writeOut()
}

// takeFree returns an empty batch. The caller holds mu.
func (l *Log) takeFree() *batch {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b
	}
	return &batch{}
}

// recycle keeps a batch's memory for later unless it is much. The caller holds mu.
func (l *Log) recycle(b *batch) {
	if cap(b.frames) > EagerLimit || len(l.free) >= 4 {
		return
	}
	b.frames, b.ids, b.urgent = b.frames[:0], b.ids[:0], false
	l.free = append(l.free, b)
}

// signal makes sure that c holds a value.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
