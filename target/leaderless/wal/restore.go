package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The files that tell of a restore in a log's directory. The first one exists
// while one is under way; it is renamed to the second in the end. Their content
// is the checksum of the backup's manifest.
const (
	restoringName = "restoring"
	restoredName  = "restored"
)

// incarnationLeap is by how much a restore raises the incarnation where the
// directory does not know of later lives of the node than the backup does. Those
// lives handed out versions under their incarnations, which other replicas may
// still have; a node that used one of these numbers again could make the same
// version twice, for two different values.
const incarnationLeap = 1 << 16

// Restore makes the directory hold the log of the backup, whose every byte it
// checks. The directory must hold no log; a count of the node's starts may be
// there. Restore does nothing, and says so, where the directory was restored from
// the same backup before: a node may be started again and again with the same
// flags. A restore that was interrupted is begun anew.
func Restore(dir, backup string) (done bool, err error) {
	manifest, err := ReadBackup(backup)
	if err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	done, err = restore(dir, backup, manifest)
	if err != nil {
		return false, fmt.Errorf("restore %s from %s: %w", dir, backup, err)
	}
	return done, nil
}

func restore(dir, backup string, manifest *Manifest) (done bool, err error) {
	text, err := os.ReadFile(filepath.Join(backup, manifestName))
	if err != nil {
		return false, err
	}
	mark := strconv.FormatUint(uint64(crc32.Checksum(text, castagnoli)), 16)
	l := &Log{dir: dir}
	segments, snapshots, err := l.list()
	if err != nil {
		return false, err
	}
	last, err := os.ReadFile(filepath.Join(dir, restoredName))
	if err == nil && string(last) == mark && len(segments) > 0 {
		return false, nil
	}
	_, err = os.Stat(filepath.Join(dir, restoringName))
	switch {
	case err == nil: // what is there is part of a restore that was interrupted
		if err := l.removeBefore(1<<64-1, segments, snapshots); err != nil {
			return false, err
		}
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	case len(segments)+len(snapshots) > 0:
		return false, errors.New("the directory has a log already, which would be lost: remove its files segment-* and snapshot-* if that is what you want, or start the node without the restore")
	}
	if err := replaceFile(filepath.Join(dir, restoringName), []byte(mark)); err != nil {
		return false, err
	}
	for _, f := range manifest.Files {
		from, err := os.Open(filepath.Join(backup, f.Name))
		if err == nil {
			err = copyFile(filepath.Join(dir, f.Name), from)
		}
		if err != nil {
			return false, err
		}
	}
	// The copies, not what they were made of, are what the node will read.
	if _, err := check(dir, manifest); err != nil {
		return false, err
	}
	if err := raiseIncarnation(dir, manifest.Incarnation); err != nil {
		return false, err
	}
	if err := os.Rename(filepath.Join(dir, restoringName), filepath.Join(dir, restoredName)); err != nil {
		return false, err
	}
	return true, syncDirectory(dir)
}

// raiseIncarnation makes the next start's incarnation greater than any that the
// node had in the directory or up to the backup.
func raiseIncarnation(dir string, backup uint32) error {
	path := filepath.Join(dir, incarnationName)
	text, err := os.ReadFile(path)
	count := uint64(0)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if count, err = strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 32); err != nil {
			return &CorruptError{File: path, Problem: fmt.Sprintf("%q is not a count of starts", text)}
		}
	}
	if count < uint64(backup) {
		count = uint64(backup) + incarnationLeap
	}
	return replaceFile(path, strconv.AppendUint(nil, min(count, 1<<32-2), 10))
}

// checkRestored finds a restore that was interrupted.
func checkRestored(dir string) error {
	path := filepath.Join(dir, restoringName)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(&CorruptError{File: path, Problem: "a restore from a backup was interrupted: start the node with the same restore once more"}, err)
	}
	return nil
}
