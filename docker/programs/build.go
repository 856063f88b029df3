package programs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// build builds the package with the Go toolchain and returns the file and its content.
func build(ctx context.Context, importPath, architecture string) (string, []byte, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", nil, fmt.Errorf("build it: no Go toolchain: %w", err)
	}
	source, err := sourceDirectory(ctx, tool)
	if err != nil {
		return "", nil, fmt.Errorf("build it: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", nil, fmt.Errorf("build it: no cache directory: %w", err)
	}
	// One place for each source tree: Go leaves a program that is up to date as
	// it is, and two clones don't build over each other's.
	key := sha256.Sum256([]byte(source + "\x00" + importPath + "\x00" + architecture))
	directory := filepath.Join(cache, "refute", "programs", hex.EncodeToString(key[:8]))
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", nil, fmt.Errorf("build it: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(directory, "lock"))
	if err != nil {
		return "", nil, fmt.Errorf("build it: %w", err)
	}
	defer unlock()
	file := filepath.Join(directory, Name(importPath))
	command := exec.CommandContext(ctx, tool, "build", "-trimpath", "-ldflags", "-s -w", "-o", file, importPath)
	command.Dir = source
	// The caller's flags and workspace are about the controller, not about this program.
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture, "GOFLAGS=-mod=readonly", "GOWORK=off")
	var problems bytes.Buffer
	command.Stdout, command.Stderr = &problems, &problems
	if err := command.Run(); err != nil {
		return "", nil, fmt.Errorf("build it in %s: %w: %s", source, err, lastLines(problems.String()))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, fmt.Errorf("build it: %w", err)
	}
	return file, data, nil
}

// sourceDirectory returns the root of this module's source: where this very file
// was compiled, or the module that the working directory belongs to or requires.
func sourceDirectory(ctx context.Context, tool string) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
		if isModule(root) {
			return root, nil
		}
	}
	list := exec.CommandContext(ctx, tool, "list", "-m", "-f", "{{.Dir}}", Module)
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("the source of %s is neither where it was compiled nor known to the working directory's module: %w", Module, err)
	}
	root := strings.TrimSpace(string(out))
	if !isModule(root) {
		return "", fmt.Errorf("go list says that the source of %s is in %q, but it is not", Module, root)
	}
	return root, nil
}

func isModule(directory string) bool {
	text, err := os.ReadFile(filepath.Join(directory, "go.mod"))
	return err == nil && directory != "" && strings.HasPrefix(strings.TrimSpace(string(text)), "module "+Module+"\n")
}

// lastLines shortens a compiler's output to what fits a message.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return strings.Join(lines, "; ")
}

// errLocked is wrapped when the lock could not be had in time.
var errLocked = errors.New("another process builds the same program")
