package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// Data directories that are lost. Copies are kept in the pod's own directory,
// which the node cannot write to, until the run's end.

// copies is where the copy of a fault is kept.
func (a *agent) copies(fault string) string {
	return filepath.Join(a.options.control, "copies", filepath.Base(fault))
}

// copy keeps a copy of the data directory. A process that runs is stopped
// meanwhile: files that change while they are read would make a copy of no moment at all.
func (a *agent) copy(ctx context.Context, r protocol.Request) (copied protocol.Copied, err error) {
	if refusal := a.refusal(protocol.FaultDiskLoss); refusal != "" {
		return copied, fmt.Errorf("%s: %s", r.Op, refusal)
	}
	if r.Fault == "" {
		return copied, fmt.Errorf("%s: a copy needs an identity", r.Op)
	}
	state, err := a.node.State()
	if err != nil {
		return copied, err
	}
	if state.PID != 0 {
		hold := "copy for " + r.Fault
		if _, err := a.node.Pause(ctx, hold); err != nil {
			return copied, fmt.Errorf("%s: %w", r.Op, err)
		}
		defer func() {
			_, resumed := a.node.Resume(ctx, hold)
			err = errors.Join(err, resumed)
		}()
	}
	to := a.copies(r.Fault)
	if err := os.RemoveAll(to); err != nil {
		return copied, fmt.Errorf("%s: %w", r.Op, err)
	}
	if copied, err = copyTree(a.options.data, to); err != nil {
		return copied, fmt.Errorf("%s: %w", r.Op, err)
	}
	return copied, nil
}

// empty empties the data directory of a node that the fault's kill holds down,
// and restores the fault's copy if that is asked for.
func (a *agent) empty(r protocol.Request) (protocol.Emptied, error) {
	if refusal := a.refusal(protocol.FaultDiskLoss); refusal != "" {
		return protocol.Emptied{}, fmt.Errorf("%s: %s", r.Op, refusal)
	}
	var found protocol.Emptied
	err := a.node.WhileDown(r.Fault, func() error {
		if r.Restore {
			if _, err := os.Stat(a.copies(r.Fault)); err != nil {
				return fmt.Errorf("there is no copy of the data directory: %w", err)
			}
		}
		err := filepath.WalkDir(a.options.data, func(_ string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err == nil {
				found.Files++
				found.Bytes += info.Size()
			}
			return err
		})
		err = errors.Join(err, a.wipe())
		if err == nil && r.Restore {
			found.Restored, err = copyTree(a.copies(r.Fault), a.options.data)
		}
		return err
	})
	if err != nil {
		return protocol.Emptied{}, fmt.Errorf("%s: %w", r.Op, err)
	}
	left, err := os.ReadDir(a.options.data)
	found.Left = len(left)
	return found, err
}

// copyTree copies folders and regular files, with their modes and owners, into
// a folder, which may exist.
func copyTree(from, to string) (copied protocol.Copied, err error) {
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case e.IsDir():
			err = os.MkdirAll(target, 0o700)
		case info.Mode().IsRegular():
			copied.Files++
			copied.Bytes += info.Size()
			err = copyFile(path, target)
		default:
			return fmt.Errorf("%s is neither a file nor a folder: nobody knows what a copy of it would be", path)
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); err == nil && ok {
			err = os.Chown(target, int(owner.Uid), int(owner.Gid))
		}
		if err == nil {
			err = os.Chmod(target, info.Mode().Perm())
		}
		return err
	})
	return copied, err
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
