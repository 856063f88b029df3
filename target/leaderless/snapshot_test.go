package leaderless_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// logOf is what a node has written to its output.
func (p *processes) logOf(i int) string {
	text, err := os.ReadFile(filepath.Join(p.dir, p.names[i]+".log"))
	require.NoError(p.t, err)
	return string(text)
}

// A snapshot that is made while clients write has every write that was
// acknowledged before it was asked for. With the disk lost, the program makes a
// log of it and goes on, and does so once however often it is started.
func TestASnapshotHasWhatWasAcknowledgedBefore(t *testing.T) {
	p := startProcesses(t, 1, map[string]string{"n": "1", "w": "1", "r": "1", "fsync": "group:2ms"})
	client := p.register(0)
	acknowledged := 0
	write := func() {
		acknowledged++
		_, err := client.Write(within(t, patience), fmt.Sprintf("k%d", acknowledged), int64(acknowledged))
		require.NoError(t, err)
	}
	for range 30 {
		write()
	}
	before := acknowledged
	made := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+p.clients[0]+"/admin/snapshot", "", nil)
		if err != nil {
			made <- ""
			return
		}
		defer response.Body.Close()
		var snapshot struct{ Path string }
		_ = json.NewDecoder(response.Body).Decode(&snapshot)
		made <- snapshot.Path
	}()
	var path string
	for path == "" {
		select {
		case path = <-made:
			require.NotEmpty(t, path)
		default:
			write()
		}
	}
	last := acknowledged
	write()
	p.kill(0)
	elsewhere := filepath.Join(p.dir, "carried away")
	require.NoError(t, os.CopyFS(elsewhere, os.DirFS(path)))
	require.NoError(t, os.RemoveAll(filepath.Join(p.dir, "n1")))
	for range 2 {
		p.start(0, "--restore", elsewhere)
		p.ready(0)
		held := map[string]bool{}
		for _, e := range p.dumps()[0].Entries {
			held[e.Key] = true
		}
		for i := 1; i <= before; i++ {
			assert.True(t, held[fmt.Sprintf("k%d", i)], "write %d was acknowledged before the snapshot", i)
		}
		assert.False(t, held[fmt.Sprintf("k%d", last+1)], "written after it")
		p.kill(0)
	}
}

// The two kinds of damage, as an operator meets them: an end that was cut off
// costs a line in the log, damage in the middle costs the start, and names the file,
// the place and what to do.
func TestADamagedLogIsToldApart(t *testing.T) {
	p := startProcesses(t, 1, map[string]string{"n": "1", "w": "1", "r": "1", "fsync": "never"})
	client := p.client(0)
	for value := range int64(10) {
		p.write(client, value)
	}
	p.kill(0)
	segment := filepath.Join(p.dir, "n1", "segment-00000001")
	content, err := os.ReadFile(segment)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(segment, content[:len(content)-5], 0o644))
	p.start(0)
	p.ready(0)
	assert.Contains(t, p.logOf(0), "torn tail: dropped")
	assert.Contains(t, p.logOf(0), segment)
	reading, err := p.register(0).Read(within(t, patience), "key")
	require.NoError(t, err)
	assert.Equal(t, int64(8), reading.Value, "the last write was cut off, and nothing else")
	p.kill(0)

	content, err = os.ReadFile(segment)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(segment, content, 0o644))
	output, status := runProgram("--name", "n1", "--peers", p.peers[0], "--data", filepath.Join(p.dir, "n1"), "--client-listen", p.clients[0],
		"--set", "n=1", "--set", "w=1", "--set", "r=1")
	assert.Equal(t, 1, status)
	assert.Contains(t, output, "corrupt log: "+segment+" at offset")
	assert.Contains(t, output, "restore the directory, or remove it")

	output, status = runProgram("--name", "n1", "--peers", p.peers[0], "--data", filepath.Join(p.dir, "n1"), "--client-listen", p.clients[0],
		"--set", "n=1", "--set", "w=1", "--set", "r=1", "--restore", p.dir)
	assert.Equal(t, 1, status)
	assert.Contains(t, output, "is no backup of a log")
}
