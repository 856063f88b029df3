package filter

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// inNamespace gives the test a network namespace of its own, with loopback up.
// The test's goroutine stays on one thread, which ends with it.
func inNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread is thrown away
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("can't make a network namespace (%v): run the test as root", err)
	}
	lo, err := netlink.LinkByName("lo")
	require.NoError(t, err)
	require.NoError(t, netlink.LinkSetUp(lo))
}

func open(t *testing.T) *Filter {
	t.Helper()
	f, err := Open()
	if err != nil {
		t.Skip(Explain(err))
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Every address of 127.0.0.0/8 is this host, so a datagram can come from any of them.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func peer(i int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}) }

// link is a pair of sockets: what one sends has the peer's address.
type link struct {
	receiver *net.UDPConn
	senders  []*net.UDPConn
	// marker is a sender that nothing cuts.
	marker *net.UDPConn
}

// patience bounds every wait for what must happen.
const patience = 30 * time.Second

func newLink(t *testing.T, peers int) *link {
	t.Helper()
	receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { receiver.Close() })
	l := &link{receiver: receiver}
	from := func(a netip.Addr) *net.UDPConn {
		s, err := net.DialUDP("udp4", &net.UDPAddr{IP: a.AsSlice()}, receiver.LocalAddr().(*net.UDPAddr))
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	for i := range peers {
		l.senders = append(l.senders, from(peer(i)))
	}
	l.marker = from(loopback)
	return l
}

// heard sends one datagram from each peer and returns whose arrived. Over
// loopback they arrive in order, so that after the marker none will.
func (l *link) heard(t require.TestingT) []netip.Addr {
	for _, s := range l.senders {
		_, err := s.Write([]byte("x"))
		require.NoError(t, err, "a cut must not show at the sender")
	}
	_, err := l.marker.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, l.receiver.SetReadDeadline(time.Now().Add(patience)))
	var from []netip.Addr
	buffer := make([]byte, 16)
	for {
		_, a, err := l.receiver.ReadFromUDPAddrPort(buffer)
		require.NoError(t, err)
		if a.Addr().Unmap() == loopback {
			return ordered(from)
		}
		from = append(from, a.Addr().Unmap())
	}
}

// TestFaultsCompose compares with a model: what is heard is what no fault cuts.
func TestFaultsCompose(t *testing.T) {
	inNamespace(t)
	const peers = 4
	f, l := open(t), newLink(t, peers)
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, f.MendAll())
		cuts := map[string][]netip.Addr{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			fault := rapid.SampledFrom([]string{"f1", "f2", "f3"}).Draw(t, "fault")
			if rapid.Bool().Draw(t, "cut") {
				var as []netip.Addr
				for _, i := range rapid.SliceOfN(rapid.IntRange(0, peers-1), 0, peers).Draw(t, "peers") {
					as = append(as, peer(i))
				}
				require.NoError(t, f.Cut(fault, as))
				cuts[fault] = as
			} else {
				freed, err := f.Mend(fault)
				require.NoError(t, err)
				mended := cuts[fault]
				delete(cuts, fault)
				var want []netip.Addr
				for _, a := range mended {
					if !slices.Contains(all(cuts), a) {
						want = append(want, a)
					}
				}
				require.Equal(t, ordered(want), freed)
			}
			cut := all(cuts)
			require.Equal(t, cut, f.Addresses())
			installed, err := f.Installed()
			require.NoError(t, err)
			require.Equal(t, cut, installed)
			var want []netip.Addr
			for i := range peers {
				if !slices.Contains(cut, peer(i)) {
					want = append(want, peer(i))
				}
			}
			require.Equal(t, want, l.heard(t))
		}
	})
}

func all(cuts map[string][]netip.Addr) []netip.Addr {
	var as []netip.Addr
	for _, c := range cuts {
		as = append(as, c...)
	}
	return ordered(as)
}

