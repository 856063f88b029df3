package programs

import (
	"context"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

const small = "docker/testdata/talker"

func TestName(t *testing.T) {
	for path, want := range map[string]string{
		"nemesis/agent": "refute-agent", Module + "/nemesis/agent": "refute-agent", "./nemesis/agent": "refute-agent",
		"target/leaderless/server": "refute-leaderless", "target/leaderless/cmd/leaderless": "refute-leaderless", "server": "refute-server",
	} {
		require.Equal(t, want, Name(path), path)
	}
}

func TestBuiltFromSource(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go toolchain")
	}
	t.Setenv(Variable, "")
	first, err := Find(t.Context(), small, runtime.GOARCH)
	require.NoError(t, err)
	require.Equal(t, "refute-talker", first.Name)
	require.Len(t, first.Digest, 64)
	again, err := Find(t.Context(), Module+"/"+small, runtime.GOARCH)
	require.NoError(t, err)
	require.Equal(t, first.Digest, again.Digest)

	// A release has it as a file, which needs no toolchain.
	directory := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(directory, "refute-talker"), first.Data, 0o755))
	t.Setenv(Variable, directory)
	t.Setenv("PATH", t.TempDir())
	found, err := Find(t.Context(), small, runtime.GOARCH)
	require.NoError(t, err)
	require.Equal(t, first, found)
	other := "arm64"
	if runtime.GOARCH == other {
		other = "amd64"
	}
	_, err = Find(t.Context(), small, other)
	require.ErrorContains(t, err, "GOARCH="+other, "a program for another machine is refused")
	require.NoError(t, os.WriteFile(filepath.Join(directory, "refute-talker-linux-"+other), []byte("#!/bin/sh\n"), 0o755))
	_, err = Find(t.Context(), small, other)
	require.ErrorContains(t, err, "no Linux program")
}

func TestDynamicProgramIsRefused(t *testing.T) {
	for _, path := range []string{"/bin/sh", "/usr/bin/env"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		f, err := elf.Open(path)
		if err != nil {
			continue
		}
		interpreted := f.Section(".interp") != nil
		f.Close()
		if !interpreted {
			continue
		}
		_, err = check(path, "x", runtime.GOARCH, data)
		require.ErrorContains(t, err, "CGO_ENABLED=0")
		return
	}
	t.Skip("no dynamically linked program here to try")
}

func TestMissing(t *testing.T) {
	t.Setenv(Variable, t.TempDir())
	t.Setenv("PATH", t.TempDir())
	_, err := Find(t.Context(), "nemesis/agent", "amd64")
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), "refute-agent")
	require.Contains(t, err.Error(), Variable)
	require.NotContains(t, err.Error(), "\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Find(ctx, "nemesis/agent", "amd64")
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
}

func TestUnbuildable(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go toolchain")
	}
	t.Setenv(Variable, "")
	_, err := Find(t.Context(), "docker/testdata/absent", runtime.GOARCH)
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), "absent")
}
