package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The names of the files in a log's directory. Numbers are decimal; the
// snapshot of a number stands for all segments of smaller ones.
const (
	segmentPrefix   = "segment-"
	snapshotPrefix  = "snapshot-"
	temporarySuffix = ".tmp"
	incarnationName = "incarnation"
	lockName        = "lock"
)

// segmentMagic and snapshotMagic begin the files; the digit is the format's version.
const (
	segmentMagic  = "RFTSEG1\n"
	snapshotMagic = "RFTSNP1\n"
)

// Recovered is what Open found.
type Recovered struct {
	// Incarnation counts the starts of the node, from Options.FirstIncarnation
	// on when the directory is used for the first time.
	Incarnation uint32
	// Records are all records, in the order of their appending, those of the
	// latest snapshot first.
	Records [][]byte
	// Torn tells what was cut off the end; nil when nothing was.
	Torn *Torn
}

// Torn describes an incomplete end of the log, as a kill in the middle of a
// write leaves it.
type Torn struct {
	// File is the segment's path.
	File string
	// Offset is the segment's length in bytes after the cut.
	Offset int64
	// Dropped is how many bytes were cut off.
	Dropped int64
	// Problem says what stood there.
	Problem string
}

// String tells it in one line.
func (t *Torn) String() string {
	return fmt.Sprintf("torn tail: dropped %d bytes of %s from offset %d on (%s): the node was stopped in the middle of a write", t.Dropped, t.File, t.Offset, t.Problem)
}

// CorruptError says that the log is damaged in a way that no crash of the node explains.
type CorruptError struct {
	// File is the path of the damaged file, Offset where the damage begins, in bytes.
	File   string
	Offset int64
	// Problem says what is wrong, and what makes it more than a torn tail.
	Problem string
}

// Error names the file, the place and the remedy.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("corrupt log: %s at offset %d: %s; restore the directory, or remove it to let the node start empty", e.File, e.Offset, e.Problem)
}

// Open opens the log in the directory, which is made if it does not exist,
// and returns what it holds. The new incarnation is on disk when Open returns.
func Open(dir string, options Options) (*Log, *Recovered, error) {
	if err := options.complete(); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return nil, nil, err
	}
	l := &Log{
		dir: dir, options: options, lock: lock, sync: (*os.File).Sync,
		ready: make(chan struct{}, 1), request: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	recovered, err := l.recover()
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	switch options.Mode {
	case Always:
		l.workers.Go(l.syncWhenAsked)
	case Every:
		l.workers.Go(l.syncPeriodically)
	case Group:
		l.workers.Go(l.syncInGroups)
	}
	return l, recovered, nil
}

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	switch {
	case o.Mode < Always || o.Mode > Group:
		return fmt.Errorf("open log: mode %d: want Always, Every, Never or Group", o.Mode)
	case (o.Mode == Every || o.Mode == Group) && o.Interval <= 0:
		return fmt.Errorf("open log: interval %v of mode Every or Group: want more than 0", o.Interval)
	}
	if o.EagerDelay <= 0 {
		o.EagerDelay = DefaultEagerDelay
	}
	if o.CompactAt <= 0 {
		o.CompactAt = DefaultCompactAt
	}
	return nil
}

// lockDirectory keeps other processes out until the returned file is closed,
// which the kernel does for a killed process.
func lockDirectory(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %s is in use by another process (lock: %w); stop it or choose another directory", dir, err), lock.Close())
	}
	return lock, nil
}

// recover reads the directory, raises the incarnation and opens the last segment for appending.
func (l *Log) recover() (*Recovered, error) {
	if err := errors.Join(checkRestored(l.dir), l.removeUnfinished()); err != nil {
		return nil, err
	}
	segments, snapshots, err := l.list()
	if err != nil {
		return nil, err
	}
	recovered := &Recovered{}
	l.incarnation, err = nextIncarnation(l.dir, len(segments)+len(snapshots) == 0, max(l.options.FirstIncarnation, 1))
	if err != nil {
		return nil, err
	}
	recovered.Incarnation = l.incarnation
	keep := func(record []byte) { recovered.Records = append(recovered.Records, record) }
	first, err := l.read(segments, snapshots, keep, func(number uint64, last bool) error {
		return l.readSegment(number, last, recovered)
	})
	if err != nil {
		return nil, err
	}
	if err := l.removeBefore(first, segments, snapshots); err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		l.segment, err = l.createSegment(first)
		l.number, l.length = first, int64(len(segmentMagic))
	}
	return recovered, err
}