// TestChangesAreAtomic changes one fault as fast as it goes while another one
// holds: nothing of what stays cut gets through, nothing of what is never cut is lost.
func TestChangesAreAtomic(t *testing.T) {
	inNamespace(t)
	f, l := open(t), newLink(t, 3)
	require.NoError(t, f.Cut("holds", []netip.Addr{peer(0)}))
	var arrived atomic.Int64 // datagrams of peer 1
	stop, sent := make(chan struct{}), make(chan int)
	go func() { // peers 0 (always cut) and 1 (never cut) send without a pause
		n := 0
		for {
			select {
			case <-stop:
				sent <- n
				return
			default:
			}
			if int64(n)-arrived.Load() > 100 { // the receiver's queue must never be full
				runtime.Gosched()
				continue
			}
			for _, s := range l.senders[:2] {
				if _, err := s.Write([]byte("x")); err != nil {
					sent <- -1
					return
				}
			}
			n++
		}
	}()
	received := make(chan map[netip.Addr]int)
	go func() {
		got := map[netip.Addr]int{}
		buffer := make([]byte, 16)
		for {
			_, a, err := l.receiver.ReadFromUDPAddrPort(buffer)
			if err != nil {
				received <- got
				return
			}
			from := a.Addr().Unmap()
			got[from]++
			if from == peer(1) {
				arrived.Add(1)
			}
		}
	}()
	const changes = 400
	for i := range changes {
		require.NoError(t, f.Cut("toggles", []netip.Addr{peer(0), peer(2)}))
		if i%2 == 0 {
			_, err := f.Mend("toggles")
			require.NoError(t, err)
		}
	}
	close(stop)
	n := <-sent
	require.Positive(t, n)
	for deadline := time.Now().Add(patience); arrived.Load() < int64(n) && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	require.NoError(t, l.receiver.SetReadDeadline(time.Now()))
	got := <-received
	require.Zero(t, got[peer(0)], "of %d datagrams of a cut peer", n)
	require.Equal(t, n, got[peer(1)], "datagrams of a peer that is not cut")
	dropped, err := f.Dropped()
	require.NoError(t, err)
	require.Equal(t, uint64(n), dropped, "the counter survives the changes")
}

func TestEstablishedConnectionsGoSilentAndContinue(t *testing.T) {
	inNamespace(t)
	f := open(t)
	client, server := connection(t)
	require.NoError(t, f.Cut("f", []netip.Addr{peer(0)}))
	_, err := client.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, server.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = server.Read(make([]byte, 5))
	require.ErrorContains(t, err, "timeout", "no reset, no end: silence")
	freed, err := f.Mend("f")
	require.NoError(t, err)
	require.Equal(t, []netip.Addr{peer(0)}, freed)
	require.NoError(t, server.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.ReadFull(server, make([]byte, 5))
	require.NoError(t, err, "TCP sends it again")
}

// connection returns a TCP connection from peer 0 to 127.0.0.1.
func connection(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: peer(0).AsSlice()}}
	client, err = dialer.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return client, server
}

func TestDestroy(t *testing.T) {
	inNamespace(t)
	if err := CanDestroy(); err != nil {
		t.Skip(err)
	}
	_, server := connection(t)
	n, err := Destroy([]netip.Addr{peer(1)})
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = Destroy([]netip.Addr{peer(0)})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = server.Read(make([]byte, 1))
	require.True(t, errors.Is(err, unix.ECONNABORTED), "%v", err)
}

func TestOpenReplacesWhatAnEarlierAgentLeft(t *testing.T) {
	inNamespace(t)
	l := newLink(t, 1)
	f := open(t)
	require.NoError(t, f.Cut("f", []netip.Addr{peer(0)}))
	require.Empty(t, l.heard(t))
	again := open(t)
	require.Len(t, l.heard(t), 1)
	require.NoError(t, again.Cut("f", []netip.Addr{peer(0)}))
	require.Empty(t, l.heard(t))
	require.NoError(t, again.Close())
	require.Len(t, l.heard(t), 1)
}

func TestCutRefusesWhatItCantFilter(t *testing.T) {
	inNamespace(t)
	f := open(t)
	require.Error(t, f.Cut("f", []netip.Addr{netip.MustParseAddr("fe80::1")}))
	require.Empty(t, f.Addresses())
}

func TestExplain(t *testing.T) {
	require.Empty(t, Explain(nil))
	for err, want := range map[error]string{unix.EPERM: "NET_ADMIN", unix.EOPNOTSUPP: "modprobe", unix.EIO: "nft list"} {
		require.Contains(t, Explain(fmt.Errorf("x: %w", err)), want)
	}
}
