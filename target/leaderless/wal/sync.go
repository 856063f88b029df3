package wal

import (
	"errors"
	"os"
	"time"
)

// writeOut does with the open batch what the mode wants of one that is urgent:
// to wait for the next fsync, or to be written at once.
func (l *Log) writeOut() error {
	switch l.options.Mode {
	case Always:
		signal(l.request)
		return nil
	case Group:
		return nil // the next tick takes it
	}
	return l.flush(false)
}

// syncWhenAsked is the goroutine of mode Always. What is appended while it
// waits for one fsync shares the next.
func (l *Log) syncWhenAsked() {
	for {
		select {
		case <-l.stop:
			return
		case <-l.request:
			if l.flush(true) != nil {
				return
			}
		}
	}
}

// onTicks calls do at every interval until the log is closed or do says that it is over.
func (l *Log) onTicks(do func() (over bool)) {
	ticker := time.NewTicker(l.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		if do() {
			return
		}
	}
}

// syncPeriodically is the goroutine of mode Every.
func (l *Log) syncPeriodically() {
	l.onTicks(func() bool {
		l.mu.Lock()
		dirty := l.dirty
		l.dirty = false
		l.mu.Unlock()
		if !dirty {
			return false
		}
		// Outside of io, so that appends go on meanwhile. A segment that
		// Compact exchanges at this moment was fsynced by it.
		file := l.currentSegment()
		err := l.sync(file)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil && !errors.Is(err, os.ErrClosed) {
			_ = l.fail(err)
		}
		l.stats.Syncs++
		return false
	})
}

func (l *Log) currentSegment() *os.File {
	l.io.Lock()
	defer l.io.Unlock()
	return l.segment
}

// syncInGroups is the goroutine of mode Group. Its clock ticks on whether or not
// there is anything to sync: a record that comes alone waits as long as it would
// in company, half an interval on average.
func (l *Log) syncInGroups() {
	l.onTicks(func() bool {
		l.mu.Lock()
		due := l.open != nil && l.open.urgent
		l.mu.Unlock()
		return due && l.flush(true) != nil
	})
}
