package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// Copies that are carried from one node to another. The data directories are
// volumes of their own and no agent can reach another's, so that the controller
// carries them, as an archive (tar) in parts that fit into a line.

// archiveOf is where the archive of a fault's copy is kept.
func (a *agent) archiveOf(fault string) string { return a.copies(fault) + ".tar" }

// copyRead answers with a part of the archive of the fault's copy. The archive
// is made when the first part is asked for.
func (a *agent) copyRead(r protocol.Request) (part protocol.CopyPart, err error) {
	if r.Offset == 0 {
		if err := pack(a.copies(r.Fault), a.archiveOf(r.Fault)); err != nil {
			return part, fmt.Errorf("%s: %w", r.Op, err)
		}
	}
	file, err := os.Open(a.archiveOf(r.Fault))
	if err != nil {
		return part, fmt.Errorf("%s: %w", r.Op, err)
	}
	defer file.Close()
	part.Data = make([]byte, protocol.CopyPartSize)
	n, err := file.ReadAt(part.Data, r.Offset)
	part.Data, part.Last = part.Data[:n], errors.Is(err, io.EOF)
	if err != nil && !part.Last {
		return part, fmt.Errorf("%s: %w", r.Op, err)
	}
	return part, nil
}

// copyWrite takes a part of an archive. After the last one its contents are the
// fault's copy, as if they had been copied here.
func (a *agent) copyWrite(r protocol.Request) (copied protocol.Copied, err error) {
	if a.options.control == "" {
		return copied, fmt.Errorf("%s: there is no place to keep a copy", r.Op)
	}
	if r.Fault == "" {
		return copied, fmt.Errorf("%s: a copy needs an identity", r.Op)
	}
	if err := writePart(a.archiveOf(r.Fault), r.Data, r.Offset); err != nil {
		return copied, fmt.Errorf("%s: %w", r.Op, err)
	}
	if !r.Last {
		return copied, nil
	}
	to := a.copies(r.Fault)
	if err = os.RemoveAll(to); err == nil {
		copied, err = unpack(a.archiveOf(r.Fault), to)
	}
	if err != nil {
		return copied, fmt.Errorf("%s: %w", r.Op, err)
	}
	return copied, nil
}

// writePart writes to a file what belongs at the offset, which begins it anew if that is 0.
func writePart(name string, data []byte, offset int64) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	how := os.O_WRONLY | os.O_CREATE
	if offset == 0 {
		how |= os.O_TRUNC
	}
	file, err := os.OpenFile(name, how, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(data, offset)
	return errors.Join(err, file.Close())
}

// pack makes an archive of the folders and regular files in a folder.
func pack(from, to string) error {
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(file)
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return packEntry(archive, from, path, e)
	})
	return errors.Join(err, archive.Close(), file.Close())
}

func packEntry(archive *tar.Writer, from, path string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return err
	}
	if header.Name, err = filepath.Rel(from, path); err != nil {
		return err
	}
	if err := archive.WriteHeader(header); err != nil || e.IsDir() {
		return err
	}
	source, err := os.Open(path)
	if err != nil {
		return err
	}
	defer source.Close()
	_, err = io.Copy(archive, source)
	return err
}

// unpack puts the archive's contents into a folder, with their modes and owners.
func unpack(from, to string) (copied protocol.Copied, err error) {
	file, err := os.Open(from)
	if err != nil {
		return copied, err
	}
	defer file.Close()
	archive := tar.NewReader(file)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return copied, nil
		}
		if err != nil {
			return copied, err
		}
		if !filepath.IsLocal(header.Name) {
			return copied, fmt.Errorf("the archive names %q, which is outside of the folder", header.Name)
		}
		target := filepath.Join(to, header.Name)
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(target, 0o700)
		} else {
			copied.Files++
			copied.Bytes += header.Size
			err = unpackFile(archive, target)
		}
		if err == nil {
			err = os.Chown(target, header.Uid, header.Gid)
		}
		if err == nil {
			err = os.Chmod(target, header.FileInfo().Mode().Perm())
		}
		if err != nil {
			return copied, err
		}
	}
}

func unpackFile(archive io.Reader, to string) error {
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, archive)
	return errors.Join(err, file.Close())
}
