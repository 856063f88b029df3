package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// What one agent has copied is, carried in parts, the same copy at another.
func TestCopiesAreCarried(t *testing.T) {
	newAgent := func() *agent {
		return &agent{options: podOptions{data: t.TempDir(), control: t.TempDir()}, refusals: map[string]string{}}
	}
	from, to := newAgent(), newAgent()
	big := make([]byte, 2*protocol.CopyPartSize+4321)
	for i := range big {
		big[i] = byte(i * i / 251)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(from.copies("f"), "sub", "empty"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(from.copies("f"), "log"), big, 0o640))
	require.NoError(t, os.WriteFile(filepath.Join(from.copies("f"), "sub", "meta"), []byte("m"), 0o600))

	parts := 0
	var copied protocol.Copied
	for offset, last := int64(0), false; !last; parts++ {
		part, err := from.copyRead(protocol.Request{Op: protocol.OpCopyRead, Fault: "f", Offset: offset})
		require.NoError(t, err)
		last = part.Last
		copied, err = to.copyWrite(protocol.Request{Op: protocol.OpCopyWrite, Fault: "f", Offset: offset, Data: part.Data, Last: last})
		require.NoError(t, err)
		offset += int64(len(part.Data))
	}
	assert.Equal(t, 3, parts)
	assert.Equal(t, protocol.Copied{Files: 2, Bytes: int64(len(big)) + 1}, copied)
	got, err := os.ReadFile(filepath.Join(to.copies("f"), "log"))
	require.NoError(t, err)
	assert.Equal(t, big, got)
	info, err := os.Stat(filepath.Join(to.copies("f"), "log"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode())
	assert.DirExists(t, filepath.Join(to.copies("f"), "sub", "empty"))

	// A second copy takes the place of the first.
	require.NoError(t, os.Remove(filepath.Join(from.copies("f"), "log")))
	part, err := from.copyRead(protocol.Request{Fault: "f"})
	require.NoError(t, err)
	require.True(t, part.Last)
	copied, err = to.copyWrite(protocol.Request{Fault: "f", Data: part.Data, Last: true})
	require.NoError(t, err)
	assert.Equal(t, protocol.Copied{Files: 1, Bytes: 1}, copied)
	assert.NoFileExists(t, filepath.Join(to.copies("f"), "log"))

	_, err = from.copyRead(protocol.Request{Op: protocol.OpCopyRead, Fault: "another"})
	assert.ErrorContains(t, err, "copy-read: ")
	_, err = to.copyWrite(protocol.Request{Op: protocol.OpCopyWrite, Fault: "g", Data: []byte("no archive"), Last: true})
	assert.ErrorContains(t, err, "copy-write: ")
	_, err = to.copyWrite(protocol.Request{Op: protocol.OpCopyWrite, Data: part.Data, Last: true})
	assert.ErrorContains(t, err, "a copy needs an identity")
}
