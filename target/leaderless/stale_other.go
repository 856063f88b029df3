//go:build !unix

package leaderless

import "net"

// staleness returns a function that can't tell.
func staleness(net.Conn) func() bool { return func() bool { return false } }
