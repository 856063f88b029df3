package filter

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Destroy aborts the established TCP connections with the peers, as the kernel's
// SOCK_DESTROY does: both programs see an error at once and reconnect, instead of
// waiting for a retransmission timer that has backed off. It returns how many
// were destroyed. It needs CONFIG_INET_DIAG_DESTROY.
func Destroy(peers []netip.Addr) (int, error) {
	if len(peers) == 0 {
		return 0, nil
	}
	sockets, err := netlink.SocketDiagTCP(unix.AF_INET)
	if err != nil {
		return 0, fmt.Errorf("list TCP connections: %w", err)
	}
	destroyed := 0
	for _, s := range sockets {
		peer, ok := netip.AddrFromSlice(s.ID.Destination.To4())
		if !ok || !slices.Contains(peers, peer) {
			continue
		}
		local := &net.TCPAddr{IP: s.ID.Source, Port: int(s.ID.SourcePort)}
		remote := &net.TCPAddr{IP: s.ID.Destination, Port: int(s.ID.DestinationPort)}
		switch err := netlink.SocketDestroy(local, remote); {
		case err == nil:
			destroyed++
		case errors.Is(err, unix.ENOENT): // it ended in the meantime
		default:
			return destroyed, fmt.Errorf("destroy the connection %v–%v: %w", local, remote, err)
		}
	}
	return destroyed, nil
}

// CanDestroy checks once that the kernel destroys sockets: it makes a connection
// with itself over loopback and destroys it.
func CanDestroy() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on loopback: %w", err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return fmt.Errorf("connect over loopback: %w", err)
	}
	defer c.Close()
	if err := netlink.SocketDestroy(c.LocalAddr(), c.RemoteAddr()); err != nil {
		return fmt.Errorf("destroy a socket: %w", err)
	}
	return nil
}
