package process

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reap collects orphaned processes for as long as the calling process lives. It
// is for the first process of a PID namespace, which must not start children of
// its own and wait for them elsewhere.
func Reap() {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for {
			for {
				pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
				if err == unix.EINTR {
					continue
				}
				if pid <= 0 || err != nil {
					break
				}
			}
			<-children
		}
	}()
}
