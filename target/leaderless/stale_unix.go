//go:build unix

package leaderless

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// staleness returns a function that looks, without waiting and without taking
// anything out of it, whether there is something to be read from an idle
// connection: data that nobody asked for, the end, or an error. In none of
// these cases may it carry another request.
func staleness(conn net.Conn) func() bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return func() bool { return false }
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return func() bool { return true }
	}
	stale := false
	buffer := make([]byte, 1)
	look := func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), buffer, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		stale = err != unix.EAGAIN && err != unix.EWOULDBLOCK && err != unix.EINTR
	}
	return func() bool { return raw.Control(look) != nil || stale }
}
