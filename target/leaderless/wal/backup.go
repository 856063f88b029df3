package wal

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A backup of a log that goes on being written. The log is append-only and a
// segment never changes once a later one exists, so that a consistent copy costs
// next to nothing: go on in a new segment, and give what is there by then a
// second name (a hard link) in the backup's directory. That the log later removes
// its own names of these files takes nothing from the backup. Where the file
// system has no hard links the files are copied.
//
// A backup has everything that Completed had returned before Backup was called:
// whatever the node has acknowledged. It may have more, of what was on its way.
//
// What a backup does not give is a second copy of the bytes on the disk: a bad
// sector is in both. It is for going back in time, and for being carried away.

// manifestName is the file that makes a directory a backup; it is written last.
const manifestName = "manifest"

// manifestFormat is the version of the manifest's content.
const manifestFormat = 1

// Manifest describes a backup. It is in the backup's directory, as JSON.
type Manifest struct {
	// Format is the version of this description, 1.
	Format int `json:"format"`
	// Incarnation is that of the node that made the backup.
	Incarnation uint32 `json:"incarnation"`
	// Records are in it, and Bytes is the length of its files together.
	Records int   `json:"records"`
	Bytes   int64 `json:"bytes"`
	// Files are all its files but the manifest, by name.
	Files []ManifestFile `json:"files"`
}

// ManifestFile is one file of a backup.
type ManifestFile struct {
	// Name is the file's name in the backup's directory.
	Name string `json:"name"`
	// Bytes is its length, CRC32C the checksum of its content.
	Bytes  int64  `json:"bytes"`
	CRC32C uint32 `json:"crc32c"`
}

// Backup is a backup that was begun.
type Backup struct {
	dir         string // where it is to be
	names       []string
	copies      map[string]*os.File // those that could not be linked
	incarnation uint32
}

// Backup begins a backup of the log in the directory, which must not exist yet.
// It is for the owner's goroutine and takes about as long as one fsync; the
// backup is there when Finish has returned, which any goroutine may call.
func (l *Log) Backup(dir string) (*Backup, error) {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("back up to %s: the directory exists already: choose another name, or remove it", dir)
	}
	if err := l.rotate(); err != nil {
		return nil, err
	}
	b := &Backup{dir: dir, copies: make(map[string]*os.File), incarnation: l.incarnation}
	if err := l.gather(b); err != nil {
		return nil, errors.Join(fmt.Errorf("back up to %s: %w", dir, err), b.discard())
	}
	return b, nil
}

// rotate goes on in a new segment; those before it hold everything appended so far.
func (l *Log) rotate() error {
	if err := l.flush(true); err != nil {
		return err
	}
	l.io.Lock()
	defer l.io.Unlock()
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	// What was written between flush and here must not be torn while a later segment exists.
	err := l.sync(l.segment)
	var fresh *os.File
	if err == nil {
		fresh, err = l.createSegment(l.number + 1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		return l.fail(err)
	}
	old := l.segment
	l.segment = fresh
	l.number++
	l.earlier += l.length
	l.length = int64(len(segmentMagic))
	l.stats.Syncs++
	return old.Close()
}

// gather links or opens every file of the log but the newest segment.
func (l *Log) gather(b *Backup) error {
	// There may be one that a crash left unfinished.
	if err := errors.Join(os.RemoveAll(b.temporary()), os.MkdirAll(b.temporary(), 0o755)); err != nil {
		return err
	}
	// A compaction in the background must not remove files meanwhile.
	l.files.Lock()
	defer l.files.Unlock()
	segments, snapshots, err := l.list()
	if err != nil {
		return err
	}
	var paths []string
	for _, n := range snapshots {
		paths = append(paths, l.snapshotPath(n))
	}
	for _, n := range segments {
		if n < l.number {
			paths = append(paths, l.segmentPath(n))
		}
	}
	for _, path := range paths {
		name := filepath.Base(path)
		b.names = append(b.names, name)
		if os.Link(path, filepath.Join(b.temporary(), name)) == nil {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		b.copies[name] = file
	}
	return nil
}

// temporary is where the backup is until it is complete.
func (b *Backup) temporary() string { return b.dir + temporarySuffix }

// discard removes what there is of the backup.
func (b *Backup) discard() error {
	for _, file := range b.copies {
		_ = file.Close()
	}
	return os.RemoveAll(b.temporary())
}

// Finish reads the whole backup and checks it as a start of the node would,
// writes its manifest and puts it in place.
func (b *Backup) Finish() (*Manifest, error) {
	manifest, err := b.finish()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("back up to %s: %w", b.dir, err), b.discard())
	}
	return manifest, nil
}

