package server_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// frame puts the length before the content, as nodes do.
func frame(content []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(content))), content...)
}

func hello(fields ...string) []byte {
	var content []byte
	for _, field := range fields {
		content = append(append(content, field...), 0)
	}
	return frame(content)
}

// A node that is given rubbish, or is taken for another, says why it hangs up, and goes on.
func TestStrangersAreRefused(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"fsync": "never"})
	const magic = "refute-leaderless/1"
	good := hello(magic, "n2", "n1", "n1", "n2", "n3")
	message := func(m core.Message) []byte { return frame(core.AppendMessage(nil, &m)) }
	for _, test := range []struct {
		sent         []byte
		said, logged string
	}{
		{hello("GET / HTTP/1.1", "n2", "n1", "n1"), "not a node that speaks refute-leaderless/1", "not a node that speaks"},
		{hello(magic, "n2", "n3", "n1", "n2", "n3"), "this is node n1, not n3", "this is node n1, not n3"},
		{hello(magic, "n2", "n1", "n1", "n3", "n2"), "give every node the same peers", "give every node the same peers"},
		{hello(magic, "n9", "n1", "n1", "n2", "n3"), `node "n9" is not another member`, "is not another member"},
		{hello(magic, "n1", "n1", "n1", "n2", "n3"), `node "n1" is not another member`, "is not another member"},
		{[]byte{0xff, 0xff, 0xff, 0x7f}, "", "read hello: a frame of 2147483647 bytes"},
		{make([]byte, 4), "", "read hello: a frame of 0 bytes"},
		{append(bytes.Clone(good), 0xfe, 0xff, 0xff, 0x7f), "", "a frame of 2147483646 bytes"},
		{append(bytes.Clone(good), frame([]byte("no message"))...), "", "malformed message"},
		{append(bytes.Clone(good), message(core.Message{Kind: core.MessageHeartbeat, From: 2, To: 0})...), "", "a message from node 2 to node 0 on the connection from node 1"},
		{append(bytes.Clone(good), message(core.Message{Kind: core.MessageHeartbeat, From: 1, To: 2})...), "", "a message from node 1 to node 2 on the connection from node 1"},
	} {
		conn, err := net.Dial("tcp", c.peers[0].Address)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = conn.Write(test.sent)
		require.NoError(t, err)
		said, err := io.ReadAll(conn)
		assert.NoError(t, err, "the node hangs up on %q", test.sent)
		assert.Contains(t, string(said), test.said)
		if test.said == "" {
			assert.Empty(t, said)
		}
		c.eventually("the log to say "+test.logged, func() bool { return c.logs.contain(test.logged) })
		require.NoError(t, conn.Close())
	}
	c.connected(1)
	c.eventually("a write to all", func() bool { return c.put(1, "key", "1", "?w=3").status == 200 })
}

// Only the newest connection from a node counts: the older one holds what was
// sent before the node gave it up.
func TestANewConnectionReplacesTheOlder(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"fsync": "never"})
	before := c.peerConnects(1, "n1")
	conn, err := net.Dial("tcp", c.peers[0].Address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = conn.Write(hello("refute-leaderless/1", "n2", "n1", "n1", "n2", "n3"))
	require.NoError(t, err)
	c.eventually("n2 to connect again", func() bool { return c.peerConnects(1, "n1") > before })
	_, err = io.ReadAll(conn)
	assert.NoError(t, err, "and thereby ours is replaced")
	c.eventually("a write to all", func() bool { return c.put(1, "key", "1", "?w=3").status == 200 })
}

// peerConnects returns how many connections node i has made to the named one.
func (c *cluster) peerConnects(i int, name string) int64 {
	for _, p := range c.status(i).Peers {
		if p.Name == name {
			return p.Connects
		}
	}
	require.Fail(c.t, fmt.Sprintf("no peer %s", name))
	return 0
}
