package server

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence makes the kernel give a connection up when what was sent is not
// acknowledged for silenceLimit (RFC 5482, tcp(7)).
func limitSilence(_, _ string, conn syscall.RawConn) error {
	var option error
	err := conn.Control(func(fd uintptr) {
		option = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silenceLimit.Milliseconds()))
	})
	return errors.Join(err, option)
}
