package programs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/refute-lab/refute"

// Variable is the environment variable that names a directory of programs.
const Variable = "REFUTE_PROGRAMS"

// Program is a static Linux program.
type Program struct {
	// Name is the program's file name, for instance "refute-agent".
	Name string
	// Data is the ELF file.
	Data []byte
	// Digest is the SHA-256 of Data, in hexadecimal.
	Digest string
}

// NotFoundError says that a program was found in none of the three ways.
type NotFoundError struct {
	// Package is the import path of the program.
	Package string
	// Architecture is the engine's, as GOARCH.
	Architecture string
	// Tried lists what was tried and why it did not help.
	Tried []error
}

// Error is one line with the cause and the remedy.
func (e *NotFoundError) Error() string {
	var tried []string
	for _, t := range e.Tried {
		tried = append(tried, strings.ReplaceAll(strings.TrimSpace(t.Error()), "\n", "; "))
	}
	return fmt.Sprintf("the program %s for linux/%s is missing: put it next to the refute executable or into $%s, or install the Go toolchain and run refute from its source (%s)",
		Name(e.Package), e.Architecture, Variable, strings.Join(tried, "; "))
}

// Unwrap returns what was tried.
func (e *NotFoundError) Unwrap() []error { return e.Tried }

// Find returns the program of a Go package of this module, given by its import
// path or its path within the module, for an architecture as GOARCH names it.
// The error is a *NotFoundError, the context's, or what makes a file that was
// found unusable.
func Find(ctx context.Context, importPath, architecture string) (Program, error) {
	importPath = absolute(importPath)
	missing := &NotFoundError{Package: importPath, Architecture: architecture}
	for _, directory := range directories() {
		for _, name := range []string{Name(importPath) + "-linux-" + architecture, Name(importPath)} {
			data, err := os.ReadFile(filepath.Join(directory, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return Program{}, fmt.Errorf("read a program: %w", err)
			}
			return check(filepath.Join(directory, name), Name(importPath), architecture, data)
		}
		missing.Tried = append(missing.Tried, fmt.Errorf("no %s in %s", Name(importPath), directory))
	}
	file, data, err := build(ctx, importPath, architecture)
	if ctx.Err() != nil {
		return Program{}, fmt.Errorf("build %s: %w", importPath, ctx.Err())
	}
	if err != nil {
		missing.Tried = append(missing.Tried, err)
		return Program{}, missing
	}
	return check(file, Name(importPath), architecture, data)
}

// Name returns the file name of a package's program: "refute-" and the last
// element of its path that says something ("target/leaderless/server" is refute-leaderless).
func Name(importPath string) string {
	importPath = absolute(importPath)
	for path.Dir(importPath) != Module {
		switch path.Base(importPath) {
		case "server", "cmd", "main", "node":
			importPath = path.Dir(importPath)
			continue
		}
		break
	}
	return "refute-" + path.Base(importPath)
}

func absolute(importPath string) string {
	importPath = strings.TrimPrefix(importPath, "./")
	if importPath == Module || strings.HasPrefix(importPath, Module+"/") {
		return importPath
	}
	return path.Join(Module, importPath)
}

// directories are where a release has its programs.
func directories() []string {
	var ds []string
	if d := os.Getenv(Variable); d != "" {
		ds = append(ds, d)
	}
	if executable, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(executable); err == nil {
			executable = resolved
		}
		ds = append(ds, filepath.Dir(executable))
	}
	return ds
}

var machines = map[string]elf.Machine{
	"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "loong64": elf.EM_LOONGARCH,
	"ppc64": elf.EM_PPC64, "ppc64le": elf.EM_PPC64, "riscv64": elf.EM_RISCV, "s390x": elf.EM_S390,
}

// check makes sure that the file runs alone in an image on the architecture.
func check(file, name, architecture string, data []byte) (Program, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return Program{}, fmt.Errorf("%s is no Linux program: %w: replace it by one built with GOOS=linux", file, err)
	}
	defer f.Close()
	if want, known := machines[architecture]; known && f.Machine != want {
		return Program{}, fmt.Errorf("%s is for %v but the engine is linux/%s: replace it by one built with GOARCH=%s", file, f.Machine, architecture, architecture)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return Program{}, fmt.Errorf("%s is linked dynamically, but its image has no libraries: build it with CGO_ENABLED=0", file)
		}
	}
	sum := sha256.Sum256(data)
	return Program{Name: name, Data: data, Digest: hex.EncodeToString(sum[:])}, nil
}
