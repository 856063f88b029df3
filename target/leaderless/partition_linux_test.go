package leaderless_test

import (
	"context"
	"encoding/binary"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/refute-lab/refute/target"
)

// isolate puts the test's thread, and with it the nodes and connections that
// the test makes from it, into a network of its own, where packets can be dropped.
func isolate(t *testing.T) {
	// Never unlocked: the thread ends with the test's goroutine.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		t.Skipf("no network namespace of our own: %v (needs CAP_SYS_ADMIN)", err)
	}
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(lo))
}

// cut drops every packet from or to the TCP ports, heal drops none.
func cut(t *testing.T, ports ...uint16) (heal func()) {
	conn, err := nftables.New()
	require.NoError(t, err)
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "cut"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "input", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	for _, port := range ports {
		for _, offset := range []uint32{0, 2} { // source and destination port
			conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
				&expr.Verdict{Kind: expr.VerdictDrop},
			}})
		}
	}
	require.NoError(t, conn.Flush())
	return func() {
		conn.DelTable(table)
		require.NoError(t, conn.Flush())
	}
}

// A partition that has lasted long enough for TCP to back off is over within a
// second of its heal: at least once in a few, on a machine that may be busy.
func TestAHealIsEffectiveAtOnce(t *testing.T) {
	isolate(t)
	p := startProcesses(t, 3, map[string]string{"fsync": "never", "w": "3", "hints": "off"})
	clients := make([]target.Register, 3)
	var ports []uint16
	for i := range clients {
		clients[i] = p.register(i)
		p.eventually("a first write", func(ctx context.Context) bool { _, err := clients[i].Write(ctx, "key", 1); return err == nil })
		_, port, err := net.SplitHostPort(p.nodes[i])
		require.NoError(t, err)
		number, err := strconv.ParseUint(port, 10, 16)
		require.NoError(t, err)
		ports = append(ports, uint16(number))
	}
	for range 3 {
		took := recovery(t, p, clients, ports)
		t.Logf("the last node writes to all %v after the heal", took)
		if took < time.Second {
			return
		}
	}
	assert.Fail(t, "no heal was effective within a second")
}

// recovery returns how long after the heal of a partition it takes until every
// node can write to all.
func recovery(t *testing.T, p *processes, clients []target.Register, ports []uint16) time.Duration {
	// By then the next retransmission of TCP itself is more than a second away.
	const length = 4800 * time.Millisecond
	heal := cut(t, ports...)
	began := time.Now()
	_, err := clients[0].Write(within(t, patience), "key", 2)
	require.Error(t, err, "the partition is real")
	assert.False(t, target.IsDefinite(err), "messages were sent")
	for time.Since(began) < length {
		for _, client := range clients {
			_, err := client.Write(within(t, patience), "key", 3)
			require.Error(t, err, "the partition is real")
		}
		time.Sleep(20 * time.Millisecond) // a pace: refusals come at once
	}
	heal()
	began = time.Now()
	for _, client := range clients {
		p.eventually("a write after the heal", func(ctx context.Context) bool { _, err := client.Write(ctx, "key", 4); return err == nil })
	}
	return time.Since(began)
}
