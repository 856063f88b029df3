package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// mainHistories are the names of the one history that a run folder is about,
// refute's own and Jepsen's; what lies beside it shows the same operations again.
var mainHistories = []string{"history.jsonl", "history.jsonl.gz", "history.edn", "history.edn.gz"}

// findHistories turns the arguments into histories, in their order. several
// says that more than one history may come of them, whatever number it is this time.
func findHistories(arguments []string) (paths []string, several bool, err error) {
	several = len(arguments) > 1
	for _, argument := range arguments {
		info, err := os.Stat(argument)
		if argument == "-" || err != nil || !info.IsDir() {
			if argument == "-" && slices.Contains(paths, "-") {
				return nil, false, errors.New("- stands twice: the standard input can be read once")
			}
			paths = append(paths, argument) // reading it will say what is wrong
			continue
		}
		if name := mainHistory(argument); name != "" {
			paths = append(paths, filepath.Join(argument, name))
			continue
		}
		several = true
		found, err := historiesBelow(argument)
		if err != nil {
			return nil, false, err
		}
		if len(found) == 0 {
			return nil, false, fmt.Errorf("%s holds no history: want a history.jsonl or history.edn, other .jsonl or .edn files, or .log or .txt files that hold operations, plain or gzipped", argument)
		}
		paths = append(paths, found...)
	}
	return paths, several, nil
}

// mainHistory is the name of the history of a run folder, or empty.
func mainHistory(folder string) string {
	for _, name := range mainHistories {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// historiesBelow lists the histories in a folder and the folders in it, by
// name. Links to folders (results/runs/latest) are not followed, for what they
// point to is there under its own name.
func historiesBelow(folder string) (paths []string, err error) {
	// With a slash at its end a link to a folder is looked into.
	err = filepath.WalkDir(folder+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look for histories: %w", err)
		}
		if !entry.IsDir() {
			if name := mainHistory(filepath.Dir(path)); name == "" || name == entry.Name() {
				if isHistory(path) {
					paths = append(paths, filepath.Clean(path))
				}
			}
		}
		return nil
	})
	return paths, err
}

// isHistory says whether a file in a folder is to be checked. What is named as
// a history is, and reported if it is none; of logs and texts only those that
// begin like one.
func isHistory(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false // reading a pipe might never end
	}
	switch filepath.Ext(strings.TrimSuffix(path, ".gz")) {
	case ".jsonl", ".edn":
		return true
	case ".log", ".txt":
		file, err := history.Open(path)
		if err == nil {
			_ = file.Close()
		}
		return err == nil
	}
	return false
}
