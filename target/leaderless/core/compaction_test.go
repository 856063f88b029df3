package core

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a replica has promised and accepted, but nobody has committed, is in no
// cell: the compacted log must have it all the same.
func TestCompactionKeepsPromisesAndProposals(t *testing.T) {
	settings := settingsOf(t, 3, "cas", "paxos-v2")
	k := &paxosKey{}
	promised, _ := k.prepare(version(5), true, 1)
	require.True(t, promised)
	accepted, _ := k.accept(&proposal{cell: cell(5, "v")})
	require.True(t, accepted)
	promised, _ = k.prepare(version(9), true, 2)
	require.True(t, promised)
	var log [][]byte
	require.True(t, k.records("k", func(r []byte) bool { log = append(log, r); return true }))
	require.NotEmpty(t, log)
	first := newSolo(t, 0, settings, log...)
	require.NotEqual(t, newSolo(t, 0, settings).node.Digest(), first.node.Digest())
	again := newSolo(t, 0, settings, slices.Collect(first.node.Records)...)
	assert.Equal(t, first.node.Digest(), again.node.Digest())
	assert.Equal(t, version(9), again.node.paxosKey("k").latest())
}
