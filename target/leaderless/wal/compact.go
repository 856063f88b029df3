package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// snapshotHeader is the magic, the number of records (u32) and the CRC-32C of both (u32).
const snapshotHeader = len(snapshotMagic) + 8

// CompactionDue says that the segments have grown past Options.CompactAt and
// no compaction is under way.
func (l *Log) CompactionDue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err == nil && !l.compacting && !l.closed && l.earlier+l.length > l.options.CompactAt
}

// Compact replaces all segments by a snapshot of the given records, which must
// describe the state that all records returned by Completed so far lead to.
// Those not yet returned are kept behind the snapshot. It takes the records
// during the call and writes the snapshot in the background; meanwhile the log
// goes on in a new segment.
func (l *Log) Compact(records iter.Seq[[]byte]) error {
	count := uint32(0)
	content := append(make([]byte, 0, 1<<16), snapshotMagic...)
	content = append(content, make([]byte, 8)...)
	for record := range records {
		if len(record) == 0 || len(record) > MaxRecord {
			return fmt.Errorf("compact a record of %d bytes: want 1…%d", len(record), MaxRecord)
		}
		content = appendFrame(content, record)
		count++
	}
	n := len(snapshotMagic)
	binary.LittleEndian.PutUint32(content[n:], count)
	binary.LittleEndian.PutUint32(content[n+4:], crc32.Checksum(content[:n+4], castagnoli))

	old, fresh, err := l.exchangeSegment()
	if err != nil {
		return err
	}
	l.workers.Go(func() { l.writeSnapshot(content, old, fresh) })
	return nil
}

// exchangeSegment goes on in a new segment, which begins with the records that
// were not yet returned by Completed.
func (l *Log) exchangeSegment() (old, fresh *os.File, err error) {
	l.io.Lock()
	defer l.io.Unlock()
	l.mu.Lock()
	if err := l.err; err != nil || l.closed || l.compacting {
		l.mu.Unlock()
		if err == nil {
			err = errors.New("compact: the log is closed or another compaction is under way")
		}
		return nil, nil, err
	}
	l.compacting = true
	var kept []byte
	for _, b := range l.done {
		kept = append(kept, b.frames...)
	}
	l.mu.Unlock()

	// The old segment must not be torn while a later one exists.
	err = l.sync(l.segment)
	if err == nil {
		fresh, err = l.createSegment(l.number + 1)
	}
	if err == nil && len(kept) > 0 {
		_, err = fresh.Write(kept)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		return nil, nil, l.fail(err)
	}
	old = l.segment
	l.stats.Syncs++
	l.segment = fresh
	l.number++
	l.earlier += l.length
	l.replaced = l.earlier
	l.length = int64(len(segmentMagic) + len(kept))
	return old, fresh, nil
}

// writeSnapshot puts the snapshot of the fresh segment's number in place and removes what it replaces.
func (l *Log) writeSnapshot(content []byte, old, fresh *os.File) {
	number, _ := numberOf(filepath.Base(fresh.Name()), segmentPrefix)
	// The fresh segment's first records may exist only in the segments that are removed below.
	err := l.sync(fresh)
	if errors.Is(err, os.ErrClosed) {
		err = nil // a backup went on in another segment meanwhile, and synced this one
	}
	err = errors.Join(err, old.Close())
	if err == nil {
		err = replaceFile(l.snapshotPath(number), content)
	}
	if err == nil {
		err = l.removeReplaced(number)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.compacting = false
	if err != nil {
		_ = l.fail(fmt.Errorf("compact: %w", err))
		return
	}
	l.earlier -= l.replaced
	l.stats.Compactions++
}

// removeReplaced removes what the snapshot of the number stands for.
func (l *Log) removeReplaced(number uint64) error {
	l.files.Lock()
	defer l.files.Unlock()
	segments, snapshots, err := l.list()
	if err != nil {
		return err
	}
	return l.removeBefore(number, segments, snapshots)
}

// removeBefore removes all segments and snapshots of smaller numbers.
func (l *Log) removeBefore(number uint64, segments, snapshots []uint64) error {
	var paths []string
	for _, n := range segments {
		if n < number {
			paths = append(paths, l.segmentPath(n))
		}
	}
	for _, n := range snapshots {
		if n < number {
			paths = append(paths, l.snapshotPath(n))
		}
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove what a snapshot replaced: %w", err)
		}
	}
	return nil
}

// readSnapshot returns a snapshot's records. It was renamed into place
// complete, so that anything wrong with it is corruption.
func readSnapshot(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if len(data) < snapshotHeader || !strings.HasPrefix(string(data[:snapshotHeader]), snapshotMagic) {
		return nil, &CorruptError{File: path, Problem: "no header of a snapshot of this version"}
	}
	n := len(snapshotMagic)
	if crc32.Checksum(data[:n+4], castagnoli) != binary.LittleEndian.Uint32(data[n+4:]) {
		return nil, &CorruptError{File: path, Problem: "a snapshot header with a wrong checksum"}
	}
	var records [][]byte
	good, problem := scanFrames(data[snapshotHeader:], func(record []byte) { records = append(records, record) })
	if want := binary.LittleEndian.Uint32(data[n:]); problem == "" && uint32(len(records)) != want {
		problem = fmt.Sprintf("%d records instead of %d", len(records), want)
	}
	if problem != "" {
		return nil, &CorruptError{File: path, Offset: int64(snapshotHeader + good), Problem: problem + " in a snapshot, which is never torn"}
	}
	return records, nil
}

// nextIncarnation raises the count of starts in the directory and returns it.
// It begins with first in a directory that is used for the first time.
func nextIncarnation(dir string, empty bool, first uint32) (uint32, error) {
	path := filepath.Join(dir, incarnationName)
	text, err := os.ReadFile(path)
	last := uint64(0)
	switch {
	case errors.Is(err, os.ErrNotExist) && empty:
		last = uint64(first) - 1
	case errors.Is(err, os.ErrNotExist):
		return 0, &CorruptError{File: path, Problem: "the file is missing although the log has records"}
	case err != nil:
		return 0, fmt.Errorf("open log: %w", err)
	default:
		last, err = strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 32)
		if err != nil || last == 0 || last == 1<<32-1 {
			return 0, &CorruptError{File: path, Problem: fmt.Sprintf("%q is not a count of starts", text)}
		}
	}
	if err := replaceFile(path, strconv.AppendUint(nil, last+1, 10)); err != nil {
		return 0, fmt.Errorf("open log: raise the incarnation: %w", err)
	}
	return uint32(last + 1), nil
}

// replaceFile makes the file have that content, or leaves it as it was,
// whatever happens meanwhile.
func replaceFile(path string, content []byte) error {
	file, err := os.Create(path + temporarySuffix)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+temporarySuffix, path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes the names in a directory survive a power failure.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
