package results

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The names of the files of a run folder.
const (
	PlanFile     = "plan.json"
	HistoryFile  = "history.jsonl"
	TraceFile    = "trace.jsonl"
	DocumentFile = "results.json"
	ReportFile   = "report.html"
	JUnitFile    = "junit.xml"
	SummaryFile  = "summary.md"
	LogFile      = "log.txt"
	NodesFolder  = "nodes"
)

// LatestLink is the entry of the root that points at the newest run folder.
const LatestLink = "latest"

// timestampLayout is the form of a run folder's name, in UTC: no colon and no
// space, so that it is a file name everywhere and needs no quoting in a shell.
const timestampLayout = "20060102T150405Z"

// Folder is the folder of one run.
type Folder struct {
	// Path is the folder itself: the root that Create was given, then the run's name, then the timestamp.
	Path string
	// Name is the run's name, the parent folder's.
	Name string
	// Timestamp is the folder's own name.
	Timestamp string
}

// Plan is the path of plan.json.
func (f *Folder) Plan() string { return filepath.Join(f.Path, PlanFile) }

// History is the path of history.jsonl.
func (f *Folder) History() string { return filepath.Join(f.Path, HistoryFile) }

// Trace is the path of trace.jsonl, which only a simulated run with witnesses has.
func (f *Folder) Trace() string { return filepath.Join(f.Path, TraceFile) }

// Document is the path of results.json.
func (f *Folder) Document() string { return filepath.Join(f.Path, DocumentFile) }

// Report is the path of report.html.
func (f *Folder) Report() string { return filepath.Join(f.Path, ReportFile) }

// JUnit is the path of junit.xml.
func (f *Folder) JUnit() string { return filepath.Join(f.Path, JUnitFile) }

// Summary is the path of summary.md.
func (f *Folder) Summary() string { return filepath.Join(f.Path, SummaryFile) }

// Log is the path of log.txt.
func (f *Folder) Log() string { return filepath.Join(f.Path, LogFile) }

// Nodes is the path of the folder of the nodes' logs.
func (f *Folder) Nodes() string { return filepath.Join(f.Path, NodesFolder) }

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

// NameError says that a run's name cannot name a folder.
type NameError struct{ Name string }

// Error says what is wrong with the name and what would be right.
func (e *NameError) Error() string {
	if e.Name == LatestLink {
		return fmt.Sprintf("run name %q: that is the link to the newest run; choose another name", e.Name)
	}
	return fmt.Sprintf("run name %q: use letters, digits, dot, dash and underscore, and no dot at the start", e.Name)
}

// Create makes the folder of a new run, root/NAME/TIMESTAMP with an empty
// nodes/ in it, and lets root/latest point at it. Two runs of one name in the
// same second get different folders: the later ones end in -02, -03, … .
//
// latest is a relative symbolic link, so that the root can be moved or mounted
// elsewhere; where the file system has no such links it is a text file that
// holds the relative path. It is replaced atomically: a reader sees the old
// run or the new one. A name that cannot name a folder is a *NameError.
func Create(root, name string, now time.Time) (*Folder, error) {
	if !nameForm.MatchString(name) || name == LatestLink {
		return nil, &NameError{Name: name}
	}
	if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	stamp := now.UTC().Format(timestampLayout)
	f := &Folder{Name: name}
	for i := 1; ; i++ {
		f.Timestamp = stamp
		if i > 1 {
			f.Timestamp = fmt.Sprintf("%s-%02d", stamp, i)
		}
		f.Path = filepath.Join(root, name, f.Timestamp)
		err := os.Mkdir(f.Path, 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("run folder: %w", err)
		}
	}
	if err := os.Mkdir(f.Nodes(), 0o755); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	if err := point(root, filepath.Join(name, f.Timestamp), os.Symlink); err != nil {
		return nil, err
	}
	return f, nil
}

// point lets root/latest name the relative path. symlink is os.Symlink; a
// test passes one that fails, as on file systems without links.
func point(root, relative string, symlink func(old, name string) error) error {
	link := filepath.Join(root, LatestLink)
	scratch, err := os.MkdirTemp(root, ".latest-")
	if err != nil {
		return fmt.Errorf("link to the newest run: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	entry := filepath.Join(scratch, LatestLink)
	if err := symlink(relative, entry); err != nil {
		if err := os.WriteFile(entry, []byte(filepath.ToSlash(relative)+"\n"), 0o644); err != nil {
			return fmt.Errorf("link to the newest run: %w", err)
		}
	}
	if err := os.Rename(entry, link); err != nil {
		return fmt.Errorf("link to the newest run: %w (remove %s and run again)", err, link)
	}
	return nil
}

// Latest opens the folder that root/latest points at, be it a link or a text
// file. Without any run yet the error is fs.ErrNotExist.
func Latest(root string) (*Folder, error) {
	link := filepath.Join(root, LatestLink)
	info, err := os.Lstat(link)
	if err != nil {
		return nil, fmt.Errorf("newest run: %w", err)
	}
	var relative string
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		relative, err = os.Readlink(link)
	case info.Mode().IsRegular():
		var text []byte
		text, err = os.ReadFile(link)
		relative = filepath.FromSlash(string(bytes.TrimSpace(text)))
	default:
		err = fmt.Errorf("%s is neither a link nor a file", link)
	}
	if err != nil {
		return nil, fmt.Errorf("newest run: %w", err)
	}
	if !filepath.IsLocal(relative) {
		return nil, fmt.Errorf("newest run: %s points at %q, outside the folder", link, relative)
	}
	return Open(filepath.Join(root, relative))
}

// Open names the files of an existing run folder. It reads none of them.
func Open(path string) (*Folder, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("run folder: %s is a file", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	return &Folder{
		Path:      filepath.Clean(path),
		Name:      filepath.Base(filepath.Dir(absolute)),
		Timestamp: filepath.Base(absolute),
	}, nil
}

// writeAtomically replaces the file in one step: after a crash it holds the
// old content or the new one.
func writeAtomically(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// shellQuote makes one word for a POSIX shell of s.
func shellQuote(s string) string {
	plain := s != ""
	for _, c := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=:,+@%", c) {
			plain = false
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
