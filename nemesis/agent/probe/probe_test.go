package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var loopback = []netip.Addr{netip.MustParseAddr("127.0.0.1")}

func listen(t *testing.T) *Responder {
	t.Helper()
	r, err := Listen(0)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func seen(r *Responder, token string, wait time.Duration, as ...netip.Addr) []netip.Addr {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return r.Seen(ctx, token, as)
}

func TestProbe(t *testing.T) {
	r := listen(t)
	require.Empty(t, seen(r, "a", time.Millisecond, loopback...))
	require.NoError(t, r.Send("a", loopback))
	require.Equal(t, loopback, seen(r, "a", 5*time.Second, loopback...))
	require.Equal(t, loopback, seen(r, "a", 0, loopback...), "it may be asked late, and again")
	require.Empty(t, seen(r, "b", 10*time.Millisecond, loopback...), "another token")
	absent := netip.MustParseAddr("192.0.2.1")
	require.Equal(t, loopback, seen(r, "a", 10*time.Millisecond, absent, loopback[0]), "what came, even if not all did")
}

func TestSeenWaits(t *testing.T) {
	r := listen(t)
	got := make(chan []netip.Addr)
	go func() { got <- seen(r, "late", 10*time.Second, loopback...) }()
	select {
	case <-got:
		require.Fail(t, "it must wait")
	case <-time.After(20 * time.Millisecond):
	}
	require.NoError(t, r.Send("late", loopback))
	require.Equal(t, loopback, <-got)
}

func TestStrayDatagramsAndOldTokens(t *testing.T) {
	r := listen(t)
	c, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", r.LocalPort()))
	require.NoError(t, err)
	defer c.Close()
	for _, stray := range []string{"", "hello", "refute-probe ", "refute-probe " + strings.Repeat("x", longest+1)} {
		_, err := c.Write([]byte(stray))
		require.NoError(t, err)
	}
	for i := range remembered + 10 {
		token := fmt.Sprint("t", i)
		require.NoError(t, r.Send(token, loopback))
		require.Len(t, seen(r, token, 5*time.Second, loopback...), 1)
	}
	require.Empty(t, seen(r, "t0", 0, loopback...), "the oldest is forgotten")
	require.Len(t, seen(r, "t100", 0, loopback...), 1)
	r.mu.Lock()
	require.Len(t, r.seen, remembered)
	r.mu.Unlock()
	require.Error(t, r.Send("", loopback))
	require.Error(t, r.Send(strings.Repeat("x", longest+1), loopback))
}