func (b *Backup) finish() (*Manifest, error) {
	for name, file := range b.copies {
		if err := copyFile(filepath.Join(b.temporary(), name), file); err != nil {
			return nil, err
		}
		delete(b.copies, name)
	}
	manifest := &Manifest{Format: manifestFormat, Incarnation: b.incarnation, Files: []ManifestFile{}}
	for _, name := range b.names {
		data, err := os.ReadFile(filepath.Join(b.temporary(), name))
		if err != nil {
			return nil, err
		}
		manifest.Files = append(manifest.Files, ManifestFile{Name: name, Bytes: int64(len(data)), CRC32C: crc32.Checksum(data, castagnoli)})
	}
	records, err := check(b.temporary(), manifest)
	if err != nil {
		return nil, err
	}
	manifest.Records = records
	for _, f := range manifest.Files {
		manifest.Bytes += f.Bytes
	}
	content, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := replaceFile(filepath.Join(b.temporary(), manifestName), append(content, '\n')); err != nil {
		return nil, err
	}
	if err := os.Rename(b.temporary(), b.dir); err != nil {
		return nil, err
	}
	return manifest, syncDirectory(filepath.Dir(b.dir))
}

// ReadBackup returns the description of the backup in the directory, having
// checked every byte of it. Its errors are *CorruptError where there is a backup
// but a damaged one.
func ReadBackup(dir string) (*Manifest, error) {
	path := filepath.Join(dir, manifestName)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s is no backup of a log: %w", dir, err)
	}
	manifest := &Manifest{}
	if err := json.Unmarshal(text, manifest); err != nil {
		return nil, &CorruptError{File: path, Problem: err.Error()}
	}
	if manifest.Format != manifestFormat || manifest.Incarnation == 0 {
		return nil, &CorruptError{File: path, Problem: fmt.Sprintf("format %d and incarnation %d: this release reads format %d, and incarnations count from 1", manifest.Format, manifest.Incarnation, manifestFormat)}
	}
	records, err := check(dir, manifest)
	if err == nil && records != manifest.Records {
		err = &CorruptError{File: path, Problem: fmt.Sprintf("%d records, but its files have %d", manifest.Records, records)}
	}
	if err != nil {
		return nil, err
	}
	return manifest, nil
}

// check compares the files in the directory with the manifest, and reads them
// as a start of the node would. It returns how many records there are.
func check(dir string, manifest *Manifest) (records int, err error) {
	var segments, snapshots []uint64
	for _, f := range manifest.Files {
		path := filepath.Join(dir, f.Name)
		if n, ok := numberOf(f.Name, segmentPrefix); ok {
			segments = append(segments, n)
		} else if n, ok := numberOf(f.Name, snapshotPrefix); ok {
			snapshots = append(snapshots, n)
		} else {
			return 0, &CorruptError{File: filepath.Join(dir, manifestName), Problem: fmt.Sprintf("%q is no file of a log", f.Name)}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		if sum := crc32.Checksum(data, castagnoli); int64(len(data)) != f.Bytes || sum != f.CRC32C {
			return 0, &CorruptError{File: path, Problem: fmt.Sprintf("%d bytes with checksum %08x instead of %d with %08x", len(data), sum, f.Bytes, f.CRC32C)}
		}
	}
	slices.Sort(segments)
	slices.Sort(snapshots)
	l := &Log{dir: dir}
	_, err = l.read(segments, snapshots, func(record []byte) { records++ }, func(number uint64, _ bool) error {
		data, err := os.ReadFile(l.segmentPath(number))
		if err != nil {
			return err
		}
		// None of them was the last one of a log: nothing may be torn.
		if good, problem, _ := parseSegment(data, func([]byte) { records++ }); problem != "" {
			return &CorruptError{File: l.segmentPath(number), Offset: int64(good), Problem: problem}
		}
		return nil
	})
	return records, err
}

// Backups returns the names of the complete backups in a directory, sorted.
func Backups(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return []string{}, nil
	}
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(dir, entry.Name(), manifestName)); err == nil && !strings.HasSuffix(entry.Name(), temporarySuffix) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// copyFile makes a durable file of what is left to read, which it closes.
func copyFile(path string, from *os.File) error {
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}
