package docker

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/docker/programs"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// foreignImage imports an image that has nothing to do with ours: its own
// layout, user, entrypoint, command, working directory and data.
func foreignImage(t *testing.T, e *Engine, reference string, files []file, changes ...string) {
	t.Helper()
	archive, err := tarball(files)
	require.NoError(t, err)
	r, err := e.client.ImageImport(t.Context(), image.ImportSource{Source: bytes.NewReader(archive), SourceName: "-"}, reference, image.ImportOptions{Changes: changes})
	require.NoError(t, err)
	require.NoError(t, messages(r))
	require.NoError(t, r.Close())
	t.Cleanup(func() { removeImage(t, e, reference) })
}

func TestForeignImage(t *testing.T) {
	e := engine(t)
	p, err := programs.Find(t.Context(), testProgram, e.Architecture())
	require.NoError(t, err)
	reference := "refute-test-foreign:" + runName("x")
	foreignImage(t, e, reference, []file{
		{name: "opt/", mode: 0o755}, {name: "opt/serve", mode: 0o755, data: p.Data},
		{name: "etc/", mode: 0o755}, {name: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0::/:/none\napp:x:1234:1234::/:/none\n")},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\napp:x:1234:\n")},
		{name: "work/", mode: 0o755},
	}, "USER app", `ENTRYPOINT ["serve", "-own"]`, `CMD ["by", "itself"]`, "WORKDIR /work", "ENV PATH=/opt", "ENV GREETING=hello", "EXPOSE 9999")

	// As it is; and with the specification's own words.
	own := Spec{Node: "n1", Image: reference, Environment: []string{"DATA=/srv/data", "PORT=7070"}, ClientPort: 7070, DataDirectory: "/srv/data"}
	changed := Spec{Node: "n2", Image: reference, Command: []string{"otherwise"}, Environment: []string{"GREETING=bye", "DATA=/srv/data"}, ClientPort: 8080, DataDirectory: "/srv/data", RealClock: true}
	c := start(t, e, own, changed)
	who, err := get(c, "n1", "/who")
	require.NoError(t, err)
	require.Equal(t, `n1 uid=1234 cwd=/work args=["-own" "by" "itself"] greeting=hello`, who)
	who, err = get(c, "n2", "/who")
	require.NoError(t, err)
	require.Equal(t, `n2 uid=1234 cwd=/work args=["-own" "otherwise"] greeting=bye`, who)
	for _, n := range c.Nodes() {
		_, err := get(c, n, "/write?v=kept")
		require.NoError(t, err, "the data directory belongs to the image's user")
		call[protocol.Process](t, c, n, within("k", protocol.Request{Op: protocol.OpKill}))
		call[protocol.Process](t, c, n, protocol.Request{Op: protocol.OpSpawn, Fault: "k"})
		ready(t, c, n)
		text, err := get(c, n, "/read")
		require.NoError(t, err)
		require.Equal(t, "kept", text)
	}
	_, err = c.Call(t.Context(), "n2", within("c", protocol.Request{Op: protocol.OpClockSet, Clock: &protocol.Clock{OffsetNanos: 1}}))
	require.ErrorContains(t, err, "without clock skew", "a clock fault is refused, never skipped")
}

