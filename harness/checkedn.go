package harness

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// EDNOutput says where and how histories are written for Jepsen's checkers.
type EDNOutput struct {
	// Path is the file to be written, gzipped if it ends in .gz; for several
	// histories, or where it ends in a slash or is one, a folder. Empty: none.
	Path string
	// Form is for whom; empty is history.Knossos.
	Form history.EDNForm

	// targets are the files to be written, by the path of the history.
	targets map[string]string
}

func (o *EDNOutput) validate() error {
	if o.Form == "" {
		o.Form = history.Knossos
	}
	for _, known := range history.EDNForms() {
		if o.Form == known {
			return nil
		}
	}
	return fmt.Errorf("unknown form of EDN %q: choose from %s, %s", o.Form, history.Knossos, history.Elle)
}

// assign chooses the file for each history. Nothing is ever overwritten, so a
// file that is there already is an error before anything is checked.
func (o *EDNOutput) assign(paths []string, several bool) error {
	if o.Path == "" {
		return nil
	}
	info, err := os.Stat(o.Path)
	isFolder := err == nil && info.IsDir()
	o.targets = map[string]string{}
	if !several && !isFolder && !strings.HasSuffix(o.Path, string(filepath.Separator)) {
		o.targets[paths[0]] = o.Path
	} else {
		if err := os.MkdirAll(o.Path, 0o755); err != nil {
			return fmt.Errorf("folder for EDN files: %w", err)
		}
		taken := map[string]string{}
		for _, path := range paths {
			if o.targets[path] != "" {
				continue
			}
			name := ednName(path)
			if other := taken[name]; other != "" {
				return fmt.Errorf("%s and %s would both be written to %s: name them one at a time", other, path, name)
			}
			taken[name] = path
			o.targets[path] = filepath.Join(o.Path, name)
		}
	}
	for _, target := range o.targets {
		if _, err := os.Lstat(target); err == nil {
			return fmt.Errorf("%s exists: files are never overwritten", target)
		}
	}
	return nil
}

// ednName is the name of a history's EDN file in a folder: its path, with
// dashes for slashes, since most histories are called the same.
func ednName(path string) string {
	if path == "-" {
		return "stdin.edn"
	}
	path = strings.TrimSuffix(filepath.ToSlash(filepath.Clean(path)), ".gz")
	path = strings.TrimSuffix(path, filepath.Ext(path))
	path = strings.TrimLeft(path, "./")
	return strings.ReplaceAll(strings.ReplaceAll(path, "../", ""), "/", "-") + ".edn"
}

// write writes one history and warns of what was left out.
func (o *EDNOutput) write(ctx context.Context, file *history.File, path string, outcome *Outcome) (err error) {
	target := o.targets[path]
	if target == "" {
		return nil
	}
	f, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return &UsageError{fmt.Errorf("write EDN: %w", err)}
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = &UsageError{fmt.Errorf("write EDN: %w", cerr)}
		}
		if err != nil {
			_ = os.Remove(target) // no half of a history
		}
	}()
	var w io.Writer = f
	if filepath.Ext(target) == ".gz" {
		packed := gzip.NewWriter(f)
		defer func() {
			if cerr := packed.Close(); err == nil && cerr != nil {
				err = &UsageError{fmt.Errorf("write EDN: %w", cerr)}
			}
		}()
		w = packed
	}
	written, err := file.WriteEDN(ctx, w, o.Form)
	if err != nil {
		return &UsageError{err}
	}
	if written.Dumps > 0 {
		outcome.Warnings = append(outcome.Warnings, fmt.Sprintf("%s: left out %d dumps of replicas, which no checker of Jepsen's knows", target, written.Dumps))
	}
	return nil
}