// read yields the records of the latest snapshot and has the segments behind it
// read, in order. It returns the number of the first of these.
func (l *Log) read(segments, snapshots []uint64, yield func(record []byte), segment func(number uint64, last bool) error) (first uint64, err error) {
	first = 1
	if n := len(snapshots); n > 0 {
		first = snapshots[n-1]
		records, err := readSnapshot(l.snapshotPath(first))
		if err != nil {
			return 0, err
		}
		for _, record := range records {
			yield(record)
		}
	}
	present := slices.DeleteFunc(slices.Clone(segments), func(n uint64) bool { return n < first })
	for i, number := range present {
		if number != first+uint64(i) {
			return 0, &CorruptError{File: l.segmentPath(first + uint64(i)), Problem: fmt.Sprintf("the segment is missing, although segment %d exists", number)}
		}
		if err := segment(number, i == len(present)-1); err != nil {
			return 0, err
		}
	}
	if len(present) == 0 && len(snapshots) > 0 {
		return 0, &CorruptError{File: l.segmentPath(first), Problem: "the segment is missing, although its snapshot exists"}
	}
	return first, nil
}

// readSegment reads a segment; the last one is opened for appending, its torn tail cut off.
func (l *Log) readSegment(number uint64, last bool, recovered *Recovered) error {
	path := l.segmentPath(number)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	good, problem, torn := parseSegment(data, func(record []byte) { recovered.Records = append(recovered.Records, record) })
	switch {
	case problem != "" && !torn:
		return &CorruptError{File: path, Offset: int64(good), Problem: problem}
	case problem != "" && !last:
		return &CorruptError{File: path, Offset: int64(good), Problem: problem + ", yet another segment follows"}
	case !last:
		l.earlier += int64(len(data))
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if problem != "" {
		if len(data) > good {
			recovered.Torn = &Torn{File: path, Offset: int64(good), Dropped: int64(len(data) - good), Problem: problem}
		}
		if err = file.Truncate(int64(good)); err == nil && good == 0 {
			_, err = file.WriteString(segmentMagic)
			good = len(segmentMagic)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("open log: cut the torn tail: %w", err), file.Close())
		}
	}
	// What a killed process had written but not fsynced is promised again from now on.
	if l.options.Mode == Always || l.options.Mode == Group || problem != "" {
		if err := file.Sync(); err != nil {
			return errors.Join(fmt.Errorf("open log: %w", err), file.Close())
		}
	}
	l.dirty = true
	l.segment, l.number, l.length = file, number, int64(good)
	return nil
}

// parseSegment calls yield for each record of a segment file's content. It
// returns the length of the good prefix and what is wrong behind it (empty:
// nothing); torn says that a crash in the middle of a write explains it.
func parseSegment(data []byte, yield func(record []byte)) (good int, problem string, torn bool) {
	magic := data[:min(len(data), len(segmentMagic))]
	if !strings.HasPrefix(segmentMagic, string(magic)) {
		return 0, "no header of a log segment of this version", false
	}
	if len(magic) < len(segmentMagic) {
		return 0, fmt.Sprintf("a file header of %d bytes, cut after %d", len(segmentMagic), len(magic)), true
	}
	good, problem = scanFrames(data[len(magic):], yield)
	good += len(magic)
	if problem == "" {
		return good, "", false
	}
	if next := findFrame(data, good+1); next >= 0 {
		return good, fmt.Sprintf("%s, yet a good record follows at offset %d", problem, next), false
	}
	return good, problem, true
}

// list returns the numbers of the segments and snapshots in ascending order.
func (l *Log) list() (segments, snapshots []uint64, err error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if number, ok := numberOf(name, segmentPrefix); ok {
			segments = append(segments, number)
		} else if number, ok := numberOf(name, snapshotPrefix); ok {
			snapshots = append(snapshots, number)
		}
	}
	slices.Sort(segments)
	slices.Sort(snapshots)
	return segments, snapshots, nil
}

// removeUnfinished removes the files that a crash left unfinished.
func (l *Log) removeUnfinished() error {
	paths, err := filepath.Glob(filepath.Join(l.dir, "*"+temporarySuffix))
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	return nil
}

// numberOf returns the number in a file's name.
func numberOf(name, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && number > 0
}

func (l *Log) segmentPath(number uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%s%08d", segmentPrefix, number))
}

func (l *Log) snapshotPath(number uint64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%s%08d", snapshotPrefix, number))
}

// createSegment makes an empty segment that survives a crash.
func (l *Log) createSegment(number uint64) (*os.File, error) {
	file, err := os.OpenFile(l.segmentPath(number), os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("new log segment: %w", err)
	}
	_, err = file.WriteString(segmentMagic)
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = syncDirectory(l.dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("new log segment: %w", err), file.Close())
	}
	return file, nil
}
