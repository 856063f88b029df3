package clock

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const containerLabel = "lab.refute.test=clock"

// docker runs the command line client, for at most a minute.
func docker(t testing.TB, input []byte, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = bytes.NewReader(input)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// testImage makes an image from nothing but the two static programs.
func testImage(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("no docker command:", err)
	}
	if _, err := docker(t, nil, "version", "--format", "{{.Server.Version}}"); err != nil {
		t.Skip("no Docker engine:", err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"agent", "target"} {
		content, err := os.ReadFile(program(t, name))
		require.NoError(t, err)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	tag := fmt.Sprintf("refute-clock-test:%d", os.Getpid())
	id, err := docker(t, archive.Bytes(), "import", "--change", "LABEL "+containerLabel, "-", tag)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := docker(t, nil, "rmi", "-f", id)
		require.NoError(t, err)
	})
	return tag
}

func TestInContainers(t *testing.T) {
	image := testImage(t)
	page, path := newPage(t)
	page.Set(Skew{Offset: hour})
	folder := filepath.Dir(path)
	for d := folder; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	base := []string{"run", "--rm", "--label", containerLabel, "--network", "none", "-v", folder + ":/clock:ro"}
	strict := []string{"--cap-drop", "ALL", "--user", "65534:65534", "--security-opt", "no-new-privileges", "--read-only"}
	wrapper := []string{"/agent", ModeExec, "-page", "/clock/page", "--"}
	run := func(flags []string, argv ...string) (string, error) {
		args := append(append(append([]string{}, base...), flags...), image)
		return docker(t, nil, append(args, argv...)...)
	}
	wrap := func(argv ...string) []string { return append(append([]string{}, wrapper...), argv...) }

	for name, c := range map[string]struct {
		flags []string
		argv  []string
	}{
		"defaults":                     {nil, wrap("/target", "first")},
		"no privileges at all":         {strict, wrap("/target", "first")},
		"launcher and program":         {strict, wrap("/target", "exec", "/target", "exec", "/target", "first")},
		"child":                        {strict, wrap("/target", "run", "/target", "first")},
		"in a session of its own":      {strict, append([]string{"/agent", "spawn"}, wrap("/target", "first")...)},
		"dropping the user":            {[]string{"--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID"}, wrap("/target", "drop", "1234", "/target", "first")},
		"few processes, little memory": {append([]string{"--pids-limit", "40", "--memory", "64m"}, strict...), wrap("/target", "first")},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				out, err := run(c.flags, c.argv...)
				require.NoError(t, err)
				parseReading(t, out).requireFollows(t, page.Get())
			}
		})
	}
	t.Run("probe", func(t *testing.T) {
		_, err := run(strict, "/agent", ModeProbe)
		require.NoError(t, err)
	})
	t.Run("unskewed without the wrapper", func(t *testing.T) {
		out, err := run(strict, "/target", "first")
		require.NoError(t, err)
		parseReading(t, out).requireFollows(t, Skew{})
	})
	t.Run("ptrace forbidden", func(t *testing.T) {
		profile, err := json.Marshal(map[string]any{
			"defaultAction": "SCMP_ACT_ALLOW",
			"syscalls":      []map[string]any{{"names": []string{"ptrace"}, "action": "SCMP_ACT_ERRNO"}},
		})
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "profile.json")
		require.NoError(t, os.WriteFile(file, profile, 0o600))
		forbidden := append([]string{"--security-opt", "seccomp=" + file}, strict...)
		for _, argv := range [][]string{wrap("/target", "first"), {"/agent", ModeProbe}} {
			out, err := run(forbidden, argv...)
			require.Error(t, err)
			require.Empty(t, out, "it has run")
			require.Contains(t, err.Error(), fmt.Sprintf("exit status %d", ExitUnavailable))
			require.Contains(t, err.Error(), "clock skew unavailable: ptrace of pid")
			require.Contains(t, err.Error(), "CAP_SYS_PTRACE")
			t.Log(err)
		}
	})
}