// TestShellImage runs a node whose entrypoint is a shell script that starts
// several processes, one of them in a session of its own.
func TestShellImage(t *testing.T) {
	e := engine(t)
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox here to make an image of: install the package busybox-static")
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	if _, err := exec.Command("ldd", path).Output(); err == nil {
		t.Skip("this busybox is not static: install the package busybox-static")
	}
	script := "#!/bin/busybox sh\necho shell starts\nmkdir -p /tmp/www; echo ok > /tmp/www/ready\n" +
		"/bin/busybox setsid /bin/busybox sleep 1000 &\n/bin/busybox sleep 1001 &\n/bin/busybox httpd -f -p 8080 -h /tmp/www &\nwait\n"
	reference := "refute-test-shell:" + runName("x")
	foreignImage(t, e, reference, []file{
		{name: "bin/", mode: 0o755}, {name: "bin/busybox", mode: 0o755, data: data}, {name: "start", mode: 0o755, data: []byte(script)},
		{name: "tmp/", mode: 0o1777},
	}, "USER 4321:4321", `ENTRYPOINT ["/start"]`, "ENV PATH=/bin")
	c := start(t, e, Spec{Node: "n1", Image: reference, ClientPort: 8080})
	// The web server answers each request in a process of its own, which may not have ended yet.
	var p protocol.Process
	for deadline := time.Now().Add(10 * time.Second); len(living(p.States)) != 4; {
		require.True(t, time.Now().Before(deadline), "the shell and its three children: %q", p.States)
		p = call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpProcess})
	}
	p = call[protocol.Process](t, c, "n1", within("p", protocol.Request{Op: protocol.OpPause}))
	require.Len(t, living(p.States), 4)
	require.Empty(t, strings.Trim(living(p.States), "Tt"), "all of them are stopped: %q", p.States)
	call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpResume, Fault: "p"})
	ready(t, c, "n1")
	p = call[protocol.Process](t, c, "n1", within("k", protocol.Request{Op: protocol.OpKill}))
	require.Zero(t, p.PID)
	require.Empty(t, strings.Trim(p.States, "Z"), "none of them lives: %q", p.States)
	call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpSpawn, Fault: "k"})
	ready(t, c, "n1")
	require.NoError(t, c.Close(context.Background()))
	log, err := os.ReadFile(filepath.Join(c.options.LogDirectory, "n1.log"))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(log), "shell starts"), "both starts are in the log")
}

// living are the states without those of processes that have ended and that
// nobody has waited for yet, as the shell's first commands may have.
func living(states string) string { return strings.ReplaceAll(states, "Z", "") }

func TestImageIsMadeOnce(t *testing.T) {
	e := engine(t)
	c := content{name: "once", architecture: e.Architecture(), entrypoint: []string{"/x"}, files: []file{{name: "x", mode: 0o755, data: []byte(runName("once"))}}}
	first, err := e.ensure(t.Context(), c)
	require.NoError(t, err)
	defer removeImage(t, e, first)
	inspected, err := e.client.ImageInspect(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, "once", inspected.Config.Labels[LabelImage])
	require.Equal(t, first, "refute/once:"+strings.TrimPrefix(inspected.ID, "sha256:")[:16], "the tag is the image's ID")
	second, err := e.ensure(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, first, second)
	c.files[0].data = append(c.files[0].data, '!')
	_, other, err := c.archive()
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

func TestMissingImage(t *testing.T) {
	e := engine(t)
	c, err := e.NewCluster(t.Context(), Options{Run: runName("missing"), Nodes: []string{"n1"}})
	require.NoError(t, err)
	err = c.Start(t.Context(), []Spec{{Node: "n1", Image: "refute-test/does-not:exist"}})
	var missing *ImageError
	require.True(t, errors.As(err, &missing), "%v", err)
	require.Contains(t, err.Error(), "docker pull")
	require.NoError(t, c.Close(context.Background()))
}

func TestEntrypointThatDoesNotExist(t *testing.T) {
	e := engine(t)
	for _, real := range []bool{false, true} {
		c, err := e.NewCluster(t.Context(), Options{Run: runName("entry"), Nodes: []string{"n1"}, LogDirectory: t.TempDir()})
		require.NoError(t, err)
		err = c.Start(t.Context(), []Spec{{Node: "n1", Program: testProgram, Entrypoint: []string{"/nothing"}, RealClock: real}})
		var failed *NodeError
		require.ErrorAs(t, err, &failed)
		require.Contains(t, err.Error(), "/nothing")
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), context.DeadlineExceeded.Error(), "it does not wait for a deadline")
		require.NoError(t, c.Close(context.Background()))
	}
}
