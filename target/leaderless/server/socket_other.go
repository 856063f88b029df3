//go:build !linux

package server

import "syscall"

// limitSilence does nothing where there is no TCP_USER_TIMEOUT: after a
// partition a connection is then only given up when a write blocks.
func limitSilence(_, _ string, _ syscall.RawConn) error { return nil }
